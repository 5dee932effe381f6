"""The bodies of responses on their way to their readers."""

from __future__ import annotations

import math
import time
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from mcp_session._client.library import end_reading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable

    import anyio
    import httpx2

    from mcp_session._client.library import Library
    from mcp_session._client.waiting import Waiting
    from mcp_session._core import LocalAnswer, Read, Watch

__all__ = ["GuardedStream", "StandingStream", "drain", "let_read_raw", "local_response"]
__all__ += ["of_library", "pieces", "read", "read_encoded", "read_refusal", "replace_body"]

# A refusal is small. What goes on beyond this is not waited for: the connection is closed.
DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 2.0

# Of so many bytes, zlib makes four mebibytes at the most.
PIECE_BYTES = 4096
BOUNDED_ENCODINGS = frozenset({"gzip", "deflate"})

CANCEL = 8  # https://www.rfc-editor.org/rfc/rfc9113.html#name-error-codes


class GuardedStream:
    """The events of one response, through the machine's watch.

    Each HTTP library has a class of its own for streams of bytes; what is read is of both.
    """

    _stream: httpx2.AsyncByteStream
    _chunks: AsyncIterator[bytes]
    _watch: Watch | None

    def __init__(
        self,
        response: httpx2.Response,
        watch: Watch,
        library: Library,
        is_encoded: bool,  # noqa: FBT001 - called through a class that is made as it runs
    ) -> None:
        """Take the stream of a response, which nobody has begun to read."""
        # A `cast` would be called for each.
        stream: Any = response.stream
        self._stream = stream
        self._watch = watch
        self._library = library
        self._chunks = aiter(_decoded_stream(response, library) if is_encoded else stream)
        self._next = self._chunks.__anext__

    @property
    def elapsed(self) -> object:
        """What httpx2 looks for at a response's stream."""
        return getattr(self._stream, "elapsed", None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            while self._watch is not None:
                if output := self._watch.piece(await self._next()):
                    return output
        except StopAsyncIteration:
            last = self._end(None)
        except self._library.cuts as error:
            last = self._end(type(error).__name__)
        else:
            raise StopAsyncIteration
        if last:
            return last
        raise StopAsyncIteration

    def aclose(self) -> Awaitable[None]:
        """Give back the connection."""
        if self._watch is None:
            # It was read to its end.
            return self._stream.aclose()
        self._watch = None
        return self._end_and_close()

    async def _end_and_close(self) -> None:
        try:
            await end_reading(self._chunks)
        finally:
            await self._stream.aclose()

    def _end(self, kind: str | None) -> bytes:
        watch, self._watch = self._watch, None
        return b"" if watch is None else watch.ended(kind)


class StandingStream(GuardedStream):
    """The events of a GET: they end when another session stands, under their reader."""

    _scope: anyio.CancelScope | None = None
    _is_outlived = False

    def end_with(self, waiting: Waiting) -> None:
        """End when those are woken who wait for another session in place of its own."""
        self._begun = time.monotonic()
        self._call_there = self._library.waits.entrance()
        self._next = self._next_in_time
        self._waiting = waiting
        waiting.add(self, self.end_if_outlived)
        # It may have been asked for in a session that has been replaced since.
        self.end_if_outlived()

    async def aclose(self) -> None:
        """Give back the connection."""
        self._waiting.remove(self)
        self._watch = None
        try:
            await end_reading(self._chunks)
            if self._is_outlived:
                await _reset(self._stream)
        finally:
            await self._stream.aclose()

    def end_if_outlived(self) -> None:
        """End the stream under its reader, of any thread, if another session stands."""
        if self._watch is not None and self._watch.is_outlived:
            self._is_outlived = True
            self._call_there(self._stop_waiting)

    async def _next_in_time(self) -> bytes:
        try:
            with self._library.waits.move_on_after(math.inf) as self._scope:
                if not self._is_outlived:
                    return await self._chunks.__anext__()
        finally:
            self._scope = None
        raise StopAsyncIteration

    def _end(self, kind: str | None) -> bytes:
        watch, self._watch = self._watch, None
        if watch is None:
            return b""
        lived = time.monotonic() - self._begun
        return watch.outlived() if self._is_outlived else watch.ended(kind, lived=lived)

    def _stop_waiting(self) -> None:
        if self._scope is not None:
            self._scope.cancel()


async def read_refusal(response: httpx2.Response, read: Read, library: Library) -> bytes | None:
    """Read a refusal's body and return it decoded; its reader gets it all the same.

    It is `None` if it is not known whole: too long, too slow, cut off, or oddly encoded. Of one
    that is too slow its reader gets what came in time: the status is the answer.
    """
    limit = read.limit
    if response.is_stream_consumed:
        return response.content if len(response.content) <= limit else None
    stream = _stream(response)
    rest, beginning = aiter(stream), bytearray()
    failed: Exception | None = None
    is_in_time = False
    with library.waits.move_on_after(read.seconds):
        try:
            while len(beginning) <= limit:
                beginning += await anext(rest)
            is_in_time = True
        except StopAsyncIteration:
            await stream.aclose()
            response.stream = _in_place_of(stream, bytes(beginning), library)
            return await _decoded(bytes(beginning), response, limit, library)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets it
            failed, is_in_time = error, True
    replayed = _replayed(bytes(beginning), rest if is_in_time else None, failed)
    response.stream = library.body(replayed, stream, stream.aclose)
    return None


async def read(response: httpx2.Response) -> httpx2.Response:
    """Read a response for a caller who has not asked for its stream."""
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


async def read_encoded(response: httpx2.Response, library: Library) -> bytes:
    """Read an answer whole and return it decoded; its reader gets the bytes as they came."""
    stream = _stream(response)
    try:
        body = b"".join([chunk async for chunk in stream])
    finally:
        await stream.aclose()
    response.stream = _in_place_of(stream, body, library)
    return library.response(200, headers=_encoding(response), content=body).content


def let_read_raw(response: httpx2.Response, body: bytes, library: Library) -> None:
    """Let an answer be read raw, though it has been read.

    It is opened again only for who does so: to close it once more takes longer than all that
    is done here for an answer.
    """
    # A response that held itself would be left to the garbage collector.
    setattr(response, library.raw_reader, partial(_read_raw, ref(response), body, library))


def pieces(response: httpx2.Response, library: Library) -> AsyncGenerator[bytes]:
    """Give a body piece by piece, each decoded to a bounded size.

    Raises `ValueError` for an encoding of which that cannot be said.
    """
    if response.is_stream_consumed:
        # A hook of the application's has read it, or its transport had it whole.
        read = library.whole_body(response.content)
        return library.response(200, stream=read).aiter_raw()
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return response.aiter_raw()
    if encoding not in BOUNDED_ENCODINGS:
        message = "the body is encoded in a way that is not read here"
        raise ValueError(message)
    small = library.body(_in_small_pieces(_stream(response)))
    return library.response(200, headers=_encoding(response), stream=small).aiter_bytes()


async def drain(response: httpx2.Response, library: Library) -> None:
    """Read the little that is left, so that the connection can be used again; then close."""
    # What was read before may have been left before its end, and be closed all the same.
    stream, is_over = _stream(response), False
    try:
        with suppress(Exception), library.waits.move_on_after(DRAIN_SECONDS):
            async with aclosing(response.aiter_raw()) as chunks:
                size = 0
                async for chunk in chunks:
                    size += len(chunk)
                    if size > DRAIN_BYTES:
                        break
                else:
                    is_over = True
    finally:
        if not is_over:
            await _reset(stream)
        await response.aclose()


def local_response(
    answer: LocalAnswer, request: httpx2.Request, begun: float, library: Library
) -> httpx2.Response:
    """Make a response that reads as one of a server's."""
    headers = {} if answer.content_type is None else {"content-type": answer.content_type}
    stream = library.whole_body(answer.body)
    headers["content-length"] = str(len(answer.body))
    response = library.response(answer.status, headers=headers, stream=stream, request=request)
    response.elapsed = timedelta(seconds=time.monotonic() - begun)
    return response


def replace_body(response: httpx2.Response, body: bytes, library: Library) -> None:
    """Let the reader of a response read another body."""
    for name in ("content-encoding", "transfer-encoding"):
        response.headers.pop(name, None)
    response.headers["content-length"] = str(len(body))
    # What was read of it is forgotten.
    for name in ("_content", library.raw_reader):
        vars(response).pop(name, None)
    response.stream = _in_place_of(response.stream, body, library)
    response.is_stream_consumed = response.is_closed = False


def _read_raw(
    read: ref[httpx2.Response], body: bytes, library: Library, chunk_size: int | None = None
) -> object:
    response = cast("httpx2.Response", read())
    delattr(response, library.raw_reader)
    response.stream = _in_place_of(response.stream, body, library)
    response.is_stream_consumed = response.is_closed = False
    return getattr(response, library.raw_reader)(chunk_size)


@cache
def of_library(kind: type, byte_stream: type) -> Any:  # noqa: ANN401 - it is called by position
    """Make one of these classes a stream of bytes of its HTTP library."""
    return type(kind.__name__, (kind, byte_stream), {})


def _stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    return cast("httpx2.AsyncByteStream", response.stream)


def _in_place_of(stream: object, body: bytes, library: Library) -> httpx2.ByteStream:
    """Make the stream of a body in place of one that was read; httpx2 asks it for the time."""
    whole = library.whole_body(body)
    vars(whole)["elapsed"] = getattr(stream, "elapsed", None)
    return whole


def _decoded_stream(response: httpx2.Response, library: Library) -> AsyncIterable[bytes]:
    stream = library.body(_stream(response))
    encoded = library.response(200, headers=_encoding(response), stream=stream)
    del response.headers["content-encoding"]
    try:
        return pieces(encoded, library)
    except ValueError:
        return encoded.aiter_bytes()


async def _decoded(
    body: bytes, response: httpx2.Response, limit: int, library: Library
) -> bytes | None:
    if "content-encoding" not in response.headers:
        return body
    headers, decoded = _encoding(response), bytearray()
    encoded = library.response(200, headers=headers, stream=library.whole_body(body))
    with suppress(ValueError, *library.cuts):
        async with aclosing(pieces(encoded, library)) as chunks:
            async for piece in chunks:
                decoded += piece
                if len(decoded) > limit:
                    return None
        return bytes(decoded)
    return None


def _encoding(response: httpx2.Response) -> list[tuple[bytes, bytes]]:
    """How a body is encoded, as it came: its name may be of any bytes."""
    raw = response.headers.raw
    return [(name, value) for name, value in raw if name.lower() == b"content-encoding"]


async def _in_small_pieces(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


async def _replayed(
    beginning: bytes, rest: AsyncIterator[bytes] | None, failure: Exception | None
) -> AsyncGenerator[bytes]:
    """Give what was read already, then how it went on, and the rest if there is time for it."""
    if beginning:
        yield beginning
    if failure is not None:
        raise failure
    if rest is not None:
        async for chunk in rest:
            yield chunk


async def _reset(at: httpx2.AsyncByteStream) -> None:
    """Reset a stream of HTTP/2 that is left before its end.

    The library forgets it and says nothing, so that after a hundred of these the connection is
    full. That it does not offer this is why it is looked for where it keeps its state.
    """
    stream: Any = at
    with suppress(Exception):
        while not hasattr(stream, "_stream_id"):
            stream = getattr(stream, "_stream", None) or stream._httpcore_stream  # noqa: SLF001
        connection, number = stream._connection, stream._stream_id  # noqa: SLF001
        connection._h2_state.reset_stream(number, error_code=CANCEL)  # noqa: SLF001
        await connection._write_outgoing_data(stream._request)  # noqa: SLF001
