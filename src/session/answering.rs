//! The machine's half that looks at responses: what ends a session, opens one or shows that one
//! lives.

use alloc::sync::Arc;

use http::StatusCode;

use super::circuit::Proven;
use super::identity::{AdoptedId, Foreign, Generation};
use super::machine::{Death, Session, State};
use super::outgoing::Errand;
use super::reason::Reason;
use super::resend::Repeatable;
use super::steps::{After, AfterStep, Answer, Attempt, Delivery, Exchange, Opening, Run, Waited};
use super::streams::Stream;
use crate::exchange::{Response, SessionId};
use crate::table::{Action, Rule};

impl Session {
    /// Decides what becomes of a request whose response head came in: as
    /// [`after_answer`](Self::after_answer), of what the exchange has
    /// [answered](Exchange::answered).
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the exchange is of another session.
    pub fn after_response<B: AsRef<[u8]>>(
        &mut self,
        exchange: Exchange<B>,
        response: &Response<'_>,
    ) -> Result<After<B>, Foreign<Exchange<B>>> {
        self.after_answer(exchange.answered(response))
    }

    /// Decides what becomes of a request that was answered.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the exchange is of another session.
    pub fn after_answer<B: AsRef<[u8]>>(
        &mut self,
        answer: Answer<'_, B>,
    ) -> Result<After<B>, Foreign<Exchange<B>>> {
        let Answer { exchange, status, id, rule, action, opening, repeatable } = answer;
        if !exchange.run.ticket.is_of(&self.owner) {
            return Err(Foreign(exchange));
        }
        if let Some(id) = &exchange.run.request.facts().id {
            self.open.ended(id, &exchange.run.ticket);
        }
        let was_live = self.is_live();
        let mut generation = exchange.generation;
        let mut revived_session = false;
        let step = match (action, rule) {
            (Action::AdoptSession, _) | (_, Rule::NoSessionAssigned)
                if opening == Opening::Refused =>
            {
                let orphan = self.orphan(id.map(|id| id.as_str().into()));
                AfterStep::Deliver(Delivery { orphan, ..delivery(exchange) })
            }
            (Action::AdoptSession, _) | (_, Rule::NoSessionAssigned) => {
                let delivery = self.initialized_by_caller(exchange, id);
                generation = delivery.stream.generation;
                AfterStep::Deliver(delivery)
            }
            (Action::ClearAndReinit, _) => self.terminated(exchange, repeatable),
            (
                Action::PassThrough
                | Action::Clear
                // No row of the client's says one of these.
                | Action::NotFoundResponse
                | Action::BadRequestResponse
                | Action::UnavailableResponse,
                _,
            ) => {
                revived_session = self.note_success(&exchange, status);
                deliver(exchange)
            }
        };
        let is_termination = action == Action::ClearAndReinit;
        Ok(After {
            step,
            rule,
            action,
            ended_session: was_live && is_termination && !self.is_live(),
            revived_session,
            generation,
        })
    }

    fn terminated<B: AsRef<[u8]>>(
        &mut self,
        mut exchange: Exchange<B>,
        repeatable: Repeatable,
    ) -> AfterStep<B> {
        let errand = exchange.run.request.facts().errand;
        let is_second = exchange.run.attempt == Attempt::Second;
        // One that was resent had a stream open when it went out first.
        let had_stream =
            exchange.bears_event_id || is_second || self.streams.were_open_in(exchange.generation);
        let is_refused = errand == Errand::Stream && !had_stream;
        if self.is_closed() || is_refused || self.is_its_own(&exchange) {
            return deliver(exchange);
        }
        let ended = self.lose(exchange.generation);
        if exchange.trial.take().is_some() {
            self.set_death(exchange.generation, Death::Reported);
        }
        match errand {
            _ if is_second => {
                if ended {
                    // It may have been this request's alone.
                    self.set_death(exchange.generation, Death::Doubted);
                }
                deliver(exchange)
            }
            Errand::Notification | Errand::Initialized | Errand::Replies => {
                AfterStep::Drop(exchange.run.request)
            }
            Errand::Initialize | Errand::Terminate | Errand::Malformed | Errand::Other => {
                deliver(exchange)
            }
            Errand::Request | Errand::Batch if !self.options.resend.allows(repeatable) => {
                self.give_up(exchange.run, Reason::NotResent).into()
            }
            Errand::Request | Errand::Batch if exchange.run.ticket.is_cancelled() => {
                self.give_up(exchange.run, Reason::Cancelled).into()
            }
            Errand::Request | Errand::Batch | Errand::Stream => {
                self.proceed(Run { attempt: Attempt::Second, ..exchange.run }).into()
            }
        }
    }

