from collections.abc import Iterable
from typing import Final, TypeAlias, final

from mcp_session._enums import Action, Side
from mcp_session._later_enums import Kind, Lookup
from mcp_session._rules import Rule
from typing_extensions import Self

__all__ = [
    "Answer",
    "Message",
    "Verdict",
    "admit",
    "attached_session_id",
    "classify",
    "classify_exchange",
    "needs_body",
    "needs_request_body",
    "no_upstream_response",
    "not_found_response",
    "peek",
    "restored_answer",
    "restored_message",
    "restored_verdict",
    "rule_facts",
    "upstream_lost_response",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class Verdict:
    """What to do, and the row that says so. Made by `classify`, `classify_exchange`, `admit`.

    `action` (`Action`): what to do. `rule` (`Rule`): the row of the tables, with the
    sentence of the specification. `session_id` (`str` or `None`): the ID to adopt, with
    `Action.ADOPT_SESSION`. `forward_session_id` (`bool`): whether a server or proxy passes
    the session header on, of the request in `admit`, of the response in `classify`.
    `header_rule` (`Rule` or `None`): the row because of which it does not.
    `response` (`Answer` or `None`): what to send, with the three `*_RESPONSE` actions.

    Frozen; two that say the same are equal, and most are one shared object. The session ID
    does not show in its `repr`.

    >>> from mcp_session import classify
    >>> classify("POST", 404, session_id="1868a90c")
    <Verdict Action.CLEAR_AND_REINIT, Rule.TERMINATED_POST>
    """

    __match_args__: Final = ("action", "rule")
    @property
    def action(self) -> Action:
        """What to do (`Action`)."""
    @property
    def rule(self) -> Rule:
        """The row that says so (`Rule`)."""
    @property
    def session_id(self) -> str | None:
        """The ID to adopt (`str`), with `Action.ADOPT_SESSION`; else `None`."""
    @property
    def forward_session_id(self) -> bool:
        """Whether a server or proxy passes the session header on (`bool`)."""
    @property
    def header_rule(self) -> Rule | None:
        """The row because of which the session header is not passed on (`Rule`); else `None`."""
    @property
    def response(self) -> Answer | None:
        """What to send (`Answer`), with the three `*_RESPONSE` actions; else `None`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: object, /) -> Self: ...

@final
class Answer:
    """A canonical answer, ready to be sent.

    `status` (`int`): the HTTP status. `headers` (`list[tuple[str, str]]`): lower-case names
    and their values, `content-length` included. `body` (`bytes`): one JSON-RPC error.
    Frozen; two that say the same are equal.

    >>> from mcp_session import not_found_response
    >>> not_found_response()
    <Answer 404 b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}'>
    """
    @property
    def status(self) -> int:
        """The HTTP status (`int`)."""
    @property
    def headers(self) -> list[tuple[str, str]]:
        """Lower-case names and their values (`list[tuple[str, str]]`)."""
    @property
    def body(self) -> bytes:
        """One JSON-RPC error (`bytes`)."""
    def replacing(self, headers: Iterable[tuple[bytes, bytes]], /) -> list[tuple[bytes, bytes]]:
        """The headers to send where this answer replaces one that an upstream gave.

        `headers` are the upstream's, as ASGI and HTTP clients have them: an iterable of pairs
        of `bytes`. Those that described its body, its challenge or its session go, the others
        stay as they stand (CORS, `Vary`, cookies, tracing), and this answer's own follow.

        Returns a `list[tuple[bytes, bytes]]`. Raises `TypeError` for a wrong type.

        >>> from mcp_session import not_found_response
        >>> not_found_response().replacing([(b"Vary", b"Origin"), (b"Content-Type", b"text/html")])
        [(b'Vary', b'Origin'), (b'content-type', b'application/json'), (b'content-length', b'71')]
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: object, /) -> Self: ...

