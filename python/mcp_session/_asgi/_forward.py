"""Carries a request to another process, and the answer back.

To one of this host in frames of our own, to any other server over HTTP/1.1.

Nothing is collected: pieces of the request go out as they come in, pieces of the answer as well.
A client that is slow slows the other process, and one that leaves ends its request there.
"""

import os
import socket
import ssl
import struct
import sys
from asyncio import FIRST_COMPLETED, Task, TimerHandle, create_task, get_running_loop, wait
from collections.abc import Awaitable, Iterable
from functools import cache
from types import TracebackType
from typing import TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from mcp_session._asgi import Message, Receive, Send
from mcp_session._asgi._http11 import Http11Connection
from mcp_session._asgi._peer_connection import PeerConnection
from mcp_session._asgi._transport import (
    BrokenConnectionError,
    ExchangeConnection,
    Headers,
    NotHttpError,
)
from mcp_session._urls import DEFAULT_PORTS, server_url_parts

__all__ = [
    "ClientLeft",
    "CutOff",
    "Exchange",
    "Lost",
    "NotHttp",
    "Unreached",
    "Upstream",
    "UpstreamAnswer",
    "tls",
]

_CONNECT_SECONDS = 1.0
# Less than the other side keeps a connection that is not in use, or a request meets its end: it may
# have run then, and is not sent again. gunicorn closes after 2 s, uvicorn and node after 5 s.
_IDLE_SECONDS = 1.5
_LOCAL_IDLE_SECONDS = 30.0
_IDLE_AT_MOST = 64
# Of several addresses of a host, how long one is waited for before the next is tried as well.
_HEAD_START_SECONDS = 0.25
# An answer that comes at once needs no task that watches whether its client is there.
_UNWATCHED_SECONDS = 0.1
# Who has answered and reads no more for so long will not read the rest.
_STALLED_SECONDS = 5.0
_Request: TypeAlias = tuple[str, bytes, Headers]
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


class NotHttp(Unreached):
    """The request went nowhere: nobody who reads HTTP/1.1 would take it.

    Servers in front let pass what has two `Host`, or a control character in a header. "A server
    MUST respond with a 400 (Bad Request) status code".
    https://www.rfc-editor.org/rfc/rfc9112.html#section-3.2
    """

    def __init__(self) -> None:
        """Say so."""
        super().__init__(is_refused=False)


class Lost(Exception):  # noqa: N818 - what became of a request
    """The request went out, and no answer began: it may have been processed."""


class CutOff(Exception):  # noqa: N818 - what became of a request
    """The answer broke off."""


class ClientLeft(Exception):  # noqa: N818 - what became of a request
    """The client closed its connection."""


