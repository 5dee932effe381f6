//! The steps of the client machine, and the handles that come with them, for Python.

use std::borrow::Cow;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_session_core::client::{
    Handover as CoreHandover, LocalAnswer as CoreAnswer, ReadLimit, ReadOn, RecoveryFailure,
    RecoveryRun as CoreRecovery, RecoveryStep, Step, StreamEnd, Transmission, Trial, Turn,
    Watch as CoreWatch,
};
use mcp_session_core::session::OrphanId;
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};

use crate::arguments::StatusArgument;
use crate::client_shared::{Shared, event_objects, is_long, used, with_head};

/// Whether a driver has more to do for a response than the step in hand says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// There are events to hand out, there is an opening to be remembered, or the response is no
    /// success: a time may begin in which no new session is made.
    Something,
}

/// Makes the object of a step. Those that hold nothing are made once.
pub(crate) fn step_object(
    py: Python<'_>,
    client: &Arc<Shared>,
    step: Step,
    beside: Beside,
) -> PyResult<Py<PyAny>> {
    match step {
        Step::Transmit(transmission) => Transmit::object(py, transmission),
        Step::Read(ReadLimit { bytes, time }) => {
            Ok(Py::new(py, Read { limit: bytes, seconds: time.as_secs_f64() })?.into_any())
        }
        Step::ReadAnswer => read_answer(py),
        Step::Hold(recovery) => Ok(Py::new(py, HeldBack { recovery: recovery.into() })?.into_any()),
        Step::Lead(recovery) => {
            let number = recovery.number().into();
            let run = RecoveryRun {
                client: Arc::clone(client),
                run: Mutex::new(Some(*recovery)),
                number,
            };
            Ok(Py::new(py, Recover { recovery: Py::new(py, run)? })?.into_any())
        }
        Step::Wait(time) => Ok(Py::new(py, Wait { seconds: time.as_secs_f64() })?.into_any()),
        Step::CircuitOpen(cooldown) => Ok(Py::new(
            py,
            CircuitOpen { number: cooldown.number(), seconds: cooldown.duration().as_secs_f64() },
        )?
        .into_any()),
        Step::Deliver(handover) => Handover::object(py, client, handover, beside),
        Step::Answer(answer) => Ok(Py::new(py, LocalAnswer(answer))?.into_any()),
        Step::Raise => Ok(Py::new(py, Raise)?.into_any()),
    }
}

fn read_answer(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static OBJECT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    once(py, &OBJECT, ReadAnswer)
}

fn once<T: PyClass + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    object: &PyOnceLock<Py<PyAny>>,
    value: T,
) -> PyResult<Py<PyAny>> {
    Ok(object.get_or_try_init(py, || Py::new(py, value).map(Py::into_any))?.clone_ref(py))
}

/// Send the request; then tell of the response or of the failure.
///
/// `changes` (list of pairs): headers that differ from the request's own, by their names in
/// lower case (`str`), with the value (`str`) or `None` where one does not go out. `body`
/// (`bytes` or `None`): the body, where it is another than the request's own. `is_first`
/// (`bool`): whether it goes out for the first time, before anything was waited for. `is_trial`
/// (`bool`): whether others wait for its outcome, and are to be woken by it. `is_unchanged`
/// (`bool`): whether it goes out as its caller made it, for the first time, and nobody waits.
///
/// >>> from mcp_session.client import Transmit
/// >>> Transmit.__match_args__
/// ('changes', 'body', 'is_first', 'is_trial')
///
/// Source: laws 1 and 2 of the crate's module `client`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct Transmit {
    changes: Vec<(&'static str, Option<String>)>,
    body: Option<Py<PyBytes>>,
    is_first: bool,
    is_trial: bool,
    is_unchanged: bool,
}

impl Transmit {
    fn object(py: Python<'_>, transmission: Transmission) -> PyResult<Py<PyAny>> {
        static UNCHANGED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let is_unchanged = transmission.is_unchanged();
        let Transmission { changes, body, turn, trial } = transmission;
        let body = body.map(|body| PyBytes::new(py, &body).unbind());
        let (is_first, is_trial) = (turn == Turn::First, trial == Trial::Yes);
        let transmit = Self { changes, body, is_first, is_trial, is_unchanged };
        if is_unchanged {
            return once(py, &UNCHANGED, transmit);
        }
        Ok(Py::new(py, transmit)?.into_any())
    }
}