@final
class Message:
    """What `peek` saw in a body.

    `kind` (`Kind`). `method` (`str` or `None`): of a request or notification. `id` (`str` or
    `None`): the JSON text of a request's id, or of the one a response answers to, exactly as
    it stood, quotes included. `is_initialize` (`bool`): whether this is a single request of
    the method `initialize`. Frozen; two that say the same are equal.

    >>> from mcp_session import peek
    >>> peek(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    <Message Kind.REQUEST, method='tools/list', id='7'>
    """

    __match_args__: Final = ("kind", "method", "id")
    @property
    def kind(self) -> Kind:
        """What the body is (`Kind`)."""
    @property
    def method(self) -> str | None:
        """The method of a request or notification (`str`); else `None`."""
    @property
    def id(self) -> str | None:
        """The JSON text of the id (`str`), or `None`."""
    @property
    def is_initialize(self) -> bool:
        """Whether this is a single request of the method `initialize` (`bool`)."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: object, /) -> Self: ...
    """An exchange, a hold or a lead was used twice: each ends with its first use.

    >>> from mcp_session import AlreadyUsedError, Send, Session
    >>> session = Session()
    >>> step = session.before_request("GET")
    >>> assert isinstance(step, Send)
    >>> _ = session.after_response(step.exchange, 200)
    >>> session.after_response(step.exchange, 200)
    Traceback (most recent call last):
        ...
    mcp_session.AlreadyUsedError: this Exchange has been used

    Source: section "Illegal use" of the guide for SDK authors.
    """

def classify(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    request_body: _Bytes | None = None,
    response_session_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    response_body: _Bytes | None = None,
    side: Side = Side.CLIENT,
    quirks: bool = False,
    misreports: Iterable[tuple[int, str]] = (),
) -> Verdict:
    """Decide what one exchange means for the session attached to its request.

    `method` is the HTTP method as sent (`str`, case-sensitive) and `status` the HTTP
    status (`int`, 100 to 999). `session_id` is the `Mcp-Session-Id` that *this*
    request carried, not the one stored now; `None` or `""` means that none was
    attached. `protocol_version` is the request's `MCP-Protocol-Version` header, and
    `request_body` its body: without it, a POST counts as an ordinary request, not as
    `initialize`. `response_session_id`, `content_type`, `content_encoding` and
    `www_authenticate` are headers of the response, and `response_body` its whole body:
    leave it out unless `needs_body` asks for it. An encoded body is not looked into, so
    leave `content_encoding` out if it was decoded. A header that is repeated is joined with ", ".
    Bodies are `bytes`, `bytearray` or `memoryview`, all else is `str`. `side` says
    which side evaluates the exchange; `quirks` whether a client also acts on known misreports.
    `misreports` are your own, whichever the side and the quirks: at most 64 pairs of a status
    (400 to 599 but 404) and a text of at most 256 bytes, which is compared whole, as the known
    ones are.

    Returns a `Verdict`. Raises `TypeError` for a wrong type, `ValueError` for a
    `status` or `method` that HTTP does not have, and for `misreports` that cannot be. Odd behaviour of the other side is
    never an error.

    >>> from mcp_session import Action, Rule, classify
    >>> verdict = classify("POST", 404, session_id="1868a90c")
    >>> verdict.action is Action.CLEAR_AND_REINIT
    True
    >>> verdict.rule.quote
    'When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached.'
    >>> classify("POST", 404).rule is Rule.NOTHING_ATTACHED
    True
    >>> own = [(409, "Worker has forgotten you")]
    >>> body = b'{"error": "worker has forgotten you."}'
    >>> classify("POST", 409, session_id="1868a90c", response_body=body, misreports=own).action
    <Action.CLEAR_AND_REINIT: 'ClearAndReinit'>

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

