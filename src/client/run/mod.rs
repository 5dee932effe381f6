//! One request of a caller's, from its first step to its end.

mod answers;
mod begin;
mod state;
mod streams;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::event::Event;
use super::followed::FollowedSession;
use super::head::{Credentials, ResponseHead, Source};
use super::interrupted::Interrupted;
use super::local_answer::Posted;
use super::owned::{OwnedEndpoint, OwnedHead};
use super::recovery::RecoveryRun;
use super::refusal::{IN_DOUBT, Refusal};
use super::registry::Slot;
use super::step::{
    AnswerBody, Handover, HoldEnd, ReadLimit, Sent, Step, Transmission, TransportFailure, Trial,
    Turn,
};
use super::{Client, Misuse, SessionNumber};
use crate::exchange::Method;
use crate::jsonrpc::RequestIdKey;
use crate::session::{Before, Cooldown, Hold, Lead, Outgoing, Reason, Transmit};

pub use begin::{Begin, Look};

use state::State;

/// One request on its way. It is used up by its last step.
#[derive(Debug)]
#[must_use = "its caller waits for it"]
pub struct RequestRun<B> {
    slot: Option<Slot>,
    /// Keeps its session, forgotten or not.
    alive: Option<Arc<()>>,
    facts: Facts,
    turn: Turn,
    /// Whether it has gone out in its session.
    was_sent: bool,
    tries: u32,
    resumes: Option<Interrupted>,
    state: State<B>,
}

#[derive(Debug)]
struct Facts {
    method: Method,
    role: Role,
    posted: Posted,
    endpoint: OwnedEndpoint,
    credentials: Credentials,
    waits_as: Option<RequestIdKey>,
    wakes: Option<RequestIdKey>,
    session_id: Option<String>,
    protocol_version: Option<String>,
    last_event_id: Option<String>,
}

/// Requests that get what they would get without us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Initialize,
    /// Any other by which a client finds out what the server is.
    Discover,
    /// A message whose caller had sent DELETE for its session before.
    AfterDelete,
    Ordinary,
}

impl<B> RequestRun<B> {
    /// The number of its session, if it is of one.
    pub fn session(&self) -> Option<SessionNumber> {
        self.slot.map(SessionNumber)
    }

    /// Whether it is an `initialize`, which opens a session.
    pub fn is_initialize(&self) -> bool {
        self.facts.role == Role::Initialize && self.slot.is_some()
    }

    /// By what it is known while it is held: its id's value.
    pub fn waits_as(&self) -> Option<&[u8]> {
        self.facts.waits_as.as_ref().map(RequestIdKey::as_bytes)
    }

    /// Who is to be woken because this request has ended it: the id's value.
    pub fn wakes(&self) -> Option<&[u8]> {
        self.facts.wakes.as_ref().map(RequestIdKey::as_bytes)
    }

    /// Whether it closes its session: none is made any more, and those who wait are let go.
    pub fn closes(&self) -> bool {
        let is_followed = self.slot.is_some() && !matches!(self.state, State::Unfollowed);
        self.facts.method == Method::Delete && is_followed
    }

    /// Whether what it is held for, or waits for, has come to its end, or it has itself.
    pub fn is_settled(&self, client: &mut Client) -> bool {
        match &self.state {
            State::Held(hold) => hold.is_settled(),
            State::Waiting { since, .. } => self.followed(client).is_none_or(|followed| {
                followed.is_closed() || followed.session.generation() != *since
            }),
            State::Unfollowed
            | State::Sent(_)
            | State::Refused(..)
            | State::UnfollowedRefused(_)
            | State::Answering(_)
            | State::CircuitOpen(..)
            | State::Ended => true,
        }
    }

    /// Whether it is not sent any more, whatever else it waits for: its caller has cancelled it,
    /// or has sent DELETE for its session.
    pub fn is_called_off(&self, client: &mut Client) -> bool {
        let is_cancelled = match &self.state {
            State::Sent(exchange) => exchange.is_cancelled(),
            State::Held(hold) => hold.is_cancelled(),
            State::Waiting { .. }
            | State::Unfollowed
            | State::Refused(..)
            | State::UnfollowedRefused(_)
            | State::Answering(_)
            | State::CircuitOpen(..)
            | State::Ended => false,
        };
        is_cancelled || self.is_of_closed_session(client)
    }

    /// Whether nothing happened to its session that nobody was told of.
    pub fn has_no_events(&self, client: &mut Client) -> bool {
        self.followed(client).is_none_or(|followed| followed.events.is_empty())
    }

    /// The time in which no new session is made, if there is one now. It begins when it is there:
    /// to be asked after each recovery, and after each response that is no success.
    pub fn cooldown(&self, client: &mut Client) -> Option<Cooldown> {
        client.registry.session(self.slot?)?.session.cooldown()
    }

