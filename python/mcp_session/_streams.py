"""The bodies of responses on their way to their readers, watched as far as need be."""

from __future__ import annotations

from contextlib import aclosing, suppress
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, cast

import anyio

from mcp_session._core import Event, EventReader, EventTooLong, peek
from mcp_session._enums import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    import httpx2

    from mcp_session._core import Session, Stream

__all__ = [
    "Answering",
    "Body",
    "Replayed",
    "Watched",
    "async_stream",
    "drain",
    "header_values",
    "look_ahead",
    "read_answer",
]

# A refusal is small. What goes on beyond this is not waited for: the connection is closed.
REFUSAL_BYTES = 64 * 1024
REFUSAL_SECONDS = 2.0

# What is kept of the answer to a re-initialization.
ANSWER_BYTES = 4 * 1024 * 1024


class Body:
    """An asynchronous stream of bytes; each HTTP library has a class of its own for these.

    `chunks` is where the bytes come from, `close` gives back what they come over.
    """

    def __init__(self, chunks: AsyncIterable[bytes], close: Callable[[], Awaitable[None]]) -> None:
        """Read from `chunks`, and end by `close`."""
        self._chunks = chunks
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks.__aiter__()

    async def aclose(self) -> None:
        """Give back the connection."""
        await self._close()


class Answering:
    """The request that a stream of events has to answer."""

    def __init__(self, error: Callable[[str], bytes], unanswered: Callable[[str], None]) -> None:
        """Take how to say that no answer will come, and whom to tell of a stream cut short.

        `error` makes the JSON-RPC error of a text. `unanswered` is called with the ID of the
        last event, if the stream can be resumed.
        """
        self.error = error
        self.unanswered = unanswered


