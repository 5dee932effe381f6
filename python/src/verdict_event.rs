//! A verdict on one exchange of an ASGI application.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// A verdict on one exchange, for hooks that count or report.
///
/// `rule` (`Rule`): the row that decided; made for labels, as there are few. `action`
/// (`Action`): what it says to do. `method` (`str`): of the request, `*` if unregistered.
/// `path` (`str`): its route-like shape, `*` for each part that may be an ID. `status` (`int`):
/// what the application answered. `fingerprint` (`str` or `None`): what stands for the session
/// ID in this process. `applied` (`bool`): whether the answer was changed; `False` with
/// `report_only`, and for rules that are switched off.
///
/// Frozen; two that say the same are equal; its text is a line for a log.
///
/// >>> from mcp_session import Action, Rule
/// >>> from mcp_session.asgi import VerdictEvent
/// >>> event = VerdictEvent(
/// ...     rule=Rule.UNCANONICAL_NOT_FOUND, action=Action.NOT_FOUND_RESPONSE, method="POST",
/// ...     path="/mcp", status=404, fingerprint="5d41402abc4b", applied=True,
/// ... )
/// >>> print(event)
/// UncanonicalNotFound: POST /mcp was answered 404; session 5d41402abc4b; corrected
///
/// Source: the rows behind `classify`, on the side of servers.
#[pyclass(frozen, get_all, module = "mcp_session.asgi")]
pub(crate) struct VerdictEvent {
    pub(crate) rule: Py<PyAny>,
    pub(crate) action: Py<PyAny>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) fingerprint: Option<String>,
    pub(crate) applied: bool,
}

#[pymethods]
impl VerdictEvent {
    #[new]
    #[pyo3(signature = (rule, action, method, path, status, fingerprint, applied))]
    fn new(
        rule: Py<PyAny>,
        action: Py<PyAny>,
        method: String,
        path: String,
        status: u16,
        fingerprint: Option<String>,
        applied: bool,
    ) -> Self {
        Self { rule, action, method, path, status, fingerprint, applied }
    }

    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(PyTuple::new(py, FIELDS)?.unbind())
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
        self.values(py)?.eq(other.values(py)?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.values(py)?.hash()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok((slf.get_type().into_any(), slf.get().values(slf.py())?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let values = self.values(py)?;
        let shown = FIELDS.iter().zip(values.iter());
        let shown: PyResult<Vec<String>> =
            shown.map(|(name, value)| Ok(format!("{name}={}", value.repr()?))).collect();
        Ok(format!("VerdictEvent({})", shown?.join(", ")))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        let Self { method, path, status, fingerprint, .. } = self;
        let rule = self.rule.bind(py).getattr("value")?;
        let fingerprint = fingerprint.as_deref().unwrap_or("none");
        let done = if self.applied { "corrected" } else { "left as it is" };
        Ok(format!("{rule}: {method} {path} was answered {status}; session {fingerprint}; {done}"))
    }
}

const FIELDS: [&str; 7] = ["rule", "action", "method", "path", "status", "fingerprint", "applied"];

impl VerdictEvent {
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let Self { rule, action, method, path, status, fingerprint, applied } = self;
        (rule.bind(py), action.bind(py), method, path, status, fingerprint, applied)
            .into_pyobject(py)
    }
}
