//! The making of a new session, by the request that leads.
//!
//! Its messages are ours, and go out beside those of the callers: the saved `initialize`,
//! `notifications/initialized`, and what the old session was told to keep.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use super::event::{Event, SessionName};
use super::followed::{FollowedSession, LONGEST_ID};
use super::head::{Media, ResponseHead};
use super::owned::OwnedHead;
use super::registry::Slot;
use super::server_message::{Heard, PendingAnswers, said};
use super::{Client, Misuse};
use crate::exchange::Misreports;
use crate::jsonrpc::{json, peek};
use crate::session::{
    Failure, Generation, InitializeAnswer, Initialized, Lead, OrphanId, Reason, Recovered,
    RecoveryNumber, Replaced, Restore,
};
use crate::sse::{self, EventReader};

/// What is kept of the answer to a message of ours, decoded, in bytes.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

const NOT_REPEATED: [&str; 6] = [
    "accept-encoding",
    "content-length",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// What a driver does next for a recovery.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Debug)]
#[must_use = "others wait for it"]
pub enum RecoveryStep {
    /// Send a message of ours by POST; then tell of the response or of the failure.
    Send(RecoveryMessage),
    /// Read the response in hand piece by piece, decoded, while `piece` wants more; then tell
    /// of its end by `body_ended`.
    Read,
    /// It is over.
    Done(RecoveryEnd),
}

/// A message of ours. What else goes out with it is what the opener of the session sent, but
/// for a session ID, a version and an event ID.
#[derive(PartialEq, Eq)]
pub struct RecoveryMessage {
    /// The body.
    pub body: Vec<u8>,
    /// The value of `Mcp-Session-Id`, if it bears one.
    pub session_id: Option<SessionName>,
    /// The value of `MCP-Protocol-Version`, if it bears one.
    pub protocol_version: Option<String>,
}

impl RecoveryMessage {
    /// Whether a header of the request that opened the session goes out with messages of ours
    /// too. Names count in any case.
    ///
    /// None does that is of one request, of one session or of one connection, and none that asks
    /// for an encoding: a short answer could be a long one.
    ///
    /// ```
    /// use mcp_session_core::client::RecoveryMessage;
    ///
    /// assert!(RecoveryMessage::repeats(b"Authorization"));
    /// assert!(!RecoveryMessage::repeats(b"Mcp-Session-Id"));
    /// ```
    #[must_use]
    pub fn repeats(name: &[u8]) -> bool {
        !NOT_REPEATED.iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()))
    }
}

impl fmt::Debug for RecoveryMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the caller's own.
        formatter.debug_struct("RecoveryMessage").finish_non_exhaustive()
    }
}

/// How a recovery ended. Those who wait for it are to be woken.
#[derive(Debug)]
pub struct RecoveryEnd {
    /// The new generation, if there is one: streams of those before it are to be ended.
    pub replaced_by: Option<Generation>,
    /// An ID to DELETE.
    pub orphan: Option<OrphanId>,
}

/// Whether more of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOn {
    /// It is.
    More,
    /// What there is says it all.
    Enough,
}

/// Why a message of ours got no answer.
#[derive(Clone, Copy, Debug)]
pub enum RecoveryFailure<'a> {
    /// The time of the recovery is over.
    TimedOut,
    /// The type of the error.
    Error(&'a str),
}

/// A recovery under way. Dropped, it hands over to one of those who wait.
#[must_use = "others wait for it"]
pub struct RecoveryRun {
    slot: Option<Slot>,
    /// Keeps its session, forgotten or not.
    _alive: Option<Arc<()>>,
    number: RecoveryNumber,
    stage: Stage,
    head: Option<OwnedHead>,
    body: AnswerReader,
    result: Vec<u8>,
}

enum Stage {
    Initialize(Lead),
    Initialized(Initialized),
    Restore(Restore),
    Over,
}

