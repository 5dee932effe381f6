//! The client machine: what an HTTP client that follows its sessions does with each request.
//!
//! Sans-IO, over [`Session`](crate::session::Session). A driver tells it of every request,
//! response, piece and failure, and does what it answers: transmit, read, hold, lead, wait,
//! deliver or answer. Time comes in as "this wait is over", never as a clock. What is the
//! HTTP library's world stays in the driver: sockets, timers, jitter, cookies, credentials,
//! redirects, hooks.
//!
//! # Laws
//!
//! They hold under every interleaving of any number of requests, beside those of the
//! [session machine](crate::session).
//!
//! 1. A request is looked at only if it opens a session, belongs to one that was opened here,
//!    or is a JSON-RPC message; any other goes out and comes back as if we were not there.
//! 2. A session belongs to its scheme, host and path, and to the credentials that opened it or
//!    that its server has since accepted for it. A stranger who bears its ID is sent as it
//!    is: nothing is re-initialized for it, and it never gets a newer ID.
//! 3. Every request that is looked at ends in exactly one of: delivered, answered here, raised.
//! 4. A call (a request, or a batch with one) ends in an answer to it or in an error for each
//!    of its ids: an answer is a response by the schema whose id is the request's, as a JSON
//!    value or as the text of the same integer, alone or in a batch. Its caller reads it with
//!    the request's own id, and in no batch unless it sent one. A resumption of its stream that
//!    the server gives and ends in order is a poll and no failure. One that is redirected, stopped
//!    or refused by a first 401 leaves the call to the next. A notification or a reply that ends
//!    here is answered 202.
//! 5. The opening `initialize`, `server/discover`, 401 and 403 get what they would get without
//!    us; so does 405, but to a message with `status_shield`. A stream's resumption ends by 403,
//!    by 405, and by a second 401 in a row.
//! 6. A stream goes out byte for byte, but for questions whose id is open in another
//!    generation, for answers in a form that their caller cannot read, and for what is
//!    appended to a stream that ends without its answer.
//! 7. A text that is made here shows of an exception its type, of a refusal its status and its
//!    `error.message` (at most 500 characters, control characters escaped, no ID): never a
//!    URL, a header or an ID.
//! 8. What is remembered is bounded: sessions, endpoints, credentials, interrupted requests,
//!    events; each by count and by size.
//! 9. Once its caller has sent DELETE nothing of a session begins: who waits is let go, what was
//!    about to be sent again is not, no `initialize` goes out. What is sent afterwards bears the
//!    ID that stands and comes back as it came; but for a stream's resumption, by 4.

mod awaited;
mod backoff;
mod event;
mod followed;
mod head;
mod interrupted;
mod large_event;
mod local_answer;
mod owned;
mod recovery;
mod refusal;
mod registry;
mod run;
mod server_message;
mod shown;
mod step;
#[cfg(test)]
mod tests;
mod watch;

use core::fmt;

use crate::exchange::Misreports;
use crate::session;

pub use event::{Event, SessionName};
pub use head::{Credentials, Endpoint, RequestHead, ResponseHead, Source};
pub use local_answer::LocalAnswer;
pub use recovery::{
    ReadOn, RecoveryEnd, RecoveryFailure, RecoveryMessage, RecoveryRun, RecoveryStep,
};
pub use run::{Begin, Look, RequestRun};
pub use step::{
    Handover, HoldEnd, ReadLimit, Sent, Step, Transmission, TransportFailure, Trial, Turn,
};
pub use watch::{StreamEnd, Watch};

use registry::{REMEMBERED, Registry, Slot};

/// Whether callers are spared something.
///
/// Exhaustive on purpose: there is no half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shield {
    /// They are.
    Up,
    /// They get what they would get without us.
    Down,
}

/// Client options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Those of each session.
    pub session: session::Options,
    /// The words in which these servers report a terminated session, beside the listed ones.
    pub misreports: Misreports,
    /// Whether a call ends with an error of its own where the server is not there.
    pub outage_shield: Shield,
    /// Whether a call ends with an error of its own where the server refuses it by a status
    /// that would end the client.
    pub status_shield: Shield,
    /// Whether an answer that breaks off, or answers nothing, becomes such an error too, and
    /// streams end cleanly.
    pub stream_guard: Shield,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            session: session::Options::default(),
            misreports: Misreports::none(),
            outage_shield: Shield::Up,
            status_shield: Shield::Down,
            stream_guard: Shield::Up,
        }
    }
}

/// The sessions of one HTTP client. See the [module](self) for what it guarantees.
pub struct Client {
    options: Options,
    registry: Registry,
}

impl Client {
    /// A client that follows the sessions which are opened through it.
    ///
    /// `seed` is any number that servers cannot know: it keeps names that are made here apart
    /// from IDs of theirs.
    pub fn new(options: Options, seed: u64) -> Self {
        Self { options, registry: Registry::new(seed, REMEMBERED) }
    }

    /// Whether a session is still kept.
    pub fn knows(&self, session: SessionNumber) -> bool {
        self.registry.hold(session.0).is_some()
    }

    /// The same client, for as many sessions.
    #[must_use]
    pub fn remembering(self, sessions: usize) -> Self {
        Self { registry: self.registry.remembering(sessions), ..self }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The number by which a driver keeps what it needs for one session; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(Slot);

impl From<SessionNumber> for u64 {
    fn from(number: SessionNumber) -> Self {
        number.0.number()
    }
}

impl From<u64> for SessionNumber {
    fn from(number: u64) -> Self {
        Self(Slot::of(number))
    }
}

/// A handle was told of something that it does not wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse;

impl fmt::Display for Misuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this handle does not wait for that now")
    }
}

impl core::error::Error for Misuse {}
