"""Stands in front of a real server, and has it restarted just before a request is handed on.

That is the first call of a tool. So a line of the docs goes through a restart as it stands: its
session was opened with a server that is killed when the call is on its way, and that call reaches
one which knows no session.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc

Relay = anyio.abc.SocketStream


@asynccontextmanager
async def gate(
    port: int, restart: Callable[[], Awaitable[None]], before: tuple[str, int] = ("tools/call", 1)
) -> AsyncGenerator[int]:
    """Hand on to a loopback port, from the port that this gives, until the block ends.

    `before` is the method of the request that waits for the restart, and which of these it is.
    """
    opened = Gate(port, restart, before)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, opened.serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # no database's
        tasks.cancel_scope.cancel()


class Gate:
    """Sends each request over a connection of its own, so that its end is its answer's."""

    def __init__(
        self, port: int, restart: Callable[[], Awaitable[None]], before: tuple[str, int]
    ) -> None:
        method, self._until = before
        self._port = port
        self._restart = restart
        self._method = f'"{method}"'.encode()
        self._restarting = anyio.Lock()

    async def serve(self, client: Relay) -> None:
        """Hand on one request and its answer, then close."""
        with suppress_ends():
            async with client:
                head, body = await request_from(client)
                async with self._restarting:
                    if self._method in body:
                        self._until -= 1
                        if self._until == 0:
                            await self._restart()
                async with await anyio.connect_tcp("127.0.0.1", self._port) as server:
                    await server.send(head + body)
                    await hand_on(server, client)


async def request_from(client: Relay) -> tuple[bytes, bytes]:
    """Read a request, and ask that its connection be closed behind it."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await client.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    kept = [it for it in head.split(b"\r\n") if not it.lower().startswith(b"connection:")]
    lengths = [it for it in kept if it.lower().startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += await client.receive()
    return b"\r\n".join([*kept, b"connection: close", b"", b""]), body


async def hand_on(server: Relay, client: Relay) -> None:
    """Give the client what comes, and end when either has gone."""
    async with anyio.create_task_group() as tasks:

        async def until_the_client_has_gone() -> None:
            with suppress_ends():
                await client.receive()
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_the_client_has_gone)
        with suppress_ends():
            while True:
                await client.send(await server.receive())
        tasks.cancel_scope.cancel()


class suppress_ends:  # noqa: N801  # read as the function it stands for
    """Take the end of a connection, either way, for nothing worse."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        return isinstance(
            error,
            anyio.EndOfStream | anyio.BrokenResourceError | anyio.ClosedResourceError | OSError,
        )