class Upstream:
    """Another process: its address, and the connections to it that are not in use.

    A connection for each exchange, and no bound on them: every stream that is open is one. What
    is done for an exchange does not grow with their number. Raises `ValueError` for a URL that
    leads nowhere, without it.
    """

    def __init__(
        self,
        url: str,
        *,
        socket_path: str | None = None,
        connect_seconds: float = _CONNECT_SECONDS,
    ) -> None:
        """Reach it at the origin of `url`, through the Unix socket of that path if there is one."""
        if (parts := server_url_parts(url)) is None:
            message = "not a URL of a server"
            raise ValueError(message)
        self._host = parts.hostname
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        # One for all connections: to read the authorities takes longer than to connect.
        self._tls = tls() if parts.scheme == "https" and socket_path is None else None
        self._path, self._connect_seconds = socket_path, connect_seconds
        self.is_local = socket_path is not None
        self._idle: list[ExchangeConnection] = []

    def exchange(
        self, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], receive: Receive
    ) -> "Exchange":
        """Send a request: its target, its headers, and the body that ASGI's `receive` gives.

        To be entered, for an `UpstreamAnswer`. Entering raises `Unreached`, `NotHttp`, `Lost` and
        `ClientLeft`.
        """
        return Exchange(self, (method, target, list(headers)), _Body(receive))

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        # The event loop has to turn for that, and may be about to end.
        await checkpoint()

    async def take(self) -> ExchangeConnection:
        """Take a connection that is not in use, or a new one. Raises `OSError`."""
        # The private socket is ours, and closes none.
        seconds = _LOCAL_IDLE_SECONDS if self.is_local else _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired(seconds):
                return connection
            connection.close()
        with anyio.fail_after(self._connect_seconds):
            connection = await self._connected()
        if connection.has_ended():
            # It has closed it again, or speaks first, as no server of HTTP does.
            connection.close()
            raise ConnectionResetError
        return connection

    async def give_back(self, connection: ExchangeConnection) -> None:
        """Take back a connection, for the next exchange if it can be used."""
        if len(self._idle) < _IDLE_AT_MOST and connection.is_free():
            self._idle.append(connection)
        else:
            connection.close()

    async def _connected(self) -> ExchangeConnection:
        loop = get_running_loop()
        if self._path is not None:
            transport, connection = await loop.create_unix_connection(PeerConnection, self._path)
            if not _is_of_this_user(transport.get_extra_info("socket")):
                connection.close()
                raise PermissionError
            return connection
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses: list[tuple[int, str, int]] = [
            (family, str(at[0]), int(at[1])) for family, _, _, _, at in found
        ]
        if len(addresses) == 1:
            return await self._connected_to(*addresses[0])
        return await self._connected_to_one_of(addresses)

    async def _connected_to_one_of(
        self, addresses: list[tuple[int, str, int]]
    ) -> ExchangeConnection:
        """Connect to whichever answers first. One that is slow goes on while the next is tried.

        https://www.rfc-editor.org/rfc/rfc8305.html#section-5
        """
        tasks, failure = set[Task[ExchangeConnection]](), OSError()
        try:
            while addresses or tasks:
                if addresses:
                    tasks.add(create_task(self._connected_to(*addresses.pop(0))))
                seconds = _HEAD_START_SECONDS if addresses else None
                await wait(tasks, timeout=seconds, return_when=FIRST_COMPLETED)
                for task in [it for it in tasks if it.done()]:
                    tasks.remove(task)
                    try:
                        return task.result()
                    except OSError as error:
                        failure = error
            raise failure
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_let_go)

    async def _connected_to(self, family: int, host: str, port: int) -> ExchangeConnection:
        transport, connection = await get_running_loop().create_connection(
            Http11Connection,
            host,
            port,
            family=family,
            ssl=self._tls,
            server_hostname=None if self._tls is None else self._host,
        )
        connected = transport.get_extra_info("socket")
        for option in _KEEP_ALIVE:
            connected.setsockopt(*option)
        return connection


