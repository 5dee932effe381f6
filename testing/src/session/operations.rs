//! What is done to the machine and to the model, and what happened then.

use mcp_session_core::session::Reason;

use super::words::{Answer, Restored, Step, What};

/// What is done to both. Numbers select among what there is at the time, modulo its count;
/// where there is nothing, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Begin(What),
    Respond(u8, Status),
    /// A 200 to a request in flight, with this header if it is an `initialize`.
    Welcome(u8, Header),
    Abandon(u8),
    Ask(u8),
    DropHold(u8),
    LeaderInitialize(Welcome),
    LeaderInitialized(u16),
    /// The answer to a restore.
    LeaderRestores(Restoration),
    LeaderFails,
    LeaderIsDropped,
    /// On that stream, the server asks under that id.
    ServerAsks(u8, u8),
    /// On that stream, the server takes back what it asked under that id.
    ServerCancels(u8, u8),
    /// On that stream, the request that it answers is answered.
    AnswerSeen(u8, Answered),
    EventSeen(u8, u8),
    /// The time in which no new session is made is over.
    CooldownOver,
    /// As it is told of an earlier one once more.
    EarlierCooldownOver,
}

/// How a restore is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restoration {
    Result,
    Error,
    /// By a result for another id.
    Strange,
    Status(u16),
    /// By nothing: its connection broke.
    Broken,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Result,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Plain(u16),
    /// A 400 whose body is a known misreport.
    Misreport,
    /// A 200 whose body is a JSON-RPC error; of an `initialize`, with a session header all the
    /// same.
    Error,
}

/// The session header of an answer to `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    New,
    /// The ID of the last session.
    Same,
    Absent,
    IllFormed,
}

/// The answer to a leader's `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    Result(Header),
    /// A JSON-RPC error with that code, and a session header all the same.
    Error(i32),
    /// A result that is none, with a session header.
    Broken,
    Status(u16),
}

/// One line of the history, in the machine's own words.
#[derive(Clone, Debug)]
pub enum Happened {
    /// With the id, as JSON, that a reply answers to.
    Began {
        request: usize,
        what: What,
        step: Step,
        reply: Option<String>,
    },
    Asked {
        request: usize,
        step: Step,
    },
    Answered {
        request: usize,
        answer: Answer,
        step: Step,
        ended: bool,
        revived: bool,
    },
    Abandoned {
        request: usize,
    },
    Initialized {
        id: Option<String>,
    },
    /// The leader's session stands; this is what it is told first.
    Stands {
        restores: Option<Restored>,
    },
    Restored {
        next: Option<Restored>,
    },
    RestoreRefused {
        what: Restored,
    },
    Replaced,
    Failed {
        reason: Reason,
        issued_id: Option<String>,
        orphan: Option<String>,
    },
    LeaderDropped,
    ServerAsked {
        generation: usize,
        own: String,
        shown: String,
    },
    ServerCancelled {
        generation: usize,
        own: String,
    },
    /// The caller was told that the questions it knows as these are void.
    Voided {
        shown: Vec<String>,
    },
    AnswerSeen {
        request: usize,
        generation: usize,
        is_result: bool,
    },
    CooldownOver,
    EventSeen {
        generation: usize,
        event: u8,
    },
}
