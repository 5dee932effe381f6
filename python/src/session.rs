//! The session machine for Python: any number of threads may share one `Session`.
//!
//! What comes from Python is converted before the lock is taken, and what goes to Python is
//! made after it is released: no Python runs while it is held.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::session::{
    After, Before, Delivery, Exchange as CoreExchange, Failure, Hold as CoreHold,
    Introduced as CoreIntroduced, LastEventId, Lead as CoreLead, Leader, Options, Outgoing,
    Reason as CoreReason, ResendPolicy as CorePolicy, Send as CoreSend, Session as CoreSession,
    Stream as CoreStream, Unadopted,
};
use mcp_session_core::{Method, Quirks, Response, SessionId};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{PyClass, PyClassInitializer};

use crate::arguments::{
    Body, BoundArgument, KeptBody, MethodArgument, Optional, QuirksArgument, ResendArgument,
    StatusArgument, Text, wrong_type,
};
use crate::enums;

create_exception!(
    mcp_session,
    AlreadyUsedError,
    PyRuntimeError,
    "An exchange, a hold or a lead was used twice: each ends with its first use.

>>> from mcp_session import AlreadyUsedError, Send, Session
>>> session = Session()
>>> step = session.before_request(\"GET\")
>>> assert isinstance(step, Send)
>>> _ = session.after_response(step.exchange, 200)
>>> session.after_response(step.exchange, 200)
Traceback (most recent call last):
    ...
mcp_session.AlreadyUsedError: this Exchange has been used

Source: section \"Illegal use\" of the guide for SDK authors."
);

/// The machine that follows one client's session across its replacements.
///
/// Sans-IO: it is told what is about to be sent and what came back, and answers with what to
/// do. `quirks` (`bool`): whether known misreports end a session too. `resend`
/// (`ResendPolicy`): which requests are sent again after their session ended. `bound` (`int`,
/// 0 to 4294967295): how many sessions may die before one success until no request is sent
/// into another. Raises `TypeError` and `ValueError` for wrong options.
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
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(
        signature = (
            *,
            quirks=QuirksArgument(Quirks::Recognize),
            resend=ResendArgument(CorePolicy::All),
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
            resend=ResendArgument(CorePolicy::All),
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

    /// Whether a session stands (`bool`): begun, not known to have ended, not closed.
    ///
    /// What it was before `after_response` and is after it tells that this response ended the
    /// session. The server of a live session may have given out no ID.
    #[getter]
    fn is_live(&self) -> bool {
        self.lock().is_live()
    }

    /// Say what to do with a request before it goes out: `Send`, `Hold`, `Lead`, `Drop` or
    /// `GiveUp`.
    ///
    /// `method`, `protocol_version` and `last_event_id` are those of the request (`str`),
    /// `body` is its whole body (`bytes`, `bytearray` or `memoryview`). Raises `TypeError`
    /// and `ValueError` for wrong arguments.
    #[pyo3(
        signature = (method, *, protocol_version=None, last_event_id=None, body=KeptBody::Empty),
        text_signature = "($self, method, *, protocol_version=None, last_event_id=None, body=b'')",
    )]
    fn before_request(
        &self,
        py: Python<'_>,
        method: MethodArgument,
        protocol_version: Optional<'_, '_>,
        last_event_id: Optional<'_, '_>,
        body: KeptBody,
    ) -> PyResult<Py<PyAny>> {
        let sent = Sent {
            method: method.0,
            last_event_id: Text::optional("last_event_id", last_event_id)?
                .map(|text| text.as_str().to_owned()),
            body,
        };
        let _checked = Text::optional("protocol_version", protocol_version)?;
        let before = self.lock().before_request(&sent.outgoing(py));
        before_step(py, before, sent)
    }

    /// Say how a held request, or a leader's own, goes on: as `before_request` does.
    ///
    /// `hold` is the `Hold` that the request was answered, or that came with a `Lead`. Asked
    /// before the recovery is settled, the answer is another `Hold`. Raises
    /// `AlreadyUsedError` for one that was used.
    fn after_recovery(&self, py: Python<'_>, hold: &Hold) -> PyResult<Py<PyAny>> {
        let (hold, sent) = hold.0.take("Hold")?;
        let before = self.lock().after_recovery(hold, &sent.outgoing(py));
        before_step(py, before, sent)
    }

    /// Say what becomes of a request whose response head came in: `Deliver`, `Resend`,
    /// `Hold`, `Lead`, `Drop` or `GiveUp`.
    ///
    /// `exchange` comes with `Send` or `Resend`. `status` (`int`) and the headers (`str`) are
    /// those of the response; its body is needed where `needs_body` says so. Raises
    /// `AlreadyUsedError` for an exchange that was used, `TypeError` and `ValueError` for
    /// wrong arguments.
    #[pyo3(signature = (
        exchange, status, *, response_session_id=None, content_type=None, www_authenticate=None,
        response_body=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "the facts of a response, by keyword")]
    fn after_response(
        &self,
        py: Python<'_>,
        exchange: &Exchange,
        status: StatusArgument,
        response_session_id: Optional<'_, '_>,
        content_type: Optional<'_, '_>,
        www_authenticate: Optional<'_, '_>,
        response_body: Optional<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let session_id = Text::optional("response_session_id", response_session_id)?;
        let content_type = Text::optional("content_type", content_type)?;
        let www_authenticate = Text::optional("www_authenticate", www_authenticate)?;
        let body = Body::optional("response_body", response_body)?;
        let response = Response {
            session_id: session_id.as_ref().map(Text::bytes),
            content_type: content_type.as_ref().map(Text::bytes),
            www_authenticate: www_authenticate.as_ref().map(Text::bytes),
            body: body.as_ref().map(Body::bytes),
            ..Response::new(status.0)
        };
        let (exchange, sent) = exchange.0.take("Exchange")?;
        let after = self.lock().after_response(exchange, &sent.outgoing(py), &response);
        after_step(py, after, sent)
    }

    /// Take the answer to a leader's `initialize`: `Introduced`, or `Failed`.
    ///
    /// `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
    /// answered, read whole, be it from a JSON body or from a stream. Raises
    /// `AlreadyUsedError` for a lead that was used.
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
        let lead = lead.lead.take("Lead")?;
        let message = message.as_ref().map(Body::bytes);
        let answered = self.lock().initialize_answered(lead, &response, message);
        match answered {
            Ok(introduced) => object(py, Introduced(Once::new(introduced))),
            Err(failure) => failed(py, &failure),
        }
    }

    /// Take the status of the answer to a leader's `notifications/initialized`: `None` if the
    /// new session stands, or `Failed`. Only now are those waiting released.
    ///
    /// Raises `AlreadyUsedError` for one that was used.
    fn initialized_answered(
        &self,
        py: Python<'_>,
        introduced: &Introduced,
        status: StatusArgument,
    ) -> PyResult<Option<Py<PyAny>>> {
        let introduced = introduced.0.take("Introduced")?;
        let answered = self.lock().initialized_answered(introduced, status.0);
        answered.err().map(|failure| failed(py, &failure)).transpose()
    }

    /// Take the failure of a leader to get an answer: a transport error, a timeout. Returns
    /// `Failed`.
    ///
    /// `lead` is the `Lead` or the `Introduced`. Raises `AlreadyUsedError` for one that was
    /// used, `TypeError` for anything else.
    fn lead_failed(&self, py: Python<'_>, lead: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let leader: Leader = if let Ok(lead) = lead.cast::<Lead>() {
            lead.get().lead.take("Lead")?.into()
        } else if let Ok(introduced) = lead.cast::<Introduced>() {
            introduced.get().0.take("Introduced")?.into()
        } else {
            return Err(wrong_type("lead", "Lead or Introduced", lead));
        };
        let failure = self.lock().lead_failed(leader);
        failed(py, &failure)
    }

    /// Take a message that came in on a response or stream, so that replies to it go to the
    /// session that asked.
    ///
    /// `stream` comes with `Deliver`; `data` is one JSON-RPC message (`bytes`, `bytearray` or
    /// `memoryview`).
    fn saw_message(&self, stream: &Stream, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = Body::of("data", data.as_borrowed())?;
        self.lock().saw_message(stream.0, data.bytes());
        Ok(())
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

/// Send the request, with what stands here in place of its own headers.
///
/// `session_id` (`str` or `None`): the ID to attach; no other goes out. `protocol_version`
/// (`str` or `None`): what to put into `MCP-Protocol-Version`, if another was negotiated.
/// `last_event_id` (`str` or `None`): what to put into `Last-Event-ID`. `exchange`
/// (`Exchange`): to be given back with the response.
///
/// >>> from mcp_session import Send, Session
/// >>> Session().before_request("GET")
/// Send()
///
/// Source: guarantee 7, "A session that lost its ID never sends without one".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Send(Sending);

/// Send the request once more, now. Its attributes are those of `Send`.
///
/// >>> from mcp_session import Resend
/// >>> Resend.__match_args__
/// ('exchange', 'session_id')
///
/// Source: guarantee 4, "A request is resent at most once".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Resend(Sending);

struct Sending {
    exchange: Py<Exchange>,
    session_id: Option<String>,
    protocol_version: Option<String>,
    last_event_id: Option<String>,
}

macro_rules! sending {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            #[classattr]
            fn __match_args__() -> (&'static str, &'static str) {
                ("exchange", "session_id")
            }

            /// To be given back with the response (`Exchange`).
            #[getter]
            fn exchange(&self, py: Python<'_>) -> Py<Exchange> {
                self.0.exchange.clone_ref(py)
            }

            /// The ID to attach (`str`), or `None`.
            #[getter]
            fn session_id(&self) -> Option<&str> {
                self.0.session_id.as_deref()
            }

            /// What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it.
            #[getter]
            fn protocol_version(&self) -> Option<&str> {
                self.0.protocol_version.as_deref()
            }

            /// What to put into `Last-Event-ID` (`str`), or `None` to leave it out.
            #[getter]
            fn last_event_id(&self) -> Option<&str> {
                self.0.last_event_id.as_deref()
            }

            fn __repr__(&self) -> String {
                let id = if self.0.session_id.is_some() { "session_id=<redacted>" } else { "" };
                format!(concat!(stringify!($class), "({})"), id)
            }
        }
    };
}

