"""A stateful test for anybody's session code: hypothesis drives it, the ten guarantees judge it.

Subclass `SessionMachine`, say in `make_client` how your client is made over a transport of ours,
and let pytest run `YourMachine.TestCase`. Hypothesis then plays the callers and the server: it
begins requests, answers them in any order with anything, cuts connections, cancels callers and
lets time pass. What went over the wire is judged by `mcp_session.testing.guarantees`; what fails is
shrunk to the few steps that matter. See docs/testing.md for a whole example.
"""

from __future__ import annotations

import json
import logging
import sys
from abc import abstractmethod
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mcp_session.testing._virtual_loop import VirtualLoop
from mcp_session.testing.events import (
    Answered,
    Began,
    Cancelled,
    Ended,
    EventSeen,
    Kind,
    Lost,
    Passed,
    Rested,
    Sent,
    Settled,
)
from mcp_session.testing.guarantees import GuaranteeBrokenError, Guarantees

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

__all__ = ["SessionClient", "SessionMachine", "Transport", "WireResponse"]

# What is a credential here is found wherever it shows.
CREDENTIAL = "credential"
VERSION = "2025-11-25"
# More than any back-off.
LONG_SECONDS = 600.0
ROUNDS = 30
MOST_REQUESTS = 200
FOUND, NOT_FOUND = 200, 404

_CALLER: ContextVar[int | None] = ContextVar("caller", default=None)


@dataclass(frozen=True)
class WireResponse:
    """What the server of the test answers.

    >>> from mcp_session.testing.machine import WireResponse
    >>> WireResponse(404, {"content-type": "application/json"}, b"{}").status
    404
    """

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Transport(Protocol):
    """How a client sends a request; raises `ConnectionError` where no answer comes.

    >>> import asyncio
    >>> from mcp_session.testing.machine import Transport, WireResponse
    >>> async def gone(method, headers, body):
    ...     return WireResponse(404, {}, b"")
    >>> transport: Transport = gone
    >>> asyncio.run(transport("DELETE", {"mcp-session-id": "1868a90c"}, b"")).status
    404
    """

    async def __call__(
        self, method: str, headers: Mapping[str, str], body: bytes, /
    ) -> WireResponse:
        """Send a request, and wait for the answer to it."""
        ...


class SessionClient(Protocol):
    """The session code under test, as its callers see it.

    >>> import asyncio
    >>> from mcp_session.testing.machine import SessionClient, WireResponse
    >>> class Sessionless:
    ...     def __init__(self, transport):
    ...         self.transport = transport
    ...     async def request(self, method, body, *, last_event_id=None):
    ...         return (await self.transport(method, {}, body)).status
    >>> async def gone(method, headers, body):
    ...     return WireResponse(404, {}, b"")
    >>> client: SessionClient = Sessionless(gone)
    >>> asyncio.run(client.request("POST", b"{}"))
    404
    """

    async def request(
        self, method: str, body: bytes, *, last_event_id: str | None = None
    ) -> int | None:
        """Send a request for a caller; return the status that the caller gets, if it gets one."""
        ...


@dataclass
class _Caller:
    """A request of a caller's, and what became of it."""

    kind: Kind
    question: str | None
    task: asyncio.Task[int | None] | None = None
    is_over: bool = False
    wires: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class _Draft:
    """A request as a caller writes it."""

    kind: Kind
    method: str
    body: bytes = b""
    event_id: str | None = None
    question: str | None = None
    asked_in: str | None = None
    cancels: int | None = None


@dataclass
class _Pending:
    """What is on the wire, and waits for the server."""

    kind: Kind
    is_of_caller: bool
    session_id: str | None
    answer: asyncio.Future[WireResponse]
    message: dict[str, Any]


def _waits_for_the_server(machine: SessionMachine) -> bool:
    return bool(machine.pending)


def _waits_for_the_client(machine: SessionMachine) -> bool:
    return bool(machine.open_callers())


