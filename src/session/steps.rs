//! What the machine answers: the steps, and the handles that come with them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use super::identity::{AdoptedId, Generation, OrphanId, Ticket};
use super::outgoing::Outgoing;
use super::reason::{Cooldown, Reason};
use super::recovery::{Lead, Outcome, RecoveryNumber};
use super::streams::{EventOrigin, Stream};
use crate::exchange::{Quirks, Response, SessionId};
use crate::table::{Action, Attachment, Columns, Rule};

/// What to do before a request goes out.
///
/// Exhaustive on purpose: the caller has to act on each.
#[derive(Debug)]
#[must_use = "the request waits for it"]
pub enum Before<B> {
    /// Send it.
    Transmit(Transmit<B>),
    /// Wait until the recovery is settled, then ask
    /// [`Session::after_recovery`](super::Session::after_recovery).
    Hold(Hold<B>),
    /// Make a new session with the [`Lead`], then ask
    /// [`Session::after_recovery`](super::Session::after_recovery).
    Lead(Lead, Hold<B>),
    /// Send nothing; its caller is answered 202.
    Drop(Outgoing<B>),
    /// Send nothing; its caller is told why. A GET is answered 404.
    GiveUp(GivenUp<B>),
}

/// What a response means: what to do, and what it did to the session.
#[derive(Debug)]
#[must_use = "the request's caller waits for it"]
#[non_exhaustive]
pub struct After<B> {
    /// What to do.
    pub step: AfterStep<B>,
    /// The row of the table that says what the exchange means.
    pub rule: Rule,
    /// What that row says to do, taken alone.
    pub action: Action,
    /// Whether this response ended the session that stood.
    pub ended_session: bool,
    /// Whether this response showed that the session that was taken for dead still lives.
    pub revived_session: bool,
    /// The generation the response belongs to; for an `initialize` that opened a session, the
    /// one it opened.
    pub generation: Generation,
}

/// What to do after a response.
///
/// Exhaustive on purpose: the caller has to act on each.
#[derive(Debug)]
#[must_use = "the request's caller waits for it"]
pub enum AfterStep<B> {
    /// Hand the response to the caller, unchanged.
    Deliver(Delivery<B>),
    /// Send the request again, now.
    Resend(Transmit<B>),
    /// Wait until the recovery is settled, then ask
    /// [`Session::after_recovery`](super::Session::after_recovery).
    Hold(Hold<B>),
    /// Make a new session with the [`Lead`], then ask
    /// [`Session::after_recovery`](super::Session::after_recovery).
    Lead(Lead, Hold<B>),
    /// The response is of no use; its caller is answered 202.
    Drop(Outgoing<B>),
    /// The response is of no use; its caller is told why. A GET is answered 404.
    GiveUp(GivenUp<B>),
}

/// A request that ends without the server's answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct GivenUp<B> {
    /// The request.
    pub request: Outgoing<B>,
    /// Why.
    pub reason: Reason,
    /// The time in which no new session is made, if there is one now.
    pub retry_after: Option<Cooldown>,
}

/// How to send a request.
#[must_use = "the exchange it opens ends with its response"]
pub struct Transmit<B> {
    /// To be given back with the response. Dropped, it counts as abandoned.
    pub exchange: Exchange<B>,
    pub(super) session_id: Option<Arc<str>>,
    pub(super) protocol_version: Option<Arc<str>>,
    /// What goes out in place of the request's own body.
    pub(super) body: Option<Vec<u8>>,
}

impl<B: AsRef<[u8]>> Transmit<B> {
    /// The body to send. It is the request's own, unless the id of a reply in it was one of
    /// ours.
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_else(|| self.request().body().as_ref())
    }
}

impl<B> Transmit<B> {
    /// The body that goes out in place of the request's own, if one does.
    pub fn replaced_body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Whether it tries out if the session that was taken for dead still lives.
    pub fn is_trial(&self) -> bool {
        self.exchange.trial.is_some()
    }

    /// The request to send.
    pub fn request(&self) -> &Outgoing<B> {
        self.exchange.request()
    }

    /// The ID to attach. Any other that the request bears does not go out.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        self.session_id.as_deref().and_then(|id| SessionId::parse(id.as_bytes()))
    }

    /// The version to put into `MCP-Protocol-Version`, if another was negotiated since the
    /// caller's own `initialize`.
    pub fn protocol_version(&self) -> Option<&str> {
        self.protocol_version.as_deref()
    }

    /// What to put into `Last-Event-ID`; an event ID of another generation does not go out.
    pub fn last_event_id(&self) -> Option<&str> {
        self.exchange.run.request.last_event_id().filter(|_| self.exchange.bears_event_id)
    }
}

impl<B> fmt::Debug for Transmit<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transmit")
            .field("session_id", &self.session_id())
            .field("protocol_version", &self.protocol_version())
            .field("bears_event_id", &self.exchange.bears_event_id)
            .finish_non_exhaustive()
    }
}

/// A response that is handed to the caller.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<B> {
    /// The request.
    pub request: Outgoing<B>,
    /// Where its messages and event IDs belong; for
    /// [`Session::saw_message`](super::Session::saw_message) and
    /// [`Session::saw_event_id`](super::Session::saw_event_id).
    pub stream: Stream,
    /// Whether it opened the session that stands now: an `initialize` of the caller's own.
    pub opened_session: bool,
    /// The ID of the session it opened, if the server gave one out.
    pub adopted: Option<AdoptedId>,
    /// An ID that was not adopted and is to be DELETEd.
    pub orphan: Option<OrphanId>,
}