sending!(Send);
sending!(Resend);

/// One request on its way; it is used once, by `Session.after_response`.
///
/// A context manager: left without a response, it counts as abandoned.
///
/// >>> from mcp_session import Session
/// >>> with Session().before_request("GET").exchange as exchange:
/// ...     pass
///
/// Source: guarantee 4, "Every request ends exactly once".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Exchange(Once<(CoreExchange, Sent)>);

/// Wait until the recovery is settled, then ask `Session.after_recovery`.
///
/// `recovery` (`int`): the number of the recovery it waits for. `settled` (`bool`): whether
/// that has come to an end, or the request itself has. A context manager: left without being
/// asked, its request counts as abandoned.
///
/// >>> from mcp_session import Hold
/// >>> Hold.__match_args__
/// ('recovery',)
///
/// Source: guarantee 2, "At most one re-initialization is under way".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Hold(Once<(CoreHold, Sent)>, u64);

/// Make a new session: others wait for it.
///
/// Send `initialize` (`bytes`) without an ID, a version or an event ID, and give the answer to
/// `Session.initialize_answered`. `hold` (`Hold`) is the leader's own request, for
/// `Session.after_recovery` afterwards. `recovery` (`int`): the number of the recovery. A
/// context manager: left without an outcome, it counts as cancelled, and one of those waiting
/// leads instead.
///
/// >>> from mcp_session import Lead
/// >>> Lead.__match_args__
/// ('initialize', 'hold')
///
/// Source: guarantee 3, "A leader that fails, is cancelled or dropped never wedges anyone".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Lead {
    lead: Once<CoreLead>,
    hold: Py<Hold>,
    initialize: Vec<u8>,
    recovery: u64,
}

