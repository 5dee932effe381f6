//! What the processes of one application may be told to do otherwise.

use core::time::Duration;

use crate::server::EchoId;

/// Options of a [`Replica`](super::Replica).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether a session goes on in another process when its owner is gone.
    pub restore: Restore,
    /// Whether the table can lose what it has.
    pub durability: Durability,
    /// Whether the answers made here repeat the id of the request.
    pub request_id: EchoId,
    /// What becomes of a request that bears no session header.
    pub sessionless: Sessionless,
    /// How many sessions are owned at most. Beyond that, those that were not used for the
    /// longest time have to be restored when they are used again.
    pub max_sessions: usize,
    /// How many bytes of what is remembered of sessions, in sum.
    pub max_bytes: usize,
    /// For how long a lease stands that is not renewed, as all processes are told to announce.
    pub lease: Duration,
}

impl Options {
    /// The default for [`Self::max_sessions`].
    pub const MAX_SESSIONS: usize = 100_000;
    /// The default for [`Self::max_bytes`].
    pub const MAX_BYTES: usize = 256 * 1024 * 1024;
    /// The default for [`Self::lease`].
    pub const LEASE: Duration = Duration::from_millis(1500);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            restore: Restore::Allowed,
            durability: Durability::Forgetful,
            request_id: EchoId::Repeat,
            sessionless: Sessionless::Refuse,
            max_sessions: Self::MAX_SESSIONS,
            max_bytes: Self::MAX_BYTES,
            lease: Self::LEASE,
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

/// Whether a table can lose what it has, while processes that use it live on.
///
/// Exhaustive on purpose: a table does or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// It cannot, or says so when it is asked: the memory of the process itself; a file of one
    /// host, which may be deleted or replaced.
    Durable,
    /// It can: a server that is restarted, flushed, or followed by another that lags behind.
    /// What it does not know is then 503 until it is certain that its owners have written again
    /// what it had: for the time of a lease after it was seen to have lost something, and after
    /// a process has begun.
    Forgetful,
}

/// What becomes of a request without a session header, but for an `initialize`, of a revision
/// that has sessions.
///
/// ```
/// use mcp_session_core::Method;
/// use mcp_session_core::sessions::{
///     Caller, Options, Replica, RequestHead, Run, Sessionless, Step, TableKey,
/// };
///
/// let first_step = |sessionless| {
///     let key = TableKey::new(b"sixteen bytes or more").unwrap();
///     let options = Options { sessionless, ..Options::default() };
///     let mut head = RequestHead::new(Method::Get, b"session_id=1868a90c");
///     head.add_header(b"Accept", b"text/event-stream");
///     Run::begin(&mut Replica::new("8b2f0c5e", key, options), head, Caller::default()).1
/// };
///
/// assert!(matches!(first_step(Sessionless::Refuse), Step::Reply(_)));
/// assert!(matches!(first_step(Sessionless::Pass), Step::RunApp(_)));
/// ```
///
/// Exhaustive on purpose: a server requires a session or it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sessionless {
    /// The table of admission decides, as of a server that requires a session: 400 to a POST of
    /// a JSON-RPC message and to a GET that asks for a stream of events. Of anything else, such
    /// as a page or a form, nothing says that it is MCP's: the application gets it as it came.
    Refuse,
    /// The application gets it as it came. For a gateway: its servers may be stateless, or speak
    /// HTTP+SSE, whose sessions are bound to a stream and never restored.
    Pass,
}
