//! Where a request is on its way.

use http::StatusCode;

use crate::client::owned::OwnedHead;
use crate::client::server_message::PendingAnswers;
use crate::session::{Cooldown, Exchange, Generation, Hold, Outgoing, Reason, Stream};

macro_rules! take {
    ($state:expr, $pattern:pat => $held:expr) => {
        match core::mem::replace($state, Self::Ended) {
            $pattern => Some($held),
            other => {
                *$state = other;
                None
            }
        }
    };
}

#[derive(Debug)]
pub(super) enum State<B> {
    /// It goes out as it is, in no session that is followed.
    Unfollowed,
    Sent(Exchange<B>),
    Refused(Exchange<B>, OwnedHead),
    /// As `Refused`, in no session that is followed.
    UnfollowedRefused(StatusCode),
    Answering(Answering),
    Held(Hold<B>),
    /// Until a time is over, or another generation than this stands.
    Waiting {
        request: Outgoing<B>,
        since: Generation,
    },
    /// With the reason that stands if no new session may be made yet.
    CircuitOpen(Outgoing<B>, Cooldown, Reason),
    Ended,
}

/// An answer that is being read whole.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) stream: Stream,
    pub(super) pending: PendingAnswers,
    pub(super) status: StatusCode,
}

/// Each takes out what a state holds, and ends it; a state that is another stays as it is.
impl<B> State<B> {
    pub(super) fn take_sent(&mut self) -> Option<Exchange<B>> {
        take!(self, Self::Sent(exchange) => exchange)
    }

    pub(super) fn take_refused(&mut self) -> Option<(Exchange<B>, OwnedHead)> {
        take!(self, Self::Refused(exchange, head) => (exchange, head))
    }

    pub(super) fn take_answering(&mut self) -> Option<Answering> {
        take!(self, Self::Answering(answering) => answering)
    }

    pub(super) fn take_held(&mut self) -> Option<Hold<B>> {
        take!(self, Self::Held(hold) => hold)
    }

    /// What is held, or may go out and has not.
    pub(super) fn take_waiting_to_go_out(&mut self) -> Option<Outgoing<B>> {
        if matches!(self, Self::Sent(exchange) if exchange.is_kept_back()) {
            return Some(self.take_sent()?.into_request());
        }
        Some(self.take_held()?.into_request())
    }

    pub(super) fn take_waiting(&mut self) -> Option<Outgoing<B>> {
        take!(self, Self::Waiting { request, .. } => request)
    }

    pub(super) fn take_unfollowed_refused(&mut self) -> Option<StatusCode> {
        take!(self, Self::UnfollowedRefused(status) => status)
    }

    pub(super) fn take_circuit_open(&mut self) -> Option<(Outgoing<B>, Cooldown, Reason)> {
        take!(self, Self::CircuitOpen(request, cooldown, why) => (request, cooldown, why))
    }

    /// Whether it went out as it is; then it is ended.
    pub(super) fn take_unfollowed(&mut self) -> bool {
        take!(self, Self::Unfollowed => ()).is_some()
    }
}
