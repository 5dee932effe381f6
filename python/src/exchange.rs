//! An exchange as whoever stands before an ASGI application has it: its raw facts, read once.

use mcp_session_core::http::StatusCode;
use mcp_session_core::http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE,
};
use mcp_session_core::{
    Message, Method, PROTOCOL_VERSION_HEADER, Request, Response, SESSION_ID_HEADER, Side, classify,
    needs_more_body, needs_request_body, query_session_id,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{Body, MethodArgument, Optional, StatusArgument, no_pair_of_bytes, part};
use crate::values::Verdict;

/// An exchange that an ASGI application has begun to answer, with a server's eyes.
///
/// `method` (`str`), `request_headers` (iterable of pairs of `bytes`) and `query` (`bytes`)
/// are of the scope, `status` (`int`) and `response_headers` (iterable of pairs of `bytes`)
/// of the message `http.response.start`. Names count in any case, values without the space
/// around them; those of a header that is repeated are joined with ", ". What is no UTF-8
/// is replaced. A header whose name is no `bytes` is none of those that count.
///
/// Frozen. Raises `TypeError` for a wrong type, `ValueError` for a `status` or `method` that
/// HTTP does not have. The session IDs do not show in its `repr`.
///
/// >>> from mcp_session._core import ServedExchange
/// >>> attached = [(b"Mcp-Session-Id", b"1868a90c")]
/// >>> plain = [(b"content-type", b"text/plain")]
/// >>> exchange = ServedExchange("POST", attached, b"", 400, plain)
/// >>> exchange.attached_session_id
/// '1868a90c'
/// >>> exchange.needs_request_body()
/// True
/// >>> body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
/// >>> exchange.verdict_so_far(body, b"unknown ses") is None
/// True
/// >>> exchange.verdict_so_far(body, b"unknown tool")
/// Verdict(Action.PASS_THROUGH, Rule.NOTHING_TO_CORRECT)
/// >>> exchange.verdict(body, b"unknown session").rule
/// <Rule.MISREPORT_UNKNOWN_SESSION: 'MisreportUnknownSession'>
///
/// Source: the rows behind `classify`; it asks them.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct ServedExchange {
    method: Method,
    status: StatusCode,
    attached_session_id: Option<String>,
    protocol_version: Option<String>,
    response_session_id: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    www_authenticate: Option<String>,
}

#[pymethods]
impl ServedExchange {
    #[new]
    #[pyo3(signature = (method, request_headers, query, status, response_headers, /))]
    fn new(
        method: MethodArgument,
        request_headers: &Bound<'_, PyAny>,
        query: &Bound<'_, PyAny>,
        status: StatusArgument,
        response_headers: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let [session_id, protocol_version] =
            values(request_headers, [&SESSION_ID_HEADER, &PROTOCOL_VERSION_HEADER])?;
        let [response_session_id, content_type, content_encoding, www_authenticate] = values(
            response_headers,
            [&SESSION_ID_HEADER, &CONTENT_TYPE, &CONTENT_ENCODING, &WWW_AUTHENTICATE],
        )?;
        let query = Body::of("query", query.as_borrowed())?;
        let query = String::from_utf8_lossy(query.bytes());
        let request = Request {
            session_id: session_id.as_ref().map(String::as_bytes),
            query_session_id: query_session_id(&query),
            ..Request::new(method.0)
        };
        let attached = request.attached_id(Side::Server);
        let attached_session_id = attached.map(|id| String::from_utf8_lossy(id).into_owned());
        Ok(Self {
            method: method.0,
            status: status.0,
            attached_session_id,
            protocol_version,
            response_session_id,
            content_type,
            content_encoding,
            www_authenticate,
        })
    }

    /// What counts as attached to the request (`str`), well-formed or not; else `None`.
    #[getter]
    fn attached_session_id(&self) -> Option<&str> {
        self.attached_session_id.as_deref()
    }

    /// What stands in the session header of the response (`str`); else `None`.
    #[getter]
    fn response_session_id(&self) -> Option<&str> {
        self.response_session_id.as_deref()
    }

