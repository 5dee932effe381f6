"""The HTTP library of a client, and the client as requests are sent by it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from mcp_session._client.waiting import Waits

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
    )

    import httpx2

    from mcp_session._client.options import Options

__all__ = ["Body", "Library", "Wire", "end_reading"]


class Library:
    """What is used of an HTTP library: its classes, and its errors by what they mean."""

    def __init__(
        self,
        http: Any,  # noqa: ANN401 - one of the two
        *,
        status_shield: bool,
        byte_stream: Any = None,  # noqa: ANN401 - of either
        waits: Waits | None = None,
    ) -> None:
        """Take the library by its module; without an event loop, what stands in its place.

        `status_shield` is whether the SDKs of this library end with an HTTP status.
        """
        self.status_shield = status_shield
        self.waits = waits or Waits()
        self.request: type[httpx2.Request] = http.Request
        self.response: type[httpx2.Response] = http.Response
        self.raw_headers: Callable[[httpx2.Headers], Iterable[tuple[bytes, ...]]]
        self.raw_headers = attrgetter("_list" if keeps_tuples(http) else "raw")
        # The scheme, userinfo, host, port and path of a URL; there may be more behind these.
        self.parts: Callable[[httpx2.URL], tuple[Any, ...]]
        self.parts = attrgetter("_uri_reference") if keeps_parts(http) else parts_of
        # By which name a response is read raw.
        self.raw_reader = "aiter_raw" if waits is None else "iter_raw"
        # What a request is sent with that has no `auth` of its own.
        self.client_auth: object = http.USE_CLIENT_DEFAULT
        # What an asynchronous stream of bytes has to be, and what the library can send.
        self.byte_stream: Any = byte_stream or http.AsyncByteStream
        self.sendable: type = http.AsyncByteStream if waits is None else http.SyncByteStream
        # What a message streams whose body is there whole, and any other of ours.
        self.whole_body: type[httpx2.ByteStream] = http.ByteStream
        self.body: Callable[..., httpx2.AsyncByteStream]
        self.body = type("Body", (Body, self.byte_stream), {})
        # Errors that leave no doubt: the server has not seen the request.
        self.unsent = http.ConnectError, http.ConnectTimeout, http.PoolTimeout
        # Errors of a server or a network that is not there.
        self.outages: tuple[type[Exception], ...]
        self.outages = http.NetworkError, http.TimeoutException
        self.outages += http.RemoteProtocolError, http.ProxyError
        # These, and errors of a body that cannot be decoded.
        self.cuts = *self.outages, http.DecodingError
        self.refused: type[httpx2.HTTPStatusError] = http.HTTPStatusError
        self.timeout: type[httpx2.ReadTimeout] = http.ReadTimeout


def keeps_tuples(http: Any) -> bool:  # noqa: ANN401 - one of the two
    """Say whether headers are kept as tuples of name, name in lower case, and value.

    They are read where they are kept, then: to make `raw` of those of a request and its response
    takes longer than what is done with them.
    """
    return bool(getattr(http.Headers([("A", "b")]), "_list", None) == [(b"A", b"a", b"b")])


def keeps_parts(http: Any) -> bool:  # noqa: ANN401 - one of the two
    """Say whether a URL is kept as a tuple of its parts: each is made anew when it is asked for."""
    parts = "http", "a:b", "c", 1, "/d", "e", "f"
    return bool(getattr(http.URL("http://a:b@c:1/d?e#f"), "_uri_reference", None) == parts)


def parts_of(url: httpx2.URL) -> tuple[object, ...]:
    """Ask a URL for its parts."""
    userinfo, host = url.userinfo.decode(), url.raw_host.decode()
    return url.scheme, userinfo, host, url.port, url.raw_path.decode()


class Identities:
    """Tells apart what requests may be authenticated by."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._numbers = WeakKeyDictionary[Any, int]()
        self._given = count(1)

    def of(self, auth: object) -> bytes:
        """Give what stands for it: the same for the same name and password, or object."""
        if isinstance(auth, tuple):
            return repr(cast("tuple[object, ...]", auth)).encode()
        number = next(self._given)
        with suppress(TypeError):  # what cannot be known again is another each time
            number = self._numbers.setdefault(auth, number)
        return b"%d" % number


@dataclass(frozen=True)
class Wire:
    """What a request is sent by: the client, and how it sends without us."""

    client: httpx2.AsyncClient
    send: Callable[..., Coroutine[Any, Any, httpx2.Response]]
    library: Library
    options: Options
    identities: Identities = field(default_factory=Identities)

    def own_auth(self, auth: object, userinfo: bytes | None) -> bytes | None:
        """Give what stands for the credentials that a request does not bear in its headers yet.

        It is `None` for those of the client itself.
        """
        if auth is self.library.client_auth or auth is self.client.auth:
            return userinfo
        return self.identities.of(auth) + b"@" + (userinfo or b"")


class Body:
    """An asynchronous stream of bytes; each HTTP library has a class of its own for these.

    `chunks` is where the bytes come from, `of` the library's own stream in whose place this one
    is, `close` gives back what they come over.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        of: object = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Read from `chunks`, and end by `close`."""
        self._chunks = chunks
        self._stream = of
        self._close = close

    @property
    def elapsed(self) -> object:
        """What httpx2 looks for at a response's stream."""
        return getattr(self._stream, "elapsed", None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks.__aiter__()

    async def aclose(self) -> None:
        """Give back the connection."""
        try:
            await end_reading(self._chunks)
        finally:
            if self._close is not None:
                await self._close()


async def end_reading(chunks: object) -> None:
    """End a generator: trio wants none left to the collector."""
    if isinstance(chunks, AsyncGeneratorType):
        with suppress(RuntimeError):  # its reader is in it, and ends it
            await chunks.aclose()
