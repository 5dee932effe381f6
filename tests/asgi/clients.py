"""The SDK's own client, over a transport of this project's or of its own."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession
from mcp.client import streamable_http
from mcp.client.sse import sse_client
from mcp.server.streamable_http import EventStore
from mcp.types import CreateMessageResult, TextContent

# The HTTP library that this SDK speaks by: httpx, or httpx2.
HTTP: Any = getattr(streamable_http, "httpx2", None) or streamable_http.httpx  # type: ignore[attr-defined,unused-ignore]


@asynccontextmanager
async def connected(
    url: str, *, http_client: Any = None, sampling: bool = False
) -> AsyncGenerator[Any]:
    """Connect to a server over Streamable HTTP, or HTTP+SSE where the URL ends in `/sse`."""
    http_client = http_client or HTTP.AsyncClient(timeout=HTTP.Timeout(30, read=300))
    options: dict[str, Any] = {"sampling_callback": answer} if sampling else {}
    async with http_client:
        streams = (
            sse_client(url)
            if url.endswith("/sse")
            else streamable_http.streamable_http_client(url, http_client=http_client)
        )
        async with streams as opened, ClientSession(opened[0], opened[1], **options) as session:
            await session.initialize()
            yield session


async def answer(_context: Any, params: Any) -> CreateMessageResult:
    """Sample, as a model would."""
    content: Any = params.messages[0].content
    text = TextContent(type="text", text=f"heard {content.text}")
    return CreateMessageResult(role="assistant", content=text, model="m")


class Events(EventStore):
    """An event store that keeps everything."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.replays = 0

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(
        self, last_event_id: str, send_callback: Callable[[Any], Any]
    ) -> str | None:
        from mcp.server.streamable_http import EventMessage  # noqa: PLC0415 - of either version

        self.replays += 1
        after = int(last_event_id)
        stream_id = self.events[after - 1][0]
        for number, (other, message) in enumerate(self.events, 1):
            if number > after and other == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id
