//! The session machine: one client's session, followed across its replacements.
//!
//! Sans-IO: a [`Session`] is told what is about to be sent and what came back, and answers
//! with what to do. It asks the tables for every verdict and adds only what has to be
//! remembered between exchanges. A *generation* is one session of the server, from the
//! `initialize` that brought it to the 404 that ended it.
//!
//! # Guarantees
//!
//! They hold under every interleaving of any number of exchanges.
//!
//! 1. A 404 ends only the generation that was attached to *that* request. A late 404 of an
//!    older one never clears a newer one, even if the server gave out the identical ID again;
//!    that request is handled by 6 and 8 without clearing.
//! 2. At most one re-initialization is under way, however many exchanges fail together.
//! 3. A leader that fails, is cancelled or dropped never wedges anyone: a cancelled leader
//!    hands over to one that waits; a failure is shared with those waiting; the next request
//!    may lead again.
//! 4. Every request ends exactly once: delivered, resent once and then delivered, dropped (its
//!    caller is answered 202), or given up with a reason. A request is resent at most once; its
//!    second 404 ends that generation, is delivered unchanged and starts nothing. That may have
//!    been the request's alone, so the next request tries out the session as in 12.
//! 5. Bounded overall: generations that die before one success, and failed replacements, are
//!    counted; at a configurable bound (default 2) the circuit is open: requests that would need
//!    a new session end at once with a clear reason, and one may lead again when the driver says
//!    that 1 s, then 2 s, ... 60 s have passed; a success closes it. A GET is bound by it too.
//!    A 404 to a request sent in a generation that was made for it while other requests of that
//!    generation succeed is that request's own: delivered, nothing ended. Success means 2xx to a
//!    JSON-RPC request of the caller's own (not `initialize`, a notification, a restore or a GET:
//!    some servers answer 202 to the dead).
//! 6. A GET that gets 404 re-initializes only if a stream had been open in this generation
//!    (one with `Last-Event-ID` counts as having been); otherwise the server offers none and
//!    the 404 passes through. An event ID of another generation is never sent: the standalone
//!    stream opens without it; the stream of a dead POST is answered 404 locally.
//! 7. `initialize` never carries an ID. IDs are adopted only from a 2xx to it. Of several
//!    `initialize`s the last *issued* wins; an ID that arrives for another is returned to the
//!    caller to DELETE. A user's own `initialize` during a recovery waits for it and then
//!    replaces it.
//! 8. What belonged to the dead generation stays there. Replies to its server's requests and
//!    its notifications are dropped; a reply is never sent to a generation that did not ask (see
//!    13). Requests are resent by policy; never one with `params.cursor`; a batch whole, if every
//!    member qualifies, or not at all. A `notifications/cancelled` that names a request that is
//!    held, to be resent, or whose refusal is still being read ends it.
//! 9. Sending DELETE ends the following of a session: nothing re-initializes afterwards, those
//!    waiting are given up, a leader's late ID comes back to be DELETEd. DELETE is never held.
//!    What the caller sends afterwards goes out as it is, with the ID that stands (that of a
//!    session taken for dead, if none has replaced it), and its answer comes back as it is; only
//!    6 and 8 hold on.
//! 10. IDs never appear in `Debug` output or errors; they are credentials.
//! 11. Restores: what a session was told that its server keeps is told again after a
//!     replacement, before those waiting are released: the last `logging/setLevel` that succeeded
//!     and every resource subscribed and not unsubscribed (at most 256, in order), in requests of
//!     our own whose answers the caller never sees. One that is refused is reported, and fails
//!     nothing.
//! 12. A refused replacement does not bury the old session. When the server *answered* the new
//!     `initialize` with a refusal, the next request is sent once with the old ID: a success
//!     revives that generation (reported as such), a 404 lets it lead again, anything else
//!     decides nothing. At close DELETE goes to the old ID as well. After a transport failure
//!     nothing is known, and the next request leads.
//! 13. Questions keep apart: a server's request whose id is still open in another generation
//!     reaches the caller under an id of ours, and its reply goes back under the server's own; so
//!     no reply is ambiguous, and none is withheld that the live session waits for. Open
//!     questions of a dead generation are ended towards the caller by `notifications/cancelled`.
//! 14. A message answers a request only if its id is the request's, as a JSON value: here, what
//!     is restored is what such an answer has accepted. (What ends without one is the driver's.)
//! 15. Bounded in time and memory: each message costs a fixed number of look-ups in ordered
//!     tables; ids and event IDs above 1,024 bytes are passed on and never remembered; each table
//!     has about as many entries as there are open requests, at most 1,024 of each kind. Of the
//!     caller's own open requests 8 MiB of ids are remembered, those of about 100,000; past that
//!     the oldest can be called off at the server only.
//!
//! A replacement succeeds when the new `initialize` (the saved one, without ID, version or event
//! ID) was answered 2xx with a whole `InitializeResult` *and* `notifications/initialized` was
//! accepted with 2xx. The leader's own messages bypass the hold; a 404 to the first two is the
//! leader's failure, not a new recovery.
#![doc = ""]
#![doc = include_str!("../../docs/session.md")]

mod answering;
mod bodies;
mod bounded;
mod circuit;
mod handles;
mod identity;
mod incoming;
mod leading;
mod machine;
mod open;
mod outgoing;
mod questions;
mod reason;
mod recovery;
mod resend;
mod restores;
mod steps;
mod streams;
#[cfg(test)]
mod tests;

pub use identity::{AdoptedId, Foreign, Generation, OrphanId};
pub use incoming::{Incoming, Seen};
pub use leading::InitializeAnswer;
pub use machine::{Options, Session};
pub use outgoing::Outgoing;
pub use reason::{Cooldown, Reason};
pub use recovery::{Failure, Initialized, Lead, Recovered, RecoveryNumber, Replaced, Restore};
pub use resend::ResendPolicy;
#[cfg(feature = "sessions")]
pub(crate) use restores::{Kept, Planned, Told};
pub use restores::{Refusal, RefusedRestore, RestoreAnswer, RestoredMethod};
pub use steps::{After, AfterStep, Answer, Before, Delivery, Exchange, GivenUp, Hold, Transmit};
pub use streams::Stream;