    /// Whether a 404 is its request's own: it came in the session that was made for it, where
    /// others have succeeded.
    fn is_its_own<B>(&self, exchange: &Exchange<B>) -> bool {
        let made_for_it =
            exchange.run.attempt == Attempt::Second || exchange.run.waited == Waited::Yes;
        let others_succeed = self.live().is_some_and(|live| live.proven == Proven::Yes);
        made_for_it && others_succeed && exchange.generation == self.generation
    }

    /// Ends a generation, if it is the live one; says whether it was.
    fn lose(&mut self, generation: Generation) -> bool {
        match &self.state {
            State::Live(live) if generation == self.generation => {
                self.circuit.generation_ended(live.proven);
                self.state = State::Lost(live.clone(), Death::Reported);
                self.end_questions();
                true
            }
            State::Fresh | State::Live(_) | State::Lost(..) | State::Closed(_) => false,
        }
    }

    fn initialized_by_caller<B: AsRef<[u8]>>(
        &mut self,
        exchange: Exchange<B>,
        id: Option<SessionId<'_>>,
    ) -> Delivery<B> {
        let id: Option<Arc<str>> = id.map(|id| id.as_str().into());
        let Some(issue) = exchange.issue else { return delivery(exchange) };
        if issue != self.issued || self.is_closed() {
            let orphan = self.orphan(id);
            return Delivery { orphan, ..delivery(exchange) };
        }
        self.initialize = Some(Arc::from(exchange.run.request.body().as_ref()));
        self.restores.clear();
        self.adopt(id.clone(), None);
        if let Some(trial) = self.recovery.take() {
            // Nobody waits for a session that has been replaced.
            trial.end();
        }
        let of_new = Exchange { generation: self.generation, ..exchange };
        Delivery { opened_session: true, adopted: id.map(AdoptedId), ..delivery(of_new) }
    }

    /// Takes a success; says whether it showed that a session lives that was taken for dead.
    fn note_success<B>(&mut self, exchange: &Exchange<B>, status: StatusCode) -> bool {
        if !status.is_success() {
            return false;
        }
        let errand = exchange.run.request.facts().errand;
        if errand == Errand::Stream {
            // It counts for its own generation, dead by now or not.
            self.streams
                .opened(Stream { generation: exchange.generation, origin: exchange.origin });
        }
        if exchange.generation != self.generation {
            return false;
        }
        let shows_life = errand.is_request() || errand == Errand::Stream;
        match &mut self.state {
            State::Live(live) if errand.is_request() => {
                live.proven = Proven::Yes;
                self.circuit.succeeded();
                false
            }
            State::Lost(live, _) if shows_life && exchange.trial.is_some() => {
                let mut live = live.clone();
                live.proven = if errand.is_request() { Proven::Yes } else { Proven::No };
                self.state = State::Live(live);
                if errand.is_request() {
                    self.circuit.succeeded();
                }
                true
            }
            State::Fresh | State::Live(_) | State::Lost(..) | State::Closed(_) => false,
        }
    }
}

fn deliver<B>(exchange: Exchange<B>) -> AfterStep<B> {
    AfterStep::Deliver(delivery(exchange))
}

fn delivery<B>(exchange: Exchange<B>) -> Delivery<B> {
    Delivery {
        stream: Stream { generation: exchange.generation, origin: exchange.origin },
        request: exchange.run.request,
        opened_session: false,
        adopted: None,
        orphan: None,
    }
}
