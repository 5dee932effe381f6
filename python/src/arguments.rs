//! What comes in from Python. An error names the argument and what was wrong with it. It shows
//! no value but a number: in arguments of a wrong order, any other may be a session ID.

use std::borrow::Cow;

use mcp_session_core::http::{Method as HttpMethod, StatusCode};
use mcp_session_core::session::ResendPolicy;
use mcp_session_core::{
    Lookup, Message, Method, Misreports, Quirks, Request, Response, Side, peek,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyInt, PyMemoryView, PyString, PyTuple};

use crate::enums;

/// Bodies longer than this are looked at without holding up other Python threads; for
/// shorter ones, letting go of the interpreter would cost more than the look.
pub(crate) const DETACH_FROM: usize = 64 * 1024;

/// Looks at so many bytes, without the interpreter if they are many.
pub(crate) fn look_at<R: Send>(
    py: Python<'_>,
    length: usize,
    look: impl FnOnce() -> R + Send,
) -> R {
    if length < DETACH_FROM { look() } else { py.detach(look) }
}

/// An argument that may be left out, or be `None`.
pub(crate) type Optional<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The HTTP method.
pub(crate) struct MethodArgument(pub(crate) Method);

impl<'a, 'py> FromPyObject<'a, 'py> for MethodArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        // The names that stand in a program are interned, and need not be read.
        let py = object.py();
        if object.is(intern!(py, "POST")) {
            return Ok(Self(Method::Post));
        }
        if object.is(intern!(py, "GET")) {
            return Ok(Self(Method::Get));
        }
        let name = Text::of("method", object)?;
        let method = Method::from(name.as_str());
        if method != Method::Other {
            return Ok(Self(method));
        }
        // What is no method may be a session ID that went astray, so it is not shown.
        let known = ["POST", "GET", "DELETE"].iter().find(|it| it.eq_ignore_ascii_case(&name.0));
        if let Some(known) = known {
            let message =
                format!("method must be spelled {known}: HTTP methods are case-sensitive");
            return Err(PyValueError::new_err(message));
        }
        if HttpMethod::from_bytes(name.bytes()).is_err() {
            return Err(PyValueError::new_err("method must be an HTTP method"));
        }
        Ok(Self(method))
    }
}

/// The HTTP method of a request that a server has taken: it came, however it is spelled.
pub(crate) struct ServedMethod(pub(crate) Method);

impl<'a, 'py> FromPyObject<'a, 'py> for ServedMethod {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(Method::from(Text::of("method", object)?.as_str())))
    }
}

/// The HTTP status.
pub(crate) struct StatusArgument(pub(crate) StatusCode);

impl<'a, 'py> FromPyObject<'a, 'py> for StatusArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        status_code("status", &object).map(Self)
    }
}

fn status_code(name: &str, object: &Bound<'_, PyAny>) -> PyResult<StatusCode> {
    let ordinary = object.cast::<PyInt>().ok().and_then(|number| number.extract().ok());
    if let Some(status) = ordinary.and_then(|number: u16| StatusCode::from_u16(number).ok()) {
        return Ok(status);
    }
    let number = integer(name, object)?;
    let status = number.extract().ok().and_then(|number: u16| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be 100 to 999, not {}", shown(&number)))
    })
}

