"""Around an ASGI application: what it answers to a lost session becomes the canonical answer.

`SessionMiddleware` looks at each exchange with a server's eyes, `classify(..., side=Side.SERVER)`,
and does what the verdict says. Everything else passes as it is: the same messages in the same
order, none of them kept back.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from math import isfinite
from typing import Any, TypeAlias, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from mcp_session._core import Answer, ServedExchange, Verdict, not_found_response
from mcp_session._enums import Action
from mcp_session._fingerprint import fingerprint
from mcp_session._rules import Rule

__all__ = ["SessionMiddleware", "VerdictEvent"]

# ASGI's own types, as asgiref and Starlette have them, so that either's applications fit.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_Callable = TypeVar("_Callable", bound=Callable[..., object])


@dataclass(frozen=True)
class VerdictEvent:
    """A verdict on one exchange, for hooks that count or report.

    `rule` (`Rule`): the row that decided; made for labels, as there are few. `action`
    (`Action`): what it says to do. `method` and `path` (`str`): of the request, escaped and cut
    so that they are safe to log; clients choose them, so they are no labels. `status` (`int`):
    what the application answered. `fingerprint` (`str` or `None`): what stands for the session
    ID in this process. `applied` (`bool`): whether the answer was changed; `False` with
    `report_only`, and for rules that are switched off.

    >>> from mcp_session import Action, Rule
    >>> from mcp_session.asgi import VerdictEvent
    >>> event = VerdictEvent(
    ...     rule=Rule.UNCANONICAL_NOT_FOUND, action=Action.NOT_FOUND_RESPONSE, method="POST",
    ...     path="/mcp", status=404, fingerprint="5d41402abc4b", applied=True,
    ... )
    >>> event.rule.value
    'UncanonicalNotFound'

    Source: the rows behind `classify`, on the side of servers.
    """

    rule: Rule
    action: Action
    method: str
    path: str
    status: int
    fingerprint: str | None
    applied: bool


class SessionMiddleware:
    """Corrects what an ASGI application answers to a terminated or unknown session.

    `app` is any ASGI 3 application: a server of MCP over Streamable HTTP or HTTP+SSE, or a proxy
    to one. The options:

    - `paths` (collection of `str`, default all): the paths it applies to, as they stand in
      `scope["path"]`, so with what the application is mounted below; `/mcp/*` is everything
      below `/mcp/`. Other paths are not looked at.
    - `echo_id` (`bool`): whether the answers made here repeat the request's id. See
      `not_found_response` for who is helped by which.
    - `max_request_bytes` (`int`, bytes) and `request_timeout` (`float`, seconds): how much of a
      request, and for how long, is read to learn its id where the application answers without
      reading it. Beyond either, the answer has no id.
    - `max_response_bytes` (`int`, bytes): how much of an answer is held back while its body may
      still say that the session is gone. Beyond it, the body counts as not known.
    - `disabled_rules` (iterable of `Rule`, or of their values): the corrections to leave out. An
      ID on an error is withheld whichever else are, unless `Rule.SESSION_ID_ON_ERROR` is one.
    - `report_only` (`bool`): changes nothing, holds nothing back and waits for nothing; every
      exchange is classified, counted and given to the hook.
    - `on_verdict` (callable of `VerdictEvent`): called for each verdict that is not plain
      pass-through, before the answer goes out. What it raises is logged, no more.

    `counts` (`Counter[Rule]`) counts every exchange by the rule that decided it. Corrections are
    logged to `mcp_session.asgi` with level DEBUG, what `report_only` reports with INFO. Raises
    `TypeError` and `ValueError` for options that make no sense.

    >>> from mcp_session import Rule
    >>> from mcp_session.asgi import SessionMiddleware
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 404, "headers": []})
    ...     await send({"type": "http.response.body", "body": b"Could not find session"})
    >>> middleware = SessionMiddleware(app)
    >>> async def exchange():
    ...     scope = {"type": "http", "method": "POST", "path": "/messages/"}
    ...     scope |= {"query_string": b"session_id=889dd8e2", "headers": []}
    ...     async def receive():
    ...         return {"type": "http.request", "body": b'{"id": 7, "method": "tools/list"}'}
    ...     async def send(message):
    ...         print(message.get("status") or message["body"])
    ...     await middleware(scope, receive, send)
    >>> import anyio
    >>> anyio.run(exchange)
    404
    b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'
    >>> middleware.counts[Rule.UNCANONICAL_NOT_FOUND]
    1

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

    def __init__(  # noqa: PLR0913 - what there is to choose
        self,
        app: Application,
        *,
        paths: Collection[str] | None = None,
        echo_id: bool = True,
        max_request_bytes: int = 4 * 1024 * 1024,
        request_timeout: float = 5.0,
        max_response_bytes: int = 64 * 1024,
        disabled_rules: Iterable[Rule | str] = (),
        report_only: bool = False,
        on_verdict: Callable[[VerdictEvent], object] | None = None,
    ) -> None:
        """Put it around an application, with the options of the class."""
        self.app = _checked_callable("app", app)
        self.counts: Counter[Rule] = Counter()
        self._paths = None if paths is None else _checked_paths("paths", paths)
        self._options = _Options(
            echo_id=_checked_flag("echo_id", echo_id),
            max_request_bytes=_checked_count("max_request_bytes", max_request_bytes),
            request_timeout=_checked_seconds("request_timeout", request_timeout),
            max_response_bytes=_checked_count("max_response_bytes", max_response_bytes),
            disabled_rules=_checked_rules("disabled_rules", disabled_rules),
            report_only=_checked_flag("report_only", report_only),
            on_verdict=None if on_verdict is None else _checked_callable("on_verdict", on_verdict),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one connection, as ASGI servers do."""
        if scope["type"] != "http" or (self._paths and not self._paths.cover(scope["path"])):
            await self.app(scope, receive, send)
            return
        request = _RequestBody(receive, self._options.max_request_bytes)
        exchange = _Exchange(self._options, self.counts, scope, request, send)
        try:
            await self.app(scope, request.receive, exchange.send)
        except Exception:
            # What is held back goes out before the error, as it would have without us.
            with suppress(OSError):
                await exchange.end()
            raise
        await exchange.end()


_logger = logging.getLogger(__name__)

# What a server's verdict can change an answer by; the tests hold this against the table.
_CORRECTIONS = frozenset(
    rule
    for rule in Rule
    if rule in {Rule.UNCANONICAL_NOT_FOUND, Rule.SESSION_ID_ON_ERROR}
    or rule.value.startswith("Misreport")
)

# A message costs memory beyond its bytes: one of fewer bytes counts as one of so many.
_LEAST_MESSAGE_BYTES = 64

_SHORT_REQUEST_BYTES = 4 * 1024
_SWALLOWED_AT_ONCE = 16
_SHOWN_LENGTH = 200


@dataclass(frozen=True)
class _Options:
    echo_id: bool
    max_request_bytes: int
    request_timeout: float
    max_response_bytes: int
    disabled_rules: frozenset[Rule]
    report_only: bool
    on_verdict: Callable[[VerdictEvent], object] | None


class _State(Enum):
    """How far an answer has come."""

    WAITING = auto()
    """The application has not answered yet."""
    HOLDING = auto()
    """Its answer is held back, because its body may matter."""
    COPYING = auto()
    """Its answer goes out, and its body is looked at on the way."""
    PASSING = auto()
    """What is left of its answer goes out as it is."""
    REPLACED = auto()
    """Another answer has gone out."""


# Named once: up to CPython 3.11, to ask a class for a member runs Python each time.
_WAITING, _HOLDING, _COPYING = _State.WAITING, _State.HOLDING, _State.COPYING
_PASSING, _REPLACED = _State.PASSING, _State.REPLACED
_PASS_THROUGH = Action.PASS_THROUGH
_SESSION_ID_ON_ERROR = Rule.SESSION_ID_ON_ERROR


class _Exchange:
    """One request, and what the application answers to it."""

    __slots__ = (
        "_body",
        "_counts",
        "_facts",
        "_held",
        "_held_bytes",
        "_look_again_at",
        "_method",
        "_options",
        "_path",
        "_query",
        "_request",
        "_request_body",
        "_request_headers",
        "_send",
        "_start",
        "_state",
        "_swallowed",
    )

    def __init__(
        self,
        options: _Options,
        counts: Counter[Rule],
        scope: Scope,
        request: "_RequestBody",
        send: Send,
    ) -> None:
        """Stand between an application and the server."""
        self._options = options
        self._counts = counts
        self._request = request
        self._send = send
        self._state = _WAITING
        # Taken now: what is mounted inside may change the scope.
        self._method: str = scope["method"]
        self._path: str = scope["path"]
        self._query: bytes = scope.get("query_string") or b""
        self._request_headers: Iterable[tuple[bytes, bytes]] = scope["headers"]

    def send(self, message: Message) -> Awaitable[None]:
        """Stand in for the server's `send`; once decided, without so much as a frame."""
        state = self._state
        if state is _PASSING:
            return self._send(message)
        if state is _WAITING:
            if message["type"] == "http.response.start":
                return self._begin(message)
            # Before an answer come early hints, pushes and the like.
            return self._send(message)
        return self._swallow() if state is _REPLACED else self._watch(message)

    async def end(self) -> None:
        """Conclude an answer whose body was cut off."""
        if self._state is _HOLDING or self._state is _COPYING:
            for held in self._conclude(self._facts.verdict(self._request_body, None)):
                await self._send(held)

    async def _begin(self, start: Message) -> None:
        headers: Iterable[tuple[bytes, bytes]] = start.get("headers", ())
        if not isinstance(headers, (list, tuple)):
            # ASGI allows any iterable, and one that was looked at is used up.
            headers = list(headers)
            start = {**start, "headers": headers}
        try:
            facts = ServedExchange(
                self._method, self._request_headers, self._query, start["status"], headers
            )
        except ValueError:
            # No method or no status that HTTP has: for the server to refuse.
            self._request.forget()
            self._state = _PASSING
            await self._send(start)
            return
        self._start = start
        self._facts = facts
        request_body = self._request.body
        # To look at a short body costs less than to ask whether to.
        if request_body is None or len(request_body) > _SHORT_REQUEST_BYTES:
            request_body = None
            if facts.needs_request_body():
                if not self._options.report_only:
                    await self._request.read(self._options.request_timeout)
                request_body = self._request.body
        self._request.forget()
        self._request_body = request_body
        self._held: list[Message] = [start]
        verdict = facts.verdict_so_far(request_body, b"")
        if verdict is not None:
            for held in self._conclude(verdict):
                await self._send(held)
            return
        self._body: bytes | bytearray = b""
        self._held_bytes = self._look_again_at = 0
        if self._options.report_only:
            self._state = _COPYING
            await self._send(start)
        else:
            self._state = _HOLDING

    async def _watch(self, message: Message) -> None:
        if self._state is _COPYING:
            await self._send(message)
        else:
            self._held.append(message)
        verdict = self._verdict_with(message)
        if verdict is not None:
            for held in self._conclude(verdict):
                await self._send(held)

    def _verdict_with(self, message: Message) -> Verdict | None:
        """Give the verdict if this message settles it."""
        if message["type"] != "http.response.body":
            # As far as is known: of a file by its path, say, the server has the body.
            return self._facts.verdict(self._request_body, None)
        piece: bytes = message.get("body", b"")
        self._body = _joined(self._body, piece)
        if not message.get("more_body"):
            return self._facts.verdict(self._request_body, self._body)
        self._held_bytes += max(len(piece), _LEAST_MESSAGE_BYTES)
        if self._held_bytes > self._options.max_response_bytes:
            return self._facts.verdict(self._request_body, None)
        if len(self._body) < self._look_again_at:
            return None
        # Looking at each doubling keeps the time linear, whatever the pieces.
        self._look_again_at = 2 * len(self._body)
        return self._facts.verdict_so_far(self._request_body, self._body)

    async def _swallow(self) -> None:
        self._swallowed += 1
        if self._swallowed % _SWALLOWED_AT_ONCE == 0:
            # Whoever sends into the void without end lets others run all the same.
            await checkpoint()

    def _conclude(self, verdict: Verdict) -> list[Message]:
        """Do what the verdict says; return what goes out."""
        held, self._held = self._held, []
        self._request_body = None
        self._counts[verdict.rule] += 1
        is_out = self._state is _COPYING
        self._state = _PASSING
        options, forwards = self._options, verdict.forward_session_id
        corrects = verdict.action is not _PASS_THROUGH or not forwards
        if not corrects and not options.report_only:
            return held
        answer = verdict.response
        acts = not options.report_only
        # Two corrections, each switched off by its own name, may be due to one answer.
        replaces = acts and answer is not None and verdict.rule not in options.disabled_rules
        withholds = acts and not forwards and _SESSION_ID_ON_ERROR not in options.disabled_rules
        self._report(verdict, corrects=corrects, applied=replaces or withholds)
        if is_out:
            return []
        if replaces and answer is not None:
            self._state = _REPLACED
            self._swallowed = 0
            return self._replacement(answer if options.echo_id else not_found_response())
        if withholds:
            headers = [pair for pair in self._start["headers"] if not _is_session_id(pair)]
            held[0] = {**self._start, "headers": headers}
        return held

    def _report(self, verdict: Verdict, *, corrects: bool, applied: bool) -> None:
        """Tell of a verdict."""
        options = self._options
        # To report is what was asked for; otherwise a line for each is the caller's choice.
        level = logging.INFO if options.report_only else logging.DEBUG
        is_logged = corrects and _logger.isEnabledFor(level)
        if not is_logged and options.on_verdict is None:
            return
        attached = self._facts.attached_session_id
        session_id = attached or self._facts.response_session_id
        event = VerdictEvent(
            rule=verdict.rule,
            action=verdict.action,
            method=_shown(self._method, attached),
            path=_shown(self._path, attached),
            status=int(self._start["status"]),
            fingerprint=fingerprint(session_id) if session_id else None,
            applied=applied,
        )
        if is_logged:
            _logger.log(
                level,
                "%s: %s %s was answered %d; session %s; %s",
                event.rule.value,
                event.method,
                event.path,
                event.status,
                event.fingerprint or "none",
                "corrected" if applied else "left as it is",
            )
        if options.on_verdict is not None:
            try:
                options.on_verdict(event)
            except Exception:
                _logger.exception("The hook `on_verdict` raised")

    def _replacement(self, answer: Answer) -> list[Message]:
        start = {
            **self._start,
            "status": answer.status,
            "headers": answer.replacing(self._start.get("headers", ())),
            # Those of the replaced answer described its body.
            "trailers": False,
        }
        return [start, {"type": "http.response.body", "body": answer.body}]


class _RequestBody:
    """The body of a request, remembered as the application reads it.

    Where it does not, `read` reads on; what the application has not seen it gets when it reads
    after all. Nobody else reads meanwhile, so no piece is lost or out of order.
    """

    # What a request begins with. Defaults of the class: an exchange that needs none of them
    # does not pay for them.
    body: bytes | bytearray | None = None
    """The body; `None` where it is not known, or not whole."""
    _so_far: bytes | bytearray = b""
    _is_remembering = True
    _is_whole = False
    _read_by_application = 0
    _unread = False
    _last: Message | None = None
    # How often the application is inside the server's `receive`, and what we wait on then.
    _application_reads = 0
    _reader_is_back: "anyio.Event | None" = None
    # Whether we are, and what the application waits on then.
    _is_reading = False
    _read_on: "anyio.Event | None" = None

    def __init__(self, receive: Receive, limit: int) -> None:
        """Read by `receive`, and remember so many bytes."""
        self._receive = receive
        self._limit = limit

    def receive(self) -> Awaitable[Message]:
        """Stand in for the server's `receive`; without a frame when there is nothing to do."""
        if self._is_remembering or self._unread or self._last is not None:
            return self._receive_for_application()
        return self._receive()

    async def read(self, seconds: float) -> None:
        """Read what the application has left, up to the limit and for so long."""
        if not self._is_remembering:
            return
        self._is_reading = True
        try:
            with anyio.move_on_after(seconds):
                while self._is_remembering:
                    await self._read_piece()
        finally:
            self._is_reading = False
            if self._read_on is not None:
                self._read_on.set()
                self._read_on = None

    def forget(self) -> None:
        """Remember nothing any longer but what the application has not seen."""
        self._is_remembering = False
        self.body = None
        if not self._unread:
            self._so_far = b""

    async def _receive_for_application(self) -> Message:
        while self._is_reading:
            self._read_on = self._read_on or anyio.Event()
            await self._read_on.wait()
        if self._unread:
            return self._take_unread()
        if self._last is not None:
            last, self._last = self._last, None
            return last
        self._application_reads += 1
        try:
            message = await self._receive()
        finally:
            self._application_reads -= 1
            if self._reader_is_back is not None:
                self._reader_is_back.set()
        if self._is_remembering:
            self._remember(message)
            self._read_by_application = len(self._so_far)
        return message

    def _take_unread(self) -> Message:
        body = bytes(self._so_far[self._read_by_application :])
        self._unread = False
        self._read_by_application = len(self._so_far)
        if not self._is_remembering:
            self._so_far = b""
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def _read_piece(self) -> None:
        if self._application_reads:
            self._reader_is_back = anyio.Event()
            await self._reader_is_back.wait()
            return
        message = await self._receive()
        if message["type"] == "http.request":
            self._unread = True
        else:
            self._last = message
        self._remember(message)
        if self._is_remembering:
            # A server that has much at hand never waits, and time would not run out.
            await checkpoint()

    def _remember(self, message: Message) -> None:
        if message["type"] != "http.request":
            # The client is gone, and what it sent is not all.
            self._is_remembering = False
            return
        self._so_far = _joined(self._so_far, message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if len(self._so_far) > self._limit:
            self.forget()
        elif self._is_whole:
            self.body = self._so_far
            self._is_remembering = False


class _Paths:
    """Which paths the middleware applies to."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact = frozenset(paths)
        self._below = tuple(path[:-1] for path in self._exact if path.endswith("/*"))

    def cover(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._below)


def _joined(body: bytes | bytearray, piece: bytes) -> bytes | bytearray:
    """Add a piece to a body, which is copied only if there is more than one."""
    if not body:
        return piece
    if not isinstance(body, bytearray):
        body = bytearray(body)
    body += piece
    return body


def _is_session_id(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"mcp-session-id"


def _shown(text: str, session_id: str | None) -> str:
    """Make what a client chose fit for a log: no ID in it, no new line, not without end."""
    if session_id:
        text = text.replace(session_id, "<redacted>")
    return ascii(text[:_SHOWN_LENGTH])[1:-1]


def _checked_paths(name: str, paths: Iterable[object]) -> _Paths:
    checked: set[str] = set()
    for path in _elements(name, paths):
        if not isinstance(path, str):
            message = f"{name} must be str, not {_type_name(path)}"
            raise TypeError(message)
        if not path.startswith("/"):
            message = f"{name} must begin with a slash: {path!r}"
            raise ValueError(message)
        checked.add(path)
    if not checked:
        message = f"{name} must name at least one path"
        raise ValueError(message)
    return _Paths(checked)


def _checked_rules(name: str, rules: Iterable[object]) -> frozenset[Rule]:
    checked = frozenset(map(Rule, _elements(name, rules)))
    if unknown := checked - _CORRECTIONS:
        shown = ", ".join(sorted(rule.value for rule in unknown))
        message = f"{name} must be rules that correct something: {shown}"
        raise ValueError(message)
    return checked


def _elements(name: str, values: Iterable[object]) -> list[object]:
    if isinstance(values, (str, bytes)):
        message = f"{name} must be a collection, not {_type_name(values)}"
        raise TypeError(message)
    return list(values)


def _checked_callable(name: str, value: _Callable) -> _Callable:
    if not callable(value):
        message = f"{name} must be callable, not {_type_name(value)}"
        raise TypeError(message)
    return value


def _checked_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        message = f"{name} must be a bool, not {_type_name(value)}"
        raise TypeError(message)
    return value


def _checked_count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"{name} must be an int, not {_type_name(value)}"
        raise TypeError(message)
    if value < 0:
        message = f"{name} must not be negative: {value}"
        raise ValueError(message)
    return value


def _checked_seconds(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        message = f"{name} must be a number of seconds, not {_type_name(value)}"
        raise TypeError(message)
    if not isfinite(value) or value < 0:
        message = f"{name} must be finite and not negative: {value}"
        raise ValueError(message)
    return value


def _type_name(value: object) -> str:
    return type(value).__name__
