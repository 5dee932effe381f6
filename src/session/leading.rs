//! The leader's half of the machine: the making of a new session.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use http::StatusCode;

use super::identity::Foreign;
use super::machine::{Death, Session};
use super::reason::Reason;
use super::recovery::{Failure, Initialized, Lead, Recovered, Replaced, Restore, Restoring};
use super::restores::{Planned, Refusal, RefusedRestore, RestoreAnswer};
use super::steps::Opening;
use crate::exchange::{Method, Quirks, Response, SessionId};
use crate::jsonrpc::{RequestId, json};
use crate::table::{
    Attachment, Columns, RequestKind, Rule, UNSUPPORTED_PROTOCOL_VERSION, error_code, is_json,
};

/// What came back to a leader's `initialize`, read once.
///
/// It is read when this is made, so make it where nobody waits.
pub struct InitializeAnswer<'a> {
    rule: Rule,
    id: Option<SessionId<'a>>,
    version: Option<Box<str>>,
    is_modern_only: bool,
}

impl<'a> InitializeAnswer<'a> {
    /// Reads an answer. `message` is the JSON-RPC message that answered, read whole, be it
    /// from a JSON body or from a stream; `None` if none came.
    pub fn new(response: &Response<'a>, message: Option<&[u8]>) -> Self {
        let columns = Columns::of_client(
            // What is misreported is not what an `initialize` can be told.
            Quirks::Ignore,
            Method::Post,
            RequestKind::Initialize,
            Attachment::NotAttached,
            response,
        );
        let (rule, _) = columns.decide();
        let assigned = |_: &SessionId<'_>| rule == Rule::SessionAssigned;
        Self {
            rule,
            id: response.session_id.and_then(SessionId::parse).filter(assigned),
            version: message.and_then(negotiated_version),
            is_modern_only: message
                .is_some_and(|it| error_code(it) == Some(UNSUPPORTED_PROTOCOL_VERSION)),
        }
    }
}

