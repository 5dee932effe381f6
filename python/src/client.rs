//! The client machine for Python: one machine for one HTTP client, whatever threads use it.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use mcp_session_core::client::{
    Begin, Client as CoreClient, Credentials, Endpoint, HoldEnd, Look, Misuse, Options,
    RequestHead, RequestRun as CoreRun, ResponseHead, Sent, Shield, Source, Step, TransportFailure,
};
use mcp_session_core::session;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::arguments::{
    Body, BoundArgument, FlagArgument, MethodArgument, MisreportsArgument, Optional,
    QuirksArgument, ResendArgument, StatusArgument, Text, wrong_type,
};
use crate::client_shared::{Shared, event_objects, is_long, used, with_head};
use crate::client_steps::{Beside, step_object};
use crate::headers::{Value, lossy, values};

/// The sessions of one HTTP client.
///
/// Sans-IO: a driver tells it of each request that it is about to send, and does what it
/// answers. The options are those of the clients, checked there. `remembered` (`int`): how many
/// sessions are remembered.
///
/// >>> from mcp_session.client import Client, Transmit
/// >>> body = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
/// >>> headers = [(b"host", b"mcp.example"), (b"content-type", b"application/json")]
/// >>> run = Client().begin("POST", "https", b"/mcp", headers, body)
/// >>> run.step
/// Transmit(changes=[], body=None, is_first=True, is_trial=False)
///
/// Source: the laws at the head of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct Client(Arc<Shared>);

#[pymethods]
impl Client {
    #[new]
    #[pyo3(
        signature = (
            *,
            quirks=QuirksArgument(mcp_session_core::Quirks::Recognize),
            resend=ResendArgument(session::ResendPolicy::All),
            bound=BoundArgument(2),
            outage_shield=FlagArgument(true),
            status_shield=FlagArgument(false),
            stream_guard=FlagArgument(true),
            misreports=MisreportsArgument::default(),
            remembered=4096,
        ),
        text_signature = "(*, quirks=True, resend=ResendPolicy.ALL, bound=2, outage_shield=True, \
            status_shield=False, stream_guard=True, misreports=(), remembered=4096)",
    )]
    #[expect(clippy::too_many_arguments, reason = "options, by keyword")]
    fn new(
        quirks: QuirksArgument,
        resend: ResendArgument,
        bound: BoundArgument,
        outage_shield: FlagArgument,
        status_shield: FlagArgument,
        stream_guard: FlagArgument,
        misreports: MisreportsArgument,
        remembered: usize,
    ) -> Self {
        let options = Options {
            session: session::Options { quirks: quirks.0, resend: resend.0, bound: bound.0 },
            misreports: misreports.into_core(),
            outage_shield: shield(outage_shield),
            status_shield: shield(status_shield),
            stream_guard: shield(stream_guard),
        };
        let seed = RandomState::new().hash_one(0);
        let client = CoreClient::new(options, seed).remembering(remembered);
        Self(Arc::new(Shared::new(client)))
    }

    /// Take a request that is about to be sent.
    ///
    /// `method` and `scheme` are `str`, `path` is `str` or `bytes`, `headers` an iterable of tuples
    /// of `bytes`, with the name first and the value last, `body` `bytes`, or `None` where it is
    /// streamed. `defaults` are the headers of the HTTP client, with a method `get`: credentials
    /// that stand there too are the client's, not the request's own. `own_auth` (`bytes` or
    /// `None`) stands for credentials of its own that it will get on its way; only whether they
    /// are the same counts. `authority` (`str`, `bytes` or `None`): the host and port that it is
    /// sent to, whatever its `Host` says.
    ///
    /// Returns a `RequestRun`; `None` for a request to be sent as if we were not there; `True`
    /// for one whose body is to be read first. Raises `TypeError` and `ValueError` for wrong
    /// arguments.
    #[pyo3(signature = (method, scheme, path, headers, body, defaults=None, own_auth=None, authority=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn begin<'py>(
        &self,
        py: Python<'py>,
        method: MethodArgument,
        scheme: &Bound<'py, PyAny>,
        path: UrlPart<'_>,
        headers: &Bound<'py, PyAny>,
        body: Option<Bound<'py, PyBytes>>,
        defaults: Option<&Bound<'py, PyAny>>,
        own_auth: Option<&[u8]>,
        authority: Option<UrlPart<'_>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let scheme = Text::of("scheme", scheme.as_borrowed())?;
        let path = path_of(path.as_str());
        let values = values(
            headers,
            [
                "host",
                "mcp-session-id",
                "mcp-protocol-version",
                "last-event-id",
                "content-type",
                "authorization",
            ],
        )?;
        let [host, session_id, protocol_version, last_event_id, content_type, authorization] =
            values.each_ref().map(Value::text);
        let authority = authority.as_ref().map(UrlPart::as_str);
        let host = place(host.as_deref().unwrap_or_default(), authority);
        let head = RequestHead {
            method: method.0,
            endpoint: Endpoint { scheme: scheme.as_str(), host: &host, path },
            credentials: credentials(authorization.as_deref(), defaults, own_auth)?,
            session_id: session_id.as_deref(),
            protocol_version: protocol_version.as_deref(),
            last_event_id: last_event_id.as_deref(),
            content_type: content_type.as_deref(),
        };
        let look = self.0.lock().look(&head);
        let body = match (look, body) {
            (Look::Pass, _) | (Look::AtMessage, None) => return Ok(None),
            (Look::AtSession, None) => {
                return Ok(Some(true.into_pyobject(py)?.to_owned().into_any()));
            }
            (Look::AtMessage | Look::AtSession, Some(body)) => body,
        };
        // A subclass of `bytes` may run Python where it is dropped; a copy cannot.
        let body = if body.is_exact_instance_of::<PyBytes>() {
            PyBackedBytes::from(body)
        } else {
            PyBackedBytes::from(PyBytes::new(py, body.as_bytes()))
        };
        let is_long = is_long(body.len());
        let read = || head.outgoing(body);
        let outgoing = if is_long { py.detach(read) } else { read() };
        let begun = self.0.lock().begin(&head, outgoing);
        match begun {
            Begin::Pass => Ok(None),
            Begin::Run(run, step) => {
                let step = step_object(py, &self.0, step, Beside::Something)?;
                let run = RequestRun::new(&self.0, run, step);
                Ok(Some(Bound::new(py, run)?.into_any()))
            }
        }
    }

    /// Say whether the session of this number (`int`) is still kept (`bool`).
    fn knows(&self, session: u64) -> bool {
        self.0.lock().knows(session.into())
    }

    fn __repr__(&self) -> &'static str {
        "<Client>"
    }
}