/// The new session has begun; it stands when its `notifications/initialized` is accepted.
///
/// Send `initialized` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no
/// session now) and `protocol_version` (`str`), and give the status of the answer to
/// `Session.initialized_answered`. A context manager, as `Lead` is.
///
/// >>> from mcp_session import Introduced
/// >>> Introduced.__name__
/// 'Introduced'
///
/// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Introduced(Once<CoreIntroduced>);

/// Hand the response to the caller, unchanged.
///
/// `stream` (`Stream`): where its messages and event IDs belong. `unadopted_session_id`
/// (`str` or `None`): an ID that was not adopted and is to be DELETEd.
///
/// >>> from mcp_session import Session
/// >>> session = Session()
/// >>> session.after_response(session.before_request("GET").exchange, 200)
/// Deliver()
///
/// Source: guarantee 4.
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Deliver {
    stream: CoreStream,
    unadopted_session_id: Option<String>,
}

/// Send nothing, or make no use of the response: the caller is answered 202.
///
/// >>> from mcp_session import Drop
/// >>> Drop.__name__
/// 'Drop'
///
/// Source: guarantee 8, "What belonged to the dead generation stays there".
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Drop;

/// Send nothing, or make no use of the response: the caller is told why.
///
/// `reason` (`Reason`). A GET is answered 404, a request with an error of its own.
///
/// >>> from mcp_session import Session
/// >>> session = Session.resumed("1868a90c")
/// >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
/// >>> session.after_response(call.exchange, 404)
/// GiveUp(Reason.NO_INITIALIZE)
///
/// Source: guarantee 4.
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct GiveUp {
    reason: Py<PyAny>,
}