/// One request on its way. It remembers the generation it belongs to, and is used once.
#[must_use = "it ends with its response"]
pub struct Exchange<B> {
    pub(super) run: Run<B>,
    pub(super) generation: Generation,
    pub(super) attached: bool,
    pub(super) bears_event_id: bool,
    pub(super) origin: EventOrigin,
    /// The number of the `initialize`, if it is one by which a session can be opened.
    pub(super) issue: Option<u64>,
    pub(super) trial: Option<Trial>,
    pub(super) quirks: Quirks,
}

impl<B> Exchange<B> {
    /// The request that is on its way.
    pub fn request(&self) -> &Outgoing<B> {
        &self.run.request
    }

    /// The generation it belongs to.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether its caller has cancelled the request since. Of one that is to be resent, ask
    /// before it goes out.
    pub fn is_cancelled(&self) -> bool {
        self.run.ticket.is_cancelled()
    }

    /// Reads the head of the response, and its body as far as that is known. A
    /// [`Session`](super::Session) that is given the answer reads nothing.
    ///
    /// `response.body` may be `None`; whether it is needed,
    /// [`needs_body`](crate::needs_body) says. Of an `initialize` give the message that answered
    /// as its body, with the content type of JSON, if it is at hand: one that is no whole
    /// `InitializeResult` opens no session, whatever its head says. Where it is not known, the
    /// head alone counts.
    pub fn answered<'a>(self, response: &Response<'a>) -> Answer<'a, B> {
        let attachment = if self.attached { Attachment::Attached } else { Attachment::NotAttached };
        let columns = Columns::of_client(
            self.quirks,
            self.run.request.method(),
            self.run.request.facts.errand.request_kind(),
            attachment,
            response,
        );
        let (rule, action) = columns.decide();
        let id = response.session_id.and_then(SessionId::parse);
        let opening = match self.issue {
            Some(_) => Opening::of(response),
            None => Opening::Possible,
        };
        Answer { exchange: self, status: response.status, id, rule, action, opening }
    }

    /// The request, for whoever ends it itself: the exchange is abandoned.
    pub fn into_request(self) -> Outgoing<B> {
        self.run.request
    }
}

/// An exchange and what came back, for
/// [`Session::after_answer`](super::Session::after_answer).
#[must_use = "the request's caller waits for it"]
pub struct Answer<'a, B> {
    pub(super) exchange: Exchange<B>,
    pub(super) status: StatusCode,
    /// A well-formed session header.
    pub(super) id: Option<SessionId<'a>>,
    pub(super) rule: Rule,
    pub(super) action: Action,
    pub(super) opening: Opening,
}

/// Whether an answer to an `initialize` of the caller's can open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Possible,
    /// It is known, and no `InitializeResult`.
    Refused,
}

impl<B> fmt::Debug for Answer<'_, B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("exchange", &self.exchange)
            .field("status", &self.status)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Exchange<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Exchange")
            .field("request", &self.run.request)
            .field("generation", &self.generation)
            .field("attempt", &self.run.attempt)
            .finish_non_exhaustive()
    }
}

/// A request that waits for a recovery.
///
/// Ask [`Session::after_recovery`](super::Session::after_recovery) when
/// [`is_settled`](Self::is_settled). Dropped, its request counts as abandoned.
#[must_use = "its request waits"]
pub struct Hold<B> {
    pub(super) run: Run<B>,
    pub(super) outcome: Arc<Outcome>,
    /// The generation that stood, or had ended, when it began to wait.
    pub(super) since: Generation,
}

impl<B> Hold<B> {
    /// The request that waits.
    pub fn request(&self) -> &Outgoing<B> {
        &self.run.request
    }

    /// Whether the recovery it waits for has come to an end, or the request itself has.
    pub fn is_settled(&self) -> bool {
        self.run.ticket.is_cancelled() || !self.outcome.is_pending()
    }

    /// The recovery it waits for.
    pub fn recovery(&self) -> RecoveryNumber {
        self.outcome.number
    }
}

impl<B> fmt::Debug for Hold<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Hold")
            .field("request", &self.run.request)
            .field("recovery", &self.recovery())
            .finish_non_exhaustive()
    }
}

/// A request under way, from its first step to its last.
pub(super) struct Run<B> {
    pub(super) request: Outgoing<B>,
    pub(super) ticket: Arc<Ticket>,
    pub(super) attempt: Attempt,
    pub(super) waited: Waited,
}

/// Whether a request has waited for the session that stands: then that was made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    No,
    Yes,
}

/// The trial of a session that was taken for dead, for which others wait. Dropped, it has
/// decided nothing.
pub(super) struct Trial(pub(super) Arc<Outcome>);

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Which sending of a request it is: the last is the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Second,
}

impl<B> From<Before<B>> for AfterStep<B> {
    fn from(before: Before<B>) -> Self {
        match before {
            Before::Transmit(transmit) => Self::Resend(transmit),
            Before::Hold(hold) => Self::Hold(hold),
            Before::Lead(lead, hold) => Self::Lead(lead, hold),
            Before::Drop(request) => Self::Drop(request),
            Before::GiveUp(given_up) => Self::GiveUp(given_up),
        }
    }
}