/// One request on its way through its session.
///
/// `step` is what to do next; each method tells what came of that and returns the step after
/// it. A context manager: left before its end, it counts as abandoned, and whoever waits for it
/// goes on. Raises `AlreadyUsedError` where it does not wait for what it is told.
///
/// >>> from mcp_session.client import RequestRun
/// >>> RequestRun.__name__
/// 'RequestRun'
///
/// Source: law 3 of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct RequestRun {
    client: Arc<Shared>,
    run: Mutex<Option<Box<CoreRun<PyBackedBytes>>>>,
    step: Mutex<Py<PyAny>>,
    is_encoded: AtomicBool,
    is_success: AtomicBool,
}

impl RequestRun {
    fn read<R>(&self, read: impl FnOnce(&CoreRun<PyBackedBytes>) -> Option<R>) -> Option<R> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.as_deref().and_then(read)
    }

    fn new(client: &Arc<Shared>, run: Box<CoreRun<PyBackedBytes>>, step: Py<PyAny>) -> Self {
        Self {
            client: Arc::clone(client),
            run: Mutex::new(Some(run)),
            step: Mutex::new(step),
            is_encoded: AtomicBool::new(false),
            is_success: AtomicBool::new(false),
        }
    }

    fn tell(
        &self,
        py: Python<'_>,
        tell: impl FnOnce(&mut CoreRun<PyBackedBytes>, &mut CoreClient) -> Result<Step, Misuse>,
    ) -> PyResult<Py<PyAny>> {
        let told = self.told(tell);
        self.took(py, told)
    }

    /// Never gives up the interpreter under its locks: who has that waits for these.
    fn told(
        &self,
        tell: impl FnOnce(&mut CoreRun<PyBackedBytes>, &mut CoreClient) -> Result<Step, Misuse>,
    ) -> Result<(Step, Beside), Misuse> {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let run = run.as_mut().ok_or(Misuse)?;
        let mut client = self.client.lock();
        let step = tell(run, &mut client)?;
        let is_quiet = !run.is_initialize() && run.has_no_events(&mut client);
        let is_quiet = is_quiet && self.is_success.load(Ordering::Relaxed);
        Ok((step, if is_quiet { Beside::Nothing } else { Beside::Something }))
    }

    fn took(&self, py: Python<'_>, told: Result<(Step, Beside), Misuse>) -> PyResult<Py<PyAny>> {
        let (step, beside) = told.map_err(|_| used())?;
        let step = step_object(py, &self.client, step, beside)?;
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step.clone_ref(py);
        Ok(step)
    }
}