/// A recovery has failed; its reason is shared with those waiting.
///
/// `reason` (`Reason`). `unadopted_session_id` (`str` or `None`): an ID that was not adopted
/// and is to be DELETEd.
///
/// >>> from mcp_session import Failed
/// >>> Failed.__match_args__
/// ('reason', 'unadopted_session_id')
///
/// Source: guarantee 3, "a failure is shared with those waiting".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Failed {
    reason: Py<PyAny>,
    unadopted_session_id: Option<String>,
}

/// Where the messages and event IDs of one response belong. Frozen; two of the same are equal.
///
/// >>> from mcp_session import Stream
/// >>> Stream.__name__
/// 'Stream'
///
/// Source: guarantee 8.
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Stream(CoreStream);

#[pymethods]
impl Exchange {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.abandon();
    }
}

#[pymethods]
impl Hold {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("recovery",)
    }

    /// The number of the recovery it waits for (`int`).
    #[getter]
    fn recovery(&self) -> u64 {
        self.1
    }

    /// Whether the recovery has come to an end, or the request itself has (`bool`).
    #[getter]
    fn settled(&self) -> bool {
        self.0.peek(|(hold, _)| hold.is_settled()).unwrap_or(true)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.abandon();
    }

    fn __repr__(&self) -> String {
        format!("Hold({})", self.1)
    }
}

#[pymethods]
impl Lead {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("initialize", "hold")
    }

    /// The body to send (`bytes`).
    #[getter]
    fn initialize<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.initialize)
    }

    /// The leader's own request (`Hold`).
    #[getter]
    fn hold(&self, py: Python<'_>) -> Py<Hold> {
        self.hold.clone_ref(py)
    }

    /// The number of the recovery (`int`).
    #[getter]
    fn recovery(&self) -> u64 {
        self.recovery
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.lead.abandon();
    }

    fn __repr__(&self) -> String {
        format!("Lead({})", self.recovery)
    }
}

#[pymethods]
impl Introduced {
    /// The body to send (`bytes`).
    #[getter]
    fn initialized<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let body = self.0.read("Introduced", |it| it.initialized().to_vec())?;
        Ok(PyBytes::new(py, &body))
    }

    /// The ID to attach (`str`), or `None` if the server keeps no session now.
    #[getter]
    fn session_id(&self) -> PyResult<Option<String>> {
        self.0.read("Introduced", |it| it.session_id().map(|id| id.as_str().to_owned()))
    }

    /// What to put into `MCP-Protocol-Version` (`str`).
    #[getter]
    fn protocol_version(&self) -> PyResult<String> {
        self.0.read("Introduced", |it| it.protocol_version().to_owned())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.abandon();
    }
}

#[pymethods]
impl Deliver {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("stream", "unadopted_session_id")
    }

    /// Where its messages and event IDs belong (`Stream`).
    #[getter]
    fn stream(&self) -> Stream {
        Stream(self.stream)
    }

    /// An ID that is to be DELETEd (`str`), or `None`.
    #[getter]
    fn unadopted_session_id(&self) -> Option<&str> {
        self.unadopted_session_id.as_deref()
    }

    fn __repr__(&self) -> &'static str {
        "Deliver()"
    }
}

#[pymethods]
impl Drop {
    fn __repr__(&self) -> &'static str {
        "Drop()"
    }
}

#[pymethods]
impl GiveUp {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("reason",)
    }

    /// Why (`Reason`).
    #[getter]
    fn reason(&self, py: Python<'_>) -> Py<PyAny> {
        self.reason.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("GiveUp({})", self.reason.bind(py).str()?))
    }
}