/// The value of a header.
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Inlined, so that a text that is one is nothing but where it stands.
    #[inline(always)]
    pub(crate) fn of(name: &str, object: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        match object.extract::<&'a str>() {
            Ok(text) => Ok(Self(Cow::Borrowed(text))),
            Err(_) => Self::replaced(name, object),
        }
    }

    #[inline(never)]
    fn replaced(name: &str, object: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        let text = object.cast::<PyString>().map_err(|_| wrong_type(name, "str", &object))?;
        // What cannot be UTF-8 (a lone surrogate, from a header decoded with
        // `surrogateescape`) is ill-formed in every header, and stays so. The exception
        // that Python would raise for it shows the value.
        Ok(Self(Cow::Owned(text.to_string_lossy().into_owned())))
    }

    #[inline(always)]
    pub(crate) fn optional(name: &str, object: Optional<'a, '_>) -> PyResult<Option<Self>> {
        match object {
            Some(object) => Self::of(name, object.as_borrowed()).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A body, borrowed where Python cannot change it.
pub(crate) struct Body<'a>(Cow<'a, [u8]>);

impl<'a> Body<'a> {
    pub(crate) const EMPTY: Self = Self(Cow::Borrowed(b""));

    pub(crate) fn of(name: &str, object: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.extract::<&'a [u8]>() {
            return Ok(Self(Cow::Borrowed(bytes)));
        }
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            return Ok(Self(Cow::Owned(bytes.to_vec())));
        }
        // The buffer protocol is not in the stable ABI of Python 3.10.
        if object.cast::<PyMemoryView>().is_ok() {
            let bytes = object.call_method0("tobytes")?;
            return Ok(Self(Cow::Owned(bytes.cast::<PyBytes>()?.as_bytes().to_vec())));
        }
        Err(wrong_type(name, "bytes, bytearray or memoryview", &object))
    }

    pub(crate) fn optional(name: &str, object: Optional<'a, '_>) -> PyResult<Option<Self>> {
        object.map(|object| Self::of(name, object.as_borrowed())).transpose()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn peek(&self, py: Python<'_>) -> Message<'_> {
        look_at(py, self.bytes().len(), || peek(self.bytes()))
    }
}

/// As the argument `body`.
impl<'a, 'py> FromPyObject<'a, 'py> for Body<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Self::of("body", object)
    }
}

/// A body that outlives the call it came in with: `bytes` are kept alive, whatever could
/// change or run code of its own is copied.
#[derive(Default)]
pub(crate) enum KeptBody {
    #[default]
    Empty,
    Kept(PyBackedBytes),
    Copied(Box<[u8]>),
}

impl KeptBody {
    pub(crate) fn of(name: &str, object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.cast_exact::<PyBytes>() {
            Ok(bytes) => Ok(Self::Kept(bytes.to_owned().into())),
            Err(_) => Ok(Self::Copied(Body::of(name, object)?.bytes().into())),
        }
    }
}

impl AsRef<[u8]> for KeptBody {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Empty => b"",
            Self::Kept(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

/// As the argument `body`.
impl<'a, 'py> FromPyObject<'a, 'py> for KeptBody {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Self::of("body", object)
    }
}

/// The headers and bodies of an exchange, as `classify` and its companions take them.
pub(crate) struct Facts<'a, 'py> {
    pub(crate) session_id: Optional<'a, 'py>,
    pub(crate) protocol_version: Optional<'a, 'py>,
    pub(crate) request_body: Optional<'a, 'py>,
    pub(crate) response_session_id: Optional<'a, 'py>,
    pub(crate) content_type: Optional<'a, 'py>,
    pub(crate) content_encoding: Optional<'a, 'py>,
    pub(crate) www_authenticate: Optional<'a, 'py>,
    /// With the name of its argument.
    pub(crate) response_body: (&'static str, Optional<'a, 'py>),
    pub(crate) misreports: MisreportsArgument,
}

impl Facts<'_, '_> {
    /// Reads them, and gives the exchange that they make up to be looked at.
    #[inline]
    pub(crate) fn look<R: Send>(
        &self,
        py: Python<'_>,
        method: &MethodArgument,
        status: &StatusArgument,
        look: impl FnOnce(&Request<'_>, &Response<'_>) -> R + Send,
    ) -> PyResult<R> {
        let session_id = Text::optional("session_id", self.session_id)?;
        let protocol_version = Text::optional("protocol_version", self.protocol_version)?;
        let response_session_id = Text::optional("response_session_id", self.response_session_id)?;
        let content_type = Text::optional("content_type", self.content_type)?;
        let content_encoding = Text::optional("content_encoding", self.content_encoding)?;
        let www_authenticate = Text::optional("www_authenticate", self.www_authenticate)?;
        let request_body = Body::optional("request_body", self.request_body)?;
        let (name, response_body) = self.response_body;
        let response_body = Body::optional(name, response_body)?;
        let request = Request {
            session_id: session_id.as_ref().map(Text::bytes),
            protocol_version: protocol_version.as_ref().map(Text::bytes),
            message: request_body.as_ref().map(|body| body.peek(py)),
            ..Request::new(method.0)
        };
        let response = Response {
            session_id: response_session_id.as_ref().map(Text::bytes),
            content_type: content_type.as_ref().map(Text::bytes),
            content_encoding: content_encoding.as_ref().map(Text::bytes),
            www_authenticate: www_authenticate.as_ref().map(Text::bytes),
            body: response_body.as_ref().map(Body::bytes),
            misreports: self.misreports.as_core(),
            ..Response::new(status.0)
        };
        let length = response.body.map_or(0, <[u8]>::len);
        Ok(look_at(py, length, || look(&request, &response)))
    }
}

/// The name or the value of a header as ASGI has it, in a tuple or whatever else has parts.
pub(crate) fn part<'py>(pair: &Bound<'py, PyAny>, index: usize) -> PyResult<Bound<'py, PyAny>> {
    let part = match pair.cast::<PyTuple>() {
        Ok(pair) => pair.get_item(index),
        Err(_) => pair.get_item(index),
    };
    part.map_err(|_| no_pair_of_bytes())
}