#[cfg(feature = "sessions")]
impl<'a> InitializeAnswer<'a> {
    /// The ID that came with it, where one is to be adopted.
    pub(crate) fn session_id(&self) -> Option<SessionId<'a>> {
        self.id
    }

    /// The version that was negotiated, as it stands in the result.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl core::fmt::Debug for InitializeAnswer<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("InitializeAnswer")
            .field("rule", &self.rule)
            .field("id", &self.id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Takes the answer to a leader's `initialize`.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the lead is of another session. Inside, [`Failure`]: the recovery has
    /// failed. Its reason is shared with those waiting.
    pub fn initialize_answered(
        &mut self,
        lead: Lead,
        answer: &InitializeAnswer<'_>,
    ) -> Result<Result<Initialized, Failure>, Foreign<Lead>> {
        if !lead.is_of(&self.owner) {
            return Err(Foreign(lead));
        }
        let id: Option<Arc<str>> = answer.id.map(|id| id.as_str().into());
        let refused = match (answer.rule, &answer.version) {
            (_, _) if self.is_closed() => return Ok(Err(self.fail(&lead, Reason::Closed, id))),
            (Rule::SessionAssigned | Rule::NoSessionAssigned, Some(version)) => {
                let version = Arc::from(&**version);
                return Ok(Ok(Initialized {
                    lead,
                    id,
                    version,
                    body: Arc::clone(&self.initialized),
                }));
            }
            (Rule::IllFormedSessionId, _) => Reason::IllFormedSessionId,
            (_, _) if answer.is_modern_only => Reason::ModernOnlyServer,
            (_, _) => Reason::InitializeRefused,
        };
        let failure = self.fail(&lead, refused, id);
        // The server is there, and made no new session: the old one may live after all.
        self.set_death(self.generation, Death::Doubted);
        Ok(Err(failure))
    }

    /// Takes the status of the answer to a leader's `notifications/initialized`.
    ///
    /// Those waiting are released when there is nothing to restore, or all of it is.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the handle is of another session. Inside, [`Failure`]: the recovery has
    /// failed. Its reason is shared with those waiting.
    pub fn initialized_answered(
        &mut self,
        initialized: Initialized,
        status: StatusCode,
    ) -> Result<Result<Recovered, Failure>, Foreign<Initialized>> {
        if !initialized.lead.is_of(&self.owner) {
            return Err(Foreign(initialized));
        }
        let Initialized { lead, id, version, body: _ } = initialized;
        if self.is_closed() {
            return Ok(Err(self.fail(&lead, Reason::Closed, id)));
        }
        if !status.is_success() {
            return Ok(Err(self.fail(&lead, Reason::InitializedRefused, id)));
        }
        self.adopt(id.clone(), Some(Arc::clone(&version)));
        let mut plan = self.restores.plan();
        let Some(told) = plan.pop_front() else {
            return Ok(Ok(self.replaced(lead, Vec::new())));
        };
        let (request_id, body) = self.restore_request(&told);
        let state = Box::new(Restoring {
            generation: self.generation,
            id,
            version,
            request_id,
            body,
            told,
            rest: plan,
            refused: Vec::new(),
        });
        Ok(Ok(Recovered::Restore(Restore { lead, state })))
    }

    /// Takes the answer to a [`Restore`]: what it has [answered](Restore::answered). One that is
    /// refused fails nothing; it is reported in the end.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the handle is of another session.
    pub fn restore_answered(
        &mut self,
        restore: Restore,
        answer: RestoreAnswer,
    ) -> Result<Recovered, Foreign<Restore>> {
        if !restore.lead.is_of(&self.owner) {
            return Err(Foreign(restore));
        }
        let Restore { lead, mut state } = restore;
        if let Some(refusal) = answer.0 {
            state.refused.push(RefusedRestore::new(state.told.method(), refusal));
            self.restores.refused(&state.told);
        }
        Ok(self.next_restore(lead, state))
    }

    /// Takes that a [`Restore`] got no answer, and that the next may be told all the same: a
    /// broken connection. It is reported in the end, and the session after this one is told.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the handle is of another session.
    pub fn restore_unanswered(&mut self, restore: Restore) -> Result<Recovered, Foreign<Restore>> {
        if !restore.lead.is_of(&self.owner) {
            return Err(Foreign(restore));
        }
        let Restore { lead, mut state } = restore;
        state.refused.push(RefusedRestore::new(state.told.method(), Refusal::Unanswered));
        Ok(self.next_restore(lead, state))
    }

    fn next_restore(&mut self, lead: Lead, mut state: Box<Restoring>) -> Recovered {
        let stands = !self.is_closed() && self.generation == state.generation;
        let Some(told) = state.rest.pop_front().filter(|_| stands) else {
            return self.replaced(lead, state.refused);
        };
        (state.request_id, state.body) = self.restore_request(&told);
        state.told = told;
        Recovered::Restore(Restore { lead, state })
    }

    /// Takes the failure of a leader to get an answer to a [`Restore`]. The new session stands
    /// all the same, and those waiting are released; what it could not be told is reported.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the handle is of another session.
    pub fn restore_failed(&mut self, restore: Restore) -> Result<Recovered, Foreign<Restore>> {
        if !restore.lead.is_of(&self.owner) {
            return Err(Foreign(restore));
        }
        let Restore { lead, state } = restore;
        let Restoring { told, rest, mut refused, .. } = *state;
        let untold = core::iter::once(told).chain(rest);
        refused.extend(untold.map(|told| RefusedRestore::new(told.method(), Refusal::Unanswered)));
        Ok(self.replaced(lead, refused))
    }

    /// Takes the failure of a leader to get an answer to its `initialize`: a transport error, a
    /// timeout.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the lead is of another session.
    pub fn lead_failed(&mut self, lead: Lead) -> Result<Failure, Foreign<Lead>> {
        if !lead.is_of(&self.owner) {
            return Err(Foreign(lead));
        }
        Ok(self.unanswered(&lead, None))
    }

    /// Takes the failure of a leader to get an answer to its `notifications/initialized`.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the handle is of another session.
    pub fn initialized_failed(
        &mut self,
        initialized: Initialized,
    ) -> Result<Failure, Foreign<Initialized>> {
        if !initialized.lead.is_of(&self.owner) {
            return Err(Foreign(initialized));
        }
        let Initialized { lead, id, .. } = initialized;
        Ok(self.unanswered(&lead, id))
    }

    /// Releases those waiting.
    fn replaced(&self, lead: Lead, refused: Vec<RefusedRestore>) -> Recovered {
        drop(lead);
        Recovered::Done(Replaced { generation: self.generation, refused })
    }

    /// A request of our own, with an id that the caller has not open.
    fn restore_request(&mut self, told: &Planned) -> (Box<str>, Box<[u8]>) {
        loop {
            self.restored += 1;
            let id = format!(r#""mcp-session-restore-{}""#, self.restored);
            let key = RequestId::from_json(&id).and_then(RequestId::key);
            let is_taken =
                key.is_some_and(|key| self.open.contains(&key) || self.restores.is_open(&key));
            if !is_taken {
                let body = told.request(&id);
                return (id.into(), body);
            }
        }
    }

    fn unanswered(&mut self, lead: &Lead, id: Option<Arc<str>>) -> Failure {
        let reason = if self.is_closed() { Reason::Closed } else { Reason::Transport };
        self.fail(lead, reason, id)
    }

    fn fail(&mut self, lead: &Lead, reason: Reason, id: Option<Arc<str>>) -> Failure {
        lead.outcome.fail(reason);
        self.circuit.strike();
        Failure { reason, orphan: self.orphan(id) }
    }
}

impl Opening {
    pub(super) fn of(response: &Response<'_>) -> Self {
        match response.body.filter(|_| is_json(response.content_type)) {
            Some(message) if negotiated_version(message).is_none() => Self::Refused,
            Some(_) | None => Self::Possible,
        }
    }
}

/// The version of a whole `InitializeResult`.
fn negotiated_version(message: &[u8]) -> Option<Box<str>> {
    let [result, error] = json::members(json::text(message)?, ["result", "error"])?;
    if !matches!(error.last(), None | Some("null")) {
        return None;
    }
    let [version] = json::members(result.once()?, ["protocolVersion"])?;
    Some(json::string(version.once()?)?.into_boxed_str())
}
