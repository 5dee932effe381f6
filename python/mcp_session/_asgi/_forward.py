"""Carries a request to another process over HTTP/1.1, and the answer back.

Nothing is collected: pieces of the request go out as they come in, pieces of the answer as well.
A client that is slow slows the other process, and one that leaves ends its request there.
"""

import socket
import ssl
import sys
from asyncio import Task, create_task
from collections.abc import AsyncGenerator, Iterable
from types import TracebackType

import httpcore

from mcp_session._asgi import Receive, Send

__all__ = [
    "HOP_BY_HOP",
    "ClientLeft",
    "CutOff",
    "Exchange",
    "Lost",
    "Unreached",
    "Upstream",
    "UpstreamAnswer",
]

_CONNECT_SECONDS = 1.0
# Less than the other side keeps a connection that is not in use, or a request meets its end: it may
# have run then, and is not sent again. gunicorn closes after 2 s, uvicorn and node after 5 s.
_IDLE_SECONDS = 1.5
_LOCAL_IDLE_SECONDS = 30.0
_IDLE_AT_MOST = 64
# What is between two neighbours: the server in front has its own with its client.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Of a host that vanished nothing comes, not even an end.
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class Unreached(Exception):  # noqa: N818 - what became of a request
    """The request did not come to the other process, or not whole: it was not processed.

    `is_refused`: nothing listens there, as opposed to no answer in time or no way there.
    """

    def __init__(self, *, is_refused: bool) -> None:
        """Say why."""
        super().__init__("refused" if is_refused else "not reached")
        self.is_refused = is_refused


class Lost(Exception):  # noqa: N818 - what became of a request
    """The request went out, and no answer began: it may have been processed."""


class CutOff(Exception):  # noqa: N818 - what became of a request
    """The answer broke off."""


class ClientLeft(Exception):  # noqa: N818 - what became of a request
    """The client closed its connection."""