class Watched:
    """The events of one response: each is told of, and the end is made a clean one.

    A stream that is cut ends as if the server had ended it: the SDKs then open the next. One
    that ends without the answer it was for ends on a JSON-RPC error, unless it can be resumed:
    mcp 1.x waits for such an answer for ever.
    """

    def __init__(  # noqa: PLR0913 - what is told to whom, by keyword
        self,
        chunks: AsyncIterable[bytes],
        session: Session,
        stream: Stream,
        *,
        cuts: tuple[type[Exception], ...],
        answering: Answering | None,
        can_be_ended: bool,
    ) -> None:
        """Watch `chunks` for `session`; `cuts` are the errors that are clean ends.

        Only one that `can_be_ended` by `end` while its reader waits pays for that.
        """
        self._chunks = chunks.__aiter__()
        self._session = session
        self._stream = stream
        self._cuts = cuts
        self._answering = answering
        self._can_be_ended = can_be_ended
        self._reader = EventReader()
        self._tail = b""
        self._over = False
        self._scope: anyio.CancelScope | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        detail = "its stream ended"
        try:
            if not self._can_be_ended:
                return self._watch(await self._chunks.__anext__())
            with anyio.CancelScope() as self._scope:
                return self._watch(await self._chunks.__anext__())
        except StopAsyncIteration:
            pass
        except self._cuts as error:
            detail = f"its stream was cut ({type(error).__name__})"
        finally:
            self._scope = None
        self._over = True
        if words := self._last_words(detail):
            return words
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what is left of the stream."""
        self._over = True
        await close_generator(self._chunks)

    def end(self) -> None:
        """End the stream under its reader: another session stands now."""
        self._over = True
        if self._scope is not None:
            self._scope.cancel()

    def _watch(self, chunk: bytes) -> bytes:
        self._tail = (self._tail + chunk[-4:])[-4:]
        before = self._reader.last_event_id
        for event in self._reader.read(chunk):
            match event:
                case Event(data=data, id=event_id):
                    if event_id:
                        self._session.saw_event_id(self._stream, event_id)
                    message = data.encode()
                    self._session.saw_message(self._stream, message)
                    if peek(message).kind is Kind.RESPONSE:
                        self._answering = None
                case EventTooLong():
                    # Nothing but an answer is that long.
                    self._answering = None
        if (event_id := self._reader.last_event_id) != before:
            self._session.saw_event_id(self._stream, event_id)
        return chunk

    def _last_words(self, detail: str) -> bytes:
        answering, self._answering = self._answering, None
        if answering is None:
            return b""
        if event_id := self._reader.last_event_id:
            answering.unanswered(event_id)
            return b""
        # Of an event cut short neither its data nor its type may count as part of the error.
        whole = not self._tail or self._tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
        cut = b"" if whole else b"\nevent: cut\n\n"
        return cut + b"event: message\ndata: " + answering.error(detail) + b"\n\n"


class Replayed:
    """A body whose beginning was read already, and then its rest."""

    def __init__(
        self, beginning: bytes, rest: AsyncIterator[bytes], failure: Exception | None
    ) -> None:
        """Give `beginning`, then `rest`; raise `failure` instead, if that is how it went on."""
        self._beginning = beginning
        self._rest = rest
        self._failure = failure

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            return beginning
        if self._failure is not None:
            raise self._failure
        return await self._rest.__anext__()


async def look_ahead(
    response: httpx2.Response, failure: Callable[[str], Exception]
) -> tuple[bytes | None, Replayed]:
    """Read a refusal's body, and return it with the stream its reader gets instead.

    The body is `None` if it is not known whole: too long, too slow, cut off, or encoded.
    `failure` makes the error that the reader gets of a body that was waited for in vain.
    """
    rest = aiter(async_stream(response))
    beginning = bytearray()
    whole, failed = False, None
    if "content-encoding" not in response.headers:
        with anyio.move_on_after(REFUSAL_SECONDS) as scope:
            try:
                while len(beginning) <= REFUSAL_BYTES:
                    beginning += await anext(rest)
            except StopAsyncIteration:
                whole = True
            except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets it
                failed = error
        if scope.cancelled_caught:
            failed = failure("the rest of the body did not come in time")
    body = bytes(beginning)
    return body if whole else None, Replayed(body, rest, failed)


def header_values(headers: httpx2.Headers) -> dict[bytes, str]:
    """Return the headers by their lower-case names, repeated ones joined as HTTP does.

    All are had in one pass, for the price of one lookup in the library's own class.
    """
    values: dict[bytes, str] = {}
    for raw_name, raw_value in headers.raw:
        name, value = raw_name.lower(), raw_value.decode("latin-1")
        values[name] = f"{values[name]}, {value}" if name in values else value
    return values


def async_stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    """Return the stream of a response that an asynchronous client has got."""
    return cast("httpx2.AsyncByteStream", response.stream)


async def drain(response: httpx2.Response) -> None:
    """Read the little that is left, so that the connection can be used again; then close."""
    try:
        with suppress(Exception), anyio.move_on_after(REFUSAL_SECONDS):
            async with aclosing(response.aiter_raw()) as chunks:
                size = 0
                async for chunk in chunks:
                    size += len(chunk)
                    if size > REFUSAL_BYTES:
                        break
    finally:
        await response.aclose()


async def read_answer(response: httpx2.Response) -> bytes | None:
    """Read the JSON-RPC message that answers an `initialize`, out of a body or of a stream.

    It is `None` if there is none: the stream ended without it, or it is beyond 4 MiB.
    """
    is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    async with aclosing(response.aiter_bytes()) as chunks:
        return await (_answering_event(chunks) if is_stream else _whole_body(chunks))


async def close_generator(chunks: AsyncIterator[bytes]) -> None:
    """Close what may be an asynchronous generator: trio wants none left to the collector."""
    if isinstance(chunks, AsyncGeneratorType):
        with suppress(RuntimeError):
            await chunks.aclose()


async def _whole_body(chunks: AsyncIterable[bytes]) -> bytes | None:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > ANSWER_BYTES:
            return None
    return bytes(body)


async def _answering_event(chunks: AsyncIterable[bytes]) -> bytes | None:
    reader, size = EventReader(limit=ANSWER_BYTES), 0
    async for chunk in chunks:
        size += len(chunk)
        for event in reader.read(chunk):
            match event:
                case Event(data=data):
                    message = data.encode()
                    if peek(message).kind is Kind.RESPONSE:
                        return message
                case EventTooLong():
                    return None
        if size > ANSWER_BYTES:
            return None
    return None
