"""Fuzzes a live server: it must answer, stay up, keep its sessions right, and not grow."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from mcp_session import Action, Side, admit, classify_exchange, peek
from mcp_session._check.messages import parsed
from mcp_session._cli.files import reason
from mcp_session._fuzz.answers import AnswerReader
from mcp_session._fuzz.requests import Ask, Attached, Framing, Step, cases, written
from mcp_session._fuzz.search import (
    Bounds,
    CannotGoOnError,
    Finding,
    Search,
    UnjudgedError,
    search,
)
from mcp_session._secrets import secrets_of, without_secrets
from mcp_session.testing.client import ScriptedClient

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Sequence

    from mcp_session.testing.client import Response
    from mcp_session.testing.processes import CommandServer

__all__ = ["Target", "fuzz_server"]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": "open",
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mcp-session fuzz", "version": "0"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
PING = {"jsonrpc": "2.0", "id": "fuzz-ping", "method": "ping"}
UNKNOWN = "0123456789abcdef0123456789abcdef"
ILL_FORMED = "not a session"
FIRST_ERROR = 500
# What a server may say of a method or a version of HTTP that it does not know.
HONEST = (501, 505)
# To GET, and to DELETE, of whomever: the server has no stream, or lets no client end a session.
NOT_OFFERED = 405
TOO_MANY = 429
# What a server says to a good `initialize` that is not for it, or of nobody it knows.
ELSEWHERE = {
    **dict.fromkeys((301, 302, 303, 307, 308), "the endpoint is at another URL"),
    **dict.fromkeys((401, 403), "it wants credentials, by --bearer or --header"),
}
LONGEST_PAUSE_SECONDS = 5.0
WARM_UP = 40
# What is compressed would be no JSON.
UNCOMPRESSED = ("accept-encoding", "identity")
# How soon a stream is resumed where the server does not say it.
SHORTEST_RETRY_SECONDS = 0.05
MOST_RESUMPTIONS = 30
# How long a process may take to end.
ENDING_SECONDS, ONE_LOOK_SECONDS = 2.0, 0.02


@dataclass(frozen=True)
class Target:
    """The server under test, and what is allowed of it."""

    url: str
    command: CommandServer | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Put on every request: credentials, say."""
    answer_seconds: float = 20.0
    growth: int = 64 * 1024 * 1024
    """How many bytes a `command` may grow beyond what it has after its first cases."""
    ssl_context: ssl.SSLContext | None = None
    """Says who certifies a server of https; one for all requests, since it is slow to make."""

    def client(self) -> ScriptedClient:
        """Return what sends it requests."""
        return ScriptedClient(self.url, seconds=self.answer_seconds, ssl_context=self.ssl_context)


def fuzz_server(target: Target, bounds: Bounds) -> Search:
    """Fuzz a server for so long; return what was found."""
    memory = _Memory(target)

    def run(case: list[Ask | Step], known: Collection[str]) -> Finding | None:
        one = _Run(target, known, is_first=memory.cases == 0)
        return one.through(case) or memory.grown(known)

    return search(cases(), run, bounds)