class UpstreamAnswer:
    """An answer, of which the head is there."""

    __slots__ = ("_body", "_connection", "headers", "status")

    def __init__(
        self, connection: ExchangeConnection, status: int, headers: Headers, body: "_Body"
    ) -> None:
        """Stand for an answer; the client is watched by the body of its request."""
        self._connection, self._body = connection, body
        self.status, self.headers = status, headers

    def relay(
        self, send: Send, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> Awaitable[None]:
        """Send the answer, piece by piece as it comes, with these headers in place of its own.

        Raises `CutOff` if it breaks off, and `ClientLeft` if nobody is there for it any more.
        """
        sent = list(self.headers if headers is None else headers)
        start: Message = {"type": "http.response.start", "status": self.status, "headers": sent}
        return self._relay(send, start)

    async def _relay(self, send: Send, start: Message) -> None:
        await send(start)
        # A stream may be open for long: nothing of its head is kept for that.
        self.headers = []
        del start
        more = True
        while more:
            try:
                piece, more = await self._connection.piece()
            except BrokenConnectionError:
                raise (ClientLeft if self._body.client_left else CutOff) from None
            await send({"type": "http.response.body", "body": piece, "more_body": more})


class Exchange:
    """One request, from its first byte to the last one of its answer."""

    __slots__ = ("_body", "_connection", "_failure", "_request", "_upstream", "_watch")

    def __init__(self, upstream: Upstream, request: "_Request", body: "_Body") -> None:
        """Made by `Upstream.exchange`."""
        self._upstream, self._body = upstream, body
        # Until it is sent: a stream may be open for long.
        self._request = [request]
        self._connection: ExchangeConnection | None = None
        # What goes on while the answer is waited for: the rest of the request, and the watch.
        self._watch: Task[None] | TimerHandle | None = None
        self._failure: Exception | None = None

    async def __aenter__(self) -> UpstreamAnswer:
        try:
            connection = self._connection = await self._upstream.take()
        except OSError as error:
            raise Unreached(is_refused=isinstance(error, ConnectionRefusedError)) from None
        try:
            piece, more = await self._body.piece()
            self._send(connection, piece, more=more)
            status, headers = await connection.response()
        except BrokenConnectionError as error:
            await self._end()
            if self._failure is not None:
                raise self._failure from None
            if self._body.client_left:
                raise ClientLeft from None
            is_sent = self._body.is_written and not connection.has_unsent
            if not is_sent or (self._upstream.is_local and _left_unread(error)):
                raise Unreached(is_refused=False) from None
            raise Lost from None
        except BaseException:
            await self._end()
            raise
        self._body.is_answered = True
        return UpstreamAnswer(connection, status, headers, self._body)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    def _send(self, connection: ExchangeConnection, piece: bytes, *, more: bool) -> None:
        if connection.has_ended():
            # While the client was waited for.
            raise BrokenConnectionError
        method, target, headers = self._request.pop()
        try:
            connection.begin(method, target, headers, piece, more=more)
        except NotHttpError:
            raise NotHttp from None
        self._body.is_written = not more
        if more or connection.has_unsent:
            self._watch = create_task(self._go_on(connection, more=more))
        else:
            self._watch = get_running_loop().call_later(_UNWATCHED_SECONDS, self._begin_to_watch)

    def _begin_to_watch(self) -> None:
        if self._connection is not None:
            self._watch = create_task(self._go_on(self._connection, more=False))

    async def _go_on(self, connection: ExchangeConnection, *, more: bool) -> None:
        """Send the rest of the request; then see whether the client leaves."""
        try:
            while more and await self._is_taken(connection):
                piece, more = await self._body.piece()
                connection.go_on(piece, more=more)
                self._body.is_written = not more
            while (await self._body.receive())["type"] != "http.disconnect":
                pass
            self._body.client_left = True
        except (ClientLeft, BrokenConnectionError):
            # Broken: it is not as long as its head says.
            pass
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for the answer
            self._failure = error
        # What is being read ends by it.
        connection.close()

    async def _is_taken(self, connection: ExchangeConnection) -> bool:
        """Return whether the other process goes on reading, once that is known.

        While it does not, nobody would see that the client leaves. Of what was answered before it
        was read whole the rest is of no use then.
        """
        while True:
            with anyio.move_on_after(_STALLED_SECONDS):
                return await connection.taken()
            if self._body.is_answered:
                return False

    async def _end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._upstream.give_back(connection)


class _Body:
    """The body of a request as `receive` gives it; after it, whether the client is there."""

    __slots__ = ("client_left", "is_answered", "is_written", "receive")

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.client_left = self.is_written = self.is_answered = False

    async def piece(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether more follows. Raises `ClientLeft`."""
        message = await self.receive()
        if message["type"] != "http.request":
            self.client_left = True
            raise ClientLeft
        return bytes(message.get("body", b"")), message.get("more_body", False)


def _let_go(task: Task[ExchangeConnection]) -> None:
    """Close what was connected when another was already."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _is_of_this_user(connected: socket.socket) -> bool:
    """Whether the process at the other end of a private socket is of this user.

    Its folder is below one that all may write to. Where somebody cleans that, another user may take
    the place of a folder that was there. Only Linux says who listens, by `struct ucred`.
    """
    if sys.platform != "linux" or not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * 4)
    _, user, _ = struct.unpack("iII", credentials)
    return bool(user == os.geteuid())


def _left_unread(error: BaseException) -> bool:
    """Whether the other process ended before it had read the request.

    Of a Unix socket Linux says so: a socket that is closed with data in it that was not read, or
    before it was accepted, resets the other end (`unix_release_sock`); else there is an end.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionResetError):
        cause = cause.__cause__
    return cause is not None and sys.platform == "linux"


@cache
def tls() -> ssl.SSLContext:
    """Return what all connections over TLS have in common: the authorities of this host."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
