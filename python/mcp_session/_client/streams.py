"""The bodies of responses on their way to their readers."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from mcp_session._client.library import end_reading
from mcp_session._client.waiting import call_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    import anyio
    import httpx2

    from mcp_session._client.library import Library
    from mcp_session._core import LocalAnswer, Watch

__all__ = ["GuardedStream", "drain", "guard", "local_response", "pieces", "read_refusal"]
__all__ += ["read_whole", "replace_body"]

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

    # Defaults of the class: only a stream that can be ended while its reader waits has others.
    _token: object = None
    _scope: anyio.CancelScope | None = None
    is_outlived = False

    def __init__(
        self,
        response: httpx2.Response,
        watch: Watch,
        streams: set[GuardedStream],
        library: Library,
        *,
        is_encoded: bool,
    ) -> None:
        """Take the stream of a response, which nobody has begun to read."""
        self._stream = stream = _stream(response)
        self._chunks = aiter(_decoded_stream(response, library) if is_encoded else stream)
        self._watch: Watch | None = watch
        self._streams = streams
        self._library = library
        self._begun = time.monotonic()
        if response.request.method == "GET":
            self._token = library.waits.current_token()
            streams.add(self)
            # It may have been asked for in a session that has been replaced since.
            self.end_if_outlived()

    async def aclose(self) -> None:
        """Give back the connection."""
        self._streams.discard(self)
        self._watch = None
        try:
            await end_reading(self._chunks)
            if self.is_outlived:
                await _reset(self._stream)
        finally:
            await self._stream.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        kind: str | None = None
        piece = b""
        try:
            while self._watch is not None and not self.is_outlived:
                if self._token is None:
                    piece = await self._chunks.__anext__()
                else:
                    with self._library.waits.cancel_scope() as self._scope:
                        if self.is_outlived:
                            break
                        piece = await self._chunks.__anext__()
                    if self._scope.cancelled_caught:
                        break
                if output := self._watch.piece(piece):
                    return output
        except StopAsyncIteration:
            pass
        except (*self._library.outages, self._library.decoding) as error:
            kind = type(error).__name__
        finally:
            self._scope = None
        watch, self._watch = self._watch, None
        if watch is not None:
            lived = time.monotonic() - self._begun
            last = watch.outlived() if self.is_outlived else watch.ended(kind, lived=lived)
            if last:
                return last
        raise StopAsyncIteration

    def end_if_outlived(self) -> None:
        """End the stream under its reader, of any thread, if another session stands."""
        if self._watch is not None and self._watch.is_outlived:
            self.is_outlived = True
            call_in(self._token, self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._scope is not None:
            self._scope.cancel()


def guard(
    response: httpx2.Response,
    watch: Watch,
    streams: set[GuardedStream],
    library: Library,
    *,
    is_encoded: bool,
) -> None:
    """Let the reader of a response read it through a watch.

    What a hook of the application's has read already is what there is.
    """
    if not response.is_stream_consumed:
        byte_stream: Any = library.byte_stream
        guarded: Any = _guarded_by(byte_stream)
        response.stream = guarded(response, watch, streams, library, is_encoded=is_encoded)


async def read_refusal(
    response: httpx2.Response, limit: int, seconds: float, library: Library
) -> bytes | None:
    """Read a refusal's body and return it decoded; its reader gets it all the same.

    It is `None` if it is not known whole: too long, too slow, cut off, or oddly encoded. Of one
    that is too slow its reader gets what came in time: the status is the answer.
    """
    if response.is_stream_consumed:
        return response.content if len(response.content) <= limit else None
    stream = _stream(response)
    rest, beginning = aiter(stream), bytearray()
    failed: Exception | None = None
    is_in_time = False
    with library.waits.move_on_after(seconds):
        try:
            while len(beginning) <= limit:
                beginning += await anext(rest)
            is_in_time = True
        except StopAsyncIteration:
            await stream.aclose()
            response.stream = library.whole_body(bytes(beginning))
            return await _decoded(bytes(beginning), response, limit, library)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets it
            failed, is_in_time = error, True
    following = rest if is_in_time else _nothing_more()
    response.stream = library.body(_replayed(bytes(beginning), following, failed), stream.aclose)
    return None


async def read_whole(response: httpx2.Response, library: Library, *, is_encoded: bool) -> bytes:
    """Read an answer whole and return it decoded; its reader gets the bytes as they came."""
    if response.is_stream_consumed:
        return response.content
    if not is_encoded:
        body = await response.aread()
        # As it was before, for who reads it raw; who does not has it read already.
        response.stream = library.whole_body(body)
        response.is_stream_consumed = response.is_closed = False
        return body
    stream = _stream(response)
    try:
        body = b"".join([chunk async for chunk in stream])
    finally:
        await stream.aclose()
    response.stream = library.whole_body(body)
    return library.response(200, headers=_encoding(response), content=body).content


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
    small = library.body(_in_small_pieces(_stream(response)), _nothing)
    return library.response(200, headers=_encoding(response), stream=small).aiter_bytes()


async def drain(response: httpx2.Response, library: Library) -> None:
    """Read the little that is left, so that the connection can be used again; then close."""
    # Begun is not ended: a stream that is left before its end is to be reset.
    stream, is_over = _stream(response), response.is_closed
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
    response.stream = library.whole_body(body)


@cache
def _guarded_by(byte_stream: type) -> type:
    return type("GuardedStream", (GuardedStream, byte_stream), {})


def _stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    return cast("httpx2.AsyncByteStream", response.stream)


def _decoded_stream(response: httpx2.Response, library: Library) -> AsyncIterable[bytes]:
    stream = library.body(_stream(response), _nothing)
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
    with suppress(ValueError, library.decoding):
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


async def _nothing_more() -> AsyncGenerator[bytes]:
    return
    yield b""


async def _replayed(
    beginning: bytes, rest: AsyncIterator[bytes], failure: Exception | None
) -> AsyncGenerator[bytes]:
    """Give what was read already, then the rest, or how it went on."""
    if beginning:
        yield beginning
    if failure is not None:
        raise failure
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


async def _nothing() -> None:
    pass
