//! The making of a new session: who leads it, who waits for it, how it ends.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::session_id::SessionId;

/// The leader's handle: whoever holds it makes the new session.
///
/// Send [`initialize`](Self::initialize) without an ID, a version or an event ID, and give
/// the answer to [`Session::initialize_answered`](super::Session::initialize_answered).
/// Dropped without an outcome, it counts as cancelled: one of those waiting leads instead.
#[must_use = "others wait for it; dropping it hands over to one of them"]
pub struct Lead {
    pub(super) outcome: Arc<Outcome>,
    pub(super) initialize: Arc<[u8]>,
}

impl Lead {
    /// The body to send: the caller's own last `initialize` that succeeded.
    pub fn initialize(&self) -> &[u8] {
        &self.initialize
    }

    /// The number of the recovery, by which those waiting for it can be woken.
    pub fn recovery(&self) -> u64 {
        self.outcome.number
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
pub struct Introduced {
    pub(super) lead: Lead,
    pub(super) id: Option<Box<str>>,
    pub(super) version: Box<str>,
    pub(super) body: Arc<[u8]>,
}

impl Introduced {
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

    /// The number of the recovery, as its [`Lead`] had it.
    pub fn recovery(&self) -> u64 {
        self.lead.recovery()
    }
}

impl fmt::Debug for Introduced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Introduced")
    }
}

/// A leader's handle, at either stage: a [`Lead`] or an [`Introduced`].
pub struct Leader {
    pub(super) lead: Lead,
    pub(super) id: Option<Box<str>>,
}

impl fmt::Debug for Leader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Leader")
    }
}

impl From<Lead> for Leader {
    fn from(lead: Lead) -> Self {
        Self { lead, id: None }
    }
}

impl From<Introduced> for Leader {
    fn from(introduced: Introduced) -> Self {
        Self { lead: introduced.lead, id: introduced.id }
    }
}

/// Why a recovery failed, and what it leaves behind.
#[derive(Debug)]
#[must_use = "an ID that was not adopted is to be DELETEd"]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// An ID that was not adopted and is to be DELETEd.
    pub unadopted: Option<Unadopted>,
}

/// An ID that the session did not adopt: send a DELETE with it, so that the server need not
/// keep what nobody uses.
pub struct Unadopted(pub(super) Box<str>);

impl Unadopted {
    /// The ID to attach to the DELETE.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        SessionId::parse(self.0.as_bytes())
    }
}

impl fmt::Debug for Unadopted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unadopted(redacted)")
    }
}

/// Why a request was given up, or a recovery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// The session was closed by DELETE.
    Closed,
    /// The session was resumed from a stored ID, so there is no `initialize` to replay.
    NoInitialize,
    /// A new session was asked for and no whole `InitializeResult` came back.
    InitializeRefused,
    /// The new session's ID is ill-formed.
    IllFormedSessionId,
    /// The server no longer speaks a version that has sessions.
    ModernOnlyServer,
    /// The new session's `notifications/initialized` was not accepted.
    InitializedRefused,
    /// The leader got no answer.
    Transport,
    /// Too many sessions died before one success.
    BoundReached,
    /// The session ended, and the policy does not let this request be sent again.
    NotResent,
    /// The caller cancelled the request while it waited.
    Cancelled,
    /// The stream to be resumed was of a session that has ended.
    StreamLost,
}

impl Reason {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::NoInitialize,
        Self::InitializeRefused,
        Self::IllFormedSessionId,
        Self::ModernOnlyServer,
        Self::InitializedRefused,
        Self::Transport,
        Self::BoundReached,
        Self::NotResent,
        Self::Cancelled,
        Self::StreamLost,
    ];
}

/// The recovery that is under way, or that was abandoned.
pub(super) struct Recovery {
    pub(super) outcome: Arc<Outcome>,
}

/// How a recovery ended, shared by the leader and all who wait.
///
/// Atomic, so that dropping the leader's handle needs no access to the session.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) number: u64,
    settled: AtomicU8,
}

impl Outcome {
    const PENDING: u8 = u8::MAX;
    /// It succeeded, or its leader was cancelled: whether there is a new session tells which.
    const ENDED: u8 = u8::MAX - 1;

    pub(super) fn pending(number: u64) -> Self {
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

    fn end(&self) {
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

/// Whether a request that waits has been cancelled by its caller.
#[derive(Debug, Default)]
pub(super) struct Waiting(AtomicBool);

impl Waiting {
    pub(super) fn is_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.0.store(true, Ordering::Release);
    }
}
