//! Whose a handle is, which generation a message belongs to, and IDs that are never shown.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::exchange::SessionId;

/// One session of the server, from the `initialize` that brought it to what ended it.
///
/// A later one is greater. The first is before any `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub(super) u64);

impl From<Generation> for u64 {
    fn from(generation: Generation) -> Self {
        generation.0
    }
}

/// The ID of a session that was adopted.
#[derive(Clone, PartialEq, Eq)]
pub struct AdoptedId(pub(super) Arc<str>);

impl AdoptedId {
    /// The ID as a header's value.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        SessionId::parse(self.0.as_bytes())
    }
}

impl fmt::Debug for AdoptedId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdoptedId(redacted)")
    }
}

/// An ID that the session did not adopt: send a DELETE with it, so that the server need not
/// keep what nobody uses.
pub struct OrphanId(pub(super) Arc<str>);

impl OrphanId {
    /// The ID to attach to the DELETE.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        SessionId::parse(self.0.as_bytes())
    }
}

impl fmt::Debug for OrphanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OrphanId(redacted)")
    }
}

/// A handle of another [`Session`](super::Session): nothing was used up, and it is handed back.
pub struct Foreign<T>(pub T);

impl<T> fmt::Debug for Foreign<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Foreign(..)")
    }
}

impl<T> fmt::Display for Foreign<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it belongs to another session")
    }
}

impl<T> core::error::Error for Foreign<T> {}

/// What a request keeps from its first step to its last: whose it is, whether its caller has
/// cancelled it, and whether its driver has something else to do before it sends it.
pub(super) struct Ticket {
    owner: Arc<Owner>,
    cancelled: AtomicBool,
    kept_back: AtomicBool,
}

/// Whether a request that may go out has not gone out yet.
#[cfg(feature = "client")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptBack {
    Yes,
    No,
}

/// Tells one session from another, by its address.
pub(super) struct Owner;

impl Ticket {
    pub(super) fn new(owner: &Arc<Owner>) -> Self {
        Self {
            owner: Arc::clone(owner),
            cancelled: AtomicBool::new(false),
            kept_back: AtomicBool::new(false),
        }
    }

    pub(super) fn is_of(&self, owner: &Arc<Owner>) -> bool {
        Arc::ptr_eq(&self.owner, owner)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(super) fn is_kept_back(&self) -> bool {
        self.kept_back.load(Ordering::Acquire)
    }

    #[cfg(feature = "client")]
    pub(super) fn keep_back(&self, now: KeptBack) {
        self.kept_back.store(now == KeptBack::Yes, Ordering::Release);
    }
}
