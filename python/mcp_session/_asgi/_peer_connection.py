"""One connection to the private socket of another process, which speaks in frames of ours."""

from collections import deque

from mcp_session._asgi._transport import (
    BrokenConnectionError,
    ExchangeConnection,
    Headers,
    NotHttpError,
)
from mcp_session._core import (
    PeerAnswer,
    PeerPiece,
    PeerReader,
    PeerRequest,
    peer_piece,
    peer_request,
)

__all__ = ["PeerConnection"]


class PeerConnection(ExchangeConnection):
    """Speaks to a `PeerServer`. What no such server has written breaks it."""

    __slots__ = ("_events", "_is_answered", "_is_written", "_reader")

    def __init__(self) -> None:
        """Made by the event loop, which connects it."""
        super().__init__()
        self._reader = PeerReader()
        self._events = deque[PeerRequest | PeerAnswer | PeerPiece]()
        self._is_written = self._is_answered = False

    def begin(
        self, method: str, target: bytes, headers: Headers, piece: bytes, /, *, more: bool
    ) -> None:
        self._is_written = self._is_answered = False
        try:
            head = peer_request(method, target, headers)
        except ValueError:
            raise NotHttpError from None
        self._send(head, piece, more=more)

    def go_on(self, piece: bytes, /, *, more: bool) -> None:
        self._send(b"", piece, more=more)

    async def response(self) -> tuple[int, Headers]:
        event = await self._event()
        if not isinstance(event, PeerAnswer):
            raise BrokenConnectionError
        return event.status, event.headers

    async def piece(self) -> tuple[bytes, bool]:
        parts, more = list[bytes](), True
        while more and (self._events or not parts):
            event = await self._event()
            if not isinstance(event, PeerPiece):
                raise BrokenConnectionError
            parts.append(event.body)
            more = event.more
        self._is_answered = not more
        return b"".join(parts), more

    def _send(self, head: bytes, piece: bytes, *, more: bool) -> None:
        self._is_written = not more
        self._write(head + peer_piece(piece, more=more) if piece or not more else head)

    def _take(self, data: bytes, /) -> None:
        try:
            self._events += self._reader.read(data)
        except ValueError:
            self.close()

    async def _event(self) -> PeerRequest | PeerAnswer | PeerPiece:
        while not self._events:
            await self._more_has_come()
        return self._events.popleft()

    def _is_done(self) -> bool:
        return self._is_written and self._is_answered

    def _is_spoiled(self) -> bool:
        is_silent = not self._events and self._reader.is_between_messages
        return not is_silent or self._open_transport().is_closing()