/// Without the pair: it may hold a session ID.
pub(crate) fn no_pair_of_bytes() -> PyErr {
    PyTypeError::new_err("headers must be pairs of bytes")
}

/// Which side evaluates an exchange.
#[derive(Clone, Copy)]
pub(crate) enum SideArgument {
    Client,
    Server,
}

impl SideArgument {
    pub(crate) fn with(self, quirks: QuirksArgument) -> Side {
        match self {
            Self::Client => Side::Client(quirks.0),
            Self::Server => Side::Server,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for SideArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let sides = enums::sides(object.py())?;
        if object.is(&sides.client) {
            Ok(Self::Client)
        } else if object.is(&sides.server) {
            Ok(Self::Server)
        } else {
            Err(wrong_type("side", "Side.CLIENT or Side.SERVER", &object))
        }
    }
}

/// Whether a client acts on known misreports.
#[derive(Clone, Copy)]
pub(crate) struct QuirksArgument(pub(crate) Quirks);

impl<'a, 'py> FromPyObject<'a, 'py> for QuirksArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(if flag("quirks", &object)? { Quirks::Recognize } else { Quirks::Ignore }))
    }
}

/// A caller's own misreports: an iterable of pairs of a status and a text.
///
/// Apart, because nearly nobody has any.
#[derive(Default)]
pub(crate) struct MisreportsArgument(Option<Box<Misreports>>);

impl MisreportsArgument {
    pub(crate) fn as_core(&self) -> &Misreports {
        static NONE: Misreports = Misreports::none();
        self.0.as_deref().unwrap_or(&NONE)
    }

    pub(crate) fn into_core(self) -> Misreports {
        self.0.map_or_else(Misreports::none, |it| *it)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for MisreportsArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        const EXPECTED: &str = "pairs of a status and a text";
        let mut wordings: Vec<(StatusCode, String)> = Vec::new();
        let pairs = object.try_iter().map_err(|_| wrong_type("misreports", EXPECTED, &object))?;
        for pair in pairs {
            let pair = pair?;
            let Ok((status, text)) = pair.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()
            else {
                return Err(PyTypeError::new_err(format!("misreports must be {EXPECTED}")));
            };
            let status = status_code("misreports: a status", &status)?;
            let text = Text::of("misreports: a text", text.as_borrowed())?;
            wordings.push((status, text.as_str().to_owned()));
            if wordings.len() > Misreports::LIMIT {
                break;
            }
        }
        let wordings = wordings.iter().map(|(status, text)| (*status, text.as_str()));
        let misreports = Misreports::new(wordings);
        misreports
            .map(|it| Self(Some(Box::new(it))))
            .map_err(|error| PyValueError::new_err(format!("misreports: {error}")))
    }
}

/// Whether an answer repeats the id of the request.
pub(crate) struct EchoIdArgument(pub(crate) bool);

impl<'a, 'py> FromPyObject<'a, 'py> for EchoIdArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        flag("echo_id", &object).map(Self)
    }
}

/// What the table of sessions says.
pub(crate) struct KnownArgument(pub(crate) Lookup);

