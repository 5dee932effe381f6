"""Serves an application to the other processes of this host, over their connections.

What uvicorn does for a server in front is not needed here: there is one kind of client, which is
ours, and what it says is no HTTP. With uvicorn and h11 on this side, a forwarded request took
twice as long, and a stream twice the memory (docs/workers.md has the figures).
"""

import asyncio
import logging
from typing import cast
from urllib.parse import unquote

import anyio

from mcp_session._asgi import Application, Message, Scope
from mcp_session._core import PeerPiece, PeerReader, PeerRequest, peer_answer, peer_piece

__all__ = ["PeerServer"]

# What an application raises is told as the servers in front tell it, its text included: it is the
# application's own log.
_logger = logging.getLogger("uvicorn.error")

_UNREAD_BYTES = 64 * 1024
_LOOKED_AT_SECONDS = 0.05
_CANCELLED_SECONDS = 1.0
_SERVER_ERROR = 500
_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


class PeerServer:
    """The connections of other processes, and what runs for them."""

    def __init__(self, application: Application) -> None:
        """Serve an application."""
        self.application = application
        self.connections: set[_Connection] = set()
        self.tasks: set[asyncio.Future[None]] = set()
        self.is_ending = False

    def connection(self) -> asyncio.Protocol:
        """Return what serves a new connection."""
        return _Connection(self)

    async def end(self, seconds: float) -> None:
        """Let what runs end in this time; of connections that are not in use, at once."""
        self.is_ending = True
        for connection in list(self.connections):
            connection.end_unless_in_use()
        with anyio.move_on_after(seconds):
            while self.connections or self.tasks:  # noqa: ASYNC110 - of many, whichever is last
                await asyncio.sleep(_LOOKED_AT_SECONDS)
        if self.tasks:
            _logger.error("Cancel %d running task(s) of other processes", len(self.tasks))
            for task in self.tasks:
                task.cancel()
            await asyncio.wait(self.tasks, timeout=_CANCELLED_SECONDS)
        for connection in list(self.connections):
            connection.close()


class _Connection(asyncio.Protocol):
    """One connection: a request after the other."""

    __slots__ = ("_is_reading", "_reader", "_request", "_server", "_transport", "drained")

    def __init__(self, server: PeerServer) -> None:
        self._server, self._reader = server, PeerReader()
        self._request: _Request | None = None
        self._is_reading = True
        # There while more is written than the system takes.
        self.drained: _Waiters | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever it was
        self._server.connections.discard(self)
        if self._request is not None:
            self._request.leave()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._reader.read(data)
        except ValueError:
            self._transport.abort()
            return
        for event in events:
            if isinstance(event, PeerRequest) and self._request is None:
                self._begin(event)
            elif isinstance(event, PeerPiece) and self._request is not None:
                self._go_on(self._request, event)
            else:
                self._transport.abort()
                return

    def pause_writing(self) -> None:
        self.drained = _Waiters()

    def resume_writing(self) -> None:
        drained, self.drained = self.drained, None
        if drained is not None:
            drained.wake()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def read_on(self) -> None:
        """Read more of a request, where it was enough for a while."""
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    def close(self) -> None:
        """Close it, once the system has what was written."""
        self._transport.close()

    def end_unless_in_use(self) -> None:
        if self._request is None:
            self.close()

    def let_go_of(self, request: "_Request") -> None:
        """Take that a request is answered: what else comes of it is of no use."""
        if self._server.is_ending:
            self.close()
        elif request.is_whole:
            self._request = None
        else:
            self.read_on()

    def _begin(self, head: PeerRequest) -> None:
        request = self._request = _Request(self)
        path, _, query = head.target.partition(b"?")
        # What else there is of a connection is known to whoever has that of the client.
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": head.method,
            "scheme": "http",
            "root_path": "",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": head.headers,
            "client": None,
            "server": None,
        }
        running = self._server.application(scope, request.receive, request.send)
        task = asyncio.ensure_future(running)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)
        task.add_done_callback(request.end)

    def _go_on(self, request: "_Request", piece: PeerPiece) -> None:
        request.add(piece)
        if request.is_answered:
            if request.is_whole:
                self._request = None
        elif request.unread > _UNREAD_BYTES:
            self._is_reading = False
            self._transport.pause_reading()


class _Request:
    """The two sides that an application has of a request: `receive` and `send`."""

    __slots__ = (
        "_connection",
        "_has_come",
        "_has_left",
        "_head",
        "_is_begun",
        "_pieces",
        "_waiters",
        "is_answered",
        "is_whole",
        "unread",
    )

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        # Of the answer, what is not written yet: most have their body at once.
        self._head = b""
        self._waiters: _Waiters | None = None
        self._has_come = self._has_left = self._is_begun = False
        self.is_answered = self.is_whole = False
        self.unread = 0

    # What the connection tells.

    def add(self, piece: PeerPiece) -> None:
        """Take what has come."""
        self.is_whole = not piece.more
        if not self.is_answered:
            self._pieces.append(piece.body)
            self.unread += len(piece.body)
            self._wake()

    def leave(self) -> None:
        """Take that the other process is gone."""
        self._has_left = True
        self._wake()

    def end(self, task: "asyncio.Future[None]") -> None:
        """Take that the application has ended."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _logger.error("Exception in ASGI application\n", exc_info=error)
        if self._has_left or self.is_answered:
            return
        if self._is_begun:
            # Without its end, it does not look whole.
            self._flush()
            self._connection.close()
            return
        if error is None:
            _logger.error("ASGI callable returned without starting response.")
        head = peer_answer(_SERVER_ERROR, _TEXT)
        self._answer(head + peer_piece(b"Internal Server Error", more=False))

    # What the application calls.

    async def receive(self) -> Message:
        """Return the next of the body; after it, that its client has left, once it has."""
        while not (self._has_come or self.is_answered or self._has_left):
            self._waiters = self._waiters or _Waiters()
            await self._waiters.wait()
        if self.is_answered or self._has_left:
            return {"type": "http.disconnect"}
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self.unread, self._has_come = [], 0, False
        self._connection.read_on()
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    async def send(self, message: Message) -> None:
        """Write what the application answers."""
        while (drained := self._connection.drained) is not None and not self._has_left:
            await drained.wait()
        if self._has_left:
            return
        expected = "http.response.body" if self._is_begun else "http.response.start"
        if message["type"] != expected or self.is_answered:
            unexpected = f"unexpected ASGI message {message['type']!r}"
            raise RuntimeError(unexpected)
        if not self._is_begun:
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self._head, self._is_begun = peer_answer(message["status"], headers), True
            # A stream may have its first piece much later.
            asyncio.get_running_loop().call_soon(self._flush)
            return
        more = message.get("more_body", False)
        piece = self._take_head() + peer_piece(message.get("body", b""), more=more)
        if more:
            self._connection.write(piece)
        else:
            self._answer(piece)

    # Below.

    def _answer(self, rest: bytes) -> None:
        self._connection.write(rest)
        self.is_answered, self._pieces = True, []
        self._wake()
        self._connection.let_go_of(self)

    def _flush(self) -> None:
        if self._head and not self._has_left:
            self._connection.write(self._take_head())

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _wake(self) -> None:
        self._has_come = True
        if self._waiters is not None:
            self._waiters.wake()


class _Waiters:
    """Those that wait for something, each by itself: each may be cancelled."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._futures.append(future)
        try:
            await future
        finally:
            self._futures.remove(future)

    def wake(self) -> None:
        for future in self._futures:
            if not future.done():
                future.set_result(None)
