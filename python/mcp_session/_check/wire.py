"""Sends single requests and keeps what came back, bounded in number, time and size.

No cookie is kept, no redirect followed and nothing sent to another origin, so that what is seen
is the answer to one request, and credentials go where they were meant to.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
import httpx2

from mcp_session import EventReader
from mcp_session._check.messages import answers, as_object, is_event_stream, parsed
from mcp_session._check.results import NoAnswer, Outcome, breach
from mcp_session._core import Event, RecordedExchange

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from types import TracebackType

    from mcp_session import Side, Verdict

__all__ = ["SESSION", "Ask", "Opened", "Seen", "Wire"]

# What the head of an answer is kept by.
_HEAD = "mcp_session.head"
# More of an answer is not read.
MOST_BYTES = 1 << 20

# How often a stream that ends before its answer is resumed, and how soon where no server says it.
MOST_RESUMPTIONS = 5
SHORTEST_RETRY_SECONDS = 0.01

SESSION = "mcp-session-id"
# Of a POST's headers, what its GET has otherwise, or not.
NOT_OF_GET = {"accept", "content-type"}


@dataclass(frozen=True)
class Ask:
    """A request to send."""

    method: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes | None = None
    url: str | None = None
    """Another spelling of the endpoint, at the same origin."""


@dataclass(frozen=True)
class Seen:
    """A request, and what came back; the body as far as it was read."""

    ask: Ask
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    endpoint: str
    resumed: tuple[bytes, ...] = ()
    """What the streams said that resumed the one of this answer."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's

    @property
    def session_id(self) -> str | None:
        """The session header of the response, repeated ones joined."""
        return self.header(SESSION) or None

    @property
    def is_stream(self) -> bool:
        """Whether the answer is an event stream."""
        return is_event_stream(self.header("content-type") or "")

    def header(self, name: str) -> str | None:
        """Return the values of a header of the response, joined."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def with_status(self, status: int) -> Seen:
        """Return the exchange as if it had been answered with this status, and nothing else."""
        return replace(self, status=status, headers=(), body=b"")

    def with_body(self, body: bytes) -> Seen:
        """Return the exchange as if this had been the body of its answer."""
        return replace(self, body=body)

    def verdict(self, side: Side, *, quirks: bool = False) -> Verdict:
        """Ask the core what this exchange means for its session."""
        verdict = self.recorded().verdict(side=side, quirks=quirks)
        assert verdict is not None, "an answer came"  # noqa: S101 - `status` is no None
        return verdict

    def recorded(self) -> RecordedExchange:
        """Return the exchange as the core takes it."""
        return RecordedExchange(
            self.ask.method,
            self.endpoint,
            "",
            [(name, value.decode("latin-1")) for name, value in self.ask.headers],
            self.ask.body or b"",
            self.status,
            list(self.headers),
            self.body,
            sent=0,
            answered=1,
            remarks=[],
        )

    def messages(self) -> list[object]:
        """Return the JSON-RPC messages in the answer, whichever way they came."""
        if not self.is_stream:
            return [] if (message := parsed(self.body)) is None else [message]
        events = (
            event
            for body in (self.body, *self.resumed)
            for event in EventReader(limit=MOST_BYTES).read(body)
        )
        read = (parsed(it.data) for it in events if isinstance(it, Event) and it.data)
        return [message for message in read if message is not None]

    def answer_to(self, request_id: object) -> dict[str, Any] | None:
        """Return the message that answers this request, if one does."""
        for message in self.messages():
            if answers(message, request_id):
                return as_object(message)
        return None


@dataclass
class Opened:
    """An answer whose body has not ended yet."""

    seen: Seen
    pieces: AsyncIterator[bytes]
    seconds: float

    async def has_ended(self) -> bool:
        """Read on, and say whether the body ends in the time that an answer may take."""
        with anyio.move_on_after(self.seconds):
            try:
                async for _ in self.pieces:
                    pass
            except httpx2.HTTPError:
                return True
            return True
        return False


@dataclass
class Wire:
    """The way to one endpoint."""

    url: str
    headers: tuple[tuple[str, bytes], ...]
    """Sent with every request: credentials, mostly."""
    seconds: float
    """How long an answer may take."""
    most: int
    """How many requests may be sent."""
    sent: int = 0
    seen: list[Seen] = field(default_factory=list["Seen"])
    """Every exchange, in the order in which they were answered."""
    _client: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self._client = new_client()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def renew(self) -> None:
        """Close every connection, and begin new ones: the server was restarted."""
        await self._client.aclose()
        self._client = new_client()

    async def send(self, ask: Ask) -> Seen:
        """Send a request and read its answer: all of it, or up to what answers it in a stream.

        A stream that ends before that is resumed where it has named an event ID: a server may let
        its client ask again.
        https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
        """
        wanted = as_object(parsed(ask.body)).get("id") if ask.body else None
        seen = await self._sent(ask, wanted)
        if wanted is None or not (seen.is_stream and seen.is_success):
            return seen
        return await self._resumed(seen, wanted)

    async def _sent(self, ask: Ask, wanted: object) -> Seen:
        async with self._asked(ask) as response:
            body = await self._read(ask, response, wanted)
        seen = self._seen(ask, response, body)
        self.seen.append(seen)
        return seen

    async def _resumed(self, seen: Seen, wanted: object) -> Seen:
        given = [] if seen.session_id is None else [(SESSION, seen.session_id.encode("latin-1"))]
        kept = [it for it in seen.ask.headers if it[0] not in NOT_OF_GET]
        headers = (*kept, *given, ("accept", b"text/event-stream"))
        event_id, retry_seconds = "", SHORTEST_RETRY_SECONDS
        until = anyio.current_time() + self.seconds
        for _ in range(MOST_RESUMPTIONS):
            reader = EventReader(limit=MOST_BYTES)
            list(reader.read((seen.body, *seen.resumed)[-1]))
            event_id = reader.last_event_id or event_id
            if reader.retry is not None:
                retry_seconds = max(reader.retry / 1000, SHORTEST_RETRY_SECONDS)
            left = until - anyio.current_time()
            if seen.answer_to(wanted) is not None or not event_id or left <= 0:
                break
            await anyio.sleep(min(retry_seconds, left))
            named = ("last-event-id", event_id.encode())
            again = await self._sent(Ask("GET", (*headers, named), None, seen.ask.url), wanted)
            if not (again.is_stream and again.is_success):
                break
            seen = replace(seen, resumed=(*seen.resumed, again.body))
        return seen

    @asynccontextmanager
    async def opened(self, ask: Ask) -> AsyncGenerator[Opened]:
        """Send a request, and hand on its answer as soon as its head is there."""
        async with self._asked(ask) as response:
            pieces = response.aiter_raw()
            seen = self._seen(ask, response, b"")
            if not seen.is_stream:
                with self._in_time():
                    seen = self._seen(ask, response, await _all(pieces))
            self.seen.append(seen)
            yield Opened(seen, pieces, self.seconds)

    @asynccontextmanager
    async def _asked(self, ask: Ask) -> AsyncGenerator[httpx2.Response]:
        if self.sent >= self.most:
            breach(f"the bound of {self.most} requests is reached", Outcome.FAIL)
        self.sent += 1
        # A repeated header stays repeated.
        headers = [(name.encode(), value) for name, value in (*self.headers, *ask.headers)]
        self._client.cookies.clear()
        request = self._client.build_request(
            ask.method,
            ask.url or self.url,
            headers=headers,
            content=ask.body,
            timeout=self.seconds,
        )
        with self._in_time():
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(self.seconds):
                await response.aclose()

    async def _read(self, ask: Ask, response: httpx2.Response, wanted: object) -> bytes:
        is_stream = is_event_stream(response.headers.get("content-type", ""))
        with self._in_time():
            if ask.method == "HEAD" or (is_stream and ask.body is None and wanted is None):
                return b""
            read, reader = bytearray(), EventReader(limit=MOST_BYTES)
            async for piece in response.aiter_raw():
                read += piece[: MOST_BYTES - len(read)]
                if is_stream and _is_answered(reader, piece, wanted):
                    break
                if len(read) >= MOST_BYTES:
                    break
            return bytes(read)

    def _in_time(self) -> _InTime:
        return _InTime(self.seconds)

    def _seen(self, ask: Ask, response: httpx2.Response, body: bytes) -> Seen:
        head: list[tuple[bytes, bytes]] = response.extensions[_HEAD]
        headers = [(name.decode("latin-1").lower(), value) for name, value in head]
        return Seen(
            ask,
            response.status_code,
            tuple((name, value.decode("latin-1")) for name, value in headers),
            body,
            self.url,
        )


def new_client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        follow_redirects=False,
        # Bodies are read as they came: what is compressed would be no JSON.
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [_keep_head]},
    )


async def _keep_head(response: httpx2.Response) -> None:
    """Keep the head as it came, and hide where it leads to.

    The last httpx2 for CPython 3.10 raises where that is no URL, though it does not follow it.
    """
    response.extensions[_HEAD] = response.headers.raw
    response.headers.pop("location", None)


class _InTime:
    """Turns what HTTP raises, and a wait that is over, into a breach in words of our own."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._scope = anyio.CancelScope()

    def __enter__(self) -> None:
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + self._seconds)
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_late = self._scope.__exit__(kind, error, traceback)
        if is_late or isinstance(error, httpx2.TimeoutException):
            message = f"no answer within {self._seconds:g} s"
            raise NoAnswer(message, timed_out=True) from None
        if isinstance(error, (httpx2.HTTPError, httpx2.StreamError)):
            message = f"no answer: {type(error).__name__}"
            raise NoAnswer(message) from None


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    read = bytearray()
    async for piece in pieces:
        read += piece[: MOST_BYTES - len(read)]
        if len(read) >= MOST_BYTES:
            break
    return bytes(read)


def _is_answered(reader: EventReader, piece: bytes, wanted: object) -> bool:
    messages: Iterator[object] = (
        parsed(event.data) for event in reader.read(piece) if isinstance(event, Event)
    )
    return any(answers(message, wanted) for message in list(messages))