/// Read the refusal in hand, then tell of it by `body_read`.
///
/// `limit` (`int`, bytes, decoded) and `seconds` (`float`): how much of it, and for how long.
///
/// >>> from mcp_session.client import Read
/// >>> Read.__match_args__
/// ('limit', 'seconds')
///
/// Source: law 8 of the crate's module `client`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct Read {
    limit: usize,
    seconds: f64,
}

/// Read the answer in hand whole, decoded, then tell of it by `body_read`, or by `failed`.
///
/// >>> from mcp_session.client import ReadAnswer
/// >>> ReadAnswer.__name__
/// 'ReadAnswer'
///
/// Source: law 4 of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct ReadAnswer;

/// Wait until the recovery is over, then ask `hold_over`.
///
/// `recovery` (`int`): its number.
///
/// >>> from mcp_session.client import HeldBack
/// >>> HeldBack.__match_args__
/// ('recovery',)
///
/// Source: guarantee 2 of `Session`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct HeldBack {
    recovery: u64,
}

/// Make a new session, then ask `hold_over`.
///
/// `recovery` (`RecoveryRun`): what is to be sent, and to be told of.
///
/// >>> from mcp_session.client import Recover
/// >>> Recover.__match_args__
/// ('recovery',)
///
/// Source: guarantee 3 of `Session`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct Recover {
    recovery: Py<RecoveryRun>,
}

/// Wait so many `seconds` (`float`), or until a new session stands; then ask `wait_over`.
///
/// >>> from mcp_session.client import Wait
/// >>> Wait.__match_args__
/// ('seconds',)
///
/// Source: law 3 of the crate's module `client`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct Wait {
    seconds: f64,
}

/// Ask `circuit_cooled` if `seconds` (`float`) have passed since this `number` (`int`) was seen
/// first; else `circuit_stands`.
///
/// >>> from mcp_session.client import CircuitOpen
/// >>> CircuitOpen.__match_args__
/// ('number', 'seconds')
///
/// Source: guarantee 5 of `Session`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct CircuitOpen {
    number: u64,
    seconds: f64,
}

/// Hand on the response.
///
/// `alias` (`str` or `None`): the ID that the caller sees in place of the server's. `body`
/// (`bytes` or `None`): the body, where it is another than the server's. `watch` (`Watch` or
/// `None`): what its stream goes through. `orphan` (`str` or `None`): an ID to DELETE. `is_plain`
/// (`bool`): whether there is nothing to do but that, and to let its stream go through `watch`.
///
/// >>> from mcp_session.client import Handover
/// >>> Handover.__match_args__
/// ('alias', 'body', 'watch', 'orphan')
///
/// Source: law 3 of the crate's module `client`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct Handover {
    alias: Option<String>,
    body: Option<Py<PyBytes>>,
    watch: Option<Py<Watch>>,
    orphan: Option<String>,
    is_plain: bool,
}

impl Handover {
    fn object(
        py: Python<'_>,
        client: &Arc<Shared>,
        handover: CoreHandover,
        beside: Beside,
    ) -> PyResult<Py<PyAny>> {
        static PLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let CoreHandover { alias, body, watch, orphan } = handover;
        let is_untouched = alias.is_none() && body.is_none() && orphan.is_none();
        let handover = Self {
            alias,
            body: body.map(|body| PyBytes::new(py, &body).unbind()),
            watch: watch.map(|watch| Watch::object(py, client, *watch)).transpose()?,
            orphan: orphan_text(orphan.as_ref()),
            is_plain: is_untouched && beside == Beside::Nothing,
        };
        if handover.is_plain && handover.watch.is_none() {
            return once(py, &PLAIN, handover);
        }
        Ok(Py::new(py, handover)?.into_any())
    }
}

/// Answer the caller with a response that is made here.
///
/// `status` (`int`), `content_type` (`str` or `None`), `body` (`bytes`).
///
/// >>> from mcp_session.client import LocalAnswer
/// >>> LocalAnswer.__match_args__
/// ('status', 'content_type', 'body')
///
/// Source: laws 4 and 7 of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct LocalAnswer(CoreAnswer);

