"""Drives the driver in the thread of its caller, for clients that are not asynchronous.

The driver is written once, with `await`. Here nothing that it awaits is suspended: what waits,
blocks its thread. So each of its coroutines comes to its end in one step, without an event loop.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mcp_session._client.library import Library
from mcp_session._client.waiting import Waits

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Coroutine,
        Generator,
        Iterator,
    )
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["blocking_library", "blocking_send", "blocking_source", "run"]

T = TypeVar("T")

LONGEST_WAIT = 86_400.0


def run(awaitable: Awaitable[T]) -> T:
    """Take it to its end and return what it returns.

    Raises `RuntimeError` if it waits for an event loop, as nothing of ours does.
    """
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    message = "what a client without an event loop calls must not wait for one"
    raise RuntimeError(message)


def blocking_library(http: Any, *, status_shield: bool) -> Library:  # noqa: ANN401 - one of two
    """Take a library by its module, so that what is read of it can be read with `for` too."""
    stream = type("Stream", (Stream, http.AsyncByteStream, http.SyncByteStream), {})
    return Library(http, status_shield=status_shield, byte_stream=stream, waits=WAITS)


def blocking_send(
    send: Callable[..., Any], library: Library
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Make the `send` of a client one that can be awaited, and that our limits end."""

    async def blocking(request: Any, **send_options: Any) -> Any:  # noqa: ANN401 - the library's
        # The transport looks here whenever it waits: what we limit is not the caller's own.
        extensions, seconds = request.extensions, seconds_left()
        timeouts: dict[str, float | None] = dict(extensions.get("timeout") or {})
        if seconds is not None:
            for name in ("connect", "read", "write", "pool"):
                own = timeouts.get(name)
                timeouts[name] = seconds if own is None else min(own, seconds)
        request.extensions = extensions | {"timeout": timeouts}
        try:
            response = send(request, **send_options)
        except library.outages:
            end_if_over()
            raise
        except library.refused as error:
            # An event hook raised for its status: it may be read all the same.
            refused = error.response
            refused.stream = blocking_source(refused.stream, library, refused, timeouts)
            raise
        finally:
            request.extensions = extensions
        response.stream = blocking_source(response.stream, library, response, timeouts)
        return response

    return blocking


def blocking_source(
    source: Any,  # noqa: ANN401 - of either library
    library: Library,
    response: Any = None,  # noqa: ANN401 - as above
    timeouts: dict[str, float | None] | None = None,
) -> Any:  # noqa: ANN401 - as above
    """Make a stream that is read with `for` one that is read with `async for` too.

    `response` is the one that it is of, if it is of one, and `timeouts` are those of its request.
    """

    async def close() -> None:
        source.close()

    if response is None:
        return library.body(Afresh(source), None, close)
    return library.body(chunks_of(source, response, timeouts), source, close)


class Afresh:
    """The body of a request, begun anew by who reads it again: it may say that it cannot be."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - as above
        """Read it."""
        self._source = source

    def __aiter__(self) -> AsyncGenerator[bytes]:
        return chunks_of(self._source, None, None)


async def chunks_of(
    source: Any,  # noqa: ANN401 - as above
    response: Any,  # noqa: ANN401 - as above
    timeouts: dict[str, float | None] | None,
) -> AsyncGenerator[bytes]:
    """Read it piece by piece, each within the limits of who asks for it."""
    if timeouts is not None and (seconds := seconds_left()) is not None:
        # The transport looks here when it begins to read.
        own = timeouts.get("read")
        timeouts["read"] = seconds if own is None else min(own, seconds)

    def shut_down() -> None:
        # A connection of HTTP/2 has other streams, and stays.
        if response is not None and response.http_version != "HTTP/2":
            with suppress(Exception):
                network = response.extensions["network_stream"]
                network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    chunks = iter(source)
    while True:
        with interrupted_by(shut_down):
            try:
                chunk = next(chunks, None)
            except Exception:
                end_if_over()
                raise
        end_if_over()
        if chunk is None:
            return
        yield chunk


class Stream:
    """A stream of bytes with `await` that is read with `for` too; its libraries' classes follow."""

    def __iter__(self) -> Iterator[bytes]:
        itself: Any = self
        chunks = aiter(itself)
        while (piece := run(anext(chunks, None))) is not None:
            yield piece

    def close(self) -> None:
        """Give back the connection."""
        itself: Any = self
        run(itself.aclose())


class LimitReached(BaseException):
    """A limit of ours is over. Only whoever set it catches this."""


class Limits(threading.local):
    """The limits that this thread is within, the outermost first."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []


LIMITS = Limits()


class Scope:
    """A cancel scope of a thread: it ends what blocks, by a time limit or from another thread."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self.deadline = time.monotonic() + seconds
        self.cancelled_caught = False
        self._is_cancelled = False
        self._interrupt: Callable[[], object] | None = None
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether its end has come."""
        return self._is_cancelled or time.monotonic() >= self.deadline

    def cancel(self) -> None:
        """End it, from any thread."""
        with self._lock:
            self._is_cancelled = True
            if self._interrupt is not None:
                self._interrupt()

    def interrupted_by(self, interrupt: Callable[[], object] | None) -> None:
        """Take what ends the wait that begins; end it at once if that was called for."""
        with self._lock:
            self._interrupt = interrupt
            if self._is_cancelled and interrupt is not None:
                interrupt()

    def __enter__(self) -> Self:
        LIMITS.scopes.append(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        LIMITS.scopes.remove(self)
        self.cancelled_caught = isinstance(error, LimitReached) and self.is_over
        return self.cancelled_caught


@contextmanager
def interrupted_by(interrupt: Callable[[], object]) -> Generator[None]:
    """Let the innermost scope of this thread end what blocks within."""
    innermost = LIMITS.scopes[-1:]
    for scope in innermost:
        scope.interrupted_by(interrupt)
    try:
        yield
    finally:
        for scope in innermost:
            scope.interrupted_by(None)


class Event:
    """An event for threads."""

    def __init__(self) -> None:
        """Begin unset."""
        self._event = threading.Event()

    def set(self) -> None:
        """Let go whoever waits."""
        self._event.set()

    async def wait(self) -> None:
        """Block until it is set, or a limit is over."""
        while not self._event.wait(seconds_left()):
            end_if_over()


def entrance() -> Callable[[Callable[[], object]], object]:
    """Give what calls a function: a thread needs no way in from another."""
    return lambda function: function()


async def call_here(function: Callable[[], Awaitable[None]]) -> None:
    """Call it in this thread."""
    await function()


def seconds_left() -> float | None:
    """Say for how long this thread may wait; `None` is for ever."""
    deadline = min((scope.deadline for scope in LIMITS.scopes), default=math.inf)
    # A timeout of nothing would be an error to a socket, and one of years too.
    left = deadline - time.monotonic()
    return None if deadline == math.inf else min(max(0.001, left), LONGEST_WAIT)


def end_if_over() -> None:
    """Leave for the limit that is over, if any is."""
    if any(scope.is_over for scope in LIMITS.scopes):
        raise LimitReached


waits: Any = Waits
WAITS: Waits = waits(
    move_on_after=Scope,
    event=Event,
    entrance=entrance,
    call_apart=call_here,
    can_await=False,
)