#[pymethods]
impl Failed {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("reason", "unadopted_session_id")
    }

    /// Why (`Reason`).
    #[getter]
    fn reason(&self, py: Python<'_>) -> Py<PyAny> {
        self.reason.clone_ref(py)
    }

    /// An ID that is to be DELETEd (`str`), or `None`.
    #[getter]
    fn unadopted_session_id(&self) -> Option<&str> {
        self.unadopted_session_id.as_deref()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Failed({})", self.reason.bind(py).str()?))
    }
}

/// A request as it was given, kept for when it is asked about again. What it says of its
/// protocol version is not kept: in a session everything is legacy.
struct Sent {
    method: Method,
    last_event_id: Option<String>,
    body: KeptBody,
}

impl Sent {
    fn outgoing<'a>(&'a self, py: Python<'a>) -> Outgoing<'a> {
        Outgoing {
            method: self.method,
            last_event_id: self.last_event_id.as_deref(),
            ..Outgoing::post(self.body.bytes(py))
        }
    }
}

/// What is used once.
struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    fn take(&self, name: &str) -> PyResult<T> {
        self.lock().take().ok_or_else(|| used(name))
    }

    fn read<R>(&self, name: &str, read: impl FnOnce(&T) -> R) -> PyResult<R> {
        self.peek(read).ok_or_else(|| used(name))
    }

    fn peek<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().as_ref().map(read)
    }

    fn abandon(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used(name: &str) -> PyErr {
    AlreadyUsedError::new_err(format!("this {name} has been used"))
}

fn options(quirks: QuirksArgument, resend: ResendArgument, bound: BoundArgument) -> Options {
    Options { quirks: quirks.0, resend: resend.0, bound: bound.0 }
}

fn before_step(py: Python<'_>, before: Before, sent: Sent) -> PyResult<Py<PyAny>> {
    match before {
        Before::Send(send) => object(py, Send(sending(py, send, sent)?)),
        Before::Hold(hold) => object(py, held(hold, sent)),
        Before::Lead(lead, hold) => lead_step(py, lead, hold, sent),
        Before::Drop => object(py, Drop),
        Before::GiveUp(reason) => give_up(py, reason),
    }
}

fn after_step(py: Python<'_>, after: After, sent: Sent) -> PyResult<Py<PyAny>> {
    match after {
        After::Deliver(Delivery { stream, unadopted }) => {
            object(py, Deliver { stream, unadopted_session_id: unadopted_id(unadopted.as_ref()) })
        }
        After::Resend(send) => object(py, Resend(sending(py, send, sent)?)),
        After::Hold(hold) => object(py, held(hold, sent)),
        After::Lead(lead, hold) => lead_step(py, lead, hold, sent),
        After::Drop => object(py, Drop),
        After::GiveUp(reason) => give_up(py, reason),
    }
}

fn sending(py: Python<'_>, send: CoreSend, sent: Sent) -> PyResult<Sending> {
    let session_id = send.session_id().map(|id| id.as_str().to_owned());
    let protocol_version = send.protocol_version().map(str::to_owned);
    let last_event_id = match send.last_event_id {
        LastEventId::Keep => sent.last_event_id.clone(),
        LastEventId::Strip => None,
    };
    let exchange = Py::new(py, Exchange(Once::new((send.exchange, sent))))?;
    Ok(Sending { exchange, session_id, protocol_version, last_event_id })
}

fn held(hold: CoreHold, sent: Sent) -> Hold {
    let recovery = hold.recovery();
    Hold(Once::new((hold, sent)), recovery)
}

fn lead_step(py: Python<'_>, lead: CoreLead, hold: CoreHold, sent: Sent) -> PyResult<Py<PyAny>> {
    let (initialize, recovery) = (lead.initialize().to_vec(), lead.recovery());
    let hold = Py::new(py, held(hold, sent))?;
    object(py, Lead { lead: Once::new(lead), hold, initialize, recovery })
}

fn give_up(py: Python<'_>, reason: CoreReason) -> PyResult<Py<PyAny>> {
    object(py, GiveUp { reason: enums::reason(py, reason)? })
}

fn failed(py: Python<'_>, failure: &Failure) -> PyResult<Py<PyAny>> {
    let unadopted_session_id = unadopted_id(failure.unadopted.as_ref());
    object(py, Failed { reason: enums::reason(py, failure.reason)?, unadopted_session_id })
}

fn unadopted_id(unadopted: Option<&Unadopted>) -> Option<String> {
    unadopted?.session_id().map(|id| id.as_str().to_owned())
}

fn object<T: PyClass + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    value: T,
) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, value)?.into_any())
}
