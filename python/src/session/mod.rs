//! The session machine for Python: any number of threads may share one `Session`.
//!
//! What comes from Python is converted before the lock is taken, a body is read before it, and
//! what goes to Python is made after it is released: no Python runs while it is held.

mod facts;
mod handles;
mod steps;

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::session::{
    Incoming, InitializeAnswer, Options, Outgoing, ResendPolicy, Seen, Session as CoreSession,
};
use mcp_session_core::{Quirks, Response, SessionId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pub(crate) use handles::{AlreadyUsedError, Exchange, Hold, Initialized, Lead, Restore, Stream};
pub(crate) use steps::{Cooldown, Deliver, Drop, Failure, GiveUp, Replaced, Resend, Send};

use crate::arguments::{
    Body, BoundArgument, DETACH_FROM, MethodArgument, Optional, QuirksArgument, ResendArgument,
    StatusArgument, Text, wrong_type,
};
use handles::Once;

use crate::arguments::KeptBody;
use steps::object;

/// The machine that follows one client's session across its replacements.
///
/// Sans-IO: it is told what is about to be sent and what came back, and answers with what to
/// do. `quirks` (`bool`): whether known misreports end a session too. `resend`
/// (`ResendPolicy`): which requests are sent again after their session ended. `bound` (`int`,
/// 0 to 4294967295): how many sessions may die before one success until no new one is made for
/// a while. Raises `TypeError` and `ValueError` for wrong options.
///
/// Any number of threads and tasks may share one. Outcomes are values, never exceptions.
///
/// >>> from mcp_session import Lead, Send, Session
/// >>> session = Session()
/// >>> first = session.before_request("POST", body=b'{"id":0,"method":"initialize"}')
/// >>> assert isinstance(first, Send) and first.session_id is None
/// >>> _ = session.after_response(first.exchange, 200, response_session_id="1868a90c")
/// >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
/// >>> assert isinstance(call, Send) and call.session_id == "1868a90c"
/// >>> isinstance(session.after_response(call.exchange, 404), Lead)
/// True
///
/// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Session(Mutex<CoreSession>);

impl Session {
    fn lock(&self) -> MutexGuard<'_, CoreSession> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(
        &self,
        py: Python<'_>,
        exchange: &Exchange,
        response: &Response<'_>,
    ) -> PyResult<Py<PyAny>> {
        let after = exchange.0.used_by("Exchange", |exchange| {
            let length = response.body.map_or(0, <[u8]>::len);
            let answer = detached(py, length, || exchange.answered(response));
            self.lock().after_answer(answer)
        })?;
        steps::after(py, after)
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(
        signature = (
            *,
            quirks=QuirksArgument(Quirks::Recognize),
            resend=ResendArgument(ResendPolicy::All),
            bound=BoundArgument(2),
        ),
        text_signature = "(*, quirks=True, resend=..., bound=2)",
    )]
    fn new(quirks: QuirksArgument, resend: ResendArgument, bound: BoundArgument) -> Self {
        Self(Mutex::new(CoreSession::new(options(quirks, resend, bound))))
    }

    /// Follow a session whose ID was stored.
    ///
    /// `session_id` (`str`): the ID. The options are those of `Session`. There is no
    /// `initialize` to replay: when the session ends, requests are given up with
    /// `Reason.NO_INITIALIZE`. Raises `ValueError` if the ID is ill-formed, without showing
    /// it.
    #[staticmethod]
    #[pyo3(
        signature = (
            session_id,
            *,
            quirks=QuirksArgument(Quirks::Recognize),
            resend=ResendArgument(ResendPolicy::All),
            bound=BoundArgument(2),
        ),
        text_signature = "(session_id, *, quirks=True, resend=..., bound=2)",
    )]
    fn resumed(
        session_id: &Bound<'_, PyAny>,
        quirks: QuirksArgument,
        resend: ResendArgument,
        bound: BoundArgument,
    ) -> PyResult<Self> {
        let text = Text::of("session_id", session_id.as_borrowed())?;
        let id = SessionId::parse(text.bytes())
            .ok_or_else(|| PyValueError::new_err("session_id must be visible ASCII"))?;
        Ok(Self(Mutex::new(CoreSession::resumed(id, options(quirks, resend, bound)))))
    }

    /// Whether a session stands (`bool`): begun, not known to have ended, not closed. Its server
    /// may have given out no ID.
    #[getter]
    fn is_live(&self) -> bool {
        self.lock().is_live()
    }

    /// Whether DELETE was sent (`bool`).
    #[getter]
    fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }

    /// The session that stands, or the last one that did, by its number (`int`).
    #[getter]
    fn generation(&self) -> u64 {
        self.lock().generation().into()
    }

    /// Say what to do with a request before it goes out: `Send`, `Hold`, `Lead`, `Drop` or
    /// `GiveUp`.
    ///
    /// `method` and `last_event_id` are those of the request (`str`), `body` is its whole body
    /// (`bytes`, `bytearray` or `memoryview`). Raises `TypeError` and `ValueError` for wrong
    /// arguments.
    #[pyo3(
        signature = (method, *, last_event_id=None, body=KeptBody::Empty),
        text_signature = "($self, method, *, last_event_id=None, body=b'')",
    )]
    fn before_request(
        &self,
        py: Python<'_>,
        method: MethodArgument,
        last_event_id: Optional<'_, '_>,
        body: KeptBody,
    ) -> PyResult<Py<PyAny>> {
        let last_event_id = Text::optional("last_event_id", last_event_id)?;
        let method = method.0;
        let length = body.as_ref().len();
        let mut request = detached(py, length, || Outgoing::new(method, body));
        if let Some(event_id) = last_event_id {
            request = request.with_last_event_id(event_id.as_str());
        }
        let (before, generation) = {
            let mut session = self.lock();
            (session.before_request(request), session.generation())
        };
        steps::before(py, before, generation)
    }

    /// Say how a held request, or a leader's own, goes on: as `before_request` does.
    ///
    /// `hold` is the `Hold` that the request was answered, or that came with a `Lead`. Asked
    /// before the recovery is settled, the answer is another `Hold`. Raises
    /// `AlreadyUsedError` for one that was used, `ValueError` for one of another `Session`.
    fn after_recovery(&self, py: Python<'_>, hold: &Hold) -> PyResult<Py<PyAny>> {
        let (before, generation) = hold.hold.used_by("Hold", |hold| {
            let mut session = self.lock();
            let before = session.after_recovery(hold)?;
            Ok((before, session.generation()))
        })?;
        steps::before(py, before, generation)
    }

    /// Say what becomes of a request whose response head came in: `Deliver`, `Resend`,
    /// `Hold`, `Lead`, `Drop` or `GiveUp`.
    ///
    /// `exchange` comes with `Send` or `Resend`. `status` (`int`) and the headers (`str`) are
    /// those of the response; its body is needed where `needs_body` says so. An encoded body is
    /// not looked into, so leave `content_encoding` out if it was decoded. Raises
    /// `AlreadyUsedError` for an exchange that was used, `TypeError` and `ValueError` for
    /// wrong arguments, an exchange of another `Session` among them.
    #[pyo3(signature = (
        exchange, status, *, response_session_id=None, content_type=None, content_encoding=None,
        www_authenticate=None, response_body=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the facts of a response, by keyword")]
    fn after_response(
        &self,
        py: Python<'_>,
        exchange: &Exchange,
        status: StatusArgument,
        response_session_id: Optional<'_, '_>,
        content_type: Optional<'_, '_>,
        content_encoding: Optional<'_, '_>,
        www_authenticate: Optional<'_, '_>,
        response_body: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let facts = [response_session_id, content_type, content_encoding, www_authenticate];
        if response_body.is_none() && facts.iter().all(Option::is_none) {
            return self.answered(py, exchange, &Response::new(status.0));
        }
        let session_id = Text::optional("response_session_id", response_session_id)?;
        let content_type = Text::optional("content_type", content_type)?;
        let content_encoding = Text::optional("content_encoding", content_encoding)?;
        let www_authenticate = Text::optional("www_authenticate", www_authenticate)?;
        let body = Body::optional("response_body", response_body)?;
        let response = Response {
            session_id: session_id.as_ref().map(Text::bytes),
            content_type: content_type.as_ref().map(Text::bytes),
            content_encoding: content_encoding.as_ref().map(Text::bytes),
            www_authenticate: www_authenticate.as_ref().map(Text::bytes),
            body: body.as_ref().map(Body::bytes),
            ..Response::new(status.0)
        };
        self.answered(py, exchange, &response)
    }

    /// Take the answer to a leader's `initialize`: `Initialized`, or `Failure`.
    ///
    /// `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
    /// answered, read whole, be it from a JSON body or from a stream. Raises
    /// `AlreadyUsedError` for a lead that was used, `ValueError` for one of another `Session`.
    #[pyo3(signature = (lead, status, *, response_session_id=None, message=None))]
    fn initialize_answered(
        &self,
        py: Python<'_>,
        lead: &Lead,
        status: StatusArgument,
        response_session_id: Optional<'_, '_>,
        message: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let session_id = Text::optional("response_session_id", response_session_id)?;
        let message = Body::optional("message", message)?;
        let response = Response {
            session_id: session_id.as_ref().map(Text::bytes),
            ..Response::new(status.0)
        };
        let message = message.as_ref().map(Body::bytes);
        let length = message.map_or(0, <[u8]>::len);
        let answer = detached(py, length, || InitializeAnswer::new(&response, message));
        let answered =
            lead.lead.used_by("Lead", |lead| self.lock().initialize_answered(lead, &answer))?;
        match answered {
            Ok(initialized) => object(py, Initialized(Once::new(initialized))),
            Err(failure) => steps::failure(py, &failure),
        }
    }

    /// Take the status of the answer to a leader's `notifications/initialized`: `Restore` if
    /// the new session is to be told something, `Replaced` if it stands, or `Failure`.
    ///
    /// Those waiting are released by `Replaced` and by `Failure`. Raises `AlreadyUsedError` for
    /// one that was used, `ValueError` for one of another `Session`.
    fn initialized_answered(
        &self,
        py: Python<'_>,
        initialized: &Initialized,
        status: StatusArgument,
    ) -> PyResult<Py<PyAny>> {
        let answered = initialized
            .0
            .used_by("Initialized", |it| self.lock().initialized_answered(it, status.0))?;
        match answered {
            Ok(recovered) => steps::recovered(py, recovered),
            Err(failure) => steps::failure(py, &failure),
        }
    }

    /// Take the answer to a `Restore`: another `Restore`, or `Replaced`. One that is refused
    /// fails nothing.
    ///
    /// `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
    /// answered. Raises `AlreadyUsedError` for one that was used, `ValueError` for one of another
    /// `Session`.
    #[pyo3(signature = (restore, status, *, message=None))]
    fn restore_answered(
        &self,
        py: Python<'_>,
        restore: &Restore,
        status: StatusArgument,
        message: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let message = Body::optional("message", message)?;
        let message = message.as_ref().map(Body::bytes);
        let length = message.map_or(0, <[u8]>::len);
        let recovered = restore.0.used_by("Restore", |restore| {
            let answer = detached(py, length, || restore.answered(status.0, message));
            self.lock().restore_answered(restore, answer)
        })?;
        steps::recovered(py, recovered)
    }

    /// Take the failure of a leader to get an answer: a transport error, a timeout. Returns
    /// `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.
    ///
    /// `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
    /// one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
    /// else.
    fn lead_failed(&self, py: Python<'_>, lead: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let failure = if let Ok(lead) = lead.cast::<Lead>() {
            lead.get().lead.used_by("Lead", |lead| self.lock().lead_failed(lead))
        } else if let Ok(initialized) = lead.cast::<Initialized>() {
            initialized.get().0.used_by("Initialized", |it| self.lock().initialized_failed(it))
        } else if let Ok(restore) = lead.cast::<Restore>() {
            let failed = restore.get().0.used_by("Restore", |it| self.lock().restore_failed(it))?;
            return steps::recovered(py, failed);
        } else {
            Err(wrong_type("lead", "Lead, Initialized or Restore", lead))
        }?;
        steps::failure(py, &failure)
    }

    /// Take a message that came in on a response or stream, so that replies to it go to the
    /// session that asked, and what the server keeps is told to the next one. Returns what the
    /// caller is to see in its place (`bytes`), or `None` to leave it.
    ///
    /// `stream` comes with `Deliver`; `data` is one JSON-RPC message (`bytes`, `bytearray` or
    /// `memoryview`), or a batch.
    fn saw_message<'py>(
        &self,
        py: Python<'py>,
        stream: &Stream,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let data = Body::of("data", data.as_borrowed())?;
        let data = data.bytes();
        let message = detached(py, data.len(), || Incoming::from(data));
        let seen = self.lock().saw_message(stream.0, message);
        Ok(match seen {
            Seen::Unchanged => None,
            Seen::Rewritten(data) => Some(PyBytes::new(py, &data)),
        })
    }

    /// Take the messages that the caller is to see as if its server had sent them
    /// (`list[bytes]`): a `notifications/cancelled` for each question of a session that has
    /// ended.
    fn take_notices<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let notices = self.lock().take_notices();
        notices.iter().map(|notice| PyBytes::new(py, notice)).collect()
    }

    /// Take that the time of a `Cooldown` has passed: a new session may be made again.
    fn cooldown_over(&self, cooldown: &Cooldown) {
        self.lock().cooldown_over(cooldown.0);
    }

    /// Take the ID of an event that came in on a stream, so that it is never sent to another
    /// session.
    ///
    /// `stream` comes with `Deliver`; `event_id` is a `str`.
    fn saw_event_id(&self, stream: &Stream, event_id: &Bound<'_, PyAny>) -> PyResult<()> {
        let event_id = Text::of("event_id", event_id.as_borrowed())?;
        self.lock().saw_event_id(stream.0, event_id.as_str());
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("{:?}", *self.lock())
    }
}

fn options(quirks: QuirksArgument, resend: ResendArgument, bound: BoundArgument) -> Options {
    Options { quirks: quirks.0, resend: resend.0, bound: bound.0 }
}

/// Reads what is of this length, without holding up other Python threads if that takes long.
fn detached<R: std::marker::Send>(
    py: Python<'_>,
    length: usize,
    read: impl FnOnce() -> R + std::marker::Send,
) -> R {
    if length < DETACH_FROM { read() } else { py.detach(read) }
}
