//! The words in which the model and the machine are compared.

use mcp_session_core::session::Reason;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// `tools/call`.
    Call,
    /// `tools/list`, which only reads.
    Read,
    /// `tools/list` with a cursor.
    Cursor,
    Initialize,
    Notification,
    /// `notifications/cancelled`, naming the request of that number.
    Cancelled(usize),
    /// A reply to the server's request of that ID.
    Reply(u8),
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
pub(crate) enum Step {
    Send(Sending),
    Resend(Sending),
    Hold,
    Lead,
    Drop,
    GiveUp(Reason),
    /// With the ID that is to be DELETEd.
    Deliver(Option<String>),
}

/// How a request goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) keeps_event_id: bool,
}

/// What a response says, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// A well-formed session header.
    pub(crate) id: Option<String>,
    pub(crate) has_ill_formed_id: bool,
    /// Whether its body is a known misreport of a terminated session.
    pub(crate) misreport: bool,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Whether nobody waits for an answer to it.
pub(crate) fn is_one_way(what: What) -> bool {
    matches!(
        what,
        What::Notification | What::Cancelled(_) | What::Reply(_) | What::BatchOfNotifications
    )
}

/// Whether it is a single request, which has the ID of its number.
pub(crate) fn has_an_id(what: What) -> bool {
    matches!(what, What::Call | What::Read | What::Cursor | What::Initialize)
}