impl RecoveryRun {
    pub(super) fn new(slot: Option<Slot>, alive: Option<Arc<()>>, lead: Lead) -> Self {
        Self {
            slot,
            _alive: alive,
            number: lead.recovery(),
            stage: Stage::Initialize(lead),
            head: None,
            body: AnswerReader::default(),
            result: Vec::new(),
        }
    }

    /// The number by which those who wait for it are woken.
    pub fn number(&self) -> RecoveryNumber {
        self.number
    }

    /// Hands out the oldest event of its session that nobody was told of.
    pub fn next_event(&self, client: &mut Client) -> Option<Event> {
        client.registry.session(self.slot?)?.events.pop()
    }

    /// The message to send first; or its end, if its caller has sent DELETE for the session
    /// before it went out.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: it is over.
    pub fn message(&mut self, client: &mut Client) -> Result<RecoveryStep, Misuse> {
        let followed = self.slot.and_then(|slot| client.registry.session(slot));
        if let Some(followed) = followed.filter(|it| it.is_closed()) {
            match core::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Initialize(lead) => {
                    followed.note_failure(Reason::Closed.to_string());
                    let failure = followed.session.lead_failed(lead).ok();
                    return Ok(failed(followed, failure));
                }
                stage @ (Stage::Initialized(_) | Stage::Restore(_) | Stage::Over) => {
                    self.stage = stage;
                }
            }
        }
        self.next_message()
    }

    fn next_message(&mut self) -> Result<RecoveryStep, Misuse> {
        let (message, answer_to) = match &self.stage {
            Stage::Initialize(lead) => {
                let body = lead.initialize().to_vec();
                (RecoveryMessage { body, session_id: None, protocol_version: None }, true)
            }
            Stage::Initialized(initialized) => (
                RecoveryMessage {
                    body: initialized.initialized().to_vec(),
                    session_id: initialized.session_id().map(|it| SessionName::new(it.as_str())),
                    protocol_version: Some(initialized.protocol_version().to_owned()),
                },
                false,
            ),
            Stage::Restore(restore) => (
                RecoveryMessage {
                    body: restore.body().to_vec(),
                    session_id: restore.session_id().map(|it| SessionName::new(it.as_str())),
                    protocol_version: Some(restore.protocol_version().to_owned()),
                },
                true,
            ),
            Stage::Over => return Err(Misuse),
        };
        self.head = None;
        let id = peek(&message.body).id().filter(|_| answer_to).map(|id| id.as_str().to_owned());
        self.body = AnswerReader::new(id);
        Ok(RecoveryStep::Send(message))
    }

    /// Takes the head of the response to the message that was sent.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: it is over.
    pub fn response(
        &mut self,
        client: &mut Client,
        head: &ResponseHead<'_>,
    ) -> Result<RecoveryStep, Misuse> {
        self.head = Some(OwnedHead::new(head));
        self.body.media = head.media();
        if let Some(id) = head.session_id.filter(|id| !id.is_empty()) {
            if let Some(followed) = self.slot.and_then(|slot| client.registry.session(slot)) {
                followed.had_id(id);
            }
        }
        match &self.stage {
            Stage::Initialized(_) if head.status.is_success() => self.body_ended(client),
            Stage::Initialize(_) | Stage::Initialized(_) | Stage::Restore(_) => {
                Ok(RecoveryStep::Read)
            }
            Stage::Over => Err(Misuse),
        }
    }

    /// Takes a piece of the body, decoded.
    pub fn piece(&mut self, piece: &[u8]) -> ReadOn {
        self.body.piece(piece)
    }

    /// Takes that the body has come to its end, or is not read any further.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: there was no response.
    pub fn body_ended(&mut self, client: &mut Client) -> Result<RecoveryStep, Misuse> {
        let Some(head) = self.head.take() else { return Err(Misuse) };
        let message = core::mem::take(&mut self.body).into_message();
        let Some(followed) = self.slot.and_then(|slot| client.registry.session(slot)) else {
            return Ok(self.abandoned());
        };
        let status = head.status;
        match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Initialize(lead) => {
                followed.note_failure(answer_was(status, message.as_deref(), followed));
                if head.session_id().is_some_and(|id| id.len() > LONGEST_ID) {
                    followed.note_failure("the new session's ID is too long".to_owned());
                    let failure = followed.session.lead_failed(lead);
                    return Ok(failed(followed, failure.ok()));
                }
                let (head, none) = (head.borrowed(), Misreports::none());
                let answer =
                    InitializeAnswer::new(&head.with_body(None, &none), message.as_deref());
                let answered = followed.session.initialize_answered(lead, &answer);
                match answered {
                    Ok(Ok(initialized)) => {
                        self.result = message.as_deref().and_then(result_of).unwrap_or_default();
                        self.stage = Stage::Initialized(initialized);
                        self.next_message()
                    }
                    Ok(Err(failure)) => Ok(failed(followed, Some(failure))),
                    Err(_) => Ok(failed(followed, None)),
                }
            }
            Stage::Initialized(initialized) => {
                followed.note_failure(answer_was(status, message.as_deref(), followed));
                match followed.session.initialized_answered(initialized, status) {
                    Ok(Ok(recovered)) => self.recovered(client, recovered),
                    Ok(Err(failure)) => Ok(failed(followed, Some(failure))),
                    Err(_) => Ok(failed(followed, None)),
                }
            }
            Stage::Restore(restore) => {
                let answer = restore.answered(status, message.as_deref());
                match followed.session.restore_answered(restore, answer) {
                    Ok(recovered) => self.recovered(client, recovered),
                    Err(_) => Ok(failed(followed, None)),
                }
            }
            Stage::Over => Err(Misuse),
        }
    }

    /// Takes that no answer came.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: it is over.
    pub fn failed(
        &mut self,
        client: &mut Client,
        failure: RecoveryFailure<'_>,
    ) -> Result<RecoveryStep, Misuse> {
        self.head = None;
        let Some(followed) = self.slot.and_then(|slot| client.registry.session(slot)) else {
            return Ok(self.abandoned());
        };
        followed.note_failure(match failure {
            RecoveryFailure::TimedOut => "no answer came in time".to_owned(),
            RecoveryFailure::Error(kind) => kind.to_owned(),
        });
        let failure = match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Initialize(lead) => followed.session.lead_failed(lead).ok(),
            Stage::Initialized(initialized) => {
                followed.session.initialized_failed(initialized).ok()
            }
            Stage::Restore(restore) => {
                // The new session stands, told or not. What a connection took with it says
                // nothing of what comes after.
                let told = match failure {
                    RecoveryFailure::TimedOut => followed.session.restore_failed(restore),
                    RecoveryFailure::Error(_) => followed.session.restore_unanswered(restore),
                };
                return match told {
                    Ok(recovered) => self.recovered(client, recovered),
                    Err(_) => Ok(failed(followed, None)),
                };
            }
            Stage::Over => return Err(Misuse),
        };
        Ok(failed(followed, failure))
    }

    fn recovered(
        &mut self,
        client: &mut Client,
        recovered: Recovered,
    ) -> Result<RecoveryStep, Misuse> {
        match recovered {
            Recovered::Restore(restore) => {
                self.stage = Stage::Restore(restore);
                self.next_message()
            }
            Recovered::Done(replaced) => Ok(self.replaced(client, replaced)),
        }
    }

    fn replaced(&mut self, client: &mut Client, replaced: Replaced) -> RecoveryStep {
        let Some(slot) = self.slot else { return self.abandoned() };
        let Some(followed) = client.registry.session(slot) else { return self.abandoned() };
        followed.standalone.replaced();
        followed.note_replaced();
        let (id, endpoint) = (followed.live_id(), followed.endpoint().clone());
        if let Some(id) = &id {
            followed.had_id(id);
        }
        let session = followed.name();
        followed.events.push(Event::Reinitialized {
            session,
            replaced_by: id.as_deref().map(SessionName::new),
            result: core::mem::take(&mut self.result),
            refused: replaced.refused.iter().map(|it| it.method.as_str().to_owned()).collect(),
        });
        if let Some(id) = id {
            client.registry.also_named(slot, endpoint.borrowed(), &id);
        }
        RecoveryStep::Done(RecoveryEnd { replaced_by: Some(replaced.generation), orphan: None })
    }

    fn abandoned(&mut self) -> RecoveryStep {
        self.stage = Stage::Over;
        RecoveryStep::Done(RecoveryEnd { replaced_by: None, orphan: None })
    }
}

