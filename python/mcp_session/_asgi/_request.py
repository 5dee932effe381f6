"""The body of a request, read before the application runs; what it has not seen it gets then."""

from asyncio import CancelledError, Task, current_task, get_running_loop, wait
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from types import coroutine
from typing import Any, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from mcp_session._asgi import Message, Receive
from mcp_session._core import AsgiMachine, CollectedBody

__all__ = ["RequestReader"]

_Run: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_READ_AT_ONCE = 16


@coroutine
def _continued(begun: Coroutine[Any, Any, None], waits_for: object) -> Generator[Any, Any, None]:
    """Go on with what waits, in the task that it began in."""
    try:
        while True:
            try:
                woken = yield waits_for
            except BaseException as error:  # noqa: BLE001, PERF203 - what waits ends by it
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(woken)
    except StopIteration:
        return


class RequestReader:
    """Reads for the machine, then for the application.

    A server's `receive` that is cancelled may lose a piece. So once it waits it goes on waiting,
    in the task it was called in, and where the time is over the application runs beside it.
    """

    def __init__(
        self,
        machine: AsgiMachine | CollectedBody,
        receive: Receive,
        make_room: Callable[[Message], None] | None = None,
    ) -> None:
        """Read by the server's `receive`; `make_room` is called before each message counts."""
        self._machine, self._receive, self._make_room = machine, receive, make_room
        self._unseen: list[Message | Exception] = []
        self._on_seen: Callable[[], None] | None = None
        self._is_read: anyio.Event | None = None
        self._start: Callable[[], object] | None = None

    def receive(self) -> Awaitable[Message]:
        """Stand in for the server's `receive`; without a frame when there is nothing to do."""
        if self._unseen or self._is_read is not None or self._machine.remembers_request:
            return self._receive_in_turn()
        return self._receive()

    def forget_what_was_read(self) -> None:
        """Leave out what was read so far: it is given in another way, or of no use."""
        self._unseen.clear()

    def tell_once_seen(self, on_seen: Callable[[], None]) -> None:
        """Call this once the application has seen all that was read before."""
        self._on_seen = on_seen

    def wait_no_longer(self) -> None:
        """Go on as if the time were over, if something is waited for."""
        if self._start is not None:
            self._start()

    def read_at_hand(self) -> Awaitable[None] | None:
        """Read what there is; return the read that would have to wait, and has to be awaited."""
        try:
            self._here = current_task()
        except RuntimeError:
            self._here = None
        while self._machine.reads_on:
            taking = self._take()
            if self._here is None or len(self._unseen) == _READ_AT_ONCE:
                return taking
            try:
                waits_for = taking.send(None)
            except StopIteration:
                continue
            return _continued(taking, waits_for)
        return None

    def serve(self, begun: Awaitable[None], run: _Run, seconds: float) -> Awaitable[None]:
        """Run the application once the machine knows the request, or the time is over."""
        serve = self._serve_in_group if self._here is None else self._serve_beside
        return serve(begun, run, seconds)

    async def _serve_beside(self, begun: Awaitable[None], run: _Run, seconds: float) -> None:
        loop, here, is_read = get_running_loop(), self._here, anyio.Event()
        beside: Task[None] | None = None

        def start() -> None:
            nonlocal beside
            if beside is not None or is_read.is_set():
                return
            self._machine.wait_over()
            self._is_read = is_read
            beside = loop.create_task(run())
            # What still waits when it is done, waits for nobody.
            beside.add_done_callback(lambda _: is_read.is_set() or (here and here.cancel()))

        timer = loop.call_later(seconds, start)
        # Whoever asks for it does so in a context of its own, and perhaps in another thread.
        self._start = partial(loop.call_soon_threadsafe, start, context=copy_context())
        try:
            await self._read(begun)
        except CancelledError:
            if beside is None or not beside.done():
                if beside is not None:
                    beside.cancel()
                    await wait([beside])
                raise
            # From Python 3.11 on, a task counts how often it was cancelled.
            if here is not None and hasattr(here, "uncancel") and here.uncancel():
                raise
        finally:
            timer.cancel()
            is_read.set()
            self._start = None
        await (run() if beside is None else beside)

    async def _serve_in_group(self, begun: Awaitable[None], run: _Run, seconds: float) -> None:
        failure: Exception | None = None
        is_read = self._is_read = anyio.Event()

        async def beside() -> None:
            nonlocal failure
            with anyio.move_on_after(seconds):
                await is_read.wait()
            self._machine.wait_over()
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - raised below, as it is
                failure = error
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beside)
            await self._read(begun)
            is_read.set()
        if failure is not None:
            raise failure

    async def _read(self, begun: Awaitable[None]) -> None:
        await begun
        while self._machine.reads_on:
            # A server that has much at hand never waits, and time would not run out.
            await checkpoint()
            await self._take()

    async def _take(self) -> None:
        """Read what the application has not seen."""
        try:
            message = await self._receive()
        except Exception as error:  # noqa: BLE001 - the application's, when it reads
            self._machine.request(None)
            self._unseen.append(error)
        else:
            if self._make_room is not None:
                self._make_room(message)
            self._machine.request(message)
            self._unseen.append(message)

    async def _receive_in_turn(self) -> Message:
        if self._is_read is not None and not self._unseen:
            await self._is_read.wait()
            self._is_read = None
        if not self._unseen:
            message = await self._receive()
            self._machine.request(message)
            return message
        first = self._unseen.pop(0)
        if not self._unseen and self._on_seen is not None:
            self._on_seen()
        if isinstance(first, Exception):
            raise first
        return first
