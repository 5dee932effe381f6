"""The server that a client is checked against: a good one, of which a scenario replaces a part.

It writes down what came and what it answered, so that the core can be asked about each exchange.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import anyio

from mcp_session import Lookup, Side, admit, not_found_response
from mcp_session._check.messages import as_object
from mcp_session._core import RecordedExchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp_session import Verdict
    from mcp_session.testing.scripted import Exchange, Request

__all__ = ["MOST_REQUESTS", "Part", "Stage", "Turn", "is_at_endpoint", "ping_of"]

Part: TypeAlias = "Callable[[Stage, Exchange], Awaitable[bool]]"
"""Answers an exchange and returns True, or returns False: then it is answered as usual."""

VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")

# As the core names the revision without sessions: whatever is none of the others.
SESSION, VERSION = "mcp-session-id", "mcp-protocol-version"

STREAM_SECONDS = 30.0


def ping_of(session: str) -> str:
    """Return the id of the ping that a session is sent: what answers it, answers it alone."""
    return f"ping-of-{session.partition('-')[0]}"


def is_at_endpoint(request: Request) -> bool:
    """Whether a request is for the MCP endpoint, in either form that a client may write it in.

    https://www.rfc-editor.org/rfc/rfc9112.html#section-3.2.2
    """
    try:
        return urlsplit(request.target).path == "/mcp"
    except ValueError:
        return False


# What comes after so many is not answered: a client that loops shall not fill the memory.
MOST_REQUESTS = 2000


@dataclass(frozen=True)
class Turn:
    """A request of the client, and what it was answered."""

    number: int
    """When it came, in the order of all."""
    request: Request
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answered: int
    """When it was answered, in the same count as `number`."""

    @property
    def kind(self) -> str:
        """The JSON-RPC method, `reply`, or the HTTP method."""
        return self.request.kind

    @property
    def session(self) -> str | None:
        """The ID that was attached."""
        return self.request.session or None

    @property
    def given(self) -> str | None:
        """The ID that the answer bore."""
        return next((value for name, value in self.headers if name == SESSION), None)

    @property
    def tool(self) -> str | None:
        """The tool that was called."""
        name = as_object(as_object(self.request.message).get("params")).get("name")
        return name if self.kind == "tools/call" and isinstance(name, str) else None

    def verdict(self) -> Verdict:
        """Ask the core what this answer means to a client that goes by the specification."""
        verdict = RecordedExchange(
            self.request.method,
            "127.0.0.1",
            "",
            self.request.headers,
            self.request.body,
            self.status,
            list(self.headers),
            self.body,
            sent=0,
            answered=1,
            remarks=[],
        ).verdict(side=Side.CLIENT, quirks=False)
        assert verdict is not None, "it was answered"  # noqa: S101 - `status` is no None
        return verdict


@dataclass
class Stage:
    """A server with sessions, tools and a stream, that is told when to lose what."""

    part: Part | None = None
    tools: int = 3
    keeps_sessions: bool = True
    offers_stream: bool = True
    pings: bool = False
    """Whether a session that follows a lost one is pinged on its stream."""
    then: str | None = None
    """What to settle on once a session was lost, if the client asks for a later version."""
    turns: list[Turn] = field(default_factory=list[Turn])
    """In the order in which they were answered."""
    came: list[Request] = field(default_factory=list["Request"])
    """In the order in which they came."""
    sessions: list[str] = field(default_factory=list[str])
    live: set[str] = field(default_factory=set[str])
    settled: dict[str, str] = field(default_factory=dict[str, str])
    """The version of each session."""
    calls: int = 0
    """How many calls of a tool came."""
    old: str = ""
    """The session in which tools were first asked for: some open another before it."""
    _now: int = 0
    _numbers: dict[int, int] = field(default_factory=dict[int, int])
    _ends: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one exchange."""
        request = exchange.request
        if len(self.came) >= MOST_REQUESTS:
            exchange.hang_up()
            return
        self._numbers[id(request)] = self._tick()
        self.came.append(request)
        if request.kind == "tools/call":
            self.calls += 1
        if request.kind in {"tools/list", "tools/call"}:
            self.old = self.old or request.session or ""
        if self.part is not None and await self.part(self, exchange):
            return
        await self.usual(exchange)

    async def usual(self, exchange: Exchange) -> None:
        """Answer as a good server does."""
        request = exchange.request
        if not is_at_endpoint(request):
            await self.answer(exchange, 404)
        elif request.kind == "initialize":
            await self._initialize(exchange)
        elif request.method not in {"GET", "POST", "DELETE"}:
            await self.answer(exchange, 405, headers={"allow": "GET, POST, DELETE"})
        elif request.header(VERSION) not in {None, *VERSIONS}:
            await self.answer_error(exchange, 400, -32600, "Unsupported protocol version")
        elif not await self._is_admitted(exchange):
            pass
        elif request.method == "GET":
            await self._stream(exchange)
        elif request.method == "DELETE":
            self.end(request.session or "")
            await self.answer(exchange, 200)
        else:
            await self._message(exchange)

    async def _is_admitted(self, exchange: Exchange) -> bool:
        """Answer what the core does not admit, as it says."""
        request = exchange.request
        if not self.keeps_sessions:
            return True
        known = Lookup.KNOWN if request.session in self.live else Lookup.UNKNOWN
        refusal = admit(
            request.method,
            session_id=request.session,
            protocol_version=request.header(VERSION),
            body=request.body,
            known=known,
        ).response
        if refusal is None:
            return True
        await self.answer(exchange, refusal.status, refusal.body, dict(refusal.headers))
        return False

    async def _initialize(self, exchange: Exchange) -> None:
        asked = as_object(as_object(exchange.request.message).get("params")).get("protocolVersion")
        version = asked if asked in VERSIONS else VERSIONS[-1]
        if self.then is not None and self.live < set(self.sessions):
            version = min(version, self.then)
        result: dict[str, Any] = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mcp-session-check", "version": "1"},
        }
        headers: dict[str, str] = {}
        self.sessions.append(f"S{len(self.sessions) + 1}-{'0123456789abcdef' * 2}")
        self.settled[self.sessions[-1]] = version
        if self.keeps_sessions:
            session = self.sessions[-1]
            self.live.add(session)
            self._ends[session] = anyio.Event()
            headers = {SESSION: session}
        await self.answer_result(exchange, result, headers)

    async def _message(self, exchange: Exchange) -> None:
        request = exchange.request
        if isinstance(request.message, list):
            # Who sends one is not judged, and shall not wait for answers that do not come.
            await self.answer_error(exchange, 400, -32600, "Batches are not played here")
        elif "id" not in as_object(request.message) or request.kind == "reply":
            await self.answer(exchange, 202)
        elif request.kind == "tools/list":
            await self.answer_result(exchange, {"tools": self.listed()})
        elif request.kind == "tools/call":
            await self.answer_result(exchange, {"content": [{"type": "text", "text": "done"}]})
        elif request.kind == "ping":
            await self.answer_result(exchange, {})
        else:
            await self.answer_error(exchange, 200, -32601, "Method not found")

    def listed(self) -> list[dict[str, Any]]:
        """Return the tools as they are listed."""
        schema: dict[str, Any] = {"type": "object", "properties": {}}
        return [
            {"name": f"tool{number}", "description": "Does nothing", "inputSchema": schema}
            for number in range(1, self.tools + 1)
        ]

    async def _stream(self, exchange: Exchange) -> None:
        session = exchange.request.session or ""
        if not self.offers_stream or session not in self._ends:
            await self.answer(exchange, 405, headers={"allow": "POST, DELETE"})
            return
        self._wrote(exchange, 200, {"content-type": "text/event-stream"}, b"")
        await exchange.begin_events()
        await exchange.send(f"id: event-of-{session}\ndata: \n\n".encode())
        if self.pings and self.live < set(self.sessions):
            ping = {"jsonrpc": "2.0", "id": ping_of(session), "method": "ping"}
            await exchange.send(b"data: %s\n\n" % json.dumps(ping).encode())
        with anyio.move_on_after(STREAM_SECONDS):
            await self._ends[session].wait()
        await exchange.finish()

    # ---- What a scenario does

    def end(self, session: str) -> None:
        """End a session: its stream ends with it."""
        self.live.discard(session)
        if session in self._ends:
            self._ends[session].set()

    def forget(self) -> None:
        """End every session, as a restart does."""
        for session in tuple(self.live):
            self.end(session)

    async def until(self, reached: Callable[[], object], seconds: float) -> bool:
        """Wait until it is so, but no longer than this; say whether it is."""
        with anyio.move_on_after(seconds):
            while not reached():  # noqa: ASYNC110 - an event for each condition is no gain
                await anyio.sleep(0.01)
        return bool(reached())

    async def answer(
        self,
        exchange: Exchange,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with a whole response, and write it down."""
        sent = {"content-length": str(len(body)), **(headers or {})}
        self._wrote(exchange, status, sent, body)
        await exchange.answer(status, body, sent)

    async def answer_result(
        self, exchange: Exchange, result: object, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer a request with its result."""
        answer = {"jsonrpc": "2.0", "id": exchange.request.message.get("id"), "result": result}
        await self.answer_json(exchange, 200, answer, headers)

    async def answer_error(self, exchange: Exchange, status: int, code: int, message: str) -> None:
        """Answer a request with an error."""
        request_id = as_object(exchange.request.message).get("id")
        error: dict[str, Any] = {"jsonrpc": "2.0", "error": {"code": code, "message": message}}
        await self.answer_json(
            exchange, status, error if request_id is None else {**error, "id": request_id}
        )

    async def answer_json(
        self,
        exchange: Exchange,
        status: int,
        message: object,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with JSON."""
        described = {"content-type": "application/json", **(headers or {})}
        await self.answer(exchange, status, json.dumps(message).encode(), described)

    async def answer_not_found(self, exchange: Exchange) -> None:
        """Answer the canonical 404."""
        answer = not_found_response(exchange.request.body)
        await self.answer(exchange, answer.status, answer.body, dict(answer.headers))

    def _wrote(
        self, exchange: Exchange, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        request = exchange.request
        number = self._numbers.pop(id(request))
        self.turns.append(Turn(number, request, status, tuple(headers.items()), body, self._tick()))

    def _tick(self) -> int:
        self._now += 1
        return self._now
