//! The words in which the model and the machine are compared, and those of the world.

use std::time::Duration;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Initialize,
    /// `server/discover`.
    Discover,
    /// `tools/call`.
    Call,
    /// `tools/list`, which only reads.
    Read,
    /// Two requests and a notification; one of them changes something.
    Batch,
    /// A request, and a member that is no message.
    BrokenBatch,
    /// Notifications only.
    BatchOfNotifications,
    Notification,
    /// `notifications/cancelled`, naming the request of that number.
    Cancelled(usize),
    /// A reply to one of the questions that were shown to callers, by its number.
    Reply(u8),
    /// A POST that is no JSON-RPC message; only out of sessions.
    Malformed,
    /// Opens the stream for push.
    Get,
    /// A GET with that event ID.
    Resume(u8),
    Delete,
}

impl What {
    pub fn is_get(self) -> bool {
        matches!(self, Self::Get | Self::Resume(_))
    }

    pub fn is_post(self) -> bool {
        !self.is_get() && self != Self::Delete
    }

    /// How many requests wait for an answer in it.
    pub fn calls(self) -> usize {
        match self {
            Self::Initialize | Self::Discover | Self::Call | Self::Read | Self::BrokenBatch => 1,
            Self::Batch => 2,
            Self::BatchOfNotifications
            | Self::Notification
            | Self::Cancelled(_)
            | Self::Reply(_)
            | Self::Malformed
            | Self::Get
            | Self::Resume(_)
            | Self::Delete => 0,
        }
    }

    pub fn is_batch(self) -> bool {
        matches!(self, Self::Batch | Self::BrokenBatch | Self::BatchOfNotifications)
    }
}

/// Whose a request is, and the ID it bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    pub endpoint: u8,
    /// 0: those of the client.
    pub credentials: u8,
    pub id: Bears,
}

/// Which ID a request bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bears {
    Nothing,
    /// One of those that callers have seen, by its number.
    Seen(u8),
    /// One that nobody has given out.
    Unknown,
}

/// What the machine answers, as far as it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Pass,
    Transmit(Sending),
    Read,
    ReadAnswer,
    Hold,
    Lead,
    Wait(Duration),
    /// No new session may be made for so many seconds.
    Circuit(u64),
    Deliver(Delivered),
    Answer(Local),
    Raise,
}

/// How a request goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    pub id: Option<String>,
    pub version: Option<String>,
    pub keeps_event_id: bool,
    pub is_first: bool,
    /// The id under which a reply goes out.
    pub reply: Option<String>,
}

/// What a caller is handed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Whether its stream is watched.
    pub is_watched: bool,
    /// Whether the caller gets another ID than the server's.
    pub has_alias: bool,
    /// The ID that is to be DELETEd.
    pub orphan: Option<String>,
}

/// An answer that is made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    Accepted,
    NoContent,
    NotFound,
    /// An error of this code for the request of this id.
    Error(i64, String),
    /// One for each of these, in an array.
    Errors(i64, Vec<String>),
    /// One for each of these, in a stream.
    Stream(i64, Vec<String>),
    /// The answer to this, in a stream, behind the notification that stood beside it.
    AnswerBehind(String),
    /// The server's answers, and an error for each of these.
    Completed(i64, Vec<String>),
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub media: Media,
    /// Goes out with an answer to `initialize` only.
    pub header: Header,
}

impl Head {
    pub const fn of(status: u16) -> Self {
        Self { status, media: Media::Other, header: Header::Absent }
    }

    pub const fn json(header: Header) -> Self {
        Self { status: 200, media: Media::Json, header }
    }

    pub const fn stream() -> Self {
        Self { status: 200, media: Media::Stream, header: Header::Absent }
    }

    pub fn is_success(self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Json,
    Stream,
    Other,
}

/// The session header of an answer to `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    New,
    /// The ID that was given out last, to whomever.
    Same,
    Absent,
    IllFormed,
}

/// What is read of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Unknown,
    Text,
    /// A JSON-RPC error with an integer for a code, whose text names the ID it is about.
    Error,
    /// One whose code is none.
    ErrorWithoutCode,
    /// A known misreport of a terminated session.
    Misreport,
}

/// What is read of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The answer to each request, its id spelled otherwise where it can be.
    Right,
    /// That to the first of them.
    First,
    /// The same, outside of a batch.
    FirstAlone,
    /// The answer to each request, in a batch that has a notification too.
    Mixed,
    /// One to nobody's request.
    OtherId,
    /// An error for the id `null`, whose text names the session's ID.
    NullId,
    Empty,
    Garbage,
    Cut,
}

/// One event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub content: Content,
    pub event_id: EventId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The answer to a request that waits, by its number.
    Answer(u8),
    /// One of more than the 64 KiB that are held back.
    LongAnswer(u8),
    /// A batch of the answers to all.
    Batch,
    /// The same, with a notification behind them.
    MixedBatch,
    OtherAnswer,
    Question(u8),
    Notification,
    Garbage,
    Comment,
    /// When to ask again, and no data.
    Retry,
    /// No data at all.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventId {
    Absent,
    Reset,
    Is(u8),
}

/// What goes out of an event that has come in whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it; of a question perhaps under another id.
    AsItCame,
    /// The answer that a batch has, in the place of the batch.
    Alone,
    /// All but its data.
    LeftOut,
    /// All but its data, and what is no answer in its batch.
    OthersAlone,
    /// All but its data, and an error for each of these calls.
    Replaced(Vec<String>),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Clean,
    Cut,
    /// By its driver, if the machine says that it is outlived.
    Outlived,
}

/// What a leader meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// A whole `InitializeResult`, as JSON or in a stream.
    Result(Header, Media),
    /// A JSON-RPC error with that code, whose text names the old ID.
    Error(i32),
    /// A result that is none.
    Broken,
    /// A status, and a text.
    Status(u16),
}

/// What is done to both. Numbers select among what there is at the time, modulo its count;
/// where there is nothing, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Begin(What, Sender),
    /// The head of the response to a request in flight.
    Respond(u8, Head),
    /// What was read of a refusal in hand.
    Refuse(u8, Refused),
    /// What was read of an answer in hand.
    Answer(u8, Answered),
    /// A request in flight got no response, or lost the connection while it was read.
    Fail(u8),
    /// One that is held, waits or drains a response goes on; one that met an open circuit ends or waits.
    GoOn(u8),
    /// One was held for too long; the time of an open circuit has passed.
    TimeOut(u8),
    /// A request is stopped by its caller, wherever it is.
    Drop(u8),
    /// The answer to a leader's `initialize`.
    Welcome(u8, Welcome),
    /// The status of the answer to a leader's `notifications/initialized`.
    Accept(u8, u16),
    LeaderFails(u8),
    /// A leader alone is stopped; the request goes on.
    LeaderIsDropped(u8),
    /// One more event of a stream, of which so much comes in, in 256ths of what is to come.
    Event(u8, Frame, u8),
    /// The end of a stream; whether it was open for long.
    End(u8, End, bool),
}