class _FaultError(Exception):
    """The server did what it must not."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind, self.what = kind, what


@dataclass
class _Memory:
    """What the server had when it was warm."""

    target: Target
    cases: int = 0
    warm: int | None = None

    def grown(self, known: Collection[str]) -> Finding | None:
        """Return the finding that it has grown."""
        command = self.target.command
        self.cases += 1
        now = None if command is None else command.memory()
        if now is None:
            return None
        if self.warm is None or self.cases <= WARM_UP:
            self.warm = now
        elif now - self.warm > self.target.growth and "memory" not in known:
            what = f"grew from {self.warm >> 20} to {now >> 20} MiB in {self.cases} cases"
            # No case does it alone, so there is none to show.
            return Finding("memory", what, [], "all cases together")
        return None


@dataclass
class _Run:
    """One case: the sessions, and all that was exchanged."""

    target: Target
    known: Collection[str]
    is_first: bool = False
    """Whether nothing has been sent to the server before."""
    live: str | None = None
    terminated: str | None = None
    has_sessions: bool = False
    exchanges: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])

    def through(self, case: Sequence[Ask | Step]) -> Finding | None:
        """Do all of a case; return what the server did wrong."""
        command = self.target.command
        if command is not None and not command.is_running:
            _start(command)
        try:
            self._open()
            for step in case:
                self._do(step)
            self._is_well()
        except _FaultError as error:
            if error.kind in self.known:
                return None
            size = sum(len(request) for request, _ in self.exchanges)
            told = "\n".join(str(step) if isinstance(step, Ask) else step.value for step in case)
            shown = [_without_secrets(self.target, *it) for it in self.exchanges]
            return Finding(error.kind, error.what, shown, told, size)
        finally:
            self._close()
        return None

    def _do(self, step: Ask | Step) -> None:
        if step is Step.OPEN:
            self._open()
        elif step is Step.TERMINATE:
            if self.live is not None:
                ask = Ask("DELETE", Attached.LIVE, b"", is_plain=True)
                response = self._send(ask, self.live, _reader_for(ask))
                # A server need not offer it: then the session lives on.
                if response is not None and 200 <= response.status < 300:  # noqa: PLR2004 - 2xx
                    self.terminated, self.live = self.live, None
        else:
            self._ask(step)

    def _open(self) -> None:
        response, _ = self._post(INITIALIZE, None)
        if self.is_first and response.status in ELSEWHERE:
            message = f"an `initialize` is answered {response.status}: {ELSEWHERE[response.status]}"
            raise CannotGoOnError(message)
        if response.status != 200:  # noqa: PLR2004 - OK
            what = f"an `initialize` was answered {response.status}"
            raise _FaultError("no new session", what)
        self.live = response.headers.get("mcp-session-id")
        self.has_sessions = self.live is not None
        self._post(INITIALIZED, self.live)

    def _is_well(self) -> None:
        """Fail unless the server still answers: a new session, and the one that was open."""
        live = self.live
        if live is not None or not self.has_sessions:
            response, reader = self._post(PING, live)
            if response.status != 200 or not reader.is_found:  # noqa: PLR2004 - OK
                what = f"a ping in a live session was answered {response.status}"
                raise _FaultError("a live session was lost", what)
        self._close()
        self._open()

    def _close(self) -> None:
        if self.live is not None:
            ended, self.live = self.live, None
            ask = Ask("DELETE", Attached.LIVE, b"")
            try:
                self._send(ask, ended, _reader_for(ask))
            except (_FaultError, UnjudgedError):
                return

    def _post(self, message: object, session_id: str | None) -> tuple[Response, AnswerReader]:
        attached = Attached.NONE if session_id is None else Attached.LIVE
        ask = Ask("POST", attached, json.dumps(message).encode(), is_plain=True)
        reader = _reader_for(ask)
        response = self._send(ask, session_id, reader)
        if response is None:
            kind = "no answer"
            raise _FaultError(kind, "a plain request was not answered")
        # An `initialize` opens the session in which its stream is resumed.
        self._read_on(ask, session_id or response.headers.get("mcp-session-id"), response, reader)
        return response, reader

    def _ask(self, ask: Ask) -> None:
        session_id = self._id_of(ask.attached)
        if ask.attached in {Attached.LIVE, Attached.TERMINATED} and session_id is None:
            return
        reader = _reader_for(ask)
        response = self._send(ask, session_id, reader)
        if response is not None:
            self._judge(ask, session_id)
            if ask.attached is Attached.LIVE:
                self._read_on(ask, session_id, response, reader)

    def _offers(self, method: str) -> bool:
        """Whether the server has GET or DELETE at all, as it says itself to a live session."""
        if method == "POST":
            return True
        if self.live is None:
            self._open()
        ask = Ask(method, Attached.LIVE, b"")
        response = self._send(ask, self.live, _reader_for(ask))
        if method == "DELETE":
            self.live = None
        return response is None or response.status != NOT_OFFERED

    def _read_on(
        self, ask: Ask, session_id: str | None, response: Response, reader: AnswerReader
    ) -> None:
        """Fail unless a stream has the answer, or leads to it where it is resumed.

        A server may close a stream early, and have its client ask again:
        https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
        """
        until = time.monotonic() + self.target.answer_seconds
        times = 0
        while ask.is_plain and reader.is_missing(response):
            left = until - time.monotonic()
            resumed = None
            if reader.last_event_id and left > 0 and times < MOST_RESUMPTIONS:
                times += 1
                time.sleep(min(max(reader.retry_seconds, SHORTEST_RETRY_SECONDS), left))
                event_id = ("last-event-id", reader.last_event_id)
                again = Ask("GET", ask.attached, b"", ask.version, (event_id,))
                resumed = self._send(again, session_id, reader)
            if resumed is None or resumed.status != 200:  # noqa: PLR2004 - OK
                kind = "no answer"
                raise _FaultError(kind, "a stream ended without the answer to its request")
            response = resumed

    def _id_of(self, attached: Attached) -> str | None:
        ids = {
            Attached.NONE: None,
            Attached.LIVE: self.live,
            Attached.TERMINATED: self.terminated,
            Attached.UNKNOWN: UNKNOWN,
            Attached.ILL_FORMED: ILL_FORMED,
        }
        return ids[attached]

    def _send(self, ask: Ask, session_id: str | None, reader: AnswerReader) -> Response | None:
        """Send a request; return the answer, or None where none is owed and none came."""
        target = self.target
        client = target.client()
        with_ours = Ask(
            *(ask.method, ask.attached, ask.body, ask.version),
            *((UNCOMPRESSED, *target.headers, *ask.headers), ask.framing, ask.is_plain),
        )
        request = written(with_ours, client.target, client.host, session_id)
        answers = ask.framing in {Framing.WHOLE, Framing.CHUNKED}
        raw = b""
        try:
            with client.begin(request) as running:
                if not answers:
                    running.finish_sending()
                try:
                    response = running.read_until(reader.is_enough)
                finally:
                    raw = running.response.raw
        except TimeoutError:
            self._record(request, raw)
            if answers:
                what = f"no answer in {target.answer_seconds:.0f} s"
                raise _FaultError("no answer", what) from None
            return None
        except h11.RemoteProtocolError:
            self._record(request, raw)
            kind = "not HTTP"
            raise _FaultError(kind, "an answer that is no HTTP") from None
        except OSError as error:
            self._record(request, raw)
            self._is_up(type(error).__name__)
            return None
        self._record(request, raw)
        if response.status == 0:
            self._is_up("the connection was closed")
            if answers and ask.is_plain:
                what = "the connection was closed without an answer"
                raise _FaultError("no answer", what)
            return None
        reader.end(response)
        self._judge_any(response)
        return response

    def _record(self, request: bytes, response: bytes) -> None:
        self.exchanges.append((request, response))

    def _is_up(self, why: str) -> None:
        self._has_not_ended(why)
        try:
            self.target.client().begin(b"").close()
        except OSError as error:
            # A process that ends closes its sockets before it is gone.
            until = time.monotonic() + ENDING_SECONDS
            while self.target.command is not None and time.monotonic() < until:
                self._has_not_ended(why)
                time.sleep(ONE_LOOK_SECONDS)
            kind = "not there"
            raise _FaultError(kind, f"it takes no connections: {type(error).__name__}") from None

    def _has_not_ended(self, why: str) -> None:
        command = self.target.command
        if command is not None and not command.is_running:
            what = f"the server ended with exit status {command.exit_status}: {why}"
            raise _FaultError("crashed", what)

    def _judge_any(self, response: Response) -> None:
        request, raw = self.exchanges[-1]
        if response.status == TOO_MANY:
            # A server may defend itself. What it would have answered is not known.
            time.sleep(_retry_after(response))
            raise UnjudgedError
        if response.status >= FIRST_ERROR and response.status not in HONEST:
            raise _FaultError(f"{response.status}", f"a request was answered {response.status}")
        try:
            verdict = classify_exchange(request, raw, side=Side.SERVER)
        except ValueError:
            return
        if not verdict.forward_session_id:
            what = f"{response.status} with an Mcp-Session-Id: {verdict.rule.summary}"
            raise _FaultError("a session ID on an error", what)

    def _judge(self, ask: Ask, session_id: str | None) -> None:
        """Hold the answer to a plain request against what the core says of its session."""
        if not ask.is_plain or not self.has_sessions:
            return
        request, raw = self.exchanges[-1]
        version = ask.version
        expected = admit(
            ask.method,
            session_id=session_id,
            protocol_version=version,
            body=ask.body,
            known=ask.attached is Attached.LIVE,
        )
        try:
            means = classify_exchange(request, raw)
        except ValueError:
            kind = "not HTTP"
            raise _FaultError(kind, "an answer that no client can be sure to read") from None
        ends = means.action in {Action.CLEAR_AND_REINIT, Action.CLEAR}
        status = raw.split(b" ", 2)[1].decode("latin-1")
        what = f"{ask.method} with {ask.attached.value} was answered {status}: "
        if expected.action is Action.NOT_FOUND_RESPONSE and not ends:
            if status == str(NOT_OFFERED) and not self._offers(ask.method):
                return
            kind = f"{ask.attached.value}: {ask.method}"
            raise _FaultError(kind, what + expected.rule.summary)
        if expected.action is Action.BAD_REQUEST_RESPONSE and status[:1] == "2":
            kind = f"no session ID: {ask.method}"
            raise _FaultError(kind, what + expected.rule.summary)
        if expected.action is Action.PASS_THROUGH and ask.attached is Attached.LIVE and ends:
            kind = "a live session was lost"
            raise _FaultError(kind, what + means.rule.summary)


def _reader_for(ask: Ask) -> AnswerReader:
    """Return what looks for the answer to a request, where one is owed."""
    request_id = peek(ask.body).id if ask.is_plain and ask.method == "POST" else None
    return AnswerReader(None if request_id is None else parsed(request_id))


def _start(command: CommandServer) -> None:
    """Start a server that has ended; end the search where it does not come up again."""
    try:
        command.start()
    except (OSError, RuntimeError) as error:
        message = f"the server could not be started again: {reason(error)}"
        raise CannotGoOnError(message) from None


def _retry_after(response: Response) -> float:
    """Return for how many seconds the server wants to be left alone, within bounds."""
    told = response.headers.get("retry-after", "")
    seconds = float(told) if told.isascii() and told.isdecimal() else 1.0
    return min(seconds, LONGEST_PAUSE_SECONDS)


def _without_secrets(target: Target, request: bytes, response: bytes) -> tuple[bytes, bytes]:
    """Return an exchange without what the caller gave for it: it is written into files."""
    for name, value in target.headers:
        line = f"\r\n{name}: {value}\r\n".encode("latin-1")
        hidden = f"\r\n{name}: {'*' * len(value)}\r\n".encode("latin-1")
        request = request.replace(line, hidden)
    asked, _, rest = request.partition(b"HTTP/1.1")
    asked = without_secrets(asked, secrets_of(target.url, ()))
    # A server may say any of it again.
    response = without_secrets(response, secrets_of(target.url, target.headers))
    return asked + b"HTTP/1.1" + rest, response