impl fmt::Debug for RecoveryRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Initialize(_) => "initialize",
            Stage::Initialized(_) => "initialized",
            Stage::Restore(_) => "restore",
            Stage::Over => "over",
        };
        formatter.debug_struct("RecoveryRun").field("stage", &stage).finish_non_exhaustive()
    }
}

fn failed(followed: &mut FollowedSession, failure: Option<Failure>) -> RecoveryStep {
    let Some(Failure { reason, orphan, .. }) = failure else {
        return RecoveryStep::Done(RecoveryEnd { replaced_by: None, orphan: None });
    };
    let (session, detail) = (followed.name(), followed.failure().to_owned());
    followed.events.push(Event::RecoveryFailed { session, reason, detail });
    RecoveryStep::Done(RecoveryEnd { replaced_by: None, orphan })
}

fn answer_was(status: StatusCode, message: Option<&[u8]>, followed: &FollowedSession) -> String {
    let status = status.as_u16();
    match message.and_then(said) {
        Some(text) => {
            format!("its answer was {status}: {}", followed.shown(&text))
        }
        None => format!("its answer was {status}"),
    }
}

fn result_of(message: &[u8]) -> Option<Vec<u8>> {
    let [result] = json::members(json::text(message)?, ["result"])?;
    Some(result.last()?.as_bytes().to_vec())
}

