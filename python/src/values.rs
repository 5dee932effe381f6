//! What goes out to Python: frozen values.

use std::hash::{BuildHasher as _, Hash};

use mcp_session_core::http::header::CONTENT_LENGTH;
use mcp_session_core::http::{HeaderName, HeaderValue};
use mcp_session_core::{
    Action, Answer as CoreAnswer, Kind, Message as CoreMessage, Rule, Verdict as CoreVerdict,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::arguments::{no_pair_of_bytes, part};
use crate::enums;

/// What to do, and the row that says so. Made by `classify`, `classify_exchange`, `admit`.
///
/// `action` (`Action`): what to do. `rule` (`Rule`): the row of the tables, with the
/// sentence of the specification. `session_id` (`str` or `None`): the ID to adopt, with
/// `Action.ADOPT_SESSION`. `forward_session_id` (`bool`): whether a server or proxy passes
/// the session header on, of the request in `admit`, of the response in `classify`.
/// `response` (`Answer` or `None`): what to send, with the three `*_RESPONSE` actions.
///
/// Frozen; two that say the same are equal, and most are one shared object. The session ID
/// does not show in its `repr`.
///
/// >>> from mcp_session import classify
/// >>> classify("POST", 404, session_id="1868a90c")
/// Verdict(Action.CLEAR_AND_REINIT, Rule.TERMINATED_POST)
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Verdict {
    says: Says,
    action: Py<PyAny>,
    rule: Py<PyAny>,
    session_id: Option<String>,
    response: Option<Py<Answer>>,
}

const RULES: usize = Rule::ALL.len();
const ACTIONS: usize = Action::ALL.len();

/// A verdict without payload, and the key to the shared objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Says {
    action: Action,
    rule: Rule,
    forwards_session_id: bool,
}

impl Verdict {
    pub(crate) fn of(py: Python<'_>, verdict: &CoreVerdict<'_>) -> PyResult<Py<Self>> {
        let says = Says {
            action: verdict.action(),
            rule: verdict.rule(),
            forwards_session_id: verdict.forwards_session_id(),
        };
        // Enum members are looked up for these once; a verdict with a payload takes theirs.
        let shared = Self::shared(py, says)?;
        if verdict.session_id().is_none() && verdict.answer().is_none() {
            return Ok(shared);
        }
        let response = match verdict.answer() {
            Some(answer) => Some(Py::new(py, Answer::of(py, answer)?)?),
            None => None,
        };
        let session_id = verdict.session_id().map(|id| id.as_str().to_owned());
        let (action, rule) = (shared.get().action(py), shared.get().rule(py));
        Py::new(py, Self { says, action, rule, session_id, response })
    }

    fn shared(py: Python<'_>, says: Says) -> PyResult<Py<Self>> {
        static SHARED: [[[PyOnceLock<Py<Verdict>>; 2]; ACTIONS]; RULES] =
            [const { [const { [const { PyOnceLock::new() }; 2] }; ACTIONS] }; RULES];
        let slot = SHARED
            .get(says.rule as usize)
            .and_then(|actions| actions.get(says.action as usize))
            .and_then(|forwards| forwards.get(usize::from(says.forwards_session_id)));
        let make = || Py::new(py, Self::plain(py, says)?);
        match slot {
            Some(slot) => Ok(slot.get_or_try_init(py, make)?.clone_ref(py)),
            None => make(),
        }
    }

    fn says<'a>(&'a self, py: Python<'a>) -> impl PartialEq + Hash + use<'a> {
        let response = self.response.as_ref().map(|response| response.get().says(py));
        (self.says, self.session_id.as_deref(), response)
    }

    fn plain(py: Python<'_>, says: Says) -> PyResult<Self> {
        Ok(Self {
            says,
            action: enums::action(py, says.action)?,
            rule: enums::rule(py, says.rule)?,
            session_id: None,
            response: None,
        })
    }
}