    /// Hands out the oldest event of its session that nobody was told of.
    pub fn next_event(&self, client: &mut Client) -> Option<Event> {
        self.followed(client)?.events.pop()
    }

    /// Whether its caller has sent DELETE for its session.
    fn is_of_closed_session(&self, client: &mut Client) -> bool {
        self.followed(client).is_some_and(|followed| followed.is_closed())
    }

    fn followed<'c>(&self, client: &'c mut Client) -> Option<&'c mut FollowedSession> {
        client.registry.session(self.slot?)
    }
}

impl<B: AsRef<[u8]>> RequestRun<B> {
    /// Takes the head of the response.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request was not sent.
    pub fn response(
        &mut self,
        client: &mut Client,
        head: &ResponseHead<'_>,
    ) -> Result<Step, Misuse> {
        // Whose answer to an `initialize` it is makes no difference: none stands for a session yet.
        let source = if self.facts.role == Role::Initialize { Source::Server } else { head.source };
        let head = &ResponseHead { source, ..*head };
        if self.state.take_unfollowed() {
            if self.is_shielded_without_session(client, head.status) {
                self.state = State::UnfollowedRefused(head.status);
                return Ok(Step::Read(ReadLimit::REFUSAL));
            }
            return Ok(self.unfollowed_response(client, head));
        }
        let exchange = self.state.take_sent().ok_or(Misuse)?;
        if self.must_read(&exchange, &client.options, head) {
            self.state = State::Refused(exchange, OwnedHead::new(head));
            return Ok(Step::Read(ReadLimit::REFUSAL));
        }
        Ok(self.answered(client, exchange, head, None))
    }

    /// Takes that the request goes out now, after whatever else its driver had to do: to be
    /// told before each [`Transmission`] whose turn is a later one. Says what is done instead if
    /// it was called off meanwhile.
    ///
    /// Until then a `notifications/cancelled` that names it ends here too.
    pub fn goes_out(&mut self, client: &mut Client) -> Option<Step> {
        let State::Sent(exchange) = &self.state else { return None };
        let reason = if exchange.is_cancelled() {
            Reason::Cancelled
        } else if self.is_of_closed_session(client) {
            Reason::Closed
        } else {
            exchange.let_out();
            return None;
        };
        let request = self.state.take_sent()?.into_request();
        Some(self.give_up_at_once(client, request, reason))
    }

    /// Takes what was read of the body in hand, decoded: an answer whole; of a refusal, or of what
    /// is no JSON, as much as there was to be read, and `None` if that is not known whole.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: nothing was to be read.
    pub fn body_read(&mut self, client: &mut Client, body: Option<&[u8]>) -> Result<Step, Misuse> {
        if matches!(self.state, State::Answering(_)) {
            return self.answer_read(client, AnswerBody::Whole(body.unwrap_or_default()));
        }
        if let Some(status) = self.state.take_unfollowed_refused() {
            let refusal = Refusal::of(status, body, &client.options);
            return Ok(self.refused(client, refusal, Handover::plain()));
        }
        let (exchange, head) = self.state.take_refused().ok_or(Misuse)?;
        Ok(self.answered(client, exchange, &head.borrowed(), body))
    }

    /// Takes that no response came.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request was not sent.
    pub fn failed(
        &mut self,
        client: &mut Client,
        failure: TransportFailure<'_>,
    ) -> Result<Step, Misuse> {
        if matches!(self.state, State::Answering(_)) {
            return self.answer_read(client, AnswerBody::Cut(failure.kind));
        }
        let is_unfollowed =
            self.state.take_unfollowed() || self.state.take_unfollowed_refused().is_some();
        let outgoing = if is_unfollowed {
            None
        } else {
            let refused = |state: &mut State<B>| Some(state.take_refused()?.0);
            let sent = self.state.take_sent().or_else(|| refused(&mut self.state));
            Some(sent.ok_or(Misuse)?.into_request())
        };
        let sent = match failure.sent {
            Sent::No => "it was not sent",
            Sent::InDoubt => IN_DOUBT,
        };
        let detail = format!("the server could not be reached: {}; {sent}", failure.kind);
        Ok(self.unreachable(client, outgoing, detail))
    }

    /// Takes the end of a hold, or of the recovery that this request has led. One that may go
    /// out already, and did not yet, can be held for too long as well.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request is not held.
    pub fn hold_over(&mut self, client: &mut Client, end: HoldEnd) -> Result<Step, Misuse> {
        self.turn = Turn::Later;
        match end {
            HoldEnd::Settled => {
                let hold = self.state.take_held().ok_or(Misuse)?;
                let Some(followed) = self.followed(client) else { return Ok(Step::Raise) };
                let before = followed.session.after_recovery(hold);
                let Ok(before) = before else { return Ok(Step::Raise) };
                Ok(self.proceed(client, before))
            }
            HoldEnd::TimedOut => {
                let request = self.state.take_waiting_to_go_out().ok_or(Misuse)?;
                let Some(followed) = self.followed(client) else { return Ok(Step::Raise) };
                let detail = "the session has ended, and no new one came in time".to_owned();
                followed.note_given_up(Reason::Transport, &detail);
                Ok(self.ended_while_held(client, request, detail))
            }
        }
    }

