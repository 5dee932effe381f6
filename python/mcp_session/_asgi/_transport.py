"""A connection that carries one exchange after the other, whatever that is on the wire.

A stream that is open is one of these, and each forwarded request goes through one. That is why
there is no HTTP client between: with a scope and a lock for each read and each write, one took
more time and twice the memory of all the rest that forwards (docs/workers.md has the figures).
"""

import asyncio
import select
import time
from abc import abstractmethod
from typing import TypeAlias, cast

__all__ = ["BrokenConnectionError", "ExchangeConnection", "Headers", "NotHttpError"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
# What is read ahead of whoever sends it on.
_AHEAD_BYTES = 64 * 1024


class BrokenConnectionError(Exception):
    """Nothing comes of it any more. `__cause__` is what the system said, if it said anything."""


class NotHttpError(Exception):
    """Nobody who reads HTTP would take that for a request: nothing of it was written."""


class ExchangeConnection(asyncio.Protocol):
    """Carries one request after the other, and one at a time.

    What is read raises `BrokenConnectionError`. Reading goes on while something is written: who
    answers before all of a request has come may read no more of it.
    """

    __slots__ = (
        "_ahead",
        "_cause",
        "_drained",
        "_has_unsent",
        "_idle_since",
        "_is_over",
        "_transport",
        "_woken",
    )

    def __init__(self) -> None:
        """Made by the event loop, which connects it."""
        self._transport: asyncio.Transport | None = None
        self._woken: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._has_unsent = False
        self._cause: Exception | None = None
        self._is_over = False
        self._ahead = 0
        self._idle_since = time.monotonic()

    # A request.

    @abstractmethod
    def begin(
        self, method: str, target: bytes, headers: Headers, piece: bytes, /, *, more: bool
    ) -> None:
        """Write a head, and the first piece of the body, at once. Raises `NotHttpError`."""

    @abstractmethod
    def go_on(self, piece: bytes, /, *, more: bool) -> None:
        """Write the next piece. Raises `BrokenConnectionError` if it is more than was announced."""

    @abstractmethod
    async def response(self) -> tuple[int, Headers]:
        """Return the head of the answer: its status, and the headers that are not the hop's."""

    @abstractmethod
    async def piece(self) -> tuple[bytes, bool]:
        """Return what has come of the body of the answer, and whether more follows.

        It waits until there is anything.
        """

    @property
    def has_unsent(self) -> bool:
        """Whether the system has not taken all that was written."""
        return self._has_unsent

    async def taken(self) -> bool:
        """Return whether the system has taken all that was written, once it has or never will."""
        if self._drained is not None:
            await asyncio.shield(self._drained)
        return not self._has_unsent

    # Between requests.

    @abstractmethod
    def _is_done(self) -> bool:
        """Whether a request and its answer were whole; the next may begin then."""

    @abstractmethod
    def _is_spoiled(self) -> bool:
        """Whether it has ended, or something came that nobody asked for."""

    def is_free(self) -> bool:
        """Whether the next request can be sent, once an exchange has ended."""
        # It may have been answered before it was read.
        if self._has_unsent or self._is_spoiled() or not self._is_done():
            return False
        self._idle_since = time.monotonic()
        return True

    def has_expired(self, seconds: float) -> bool:
        """Whether it was not used for so long, or the other side has closed it meanwhile."""
        is_old = time.monotonic() - self._idle_since > seconds
        return is_old or self._is_spoiled() or self._has_something_unasked()

    def has_ended(self) -> bool:
        """Whether nothing can be sent any more, or an answer is there to what was not asked."""
        if self._is_spoiled():
            return True
        # Of TLS, what is there may be its own, as the tickets of a session are.
        is_plain = self._open_transport().get_extra_info("ssl_object") is None
        return is_plain and self._has_something_unasked()

    def close(self) -> None:
        """Close it; whoever waits for it is told that it broke."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    @abstractmethod
    def _take(self, data: bytes, /) -> None:
        """Read what came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: what is written counts as sent once the system has it."""
        self._transport = cast("asyncio.Transport", transport)
        # asyncio's over TLS counts what is as much as the limit as too much, and nothing is that.
        is_over_tls = transport.get_extra_info("sslcontext") is not None
        self._transport.set_write_buffer_limits(high=int(is_over_tls), low=0)

    def data_received(self, data: bytes) -> None:
        """Take what came, and no more than there is room for."""
        self._take(data)
        self._ahead += len(data)
        if self._ahead > _AHEAD_BYTES:
            self._open_transport().pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take that it is over."""
        self._is_over, self._cause = True, exc
        self._wake()
        self._let_write()

    def pause_writing(self) -> None:
        """Let whoever writes wait until the system has taken it."""
        self._has_unsent = True
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let it go on."""
        self._has_unsent = False
        self._let_write()

    # Below.

    def _write(self, data: bytes) -> None:
        transport = self._open_transport()
        if not transport.is_closing():
            transport.write(data)
        # Where the system refuses what it is given, the transport begins to close.
        self._has_unsent |= transport.is_closing()

    async def _more_has_come(self) -> None:
        """Wait until something has come, or nothing will any more."""
        if self._is_over:
            raise BrokenConnectionError from self._cause
        if self._ahead > _AHEAD_BYTES and not (transport := self._open_transport()).is_closing():
            transport.resume_reading()
        self._ahead = 0
        self._woken = asyncio.get_running_loop().create_future()
        await self._woken

    def _has_something_unasked(self) -> bool:
        """Whether the system has what the event loop has not seen: an end, or no answer to us."""
        return _is_readable(self._open_transport().get_extra_info("socket").fileno())

    def _open_transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise BrokenConnectionError
        return self._transport

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _let_write(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