#[pymethods]
impl Verdict {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("action", "rule")
    }

    /// What to do (`Action`).
    #[getter]
    fn action(&self, py: Python<'_>) -> Py<PyAny> {
        self.action.clone_ref(py)
    }

    /// The row that says so (`Rule`).
    #[getter]
    fn rule(&self, py: Python<'_>) -> Py<PyAny> {
        self.rule.clone_ref(py)
    }

    /// The ID to adopt (`str`), with `Action.ADOPT_SESSION`; else `None`.
    #[getter]
    fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Whether a server or proxy passes the session header on (`bool`).
    #[getter]
    fn forward_session_id(&self) -> bool {
        self.says.forwards_session_id
    }

    /// What to send (`Answer`), with the three `*_RESPONSE` actions; else `None`.
    #[getter]
    fn response(&self, py: Python<'_>) -> Option<Py<Answer>> {
        self.response.as_ref().map(|response| response.clone_ref(py))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.says(py) == other.says(py)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        hash(self.says(py))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let session_id = if self.session_id.is_some() { ", session_id=<redacted>" } else { "" };
        let forward = if self.says.forwards_session_id { "" } else { ", forward_session_id=False" };
        let response = match &self.response {
            Some(response) => format!(", response={}", response.bind(py).repr()?),
            None => String::new(),
        };
        let (action, rule) = (self.action.bind(py).str()?, self.rule.bind(py).str()?);
        Ok(format!("Verdict({action}, {rule}{session_id}{forward}{response})"))
    }
}

fn hash(says: impl Hash) -> u64 {
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(says)
}

/// A canonical answer, ready to be sent.
///
/// `status` (`int`): the HTTP status. `headers` (`list[tuple[str, str]]`): lower-case names
/// and their values, `content-length` included. `body` (`bytes`): one JSON-RPC error.
/// Frozen; two that say the same are equal.
///
/// >>> from mcp_session import not_found_response
/// >>> not_found_response()
/// Answer(404, b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}')
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Answer {
    /// Without the id: the status and the headers come from it when they are asked for.
    bare: CoreAnswer<'static>,
    body: Py<PyBytes>,
}

impl Answer {
    pub(crate) fn of(py: Python<'_>, answer: CoreAnswer<'_>) -> PyResult<Self> {
        let parts = answer.body_parts();
        let length = parts.iter().map(|part| part.len()).sum();
        let body = PyBytes::new_with(py, length, |mut rest| {
            for part in parts {
                let (place, behind) = rest.split_at_mut(part.len());
                place.copy_from_slice(part.as_bytes());
                rest = behind;
            }
            Ok(())
        })?;
        Ok(Self { bare: answer.without_id(), body: body.unbind() })
    }

    /// Those of the bare answer, with the length of the body that has the id.
    fn own_headers(&self, py: Python<'_>) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let length = self.body.as_bytes(py).len();
        self.bare.headers().map(move |(name, value)| {
            let value = if name == CONTENT_LENGTH { HeaderValue::from(length) } else { value };
            (name, value)
        })
    }

    fn says<'a>(&'a self, py: Python<'a>) -> (CoreAnswer<'static>, &'a [u8]) {
        (self.bare, self.body.as_bytes(py))
    }
}

#[pymethods]
impl Answer {
    /// The HTTP status (`int`).
    #[getter]
    fn status(&self) -> u16 {
        self.bare.status().as_u16()
    }

    /// Lower-case names and their values (`list[tuple[str, str]]`).
    #[getter]
    fn headers(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        let header = |(name, value): (HeaderName, HeaderValue)| {
            let value = value.to_str().map_err(|error| PyValueError::new_err(error.to_string()))?;
            Ok((name.as_str().to_owned(), value.to_owned()))
        };
        self.own_headers(py).map(header).collect()
    }