/// Let the caller have the failure as it came.
///
/// >>> from mcp_session.client import Raise
/// >>> Raise.__name__
/// 'Raise'
///
/// Source: law 5 of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct Raise;

#[pymethods]
impl Transmit {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("changes", "body", "is_first", "is_trial")
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.changes.iter().map(|(name, _)| *name).collect();
        let body = if self.body.is_some() { "..." } else { "None" };
        let is_first = if self.is_first { "True" } else { "False" };
        let is_trial = if self.is_trial { "True" } else { "False" };
        format!(
            "Transmit(changes={names:?}, body={body}, is_first={is_first}, is_trial={is_trial})"
        )
    }
}

macro_rules! match_args {
    ($class:ident: $($name:literal),+) => {
        #[pymethods]
        impl $class {
            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Py<PyAny>> {
                Ok(pyo3::types::PyTuple::new(py, [$($name),+])?.unbind().into_any())
            }
        }
    };
}

match_args!(Read: "limit", "seconds");
match_args!(HeldBack: "recovery");
match_args!(Recover: "recovery");
match_args!(Wait: "seconds");
match_args!(CircuitOpen: "number", "seconds");
match_args!(Handover: "alias", "body", "watch", "orphan");

#[pymethods]
impl LocalAnswer {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("status", "content_type", "body")
    }

    /// The HTTP status (`int`).
    #[getter]
    fn status(&self) -> u16 {
        self.0.status()
    }

    /// The value of `Content-Type` (`str`), or `None` where there is no body.
    #[getter]
    fn content_type(&self) -> Option<&'static str> {
        self.0.content_type()
    }

    /// The body (`bytes`).
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.body())
    }
}

/// A recovery under way: the messages that make a new session, one after the other.
///
/// `number` (`int`): by which those who wait for it are woken. A context manager: left before
/// its end, it hands over to one of those who wait.
///
/// >>> from mcp_session.client import RecoveryRun
/// >>> RecoveryRun.__name__
/// 'RecoveryRun'
///
/// Source: guarantee 3 of `Session`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct RecoveryRun {
    client: Arc<Shared>,
    run: Mutex<Option<CoreRecovery>>,
    number: u64,
}

impl RecoveryRun {
    fn tell(
        &self,
        py: Python<'_>,
        tell: impl FnOnce(&mut CoreRecovery) -> Result<RecoveryStep, mcp_session_core::client::Misuse>,
    ) -> PyResult<Py<PyAny>> {
        let step = {
            let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            tell(run.as_mut().ok_or_else(used)?).map_err(|_| used())?
        };
        match step {
            RecoveryStep::Send(message) => Ok(Py::new(
                py,
                RecoveryMessage {
                    body: PyBytes::new(py, &message.body).unbind(),
                    session_id: message.session_id.map(|id| id.as_str().to_owned()),
                    protocol_version: message.protocol_version,
                },
            )?
            .into_any()),
            RecoveryStep::Read => read_answer(py),
            RecoveryStep::Done(end) => Ok(Py::new(
                py,
                RecoveryEnd {
                    has_replaced: end.replaced_by.is_some(),
                    orphan: orphan_text(end.orphan.as_ref()),
                },
            )?
            .into_any()),
        }
    }
}

