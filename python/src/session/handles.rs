//! The handles that a step comes with: each is used once, and ends with its use.
//!
//! A handle holds a body and nothing else of Python's, and of that only `bytes` themselves: so
//! no cycle goes through one, and to drop one runs nobody's code.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::session::{
    Exchange as CoreExchange, Foreign, Hold as CoreHold, Initialized as CoreInitialized,
    Lead as CoreLead, Restore as CoreRestore, Stream as CoreStream,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::facts::{Facts, step};
use crate::arguments::KeptBody;

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

/// One request on its way; it is used once, by `Session.after_response`.
///
/// A context manager: left without a response, it counts as abandoned.
///
/// >>> from mcp_session import Session
/// >>> with Session().before_request("GET").exchange as exchange:
/// ...     pass
///
/// Source: guarantee 4, "Every request ends exactly once".
#[pyclass(frozen, subclass, module = "mcp_session")]
pub(crate) struct Exchange(pub(super) Once<CoreExchange<KeptBody>>);

/// Wait until the recovery is settled, then ask `Session.after_recovery`.
///
/// `recovery` (`int`): the number of the recovery it waits for. `is_settled` (`bool`): whether
/// that has come to an end, or the request itself has. A context manager: left without being
/// asked, its request counts as abandoned.
///
/// >>> from mcp_session import Hold
/// >>> Hold.__match_args__
/// ('recovery',)
///
/// Source: guarantee 2, "At most one re-initialization is under way".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Hold {
    pub(super) hold: Once<CoreHold<KeptBody>>,
    recovery: u64,
    facts: Facts,
}

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
    pub(super) lead: Once<CoreLead>,
    hold: Py<Hold>,
    initialize: Vec<u8>,
    recovery: u64,
    facts: Facts,
}

/// The new session has begun; it stands when its `notifications/initialized` is accepted.
///
/// Send `initialized` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no
/// session now) and `protocol_version` (`str`), and give the status of the answer to
/// `Session.initialized_answered`. A context manager, as `Lead` is.
///
/// >>> from mcp_session import Initialized
/// >>> Initialized.__name__
/// 'Initialized'
///
/// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Initialized(pub(super) Once<CoreInitialized>);

/// The new session stands, and is to be told what the old one was told.
///
/// Send `body` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no session now)
/// and `protocol_version` (`str`), and give the answer to `Session.restore_answered`. `method`
/// (`str`) is what is told. A context manager: left without an outcome, those waiting are
/// released.
///
/// >>> from mcp_session import Restore
/// >>> Restore.__name__
/// 'Restore'
///
/// Source: guarantee 11, "told again after a replacement, before those waiting are released".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Restore(pub(super) Once<CoreRestore>);

/// Where the messages and event IDs of one response belong. Frozen; two of the same are equal.
///
/// >>> from mcp_session import Stream
/// >>> Stream.__name__
/// 'Stream'
///
/// Source: guarantee 8.
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Stream(pub(super) CoreStream);

#[pymethods]
impl Exchange {
    /// Whether the caller has cancelled the request since (`bool`). Ask before a `Resend` goes
    /// out: it is to end instead.
    #[getter]
    fn is_cancelled(&self) -> bool {
        self.0.peek(CoreExchange::is_cancelled).unwrap_or(false)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.abandon();
    }
}

impl Hold {
    pub(super) fn new(hold: CoreHold<KeptBody>, facts: Facts) -> Self {
        let recovery = hold.recovery().into();
        Self { hold: Once::new(hold), recovery, facts }
    }
}

step! {
    impl Hold {
        #[classattr]
        fn __match_args__() -> (&'static str,) {
            ("recovery",)
        }

        /// The number of the recovery it waits for (`int`).
        #[getter]
        fn recovery(&self) -> u64 {
            self.recovery
        }

        /// Whether the recovery has come to an end, or the request itself has (`bool`).
        #[getter]
        fn is_settled(&self) -> bool {
            self.hold.peek(CoreHold::is_settled).unwrap_or(true)
        }

        fn __enter__(slf: Py<Self>) -> Py<Self> {
            slf
        }

        #[pyo3(signature = (*_exception))]
        fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
            self.hold.abandon();
        }

        fn __repr__(&self) -> String {
            format!("Hold({})", self.recovery)
        }
    }
}

impl Lead {
    pub(super) fn new(
        py: Python<'_>,
        lead: CoreLead,
        hold: CoreHold<KeptBody>,
        facts: Facts,
    ) -> PyResult<Self> {
        let (initialize, recovery) = (lead.initialize().to_vec(), lead.recovery().into());
        let hold = Py::new(py, Hold::new(hold, facts))?;
        Ok(Self { lead: Once::new(lead), hold, initialize, recovery, facts })
    }
}

step! {
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
}

#[pymethods]
impl Initialized {
    /// The body to send (`bytes`).
    #[getter]
    fn initialized<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let body = self.0.read("Initialized", |it| it.initialized().to_vec())?;
        Ok(PyBytes::new(py, &body))
    }

    /// The ID to attach (`str`), or `None` if the server keeps no session now.
    #[getter]
    fn session_id(&self) -> PyResult<Option<String>> {
        self.0.read("Initialized", |it| it.session_id().map(|id| id.as_str().to_owned()))
    }

    /// What to put into `MCP-Protocol-Version` (`str`).
    #[getter]
    fn protocol_version(&self) -> PyResult<String> {
        self.0.read("Initialized", |it| it.protocol_version().to_owned())
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
impl Restore {
    /// The body to send (`bytes`): a request of our own, whose answer the caller never sees.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let body = self.0.read("Restore", |it| it.body().to_vec())?;
        Ok(PyBytes::new(py, &body))
    }

    /// What is told (`str`): `logging/setLevel` or `resources/subscribe`.
    #[getter]
    fn method(&self) -> PyResult<&'static str> {
        self.0.read("Restore", |it| it.method().as_str())
    }

    /// The ID to attach (`str`), or `None` if the server keeps no session now.
    #[getter]
    fn session_id(&self) -> PyResult<Option<String>> {
        self.0.read("Restore", |it| it.session_id().map(|id| id.as_str().to_owned()))
    }

    /// What to put into `MCP-Protocol-Version` (`str`).
    #[getter]
    fn protocol_version(&self) -> PyResult<String> {
        self.0.read("Restore", |it| it.protocol_version().to_owned())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.abandon();
    }
}

/// What is used once.
pub(super) struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    /// Takes it for a use; one that turns out to be another session's is put back.
    pub(super) fn used_by<R>(
        &self,
        name: &str,
        take: impl FnOnce(T) -> Result<R, Foreign<T>>,
    ) -> PyResult<R> {
        let value = self.lock().take().ok_or_else(|| used(name))?;
        take(value).map_err(|Foreign(value)| {
            *self.lock() = Some(value);
            PyValueError::new_err(format!("this {name} is of another Session"))
        })
    }

    pub(super) fn read<R>(&self, name: &str, read: impl FnOnce(&T) -> R) -> PyResult<R> {
        self.peek(read).ok_or_else(|| used(name))
    }

    pub(super) fn peek<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().as_ref().map(read)
    }

    pub(super) fn abandon(&self) {
        // Dropped when the lock is let go.
        let abandoned = self.lock().take();
        drop(abandoned);
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used(name: &str) -> PyErr {
    AlreadyUsedError::new_err(format!("this {name} has been used"))
}
