"""The plain client of the SDK of this environment: nothing of this project is in it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession
from mcp.client import streamable_http
from mcp.types import CreateMessageResult, ElicitResult, TextContent

HTTP: Any = getattr(streamable_http, "httpx2", None) or streamable_http.httpx  # type: ignore[attr-defined,unused-ignore]


def http_client(**options: Any) -> Any:
    """A client that opens a connection for each request: each may reach another process."""
    limits = HTTP.Limits(max_keepalive_connections=0)
    # To read the certificates of the system takes longer than anything here.
    options = {"verify": False, "timeout": HTTP.Timeout(30, read=120), **options}
    return HTTP.AsyncClient(limits=limits, **options)


@asynccontextmanager
async def connected(
    url: str, *, on_message: Callable[[Any], Any] | None = None, **options: Any
) -> AsyncGenerator[Any]:
    """Connect, and answer whatever the server asks."""
    async with http_client(**options) as client:
        streams = streamable_http.streamable_http_client(url, http_client=client)
        callbacks: dict[str, Any] = {"sampling_callback": sampled, "elicitation_callback": elicited}
        if on_message is not None:
            callbacks["message_handler"] = on_message
        async with streams as opened, ClientSession(opened[0], opened[1], **callbacks) as session:
            await session.initialize()
            yield session


async def call(session: Any, tool: str, **arguments: Any) -> str:
    """Call a tool; what it says, or `CallFailedError`."""
    result = await session.call_tool(tool, arguments)
    text = str(result.content[0].text)
    # To ask for the older name is warned of.
    if result.is_error if hasattr(result, "is_error") else result.isError:
        raise CallFailedError(text)
    return text


class CallFailedError(Exception):
    """The tool failed."""


async def sampled(_context: Any, params: Any) -> CreateMessageResult:
    content: Any = params.messages[0].content
    text = TextContent(type="text", text=f"heard {content.text}")
    return CreateMessageResult(role="assistant", content=text, model="m")


async def elicited(_context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"text": f"said {params.message}"})
