"""A scripted HTTP/1.1 server on a loopback socket, for what no real server does on command.

Every request is recorded as the bytes that came in, and answered by a coroutine of the test's.
An error in that coroutine fails the test; a client that leaves does not.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import anyio
import anyio.abc
import anyio.lowlevel
import h11

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

__all__ = [
    "Connection",
    "Exchange",
    "Request",
    "Script",
    "ScriptedServer",
    "SmallServer",
    "relay",
    "scripted_server",
]

Script: TypeAlias = Callable[["Exchange"], Awaitable[None]]

RESETS = struct.pack("ii", 1, 0)
LONGEST_HEAD = 1 << 20
# Who sends more is not read on.
LONGEST_REQUEST = 1 << 27
ONE_READ = 65536
CONTINUE = h11.InformationalResponse(status_code=100, headers=[])


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncGenerator[ScriptedServer]:
    """Answer every request by `script` until the block ends.

    >>> import anyio
    >>> from mcp_session.testing import ScriptedClient, scripted_server, write_request
    >>> async def gone(exchange):
    ...     await exchange.answer(404, b"gone", {"content-type": "text/plain"})
    >>> async def main():
    ...     async with scripted_server(gone) as server:
    ...         request = write_request("POST", b"{}", session_id="dead")
    ...         response = await anyio.to_thread.run_sync(
    ...             ScriptedClient(server.url).exchange, request
    ...         )
    ...         return response.status, server.requests[0].session
    >>> anyio.run(main)
    (404, 'dead')
    """
    async with anyio.create_task_group() as tasks:
        server = ScriptedServer(script, tasks)
        server.up()
        try:
            yield server
        finally:
            server.down()


@dataclass(frozen=True)
class Request:
    """A request, as it came in.

    >>> from mcp_session.testing import Request
    >>> headers = [("mcp-session-id", "1868a90c")]
    >>> body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    >>> request = Request("POST", "/mcp", headers, body, raw=b"...", connection=0)
    >>> request.session, request.kind, request.message["id"]
    ('1868a90c', 'ping', 1)
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    """Names in lower case, in the order on the wire."""
    body: bytes
    raw: bytes
    """The head and the body, exactly."""
    connection: int
    """Which connection it came on, counted from 0."""

    def header(self, name: str) -> str | None:
        """Return the values of a header, joined as HTTP does; None if there is none."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def session(self) -> str | None:
        """The session ID attached."""
        return self.header("mcp-session-id")

    @property
    def message(self) -> Any:  # noqa: ANN401 - whatever the client wrote
        """The JSON-RPC message; None if the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def kind(self) -> str:
        """The JSON-RPC method, `reply` for a response, or else the HTTP method."""
        message = self.message
        if not isinstance(message, dict):
            return self.method
        return str(cast("dict[str, Any]", message).get("method", "reply"))


