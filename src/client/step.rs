//! What a driver is told to do for a request, and what it tells of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::local_answer::LocalAnswer;
use super::recovery::RecoveryRun;
use super::watch::Watch;
use crate::session::{Cooldown, OrphanId, RecoveryNumber};

/// What a driver does next for a request.
///
/// Exhaustive on purpose: the driver has to act on each. A response that is in hand when the
/// next step is not one of `Read`, `ReadAnswer` and `Deliver` is drained first.
#[derive(Debug)]
#[must_use = "the request's caller waits for it"]
pub enum Step {
    /// Send the request, with these changes; then tell of the response or of the failure.
    Transmit(Transmission),
    /// Read this much of the refusal in hand, then tell of it by `body_read`.
    Read(ReadLimit),
    /// Read the answer in hand whole, then tell of it by `body_read`, or by `failed`.
    ReadAnswer,
    /// Wait until the recovery of this number is settled, then ask `hold_over`.
    Hold(RecoveryNumber),
    /// Make a new session, then ask `hold_over`.
    Lead(Box<RecoveryRun>),
    /// Wait so long, or until a new session stands, then ask `wait_over`.
    Wait(Duration),
    /// Ask `circuit_cooled` if that much time has passed since this number was seen first,
    /// else `circuit_stands`.
    CircuitOpen(Cooldown),
    /// Hand on the response.
    Deliver(Handover),
    /// Answer the caller with a response that is made here.
    Answer(LocalAnswer),
    /// Let the caller have the failure as it came.
    Raise,
}

/// How a request goes out.
#[derive(PartialEq, Eq)]
pub struct Transmission {
    /// Headers that differ from the request's own; `None` where one does not go out.
    pub changes: Vec<(&'static str, Option<String>)>,
    /// The body, where it is another than the request's own.
    pub body: Option<Vec<u8>>,
    /// Whether this is the first time.
    pub turn: Turn,
    /// Whether others wait for its outcome.
    pub trial: Trial,
}

impl Transmission {
    /// Whether the request goes out as its caller made it, and nobody else waits for what comes
    /// of that.
    pub fn is_unchanged(&self) -> bool {
        let Self { changes, body, turn, trial } = self;
        changes.is_empty() && body.is_none() && *turn == Turn::First && *trial == Trial::No
    }
}

/// Whether a request tries out a session that may have ended. Those who wait for its outcome are
/// to be woken when it has come, or will not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl fmt::Debug for Transmission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may be a session's ID; a body holds what users say to tools.
        let names: Vec<&str> = self.changes.iter().map(|(name, _)| *name).collect();
        formatter
            .debug_struct("Transmission")
            .field("changes", &names)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

/// Which time a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// For the first time, before anything was waited for.
    First,
    /// After a wait, or for the second time: cookies may have been set since.
    Later,
}

/// How much of a refusal is read: it is small, and what goes on beyond this is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Bytes, decoded.
    pub bytes: usize,
    /// Time.
    pub time: Duration,
}

impl ReadLimit {
    /// The limit of every refusal.
    pub const REFUSAL: Self = Self { bytes: 64 * 1024, time: Duration::from_secs(2) };
}

/// A response that is handed to the caller.
pub struct Handover {
    /// The value of `Mcp-Session-Id` that the caller sees, where it is another than the
    /// server's.
    pub alias: Option<String>,
    /// The body, where it is another than the server's.
    pub body: Option<Vec<u8>>,
    /// Through which its stream goes.
    pub watch: Option<Box<Watch>>,
    /// An ID to DELETE.
    pub orphan: Option<OrphanId>,
}

impl fmt::Debug for Handover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An alias is an ID; a body holds what servers say to users.
        formatter
            .debug_struct("Handover")
            .field("watch", &self.watch)
            .field("orphan", &self.orphan)
            .finish_non_exhaustive()
    }
}

impl Step {
    pub(super) fn deliver() -> Self {
        Self::Deliver(Handover::plain())
    }
}

impl Handover {
    pub(super) fn plain() -> Self {
        Self { alias: None, body: None, watch: None, orphan: None }
    }
}

/// Why no response came.
#[derive(Clone, Copy, Debug)]
pub struct TransportFailure<'a> {
    /// The type of the error, as its library names it. Its text is not shown.
    pub kind: &'a str,
    /// Whether the server may have seen the request.
    pub sent: Sent,
}

/// Whether a server may have seen a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It has not.
    No,
    /// Nobody can know.
    InDoubt,
}

/// How a hold came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEnd {
    /// What it waited for is settled.
    Settled,
    /// It was held for too long.
    TimedOut,
}

/// What was read of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnswerBody<'a> {
    /// All of it, decoded.
    Whole(&'a [u8]),
    /// It broke off, or could not be decoded: the type of the error.
    Cut(&'a str),
}