/// Reads the message that answers, out of a body or of a stream, up to a limit.
struct AnswerReader {
    media: Media,
    id: Option<String>,
    body: Vec<u8>,
    size: usize,
    events: EventReader,
    answer: Option<Vec<u8>>,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self::new(None)
    }
}

impl AnswerReader {
    fn new(id: Option<String>) -> Self {
        Self {
            media: Media::Other,
            id,
            body: Vec::new(),
            size: 0,
            events: EventReader::new(ANSWER_BYTES),
            answer: None,
        }
    }

    fn piece(&mut self, piece: &[u8]) -> ReadOn {
        self.size = self.size.saturating_add(piece.len());
        if self.size > ANSWER_BYTES {
            self.body = Vec::new();
            return ReadOn::Enough;
        }
        match self.media {
            Media::EventStream => {
                for event in self.events.read(piece) {
                    if let sse::Event::Message { data, .. } = event {
                        let mut pending = PendingAnswers::of(self.id.as_slice());
                        let (heard, own) = pending.saw(data.as_bytes());
                        if self.answer.is_none() && heard == Heard::Answer {
                            let own = own.map(|it| it.answer);
                            self.answer = Some(own.unwrap_or_else(|| data.into_bytes()));
                        }
                    }
                }
                if self.answer.is_some() { ReadOn::Enough } else { ReadOn::More }
            }
            Media::Json | Media::Other => {
                self.body.extend_from_slice(piece);
                ReadOn::More
            }
        }
    }

    fn into_message(self) -> Option<Vec<u8>> {
        match self.media {
            Media::EventStream => self.answer,
            Media::Json | Media::Other => (!self.body.is_empty()).then_some(self.body),
        }
    }
}
