//! Why a request ends without an answer, and how long it is good to wait then.

use core::fmt;
use core::time::Duration;

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
    /// The caller cancelled the request.
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

/// One clause for the caller whose request it ends.
impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "the session was closed",
            Self::NoInitialize => "the session has ended, and how it began is not known",
            Self::InitializeRefused => "the session has ended and the server gave no new one",
            Self::IllFormedSessionId => "the session has ended and the new one's ID is ill-formed",
            Self::ModernOnlyServer => "the session has ended and the server keeps none any more",
            Self::InitializedRefused => "the session has ended and the server gave up the new one",
            Self::Transport => {
                "the session has ended and the server could not be asked for a new one"
            }
            Self::BoundReached => {
                "the session has ended, as those before it did, without one success: the server forgets \
                 sessions at once, as replicas without affinity do"
            }
            Self::NotResent => {
                "the session has ended, and this request is not one to be sent again"
            }
            Self::Cancelled => "the request was cancelled",
            Self::StreamLost => "the session has ended before the answer came",
        })
    }
}

/// A time in which no new session is made, because too many have died.
///
/// Wait as long as [`duration`](Self::duration) says, then tell
/// [`Session::cooldown_over`](super::Session::cooldown_over).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cooldown {
    pub(super) number: u64,
    pub(super) duration: Duration,
}

impl Cooldown {
    /// Its number: each is another.
    pub fn number(self) -> u64 {
        self.number
    }

    /// How long it takes, from the moment in which it was first told: 1 s to 60 s.
    pub fn duration(self) -> Duration {
        self.duration
    }
}