#[pymethods]
impl RecoveryRun {
    /// The number by which those who wait for it are woken (`int`).
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// The message to send first (`RecoveryMessage`); or its end (`RecoveryEnd`), if its caller
    /// has sent DELETE for the session before it went out.
    fn message(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, |run| run.message(&mut self.client.lock()))
    }

    /// Take the head of the response: its `status` (`int`) and `headers` (iterable of
    /// tuples of `bytes`, with the name first and the value last).
    fn response(
        &self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        with_head(&status, headers, |head, _| {
            self.tell(py, |run| run.response(&mut self.client.lock(), head))
        })
    }

    /// Take a piece of the body, decoded (`bytes`); say whether more is wanted (`bool`).
    fn piece(&self, piece: &[u8]) -> PyResult<bool> {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(run.as_mut().ok_or_else(used)?.piece(piece) == ReadOn::More)
    }

    /// Take that the body has come to its end, or is not read any further.
    fn body_ended(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, |run| run.body_ended(&mut self.client.lock()))
    }

    /// Take that no answer came, by an error of this type (`str`), or in time (`None`).
    fn failed(&self, py: Python<'_>, kind: Option<&str>) -> PyResult<Py<PyAny>> {
        let failure = kind.map_or(RecoveryFailure::TimedOut, RecoveryFailure::Error);
        self.tell(py, |run| run.failed(&mut self.client.lock(), failure))
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
        drop(self.run.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A message of ours to send by POST; then tell of the response or of the failure.
///
/// `body` (`bytes`), `session_id` and `protocol_version` (`str` or `None`): what it bears. What
/// else goes out with it is what the opener of the session sent.
///
/// >>> from mcp_session.client import RecoveryMessage
/// >>> RecoveryMessage.__match_args__
/// ('body', 'session_id', 'protocol_version')
///
/// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct RecoveryMessage {
    body: Py<PyBytes>,
    session_id: Option<String>,
    protocol_version: Option<String>,
}

/// A recovery is over; those who wait for it are to be woken.
///
/// `has_replaced` (`bool`): whether a new session stands; streams of those before it are to be
/// ended. `orphan` (`str` or `None`): an ID to DELETE.
///
/// >>> from mcp_session.client import RecoveryEnd
/// >>> RecoveryEnd.__match_args__
/// ('has_replaced', 'orphan')
///
/// Source: guarantee 2 of `Session`.
#[pyclass(frozen, get_all, module = "mcp_session.client")]
pub(crate) struct RecoveryEnd {
    has_replaced: bool,
    orphan: Option<String>,
}

match_args!(RecoveryMessage: "body", "session_id", "protocol_version");
match_args!(RecoveryEnd: "has_replaced", "orphan");

/// A stream of events on its way to its reader.
///
/// >>> from mcp_session.client import Watch
/// >>> Watch.__name__
/// 'Watch'
///
/// Source: law 6 of the crate's module `client`.
#[pyclass(frozen, module = "mcp_session.client")]
pub(crate) struct Watch {
    client: Arc<Shared>,
    watch: Mutex<CoreWatch>,
}

impl Watch {
    fn object(py: Python<'_>, client: &Arc<Shared>, watch: CoreWatch) -> PyResult<Py<Self>> {
        Py::new(py, Self { client: Arc::clone(client), watch: Mutex::new(watch) })
    }
}

#[pymethods]
impl Watch {
    /// Whether the session of its stream has been replaced (`bool`): end it by `outlived`.
    #[getter]
    fn is_outlived(&self) -> bool {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.is_outlived(&mut self.client.lock())
    }

    /// Take what came in, decoded (`bytes`); return what goes out (`bytes`, which may be
    /// empty).
    fn piece<'py>(
        &self,
        py: Python<'py>,
        piece: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = piece.as_bytes();
        let read = || {
            let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
            watch.piece(&mut self.client.lock(), bytes)
        };
        let out = if is_long(bytes.len()) { py.detach(read) } else { read() };
        Ok(match out {
            Cow::Borrowed(_) => piece.clone(),
            Cow::Owned(out) => PyBytes::new(py, &out),
        })
    }

    /// Take the end of the stream: clean (`None`), or cut by an error of this type (`str`).
    /// `lived` (`float`): for how many seconds the stream of a GET was open. Returns the last
    /// that goes out (`bytes`).
    #[pyo3(signature = (kind, *, lived=0.0))]
    fn ended<'py>(&self, py: Python<'py>, kind: Option<&str>, lived: f64) -> Bound<'py, PyBytes> {
        self.end(py, kind.map_or(StreamEnd::Clean, StreamEnd::Cut), lived)
    }

    /// Take that the stream is ended because another session stands. Returns the last that
    /// goes out (`bytes`).
    fn outlived<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.end(py, StreamEnd::Outlived, 0.0)
    }
}

impl Watch {
    fn end<'py>(&self, py: Python<'py>, end: StreamEnd<'_>, lived: f64) -> Bound<'py, PyBytes> {
        let lived = Duration::try_from_secs_f64(lived).unwrap_or_default();
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        PyBytes::new(py, &watch.end(&mut self.client.lock(), end, lived))
    }
}

fn orphan_text(orphan: Option<&OrphanId>) -> Option<String> {
    Some(orphan?.session_id()?.as_str().to_owned())
}