impl<'a, 'py> FromPyObject<'a, 'py> for KnownArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(known) = object.cast::<PyBool>() {
            return Ok(Self(if known.is_true() { Lookup::Known } else { Lookup::Unknown }));
        }
        let lookups = enums::lookups(object.py())?;
        if object.is(&lookups.known) {
            Ok(Self(Lookup::Known))
        } else if object.is(&lookups.unknown) {
            Ok(Self(Lookup::Unknown))
        } else if object.is(&lookups.unavailable) {
            Ok(Self(Lookup::Unavailable))
        } else if object.is_none() {
            Err(PyTypeError::new_err(
                "known must be a bool or a Lookup, not None: pass Lookup.UNAVAILABLE if the table \
                 could not be asked, Lookup.UNKNOWN if it has no such session",
            ))
        } else {
            Err(wrong_type("known", "a bool or a Lookup", &object))
        }
    }
}

/// Which requests a session sends again.
pub(crate) struct ResendArgument(pub(crate) ResendPolicy);

impl<'a, 'py> FromPyObject<'a, 'py> for ResendArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let policies = enums::policies(object.py())?;
        if object.is(&policies.all) {
            Ok(Self(ResendPolicy::All))
        } else if object.is(&policies.read_only) {
            Ok(Self(ResendPolicy::ReadOnly))
        } else if object.is(&policies.never) {
            Ok(Self(ResendPolicy::Never))
        } else {
            Err(wrong_type("resend", "a ResendPolicy", &object))
        }
    }
}

/// Yes or no, by an argument that its name says.
#[derive(Clone, Copy)]
pub(crate) struct FlagArgument(pub(crate) bool);

impl<'a, 'py> FromPyObject<'a, 'py> for FlagArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        flag("it", &object).map(Self)
    }
}

/// How many sessions may die before one success.
pub(crate) struct BoundArgument(pub(crate) u32);

impl<'a, 'py> FromPyObject<'a, 'py> for BoundArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        count("bound", &object).map(Self)
    }
}

/// How many bytes of an event are kept.
pub(crate) struct LimitArgument(pub(crate) usize);

impl<'a, 'py> FromPyObject<'a, 'py> for LimitArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let limit = count("limit", &object)?;
        usize::try_from(limit).map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

fn count(name: &str, object: &Bound<'_, PyAny>) -> PyResult<u32> {
    let number = integer(name, object)?;
    number.extract().map_err(|_: PyErr| {
        let value = shown(&number);
        PyValueError::new_err(format!("{name} must be 0 to {}, not {value}", u32::MAX))
    })
}

/// An `int`, or what says of itself that it stands for one; what it raises meanwhile is raised.
fn integer<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyInt>> {
    if let Ok(number) = object.cast::<PyInt>() {
        return Ok(number.clone());
    }
    // As Python does, on the type: an attribute of the object itself does not count.
    if !object.get_type().hasattr(intern!(object.py(), "__index__"))? {
        return Err(wrong_type(name, "an int", object));
    }
    let number = object.call_method0(intern!(object.py(), "__index__"))?;
    number.cast_into().map_err(|_| wrong_type(name, "an int", object))
}

fn flag(name: &str, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    match object.cast::<PyBool>() {
        Ok(flag) => Ok(flag.is_true()),
        Err(_) => Err(wrong_type(name, "a bool", object)),
    }
}

pub(crate) fn wrong_type(name: &str, expected: &str, object: &Bound<'_, PyAny>) -> PyErr {
    match type_name(object) {
        Ok(type_name) => {
            PyTypeError::new_err(format!("{name} must be {expected}, not {type_name}"))
        }
        Err(error) => error,
    }
}

/// The name of a type, by its attribute: PyPy 3.11 crashes in `PyType_GetName`.
fn type_name<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    Ok(object.get_type().getattr(intern!(object.py(), "__name__"))?.cast_into()?)
}

/// A number, for the message of an error; its type where it is too long to be shown.
fn shown(number: &Bound<'_, PyInt>) -> String {
    const LONGEST: usize = 100;
    match number.repr() {
        Ok(text) if text.len().is_ok_and(|length| length <= LONGEST) => text.to_string(),
        Ok(_) | Err(_) => "an int of many digits".to_owned(),
    }
}
