"""One interface over the installed generation of the official SDK, and over its HTTP library.

The generations share neither modules nor signatures, so they are imported by name, as `Any`:
no checker could know both.
"""

import importlib
import importlib.util
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import anyio

GENERATION = "mcp2" if importlib.util.find_spec("mcp_types") else "mcp1"
MODERN_SDK = GENERATION == "mcp2"
LIBRARY = "httpx2" if MODERN_SDK else "httpx"
BACKENDS = ("asyncio", "trio") if MODERN_SDK else ("asyncio",)

mcp: Any = importlib.import_module("mcp")
types: Any = importlib.import_module("mcp_types" if MODERN_SDK else "mcp.types")
streamable: Any = importlib.import_module("mcp.client.streamable_http")
factories: Any = importlib.import_module("mcp.shared._httpx_utils")

http: Any = importlib.import_module(LIBRARY)
"""The HTTP library of this generation: `httpx` or `httpx2`."""

McpError: type[Exception] = mcp.MCPError if MODERN_SDK else mcp.McpError

SESSION = "ClientSession"
FACTORY = "ClientSession, streamablehttp_client"
LEGACY = "Client, legacy"
AUTO = "Client, auto"

KINDS = (SESSION, LEGACY, AUTO) if MODERN_SDK else (SESSION, FACTORY)
"""The ways in which an application of this generation makes a client."""

CreateHttpClient: TypeAlias = Callable[..., Any]
"""As the SDK's own factory: `headers`, `timeout` and `auth` in, an `AsyncClient` out."""

AnswerQuestion: TypeAlias = Callable[[str], Awaitable[str]]

create_plain_http_client: CreateHttpClient = factories.create_mcp_http_client
"""The SDK's own factory."""


def create_http_client(
    headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None, **options: Any
) -> Any:
    """Our factory for this generation's HTTP library, with our keywords beside the SDK's own."""
    return ours().create_mcp_http_client(headers=headers, timeout=timeout, auth=auth, **options)


def ours() -> Any:
    """Our module for this generation's HTTP library."""
    return importlib.import_module(f"mcp_session.{LIBRARY}")


class CallError(Exception):
    """What a call was answered instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Connected:
    """A client of the official SDK, connected to one server."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.notifications: list[str] = []
        """The methods of the notifications that came in."""
        self.questions: list[str] = []
        """What the server asked the user or the model, answered or not."""

    async def call(self, tool: str, **arguments: Any) -> str:
        """Run a tool and return its text; raise `CallError` when that fails."""
        with errors_of_calls():
            result = await self._client.call_tool(tool, arguments)
        text = "".join(content.text for content in result.content)
        if result.is_error if MODERN_SDK else result.isError:
            raise CallError(0, text)
        return text

    async def call_with_progress(self, tool: str, **arguments: Any) -> list[float]:
        """Run a tool and return the progress that was reported meanwhile."""
        seen: list[float] = []

        async def progressed(progress: float, _total: float | None, _message: str | None) -> None:
            seen.append(progress)

        with errors_of_calls():
            await self._client.call_tool(tool, arguments, progress_callback=progressed)
        return seen

    async def list_tools(self) -> list[str]:
        with errors_of_calls():
            result = await self._client.list_tools()
        return [tool.name for tool in result.tools]

    async def until(self, reached: Callable[["Connected"], object]) -> None:
        """Wait until what came in is as `reached` wants it."""
        while not reached(self):  # noqa: ASYNC110  # an event for each condition is no gain
            await anyio.sleep(0.005)

    async def notify(self) -> None:
        """Send a notification, of progress nobody asked for."""
        await self._client.send_progress_notification("nobody", 1.0)


@asynccontextmanager
async def connect(
    kind: str,
    url: str,
    create: CreateHttpClient | None = None,
    *,
    http_client: Any = None,
    auth: Any = None,
    answer: AnswerQuestion | None = None,
) -> AsyncGenerator[Connected]:
    """Connect a client of this kind, over a new HTTP client or over one that is open already.

    Every question of the server's is passed to `answer`; without one it is answered "yes".
    """
    async with AsyncExitStack() as stack:
        if kind == FACTORY:
            assert create is not None, "this kind makes its HTTP client by itself"
            transport = streamable_http_by_factory(url, create, auth)
        else:
            if http_client is None:
                assert create is not None, "no HTTP client was given"
                http_client = await stack.enter_async_context(create(auth=auth))
            transport = streamable.streamable_http_client(url, http_client=http_client)
        yield await stack.enter_async_context(connected_over(transport, kind, answer))


@asynccontextmanager
async def connected_over(
    transport: Any, kind: str, answer: AnswerQuestion | None = None
) -> AsyncGenerator[Connected]:
    """Connect a client of this kind over a transport that is not entered yet."""
    callbacks = Callbacks(answer)
    async with AsyncExitStack() as stack:
        if kind in {LEGACY, AUTO}:
            mode = "legacy" if kind == LEGACY else "auto"
            client = mcp.Client(transport, mode=mode, **callbacks.as_keywords())
            await stack.enter_async_context(client)
        else:
            streams = await stack.enter_async_context(transport)
            client = mcp.ClientSession(*streams[:2], **callbacks.as_keywords())
            await stack.enter_async_context(client)
            await client.initialize()
        connected = Connected(client)
        callbacks.connected = connected
        yield connected


def streamable_http_by_factory(url: str, create: CreateHttpClient, auth: Any) -> Any:
    """The entry point of every 1.x, by its deprecated name."""
    with warnings.catch_warnings():
        # Applications that have not moved yet call it all the same, and warned.
        warnings.simplefilter("ignore", DeprecationWarning)
        return streamable.streamablehttp_client(url, httpx_client_factory=create, auth=auth)


class Callbacks:
    """The callbacks of an application: they remember, and answer as told."""

    def __init__(self, answer: AnswerQuestion | None) -> None:
        self.answer = answer
        self.connected: Connected | None = None

    def as_keywords(self) -> dict[str, Any]:
        return {
            "message_handler": self.handle_message,
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
        }

    async def handle_message(self, message: Any) -> None:
        notification = getattr(message, "root", message)
        if self.connected is not None and hasattr(notification, "method"):
            self.connected.notifications.append(notification.method)

    async def elicit(self, _context: Any, params: Any) -> Any:
        text = await self.asked(params.message)
        return types.ElicitResult(action="accept", content={"answer": text})

    async def sample(self, _context: Any, params: Any) -> Any:
        content = params.messages[0].content
        text = await self.asked(content.text)
        answer = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", model="test", content=answer)

    async def asked(self, question: str) -> str:
        if self.connected is not None:
            self.connected.questions.append(question)
        return "yes" if self.answer is None else await self.answer(question)


def read_message(text: str) -> Any:
    """Read a message as the SDK does; raise `ValueError` where it cannot."""
    if MODERN_SDK:
        return types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    return types.JSONRPCMessage.model_validate_json(text)


class errors_of_calls:  # noqa: N801  # read as the function it stands for
    """Make the error of either generation a `CallError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, McpError):
            data = error.error  # type: ignore[attr-defined]
            raise CallError(data.code, data.message) from error