    /// Takes the end of a wait.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request does not wait.
    pub fn wait_over(&mut self, client: &mut Client) -> Result<Step, Misuse> {
        let outgoing = self.state.take_waiting().ok_or(Misuse)?;
        self.turn = Turn::Later;
        if self.is_of_closed_session(client) {
            return Ok(self.lost("its session was ended"));
        }
        Ok(self.start(client, outgoing))
    }

    /// Takes that the time of an open circuit has passed: this request may lead.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request was not told of an open circuit.
    pub fn circuit_cooled(&mut self, client: &mut Client) -> Result<Step, Misuse> {
        let (outgoing, cooldown, _) = self.state.take_circuit_open().ok_or(Misuse)?;
        if self.is_of_closed_session(client) {
            return Ok(self.give_up_at_once(client, outgoing, Reason::Closed));
        }
        if let Some(followed) = self.followed(client) {
            followed.session.cooldown_over(cooldown);
        }
        Ok(self.start(client, outgoing))
    }

    /// Takes that the time of an open circuit has not passed.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the request was not told of an open circuit.
    pub fn circuit_stands(&mut self, client: &mut Client) -> Result<Step, Misuse> {
        let (outgoing, cooldown, reason) = self.state.take_circuit_open().ok_or(Misuse)?;
        Ok(self.cut_off(client, outgoing, cooldown, reason))
    }

    /// Takes that it ends here: its caller has left, or hears of what is no matter of sessions.
    pub fn abandon(mut self, client: &mut Client) {
        self.hand_back(client);
    }

    fn start(&mut self, client: &mut Client, outgoing: Outgoing<B>) -> Step {
        let Some(followed) = self.followed(client) else { return Step::Raise };
        if let Some(wait) = self.wait_before(followed) {
            return self.wait(client, outgoing, wait);
        }
        let before = followed.session.before_request(outgoing);
        self.proceed(client, before)
    }

    /// Lets it wait for so long, or until another session stands.
    fn wait(&mut self, client: &mut Client, request: Outgoing<B>, time: Duration) -> Step {
        let Some(followed) = self.followed(client) else { return Step::Raise };
        self.state = State::Waiting { request, since: followed.session.generation() };
        Step::Wait(time)
    }

    fn proceed(&mut self, client: &mut Client, before: Before<B>) -> Step {
        match before {
            Before::Transmit(transmit) => self.transmit(transmit),
            Before::Hold(hold) => self.hold(hold),
            Before::Lead(lead, hold) => self.lead(lead, hold),
            Before::Drop(_) => self.dropped(),
            Before::GiveUp(given_up) => self.give_up(client, given_up),
        }
    }

    fn transmit(&mut self, transmit: Transmit<B>) -> Step {
        let Facts { session_id, last_event_id, protocol_version, .. } = &self.facts;
        let wanted = transmit.session_id();
        let wanted = wanted.as_ref().map(|id| id.as_str());
        let version = transmit.protocol_version().or(protocol_version.as_deref());
        let mut changes = Vec::new();
        for (name, own, wanted) in [
            ("mcp-session-id", session_id.as_deref(), wanted),
            ("last-event-id", last_event_id.as_deref(), transmit.last_event_id()),
            ("mcp-protocol-version", protocol_version.as_deref(), version),
        ] {
            if own != wanted {
                changes.push((name, wanted.map(str::to_owned)));
            }
        }
        let body = transmit.replaced_body().map(<[u8]>::to_vec);
        let turn = core::mem::replace(&mut self.turn, Turn::Later);
        let trial = if transmit.is_trial() { Trial::Yes } else { Trial::No };
        if turn == Turn::Later {
            transmit.exchange.keep_back();
        }
        self.was_sent = true;
        self.state = State::Sent(transmit.exchange);
        Step::Transmit(Transmission { changes, body, turn, trial })
    }

    fn lead(&mut self, lead: Lead, hold: Hold<B>) -> Step {
        let recovery = RecoveryRun::new(self.slot, self.alive.clone(), lead);
        self.state = State::Held(hold);
        Step::Lead(Box::new(recovery))
    }

    fn hold(&mut self, hold: Hold<B>) -> Step {
        let recovery = hold.recovery();
        self.state = State::Held(hold);
        Step::Hold(recovery)
    }
}
