//! The Python binding: converts and raises, decides nothing.

#![forbid(unsafe_code)]

mod arguments;
mod asgi;
mod classes;
mod client;
mod client_shared;
mod client_steps;
mod collected_body;
mod diagnose;
mod enums;
mod events;
mod fingerprint;
mod headers;
mod peer;
mod replica;
mod replica_run;
mod replica_steps;
mod server;
mod session;
mod values;
mod verdict_event;

use pyo3::prelude::*;

/// The compiled core of `mcp_session`. Import the names from `mcp_session`.
#[pymodule]
mod _core {
    use mcp_session_core::wire::{RawRequest, RawResponse};
    use mcp_session_core::{
        Answer as CoreAnswer, Quirks, Request, Response, Rule, Side, admit as core_admit,
        classify as core_classify, needs_more_body, needs_request_body as core_needs_request_body,
        query_session_id,
    };
    use pyo3::exceptions::{PyKeyError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    use crate::arguments::{
        Body, EchoIdArgument, Facts, KnownArgument, MethodArgument, MisreportsArgument, Optional,
        QuirksArgument, SideArgument, StatusArgument, Text, look_at,
    };
    use crate::classes;
    #[pymodule_export]
    use crate::diagnose::diagnose;
    #[pymodule_export]
    use crate::headers::repeated_headers;
    #[pymodule_export]
    use crate::peer::{peer_answer, peer_piece, peer_request};
    #[pymodule_export]
    use crate::server::without_session_id;
    #[pymodule_export]
    use crate::session::AlreadyUsedError;
    use crate::values::{Answer, Decided, Message, Verdict};

    /// The defaults in the signatures are names of this module.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let enums = module.py().import("mcp_session._enums")?;
        for name in ["Side", "ResendPolicy"] {
            module.setattr(name, enums.getattr(name)?)?;
        }
        classes::promise(module)
    }

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Decide what one exchange means for the session attached to its request.
    ///
    /// `method` is the HTTP method as sent (`str`, case-sensitive) and `status` the HTTP
    /// status (`int`, 100 to 999). `session_id` is the `Mcp-Session-Id` that *this*
    /// request carried, not the one stored now; `None` or `""` means that none was
    /// attached. `protocol_version` is the request's `MCP-Protocol-Version` header, and
    /// `request_body` its body: without it, a POST counts as an ordinary request, not as
    /// `initialize`. `response_session_id`, `content_type`, `content_encoding` and
    /// `www_authenticate` are headers of the response, and `response_body` its whole body:
    /// leave it out unless `needs_body` asks for it. An encoded body is not looked into, so
    /// leave `content_encoding` out if it was decoded. A header that is repeated is joined with ", ".
    /// Bodies are `bytes`, `bytearray` or `memoryview`, all else is `str`. `side` says
    /// which side evaluates the exchange; `quirks` whether a client also acts on known misreports.
    /// `misreports` are your own, whichever the side and the quirks: at most 64 pairs of a status
    /// (400 to 599 but 404) and a text of at most 256 bytes, which is compared whole, as the known
    /// ones are.
    ///
    /// Returns a `Verdict`. Raises `TypeError` for a wrong type, `ValueError` for a
    /// `status` or `method` that HTTP does not have, and for `misreports` that cannot be. Odd behaviour of the other side is
    /// never an error.
    ///
    /// >>> from mcp_session import Action, Rule, classify
    /// >>> verdict = classify("POST", 404, session_id="1868a90c")
    /// >>> verdict.action is Action.CLEAR_AND_REINIT
    /// True
    /// >>> verdict.rule.quote
    /// 'When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached.'
    /// >>> classify("POST", 404).rule is Rule.NOTHING_ATTACHED
    /// True
    /// >>> own = [(409, "Worker has forgotten you")]
    /// >>> body = b'{"error": "worker has forgotten you."}'
    /// >>> classify("POST", 409, session_id="1868a90c", response_body=body, misreports=own).action
    /// <Action.CLEAR_AND_REINIT: 'ClearAndReinit'>
    ///
    /// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    #[pyfunction]
    #[pyo3(
        signature = (
            method, status, *, session_id=None, protocol_version=None, request_body=None,
            response_session_id=None, content_type=None, content_encoding=None,
            www_authenticate=None, response_body=None,
            side=SideArgument::Client, quirks=QuirksArgument(Quirks::Ignore),
            misreports=MisreportsArgument::default(),
        ),
        text_signature = "(method, status, *, session_id=None, protocol_version=None, request_body=None, \
            response_session_id=None, content_type=None, content_encoding=None, \
            www_authenticate=None, response_body=None, side=Side.CLIENT, quirks=False, misreports=())",
    )]
    #[expect(clippy::too_many_arguments, reason = "the facts of an exchange, by keyword")]
    fn classify(
        py: Python<'_>,
        method: MethodArgument,
        status: StatusArgument,
        session_id: Optional<'_, '_>,
        protocol_version: Optional<'_, '_>,
        request_body: Optional<'_, '_>,
        response_session_id: Optional<'_, '_>,
        content_type: Optional<'_, '_>,
        content_encoding: Optional<'_, '_>,
        www_authenticate: Optional<'_, '_>,
        response_body: Optional<'_, '_>,
        side: SideArgument,
        quirks: QuirksArgument,
        misreports: MisreportsArgument,
    ) -> PyResult<Py<Verdict>> {
        let facts = Facts {
            session_id,
            protocol_version,
            request_body,
            response_session_id,
            content_type,
            content_encoding,
            www_authenticate,
            response_body: ("response_body", response_body),
            misreports,
        };
        let side = side.with(quirks);
        facts
            .look(py, &method, &status, |request, response| {
                Decided::of(&core_classify(side, request, response))
            })?
            .into_verdict(py)
    }

    /// Decide the same from raw HTTP/1.1 bytes.
    ///
    /// `request` and `response` are what went over the wire (`bytes`, `bytearray` or
    /// `memoryview`), each beginning with its head. A body that is cut off or broken counts
    /// as not known. With `Side.SERVER`, the session in the query of an HTTP+SSE endpoint
    /// counts as attached.
    ///
    /// Returns a `Verdict`. Raises `ValueError` with the byte offset if a head is no HTTP
    /// message, and `TypeError` for a wrong type.
    ///
    /// >>> from mcp_session import Action, classify_exchange
    /// >>> request = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: 1868a90c\r\n\r\n"
    /// >>> verdict = classify_exchange(request, b"HTTP/1.1 404 Not Found\r\n\r\n")
    /// >>> verdict.action is Action.CLEAR_AND_REINIT
    /// True
    /// >>> classify_exchange(request, b"HTTP/1.1 4o4\r\n\r\n")
    /// Traceback (most recent call last):
    ///     ...
    /// ValueError: response: byte 10: invalid response status
    ///
    /// Source: RFC 9112, and the rows behind `classify`.
    #[pyfunction]
    #[pyo3(
        signature = (
            request, response, *, side=SideArgument::Client, quirks=QuirksArgument(Quirks::Ignore),
            misreports=MisreportsArgument::default(),
        ),
        text_signature = "(request, response, *, side=Side.CLIENT, quirks=False, misreports=())",
    )]
    fn classify_exchange(
        py: Python<'_>,
        request: &Bound<'_, PyAny>,
        response: &Bound<'_, PyAny>,
        side: SideArgument,
        quirks: QuirksArgument,
        misreports: MisreportsArgument,
    ) -> PyResult<Py<Verdict>> {
        let request = Body::of("request", request.as_borrowed())?;
        let response = Body::of("response", response.as_borrowed())?;
        let (side, length) = (side.with(quirks), request.bytes().len() + response.bytes().len());
        look_at(py, length, || {
            let (request, response) = parse(&request, &response)?;
            let response = Response { misreports: misreports.as_core(), ..response.facts() };
            PyResult::Ok(Decided::of(&core_classify(side, &request.facts(), &response)))
        })?
        .into_verdict(py)
    }

    /// Say whether the body of a response can change what has to be done.
    ///
    /// The arguments are those of `classify`, as far as they are known when the head of the
    /// response has come in. Returns `True` exactly where two bodies would lead to different
    /// actions; elsewhere the body need not be read. `body_so_far` is what has come in of it
    /// (`bytes`, `bytearray` or `memoryview`), for whoever holds the response back meanwhile:
    /// `True` as long as what follows may matter. Raises as `classify` does.
    ///
    /// >>> from mcp_session import Side, needs_body
    /// >>> needs_body("POST", 404, session_id="1868a90c")
    /// False
    /// >>> needs_body("POST", 400, session_id="1868a90c", side=Side.SERVER)
    /// True
    /// >>> needs_body("POST", 400, session_id="1868a90c", side=Side.SERVER, body_so_far=b"<html")
    /// False
    ///
    /// Source: the rows behind `classify`; it asks them.
    #[pyfunction]
    #[pyo3(
        signature = (
            method, status, *, session_id=None, protocol_version=None, request_body=None,
            content_type=None, content_encoding=None, www_authenticate=None, body_so_far=None,
            side=SideArgument::Client, quirks=QuirksArgument(Quirks::Ignore),
            misreports=MisreportsArgument::default(),
        ),
        text_signature = "(method, status, *, session_id=None, protocol_version=None, request_body=None, \
            content_type=None, content_encoding=None, www_authenticate=None, body_so_far=None, \
            side=Side.CLIENT, quirks=False, misreports=())",
    )]
    #[expect(clippy::too_many_arguments, reason = "the facts of an exchange, by keyword")]
    fn needs_body(
        py: Python<'_>,
        method: MethodArgument,
        status: StatusArgument,
        session_id: Optional<'_, '_>,
        protocol_version: Optional<'_, '_>,
        request_body: Optional<'_, '_>,
        content_type: Optional<'_, '_>,
        content_encoding: Optional<'_, '_>,
        www_authenticate: Optional<'_, '_>,
        body_so_far: Optional<'_, '_>,
        side: SideArgument,
        quirks: QuirksArgument,
        misreports: MisreportsArgument,
    ) -> PyResult<bool> {
        let facts = Facts {
            session_id,
            protocol_version,
            request_body,
            response_session_id: None,
            content_type,
            content_encoding,
            www_authenticate,
            response_body: ("body_so_far", body_so_far),
            misreports,
        };
        let side = side.with(quirks);
        facts.look(py, &method, &status, |request, response| {
            needs_more_body(side, request, response)
        })
    }

    /// Say whether the body of a request can change what has to be done, its id in an answer
    /// included.
    ///
    /// The arguments are those of `classify`, as far as they are known when the head of the
    /// response has come in. Where it returns `False`, `request_body` may be left out; where
    /// `True`, it is worth being read. Raises as `classify` does.
    ///
    /// >>> from mcp_session import Side, needs_request_body
    /// >>> needs_request_body("POST", 200, session_id="1868a90c", side=Side.SERVER)
    /// False
    /// >>> needs_request_body("POST", 404, session_id="1868a90c", side=Side.SERVER)
    /// True
    ///
    /// Source: the rows behind `classify`; it asks them.
    #[pyfunction]
    #[pyo3(
        signature = (
            method, status, *, session_id=None, protocol_version=None, response_session_id=None,
            content_type=None, content_encoding=None, www_authenticate=None,
            side=SideArgument::Client, quirks=QuirksArgument(Quirks::Ignore),
            misreports=MisreportsArgument::default(),
        ),
        text_signature = "(method, status, *, session_id=None, protocol_version=None, \
            response_session_id=None, content_type=None, content_encoding=None, \
            www_authenticate=None, side=Side.CLIENT, quirks=False, misreports=())",
    )]
    #[expect(clippy::too_many_arguments, reason = "the facts of an exchange, by keyword")]
    fn needs_request_body(
        py: Python<'_>,
        method: MethodArgument,
        status: StatusArgument,
        session_id: Optional<'_, '_>,
        protocol_version: Optional<'_, '_>,
        response_session_id: Optional<'_, '_>,
        content_type: Optional<'_, '_>,
        content_encoding: Optional<'_, '_>,
        www_authenticate: Optional<'_, '_>,
        side: SideArgument,
        quirks: QuirksArgument,
        misreports: MisreportsArgument,
    ) -> PyResult<bool> {
        let facts = Facts {
            session_id,
            protocol_version,
            request_body: None,
            response_session_id,
            content_type,
            content_encoding,
            www_authenticate,
            response_body: ("response_body", None),
            misreports,
        };
        let side = side.with(quirks);
        facts.look(py, &method, &status, |request, response| {
            core_needs_request_body(side, request, response)
        })
    }

    /// Say which session ID counts as attached to a request, as a server sees it.
    ///
    /// `method` is the HTTP method, `session_id` the value of the `Mcp-Session-Id` header or
    /// `None`, and `query` the query of the URL (`str`, as it stands). Over HTTP+SSE
    /// (2024-11-05) a POST names its session there, as `session_id`, `sessionId` or
    /// `sessionid`; the header goes first.
    ///
    /// Returns the ID (`str`), well-formed or not, or `None`. Raises `TypeError` for a wrong
    /// type, `ValueError` for a `method` that HTTP does not have.
    ///
    /// >>> from mcp_session import attached_session_id
    /// >>> attached_session_id("POST", query="session_id=889dd8e2")
    /// '889dd8e2'
    /// >>> attached_session_id("GET", query="session_id=889dd8e2")
    ///
    /// Source: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
    #[pyfunction]
    #[pyo3(
        signature = (method, *, session_id=None, query=None),
        text_signature = "(method, *, session_id=None, query=None)",
    )]
    fn attached_session_id(
        method: MethodArgument,
        session_id: Optional<'_, '_>,
        query: Optional<'_, '_>,
    ) -> PyResult<Option<String>> {
        let session_id = Text::optional("session_id", session_id)?;
        let query = Text::optional("query", query)?;
        let request = Request {
            session_id: session_id.as_ref().map(Text::bytes),
            query_session_id: query.as_ref().and_then(|query| query_session_id(query.as_str())),
            ..Request::new(method.0)
        };
        let attached = request.attached_id(Side::Server);
        Ok(attached.map(|id| String::from_utf8_lossy(id).into_owned()))
    }

    /// Decide what to do with a request before anything runs, by whoever owns the table of
    /// sessions.
    ///
    /// `method`, `session_id` and `protocol_version` are those of the request, as for
    /// `classify`; `body` is its whole body. `known` is what the table says of the ID, a
    /// `Lookup`; or `True` for `Lookup.KNOWN`, `False` for `Lookup.UNKNOWN` (terminated, or never
    /// known). `None` is refused: it is what a table gives for an unknown ID as often as what is
    /// meant by `Lookup.UNAVAILABLE`.
    /// For servers that require a session. It is no access control: an ID is no proof of who
    /// asks.
    ///
    /// Returns a `Verdict`: pass the request through, or send `verdict.response`. Where
    /// `verdict.forward_session_id` is `False`, drop the request's session header first.
    /// Raises `TypeError` for a wrong type, `ValueError` for a `method` that HTTP does not
    /// have.
    ///
    /// >>> from mcp_session import Action, admit
    /// >>> body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
    /// >>> verdict = admit("POST", session_id="1868a90c", body=body, known=False)
    /// >>> verdict.action is Action.NOT_FOUND_RESPONSE
    /// True
    /// >>> verdict.response.status, verdict.response.body
    /// (404, b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}')
    ///
    /// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    #[pyfunction]
    #[pyo3(
        signature = (method, *, session_id=None, protocol_version=None, body=Body::EMPTY, known),
        text_signature = "(method, *, session_id=None, protocol_version=None, body=b'', known)",
    )]
    fn admit(
        py: Python<'_>,
        method: MethodArgument,
        session_id: Optional<'_, '_>,
        protocol_version: Optional<'_, '_>,
        body: Body<'_>,
        known: KnownArgument,
    ) -> PyResult<Py<Verdict>> {
        let session_id = Text::optional("session_id", session_id)?;
        let protocol_version = Text::optional("protocol_version", protocol_version)?;
        let request = Request {
            session_id: session_id.as_ref().map(Text::bytes),
            protocol_version: protocol_version.as_ref().map(Text::bytes),
            message: Some(body.peek(py)),
            ..Request::new(method.0)
        };
        Verdict::of(py, &core_admit(&request, known.0))
    }

    /// Look at the body of a POST: its kind, its method, its id.
    ///
    /// `body` is `bytes`, `bytearray` or `memoryview`; any bytes may come in. The time is
    /// linear in its length, the memory bounded by the depth of its nesting.
    ///
    /// Returns a `Message`; what is no message has the kind `Kind.MALFORMED`. Raises
    /// `TypeError` for a wrong type, and nothing else.
    ///
    /// >>> from mcp_session import Kind, peek
    /// >>> message = peek(b'{"jsonrpc":"2.0","id":7.0,"method":"initialize"}')
    /// >>> message.kind is Kind.REQUEST, message.method, message.id, message.is_initialize
    /// (True, 'initialize', '7.0', True)
    /// >>> peek(b"{").kind is Kind.MALFORMED
    /// True
    ///
    /// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic#messages
    #[pyfunction]
    fn peek(py: Python<'_>, body: Body<'_>) -> Message {
        Message::of(&body.peek(py))
    }

    /// Make the answer to a request of a terminated or unknown session.
    ///
    /// `request_body` is the body of the request (`bytes`, `bytearray` or `memoryview`). Its
    /// id is repeated exactly as it stood if it is a string or number of at most 256 bytes;
    /// otherwise, and with `echo_id=False`, the answer has no id. Leave it out for peers
    /// that read a 404 with an id as the failure of one call (the Go SDK's main branch since
    /// August 2026); with it, rmcp and others end the call instead of waiting for ever.
    ///
    /// Returns an `Answer`. Raises `TypeError` for a wrong type.
    ///
    /// >>> from mcp_session import not_found_response
    /// >>> answer = not_found_response(b'{"jsonrpc":"2.0","id":"a","method":"tools/list"}')
    /// >>> answer.status
    /// 404
    /// >>> answer.headers
    /// [('content-type', 'application/json'), ('content-length', '80')]
    /// >>> answer.body
    /// b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":"a"}'
    ///
    /// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    #[pyfunction]
    #[pyo3(
        signature = (request_body=None, *, echo_id=EchoIdArgument(true)),
        text_signature = "(request_body=None, *, echo_id=True)",
    )]
    fn not_found_response(
        py: Python<'_>,
        request_body: Optional<'_, '_>,
        echo_id: EchoIdArgument,
    ) -> PyResult<Answer> {
        let request_body = Body::optional("request_body", request_body)?;
        let message = request_body.as_ref().filter(|_| echo_id.0).map(|body| body.peek(py));
        let id = message.and_then(|message| message.echoed_id());
        Answer::of(py, CoreAnswer::not_found(id))
    }

    /// Make the answer of a gateway that reaches none of its servers: nothing was sent to one.
    ///
    /// `request_body` is as for `not_found_response`. The status is 503, never 404: the session
    /// may be alive. `Retry-After` is one second.
    ///
    /// Returns an `Answer`. Raises `TypeError` for a wrong type.
    ///
    /// >>> from mcp_session.server import no_upstream_response
    /// >>> answer = no_upstream_response(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    /// >>> answer.status, dict(answer.headers)["retry-after"]
    /// (503, '1')
    /// >>> answer.body
    /// b'{"jsonrpc":"2.0","error":{"code":-32603,"message":"No upstream can be reached"},"id":7}'
    #[pyfunction]
    #[pyo3(signature = (request_body=None))]
    fn no_upstream_response(py: Python<'_>, request_body: Optional<'_, '_>) -> PyResult<Answer> {
        let body = Body::optional("request_body", request_body)?;
        let message = body.as_ref().map(|body| body.peek(py));
        Answer::of(py, CoreAnswer::no_upstream(message.and_then(|it| it.echoed_id())))
    }

    /// Make the answer of a gateway whose server ended before it answered.
    ///
    /// `request_body` is as for `not_found_response`. The status is 502, without `Retry-After`:
    /// the request may have run.
    ///
    /// Returns an `Answer`. Raises `TypeError` for a wrong type.
    ///
    /// >>> from mcp_session.server import upstream_lost_response
    /// >>> upstream_lost_response().status
    /// 502
    #[pyfunction]
    #[pyo3(signature = (request_body=None))]
    fn upstream_lost_response(py: Python<'_>, request_body: Optional<'_, '_>) -> PyResult<Answer> {
        let body = Body::optional("request_body", request_body)?;
        let message = body.as_ref().map(|body| body.peek(py));
        Answer::of(py, CoreAnswer::upstream_lost(message.and_then(|it| it.echoed_id())))
    }

    /// What a row says: summary, quote, url, revision, source, and whether it corrects. For the
    /// properties of `Rule`.
    #[pyfunction]
    fn rule_facts(name: &str) -> PyResult<RuleFacts> {
        Rule::ALL
            .iter()
            .find(|rule| rule.name() == name)
            .map(|rule| {
                let sentence = (rule.summary(), rule.quote(), rule.url(), rule.revision());
                let (summary, quote, url, revision) = sentence;
                (summary, quote, url, revision, rule.source(), rule.corrects())
            })
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// Make a `Verdict` again that was copied or pickled.
    #[pyfunction]
    fn restored_verdict(
        action: &Bound<'_, PyAny>,
        rule: &Bound<'_, PyAny>,
        header_rule: &Bound<'_, PyAny>,
        session_id: Option<String>,
        response: Option<Py<Answer>>,
    ) -> PyResult<Verdict> {
        Verdict::restored(action, rule, header_rule, session_id, response)
    }

    /// Make an `Answer` again that was copied or pickled.
    #[pyfunction]
    fn restored_answer(status: StatusArgument, body: &Bound<'_, PyBytes>) -> PyResult<Answer> {
        Answer::restored(status.0, body)
    }

    /// Make a `Message` again that was copied or pickled.
    #[pyfunction]
    fn restored_message(
        kind: &Bound<'_, PyAny>,
        method: Option<String>,
        request_id: Option<String>,
        is_initialize: bool,
    ) -> PyResult<Message> {
        Message::restored(kind, method, request_id, is_initialize)
    }

    type RuleFacts =
        (&'static str, &'static str, &'static str, &'static str, Option<&'static str>, bool);

    fn parse<'a>(
        request: &'a Body<'_>,
        response: &'a Body<'_>,
    ) -> PyResult<(RawRequest<'a>, RawResponse<'a>)> {
        let request = RawRequest::parse(request.bytes())
            .map_err(|error| PyValueError::new_err(format!("request: {error}")))?;
        let response = RawResponse::parse(response.bytes(), &request)
            .map_err(|error| PyValueError::new_err(format!("response: {error}")))?;
        Ok((request, response))
    }
}