class SessionMachine(RuleBasedStateMachine):
    """Drives a client through every kind of trouble, and judges what it does.

    `bound` and `cooldown` are those of the client: so many sessions in a row may be lost or fail
    to be made, then so many seconds pass before it makes another. `errors` are what its callers
    may be raised; anything else is a fault of the client and fails the test. `kinds` are the
    requests that it offers to its callers.

    >>> from hypothesis import Phase, settings
    >>> from hypothesis.stateful import run_state_machine_as_test
    >>> from mcp_session.testing.guarantees import GuaranteeBrokenError
    >>> from mcp_session.testing.machine import SessionMachine
    >>> class Sessionless:
    ...     def __init__(self, transport):
    ...         self.transport = transport
    ...     async def request(self, method, body, *, last_event_id=None):
    ...         return (await self.transport(method, {}, body)).status
    >>> class SessionlessMachine(SessionMachine):
    ...     def make_client(self, transport):
    ...         return Sessionless(transport)
    >>> unshrunk = settings(phases=[Phase.generate], report_multiple_bugs=False, database=None)
    >>> try:
    ...     run_state_machine_as_test(SessionlessMachine, settings=unshrunk)
    ... except GuaranteeBrokenError as error:
    ...     error.guarantee
    7
    """

    bound: ClassVar[int] = 2
    cooldown: ClassVar[float] = 1.0
    errors: ClassVar[tuple[type[Exception], ...]] = (OSError,)
    kinds: ClassVar[tuple[str, ...]] = (
        *("call", "call", "call", "cursor", "notification", "cancel", "reply", "reply"),
        *("get", "get", "resume", "initialize", "delete"),
    )

    @abstractmethod
    def make_client(self, transport: Transport) -> SessionClient:
        """Return a new client that sends by this transport; the event loop runs."""

    def __init__(self) -> None:
        """Begin with a client that has no session."""
        super().__init__()
        self._judge = Guarantees(bound=self.bound, cooldown=self.cooldown)
        self._loop = VirtualLoop()
        self._callers: list[_Caller] = []
        self.pending: dict[int, _Pending] = {}
        self._wires = 0
        self._given: list[str] = []
        self._event_ids: list[str] = []
        self._questions: list[tuple[str, str | None]] = []
        self._broken: GuaranteeBrokenError | None = None
        self._log = _Log()
        self._old_level = logging.getLogger().level
        logging.getLogger().addHandler(self._log)
        logging.getLogger().setLevel(logging.DEBUG)
        self._client: SessionClient | None = None

        async def make() -> None:
            self._client = self.make_client(self._transport)

        self._loop.run(make())

    # What happens.

    @initialize()
    def open(self) -> None:
        """Let a caller open a session."""
        self._begin("initialize")
        if self.pending:
            self._answer(next(iter(self.pending)), "good")

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Let a caller begin a request."""
        self._begin(data.draw(st.sampled_from(self.kinds), label="kind"))

    @rule(count=st.integers(2, 4))
    def begin_many(self, count: int) -> None:
        """Let several callers begin a call at once."""
        for _ in range(count):
            self._begin("call")

    @precondition(_waits_for_the_server)
    @rule(
        which=st.integers(0, 7),
        how=st.sampled_from(
            [
                *("404", "404", "404 in JSON", "404, no such method", "good", "good"),
                *("same ID", "no ID", "ill-formed ID", "refusal", "stray ID", "400", "401", "500"),
            ]
        ),
    )
    def answer(self, which: int, how: str) -> None:
        """Let the server answer one of the requests that wait for it."""
        self._answer(list(self.pending)[which % len(self.pending)], how)

    @rule(how=st.sampled_from(["good", "404"]))
    def answer_all(self, how: str) -> None:
        """Let the server answer all that waits: 404 is what it does after a restart."""
        for wire in list(self.pending):
            if wire in self.pending:
                self._answer(wire, how)

    @rule()
    def let_recover(self) -> None:
        """Let the server accept every new session that is being made."""
        for _ in range(ROUNDS):
            opening = {Kind.INITIALIZE, Kind.INITIALIZED, Kind.OTHER}
            wire = next((it for it, on in self.pending.items() if on.kind in opening), None)
            if wire is None:
                break
            self._answer(wire, "good")

    @precondition(_waits_for_the_server)
    @rule(which=st.integers(0, 7))
    def lose(self, which: int) -> None:
        """Cut the connection of a request."""
        wire = list(self.pending)[which % len(self.pending)]
        pending = self.pending.pop(wire)
        self._judge.note(Lost(wire))
        pending.answer.set_exception(ConnectionResetError("the connection was cut"))
        self._settle()

    @precondition(_waits_for_the_client)
    @rule(which=st.integers(0, 7))
    def cancel(self, which: int) -> None:
        """Let a caller leave."""
        callers = self.open_callers()
        number = callers[which % len(callers)]
        caller = self._callers[number]
        caller.is_over = True
        if caller.task is not None:
            caller.task.cancel()
        self._judge.note(Cancelled(number))
        self._settle()

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 60.0]))
    def let_time_pass(self, seconds: float) -> None:
        """Let time pass."""
        # What was to happen in it may happen at its end.
        self._judge.note(Passed(seconds))
        self._loop.advance(seconds)
        self._settle()

    def teardown(self) -> None:
        """Let all end well; then nobody may be left."""
        try:
            # Where the test has failed, nothing more is to be said.
            if self._broken is None and sys.exc_info()[0] is None:
                self._let_all_end()
                self._judge.note(Rested())
        finally:
            logging.getLogger().removeHandler(self._log)
            logging.getLogger().setLevel(self._old_level)
            self._loop.end()

    def _let_all_end(self) -> None:
        """Answer well what comes, until nobody waits or nobody's wait ends any more."""
        left, idle = len(self.open_callers()), 0
        # A client may send one request after the other: each that ends is a step.
        while (self.pending or left) and idle < ROUNDS:
            for wire in list(self.pending):
                if wire in self.pending:
                    self._answer(wire, "good")
            if not self.pending:
                self._judge.note(Passed(LONG_SECONDS))
                self._loop.advance(LONG_SECONDS)
                self._settle()
            before, left = left, len(self.open_callers())
            idle = 0 if left < before else idle + 1

    # The callers.

    def open_callers(self) -> list[int]:
        """Return the callers that have no answer yet."""
        return [number for number, caller in enumerate(self._callers) if not caller.is_over]

    def _begin(self, what: str) -> None:
        number = len(self._callers)
        drafted = self._draft(number, what) if number < MOST_REQUESTS else None
        if drafted is None:
            return
        caller = _Caller(drafted.kind, drafted.question)
        self._callers.append(caller)
        self._judge.note(Began(number, drafted.kind, drafted.cancels, drafted.asked_in))
        caller.task = self._loop.create_task(self._call(number, drafted))
        self._settle()

    def _draft(self, number: int, what: str) -> _Draft | None:  # noqa: PLR0911 - one for each kind
        """Write a request; None if there is nothing that it could be about."""
        if what == "delete":
            return _Draft(Kind.DELETE, "DELETE")
        if what in {"get", "resume"}:
            resumes = what == "resume" and self._event_ids
            return _Draft(Kind.GET, "GET", event_id=self._event_ids[-1] if resumes else None)
        if what == "reply":
            if not self._questions:
                return None
            question, asked_in = self._questions.pop()
            reply = {"jsonrpc": "2.0", "id": question, "result": {"action": "accept"}}
            return _Draft(Kind.REPLY, "POST", _body(reply), question=question, asked_in=asked_in)
        marks = {"_meta": {"request": number}}
        if what == "cancel":
            named = next((it for it in self.open_callers() if self._can_be_cancelled(it)), None)
            if named is None:
                return None
            params = {"requestId": f"r-{named}", **marks}
            body = _notification("notifications/cancelled", params)
            return _Draft(Kind.NOTIFICATION, "POST", body, cancels=named)
        if what == "notification":
            body = _notification("notifications/roots/list_changed", marks)
            return _Draft(Kind.NOTIFICATION, "POST", body)
        kind, method, params = _REQUESTS[what]
        asked = {"jsonrpc": "2.0", "id": f"r-{number}", "method": method, "params": params}
        return _Draft(kind, "POST", _body(asked))

    def _can_be_cancelled(self, number: int) -> bool:
        return self._callers[number].kind in {Kind.CALL, Kind.CURSOR}

    async def _call(self, number: int, drafted: _Draft) -> int | None:
        _CALLER.set(number)
        client = cast("SessionClient", self._client)
        if drafted.event_id is None:
            return await client.request(drafted.method, drafted.body)
        return await client.request(drafted.method, drafted.body, last_event_id=drafted.event_id)

    def _settle(self) -> None:
        self._loop.settle()
        if self._broken is not None:
            raise self._broken
        for number in self.open_callers():
            caller = self._callers[number]
            if caller.task is not None and caller.task.done():
                caller.is_over = True
                self._judge.note(Ended(number, self._status_of(caller.task)))
        self._judge.note(Settled())
        self._check_shown(repr(self._client), "the client's repr")
        for line in self._log.take():
            self._check_shown(line, "a log line")

    def _status_of(self, task: asyncio.Task[int | None]) -> int | None:
        if task.cancelled():
            return None
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, self.errors):
            raise error
        self._check_shown(f"{error!r} {error}", "an error")
        return None

    def _check_shown(self, text: str, where: str) -> None:
        if CREDENTIAL in text:
            raise self._judge.broken(10, f"{where} shows a session ID")

    # The wire.

    async def _transport(
        self, method: str, headers: Mapping[str, str], body: bytes
    ) -> WireResponse:
        sent = {name.lower(): value for name, value in headers.items()}
        session_id, event_id = sent.get("mcp-session-id"), sent.get("last-event-id")
        message = _message(body)
        wire, self._wires = self._wires, self._wires + 1
        request, kind = self._identify(method, message)
        cause = _CALLER.get()
        try:
            self._judge.note(Sent(wire, request, kind, session_id, event_id, cause))
        except GuaranteeBrokenError as error:
            # To be raised where the client cannot catch it.
            self._broken = self._broken or error
        if request is not None:
            self._callers[request].wires.append(wire)
        answer: asyncio.Future[WireResponse] = self._loop.create_future()
        self.pending[wire] = _Pending(kind, request is not None, session_id, answer, message)
        try:
            return await answer
        finally:
            if self.pending.pop(wire, None) is not None and self._broken is None:
                self._judge.note(Lost(wire, by_client=True))

    def _identify(self, method: str, message: dict[str, Any]) -> tuple[int | None, Kind]:
        """Say whose request this is, and what it is."""
        cause = _CALLER.get()
        if method != "POST":
            kind = Kind.GET if method == "GET" else Kind.DELETE
            if cause is not None and self._callers[cause].kind is kind:
                return cause, kind
            return self._first(kind), kind
        named, name = message.get("method"), str(message.get("id", ""))
        if named == "initialize":
            number = _number(name)
            is_first = number is not None and not self._callers[number].wires
            return (number if is_first else None), Kind.INITIALIZE
        if named == "notifications/initialized":
            return None, Kind.INITIALIZED
        if named is None:
            replies = (n for n, it in enumerate(self._callers) if it.question == name)
            return next(replies, None), Kind.REPLY
        number = _marked(message) if "id" not in message else _number(name)
        return number, (Kind.OTHER if number is None else self._callers[number].kind)

    def _first(self, kind: Kind) -> int | None:
        callers = self.open_callers()
        return next((it for it in callers if self._callers[it].kind is kind), None)

    def _answer(self, wire: int, how: str) -> None:
        pending = self.pending.pop(wire)
        response, is_accepted = self._response(pending, how)
        given = response.headers.get("mcp-session-id") if is_accepted else None
        self._judge.note(Answered(wire, response.status, given, is_accepted))
        if pending.kind is Kind.GET and response.status == FOUND:
            self._judge.note(EventSeen(self._event_ids[-1], pending.session_id))
        pending.answer.set_result(response)
        self._settle()

    def _response(self, pending: _Pending, how: str) -> tuple[WireResponse, bool]:
        """Return what the server answers, and whether an `initialize` was accepted by it."""
        message_id = pending.message.get("id")
        if how.startswith("404"):
            error = {"code": -32601 if "method" in how else -32001, "message": "not found"}
            body = _body({"jsonrpc": "2.0", "id": message_id, "error": error})
            return _json(NOT_FOUND, b"" if how == "404" else body), False
        if how in {"400", "401", "500"}:
            return WireResponse(int(how), {"content-type": "text/plain"}, b"no"), False
        if pending.kind is Kind.INITIALIZE:
            # That of a caller is judged by its status alone: the caller reads the rest.
            is_refused = how == "refusal" and pending.is_of_caller
            return self._welcome(message_id, "ill-formed ID" if is_refused else how)
        return self._accepted(pending, message_id, how)

    def _accepted(
        self, pending: _Pending, message_id: object, how: str
    ) -> tuple[WireResponse, bool]:
        if pending.kind.is_one_way:
            return WireResponse(202, {}, b""), True
        if pending.kind is Kind.GET:
            return self._stream(pending.session_id), True
        body = b"" if pending.kind is Kind.DELETE else _result(message_id, {})
        response = _json(FOUND, body)
        if how != "stray ID":
            return response, True
        stray = {**response.headers, "mcp-session-id": f"{CREDENTIAL}-stray"}
        return WireResponse(FOUND, stray, body), False

    def _welcome(self, message_id: object, how: str) -> tuple[WireResponse, bool]:
        if how == "refusal":
            error = {"code": -32600, "message": "no"}
            body = _body({"jsonrpc": "2.0", "id": message_id, "error": error})
            return _json(FOUND, body), False
        result = {"protocolVersion": VERSION, "capabilities": {}, "serverInfo": _INFO}
        response = _json(FOUND, _result(message_id, result))
        if how == "no ID":
            return response, True
        if how == "ill-formed ID":
            headers = {**response.headers, "mcp-session-id": f"{CREDENTIAL} ill formed"}
            return WireResponse(FOUND, headers, response.body), False
        if how != "same ID" or not self._given:
            self._given.append(f"{CREDENTIAL}-{len(self._given) + 1}")
        headers = {**response.headers, "mcp-session-id": self._given[-1]}
        return WireResponse(FOUND, headers, response.body), True

    def _stream(self, session_id: str | None) -> WireResponse:
        number = len(self._event_ids)
        self._event_ids.append(f"event-{number}")
        question = f"q-{number}"
        self._questions.append((question, session_id))
        asked: dict[str, Any] = {"jsonrpc": "2.0", "id": question, "method": "elicitation/create"}
        body = b"id: event-%d\ndata: %s\n\n" % (number, _body(asked))
        return WireResponse(FOUND, {"content-type": "text/event-stream"}, body)


