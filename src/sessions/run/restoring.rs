//! A session of the application that becomes the one that was lost.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use http::StatusCode;

use super::super::entry::LiveRecord;
use super::super::key::SessionKey;
use super::super::replica::{Owned, Replica};
use super::super::step::{HiddenId, Misuse, Origin, RestoreMessage, Step};
use super::Run;
use super::reading::{AnswerReader, Progress, is_initialized};
use super::state::{Ending, Restoring, Stage, State};
use crate::exchange::SessionId;
use crate::jsonrpc::{RequestId, peek};
use crate::server::{ResponseHead, Rest};
use crate::session::InitializeAnswer;

/// What is told where the client's own `notifications/initialized` is not known.
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
/// The id of the requests that are told again. The session is new: none is open in it.
const RESTORE_ID: &str = "\"restore\"";

/// What the application said to a message of ours.
enum Heard {
    Accepted,
    /// Not with these credentials, nor with this host: that says nothing of the session.
    NotSo,
    /// Not now.
    Later,
    /// The message itself is refused.
    Refused,
}

impl Run {
    /// Takes what the application has answered to a message of ours: its head, and its body,
    /// read whole and decoded, or of a stream so much that the answer is in it.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn restore_answered(
        &mut self,
        replica: &mut Replica,
        head: &ResponseHead,
        body: &[u8],
    ) -> Result<Step, Misuse> {
        let restoring = self.take_restoring()?;
        Ok(match restoring.stage {
            Stage::Initialize => match Heard::of(head.status()) {
                Heard::Accepted => self.initialize_restored(replica, restoring, head, body),
                Heard::NotSo if restoring.message_in(head, body).is_some() => {
                    self.not_restored(replica, &restoring, Heard::Refused)
                }
                heard @ (Heard::NotSo | Heard::Later | Heard::Refused) => {
                    self.not_restored(replica, &restoring, heard)
                }
            },
            Stage::Initialized(_) => match Heard::of(head.status()) {
                Heard::Accepted => self.tell_next(restoring),
                // It has forgotten again what it has just opened.
                Heard::NotSo if head.status() == StatusCode::NOT_FOUND => {
                    self.not_restored(replica, &restoring, Heard::Later)
                }
                heard @ (Heard::NotSo | Heard::Later | Heard::Refused) => {
                    self.not_restored(replica, &restoring, heard)
                }
            },
            Stage::Announced(_) => {
                self.state = State::Restoring(restoring);
                return Err(Misuse);
            }
            // It has forgotten what it has just opened: that refuses nothing of what was told.
            Stage::Told(..) if head.status() == StatusCode::NOT_FOUND => {
                self.not_restored(replica, &restoring, Heard::Later)
            }
            Stage::Told(..) => {
                let is_result = matches!(Heard::of(head.status()), Heard::Accepted)
                    && restoring.message_in(head, body).is_some_and(|it| peek(&it).is_result());
                self.told(restoring, is_result)
            }
        })
    }

    /// Takes that the application did not answer a message of ours: it raised, or it took too
    /// long.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn restore_failed(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        let restoring = self.take_restoring()?;
        Ok(match restoring.stage {
            Stage::Initialize | Stage::Initialized(_) => {
                self.not_restored(replica, &restoring, Heard::Later)
            }
            // It keeps what it was told before.
            Stage::Told(..) => self.told(restoring, true),
            Stage::Announced(_) => {
                self.state = State::Restoring(restoring);
                return Err(Misuse);
            }
        })
    }

    /// Takes the head of what the application answers to a message of ours, as it comes.
    pub fn restore_head(&mut self, head: &ResponseHead) {
        if let State::Restoring(restoring) = &mut self.state {
            restoring.reader = Some(AnswerReader::new(head));
        }
    }

    /// Takes a piece of that answer. Returns whether it has brought the message that is waited
    /// for: a stream may stay open behind that.
    #[must_use]
    pub fn restore_piece(&mut self, piece: &[u8]) -> bool {
        let State::Restoring(restoring) = &mut self.state else { return false };
        let Some(mut reader) = restoring.reader.take() else { return false };
        let progress = restoring.awaited_id().map(|id| reader.add(piece, Rest::Follows, id));
        match progress {
            Some(Progress::Answered(_)) => true,
            Some(Progress::Pending) => {
                restoring.reader = Some(reader);
                false
            }
            Some(Progress::Unanswered) | None => false,
        }
    }

    /// Takes that whoever wanted to know of the restored session knows.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn announced(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        let restoring = self.take_restoring()?;
        let Stage::Announced(inner) = &restoring.stage else {
            self.state = State::Restoring(restoring);
            return Err(Misuse);
        };
        let inner = inner.clone();
        let Restoring { key, claim, confirmed, record, .. } = *restoring;
        Ok(self.restored(replica, key, claim, confirmed, inner, record))
    }

    /// Begins: the session is claimed, and others wait.
    pub(super) fn restore(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        claim: u64,
        confirmed: Option<u64>,
        record: LiveRecord,
    ) -> Step {
        replica.make_busy(key, self.number);
        let body = record.initialize.clone();
        let stage = Stage::Initialize;
        let restoring = Restoring { key, claim, confirmed, record, stage, reader: None };
        self.state = State::Restoring(Box::new(restoring));
        Step::Restore(RestoreMessage { body, session_id: None })
    }

    fn take_restoring(&mut self) -> Result<Box<Restoring>, Misuse> {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Restoring(restoring) => Ok(restoring),
            other @ (State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Opening(_)
            | State::Ending
            | State::Answering(_)
            | State::Passed
            | State::Ended) => {
                self.state = other;
                Err(Misuse)
            }
        }
    }

    fn initialize_restored(
        &mut self,
        replica: &mut Replica,
        mut restoring: Box<Restoring>,
        head: &ResponseHead,
        body: &[u8],
    ) -> Step {
        let message = restoring.message_in(head, body);
        let response = head.response(None);
        let answer = InitializeAnswer::new(&response, message.as_deref());
        let inner = answer.session_id().filter(|_| self.is_same_version(&restoring, &answer));
        let Some(inner) = inner.map(SessionId::as_str) else {
            return self.not_restored(replica, &restoring, Heard::Refused);
        };
        let inner = HiddenId(inner.as_bytes().into());
        let is_initialized = self.message().is_some_and(|message| is_initialized(&message));
        if is_initialized {
            // The client says so itself, now.
            restoring.stage = Stage::Initialized(inner);
            return self.tell_next(restoring);
        }
        let body = restoring.record.initialized.as_deref().unwrap_or(INITIALIZED).into();
        restoring.stage = Stage::Initialized(inner.clone());
        self.state = State::Restoring(restoring);
        Step::Restore(RestoreMessage { body, session_id: Some(inner) })
    }

    /// The version is the one that the client was told; where that is not known, the one that
    /// it names.
    fn is_same_version(&self, restoring: &Restoring, answer: &InitializeAnswer<'_>) -> bool {
        let Some(version) = answer.version() else { return false };
        let named = self.head.head.request(None).protocol_version.filter(|it| !it.is_empty());
        match (&restoring.record.version, named) {
            (Some(negotiated), _) => version == &**negotiated,
            (None, Some(named)) => version.as_bytes() == named,
            (None, None) => true,
        }
    }

    fn told(&mut self, mut restoring: Box<Restoring>, is_result: bool) -> Step {
        if let (Stage::Told(_, planned, _), false) = (&restoring.stage, is_result) {
            restoring.record.kept.refused(planned);
        }
        self.tell_next(restoring)
    }

    fn tell_next(&mut self, mut restoring: Box<Restoring>) -> Step {
        let (inner, mut rest) = match restoring.stage {
            // To be told again is no use without the `initialize` that says so.
            Stage::Initialize => return self.find(),
            Stage::Announced(inner) => (inner, VecDeque::new()),
            Stage::Initialized(inner) => (inner, restoring.record.kept.plan()),
            Stage::Told(inner, _, rest) => (inner, rest),
        };
        let Some(planned) = rest.pop_front() else {
            // Others wait until whoever fills it again has done so.
            restoring.stage = Stage::Announced(inner.clone());
            self.state = State::Restoring(restoring);
            return Step::Announce(inner);
        };
        let body = planned.request(RESTORE_ID);
        restoring.stage = Stage::Told(inner.clone(), planned, rest);
        self.state = State::Restoring(restoring);
        Step::Restore(RestoreMessage { body, session_id: Some(inner) })
    }

    fn restored(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        claim: u64,
        confirmed: Option<u64>,
        inner: HiddenId,
        record: LiveRecord,
    ) -> Step {
        replica.release(&key, self.number);
        self.origin = Origin::Restored;
        let generation = replica.next_generation();
        match (replica.owned.get_mut(&key), self.ran_in) {
            // The application had forgotten it.
            (Some(owned), _) => {
                owned.inner = inner;
                owned.generation = generation;
            }
            // Another has claimed it meanwhile.
            (None, Some(_)) => {}
            (None, None) => {
                replica.own(key, Owned::new(claim, confirmed, inner, generation, record));
            }
        }
        self.look(replica)
    }

    fn not_restored(&mut self, replica: &mut Replica, restoring: &Restoring, why: Heard) -> Step {
        let Restoring { key, claim, .. } = *restoring;
        match why {
            Heard::Refused => {
                let owned = replica.owned.get(&key).map(|owned| owned.claim);
                self.terminate(replica, key, owned.unwrap_or(claim), Ending::Lost)
            }
            Heard::Later | Heard::Accepted => {
                replica.release(&key, self.number);
                replica.note_failed(self.number);
                self.unavailable()
            }
            Heard::NotSo => {
                replica.release(&key, self.number);
                self.state = State::Ended;
                Step::RelayRestored
            }
        }
    }
}

impl Heard {
    fn of(status: StatusCode) -> Self {
        match status {
            _ if status.is_success() => Self::Accepted,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Self::Later
            }
            _ if status.is_server_error() => Self::Later,
            _ => Self::NotSo,
        }
    }
}

impl Restoring {
    /// The id of the message that is answered.
    fn awaited_id(&self) -> Option<RequestId<'_>> {
        match self.stage {
            Stage::Initialize => peek(&self.record.initialize).id(),
            Stage::Told(..) => RequestId::from_json(RESTORE_ID),
            Stage::Initialized(_) | Stage::Announced(_) => None,
        }
    }

    /// The message that is waited for, in an answer that was read whole.
    fn message_in(&self, head: &ResponseHead, body: &[u8]) -> Option<Box<[u8]>> {
        match AnswerReader::new(head).add(body, Rest::Ended, self.awaited_id()?) {
            Progress::Answered(message) => Some(message),
            Progress::Pending | Progress::Unanswered => None,
        }
    }
}
