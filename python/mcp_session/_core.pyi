from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias, final, overload

from typing_extensions import Self, disjoint_base

from mcp_session._enums import Action, ResendPolicy, Side
from mcp_session._later_enums import (
    ForwardFailure,
    Kind,
    Lookup,
    Reason,
    ServerStep,
)
from mcp_session._rules import Rule

__all__ = [
    "AlreadyUsedError",
    "Announce",
    "Answer",
    "AsgiMachine",
    "AwaitRun",
    "CircuitOpen",
    "Client",
    "CollectedBody",
    "Cooldown",
    "Deliver",
    "Done",
    "Drop",
    "EndInApp",
    "Event",
    "EventReader",
    "EventTooLong",
    "Exchange",
    "Failure",
    "Find",
    "Finding",
    "Forward",
    "GiveUp",
    "Handover",
    "HeldBack",
    "Hold",
    "Initialized",
    "KeepBack",
    "Lead",
    "LocalAnswer",
    "Message",
    "Pass",
    "Pause",
    "Raise",
    "Read",
    "ReadAnswer",
    "ReadBody",
    "RecordedExchange",
    "RecordedSession",
    "Recover",
    "RecoveryEnd",
    "RecoveryMessage",
    "RecoveryRun",
    "Relay",
    "RelayRestored",
    "Renew",
    "Replaced",
    "Replica",
    "Reply",
    "RequestRun",
    "Resend",
    "Restore",
    "RestoreInApp",
    "RunApp",
    "Send",
    "ServerExchange",
    "ServerPolicy",
    "Session",
    "SessionRun",
    "Story",
    "Stream",
    "Swap",
    "Transmit",
    "Verdict",
    "VerdictEvent",
    "Wait",
    "Watch",
    "__version__",
    "admit",
    "attached_session_id",
    "classify",
    "classify_exchange",
    "diagnose",
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
    "without_session_id",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

__version__: Final[str]

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

class AlreadyUsedError(RuntimeError):
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

@final
class Session:
    """The machine that follows one client's session across its replacements.

    Sans-IO: it is told what is about to be sent and what came back, and answers with what to
    do. `quirks` (`bool`): whether known misreports end a session too. `resend`
    (`ResendPolicy`): which requests are sent again after their session ended. `bound` (`int`,
    0 to 4294967295): how many sessions may die before one success until no new one is made for
    a while. Raises `TypeError` and `ValueError` for wrong options.

    Any number of threads and tasks may share one. Outcomes are values, never exceptions.

    >>> from mcp_session import Lead, Send, Session
    >>> session = Session()
    >>> first = session.before_request("POST", body=b'{"id":0,"method":"initialize"}')
    >>> assert isinstance(first, Send) and first.session_id is None
    >>> _ = session.after_response(first.exchange, 200, response_session_id="1868a90c")
    >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
    >>> assert isinstance(call, Send) and call.session_id == "1868a90c"
    >>> isinstance(session.after_response(call.exchange, 404), Lead)
    True

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """
    def __new__(
        cls, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Self: ...
    @staticmethod
    def resumed(
        session_id: str, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Session:
        """Follow a session whose ID was stored.

        `session_id` (`str`): the ID. The options are those of `Session`. There is no
        `initialize` to replay: when the session ends, requests are given up with
        `Reason.NO_INITIALIZE`. Raises `ValueError` if the ID is ill-formed, without showing
        it.
        """
    @property
    def is_live(self) -> bool:
        """Whether a session stands (`bool`): begun, not known to have ended, not closed. Its server
        may have given out no ID.
        """
    @property
    def is_closed(self) -> bool:
        """Whether DELETE was sent (`bool`)."""
    @property
    def generation(self) -> int:
        """The session that stands, or the last one that did, by its number (`int`)."""
    def before_request(
        self,
        method: str,
        *,
        last_event_id: str | None = None,
        body: _Bytes = b"",
    ) -> Send | Hold | Lead | Drop | GiveUp:
        """Say what to do with a request before it goes out: `Send`, `Hold`, `Lead`, `Drop` or
        `GiveUp`.

        `method` and `last_event_id` are those of the request (`str`), `body` is its whole body
        (`bytes`, `bytearray` or `memoryview`). Raises `TypeError` and `ValueError` for wrong
        arguments.
        """
    def after_recovery(self, hold: Hold) -> Send | Hold | Lead | Drop | GiveUp:
        """Say how a held request, or a leader's own, goes on: as `before_request` does.

        `hold` is the `Hold` that the request was answered, or that came with a `Lead`. Asked
        before the recovery is settled, the answer is another `Hold`. Raises
        `AlreadyUsedError` for one that was used, `ValueError` for one of another `Session`.
        """
    def after_response(
        self,
        exchange: Exchange,
        status: int,
        *,
        response_session_id: str | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        www_authenticate: str | None = None,
        response_body: _Bytes | None = None,
    ) -> Deliver | Resend | Hold | Lead | Drop | GiveUp:
        """Say what becomes of a request whose response head came in: `Deliver`, `Resend`,
        `Hold`, `Lead`, `Drop` or `GiveUp`.

        `exchange` comes with `Send` or `Resend`. `status` (`int`) and the headers (`str`) are
        those of the response; its body is needed where `needs_body` says so. An encoded body is
        not looked into, so leave `content_encoding` out if it was decoded. Raises
        `AlreadyUsedError` for an exchange that was used, `TypeError` and `ValueError` for
        wrong arguments, an exchange of another `Session` among them.
        """
    def initialize_answered(
        self,
        lead: Lead,
        status: int,
        *,
        response_session_id: str | None = None,
        message: _Bytes | None = None,
    ) -> Initialized | Failure:
        """Take the answer to a leader's `initialize`: `Initialized`, or `Failure`.

        `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
        answered, read whole, be it from a JSON body or from a stream. Raises
        `AlreadyUsedError` for a lead that was used, `ValueError` for one of another `Session`.
        """
    def initialized_answered(
        self, initialized: Initialized, status: int
    ) -> Restore | Replaced | Failure:
        """Take the status of the answer to a leader's `notifications/initialized`: `Restore` if
        the new session is to be told something, `Replaced` if it stands, or `Failure`.

        Those waiting are released by `Replaced` and by `Failure`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`.
        """
    def restore_answered(
        self, restore: Restore, status: int, *, message: _Bytes | None = None
    ) -> Restore | Replaced:
        """Take the answer to a `Restore`: another `Restore`, or `Replaced`. One that is refused
        fails nothing.

        `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
        answered. Raises `AlreadyUsedError` for one that was used, `ValueError` for one of another
        `Session`.
        """
    @overload
    def lead_failed(self, lead: Lead | Initialized) -> Failure:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    @overload
    def lead_failed(self, lead: Restore) -> Replaced:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    @overload
    def lead_failed(self, lead: Lead | Initialized | Restore) -> Failure | Replaced:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    def saw_message(self, stream: Stream, data: _Bytes) -> bytes | None:
        """Take a message that came in on a response or stream, so that replies to it go to the
        session that asked, and what the server keeps is told to the next one. Returns what the
        caller is to see in its place (`bytes`), or `None` to leave it.

        `stream` comes with `Deliver`; `data` is one JSON-RPC message (`bytes`, `bytearray` or
        `memoryview`), or a batch.
        """
    def saw_event_id(self, stream: Stream, event_id: str) -> None:
        """Take the ID of an event that came in on a stream, so that it is never sent to another
        session.

        `stream` comes with `Deliver`; `event_id` is a `str`.
        """
    def take_notices(self) -> list[bytes]:
        """Take the messages that the caller is to see as if its server had sent them
        (`list[bytes]`): a `notifications/cancelled` for each question of a session that has
        ended.
        """
    def cooldown_over(self, cooldown: Cooldown) -> None:
        """Take that the time of a `Cooldown` has passed: a new session may be made again."""

@final
class Send(Exchange):
    """Send the request, with what stands here in place of its own headers.

    `session_id` (`str` or `None`): the ID to attach; no other goes out. `protocol_version`
    (`str` or `None`): what to put into `MCP-Protocol-Version`, if another was negotiated.
    `last_event_id` (`str` or `None`): what to put into `Last-Event-ID`. `body` (`bytes` or
    `None`): what goes out in place of the request's own body. `exchange` (`Exchange`): to be
    given back with the response; the step itself, which is one.

    >>> from mcp_session import Send, Session
    >>> Session().before_request("GET")
    Send()

    Source: guarantee 7, "A session that lost its ID never sends without one".
    """

    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange:
        """To be given back with the response (`Exchange`): the step itself."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None`."""
    @property
    def protocol_version(self) -> str | None:
        """What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it."""
    @property
    def last_event_id(self) -> str | None:
        """What to put into `Last-Event-ID` (`str`), or `None` to leave it out."""
    @property
    def body(self) -> bytes | None:
        """What goes out in place of the request's own body (`bytes`), or `None` to leave
        it: a reply under the id by which the server asked.
        """
    @property
    def is_trial(self) -> bool:
        """Whether it tries out a session that was taken for dead (`bool`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Resend(Exchange):
    """Send the request once more, now. Its attributes are those of `Send`.

    >>> from mcp_session import Resend
    >>> Resend.__match_args__
    ('exchange', 'session_id')

    Source: guarantee 4, "A request is resent at most once".
    """

    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange:
        """To be given back with the response (`Exchange`): the step itself."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None`."""
    @property
    def protocol_version(self) -> str | None:
        """What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it."""
    @property
    def last_event_id(self) -> str | None:
        """What to put into `Last-Event-ID` (`str`), or `None` to leave it out."""
    @property
    def body(self) -> bytes | None:
        """What goes out in place of the request's own body (`bytes`), or `None` to leave
        it: a reply under the id by which the server asked.
        """
    @property
    def is_trial(self) -> bool:
        """Whether it tries out a session that was taken for dead (`bool`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@disjoint_base
class Exchange:
    """One request on its way; it is used once, by `Session.after_response`.

    A context manager: left without a response, it counts as abandoned.

    >>> from mcp_session import Session
    >>> with Session().before_request("GET").exchange as exchange:
    ...     pass

    Source: guarantee 4, "Every request ends exactly once".
    """
    @property
    def is_cancelled(self) -> bool:
        """Whether the caller has cancelled the request since (`bool`). Ask before a `Resend` goes
        out: it is to end instead.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Hold:
    """Wait until the recovery is settled, then ask `Session.after_recovery`.

    `recovery` (`int`): the number of the recovery it waits for. `is_settled` (`bool`): whether
    that has come to an end, or the request itself has. A context manager: left without being
    asked, its request counts as abandoned.

    >>> from mcp_session import Hold
    >>> Hold.__match_args__
    ('recovery',)

    Source: guarantee 2, "At most one re-initialization is under way".
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> int:
        """The number of the recovery it waits for (`int`)."""
    @property
    def is_settled(self) -> bool:
        """Whether the recovery has come to an end, or the request itself has (`bool`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Lead:
    """Make a new session: others wait for it.

    Send `initialize` (`bytes`) without an ID, a version or an event ID, and give the answer to
    `Session.initialize_answered`. `hold` (`Hold`) is the leader's own request, for
    `Session.after_recovery` afterwards. `recovery` (`int`): the number of the recovery. A
    context manager: left without an outcome, it counts as cancelled, and one of those waiting
    leads instead.

    >>> from mcp_session import Lead
    >>> Lead.__match_args__
    ('initialize', 'hold')

    Source: guarantee 3, "A leader that fails, is cancelled or dropped never wedges anyone".
    """

    __match_args__: Final = ("initialize", "hold")
    @property
    def initialize(self) -> bytes:
        """The body to send (`bytes`)."""
    @property
    def hold(self) -> Hold:
        """The leader's own request (`Hold`)."""
    @property
    def recovery(self) -> int:
        """The number of the recovery (`int`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Initialized:
    """The new session has begun; it stands when its `notifications/initialized` is accepted.

    Send `initialized` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no
    session now) and `protocol_version` (`str`), and give the status of the answer to
    `Session.initialized_answered`. A context manager, as `Lead` is.

    >>> from mcp_session import Initialized
    >>> Initialized.__name__
    'Initialized'

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """
    @property
    def initialized(self) -> bytes:
        """The body to send (`bytes`)."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None` if the server keeps no session now."""
    @property
    def protocol_version(self) -> str:
        """What to put into `MCP-Protocol-Version` (`str`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Deliver:
    """Hand the response to the caller, unchanged.

    `stream` (`Stream`): where its messages and event IDs belong. `orphan_session_id`
    (`str` or `None`): an ID that was not adopted and is to be DELETEd.

    >>> from mcp_session import Session
    >>> session = Session()
    >>> session.after_response(session.before_request("GET").exchange, 200)
    Deliver()

    Source: guarantee 4.
    """

    __match_args__: Final = ("stream", "orphan_session_id")
    @property
    def stream(self) -> Stream:
        """Where its messages and event IDs belong (`Stream`)."""
    @property
    def orphan_session_id(self) -> str | None:
        """An ID that is to be DELETEd (`str`), or `None`."""
    @property
    def opened_session(self) -> bool:
        """Whether it opened the session that stands now (`bool`): the answer to an `initialize`
        of the caller's own.
        """
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Drop:
    """Send nothing, or make no use of the response: the caller is answered 202.

    >>> from mcp_session import Drop
    >>> Drop.__name__
    'Drop'

    Source: guarantee 8, "What belonged to the dead generation stays there".
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class GiveUp:
    """Send nothing, or make no use of the response: the caller is told why.

    `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `retry_after`
    (`Cooldown` or `None`): the time in which no new session is made, if there is one now. A GET
    is answered 404, a request with an error of its own.

    >>> from mcp_session import Session
    >>> session = Session.resumed("1868a90c")
    >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
    >>> session.after_response(call.exchange, 404)
    GiveUp(Reason.NO_INITIALIZE)

    Source: guarantee 4.
    """

    __match_args__: Final = ("reason",)
    @property
    def reason(self) -> Reason:
        """Why (`Reason`)."""
    @property
    def retry_after(self) -> Cooldown | None:
        """The time in which no new session is made (`Cooldown`), or `None`."""
    @property
    def text(self) -> str:
        """Why, as a clause to be read (`str`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Restore:
    """The new session stands, and is to be told what the old one was told.

    Send `body` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no session now)
    and `protocol_version` (`str`), and give the answer to `Session.restore_answered`. `method`
    (`str`) is what is told. A context manager: left without an outcome, those waiting are
    released.

    >>> from mcp_session import Restore
    >>> Restore.__name__
    'Restore'

    Source: guarantee 11, "told again after a replacement, before those waiting are released".
    """
    @property
    def body(self) -> bytes:
        """The body to send (`bytes`): a request of our own, whose answer the caller never sees."""
    @property
    def method(self) -> str:
        """What is told (`str`): `logging/setLevel` or `resources/subscribe`."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None` if the server keeps no session now."""
    @property
    def protocol_version(self) -> str:
        """What to put into `MCP-Protocol-Version` (`str`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Replaced:
    """The new session stands in place of the one that ended, and those waiting are released.

    `generation` (`int`): its number. `refused` (`list[tuple[str, str]]`): each method that it
    could not be told again, and why not.

    >>> from mcp_session import Replaced
    >>> Replaced.__match_args__
    ('generation', 'refused')

    Source: guarantee 11, "One that is refused is reported, and fails nothing".
    """

    __match_args__: Final = ("generation", "refused")
    @property
    def generation(self) -> int:
        """The number of the new session (`int`)."""
    @property
    def refused(self) -> list[tuple[str, str]]:
        """Each method that it could not be told again, and why not (`list[tuple[str, str]]`)."""

@final
class Cooldown:
    """A time in which no new session is made, because too many have died.

    Wait `seconds` (`float`), from the moment in which it was first told, then tell
    `Session.cooldown_over`. `number` (`int`): each is another.

    >>> from mcp_session import Cooldown
    >>> Cooldown.__match_args__
    ('seconds',)

    Source: guarantee 5, "one may lead again when the driver says that 1 s, then 2 s, ... 60 s have
    passed".
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float:
        """How long it takes (`float`)."""
    @property
    def number(self) -> int:
        """Its number (`int`)."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Failure:
    """A recovery has failed; its reason is shared with those waiting.

    `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `orphan_session_id`
    (`str` or `None`): an ID that was not adopted and is to be DELETEd.

    >>> from mcp_session import Failure
    >>> Failure.__match_args__
    ('reason', 'orphan_session_id')

    Source: guarantee 3, "a failure is shared with those waiting".
    """

    __match_args__: Final = ("reason", "orphan_session_id")
    @property
    def reason(self) -> Reason:
        """Why (`Reason`)."""
    @property
    def orphan_session_id(self) -> str | None:
        """An ID that is to be DELETEd (`str`), or `None`."""
    @property
    def text(self) -> str:
        """Why, as a clause to be read (`str`)."""

@final
class Stream:
    """Where the messages and event IDs of one response belong. Frozen; two of the same are equal.

    >>> from mcp_session import Stream
    >>> Stream.__name__
    'Stream'

    Source: guarantee 8.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventReader:
    r"""Reads server-sent events from bytes that come in any pieces.

    `limit` (`int`, bytes): how much of one event's data or type is kept; what is longer is
    passed over and told of as `EventTooLong`. An ID beyond 1,024 bytes, or the limit, is
    ignored. However the bytes are cut, the events are the same. Raises `TypeError` and
    `ValueError` for a wrong limit.

    >>> from mcp_session import EventReader
    >>> reader = EventReader()
    >>> list(reader.read(b"id: 1\ndata: {}\n"))
    []
    >>> list(reader.read(b"\n"))
    [Event('message', '{}', '1')]
    >>> reader.last_event_id
    '1'

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    def __new__(cls, *, limit: int = 4194304) -> Self: ...
    def read(self, data: _Bytes, /) -> Iterator[Event | EventTooLong]:
        """Take the next bytes (`bytes`, `bytearray` or `memoryview`) and return an iterator over
        the events they complete, in order: `Event` and `EventTooLong`.

        Each is made as it is taken, so that no bytes make more of them than there is room for.
        Those that were not taken are lost when the iterator is dropped, or the next bytes come.
        """
    @property
    def last_event_id(self) -> str:
        """The last event ID so far (`str`), for `Last-Event-ID`; empty if there is none."""
    @property
    def retry(self) -> int | None:
        """The time to wait before reconnecting (`int`, milliseconds), or `None` if none was
        said.
        """

@final
class Event:
    r"""One server-sent event.

    `event` (`str`): its type, `message` unless it says otherwise. `data` (`str`): its lines,
    joined by line feeds. `id` (`str`): the last event ID when it was dispatched.

    >>> from mcp_session import EventReader
    >>> [event] = EventReader().read(b"event: endpoint\ndata: /messages\n\n")
    >>> event.event, event.data, event.id
    ('endpoint', '/messages', '')

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
    """

    __match_args__: Final = ("event", "data", "id")
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventTooLong:
    r"""An event beyond the reader's limit; its data was not kept.

    >>> from mcp_session import EventReader
    >>> list(EventReader(limit=3).read(b"data: four\n\n"))
    [EventTooLong()]

    Source: `EventReader`, whose memory is bounded.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ServerPolicy:
    """What a server or proxy does about lost sessions; for all of its exchanges.

    `paths` (collection of `str`, or `None` for all): the paths of MCP; `/tenants/*` is
    everything below `/tenants/`. `echo_id` (`bool`): whether the answers made here repeat the
    request's id. `max_request_bytes` (`int`, bytes): how much of a request is remembered to
    learn its id; `max_remembered_bytes`: how much of all requests together; `max_response_bytes`:
    how much of an answer is held back while its body may still matter. `disabled_rules` (collection of `Rule`, or of their values): the
    corrections to leave out. `report_only` (`bool`): change nothing. `misreports` (collection
    of pairs of a status, `int`, and a text, `str`): misreports of the application's own, beside
    the known ones.

    Frozen. Raises `TypeError` and `ValueError` for options that make no sense.

    >>> from mcp_session.server import ServerPolicy
    >>> policy = ServerPolicy(paths=["/mcp"])
    >>> policy.covers("/api/mcp/", "/api"), policy.covers("/other", "")
    (True, False)

    Source: the rows behind `classify`, on the side of servers.
    """

    def __new__(
        cls,
        *,
        paths: Iterable[str] | None = None,
        echo_id: bool = True,
        max_request_bytes: int = 4194304,
        max_remembered_bytes: int = 67108864,
        max_response_bytes: int = 65536,
        disabled_rules: Iterable[Rule | str] = (),
        report_only: bool = False,
        misreports: Iterable[tuple[int, str]] = (),
    ) -> Self: ...
    def covers(self, path: str, root_path: str, /) -> bool:
        """Say whether MCP is served at this path (`bool`). `root_path` (`str`) is what the
        application is mounted below, `""` where it is not.
        """
    def exchange(
        self, method: str, headers: Iterable[tuple[bytes, bytes]], query: _Bytes = b"", /
    ) -> ServerExchange:
        """Begin with the head of a request (`ServerExchange`).

        `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as
        they came. Raises `ValueError` for a `method` that HTTP does not have, `TypeError` for
        a wrong type.
        """

@final
class ServerExchange:
    """One exchange, from the head of its request to the end of its answer. Made by
    `ServerPolicy.exchange`.

    It is told what comes, and answers with a `ServerStep`: what is to be done with the
    message. Once the step is `LET_GO`, `LET_GO_WITHOUT_SESSION_ID` or `REPLACE`,
    `rule`, `action`, `corrects`, `applied` and `answer` say what was decided.

    The session IDs do not show in its `repr`.

    >>> from mcp_session.server import ServerPolicy, ServerStep
    >>> exchange = ServerPolicy().exchange("POST", [(b"mcp-session-id", b"1868a90c")])
    >>> exchange.before_handler()
    <ServerStep.READ: 'Read'>
    >>> exchange.request_piece(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}', more=False)
    >>> exchange.before_handler()
    <ServerStep.RUN: 'Run'>
    >>> exchange.response_head(400, [(b"content-type", b"text/plain")])
    <ServerStep.HOLD: 'Hold'>
    >>> exchange.response_piece(b"unknown session", more=False)
    <ServerStep.REPLACE: 'Replace'>
    >>> exchange.answer
    <Answer 404 b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'>

    Source: the rows behind `classify`; it asks them.
    """

    def before_handler(self) -> ServerStep:
        """Say what to do before the handler runs (`ServerStep`): `READ` a piece of the request,
        tell of it and ask again, `RUN`, or `RUN_WITHOUT_SESSION_ID`.
        """
    @property
    def remembers_request(self) -> bool:
        """Whether a further piece of the request may still have to be known (`bool`). If not,
        nobody needs to be told of it, and no step is `READ`.
        """
    def request_piece(self, piece: _Bytes, /, *, more: bool) -> None:
        """Tell that a piece of the request's body came (`bytes`, `bytearray` or `memoryview`),
        whoever read it, and whether more follows (`bool`).
        """
    def request_cut(self) -> None:
        """Tell that the request broke off: what came is not all."""
    def wait_over(self) -> None:
        """Tell that the handler has waited for the request long enough."""
    def response_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> ServerStep:
        """Tell that the head of the answer came; return what to do with it (`ServerStep`).

        `status` (`int`) and `headers` (iterable of pairs of `bytes`) as they came. Raises
        `ValueError` for a `status` that HTTP does not have, `TypeError` for a wrong type.
        """
    def response_piece(self, piece: _Bytes, /, *, more: bool) -> ServerStep:
        """Tell that a piece of the answer's body came (`bytes`, `bytearray` or `memoryview`), and
        whether more follows (`bool`); return what to do with it (`ServerStep`).
        """
    def response_other(self) -> ServerStep:
        """Tell that another message of the answer came, a file by its path, say, or that its
        body broke off; return what to do with it (`ServerStep`).
        """
    def response_trailers(self) -> ServerStep:
        """Tell that trailers came; return what to do with them (`ServerStep`)."""
    @property
    def session_is_gone(self) -> bool:
        """Whether the handler has said that it does not know the session, so that it ran nothing of
        the request (`bool`).
        """
    @property
    def rule(self) -> Rule | None:
        """The row that decided (`Rule`); `None` before that."""
    @property
    def action(self) -> Action | None:
        """What it says to do (`Action`); `None` before that."""
    @property
    def corrects(self) -> bool:
        """Whether it says that the answer has to be changed (`bool`)."""
    @property
    def applied(self) -> bool:
        """Whether the answer is changed (`bool`): not with `report_only`, nor by a rule that is
        switched off.
        """
    @property
    def answer(self) -> Answer | None:
        """What to send (`Answer`), with the step `REPLACE`; else `None`."""
    @property
    def remarks(self) -> list[str]:
        """What a person should be told once about the application (`list[str]`), each with its
        kind before a colon.
        """
    @property
    def attached_session_id(self) -> str | None:
        """What counts as attached to the request (`str`), well-formed or not; else `None`."""
    @property
    def response_session_id(self) -> str | None:
        """What stands in the session header of the response (`str`); else `None`."""
    def shown_path(self, path: str, /) -> str:
        """The shape of a path (`str`), with no ID in it, fit for logs and labels."""

@final
class AsgiMachine:
    """One exchange of an ASGI application.

    `of` begins with the scope of a connection. Messages that are held back are copied, so what
    the application does with its own afterwards is its business; all others are its own.

    >>> from mcp_session._core import AsgiMachine, ServerPolicy
    >>> scope = {"type": "http", "method": "GET", "path": "/mcp"}
    >>> scope["headers"] = [(b"mcp-session-id", b"1868a90c")]
    >>> machine = AsgiMachine.of(ServerPolicy(), scope)
    >>> answer = machine.response({"type": "http.response.start", "status": 404, "headers": []})
    >>> [message["type"] for message in answer], answer[1]["body"][-44:]
    (['http.response.start', 'http.response.body'], b'code":-32001,"message":"Session not found"}}')

    Source: the laws of the server machine, and https://asgi.readthedocs.io/en/latest/specs/www.html
    """

    @staticmethod
    def of(policy: ServerPolicy, scope: MutableMapping[str, Any], /) -> AsgiMachine | None:
        """Begin with the scope of a connection (`AsgiMachine`); `None` where there is nothing to
        be done, nor to be told: for what is no HTTP, and at a path that the policy does not
        cover, unless an ID is attached. Raises `TypeError` and `KeyError` for what is no scope.
        """
    @property
    def reads_on(self) -> bool:
        """Whether to read a message, tell of it by `request`, and ask again, before the
        application runs (`bool`).
        """
    def scope(self, scope: MutableMapping[str, Any], /) -> MutableMapping[str, Any]:
        """The scope for the application: this one, or a copy without the session header."""
    @property
    def remembers_request(self) -> bool:
        """Whether it has to be told of what the application reads (`bool`)."""
    def request(self, message: MutableMapping[str, Any] | None, /) -> None:
        """Tell of what the server's `receive` returned; of `None` if it raised."""
    def wait_over(self) -> None:
        """Tell that the application has waited for the request long enough."""
    def answer_by(
        self,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        reporter: object,
        /,
    ) -> None:
        """Take the server's `send`, for what `send` lets go, and a `reporter` with the methods
        `decided` and `remark`.
        """
    def send(self, message: MutableMapping[str, Any], /) -> Awaitable[None]:
        """Stand in for the server's `send`: what goes out of a message is sent by the awaitable
        returned. Raises `ValueError` before `answer_by`.
        """
    def finish(self) -> Awaitable[None] | None:
        """Tell that the application is done; return what sends the rest of an answer that was cut
        off, or `None` where there is nothing to do. Raises `ValueError` before `answer_by`.
        """
    def response(self, message: MutableMapping[str, Any], /) -> list[MutableMapping[str, Any]]:
        """Tell of what the application sends; return what goes out now (`list` of messages)."""
    def end(self) -> list[MutableMapping[str, Any]]:
        """Tell that the application is done; return what goes out of an answer that was cut off."""
    @property
    def passes(self) -> bool:
        """Whether it needs to be told of no further message of the answer (`bool`)."""
    @property
    def passes_all_but_trailers(self) -> bool:
        """Whether it needs to be told of none but trailers (`bool`)."""
    @property
    def session_is_gone(self) -> bool:
        """Whether the application has said that it does not know the session, so that it ran
        nothing of the request (`bool`).
        """
    @property
    def rule(self) -> Rule | None:
        """The row that decided (`Rule`), `None` before that."""
    @property
    def corrects(self) -> bool:
        """Whether it says that the answer has to be changed (`bool`)."""
    def event(self) -> VerdictEvent:
        """What was decided (`VerdictEvent`). Raises `ValueError` before that."""
    def take_remarks(self) -> list[str]:
        """Take what a person should be told about the application (`list[str]`), each kind once
        for the policy.
        """

@final
class CollectedBody:
    """The body of a request, as ASGI brings it, collected before anything is done about it.

    `policy` (`ServerPolicy`): what bounds all requests together. `at_most` (`int`, bytes): how
    much of this one is of use. What is collected counts until this is let go.

    >>> from mcp_session._core import CollectedBody, ServerPolicy
    >>> body = CollectedBody(ServerPolicy(), 1024)
    >>> body.request({"type": "http.request", "body": b"{}", "more_body": False})
    >>> body.reads_on, body.take()
    (False, b'{}')

    Source: law 4 of the server machine.
    """
    def __new__(cls, policy: ServerPolicy, at_most: int, /) -> Self: ...
    @property
    def reads_on(self) -> bool:
        """Whether to read a message, tell of it by `request`, and ask again (`bool`)."""
    @property
    def remembers_request(self) -> bool:
        """Whether it has to be told of what is read (`bool`)."""
    def request(self, message: MutableMapping[str, Any] | None, /) -> None:
        """Tell of what the server's `receive` returned; of `None` if it raised."""
    def wait_over(self) -> None:
        """Tell that the application has waited for the request long enough."""
    @property
    def is_whole(self) -> bool:
        """Whether all of it is there (`bool`)."""
    @property
    def has_no_room(self) -> bool:
        """Whether it was given up because all requests together had too much (`bool`)."""
    def let_go(self) -> None:
        """Tell that nobody has anything of it any more: it does not count from now on."""
    def take(self) -> bytes | None:
        """Take the bytes, once they are whole; else `None`. They are handed out once."""

@final
class VerdictEvent:
    """A verdict on one exchange, for hooks that count or report.

    `rule` (`Rule`): the row that decided; made for labels, as there are few. `action`
    (`Action`): what it says to do. `method` (`str`): of the request, `*` if unregistered.
    `path` (`str`): its route-like shape, `*` for each part that may be an ID. `status` (`int`):
    what the application answered. `fingerprint` (`str` or `None`): what stands for the session
    ID in this process. `applied` (`bool`): whether the answer was changed; `False` with
    `report_only`, and for rules that are switched off.

    Frozen; two that say the same are equal; its text is a line for a log.

    >>> from mcp_session import Action, Rule
    >>> from mcp_session.asgi import VerdictEvent
    >>> event = VerdictEvent(
    ...     rule=Rule.UNCANONICAL_NOT_FOUND, action=Action.NOT_FOUND_RESPONSE, method="POST",
    ...     path="/mcp", status=404, fingerprint="5d41402abc4b", applied=True,
    ... )
    >>> print(event)
    UncanonicalNotFound: POST /mcp was answered 404; session 5d41402abc4b; corrected

    Source: the rows behind `classify`, on the side of servers.
    """

    __match_args__: Final = (
        "rule",
        "action",
        "method",
        "path",
        "status",
        "fingerprint",
        "applied",
    )
    def __new__(
        cls,
        rule: Rule,
        action: Action,
        method: str,
        path: str,
        status: int,
        fingerprint: str | None,
        applied: bool,
    ) -> Self: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def action(self) -> Action: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def applied(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

def without_session_id(headers: Iterable[tuple[bytes, bytes]], /) -> list[tuple[bytes, bytes]]:
    """The headers without those that bear a session ID, in a new list of the same pairs.

    `headers` is an iterable of pairs of `bytes`. Raises `TypeError` for a wrong type.

    >>> from mcp_session.server import without_session_id
    >>> without_session_id([(b"Mcp-Session-Id", b"1868a90c"), (b"vary", b"origin")])
    [(b'vary', b'origin')]
    """

@final
class RecordedExchange:
    """One exchange of a recording, whole.

    `endpoint` (`str`) is the host, port and path of the request in whatever form tells
    endpoints apart, `query` what followed it behind a `?`. Headers are pairs of `str`; bodies
    are `bytes`, or `None` where they are not known. `status` is `None` where no answer came.
    `sent` and `answered` (`int`) are in any unit that all exchanges of a recording share.

    Frozen. Raises `TypeError` for a wrong type, `ValueError` for a `status` or `method` that
    HTTP does not have. It has no `repr` of its own: headers are credentials.
    """
    def __new__(
        cls,
        method: str,
        endpoint: str,
        query: str,
        request_headers: list[tuple[str, str]],
        request_body: _Bytes | None,
        status: int | None,
        response_headers: list[tuple[str, str]],
        response_body: _Bytes | None,
        *,
        sent: int,
        answered: int,
        remarks: list[str],
    ) -> Self: ...
    @staticmethod
    def parse(
        request: _Bytes, response: _Bytes, *, place: str, sent: int, answered: int
    ) -> RecordedExchange:
        """Read raw HTTP/1.1 bytes. `place` goes before the host of the endpoint.

        Raises `ValueError` with the arguments `"request"` or `"response"`, the byte at which
        its head is broken, and what is wrong there.
        """
    @property
    def method(self) -> str:
        """The HTTP method, as it stood."""
    @property
    def endpoint(self) -> str:
        """The host, port and path."""
    @property
    def status(self) -> int | None:
        """The HTTP status; `None` if no answer came."""
    @property
    def remarks(self) -> list[str]:
        """What is worth saying about the bodies."""
    @property
    def request_body(self) -> bytes | None:
        """The body of the request; `None` where it is not known."""
    @property
    def message(self) -> str | None:
        """The method of the JSON-RPC message that was posted, what else it is, or `None`."""
    def request_header(self, name: str) -> str | None:
        """The first value of a header of the request, or `None`."""
    def response_header(self, name: str) -> str | None:
        """The first value of a header of the response, or `None`."""
    def attached(self, *, side: Side) -> str:
        """Whether a session ID was attached: `no`, `yes` or `ill-formed`."""
    def verdict(self, *, side: Side, quirks: bool) -> Verdict | None:
        """The verdict (`Verdict`); `None` if no answer came."""

@final
class Story:
    """What happened to the sessions of a recording."""
    @property
    def session_of(self) -> tuple[int | None, ...]:
        """Of each exchange, the number of the session that it belongs to, or `None`."""
    @property
    def verdict_of(self) -> tuple[tuple[Action, Rule] | None, ...]:
        """Of each exchange, the verdict of a client that acts on misreports, as its `Action` and
        its `Rule`; `None` where no answer came.
        """
    @property
    def sessions(self) -> tuple[RecordedSession, ...]:
        """The sessions, in the order in which they came up."""
    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was wrong, in the order in which it happened."""

@final
class RecordedSession:
    """One session of a recording."""
    @property
    def id(self) -> str:
        """The ID: a credential."""
    @property
    def is_assigned(self) -> bool:
        """Whether its ID was given out in the recording, or before."""
    @property
    def began(self) -> int:
        """The exchange in which it came up."""
    @property
    def generation(self) -> int:
        """Which session of this ID it is, from 1 on."""
    @property
    def exchanges(self) -> tuple[int, ...]:
        """Its exchanges, in the order in which they were sent."""
    @property
    def served(self) -> int:
        """How many of them were requests that the server served."""
    @property
    def ended(self) -> int | None:
        """The exchange that ended it, or `None`."""
    @property
    def replacement(self) -> int | None:
        """The `initialize` that was sent to replace it, or `None`."""

@final
class Finding:
    """Something that is wrong in a recording."""
    @property
    def claim(self) -> str:
        """The name of the claim."""
    @property
    def party(self) -> str:
        """Who was wrong: `client`, `server` or `gateway`."""
    @property
    def summary(self) -> str:
        """What was wrong, in one sentence."""
    @property
    def quote(self) -> str:
        """The sentence of the specification that the claim rests on."""
    @property
    def url(self) -> str:
        """Where that sentence stands."""
    @property
    def revision(self) -> str:
        """The revision of the specification that it is quoted from."""
    @property
    def session(self) -> int | None:
        """The number of the session that it befell, or `None`."""
    @property
    def exchanges(self) -> tuple[int, ...]:
        """The exchanges that show it."""

@final
class Client:
    """The sessions of one HTTP client.

    Sans-IO: a driver tells it of each request that it is about to send, and does what it
    answers. The options are those of the clients, checked there. `remembered` (`int`): how many
    sessions are remembered.

    >>> from mcp_session.client import Client, Transmit
    >>> body = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
    >>> headers = [(b"host", b"mcp.example"), (b"content-type", b"application/json")]
    >>> run = Client().begin("POST", "https", b"/mcp", headers, body)
    >>> run.step
    Transmit(changes=[], body=None, is_first=True, is_trial=False)

    Source: the laws at the head of the crate's module `client`.
    """
    def __new__(
        cls,
        *,
        quirks: bool = True,
        resend: ResendPolicy = ...,
        bound: int = 2,
        outage_shield: bool = True,
        status_shield: bool = False,
        stream_guard: bool = True,
        misreports: Iterable[tuple[int, str]] = (),
        remembered: int = 4096,
    ) -> Self: ...
    def begin(
        self,
        method: str,
        scheme: str,
        path: bytes,
        headers: Iterable[tuple[bytes, ...]],
        body: bytes | None,
        defaults: Mapping[str, str] | None = None,
        own_auth: bytes | None = None,
        authority: bytes | None = None,
    ) -> RequestRun | Literal[True] | None:
        """Take a request that is about to be sent.

        `method` and `scheme` are `str`, `path` is `bytes`, `headers` an iterable of tuples of
        `bytes`, with the name first and the value last, `body` `bytes`, or `None` where it is
        streamed. `defaults` are the headers of the HTTP client, with a method `get`: credentials
        that stand there too are the client's, not the request's own. `own_auth` (`bytes` or
        `None`) stands for credentials of its own that it will get on its way; only whether they
        are the same counts. `authority` (`bytes` or `None`): the host and port that it is sent to,
        whatever its `Host` says.

        Returns a `RequestRun`; `None` for a request to be sent as if we were not there; `True`
        for one whose body is to be read first. Raises `TypeError` and `ValueError` for wrong
        arguments.
        """
    def knows(self, session: int) -> bool:
        """Say whether the session of this number (`int`) is still kept (`bool`)."""

@final
class RequestRun:
    """One request on its way through its session.

    `step` is what to do next; each method tells what came of that and returns the step after
    it. A context manager: left before its end, it counts as abandoned, and whoever waits for it
    goes on. Raises `AlreadyUsedError` where it does not wait for what it is told.

    >>> from mcp_session.client import RequestRun
    >>> RequestRun.__name__
    'RequestRun'

    Source: law 3 of the crate's module `client`.
    """
    @property
    def step(self) -> _Step:
        """What to do next: the last step that was returned."""
    @property
    def session(self) -> int | None:
        """The number of its session (`int`), or `None` if it is of none."""
    @property
    def is_ordinary(self) -> bool:
        """Whether it neither opens a session nor closes one (`bool`)."""
    @property
    def is_initialize(self) -> bool:
        """Whether it is an `initialize`, which opens a session (`bool`)."""
    @property
    def closes(self) -> bool:
        """Whether it closes its session (`bool`): those who wait are to be woken."""
    @property
    def is_settled(self) -> bool:
        """Whether what a `Hold` waits for has come to its end, or the request itself has (`bool`)."""
    @property
    def is_encoded(self) -> bool:
        """Whether its response says that its body is encoded (`bool`)."""
    @property
    def waits_as(self) -> bytes | None:
        """By what it is known while it is held (`bytes`), or `None`."""
    @property
    def wakes(self) -> bytes | None:
        """Who is to be woken because this request has ended it (`bytes`), or `None`."""
    def response(self, status: int, headers: Iterable[tuple[bytes, ...]]) -> _Step:
        """Take the head of the response: its `status` (`int`) and `headers` (iterable of
        tuples of `bytes`, with the name first and the value last). Whatever is told of its body is
        told decoded.
        """
    def refusal_read(self, body: _Bytes | None) -> _Step:
        """Take the body of a refusal (`bytes`), or `None` if it is not known whole."""
    def answer_read(self, body: bytes) -> _Step:
        """Take an answer that was read whole, decoded (`bytes`)."""
    def answer_cut(self, kind: str) -> _Step:
        """Take that an answer broke off, or could not be decoded, by an error of this type
        (`str`).
        """
    def failed(self, kind: str, *, is_unsent: bool) -> _Step:
        """Take that no response came, by an error of this type (`str`); `is_unsent` (`bool`): the
        server has not seen the request.
        """
    def goes_out(self) -> _Step | None:
        """Take that the request goes out now, before each `Transmit` that is not the first; return
        what is to be done instead, or `None`: one that was called off meanwhile is not sent.
        """
    def hold_over(self, *, timed_out: bool = False) -> _Step:
        """Take the end of a `Hold`, or of the `Lead`'s recovery. `timed_out` (`bool`): it was held
        for too long.
        """
    def wait_over(self) -> _Step:
        """Take the end of a `Wait`."""
    def circuit_cooled(self) -> _Step:
        """Take that the time of a `CircuitOpen` has passed since its number was seen first."""
    def circuit_stands(self) -> _Step:
        """Take that the time of a `CircuitOpen` has not passed."""
    def redirected(
        self, scheme: str, host: str, path: bytes, authority: bytes | None = None
    ) -> None:
        """Take that the caller is led to another place, of the same `scheme` and `host` (`str`) or
        not, at `path` (`bytes`); `authority` as `Client.begin` takes it.
        """
    @property
    def cooldown(self) -> tuple[int, float] | None:
        """The number and the seconds (`float`) of the time in which no new session is made, or
        `None`. It begins when it is there: ask after each recovery, and each response that is no
        success.
        """
    def abandon(self) -> None:
        """Take that nothing will come of the request."""
    def events(self) -> list[tuple[Any, ...]]:
        """Hand out what happened to the session: a list of tuples, oldest first. Of an ID they have
        the fingerprint.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Transmit:
    """Send the request; then tell of the response or of the failure.

    `changes` (list of pairs): headers that differ from the request's own, by their names in
    lower case (`str`), with the value (`str`) or `None` where one does not go out. `body`
    (`bytes` or `None`): the body, where it is another than the request's own. `is_first`
    (`bool`): whether it goes out for the first time, before anything was waited for. `is_trial`
    (`bool`): whether others wait for its outcome, and are to be woken by it. `is_unchanged`
    (`bool`): whether it goes out as its caller made it, for the first time, and nobody waits.

    >>> from mcp_session.client import Transmit
    >>> Transmit.__match_args__
    ('changes', 'body', 'is_first', 'is_trial')

    Source: laws 1 and 2 of the crate's module `client`.
    """

    __match_args__: Final = ("changes", "body", "is_first", "is_trial")
    @property
    def changes(self) -> list[tuple[str, str | None]]: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def is_first(self) -> bool: ...
    @property
    def is_trial(self) -> bool: ...
    @property
    def is_unchanged(self) -> bool: ...

@final
class Read:
    """Read the refusal in hand, then tell of it by `refusal_read`.

    `limit` (`int`, bytes, decoded) and `seconds` (`float`): how much of it, and for how long.

    >>> from mcp_session.client import Read
    >>> Read.__match_args__
    ('limit', 'seconds')

    Source: law 8 of the crate's module `client`.
    """

    __match_args__: Final = ("limit", "seconds")
    @property
    def limit(self) -> int: ...
    @property
    def seconds(self) -> float: ...

@final
class ReadAnswer:
    """Read the answer in hand whole, decoded, then tell of it by `answer_read` or `answer_cut`.

    >>> from mcp_session.client import ReadAnswer
    >>> ReadAnswer.__name__
    'ReadAnswer'

    Source: law 4 of the crate's module `client`.
    """

@final
class HeldBack:
    """Wait until the recovery is over, then ask `hold_over`.

    `recovery` (`int`): its number.

    >>> from mcp_session.client import HeldBack
    >>> HeldBack.__match_args__
    ('recovery',)

    Source: guarantee 2 of `Session`.
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> int: ...

@final
class Recover:
    """Make a new session, then ask `hold_over`.

    `recovery` (`RecoveryRun`): what is to be sent, and to be told of.

    >>> from mcp_session.client import Recover
    >>> Recover.__match_args__
    ('recovery',)

    Source: guarantee 3 of `Session`.
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> RecoveryRun: ...

@final
class Wait:
    """Wait so many `seconds` (`float`), or until a new session stands; then ask `wait_over`.

    >>> from mcp_session.client import Wait
    >>> Wait.__match_args__
    ('seconds',)

    Source: law 3 of the crate's module `client`.
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float: ...

@final
class CircuitOpen:
    """Ask `circuit_cooled` if `seconds` (`float`) have passed since this `number` (`int`) was seen
    first; else `circuit_stands`.

    >>> from mcp_session.client import CircuitOpen
    >>> CircuitOpen.__match_args__
    ('number', 'seconds')

    Source: guarantee 5 of `Session`.
    """

    __match_args__: Final = ("number", "seconds")
    @property
    def number(self) -> int: ...
    @property
    def seconds(self) -> float: ...

@final
class Handover:
    """Hand on the response.

    `alias` (`str` or `None`): the ID that the caller sees in place of the server's. `body`
    (`bytes` or `None`): the body, where it is another than the server's. `watch` (`Watch` or
    `None`): what its stream goes through. `orphan` (`str` or `None`): an ID to DELETE. `is_plain`
    (`bool`): whether there is nothing to do but that, and to let its stream go through `watch`.

    >>> from mcp_session.client import Handover
    >>> Handover.__match_args__
    ('alias', 'body', 'watch', 'orphan')

    Source: law 3 of the crate's module `client`.
    """

    __match_args__: Final = ("alias", "body", "watch", "orphan")
    @property
    def alias(self) -> str | None: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def watch(self) -> Watch | None: ...
    @property
    def orphan(self) -> str | None: ...
    @property
    def is_plain(self) -> bool: ...

@final
class LocalAnswer:
    """Answer the caller with a response that is made here.

    `status` (`int`), `content_type` (`str` or `None`), `body` (`bytes`).

    >>> from mcp_session.client import LocalAnswer
    >>> LocalAnswer.__match_args__
    ('status', 'content_type', 'body')

    Source: laws 4 and 7 of the crate's module `client`.
    """

    __match_args__: Final = ("status", "content_type", "body")
    @property
    def status(self) -> int:
        """The HTTP status (`int`)."""
    @property
    def content_type(self) -> str | None:
        """The value of `Content-Type` (`str`), or `None` where there is no body."""
    @property
    def body(self) -> bytes:
        """The body (`bytes`)."""

@final
class Raise:
    """Let the caller have the failure as it came.

    >>> from mcp_session.client import Raise
    >>> Raise.__name__
    'Raise'

    Source: law 5 of the crate's module `client`.
    """

_Step: TypeAlias = (
    Transmit
    | Read
    | ReadAnswer
    | HeldBack
    | Recover
    | Wait
    | CircuitOpen
    | Handover
    | LocalAnswer
    | Raise
)

@final
class RecoveryRun:
    """A recovery under way: the messages that make a new session, one after the other.

    `number` (`int`): by which those who wait for it are woken. A context manager: left before
    its end, it hands over to one of those who wait.

    >>> from mcp_session.client import RecoveryRun
    >>> RecoveryRun.__name__
    'RecoveryRun'

    Source: guarantee 3 of `Session`.
    """
    @property
    def number(self) -> int:
        """The number by which those who wait for it are woken (`int`)."""
    def message(self) -> RecoveryMessage:
        """The message to send now (`RecoveryMessage`)."""
    def response(
        self, status: int, headers: Iterable[tuple[bytes, ...]]
    ) -> RecoveryMessage | ReadAnswer | RecoveryEnd:
        """Take the head of the response: its `status` (`int`) and `headers` (iterable of
        tuples of `bytes`, with the name first and the value last).
        """
    def piece(self, piece: bytes) -> bool:
        """Take a piece of the body, decoded (`bytes`); say whether more is wanted (`bool`)."""
    def body_ended(self) -> RecoveryMessage | RecoveryEnd:
        """Take that the body has come to its end, or is not read any further."""
    def failed(self, kind: str | None) -> RecoveryMessage | RecoveryEnd:
        """Take that no answer came, by an error of this type (`str`), or in time (`None`)."""
    def events(self) -> list[tuple[Any, ...]]:
        """Hand out what happened to the session: a list of tuples, oldest first. Of an ID they have
        the fingerprint.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class RecoveryMessage:
    """A message of ours to send by POST; then tell of the response or of the failure.

    `body` (`bytes`), `session_id` and `protocol_version` (`str` or `None`): what it bears. What
    else goes out with it is what the opener of the session sent.

    >>> from mcp_session.client import RecoveryMessage
    >>> RecoveryMessage.__match_args__
    ('body', 'session_id', 'protocol_version')

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """

    __match_args__: Final = ("body", "session_id", "protocol_version")
    @property
    def body(self) -> bytes: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def protocol_version(self) -> str | None: ...

@final
class RecoveryEnd:
    """A recovery is over; those who wait for it are to be woken.

    `has_replaced` (`bool`): whether a new session stands; streams of those before it are to be
    ended. `orphan` (`str` or `None`): an ID to DELETE.

    >>> from mcp_session.client import RecoveryEnd
    >>> RecoveryEnd.__match_args__
    ('has_replaced', 'orphan')

    Source: guarantee 2 of `Session`.
    """

    __match_args__: Final = ("has_replaced", "orphan")
    @property
    def has_replaced(self) -> bool: ...
    @property
    def orphan(self) -> str | None: ...

@final
class Watch:
    """A stream of events on its way to its reader.

    >>> from mcp_session.client import Watch
    >>> Watch.__name__
    'Watch'

    Source: law 6 of the crate's module `client`.
    """
    @property
    def is_outlived(self) -> bool:
        """Whether the session of its stream has been replaced (`bool`): end it by `outlived`."""
    def piece(self, piece: bytes) -> bytes:
        """Take what came in, decoded (`bytes`); return what goes out (`bytes`, which may be
        empty).
        """
    def ended(self, kind: str | None, *, lived: float = 0.0) -> bytes:
        """Take the end of the stream: clean (`None`), or cut by an error of this type (`str`).
        `lived` (`float`): for how many seconds the stream of a GET was open. Returns the last
        that goes out (`bytes`).
        """
    def outlived(self) -> bytes:
        """Take that the stream is ended because another session stands. Returns the last that
        goes out (`bytes`).
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

def diagnose(exchanges: list[RecordedExchange]) -> Story:
    """Tell what happened to the sessions of a recording.

    `exchanges` is a list of `RecordedExchange`, in any order. Returns a `Story`, in which they
    are numbered from 0 as they were given.
    """

@final
class Replica:
    """What one process knows of the sessions of an application that runs in several: its lease,
    and the sessions that it owns.

    Sans-IO, and made for any number of threads and event loops of one process. `identity`
    (`str`): one that no other process has or had, random for each start. `key` (`bytes`, at
    least 16): the secret of the table. `restore` (`bool`): whether a session goes on in another
    process when its owner is gone. `durable` (`bool`): whether the table cannot lose what it has
    while its processes live on, as a file cannot; where it can, what it does not know is 503 for
    a while after it may have. `echo_id` (`bool`): whether the answers made here repeat the
    request's id. `requires_session` (`bool`): whether a request without a session header is
    refused, as by a server that requires a session; else the application gets it as it came.
    `max_sessions` (`int`) and `max_bytes` (`int`): how much is remembered of them.

    Raises `ValueError` for a `key` that is too short and an `identity` that is empty.

    >>> from mcp_session.replica import ReadBody, Replica
    >>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
    >>> replica.renewed(lapsed=True)
    >>> with replica.begin("POST", [(b"mcp-session-id", b"1868a90c")]) as run:
    ...     run.step, run.body_read(b'{"id":1,"method":"tools/list"}')
    (<ReadBody>, <Find>)

    Source: the laws at the head of the crate's module `sessions`.
    """

    def __new__(
        cls,
        identity: str,
        key: _Bytes,
        *,
        restore: bool = True,
        durable: bool = False,
        echo_id: bool = True,
        requires_session: bool = True,
        max_sessions: int = 100_000,
        max_bytes: int = 0x10000000,
    ) -> Self: ...
    @property
    def identity(self) -> str:
        """The identity of this process (`str`)."""
    def renewed(self, *, lapsed: bool) -> None:
        """Tell that the table has answered a renewal of the heartbeat, in time by the monotonic
        clock from before it was sent. `lapsed` (`bool`): whether the lease had been over, or was
        not there.
        """
    def renewal_failed(self) -> None:
        """Tell that a renewal was not answered, or too late."""
    def lease_over(self) -> None:
        """Tell that the lease is over by the monotonic clock, less a margin: before each call of
        this and of a run, as a process that was paused wakes anywhere. To tell it again until
        the lease is renewed changes nothing.
        """
    @property
    def lease_is_fresh(self) -> bool:
        """Whether the lease stands, as far as this process knows (`bool`)."""
    @property
    def owned_sessions(self) -> int:
        """How many sessions it owns (`int`)."""
    def upkeep(self) -> SessionRun | None:
        """Begin with a session that has to be confirmed or written (`SessionRun`), to be driven to
        `Done`; `None` where there is none.
        """
    def take_used(self) -> list[bytes]:
        """Take the keys (list of `bytes`) of sessions that were used: their entries are to live on.
        At most 1,000 at once.
        """
    def note_running(self) -> None:
        """Tell that it is time to let the entries of sessions in use live on: of which something
        runs counts as used.
        """
    def missing(self, keys: Iterable[bytes], /) -> None:
        """Tell which of those entries the table does not have (iterable of `bytes`): it has lost
        them.
        """
    def look_after(self) -> list[bytes]:
        """Begin a round of looks at the processes that requests wait for, about twice in the time of
        a lease. Returns the keys (list of `bytes`) to look up; each is told by `looked_after`.
        """
    def looked_after(self, key: bytes, owner: str, claim: int, /, *, alive: bool) -> None:
        """Tell what the table has of such a session: `owner` (`str`), `claim` (`int`), and `alive`
        (`bool`), whether the lease of the owner stands. A table that does not answer, or has no
        entry, says nothing.
        """
    def take_fenced(self) -> list[int]:
        """Take the numbers of the runs (list of `int`) that have to end: of a session that was lost
        to another process, or that wait for one in vain. Of each is told that it was
        `interrupted`, or that its body broke off.
        """
    def drain(self) -> list[int]:
        """Open and claim nothing from now on. Returns the numbers of the runs (list of `int`) of
        streams that are to be ended, those included that another process serves.
        """
    @property
    def can_withdraw(self) -> bool:
        """Whether the lease may be given up (`bool`): it drains, and nothing runs any more."""
    def begin(
        self,
        method: str,
        headers: Iterable[tuple[bytes, bytes]],
        query: _Bytes = b"",
        *,
        user: str | None = None,
        issuer: str | None = None,
        client: str | None = None,
        subject: str | None = None,
    ) -> SessionRun:
        """Begin with the head of a request (`SessionRun`).

        `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as they
        came. `user`, `issuer`, `client` and `subject` (`str` or `None`): all that is known of who
        asks, by the authentication and by the token. The credential itself is taken from the
        headers. A `method` that MCP does not use, in whatever letters, is no matter of a session.
        Raises `TypeError` for a wrong type.
        """

@final
class SessionRun:
    """One request of an application that runs in several processes.

    Made by `Replica.begin`. Each method takes what came of the last step, and returns the next,
    which is `step` as well. A context manager: leaving it ends the request, however it went.
    Raises `AlreadyUsedError` where it does not wait for what it is told.

    Source: the laws at the head of the crate's module `sessions`.
    """

    @property
    def number(self) -> int:
        """Its number (`int`)."""
    @property
    def session_id(self) -> bytes | None:
        """The ID that it bears (`bytes` or `None`), in the one spelling that is looked up."""
    @property
    def step(self) -> _ReplicaStep:
        """What to do now."""
    @property
    def is_taking(self) -> bool:
        """Whether it claims, restores or writes its session, so that others wait for it (`bool`)."""
    def body_read(self, body: _Bytes | None, /) -> _ReplicaStep:
        """Tell of the body of the request (`bytes`); of `None` if it was too long, too slow, or
        broke off.
        """
    def no_room_for_body(self) -> _ReplicaStep:
        """Tell that there was no room for the body of the request, among those of all others."""
    def found(
        self, entry: tuple[int, str, bytes] | None, addresses: bytes | None, /
    ) -> _ReplicaStep:
        """Tell what the table has of the session: `entry` (claim, `int`; owner, `str`; value,
        `bytes`), or `None`; and `addresses` (`bytes`), as its owner has announced them, or `None`
        if the lease of that is over.
        """
    def renewed(self, *, lapsed: bool) -> _ReplicaStep:
        """Tell that the table has renewed the lease; `lapsed` (`bool`) as for the replica."""
    def swapped(self, won: bool, /) -> _ReplicaStep:
        """Tell whether the entry was written (`bool`)."""
    def table_failed(self) -> _ReplicaStep:
        """Tell that the table could not be asked, or did not answer in time."""
    def forward_answered(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], /
    ) -> _ReplicaStep:
        """Tell of the head of what the owner has answered: `status` (`int`), `headers` (iterable of
        pairs of `bytes`).
        """
    def forward_failed(self, how: ForwardFailure, /) -> _ReplicaStep:
        """Tell how the request did not come to its owner (`ForwardFailure`)."""
    def head_goes_out(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> bool:
        """Tell of the head of the response that goes out to the client: `status` (`int`), `headers`
        (iterable of pairs of `bytes`). Returns whether its body is to be told of (`bool`).
        """
    def piece_goes_out(self, piece: _Bytes, /) -> bool:
        """Tell of a piece of that body (`bytes`). Returns whether what follows is to be told of
        (`bool`).
        """
    def body_ended(self) -> bytes | None:
        """What goes out before the end of a body that the application has ended (`bytes`): an error
        for each request that was not answered. `None` where there is nothing to add.
        """
    def body_broke_off(self, *, upstream: bool = False) -> bytes | None:
        """What goes out at the end of a body that broke off, was left without an end, or is ended
        from outside (`bytes`). `None` where nothing can make it whole. `upstream` (`bool`):
        whether it broke off behind the application, which has its answers from elsewhere.
        """
    def interrupted(self) -> _ReplicaStep:
        """Tell that the request is ended from outside before anything of its answer went out."""
    def ended_in_app(self) -> _ReplicaStep:
        """Tell that the application was told to end a session, whatever it has said to that."""
    def hold_over(self) -> _ReplicaStep:
        """Tell that the other run is taking no more, or has taken long enough."""
    def wait_over(self) -> _ReplicaStep:
        """Tell that the wait is over."""
    def restore_answered(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], body: _Bytes, /
    ) -> _ReplicaStep:
        """Tell what the application has answered to a message of ours: `status` (`int`), `headers`
        (iterable of pairs of `bytes`), `body` (`bytes`, decoded; of a stream so much that the
        answer is in it).
        """
    def restore_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> None:
        """Tell of the head of what the application answers to a message of ours, as it comes:
        `status` (`int`), `headers` (iterable of pairs of `bytes`).
        """
    def restore_piece(self, piece: _Bytes, /) -> bool:
        """Tell of a piece of that answer (`bytes`). Returns whether it has brought the message that
        is waited for (`bool`): a stream may stay open behind that.
        """
    def announced(self) -> _ReplicaStep:
        """Tell that whoever wanted to know of the restored session knows."""
    def restore_failed(self) -> _ReplicaStep:
        """Tell that the application did not answer a message of ours: it raised, or took too long."""
    def answer_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> _ReplicaStep:
        """Tell of the head of what the application answers: `status` (`int`), `headers` (iterable of
        pairs of `bytes`).
        """
    def answer_piece(self, piece: _Bytes, /, *, more: bool) -> _ReplicaStep:
        """Tell of a piece of what the application answers (`bytes`), and whether more follows
        (`bool`). Where the answer broke off, the last piece is empty.
        """
    def answer_begun(self) -> None:
        """Tell that the application has begun to answer, and knew the session."""
    def app_forgot(self) -> _ReplicaStep:
        """Tell that the application does not know the session that it was given, so that nothing of
        the request was run. In the place of its answer comes what the step says.
        """
    def finish(self) -> None:
        """Tell that the request is over, however it ended."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class ReadBody:
    """Read the body of the request, at most `limit` (`int`) bytes of it; then `body_read`.
    `patience` (`int`): how long that may take, in times of what a client should be kept waiting.

    >>> from mcp_session.replica import ReadBody
    >>> ReadBody.__match_args__
    ('limit', 'patience')

    Source: law 6 of the crate's module `sessions`.
    """

    __match_args__: Final = ("limit", "patience")
    @property
    def limit(self) -> int: ...
    @property
    def patience(self) -> int: ...

@final
class Find:
    """Look up the entry with this `key` (`bytes`); then `found`, or `table_failed`.

    >>> from mcp_session.replica import Find
    >>> Find.__match_args__
    ('key',)

    Source: law 3 of the crate's module `sessions`.
    """

    __match_args__: Final = ("key",)
    @property
    def key(self) -> bytes: ...

@final
class Swap:
    """Write an entry if its claim is the expected one; then `swapped`, or `table_failed`.

    `key` (`bytes`); `expected` (`int`, or `None` where there has to be nothing); `claim` (`int`),
    `owner` (`str`) and `value` (`bytes`) of the entry; `live` (`bool`): else it is a tombstone,
    which has a time of its own.

    >>> from mcp_session.replica import Swap
    >>> Swap.__match_args__
    ('key', 'expected', 'claim', 'owner', 'value', 'live')

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "key",
        "expected",
        "claim",
        "owner",
        "value",
        "live",
    )
    @property
    def key(self) -> bytes: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def claim(self) -> int: ...
    @property
    def owner(self) -> str: ...
    @property
    def value(self) -> bytes: ...
    @property
    def live(self) -> bool: ...

@final
class Forward:
    """Send the request to its owner, with a header added; then `forward_answered`, or
    `forward_failed`.

    `addresses` (`bytes`): as the owner has announced them. `owner` (`str`): its identity. `hop`
    (pair of `bytes`): the header.

    >>> from mcp_session.replica import Forward
    >>> Forward.__match_args__
    ('addresses', 'owner', 'hop')

    Source: law 4 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "addresses",
        "owner",
        "hop",
    )
    @property
    def addresses(self) -> bytes: ...
    @property
    def owner(self) -> str: ...
    @property
    def hop(self) -> tuple[bytes, bytes]: ...

@final
class AwaitRun:
    """Wait until the run of this number, `taking` (`int`), is taking no more; then `hold_over`.

    >>> from mcp_session.replica import AwaitRun
    >>> AwaitRun.__match_args__
    ('taking',)

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = ("taking",)
    @property
    def taking(self) -> int: ...

@final
class Pause:
    """Wait so many `seconds` (`float`); then `wait_over`.

    >>> from mcp_session.replica import Pause
    >>> Pause.__match_args__
    ('seconds',)

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float: ...

@final
class RestoreInApp:
    """POST a message of ours to the application; then `restore_answered`, or `restore_failed`.

    `body` (`bytes`); `session_id` (`bytes` or `None`): the ID to attach. The other headers are
    those of the request at hand.

    >>> from mcp_session.replica import RestoreInApp
    >>> RestoreInApp.__match_args__
    ('body', 'session_id')

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "body",
        "session_id",
    )
    @property
    def body(self) -> bytes: ...
    @property
    def session_id(self) -> bytes | None: ...

@final
class Announce:
    """Tell whoever fills a session again that it was restored, and wait for that; then `announced`.

    `session_id` (`bytes`): the ID by which the application knows the session.

    >>> from mcp_session.replica import Announce
    >>> Announce.__match_args__
    ('session_id',)

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes: ...

@final
class EndInApp:
    """DELETE this session in the application; then `ended_in_app`.

    `session_id` (`bytes`): the ID to attach. The other headers are those of the request at hand.

    >>> from mcp_session.replica import EndInApp
    >>> EndInApp.__match_args__
    ('session_id',)

    Source: law 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes: ...

@final
class RunApp:
    """Let the application run the request.

    `session_id` (`bytes` or `None`): what stands in its session header. `keeps_header` (`bool`):
    whether that stays as it came instead. `restored` (`bool`): whether the session was restored
    for this request. `watches` (`bool`): whether to tell of what the application answers.

    >>> from mcp_session.replica import RunApp
    >>> RunApp.__match_args__
    ('session_id', 'keeps_header', 'restored', 'watches')

    Source: laws 1 and 8 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "session_id",
        "keeps_header",
        "restored",
        "watches",
    )
    @property
    def session_id(self) -> bytes | None: ...
    @property
    def keeps_header(self) -> bool: ...
    @property
    def restored(self) -> bool: ...
    @property
    def watches(self) -> bool: ...

@final
class Reply:
    """Answer so; what was kept back of another answer is thrown away.

    `status` (`int`), `headers` (list of pairs of `bytes`), `body` (`bytes`).

    >>> from mcp_session.replica import Reply
    >>> Reply.__match_args__
    ('status', 'headers', 'body')

    Source: law 5 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "status",
        "headers",
        "body",
    )
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...

@final
class Pass:
    """Send what was kept back and the message at hand. Nothing more is told.

    `session_id` (`bytes` or `None`): what stands in the place of the application's own in the
    session header, where there is one.

    >>> from mcp_session.replica import Pass
    >>> Pass.__match_args__
    ('session_id',)

    Source: laws 8 and 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes | None: ...

@final
class Renew:
    """Renew the lease of this process; then `renewed`, or `table_failed`. No two renewals of a
    process are under way at once, those of its heartbeat included: one may tell all that have
    asked for one before it was sent.

    >>> from mcp_session.replica import Renew
    >>> Renew.__name__
    'Renew'

    Source: laws 2 and 5 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class RelayRestored:
    """Give the client what the application has answered to the last message of ours, without its
    session header.

    >>> from mcp_session.replica import RelayRestored
    >>> RelayRestored.__name__
    'RelayRestored'

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class Relay:
    """Give the client what the owner answers, unchanged.

    >>> from mcp_session.replica import Relay
    >>> Relay.__name__
    'Relay'

    Source: law 4 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class KeepBack:
    """Keep the message at hand back, and tell of the next.

    >>> from mcp_session.replica import KeepBack
    >>> KeepBack.__name__
    'KeepBack'

    Source: law 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class Done:
    """There is nothing to answer: it was upkeep.

    >>> from mcp_session.replica import Done
    >>> Done.__name__
    'Done'

    Source: law 10 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

_ReplicaStep: TypeAlias = (
    ReadBody
    | Find
    | Renew
    | Swap
    | Forward
    | AwaitRun
    | Pause
    | RestoreInApp
    | Announce
    | EndInApp
    | RunApp
    | Reply
    | RelayRestored
    | Relay
    | Pass
    | KeepBack
    | Done
)