    /// Say whether the body of the request can change what has to be done (`bool`).
    fn needs_request_body(&self) -> bool {
        let look = |request: &_, response: &_| needs_request_body(Side::Server, request, response);
        self.show(None, None, look)
    }

    /// Give the verdict (`Verdict`) if nothing that may follow in the body can change it;
    /// else `None`. `request_body` is as for `classify`, `so_far` what has come in of the
    /// response's body (both `bytes`, `bytearray` or `memoryview`).
    #[pyo3(signature = (request_body, so_far, /))]
    fn verdict_so_far(
        &self,
        py: Python<'_>,
        request_body: Optional<'_, '_>,
        so_far: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<Verdict>>> {
        let request_body = Body::optional("request_body", request_body)?;
        let so_far = Body::of("so_far", so_far.as_borrowed())?;
        self.show(
            request_body.as_ref().map(|body| body.peek(py)),
            Some(so_far.bytes()),
            |request, response| {
                // As `needs_body` asks, which has no argument for the response's ID.
                let head = Response { session_id: None, ..*response };
                if needs_more_body(Side::Server, request, &head) {
                    return Ok(None);
                }
                let response = Response { body: None, ..*response };
                Verdict::of(py, &classify(Side::Server, request, &response)).map(Some)
            },
        )
    }

    /// Give the verdict (`Verdict`). `request_body` and `response_body` are as for `classify`.
    #[pyo3(signature = (request_body, response_body, /))]
    fn verdict(
        &self,
        py: Python<'_>,
        request_body: Optional<'_, '_>,
        response_body: Optional<'_, '_>,
    ) -> PyResult<Py<Verdict>> {
        let request_body = Body::optional("request_body", request_body)?;
        let response_body = Body::optional("response_body", response_body)?;
        self.show(
            request_body.as_ref().map(|body| body.peek(py)),
            response_body.as_ref().map(Body::bytes),
            |request, response| Verdict::of(py, &classify(Side::Server, request, response)),
        )
    }
}

impl ServedExchange {
    fn show<'a, R>(
        &'a self,
        message: Option<Message<'a>>,
        body: Option<&'a [u8]>,
        look: impl FnOnce(&Request<'a>, &Response<'a>) -> R,
    ) -> R {
        fn bytes(header: &Option<String>) -> Option<&[u8]> {
            header.as_ref().map(String::as_bytes)
        }
        let request = Request {
            session_id: bytes(&self.attached_session_id),
            protocol_version: bytes(&self.protocol_version),
            message,
            ..Request::new(self.method)
        };
        let response = Response {
            session_id: bytes(&self.response_session_id),
            content_type: bytes(&self.content_type),
            content_encoding: bytes(&self.content_encoding),
            www_authenticate: bytes(&self.www_authenticate),
            body,
            ..Response::new(self.status)
        };
        look(&request, &response)
    }
}

/// The values of the headers of these names, each joined as HTTP joins what is repeated.
fn values<const N: usize>(
    headers: &Bound<'_, PyAny>,
    names: [&HeaderName; N],
) -> PyResult<[Option<String>; N]> {
    let mut values = [const { None }; N];
    for pair in headers.try_iter()? {
        let pair = pair?;
        let Ok(name) = part(&pair, 0)?.cast_into::<PyBytes>() else { continue };
        let name = name.as_bytes();
        let found = names
            .iter()
            .zip(&mut values)
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_str().as_bytes()));
        if let Some((_, value)) = found {
            let text = part(&pair, 1)?.cast_into::<PyBytes>().map_err(|_| no_pair_of_bytes())?;
            join(value, &String::from_utf8_lossy(stripped(text.as_bytes())));
        }
    }
    Ok(values)
}

fn join(value: &mut Option<String>, next: &str) {
    match value {
        Some(value) => {
            value.push_str(", ");
            value.push_str(next);
        }
        None => *value = Some(next.to_owned()),
    }
}

/// Without the space around it, as Python's `bytes.strip` has it: a vertical tab is one too.
fn stripped(value: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r');
    let start = value.iter().position(is_kept).unwrap_or(value.len());
    let end = value.iter().rposition(is_kept).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
