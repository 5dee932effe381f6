"""Passes messages on between a client on standard input and output and a server on HTTP."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import anyio

from mcp_session._bridge.sdk import Sdk
from mcp_session._bridge.standard import StandardInput, StandardOutput
from mcp_session._errors import leaves

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

__all__ = ["End", "Options", "run"]

# How long a client that does not read is given to take what was written last.
FLUSH_SECONDS = 1.0

CONNECT_SECONDS = 30.0

# Of what a client writes before its `initialize` is answered, so many messages are read ahead.
AHEAD = 64

# -32000 is what the SDKs say of a connection that is closed.
CONNECTION_CLOSED = -32000


class End(Enum):
    """Why it is over."""

    CLIENT_LEFT = "client left"
    TERMINATED = "terminated"
    INTERRUPTED = "interrupted"
    SERVER_LOST = "server lost"


@dataclass(frozen=True)
class Options:
    """What the bridge is told of the server."""

    url: str
    headers: Mapping[str, str]
    """Those of every request."""
    read_timeout: float
    """How long an answer or a stream may be silent, in seconds."""
    drain: float
    """How long what was asked for before the end of standard input is waited for, in seconds."""


def run(options: Options, say: Callable[[str], None]) -> End:
    """Pass messages on until either side ends; `say` tells the user of what goes wrong."""
    sdk = Sdk()
    # The SDK's 1.x runs on asyncio alone.
    return anyio.run(Bridge(sdk, options, say).serve, backend="asyncio")


class Bridge:
    """One client, one server."""

    def __init__(self, sdk: Sdk, options: Options, say: Callable[[str], None]) -> None:
        """Begin before either is heard of."""
        self._sdk, self._options, self._say = sdk, options, say
        self._headers = sdk.headers()
        self._open: dict[object, Any] = {}
        self._sent = 0
        self._waiting = 0
        """How many messages of the client were read and not yet passed on."""
        self._is_opening = False
        """Whether an `initialize` is waited for."""
        self._end: End | None = None
        self._is_over = anyio.Event()
        self._progress = anyio.Event()

    async def serve(self) -> End:
        """Serve the client until there is an end, and see to it that every request has one."""
        output = StandardOutput()
        with anyio.CancelScope() as whole:
            async with (
                self._signals(whole),
                self._sdk.stdio_server(StandardInput(), output) as (requests, answers),
            ):
                reason = await self._connect(requests, answers, output)
                if self._end is End.SERVER_LOST:
                    self._say(reason)
                    for request_id in tuple(self._open):
                        await self._write(
                            answers, self._sdk.error(request_id, CONNECTION_CLOSED, reason)
                        )
                with anyio.move_on_after(FLUSH_SECONDS):
                    await output.until(self._sent)
                # Its reader waits for a line which may never come.
                whole.cancel()
        return self._end or End.SERVER_LOST

    async def _connect(self, requests: Any, answers: Any, output: StandardOutput) -> str:  # noqa: ANN401 - streams of either generation
        """Pass messages on while there is a connection; return what ended it."""
        options, sdk = self._options, self._sdk
        client = sdk.create_http_client(
            headers=dict(options.headers),
            timeout=sdk.timeout(CONNECT_SECONDS, read=options.read_timeout),
        )
        client.event_hooks["response"] = [self._refused]
        try:
            async with (
                client,
                sdk.streamable_http_client(options.url, http_client=client) as (read, write, *_),
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self._up, requests, write)
                tasks.start_soon(self._down, read, answers)
                tasks.start_soon(self._unread, output)
                await self._is_over.wait()
                if self._end is End.CLIENT_LEFT:
                    with anyio.move_on_after(options.drain):
                        while self._open or self._waiting:
                            await self._progress.wait()
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - it is named, and its text is not shown
            if self._end is None:
                self._over(End.SERVER_LOST)
            return reason_of(error)
        return "the connection to the server has ended"

    async def _up(self, requests: Any, write: Any) -> None:  # noqa: ANN401 - as above
        """Take what the client writes, to its end."""
        ahead, following = anyio.create_memory_object_stream[Any](AHEAD)
        async with anyio.create_task_group() as tasks, ahead:
            tasks.start_soon(self._pass_on, following, write)
            async for item in requests:
                if isinstance(item, Exception):
                    self._say("a line that is no JSON-RPC message was left out")
                    continue
                message = self._sdk.content(item)
                if isinstance(message, self._sdk.request):
                    self._open[message.id] = message  # type: ignore[attr-defined]
                for request_id in self._sdk.called_off(message):
                    # No answer need come any more.
                    self._open.pop(request_id, None)
                    self._progressed()
                if self._is_opening and isinstance(message, self._sdk.answers):
                    # The server may ask before it answers, and wait for this.
                    await write.send(self._headers.put_on(item, message))
                    continue
                self._waiting += 1
                await ahead.send(item)
            self._over(End.CLIENT_LEFT)

    async def _pass_on(self, following: Any, write: Any) -> None:  # noqa: ANN401 - as above
        """Pass on what the client wrote, in its order.

        What follows an `initialize` belongs to the session that its answer begins: a client which
        does not wait for that would be refused.
        """
        async with following:
            async for item in following:
                message = self._sdk.content(item)
                is_opening = (
                    isinstance(message, self._sdk.request) and message.method == "initialize"  # type: ignore[attr-defined]
                )
                self._is_opening = is_opening
                await write.send(self._headers.put_on(item, message))
                while is_opening and self._open.get(message.id) is message:
                    await self._progress.wait()
                self._is_opening = False
                self._waiting -= 1
                self._progressed()

    async def _down(self, read: Any, answers: Any) -> None:  # noqa: ANN401 - as above
        """Pass on what the server sends."""
        async for item in read:
            if isinstance(item, Exception):
                kind = type(item).__name__
                self._say(f"a message of the server that is not understood was left out ({kind})")
                continue
            message = self._sdk.content(item)
            request = None
            if isinstance(message, self._sdk.answers):
                request = self._open.pop(message.id, None)  # type: ignore[attr-defined]
            if request is not None:
                self._headers.answered(request, message)
            await self._write(answers, item)
            self._progressed()
        self._over(End.SERVER_LOST)

    def _progressed(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()

    async def _unread(self, output: StandardOutput) -> None:
        await output.closed.wait()
        self._over(End.CLIENT_LEFT)

    async def _write(self, answers: Any, item: Any) -> None:  # noqa: ANN401 - as above
        self._sent += 1
        await answers.send(item)

    async def _refused(self, response: Any) -> None:  # noqa: ANN401 - of either library
        """Tell the user of a refusal which says nothing of sessions or of what is offered."""
        if response.is_error and response.status_code not in {404, 405}:
            method = response.request.method
            self._say(f"the server answered {response.status_code} to a {method}")

    def _over(self, end: End) -> None:
        if self._end is None:
            self._end = end
        self._is_over.set()

    @asynccontextmanager
    async def _signals(self, whole: anyio.CancelScope) -> AsyncGenerator[None]:
        """End in order at the first signal, and at once at the second."""
        with _signals_received() as received:
            async with anyio.create_task_group() as tasks:

                async def listen() -> None:
                    async for number in received:
                        if was_told:
                            whole.cancel()
                        was_told.append(number)
                        is_interrupt = number == signal.SIGINT
                        self._over(End.INTERRUPTED if is_interrupt else End.TERMINATED)

                was_told: list[int] = []

                if received is not None:
                    tasks.start_soon(listen)
                yield
                tasks.cancel_scope.cancel()


@contextmanager
def _signals_received() -> Generator[Any]:
    try:
        receiver = anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT)
        received = receiver.__enter__()
    except NotImplementedError:
        # On Windows an event loop hears of none: Ctrl-C raises, and an end is one without us.
        yield None
        return
    try:
        yield received
    finally:
        receiver.__exit__(None, None, None)


def reason_of(error: BaseException) -> str:
    """Return what ended the connection, of which nothing is shown but its kind.

    >>> from mcp_session._bridge.run import reason_of
    >>> reason_of(ConnectionResetError("at https://key@server.example"))
    'the connection to the server has failed (ConnectionResetError)'
    """
    error = next(leaves(error))
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    return f"the connection to the server has failed ({type(error).__name__})"
