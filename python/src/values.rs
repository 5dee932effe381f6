//! What goes out to Python: frozen values.

use std::hash::{BuildHasher as _, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::http::header::CONTENT_LENGTH;
use mcp_session_core::http::{HeaderName, HeaderValue, StatusCode};
use mcp_session_core::{
    Action, Answer as CoreAnswer, Kind, Message as CoreMessage, Rule, SessionHeader,
    Verdict as CoreVerdict,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use crate::arguments::{no_pair_of_bytes, part, wrong_type};
use crate::enums;

/// What to do, and the row that says so. Made by `classify`, `classify_exchange`, `admit`.
///
/// `action` (`Action`): what to do. `rule` (`Rule`): the row of the tables, with the
/// sentence of the specification. `session_id` (`str` or `None`): the ID to adopt, with
/// `Action.ADOPT_SESSION`. `forward_session_id` (`bool`): whether a server or proxy passes
/// the session header on, of the request in `admit`, of the response in `classify`.
/// `header_rule` (`Rule` or `None`): the row because of which it does not.
/// `response` (`Answer` or `None`): what to send, with the three `*_RESPONSE` actions.
///
/// Frozen; two that say the same are equal, and most are one shared object. The session ID
/// does not show in its `repr`.
///
/// >>> from mcp_session import classify
/// >>> classify("POST", 404, session_id="1868a90c")
/// <Verdict Action.CLEAR_AND_REINIT, Rule.TERMINATED_POST>
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Verdict {
    says: Says,
    action: Py<PyAny>,
    rule: Py<PyAny>,
    header_rule: Option<Py<PyAny>>,
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
    session_header: SessionHeader,
}

/// A verdict without Python in it.
pub(crate) struct Decided {
    says: Says,
    /// What nearly none has, apart from the rest.
    payload: Option<Box<Payload>>,
}

struct Payload {
    session_id: Option<String>,
    answer: Option<(CoreAnswer<'static>, Vec<u8>)>,
}

impl Decided {
    pub(crate) fn of(verdict: &CoreVerdict<'_>) -> Self {
        let says = Says {
            action: verdict.action(),
            rule: verdict.rule(),
            session_header: verdict.session_header(),
        };
        let payload = match (verdict.session_id(), verdict.response()) {
            (None, None) => None,
            (session_id, answer) => Some(Box::new(Payload {
                session_id: session_id.map(|id| id.as_str().to_owned()),
                answer: answer.map(|answer| (answer.without_id(), answer.body().into_bytes())),
            })),
        };
        Self { says, payload }
    }

    pub(crate) fn into_verdict(self, py: Python<'_>) -> PyResult<Py<Verdict>> {
        let Self { says, payload } = self;
        // Enum members are looked up for these once; a verdict with a payload takes theirs.
        let shared = Verdict::shared(py, says)?;
        let Some(payload) = payload else { return Ok(shared) };
        let Payload { session_id, answer } = *payload;
        let response = match answer {
            Some((bare, body)) => {
                let body = PyBytes::new(py, &body).unbind();
                Some(Py::new(py, Answer { bare, body })?)
            }
            None => None,
        };
        let shared = shared.get();
        let (action, rule, header_rule) =
            (shared.action(py), shared.rule(py), shared.header_rule(py));
        Py::new(py, Verdict { says, action, rule, header_rule, session_id, response })
    }
}

impl Verdict {
    pub(crate) fn of(py: Python<'_>, verdict: &CoreVerdict<'_>) -> PyResult<Py<Self>> {
        Decided::of(verdict).into_verdict(py)
    }

    pub(crate) fn restored(
        action: &Bound<'_, PyAny>,
        rule: &Bound<'_, PyAny>,
        header_rule: &Bound<'_, PyAny>,
        session_id: Option<String>,
        response: Option<Py<Answer>>,
    ) -> PyResult<Self> {
        let py = action.py();
        let session_header = match enums::as_rule(header_rule)? {
            Some(rule) => SessionHeader::Withhold(rule),
            None if header_rule.is_none() => SessionHeader::Forward,
            None => return Err(wrong_type("header_rule", "a Rule or None", header_rule)),
        };
        let says = Says {
            action: enums::as_action(action)?
                .ok_or_else(|| wrong_type("action", "an Action", action))?,
            rule: enums::as_rule(rule)?.ok_or_else(|| wrong_type("rule", "a Rule", rule))?,
            session_header,
        };
        Ok(Self { session_id, response, ..Self::plain(py, says)? })
    }

    /// Which row withholds a header follows from the row that decides and from whether one does.
    fn shared(py: Python<'_>, says: Says) -> PyResult<Py<Self>> {
        static SHARED: [[[PyOnceLock<Py<Verdict>>; 2]; ACTIONS]; RULES] =
            [const { [const { [const { PyOnceLock::new() }; 2] }; ACTIONS] }; RULES];
        let slot = SHARED
            .get(says.rule as usize)
            .and_then(|actions| actions.get(says.action as usize))
            .and_then(|headers| headers.get(usize::from(says.session_header.is_forwarded())));
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
            header_rule: match says.session_header {
                SessionHeader::Forward => None,
                SessionHeader::Withhold(rule) => Some(enums::rule(py, rule)?),
            },
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
        self.says.session_header.is_forwarded()
    }

    /// The row because of which the session header is not passed on (`Rule`); else `None`.
    #[getter]
    fn header_rule(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.header_rule.as_ref().map(|rule| rule.clone_ref(py))
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

    fn __copy__(this: &Bound<'_, Self>) -> Py<Self> {
        this.clone().unbind()
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__(this: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this.clone().unbind()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let facts = (
            self.action(py),
            self.rule(py),
            self.header_rule(py),
            self.session_id(),
            self.response(py),
        );
        Ok((restorer(py, "restored_verdict")?, facts.into_pyobject(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let session_id = if self.session_id.is_some() { ", session_id=..." } else { "" };
        let header = match &self.header_rule {
            Some(rule) => format!(", header_rule={}", enums::shown(rule.bind(py))?),
            None => String::new(),
        };
        let response = match &self.response {
            Some(response) => format!(", response={}", response.bind(py).repr()?),
            None => String::new(),
        };
        let (action, rule) =
            (enums::shown(self.action.bind(py))?, enums::shown(self.rule.bind(py))?);
        Ok(format!("<Verdict {action}, {rule}{session_id}{header}{response}>"))
    }
}

/// As `__reduce__` gives it: what makes a value again, and out of what.
type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// The function that makes a value again.
fn restorer<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("mcp_session._core")?.getattr(name)
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
/// <Answer 404 b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}'>
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

    pub(crate) fn restored(status: StatusCode, body: &Bound<'_, PyBytes>) -> PyResult<Self> {
        // Two of one status have the same headers, and the body has come along.
        let answers = [
            CoreAnswer::not_found,
            CoreAnswer::bad_request,
            CoreAnswer::unavailable,
            CoreAnswer::upstream_lost,
        ];
        let mut answers = answers.into_iter().map(|answer| answer(None));
        match answers.find(|answer| answer.status() == status) {
            Some(bare) => Ok(Self { bare, body: body.clone().unbind() }),
            None => Err(PyValueError::new_err("status must be that of an answer")),
        }
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
    pub(crate) fn status(&self) -> u16 {
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
    pub(crate) fn body(&self, py: Python<'_>) -> Py<PyBytes> {
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
    pub(crate) fn replacing<'py>(
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

    fn __copy__(this: &Bound<'_, Self>) -> Py<Self> {
        this.clone().unbind()
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__(this: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this.clone().unbind()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let facts = (self.status(), self.body(py));
        Ok((restorer(py, "restored_answer")?, facts.into_pyobject(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Answer {} {}>", self.status(), self.body.bind(py).repr()?))
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
/// <Message Kind.REQUEST, method='tools/list', id='7'>
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Message {
    kind: Kind,
    is_initialize: bool,
    method: Option<Text>,
    id: Option<Text>,
}

/// A text that is allocated only if it is long.
#[derive(PartialEq, Eq, Hash)]
enum Text {
    Short(u8, [u8; 22]),
    Long(Box<str>),
}

impl Text {
    fn of(text: &str) -> Self {
        let mut short = [0; 22];
        match (short.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(length, short)
            }
            (_, _) => Self::Long(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short(length, bytes) => {
                let bytes = bytes.get(..usize::from(*length)).unwrap_or_default();
                std::str::from_utf8(bytes).unwrap_or_default()
            }
            Self::Long(text) => text,
        }
    }
}

impl Message {
    pub(crate) fn of(message: &CoreMessage<'_>) -> Self {
        Self {
            kind: message.kind(),
            is_initialize: message.is_initialize(),
            method: message.method().map(|method| Text::of(&method)),
            id: message.id().map(|id| Text::of(id.as_str())),
        }
    }

    pub(crate) fn restored(
        kind: &Bound<'_, PyAny>,
        method: Option<String>,
        id: Option<String>,
        is_initialize: bool,
    ) -> PyResult<Self> {
        match enums::as_kind(kind)? {
            Some(kind) => Ok(Self {
                kind,
                is_initialize,
                method: method.map(|method| Text::of(&method)),
                id: id.map(|id| Text::of(&id)),
            }),
            None => Err(wrong_type("kind", "a Kind", kind)),
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
        self.method.as_ref().map(Text::as_str)
    }

    /// The JSON text of the id (`str`), or `None`.
    #[getter]
    fn id(&self) -> Option<&str> {
        self.id.as_ref().map(Text::as_str)
    }

    /// Whether this is a single request of the method `initialize` (`bool`).
    #[getter]
    fn is_initialize(&self) -> bool {
        self.is_initialize
    }

    fn __copy__(this: &Bound<'_, Self>) -> Py<Self> {
        this.clone().unbind()
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__(this: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this.clone().unbind()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let facts = (self.kind(py)?, self.method(), self.id(), self.is_initialize);
        Ok((restorer(py, "restored_message")?, facts.into_pyobject(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let method = self.method().into_pyobject(py)?;
        let id = self.id().into_pyobject(py)?;
        let kind = enums::shown(enums::kind(py, self.kind)?.bind(py))?;
        Ok(format!("<Message {kind}, method={}, id={}>", method.repr()?, id.repr()?))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
