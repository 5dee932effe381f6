//! Where a run stands.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::super::entry::LiveRecord;
use super::super::key::SessionKey;
use super::super::step::{HiddenId, RunNumber};
use super::reading::AnswerReader;
use crate::server::ResponseHead;
use crate::session::{Planned, Told};

pub(super) enum State {
    Reading,
    Finding,
    Renewing(AfterRenewal),
    Writing(Writing),
    Forwarding(Forwarding),
    Held(Held),
    Waiting,
    Restoring(Box<Restoring>),
    Opening(Box<Opening>),
    /// The application ends a session that it was not to open.
    Ending,
    Answering(Answering),
    /// The application has it, as it came: it is no matter of a session.
    Passed,
    /// Nothing more is told.
    Ended,
}

/// What was to be done with a fresh lease.
#[derive(Clone, Copy)]
pub(super) enum AfterRenewal {
    Look,
    /// Say that the session is unknown, if the table has lost nothing.
    Unknown,
}

/// A wait for another run of this process.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) by: RunNumber,
    pub(super) then: AfterHold,
}

#[derive(Clone, Copy)]
pub(super) enum AfterHold {
    Look,
    Forgotten,
}

/// To whom a request was forwarded, and what is claimed if that is gone.
pub(super) struct Forwarding {
    pub(super) owner: Box<str>,
    pub(super) claim: u64,
    pub(super) record: LiveRecord,
}

#[derive(Clone, Copy)]
pub(super) struct Attached {
    pub(super) key: SessionKey,
    /// The claim that the request was forwarded to this process by.
    pub(super) hop: Option<u64>,
}

/// A write that is under way.
pub(super) struct Writing {
    pub(super) purpose: Purpose,
    pub(super) key: SessionKey,
    /// What stands there if it succeeds.
    pub(super) claim: u64,
    /// The epoch of the lease that it was sent in.
    pub(super) epoch: u64,
}

/// What is written, and what follows.
pub(super) enum Purpose {
    /// A session whose owner is gone; it is restored then.
    Claim(Box<LiveRecord>),
    /// A session that is owned, with so many of its changes.
    Confirm { changes: u64 },
    /// What has changed of a session that is owned; its answer waits.
    Record { changes: u64, then: Option<HiddenId> },
    /// The end of a session.
    Terminate(Ending),
    /// A session that the application has just opened.
    Open(Box<Opened>),
}

/// Why a session ends, and what the client gets.
#[derive(Clone)]
pub(super) enum Ending {
    /// The application has terminated it: the answer goes out.
    Deleted(Option<HiddenId>),
    /// It cannot be restored: it is as if it were unknown.
    Lost,
    /// It was terminated before, and the table is told now.
    Late,
}

/// An `initialize` that the application runs.
pub(super) struct Opening {
    /// Its head, once that has come, with the ID it bears.
    pub(super) answering: Option<(ResponseHead, HiddenId, AnswerReader)>,
}

/// A session that the application has opened.
pub(super) struct Opened {
    pub(super) inner: HiddenId,
    pub(super) record: LiveRecord,
    /// The ID that the client gets in the place of the application's, if another session has
    /// that.
    pub(super) minted: Option<HiddenId>,
}

pub(super) struct Restoring {
    pub(super) key: SessionKey,
    pub(super) claim: u64,
    pub(super) confirmed: Option<u64>,
    pub(super) record: LiveRecord,
    pub(super) stage: Stage,
    /// Of the answer that is coming in.
    pub(super) reader: Option<AnswerReader>,
}

pub(super) enum Stage {
    Initialize,
    Initialized(HiddenId),
    Told(HiddenId, Planned, VecDeque<Planned>),
    Announced(HiddenId),
}

/// What is looked at in the answer.
pub(super) enum Answering {
    Head {
        key: SessionKey,
        matter: Matter,
        /// The client's own, where the application calls the session otherwise.
        public: Option<HiddenId>,
    },
    Body {
        key: SessionKey,
        told: Told,
        public: Option<HiddenId>,
        reader: AnswerReader,
    },
}

/// What the answer decides.
pub(super) enum Matter {
    Nothing,
    /// Whether the session goes.
    Termination,
    /// Whether the application has taken that the client is initialized.
    Initialized,
    /// Whether it keeps what it was told.
    Told(Told),
}