#[pymethods]
impl RequestRun {
    /// What to do next: the last step that was returned.
    #[getter]
    fn step(&self, py: Python<'_>) -> Py<PyAny> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner).clone_ref(py)
    }

    /// Whether what a `HeldBack` or a `Wait` waits for is over, or the request itself is (`bool`).
    #[getter]
    fn is_settled(&self) -> bool {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.as_deref().is_none_or(|run| run.is_settled(&mut self.client.lock()))
    }

    /// Whether it is not sent any more (`bool`): its caller has cancelled it, or has ended its
    /// session.
    #[getter]
    fn is_called_off(&self) -> bool {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.as_deref().is_none_or(|run| run.is_called_off(&mut self.client.lock()))
    }

    /// The number of its session (`int`), or `None` if it is of none.
    #[getter]
    fn session(&self) -> Option<u64> {
        self.read(|run| run.session().map(u64::from))
    }

    /// Whether it neither opens a session nor closes one (`bool`).
    #[getter]
    fn is_ordinary(&self) -> bool {
        self.read(|run| Some(!run.is_initialize() && !run.closes())).unwrap_or_default()
    }

    /// Whether it is an `initialize`, which opens a session (`bool`).
    #[getter]
    fn is_initialize(&self) -> bool {
        self.read(|run| Some(run.is_initialize())).unwrap_or_default()
    }

    /// Whether its response says that its body is encoded (`bool`).
    #[getter]
    fn is_encoded(&self) -> bool {
        self.is_encoded.load(Ordering::Relaxed)
    }

    /// By what it is known while it is held (`bytes`), or `None`.
    #[getter]
    fn waits_as<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.read(|run| run.waits_as().map(<[u8]>::to_vec)).map(|key| PyBytes::new(py, &key))
    }

    /// Who is to be woken because this request has ended it (`bytes`), or `None`.
    #[getter]
    fn wakes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.read(|run| run.wakes().map(<[u8]>::to_vec)).map(|key| PyBytes::new(py, &key))
    }

    /// Whether it closes its session (`bool`): those who wait are to be woken.
    #[getter]
    fn closes(&self) -> bool {
        self.read(|run| Some(run.closes())).unwrap_or_default()
    }

    /// Take that the request goes out now, before each `Transmit` that is not the first; return
    /// what is to be done instead, or `None`: one that was called off meanwhile is not sent.
    fn goes_out(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let step = {
            let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            run.as_mut().and_then(|run| run.goes_out(&mut self.client.lock()))
        };
        step.map(|step| step_object(py, &self.client, step, Beside::Something)).transpose()
    }

    /// Take the head of the response: its `status` (`int`) and `headers` (iterable of
    /// tuples of `bytes`, with the name first and the value last). Whatever is told of its body is
    /// told decoded. `is_of_elsewhere` (`bool`): it is of somebody to whom a redirect has led, at
    /// another origin or with another method.
    #[pyo3(
        signature = (status, headers, *, is_of_elsewhere=FlagArgument(false)),
        text_signature = "($self, status, headers, *, is_of_elsewhere=False)",
    )]
    fn response(
        &self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
        is_of_elsewhere: FlagArgument,
    ) -> PyResult<Py<PyAny>> {
        let source = if is_of_elsewhere.0 { Source::Elsewhere } else { Source::Server };
        with_head(&status, headers, |head, is_encoded| {
            self.is_encoded.store(is_encoded, Ordering::Relaxed);
            self.is_success.store(head.status.is_success(), Ordering::Relaxed);
            let head = ResponseHead { source, ..*head };
            self.tell(py, |run, client| run.response(client, &head))
        })
    }

    /// Take the body that was to be read, decoded (`bytes`); `None` if that of a refusal is not
    /// known whole.
    fn body_read(&self, py: Python<'_>, body: Optional<'_, '_>) -> PyResult<Py<PyAny>> {
        let body = Body::optional("body", body)?;
        let bytes = body.as_ref().map(Body::bytes);
        let read = || self.told(|run, client| run.body_read(client, bytes));
        let told = if is_long(bytes.map_or(0, <[u8]>::len)) { py.detach(read) } else { read() };
        self.took(py, told)
    }

    /// Take that no response came, or that the answer to be read broke off or could not be
    /// decoded, by an error of this type (`str`). `is_unsent` (`bool`): the server has not seen the
    /// request.
    #[pyo3(
        signature = (kind, *, is_unsent=FlagArgument(false)),
        text_signature = "($self, kind, *, is_unsent=False)",
    )]
    fn failed(&self, py: Python<'_>, kind: &str, is_unsent: FlagArgument) -> PyResult<Py<PyAny>> {
        let sent = if is_unsent.0 { Sent::No } else { Sent::InDoubt };
        self.tell(py, |run, client| run.failed(client, TransportFailure { kind, sent }))
    }

    /// Take the end of a `HeldBack`, or of a `Recover`. `timed_out` (`bool`): it was held for
    /// too long.
    #[pyo3(
        signature = (*, timed_out=FlagArgument(false)),
        text_signature = "($self, *, timed_out=False)",
    )]
    fn hold_over(&self, py: Python<'_>, timed_out: FlagArgument) -> PyResult<Py<PyAny>> {
        let end = if timed_out.0 { HoldEnd::TimedOut } else { HoldEnd::Settled };
        self.tell(py, |run, client| run.hold_over(client, end))
    }

    /// Take the end of a `Wait`.
    fn wait_over(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, CoreRun::wait_over)
    }

    /// Take that the time of a `CircuitOpen` has passed since its number was seen first.
    fn circuit_cooled(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, CoreRun::circuit_cooled)
    }

    /// Take that the time of a `CircuitOpen` has not passed.
    fn circuit_stands(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, CoreRun::circuit_stands)
    }

    /// The number and the seconds (`float`) of the time in which no new session is made, or
    /// `None`. It begins when it is there: ask after each recovery, and each response that is no
    /// success.
    #[getter]
    fn cooldown(&self) -> Option<(u64, f64)> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let cooldown = run.as_ref()?.cooldown(&mut self.client.lock())?;
        Some((cooldown.number(), cooldown.duration().as_secs_f64()))
    }

    /// Take that nothing will come of the request.
    fn abandon(&self) {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut client = self.client.lock();
        if let Some(run) = run {
            run.abandon(&mut client);
        }
    }

    /// Hand out what happened to the session: a list of `SessionEvent`, oldest first.
    fn events(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let mut client = self.client.lock();
        let events = iter::from_fn(|| run.as_ref()?.next_event(&mut client)).collect();
        drop((run, client));
        event_objects(py, events)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.abandon();
    }

    fn __repr__(&self) -> &'static str {
        "<RequestRun>"
    }
}