class ScriptedServer:
    """A listener, its connections, and what came in on them.

    `requests` are those that were complete, in order; `connections` counts what was accepted.
    `scripted_server` makes one, and ends it.

    >>> import anyio, httpx2
    >>> from mcp_session.testing import SmallServer, scripted_server
    >>> async def main():
    ...     async with scripted_server(SmallServer()) as server, httpx2.AsyncClient() as client:
    ...         await client.delete(server.url)
    ...         return len(server.seen("DELETE")), server.connections
    >>> anyio.run(main)
    (1, 1)
    """

    def __init__(self, script: Script, tasks: anyio.abc.TaskGroup) -> None:
        """Take what answers, and where its tasks run."""
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        """How many connections were accepted."""
        self.open_connections = 0
        self.port = 0
        self._tasks = tasks
        self._serving = anyio.CancelScope()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def seen(self, kind: str) -> list[Request]:
        """Return the requests of this kind, in the order in which they were complete."""
        return [request for request in self.requests if request.kind == kind]

    async def until(self, reached: Callable[[ScriptedServer], object]) -> None:
        """Wait until what came in is as `reached` wants it."""
        while not reached(self):  # noqa: ASYNC110  # an event for each condition is no gain
            await anyio.sleep(0.005)

    def up(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.settimeout(0)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
        self.port = listener.getsockname()[1]
        self._serving = anyio.CancelScope()
        self._tasks.start_soon(self._accept, listener, self._serving)

    def down(self) -> None:
        """Reset every connection and refuse new ones."""
        self._serving.cancel()

    async def _accept(self, listener: socket.socket, serving: anyio.CancelScope) -> None:
        with listener, serving:
            async with anyio.create_task_group() as connections:
                while True:
                    await anyio.wait_readable(listener)
                    # Left before it was accepted, or another wakes for the same one.
                    try:
                        accepted, _ = listener.accept()
                    except (BlockingIOError, ConnectionError):
                        continue
                    connections.start_soon(self._serve, accepted, self.connections)
                    self.connections += 1

    async def _serve(self, accepted: socket.socket, number: int) -> None:
        connection = Connection(accepted)
        self.open_connections += 1
        try:
            while (request := await connection.read_request(number)) is not None:
                self.requests.append(request)
                await self.script(Exchange(self, connection, request, len(self.requests) - 1))
                if not connection.can_continue():
                    break
        except OSError:
            pass  # the client left; what it made of the answer is what the tests look at
        except anyio.get_cancelled_exc_class():
            connection.reset()
            raise
        finally:
            self.open_connections -= 1
            connection.close()


class Connection:
    """One accepted connection, and where HTTP/1.1 is on it.

    An `Exchange` has it, for what is no answer at all.

    >>> import anyio, httpx2
    >>> from mcp_session.testing import scripted_server
    >>> async def resets(exchange):
    ...     exchange.connection.reset()
    >>> async def main():
    ...     async with scripted_server(resets) as server, httpx2.AsyncClient() as client:
    ...         try:
    ...             await client.delete(server.url)
    ...         except httpx2.NetworkError:
    ...             return "reset"
    >>> anyio.run(main)
    'reset'
    """

    def __init__(self, accepted: socket.socket) -> None:
        """Take an accepted socket."""
        accepted.settimeout(0)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._ahead = b""
        """What came of the next request together with the last."""

    async def read_request(self, number: int) -> Request | None:
        """Read one whole request; None when the client has left."""
        head: h11.Request | None = None
        body, raw = bytearray(), bytearray(self._ahead)
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                if self.http.they_are_waiting_for_100_continue:
                    # https://www.rfc-editor.org/rfc/rfc9110.html#section-10.1.1
                    await self.send(self.http.send(CONTINUE) or b"")
                data = await self.receive()
                if not data or len(raw) > LONGEST_REQUEST:
                    return None
                raw += data
                self.http.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                names = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
                self._ahead = self.http.trailing_data[0]
                del raw[len(raw) - len(self._ahead) :]
                method, target = head.method.decode(), head.target.decode()
                return Request(method, target, names, bytes(body), bytes(raw), number)
            else:
                return None

    async def receive(self) -> bytes:
        """Return what comes next; nothing at the end."""
        while True:
            await anyio.wait_readable(self.socket)
            try:
                return self.socket.recv(ONE_READ)
            except BlockingIOError:
                continue

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:  # noqa: PERF203 - it ends a wait
                await anyio.wait_writable(self.socket)
        # Who streams must be cancellable between two pieces.
        await anyio.lowlevel.checkpoint()

    def can_continue(self) -> bool:
        """Whether the client may send another request on this connection."""
        if self.socket.fileno() == -1 or self.http.our_state is not h11.DONE:
            return False
        if self.http.their_state is not h11.DONE:
            return False
        self.http.start_next_cycle()
        return True

    def reset(self) -> None:
        """Close with a reset."""
        if self.socket.fileno() != -1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            self.socket.close()

    def close(self) -> None:
        """Close as a peer does that is done."""
        self.socket.close()


@dataclass
class Exchange:
    """One request, and the means to answer it, well or badly.

    >>> import anyio, httpx2
    >>> from mcp_session.testing import scripted_server
    >>> async def cuts(exchange):
    ...     await exchange.begin_events()
    ...     await exchange.send_event({"jsonrpc": "2.0", "id": 1, "result": {}}, event_id="17")
    ...     exchange.hang_up()
    >>> async def main():
    ...     async with scripted_server(cuts) as server, httpx2.AsyncClient() as client:
    ...         async with client.stream("POST", server.url, json={}) as response:
    ...             return await anext(response.aiter_lines()), response.status_code
    >>> anyio.run(main)
    ('event: message', 200)
    """

    server: ScriptedServer
    connection: Connection
    request: Request
    number: int = 0
    """Which exchange of its server's it is, counted from 0."""
    _sent: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def sent(self) -> bytes:
        """The bytes of the answer, as far as they went out."""
        return bytes(self._sent)

    async def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a whole response."""
        await self.begin(status, {"content-length": str(len(body)), **(headers or {})})
        if body:
            await self.send(body)
        await self.finish()

    async def answer_json(
        self, message: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a JSON message."""
        body = json.dumps(message).encode()
        await self.answer(status, body, {"content-type": "application/json", **(headers or {})})

    async def begin(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Send a head. Without a content-length the body is chunked."""
        pairs = list((headers or {}).items())
        await self._send(h11.Response(status_code=status, headers=pairs))

    async def begin_events(self, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of a stream of events."""
        await self.begin(200, {"content-type": "text/event-stream", **(headers or {})})

    async def send(self, data: bytes) -> None:
        """Send a part of the body; to HEAD, whose answer has none, nothing."""
        if self.request.method != "HEAD":
            await self._send(h11.Data(data=data))

    async def send_event(self, message: object, event_id: str | None = None) -> None:
        """Send one event; of a message that is None, without data."""
        identity = "" if event_id is None else f"id: {event_id}\n"
        data = "" if message is None else json.dumps(message)
        await self.send(f"event: message\n{identity}data: {data}\n\n".encode())

    async def finish(self) -> None:
        """End the body."""
        await self._send(h11.EndOfMessage())

    async def send_raw(self, data: bytes) -> None:
        """Send bytes that need be no HTTP, and take nothing more on this connection."""
        self._sent += data
        await self.connection.send(data)
        self.hang_up()

    async def until_left(self) -> None:
        """Wait until the client has closed the connection."""
        while await self.connection.receive():
            pass

    def hang_up(self) -> None:
        """Close the connection, in the middle of whatever was being sent."""
        self.connection.close()

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.connection.reset()

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        data = self.connection.http.send(event)
        if data:
            self._sent += data
            await self.connection.send(data)


async def relay(port: int, exchange: Exchange) -> None:
    """Answer as the server on this port does, which is sent the very bytes that came in.

    >>> import anyio, httpx2
    >>> from mcp_session.testing import SmallServer, relay, scripted_server
    >>> async def main():
    ...     async with scripted_server(SmallServer()) as server:
    ...         async def passes_on(exchange):
    ...             await relay(server.port, exchange)
    ...         async with scripted_server(passes_on) as before, httpx2.AsyncClient() as client:
    ...             return (await client.delete(before.url)).status_code, len(server.requests)
    >>> anyio.run(main)
    (404, 1)
    """
    request, http = exchange.request, h11.Connection(h11.CLIENT)
    headers = [(name, value) for name, value in request.headers if name != "expect"]
    head = h11.Request(method=request.method, target=request.target, headers=headers)
    for sent in (head, h11.Data(data=request.body), h11.EndOfMessage()):
        http.send(sent)
    async with await anyio.connect_tcp("127.0.0.1", port) as upstream:
        await upstream.send(request.raw)
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    http.receive_data(await upstream.receive())
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    exchange.hang_up()
                    return
            elif isinstance(event, h11.Response):
                names = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                await exchange.begin(event.status_code, names)
            elif isinstance(event, h11.Data):
                await exchange.send(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                await exchange.finish()
                return
            else:
                message = f"the server said what a relay does not pass on: {event!r}"
                raise TypeError(message)


@dataclass
class SmallServer:
    """A script: a small MCP server with sessions, of which a test may replace any part.

    A part is named by the JSON-RPC method, `reply`, or the HTTP method, as `Request.kind` is.

    >>> from mcp_session.testing import SmallServer
    >>> async def fails(exchange):
    ...     await exchange.answer(500)
    >>> small = SmallServer({"tools/call": fails})
    >>> small.begin_session()
    'session-1'
    >>> small.forget()
    >>> small.sessions, small.live
    (['session-1'], set())
    """

    parts: dict[str, Script] = field(default_factory=dict[str, Script])
    version: str | None = None
    """The protocol version it settles on; None: the client's."""
    sessions: list[str] = field(default_factory=list[str])
    """The sessions that were begun, dead ones too."""
    live: set[str] = field(default_factory=set[str])

    async def __call__(self, exchange: Exchange) -> None:
        """Answer by the part of the request's kind, or as usual."""
        await self.parts.get(exchange.request.kind, self.usual)(exchange)

    async def usual(self, exchange: Exchange) -> None:
        """Answer as a good server does."""
        request = exchange.request
        if request.kind == "initialize":
            session = self.begin_session()
            await exchange.answer_json(
                self.initialize_result(request), headers={"mcp-session-id": session}
            )
        elif request.session not in self.live:
            await exchange.answer_json(
                {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "gone"}}, 404
            )
        elif request.method == "GET":
            await exchange.answer(405, headers={"allow": "POST, DELETE"})
        elif request.method == "DELETE":
            self.live.discard(request.session)
            await exchange.answer(200)
        elif "id" not in request.message or request.kind == "reply":
            await exchange.answer(202)
        else:
            await exchange.answer_json(self.result(request))

    def begin_session(self) -> str:
        """Begin a session; return its ID."""
        session = f"session-{len(self.sessions) + 1}"
        self.sessions.append(session)
        self.live.add(session)
        return session

    def forget(self) -> None:
        """End every session behind the back of its client."""
        self.live.clear()

    def initialize_result(self, request: Request) -> dict[str, Any]:
        """Return the answer to an `initialize`."""
        asked = request.message["params"]["protocolVersion"]
        return {
            "jsonrpc": "2.0",
            "id": request.message["id"],
            "result": {
                "protocolVersion": self.version or asked,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "scripted", "version": str(len(self.sessions))},
            },
        }

    def result(self, request: Request) -> dict[str, Any]:
        """Return the result of a call, which names the session that it was made in."""
        content = [{"type": "text", "text": str(request.session)}]
        tools = [{"name": "session", "inputSchema": {"type": "object"}}]
        results: dict[str, dict[str, Any]] = {
            "tools/call": {"content": content},
            "tools/list": {"tools": tools},
        }
        result = results.get(request.kind, {})
        return {"jsonrpc": "2.0", "id": request.message["id"], "result": result}