def classify_exchange(
    request: _Bytes,
    response: _Bytes,
    *,
    side: Side = Side.CLIENT,
    quirks: bool = False,
    misreports: Iterable[tuple[int, str]] = (),
) -> Verdict:
    r"""Decide the same from raw HTTP/1.1 bytes.

    `request` and `response` are what went over the wire (`bytes`, `bytearray` or
    `memoryview`), each beginning with its head. A body that is cut off or broken counts
    as not known. With `Side.SERVER`, the session in the query of an HTTP+SSE endpoint
    counts as attached.

    Returns a `Verdict`. Raises `ValueError` with the byte offset if a head is no HTTP
    message, and `TypeError` for a wrong type.

    >>> from mcp_session import Action, classify_exchange
    >>> request = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: 1868a90c\r\n\r\n"
    >>> verdict = classify_exchange(request, b"HTTP/1.1 404 Not Found\r\n\r\n")
    >>> verdict.action is Action.CLEAR_AND_REINIT
    True
    >>> classify_exchange(request, b"HTTP/1.1 4o4\r\n\r\n")
    Traceback (most recent call last):
        ...
    ValueError: response: byte 10: invalid response status

    Source: RFC 9112, and the rows behind `classify`.
    """

def needs_body(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    request_body: _Bytes | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    body_so_far: _Bytes | None = None,
    side: Side = Side.CLIENT,
    quirks: bool = False,
    misreports: Iterable[tuple[int, str]] = (),
) -> bool:
    """Say whether the body of a response can change what has to be done.

    The arguments are those of `classify`, as far as they are known when the head of the
    response has come in. Returns `True` exactly where two bodies would lead to different
    actions; elsewhere the body need not be read. `body_so_far` is what has come in of it
    (`bytes`, `bytearray` or `memoryview`), for whoever holds the response back meanwhile:
    `True` as long as what follows may matter. Raises as `classify` does.

    >>> from mcp_session import Side, needs_body
    >>> needs_body("POST", 404, session_id="1868a90c")
    False
    >>> needs_body("POST", 400, session_id="1868a90c", side=Side.SERVER)
    True
    >>> needs_body("POST", 400, session_id="1868a90c", side=Side.SERVER, body_so_far=b"<html")
    False

    Source: the rows behind `classify`; it asks them.
    """

def needs_request_body(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    response_session_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    side: Side = Side.CLIENT,
    quirks: bool = False,
    misreports: Iterable[tuple[int, str]] = (),
) -> bool:
    """Say whether the body of a request can change what has to be done, its id in an answer
    included.

    The arguments are those of `classify`, as far as they are known when the head of the
    response has come in. Where it returns `False`, `request_body` may be left out; where
    `True`, it is worth being read. Raises as `classify` does.

    >>> from mcp_session import Side, needs_request_body
    >>> needs_request_body("POST", 200, session_id="1868a90c", side=Side.SERVER)
    False
    >>> needs_request_body("POST", 404, session_id="1868a90c", side=Side.SERVER)
    True

    Source: the rows behind `classify`; it asks them.
    """

def attached_session_id(
    method: str, *, session_id: str | None = None, query: str | None = None
) -> str | None:
    """Say which session ID counts as attached to a request, as a server sees it.

    `method` is the HTTP method, `session_id` the value of the `Mcp-Session-Id` header or
    `None`, and `query` the query of the URL (`str`, as it stands). Over HTTP+SSE
    (2024-11-05) a POST names its session there, as `session_id`, `sessionId` or
    `sessionid`; the header goes first.

    Returns the ID (`str`), well-formed or not, or `None`. Raises `TypeError` for a wrong
    type, `ValueError` for a `method` that HTTP does not have.

    >>> from mcp_session import attached_session_id
    >>> attached_session_id("POST", query="session_id=889dd8e2")
    '889dd8e2'
    >>> attached_session_id("GET", query="session_id=889dd8e2")

    Source: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
    """