/// A part of a URL, as it is kept or as it is sent.
struct UrlPart<'a>(Cow<'a, str>);

impl UrlPart<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for UrlPart<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.extract::<&'a str>() {
            return Ok(Self(Cow::Borrowed(text)));
        }
        match object.extract::<&'a [u8]>() {
            Ok(bytes) => Ok(Self(lossy(bytes))),
            Err(_) => Err(wrong_type("a part of a URL", "str or bytes", &object)),
        }
    }
}

/// Where a request goes: the host that its header names, and the one that it is sent to if that
/// is another.
fn place<'a>(host: &'a str, authority: Option<&str>) -> Cow<'a, str> {
    match authority {
        Some(authority) if authority != host => Cow::Owned(format!("{authority} {host}")),
        Some(_) | None => Cow::Borrowed(host),
    }
}

/// The path of a target, without its query.
fn path_of(target: &str) -> &str {
    match target.split('?').next() {
        Some("") | None => "/",
        Some(path) => path,
    }
}

fn shield(flag: FlagArgument) -> Shield {
    if flag.0 { Shield::Up } else { Shield::Down }
}

/// Whose a request is, by a hash that is keyed for this process.
fn credentials(
    authorization: Option<&str>,
    defaults: Option<&Bound<'_, PyAny>>,
    own_auth: Option<&[u8]>,
) -> PyResult<Credentials> {
    static KEYS: LazyLock<[RandomState; 2]> =
        LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    let mut own = authorization;
    if let (Some(given), Some(defaults)) = (authorization, defaults) {
        let default = defaults.call_method1("get", ("authorization",))?;
        if default.extract::<&str>().is_ok_and(|default| default == given) {
            own = None;
        }
    }
    if own.is_none() && own_auth.is_none() {
        return Ok(Credentials::OfClient);
    }
    let [high, low] = KEYS.each_ref().map(|key| u128::from(key.hash_one((own, own_auth))));
    Ok(Credentials::OfRequest(high << 64 | low))
}