class _Log(logging.Handler):
    """Keeps what is logged until it was looked at."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(record.getMessage())

    def take(self) -> list[str]:
        """Return what was logged since it was last asked for."""
        lines, self._lines = self._lines, []
        return lines


_INFO = {"name": "test", "version": "0"}
_REQUESTS: dict[str, tuple[Kind, str, dict[str, Any]]] = {
    "call": (Kind.CALL, "tools/call", {"name": "pay"}),
    "cursor": (Kind.CURSOR, "tools/list", {"cursor": "c"}),
    "initialize": (
        Kind.INITIALIZE,
        "initialize",
        {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": _INFO},
    ),
}


def _notification(method: str, params: dict[str, Any]) -> bytes:
    return _body({"jsonrpc": "2.0", "method": method, "params": params})


def _body(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _result(message_id: object, result: dict[str, Any]) -> bytes:
    return _body({"jsonrpc": "2.0", "id": message_id, "result": result})


def _json(status: int, body: bytes) -> WireResponse:
    return WireResponse(status, {"content-type": "application/json"}, body)


def _message(body: bytes) -> dict[str, Any]:
    try:
        message: Any = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}


def _marked(message: dict[str, Any]) -> int | None:
    """Return the number of the caller's notification that this is."""
    try:
        return int(message["params"]["_meta"]["request"])
    except (KeyError, TypeError, ValueError):
        return None


def _number(name: str) -> int | None:
    """Return the number of the caller's request that has this id."""
    prefix, _, digits = name.partition("-")
    return int(digits) if prefix == "r" and digits.isdecimal() else None