class Upstream:
    """Another process: its address, and the connections to it that are not in use.

    A connection for each exchange, and no bound on them: every stream that is open is one. What
    is done for an exchange does not grow with their number.
    """

    def __init__(
        self,
        url: str,
        *,
        socket_path: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_seconds: float = _CONNECT_SECONDS,
    ) -> None:
        """Reach it at the origin of `url`, through the Unix socket of that path if there is one."""
        self._ssl_context, self._connect_seconds = ssl_context, connect_seconds
        parsed = httpcore.URL(url)
        self._origin, self._path = parsed.origin, socket_path
        self.is_local = socket_path is not None
        self._scheme, self._host, self._port = parsed.scheme, parsed.host, parsed.port
        self._idle: list[httpcore.AsyncHTTPConnection] = []

    def exchange(
        self, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], receive: Receive
    ) -> "Exchange":
        """Send a request: its target, its headers, and the body that ASGI's `receive` gives.

        To be entered, for an `UpstreamAnswer`. Entering raises `Unreached`, `Lost` and
        `ClientLeft`.
        """
        url = httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target)
        body = _Body(receive)
        sent = _framed(method, headers)
        timeouts = {"timeout": {"connect": self._connect_seconds}}
        request = httpcore.Request(
            method, url, headers=sent, content=body.pieces(), extensions=timeouts
        )
        return Exchange(self, request, body)

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.aclose()

    async def take(self) -> httpcore.AsyncHTTPConnection:
        """Take a connection that is not in use, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=self._ssl_context,
            # The private socket is ours, and closes none.
            keepalive_expiry=_IDLE_SECONDS if self._path is None else _LOCAL_IDLE_SECONDS,
            uds=self._path,
            socket_options=None if self._path else _KEEP_ALIVE,
        )

    async def give_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        """Take back a connection, for the next exchange if it can be used."""
        if connection.is_idle() and len(self._idle) < _IDLE_AT_MOST:
            self._idle.append(connection)
        else:
            await connection.aclose()


class UpstreamAnswer:
    """An answer, of which the head is there."""

    def __init__(self, response: httpcore.Response, body: "_Body") -> None:
        """Stand for a response; the client is watched by the body of its request."""
        self._response, self._body = response, body
        self.status = response.status
        self.headers = [
            (name.lower(), value)
            for name, value in response.headers
            if name.lower() != b"transfer-encoding"
        ]

    async def relay(self, send: Send, headers: Iterable[tuple[bytes, bytes]] | None = None) -> None:
        """Send the answer, piece by piece as it comes, with these headers in place of its own.

        Raises `CutOff` if it breaks off, and `ClientLeft` if nobody is there for it any more.
        """
        start = {"type": "http.response.start", "status": self.status}
        await send({**start, "headers": list(self.headers if headers is None else headers)})
        try:
            async for piece in self._response.aiter_stream():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except _FAILURES:
            raise (ClientLeft if self._body.client_left else CutOff) from None
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class Exchange:
    """One request, from its first byte to the last one of its answer."""

    def __init__(self, upstream: Upstream, request: httpcore.Request, body: "_Body") -> None:
        """Made by `Upstream.exchange`."""
        self._upstream, self._request, self._body = upstream, request, body
        self._connection: httpcore.AsyncHTTPConnection | None = None
        self._response: httpcore.Response | None = None
        self._watch: Task[None] | None = None

    async def cut(self) -> None:
        """Close its connection: nothing will come of it."""
        if self._connection is not None:
            await self._connection.aclose()

    async def __aenter__(self) -> UpstreamAnswer:
        connection = self._connection = await self._upstream.take()
        self._body.on_sent = self._begin_to_watch
        try:
            self._response = await connection.handle_async_request(self._request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            await self._end()
            cause = error.__cause__
            raise Unreached(is_refused=isinstance(cause, ConnectionRefusedError)) from None
        except _FAILURES as error:
            await self._end()
            if self._body.client_left:
                raise ClientLeft from None
            if not self._body.is_sent or (self._upstream.is_local and _left_unread(error)):
                raise Unreached(is_refused=False) from None
            raise Lost from None
        except BaseException:
            await self._end()
            raise
        return UpstreamAnswer(self._response, self._body)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    def _begin_to_watch(self) -> None:
        self._watch = create_task(self._close_when_the_client_left())

    async def _close_when_the_client_left(self) -> None:
        await self._body.left()
        # What is being read ends by it.
        await self.cut()

    async def _end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        connection, self._connection = self._connection, None
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:
            if connection is not None:
                await self._upstream.give_back(connection)


class _Body:
    """The body of a request as `receive` gives it; after it, whether the client is there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.client_left = self.is_sent = False
        self.on_sent = _nothing

    async def pieces(self) -> AsyncGenerator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                self.client_left = True
                raise ClientLeft
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield bytes(piece)
        # The last piece was written, or this would not be asked for another.
        self.is_sent = True
        self.on_sent()

    async def left(self) -> None:
        """Return when the client left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True


def _left_unread(error: BaseException) -> bool:
    """Whether the other process ended before it had read the request.

    Of a Unix socket Linux says so: a socket that is closed with data in it that was not read, or
    before it was accepted, resets the other end (`unix_release_sock`); else there is an end.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionResetError):
        cause = cause.__cause__
    return cause is not None and sys.platform == "linux"


def _framed(method: str, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers for the next neighbour, which has to know where the body ends."""
    pairs = [(name.lower(), value) for name, value in headers]
    kept = [pair for pair in pairs if pair[0] not in HOP_BY_HOP]
    names = {name for name, _ in pairs}
    if b"transfer-encoding" in names:
        # "A sender MUST NOT send a Content-Length header field in any message that contains a
        # Transfer-Encoding header field."
        # https://www.rfc-editor.org/rfc/rfc9112.html#section-6.2
        kept = [pair for pair in kept if pair[0] != b"content-length"]
    if b"transfer-encoding" in names or (method == "POST" and b"content-length" not in names):
        kept.append((b"transfer-encoding", b"chunked"))
    if b"host" not in names:
        # HTTP/1.0 knows none, HTTP/1.1 demands it: "with an empty field value".
        # https://www.rfc-editor.org/rfc/rfc9110.html#section-7.2
        kept.insert(0, (b"host", b""))
    return kept


def _nothing() -> None:
    pass
