//! What the processes of one application may be told to do otherwise.

use crate::server::EchoId;

/// Options of a [`Replica`](super::Replica).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether a session goes on in another process when its owner is gone.
    pub restore: Restore,
    /// Whether the answers made here repeat the id of the request.
    pub request_id: EchoId,
    /// How many sessions are owned at most. Beyond that, those that were not used for the
    /// longest time have to be restored when they are used again.
    pub max_sessions: usize,
    /// How many bytes of what is remembered of sessions, in sum.
    pub max_bytes: usize,
}

impl Options {
    /// The default for [`Self::max_sessions`].
    pub const MAX_SESSIONS: usize = 100_000;
    /// The default for [`Self::max_bytes`].
    pub const MAX_BYTES: usize = 256 * 1024 * 1024;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            restore: Restore::Allowed,
            request_id: EchoId::Repeat,
            max_sessions: Self::MAX_SESSIONS,
            max_bytes: Self::MAX_BYTES,
        }
    }
}

/// Whether a session goes on in another process, or anew in the same, by the messages that it
/// was opened with.
///
/// Exhaustive on purpose: there is no half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Restore {
    /// It does.
    Allowed,
    /// It ends with its owner: what the application has in its memory *is* the session.
    Refused,
}