def admit(
    method: str,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    body: _Bytes = b"",
    known: bool | Lookup,
) -> Verdict:
    """Decide what to do with a request before anything runs, by whoever owns the table of
    sessions.

    `method`, `session_id` and `protocol_version` are those of the request, as for
    `classify`; `body` is its whole body. `known` is what the table says of the ID, a
    `Lookup`; or `True` for `Lookup.KNOWN`, `False` for `Lookup.UNKNOWN` (terminated, or never
    known). `None` is refused: it is what a table gives for an unknown ID as often as what is
    meant by `Lookup.UNAVAILABLE`.
    For servers that require a session. It is no access control: an ID is no proof of who
    asks.

    Returns a `Verdict`: pass the request through, or send `verdict.response`. Where
    `verdict.forward_session_id` is `False`, drop the request's session header first.
    Raises `TypeError` for a wrong type, `ValueError` for a `method` that HTTP does not
    have.

    >>> from mcp_session import Action, admit
    >>> body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
    >>> verdict = admit("POST", session_id="1868a90c", body=body, known=False)
    >>> verdict.action is Action.NOT_FOUND_RESPONSE
    True
    >>> verdict.response.status, verdict.response.body
    (404, b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}')

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

def peek(body: _Bytes) -> Message:
    """Look at the body of a POST: its kind, its method, its id.

    `body` is `bytes`, `bytearray` or `memoryview`; any bytes may come in. The time is
    linear in its length, the memory bounded by the depth of its nesting.

    Returns a `Message`; what is no message has the kind `Kind.MALFORMED`. Raises
    `TypeError` for a wrong type, and nothing else.

    >>> from mcp_session import Kind, peek
    >>> message = peek(b'{"jsonrpc":"2.0","id":7.0,"method":"initialize"}')
    >>> message.kind is Kind.REQUEST, message.method, message.id, message.is_initialize
    (True, 'initialize', '7.0', True)
    >>> peek(b"{").kind is Kind.MALFORMED
    True

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic#messages
    """

def not_found_response(request_body: _Bytes | None = None, *, echo_id: bool = True) -> Answer:
    """Make the answer to a request of a terminated or unknown session.

    `request_body` is the body of the request (`bytes`, `bytearray` or `memoryview`). Its
    id is repeated exactly as it stood if it is a string or number of at most 256 bytes;
    otherwise, and with `echo_id=False`, the answer has no id. Leave it out for peers
    that read a 404 with an id as the failure of one call (the Go SDK's main branch since
    August 2026); with it, rmcp and others end the call instead of waiting for ever.

    Returns an `Answer`. Raises `TypeError` for a wrong type.

    >>> from mcp_session import not_found_response
    >>> answer = not_found_response(b'{"jsonrpc":"2.0","id":"a","method":"tools/list"}')
    >>> answer.status
    404
    >>> answer.headers
    [('content-type', 'application/json'), ('content-length', '80')]
    >>> answer.body
    b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":"a"}'

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

def no_upstream_response(request_body: _Bytes | None = None) -> Answer:
    """Make the answer of a gateway that reaches none of its servers: nothing was sent to one.

    `request_body` is as for `not_found_response`. The status is 503, never 404: the session
    may be alive. `Retry-After` is one second.

    Returns an `Answer`. Raises `TypeError` for a wrong type.

    >>> from mcp_session.server import no_upstream_response
    >>> answer = no_upstream_response(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    >>> answer.status, dict(answer.headers)["retry-after"]
    (503, '1')
    >>> answer.body
    b'{"jsonrpc":"2.0","error":{"code":-32603,"message":"No upstream can be reached"},"id":7}'
    """

def upstream_lost_response(request_body: _Bytes | None = None) -> Answer:
    """Make the answer of a gateway whose server ended before it answered.

    `request_body` is as for `not_found_response`. The status is 502, without `Retry-After`:
    the request may have run.

    Returns an `Answer`. Raises `TypeError` for a wrong type.

    >>> from mcp_session.server import upstream_lost_response
    >>> upstream_lost_response().status
    502
    """

def rule_facts(name: str) -> tuple[str, str, str, str, str | None, bool]:
    """What a row says: summary, quote, url, revision, source, and whether it corrects. For the
    properties of `Rule`.
    """

def restored_verdict(
    action: Action,
    rule: Rule,
    header_rule: Rule | None,
    session_id: str | None,
    response: Answer | None,
) -> Verdict:
    """Make a `Verdict` again that was copied or pickled."""

def restored_answer(status: int, body: bytes) -> Answer:
    """Make an `Answer` again that was copied or pickled."""

def restored_message(
    kind: Kind, method: str | None, request_id: str | None, is_initialize: bool
) -> Message:
    """Make a `Message` again that was copied or pickled."""
