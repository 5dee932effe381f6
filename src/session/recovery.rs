//! The making of a new session: who leads it, who waits for it, how it ends.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use http::StatusCode;

use super::identity::{Generation, OrphanId, Owner};
use super::incoming::{Incoming, Part};
use super::reason::Reason;
use super::restores::{Answered, Planned, Refusal, RefusedRestore, RestoreAnswer, RestoredMethod};
use crate::exchange::SessionId;
use crate::jsonrpc::RequestId;

/// The leader's handle: whoever holds it makes the new session.
///
/// Send [`initialize`](Self::initialize) without an ID, a version or an event ID, and give
/// the answer to [`Session::initialize_answered`](super::Session::initialize_answered).
/// Dropped without an outcome, it counts as cancelled: one of those waiting leads instead.
#[must_use = "others wait for it; dropping it hands over to one of them"]
pub struct Lead {
    pub(super) owner: Arc<Owner>,
    pub(super) outcome: Arc<Outcome>,
    pub(super) initialize: Arc<[u8]>,
}

impl Lead {
    /// The body to send: the caller's own last `initialize` that succeeded.
    pub fn initialize(&self) -> &[u8] {
        &self.initialize
    }

    /// The recovery, by which those waiting for it can be woken.
    pub fn recovery(&self) -> RecoveryNumber {
        self.outcome.number
    }

    pub(super) fn is_of(&self, owner: &Arc<Owner>) -> bool {
        Arc::ptr_eq(&self.owner, owner)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.outcome.end();
    }
}

impl fmt::Debug for Lead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lead")
    }
}

/// A leader whose `initialize` succeeded.
///
/// Send [`initialized`](Self::initialized) with the ID and the version of the new session,
/// and give the status of the answer to
/// [`Session::initialized_answered`](super::Session::initialized_answered).
#[must_use = "others wait for it; dropping it hands over to one of them"]
pub struct Initialized {
    pub(super) lead: Lead,
    pub(super) id: Option<Arc<str>>,
    pub(super) version: Arc<str>,
    pub(super) body: Arc<[u8]>,
}

impl Initialized {
    /// The ID to attach; none if the server keeps no session now.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        self.id.as_deref().and_then(|id| SessionId::parse(id.as_bytes()))
    }

    /// The version to put into `MCP-Protocol-Version`.
    pub fn protocol_version(&self) -> &str {
        &self.version
    }

    /// The body to send: the caller's own `notifications/initialized`.
    pub fn initialized(&self) -> &[u8] {
        &self.body
    }

    /// The recovery, as its [`Lead`] had it.
    pub fn recovery(&self) -> RecoveryNumber {
        self.lead.recovery()
    }
}

impl fmt::Debug for Initialized {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Initialized")
    }
}

/// Why a recovery failed, and what it leaves behind.
#[derive(Debug)]
#[must_use = "an ID that was not adopted is to be DELETEd"]
#[non_exhaustive]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// An ID that was not adopted and is to be DELETEd.
    pub orphan: Option<OrphanId>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(formatter)
    }
}

impl core::error::Error for Failure {}

/// A recovery that is not over yet, or that has succeeded.
#[derive(Debug)]
#[must_use = "others wait for it"]
pub enum Recovered {
    /// The new session is to be told what the old one was told.
    Restore(Restore),
    /// The new session stands, and those waiting are released.
    Done(Replaced),
}

/// A session that stands in place of the one that ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replaced {
    /// The new generation.
    pub generation: Generation,
    /// What the new session could not be told of what the old one was told.
    pub refused: Vec<RefusedRestore>,
}

/// A leader whose new session stands, and is told what the old one was told.
///
/// Send [`body`](Self::body) with the ID and the version of the new session, and give the
/// answer to [`Session::restore_answered`](super::Session::restore_answered). Dropped, those
/// waiting are released.
#[must_use = "others wait for it"]
pub struct Restore {
    pub(super) lead: Lead,
    pub(super) state: Box<Restoring>,
}

pub(super) struct Restoring {
    pub(super) generation: Generation,
    pub(super) id: Option<Arc<str>>,
    pub(super) version: Arc<str>,
    /// The id of the request, as JSON.
    pub(super) request_id: Box<str>,
    pub(super) body: Box<[u8]>,
    pub(super) told: Planned,
    pub(super) rest: VecDeque<Planned>,
    pub(super) refused: Vec<RefusedRestore>,
}

impl Restore {
    /// What is told.
    pub fn method(&self) -> RestoredMethod {
        self.state.told.method()
    }

    /// The body to send: a request of our own, whose answer the caller never sees.
    pub fn body(&self) -> &[u8] {
        &self.state.body
    }

    /// Reads the answer: its status, and the JSON-RPC message that answered, read whole; `None`
    /// if none came. A [`Session`](super::Session) that is given it reads nothing.
    pub fn answered(&self, status: StatusCode, message: Option<&[u8]>) -> RestoreAnswer {
        RestoreAnswer(refusal(&self.state.request_id, status, message))
    }

    /// The ID to attach; none if the server keeps no session now.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        self.state.id.as_deref().and_then(|id| SessionId::parse(id.as_bytes()))
    }

    /// The version to put into `MCP-Protocol-Version`.
    pub fn protocol_version(&self) -> &str {
        &self.state.version
    }

    /// The recovery, as its [`Lead`] had it.
    pub fn recovery(&self) -> RecoveryNumber {
        self.lead.recovery()
    }
}

impl fmt::Debug for Restore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Restore").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// The number of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecoveryNumber(pub(super) u64);

impl From<RecoveryNumber> for u64 {
    fn from(recovery: RecoveryNumber) -> Self {
        recovery.0
    }
}

/// How a recovery ended, shared by the leader and all who wait.
///
/// Atomic, so that dropping the leader's handle needs no access to the session.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) number: RecoveryNumber,
    settled: AtomicU8,
}

impl Outcome {
    const PENDING: u8 = u8::MAX;
    /// It succeeded, or its leader was cancelled: whether there is a new session tells which.
    const ENDED: u8 = u8::MAX - 1;

    pub(super) fn pending(number: RecoveryNumber) -> Self {
        Self { number, settled: AtomicU8::new(Self::PENDING) }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.settled.load(Ordering::Acquire) == Self::PENDING
    }

    /// Why the recovery failed, if it did.
    pub(super) fn reason(&self) -> Option<Reason> {
        Reason::ALL.get(usize::from(self.settled.load(Ordering::Acquire))).copied()
    }

    pub(super) fn fail(&self, reason: Reason) {
        self.settle(reason as u8);
    }

    pub(super) fn end(&self) {
        self.settle(Self::ENDED);
    }

    /// The first outcome stands.
    fn settle(&self, outcome: u8) {
        let _first = self.settled.compare_exchange(
            Self::PENDING,
            outcome,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }
}

/// Why a restore was not accepted; none if it was.
fn refusal(request_id: &str, status: StatusCode, message: Option<&[u8]>) -> Option<Refusal> {
    if !status.is_success() {
        return Some(Refusal::Status(status.as_u16()));
    }
    let id = RequestId::from_json(request_id)?;
    let message = message.unwrap_or_default();
    let answer = Incoming::from(message).parts.into_iter().find_map(|part| match part {
        Part::Answers(answered, how) if answered.is_same_value(id) => Some(how),
        Part::Answers(..) | Part::Asks(_) | Part::Cancels(_) => None,
    });
    match answer {
        Some(Answered::Result) => None,
        Some(Answered::Error) => Some(Refusal::of(message)),
        None => Some(Refusal::Unanswered),
    }
}