    /// One JSON-RPC error (`bytes`).
    #[getter]
    fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.clone_ref(py)
    }

    /// The headers to send where this answer replaces one that an upstream gave.
    ///
    /// `headers` are the upstream's, as ASGI and HTTP clients have them: an iterable of pairs
    /// of `bytes`. Those that described its body, its challenge or its session go, the others
    /// stay as they stand (CORS, `Vary`, cookies, tracing), and this answer's own follow.
    ///
    /// Returns a `list[tuple[bytes, bytes]]`. Raises `TypeError` for a wrong type.
    ///
    /// >>> from mcp_session import not_found_response
    /// >>> not_found_response().replacing([(b"Vary", b"Origin"), (b"Content-Type", b"text/html")])
    /// [(b'Vary', b'Origin'), (b'content-type', b'application/json'), (b'content-length', b'71')]
    #[pyo3(signature = (headers, /))]
    fn replacing<'py>(
        &self,
        py: Python<'py>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let mut sent = Vec::new();
        for pair in headers.try_iter()? {
            let pair = pair?;
            let part = |index: usize| part(&pair, index).ok()?.cast_into::<PyBytes>().ok();
            let (Some(name), Some(value)) = (part(0), part(1)) else {
                return Err(no_pair_of_bytes());
            };
            if !CoreAnswer::replaces_header(name.as_bytes()) {
                sent.push((name, value));
            }
        }
        for (name, value) in self.own_headers(py) {
            let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
            sent.push((PyBytes::new(py, name), PyBytes::new(py, value)));
        }
        Ok(sent)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Answer({}, {})", self.status(), self.body.bind(py).repr()?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.says(py) == other.says(py)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        hash(self.says(py))
    }
}

/// What `peek` saw in a body.
///
/// `kind` (`Kind`). `method` (`str` or `None`): of a request or notification. `id` (`str` or
/// `None`): the JSON text of a request's id, or of the one a response answers to, exactly as
/// it stood, quotes included. `is_initialize` (`bool`): whether this is a single request of
/// the method `initialize`. Frozen; two that say the same are equal.
///
/// >>> from mcp_session import peek
/// >>> peek(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
/// Message(Kind.REQUEST, method='tools/list', id='7')
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Message {
    kind: Kind,
    method: Option<String>,
    id: Option<String>,
    is_initialize: bool,
}

impl Message {
    pub(crate) fn of(message: &CoreMessage<'_>) -> Self {
        Self {
            kind: message.kind(),
            method: message.method().map(std::borrow::Cow::into_owned),
            id: message.id().map(|id| id.as_str().to_owned()),
            is_initialize: message.is_initialize(),
        }
    }
}

#[pymethods]
impl Message {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("kind", "method", "id")
    }

    /// What the body is (`Kind`).
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        enums::kind(py, self.kind)
    }

    /// The method of a request or notification (`str`); else `None`.
    #[getter]
    fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The JSON text of the id (`str`), or `None`.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this is a single request of the method `initialize` (`bool`).
    #[getter]
    fn is_initialize(&self) -> bool {
        self.is_initialize
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let method = self.method.as_ref().into_pyobject(py)?;
        let id = self.id.as_ref().into_pyobject(py)?;
        let kind = enums::kind(py, self.kind)?;
        Ok(format!(
            "Message({}, method={}, id={})",
            kind.bind(py).str()?,
            method.repr()?,
            id.repr()?
        ))
    }
}

/// What a raw exchange is, beside its verdict. For the command line.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct ExchangeFacts {
    /// The HTTP method, as it stood.
    #[pyo3(get)]
    pub(crate) method: String,
    /// Whether a session ID was attached: `no`, `yes` or `ill-formed`.
    #[pyo3(get)]
    pub(crate) attached: &'static str,
    /// The HTTP status.
    #[pyo3(get)]
    pub(crate) status: u16,
    /// What is worth saying about the bodies.
    #[pyo3(get)]
    pub(crate) remarks: Vec<String>,
}
