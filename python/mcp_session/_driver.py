"""The driver: does for one HTTP client what its sessions say is to be done.

Written once for both HTTP libraries, which differ in nothing that is used here. `Session`
decides; the driver sends, waits, wakes and says what happened.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from mcp_session._call import Call, Outgoing
from mcp_session._core import peek
from mcp_session._followed import CONTENT_TYPE, SESSION_ID, Followed, Opening
from mcp_session._streams import header_values

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

    import httpx2

    from mcp_session._options import Options

__all__ = ["Driver", "Library"]

# How many sessions one client remembers; those that were used longest ago are forgotten, and
# their requests pass as they are.
REMEMBERED = 4096


@dataclass(frozen=True)
class Library:
    """What is used of an HTTP library: its classes, and its errors by what they mean."""

    request: type[httpx2.Request]
    response: type[httpx2.Response]
    body: Callable[[AsyncIterable[bytes], Callable[[], Awaitable[None]]], httpx2.AsyncByteStream]
    """A subclass of `Body` and of the library's own stream of bytes."""
    whole_body: type[httpx2.ByteStream]
    """What a request streams whose body is there whole."""
    unsent: tuple[type[Exception], ...]
    """Errors that leave no doubt: the server has not seen the request."""
    outages: tuple[type[Exception], ...]
    """Errors of a server or a network that is not there."""
    timeout: Callable[[str], Exception]


class Driver:
    """Finds the session of each request that one HTTP client sends."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        send: Callable[..., Awaitable[httpx2.Response]],
        library: Library,
        options: Options,
    ) -> None:
        """Take the client, and how it sends a request on the wire."""
        self.client = client
        self.wire = send
        self.library = library
        self.options = options
        # Keyed by the ID that the caller sees: it stamps its first one for ever, and several
        # sessions, to several servers, may share one client.
        self._followed: OrderedDict[tuple[str, bytes, str], Followed] = OrderedDict()

    async def send(
        self, request: httpx2.Request, *, stream: bool, **how: object
    ) -> httpx2.Response:
        """Send a request, in its session if it has one that is followed."""
        headers = header_values(request.headers)
        followed = await self._session_of(request, headers, how)
        if followed is None:
            return await self.wire(request, stream=stream, **how)
        outgoing = Outgoing(request, headers, await request.aread(), how)
        response = await Call(self, followed, outgoing).run()
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    def follow(self, followed: Followed, url: httpx2.URL, session_id: str) -> str:
        """Follow a session by an ID that its caller sees from now on, and return that.

        It is another than the server's own if a session that is open goes by it already: the
        server has given it out twice.
        """
        key = _key(url, session_id)
        other = self._followed.get(key)
        if not (other is None or other is followed or other.is_closed):
            session_id = f"{session_id}-{token_hex(8)}"
            key = _key(url, session_id)
        self._followed[key] = followed
        if len(self._followed) > REMEMBERED:
            self._followed.popitem(last=False)
        return session_id

    async def _session_of(
        self, request: httpx2.Request, headers: dict[bytes, str], how: dict[str, object]
    ) -> Followed | None:
        session_id = headers.get(SESSION_ID)
        if not session_id:
            return self._new(request, how) if await self._is_initialize(request, headers) else None
        key = _key(request.url, session_id)
        followed = self._followed.get(key)
        if followed is not None:
            self._followed.move_to_end(key)
            if followed.is_closed and await self._is_initialize(request, headers):
                return self._new(request, how)
        return followed

    async def _is_initialize(self, request: httpx2.Request, headers: dict[bytes, str]) -> bool:
        if request.method != "POST":
            return False
        if not headers.get(CONTENT_TYPE, "").lower().startswith("application/json"):
            return False
        # A body that is streamed is not there yet, and no SDK streams its messages.
        if not isinstance(request.stream, self.library.whole_body):
            return False
        return peek(await request.aread()).is_initialize

    def _new(self, request: httpx2.Request, how: dict[str, object]) -> Followed:
        return Followed(self, Opening.of(request, how, self.client))


def _key(url: httpx2.URL, session_id: str) -> tuple[str, bytes, str]:
    return url.scheme, url.netloc, session_id
