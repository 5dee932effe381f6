//! A request that the application runs, of a session that is owned.

use alloc::format;

use super::super::entry::kept_body;
use super::super::key::SessionKey;
use super::super::options::Restore;
use super::super::replica::Replica;
use super::super::step::{HandlerHeader, HiddenId, Misuse, RunApp, Step, Watch};
use super::Run;
use super::reading::{AnswerReader, Progress, is_initialized};
use super::state::{AfterHold, Answering, Attached, Ending, Matter, State};
use super::taking::terminate_later;
use crate::answer::Answer;
use crate::exchange::Method;
use crate::jsonrpc::Message;
use crate::server::{ResponseHead, Rest};
use crate::session::Told;

/// A body up to this long is kept as long as its request.
const SMALL: usize = 4096;

impl Run {
    /// Takes the head of what the application answers.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn answer_head(
        &mut self,
        replica: &mut Replica,
        head: ResponseHead,
    ) -> Result<Step, Misuse> {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Opening(opening) => Ok(self.opening_head(replica, opening, head)),
            State::Answering(Answering::Head { key, matter, public }) => {
                Ok(self.answering_head(replica, key, matter, public, head))
            }
            other @ (State::Answering(Answering::Body { .. })
            | State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Ending
            | State::Passed
            | State::Ended) => {
                self.state = other;
                Err(Misuse)
            }
        }
    }

    /// Takes a piece of what the application answers; the last one is empty where the answer
    /// broke off.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn answer_piece(
        &mut self,
        replica: &mut Replica,
        piece: &[u8],
        rest: Rest,
    ) -> Result<Step, Misuse> {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Opening(opening) => Ok(self.opening_piece(replica, opening, piece, rest)),
            State::Answering(Answering::Body { key, told, public, mut reader }) => {
                let id = self.message().and_then(|message| message.id());
                let progress = id.map(|id| reader.add(piece, rest, id));
                Ok(match progress {
                    Some(Progress::Pending) => {
                        let body = Answering::Body { key, told, public, reader };
                        self.state = State::Answering(body);
                        Step::KeepBack
                    }
                    Some(Progress::Answered(message))
                        if crate::jsonrpc::peek(&message).is_result() =>
                    {
                        self.keep(replica, key, told, public)
                    }
                    Some(Progress::Answered(_) | Progress::Unanswered) | None => {
                        self.end_passing(public)
                    }
                })
            }
            other @ (State::Answering(Answering::Head { .. })
            | State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Ending
            | State::Passed
            | State::Ended) => {
                self.state = other;
                Err(Misuse)
            }
        }
    }

    /// Takes that the application has begun to answer, and knew the session. The body of the
    /// request, where nothing waits for it, is let go.
    pub fn answer_begun(&mut self) {
        let is_over = match &self.state {
            State::Answering(Answering::Head { matter: Matter::Nothing, .. })
            | State::Passed
            | State::Ended => true,
            State::Answering(_)
            | State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Opening(_)
            | State::Ending => false,
        };
        if is_over {
            self.let_go_of_body();
        }
    }

    /// Takes that the application does not know the session that it was given, so that nothing
    /// of the request was run ([`Decision::session_is_gone`](crate::server::Decision::session_is_gone)). In the
    /// place of its answer comes what the step says: of a request that is no matter of a session
    /// here, as one of HTTP+SSE, the canonical 404.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the application was not given the request.
    pub fn app_forgot(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        match &self.state {
            State::Answering(_) => Ok(self.forgotten(replica)),
            State::Ended if self.ran_in.is_some() => Ok(self.forgotten(replica)),
            State::Passed => Ok(self.reply(|id| Answer::not_found(id))),
            State::Ended
            | State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Opening(_)
            | State::Ending => Err(Misuse),
        }
    }

    /// Gives the request to the application.
    pub(super) fn serve(&mut self, replica: &mut Replica, key: SessionKey) -> Step {
        if self.is_upkeep {
            return self.end();
        }
        if self.is_body_gone() {
            return self.unavailable();
        }
        let (number, method) = (self.number, self.method());
        let Some(owned) = replica.owned.get_mut(&key) else { return self.find() };
        owned.runs.insert(number, method);
        self.ran_in = Some(owned.generation);
        let inner = owned.inner.clone();
        replica.note_used(key);
        let public = self.head.head.attached_id().filter(|id| *id != inner.as_bytes());
        let public = public.map(|id| HiddenId(id.into()));
        let matter = self.matter();
        let watch = match (&matter, &public) {
            (Matter::Nothing, None) => Watch::Nothing,
            (Matter::Nothing | Matter::Termination | Matter::Initialized | Matter::Told(_), _) => {
                Watch::Answer
            }
        };
        self.state = State::Answering(Answering::Head { key, matter, public });
        Step::RunApp(RunApp { header: HandlerHeader::Inner(inner), origin: self.origin, watch })
    }

    /// The application has forgotten the session: it is restored there, once.
    pub(super) fn forgotten(&mut self, replica: &mut Replica) -> Step {
        let Some(Attached { key, .. }) = self.attached else { return self.unknown() };
        let Some(owned) = replica.owned.get(&key) else { return self.look(replica) };
        let (claim, confirmed) = (owned.claim, owned.confirmed);
        let is_newer = self.ran_in.is_none_or(|ran_in| ran_in < owned.generation);
        let record = owned.record.clone();
        if is_newer {
            // Another request has restored it meanwhile.
            return self.look(replica);
        }
        if let Some(other) = replica.busy(&key, self.number) {
            return self.hold(other, AfterHold::Forgotten);
        }
        if self.was_forgotten {
            // It is this request that it does not know.
            return self.unknown();
        }
        let is_over = self.method() == Method::Delete
            || replica.options.restore == Restore::Refused
            || !record.is_restorable();
        if is_over {
            return self.terminate(replica, key, claim, Ending::Lost);
        }
        self.was_forgotten = true;
        self.restore(replica, key, claim, confirmed, record)
    }

    /// Sends the answer; nothing more is told of it.
    pub(super) fn end_passing(&mut self, session_id: Option<HiddenId>) -> Step {
        self.state = State::Ended;
        self.let_go_of_body();
        Step::Pass(session_id)
    }

    /// Keeps of a body no more than the id, for an answer that breaks off.
    fn let_go_of_body(&mut self) {
        if self.body.as_ref().is_none_or(|body| body.len() <= SMALL) {
            return;
        }
        let id = self.message().as_ref().and_then(Message::echoed_id);
        let kept = id.map(|id| format!(r#"{{"id":{},"method":""}}"#, id.as_str()));
        self.body = kept.map(|kept| kept.into_bytes().into());
    }

    pub(super) fn end(&mut self) -> Step {
        self.state = State::Ended;
        Step::Done
    }

    fn matter(&self) -> Matter {
        match (self.method(), self.message()) {
            (Method::Delete, _) => Matter::Termination,
            (Method::Post, Some(message)) if is_initialized(&message) => Matter::Initialized,
            (Method::Post, Some(message)) => {
                Told::of(&message).map_or(Matter::Nothing, Matter::Told)
            }
            (Method::Post | Method::Get | Method::Other, _) => Matter::Nothing,
        }
    }

    fn answering_head(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        matter: Matter,
        public: Option<HiddenId>,
        head: ResponseHead,
    ) -> Step {
        let is_success = head.status().is_success();
        match matter {
            Matter::Termination if is_success => {
                let Some(owned) = replica.owned.get(&key) else { return self.end_passing(public) };
                let claim = owned.claim;
                if replica.busy(&key, self.number).is_some() || !replica.lease.is_fresh {
                    terminate_later(replica, key);
                    return self.end_passing(public);
                }
                self.terminate(replica, key, claim, Ending::Deleted(public))
            }
            Matter::Initialized if is_success => {
                let body = self.body.as_deref().map(kept_body).filter(|body| !body.is_empty());
                match replica.owned.get_mut(&key) {
                    Some(owned) if body.is_some() && owned.record.initialized != body => {
                        owned.record.initialized = body;
                        self.record(replica, key, public)
                    }
                    Some(_) | None => self.end_passing(public),
                }
            }
            Matter::Told(told) if is_success => {
                if head.response(None).content_encoding.is_some() {
                    // What cannot be read counts as kept: to be refused later costs nothing.
                    return self.keep(replica, key, told, public);
                }
                let reader = AnswerReader::new(&head);
                self.state = State::Answering(Answering::Body { key, told, public, reader });
                Step::KeepBack
            }
            Matter::Nothing | Matter::Termination | Matter::Initialized | Matter::Told(_) => {
                self.end_passing(public)
            }
        }
    }

    fn keep(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        told: Told,
        public: Option<HiddenId>,
    ) -> Step {
        let Some(owned) = replica.owned.get_mut(&key) else { return self.end_passing(public) };
        owned.record.kept.take(told);
        self.record(replica, key, public)
    }
}
