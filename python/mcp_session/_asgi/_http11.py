"""One connection to another server: HTTP/1.1, by h11."""

from collections.abc import Iterable

import h11

from mcp_session._asgi._transport import (
    BrokenConnectionError,
    ExchangeConnection,
    Headers,
    NotHttpError,
)

__all__ = ["HOP_BY_HOP", "Http11Connection"]

_HEAD_BYTES = 100 * 1024
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


class Http11Connection(ExchangeConnection):
    """Speaks HTTP/1.1. What is no HTTP breaks it, in what has come as in what is written."""

    __slots__ = ("_http",)

    def __init__(self) -> None:
        """Made by the event loop, which connects it."""
        super().__init__()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)

    def begin(
        self, method: str, target: bytes, headers: Headers, piece: bytes, /, *, more: bool
    ) -> None:
        framed = _framed(method, headers, has_body=more or bool(piece))
        try:
            head = self._http.send(h11.Request(method=method, target=target, headers=framed))
        except h11.LocalProtocolError:
            raise NotHttpError from None
        self._send(head, piece, more=more)

    def go_on(self, piece: bytes, /, *, more: bool) -> None:
        self._send(b"", piece, more=more)

    async def response(self) -> tuple[int, Headers]:
        while not isinstance(event := await self._event(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise BrokenConnectionError
        return event.status_code, _unframed(event.headers)

    async def piece(self) -> tuple[bytes, bool]:
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

    def eof_received(self) -> None:
        """Take that nothing more comes: the transport closes itself."""
        self._http.receive_data(b"")
        self._wake()

    def _send(self, head: bytes, piece: bytes, *, more: bool) -> None:
        parts = [head]
        try:
            if piece:
                parts.append(self._http.send(h11.Data(data=piece)))
            if not more:
                parts.append(self._http.send(h11.EndOfMessage()))
        except h11.LocalProtocolError:
            raise BrokenConnectionError from None
        self._write(b"".join(parts))

    def _take(self, data: bytes, /) -> None:
        self._http.receive_data(data)

    async def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                await self._more_has_come()
        except h11.ProtocolError:
            raise BrokenConnectionError from None
        return event

    def _is_done(self) -> bool:
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def _is_spoiled(self) -> bool:
        unasked, has_ended = self._http.trailing_data
        return has_ended or bool(unasked) or self._open_transport().is_closing()


def _framed(method: str, headers: Iterable[tuple[bytes, bytes]], *, has_body: bool) -> Headers:
    """Return the headers for the next neighbour, which has to know where the body ends.

    HTTP/2 has ends of its own, and says no length.
    """
    pairs = [(name.lower(), value) for name, value in headers]
    kept = [pair for pair in pairs if pair[0] not in HOP_BY_HOP]
    names = {name for name, _ in pairs}
    if b"transfer-encoding" in names:
        # "A sender MUST NOT send a Content-Length header field in any message that contains a
        # Transfer-Encoding header field."
        # https://www.rfc-editor.org/rfc/rfc9112.html#section-6.2
        kept = [pair for pair in kept if pair[0] != b"content-length"]
    is_open = b"content-length" not in names and (method == "POST" or has_body)
    if b"transfer-encoding" in names or is_open:
        kept.append((b"transfer-encoding", b"chunked"))
    if b"host" not in names:
        # HTTP/1.0 knows none, HTTP/1.1 demands it: "with an empty field value".
        # https://www.rfc-editor.org/rfc/rfc9110.html#section-7.2
        kept.insert(0, (b"host", b""))
    return kept


def _unframed(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of an answer for the server in front, which frames it anew.

    > An intermediary that chooses to forward the message MUST first remove the received
    > Content-Length field
    > https://www.rfc-editor.org/rfc/rfc9112.html#section-6.3
    """
    pairs = list(headers)
    if all(name != b"transfer-encoding" for name, _ in pairs):
        return pairs
    return [pair for pair in pairs if pair[0] not in {b"transfer-encoding", b"content-length"}]
