"""The clients of the table: one face over every SDK that the environment has.

Each adapter connects as the SDK's own documentation does, with a factory of HTTP clients.
"""

import functools
import importlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

import sdk

Create: TypeAlias = Callable[..., Any]
Connect: TypeAlias = Callable[[str, Create], Any]


class Connected(sdk.Connected):
    """A client that is connected to one server. Whatever a call raises is a `CallError`."""

    @classmethod
    def over(cls, other: sdk.Connected) -> "Connected":
        """Give another connected client this face."""
        client = cls(other._client)  # noqa: SLF001 - it is the class this one extends
        client.notifications = other.notifications
        return client

    def connected(self, client: Any) -> None:
        """Take the SDK's client, which needed a handler of this one's before it was there."""
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> str:
        """Run a tool and return its text."""
        with every_error():
            result = await self.call_tool(tool, arguments)
        text = "".join(content.text for content in result.content)
        if getattr(result, "is_error", False) or getattr(result, "isError", False):
            raise sdk.CallError(0, text)
        return text

    async def list_tools(self) -> list[str]:
        """Return the names of the tools."""
        with every_error():
            result = await self._client.list_tools()
        return [tool.name for tool in getattr(result, "tools", result)]

    async def call_tool(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Run a tool and return the SDK's own result."""
        return await self._client.call_tool(tool, arguments)

    async def handle_message(self, message: Any) -> None:
        """Remember the notifications that come in."""
        notification = getattr(message, "root", message)
        if hasattr(notification, "method"):
            self.notifications.append(notification.method)


class every_error:  # noqa: N801  # read as the function it stands for
    """Make whatever a call raises a `CallError`, as an application would take it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None or isinstance(error, TimeoutError) or not isinstance(error, Exception):
            return
        code = getattr(getattr(error, "error", None), "code", 0)
        raise sdk.CallError(code, str(error) or type(error).__name__) from error


@asynccontextmanager
async def official(kind: str, url: str, create: Create) -> AsyncGenerator[Connected]:
    """The official SDK, in the ways that `sdk.KINDS` names."""
    async with sdk.connect(kind, url, create) as connected:
        yield Connected.over(connected)


@asynccontextmanager
async def fastmcp(url: str, create: Create) -> AsyncGenerator[Connected]:
    client = Connected(None)
    module: Any = importlib.import_module("fastmcp")
    transports: Any = importlib.import_module("fastmcp.client.transports")
    transport = transports.StreamableHttpTransport(url, httpx_client_factory=create)
    async with module.Client(transport, message_handler=client.handle_message) as fastmcp_client:
        client.connected(fastmcp_client)
        yield client


@asynccontextmanager
async def langchain(url: str, create: Create) -> AsyncGenerator[Connected]:
    client = Connected(None)
    module: Any = importlib.import_module("langchain_mcp_adapters.client")
    connection = {
        "transport": "streamable_http",
        "url": url,
        "httpx_client_factory": create,
        "session_kwargs": {"message_handler": client.handle_message},
    }
    async with module.MultiServerMCPClient({"peer": connection}).session("peer") as session:
        client.connected(session)
        yield client


@asynccontextmanager
async def openai(retries: int, url: str, create: Create) -> AsyncGenerator[Connected]:
    client = Connected(None)
    module: Any = importlib.import_module("agents.mcp")
    server = module.MCPServerStreamableHttp(
        {"url": url, "httpx_client_factory": create},
        max_retry_attempts=retries,
        retry_backoff_seconds_base=0.1,
        message_handler=client.handle_message,
        # Its own five seconds would turn a call that hangs into one that fails.
        client_session_timeout_seconds=None,
    )
    async with server:
        client.connected(server)
        yield client


class PydanticAI(Connected):
    """A toolset, which gives out what a tool returned instead of the SDK's result."""

    async def call(self, tool: str, **arguments: Any) -> str:
        """Run a tool and return its text."""
        with every_error():
            return str(await self._client.direct_call_tool(tool, arguments))


@asynccontextmanager
async def pydantic_ai(url: str, create: Create) -> AsyncGenerator[Connected]:
    client = PydanticAI(None)
    module: Any = importlib.import_module("pydantic_ai.mcp")
    async with create() as http_client:
        toolset = module.MCPToolset(
            url, http_client=http_client, message_handler=client.handle_message
        )
        async with toolset:
            client.connected(toolset)
            yield client


CLIENTS: dict[str, Connect] = {
    "mcp 1.x ClientSession": functools.partial(official, sdk.SESSION),
    "mcp 1.x streamablehttp_client": functools.partial(official, sdk.FACTORY),
    "mcp 2.x ClientSession": functools.partial(official, sdk.SESSION),
    "mcp 2.x Client, legacy": functools.partial(official, sdk.LEGACY),
    "mcp 2.x Client, auto": functools.partial(official, sdk.AUTO),
    "fastmcp 2.x": fastmcp,
    "fastmcp 4.x": fastmcp,
    "langchain-mcp-adapters": langchain,
    "openai-agents": functools.partial(openai, 0),
    "openai-agents, 2 retries": functools.partial(openai, 2),
    "pydantic-ai": pydantic_ai,
}
"""How each client connects, in the environment it needs."""
