//! The words in which the model and the machine are compared.

use mcp_session_core::session::Reason;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `tools/call`.
    Call,
    /// `tools/list`, which only reads.
    Read,
    /// `tools/list` with a cursor.
    Cursor,
    /// `logging/setLevel`, to that level.
    SetLevel(u8),
    /// `resources/subscribe`, to that resource.
    Subscribe(u8),
    /// `resources/unsubscribe`, from that resource.
    Unsubscribe(u8),
    Initialize,
    Notification,
    /// `notifications/cancelled`, naming the request of that number.
    Cancelled(usize),
    /// A reply to the server's request of that ID.
    Reply(u8),
    /// A reply to the question that was shown to the caller as that one.
    ReplyShown(u8),
    /// A batch of a reply to the server's request of that ID and a notification.
    BatchOfReply(u8),
    /// Opens the standalone stream.
    Get,
    /// A GET with that event ID.
    Resume(u8),
    Delete,
    /// Requests that only read.
    BatchOfReads,
    /// Requests, one of which changes something.
    BatchWithCall,
    /// Requests, one of which has a cursor.
    BatchWithCursor,
    /// Notifications only.
    BatchOfNotifications,
}

/// What the machine answers, as far as it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Sending),
    Resend(Sending),
    Hold,
    Lead,
    Drop,
    /// Why, and for how many seconds no new session is made.
    GiveUp(Reason, Option<u64>),
    /// With the ID that is to be DELETEd.
    Deliver(Option<String>),
}

/// How a request goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    pub id: Option<String>,
    pub version: Option<String>,
    pub keeps_event_id: bool,
    /// Whether it tries out a session that was taken for dead.
    pub trial: bool,
    /// The id under which a reply goes out.
    pub reply: Option<String>,
}

/// What a response says, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// A well-formed session header.
    pub id: Option<String>,
    pub has_ill_formed_id: bool,
    /// Whether its body is a known misreport of a terminated session.
    pub misreport: bool,
    /// Whether its body is known, and a JSON-RPC error.
    pub says_error: bool,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What a new session is told of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    Level(u8),
    Resource(u8),
}

/// Whether nobody waits for an answer to it.
pub fn is_one_way(what: What) -> bool {
    matches!(
        what,
        What::Notification
            | What::Cancelled(_)
            | What::Reply(_)
            | What::ReplyShown(_)
            | What::BatchOfReply(_)
            | What::BatchOfNotifications
    )
}

/// Whether it replies to a question of the server's.
pub fn is_reply(what: What) -> bool {
    matches!(what, What::Reply(_) | What::ReplyShown(_) | What::BatchOfReply(_))
}

/// Whether it is a single request, which has the ID of its number.
pub fn has_an_id(what: What) -> bool {
    matches!(
        what,
        What::Call
            | What::Read
            | What::Cursor
            | What::SetLevel(_)
            | What::Subscribe(_)
            | What::Unsubscribe(_)
            | What::Initialize
    )
}
