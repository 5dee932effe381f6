"""One connection to another process: HTTP/1.1 by h11, on a transport of asyncio's.

A stream that is open is one of these, and each forwarded request goes through one. That is why
there is no HTTP client between: with a scope and a lock for each read and each write, one took
more time and twice the memory of all the rest that forwards (docs/workers.md has the figures).
"""

import asyncio
import select
import time
from typing import cast

import h11

__all__ = ["BrokenConnectionError", "Http11Connection"]

_HEAD_BYTES = 100 * 1024
# What is read ahead of whoever sends it on.
_AHEAD_BYTES = 64 * 1024


class BrokenConnectionError(Exception):
    """Nothing comes of it any more. `__cause__` is what the system said, if it said anything."""


class Http11Connection(asyncio.Protocol):
    """Carries one request after the other, and one at a time.

    What is read raises `BrokenConnectionError`; what is read and written raises
    `h11.ProtocolError` for what is no HTTP. Reading goes on while something is written: who answers
    before all of a request has come may read no more of it.
    """

    __slots__ = (
        "_ahead",
        "_cause",
        "_drained",
        "_has_unsent",
        "_http",
        "_idle_since",
        "_is_over",
        "_transport",
        "_woken",
    )

    def __init__(self) -> None:
        """Made by the event loop, which connects it."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._woken: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._has_unsent = False
        self._cause: Exception | None = None
        self._is_over = False
        self._ahead = 0
        self._idle_since = time.monotonic()

    # A request.

    def write(self, request: h11.Request | None, piece: bytes, *, more: bool) -> None:
        """Write a piece of a request, the first with its head, at once."""
        parts = [] if request is None else [self._http.send(request)]
        if piece:
            parts.append(self._http.send(h11.Data(data=piece)))
        if not more:
            parts.append(self._http.send(h11.EndOfMessage()))
        transport = self._open_transport()
        if not transport.is_closing():
            transport.write(b"".join(parts))
        # Where the system refuses what it is given, the transport begins to close.
        self._has_unsent |= transport.is_closing()

    @property
    def has_unsent(self) -> bool:
        """Whether the system has not taken all that was written."""
        return self._has_unsent

    async def taken(self) -> bool:
        """Return whether the system has taken all that was written, once it has or never will."""
        if self._drained is not None:
            await asyncio.shield(self._drained)
        return not self._has_unsent

    async def response(self) -> h11.Response:
        """Return the head of the answer."""
        while not isinstance(event := await self._event(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise BrokenConnectionError
        return event

    async def piece(self) -> tuple[bytes, bool]:
        """Return what has come of the body of the answer, and whether more follows.

        It waits until there is anything.
        """
        event = await self._event()
        parts: list[bytes] = []
        try:
            while isinstance(event, h11.Data):
                parts.append(event.data)
                event = self._http.next_event()
        except h11.RemoteProtocolError:
            # What came before goes out; asked again, h11 raises it again.
            return b"".join(parts), True
        return b"".join(parts), event is h11.NEED_DATA

    # Between requests.

    def is_free(self) -> bool:
        """Whether the next request can be sent, once an exchange has ended."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        # It may have been answered before it was read.
        if self._has_unsent or self._is_spoiled():
            return False
        self._http.start_next_cycle()
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: what is written counts as sent once the system has it."""
        self._transport = cast("asyncio.Transport", transport)
        # asyncio's over TLS counts what is as much as the limit as too much, and nothing is that.
        is_over_tls = transport.get_extra_info("sslcontext") is not None
        self._transport.set_write_buffer_limits(high=int(is_over_tls), low=0)

    def data_received(self, data: bytes) -> None:
        """Take what came, and no more than there is room for."""
        self._http.receive_data(data)
        self._ahead += len(data)
        if self._ahead > _AHEAD_BYTES:
            self._open_transport().pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take that nothing more comes: the transport closes itself."""
        self._http.receive_data(b"")
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

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._is_over:
                raise BrokenConnectionError from self._cause
            if (
                self._ahead > _AHEAD_BYTES
                and not (transport := self._open_transport()).is_closing()
            ):
                transport.resume_reading()
            self._ahead = 0
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        return event

    def _has_something_unasked(self) -> bool:
        """Whether the system has what the event loop has not seen: an end, or no answer to us."""
        return _is_readable(self._open_transport().get_extra_info("socket").fileno())

    def _is_spoiled(self) -> bool:
        """Whether it has ended, or something came that nobody asked for."""
        unasked, has_ended = self._http.trailing_data
        return has_ended or bool(unasked) or self._open_transport().is_closing()

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
