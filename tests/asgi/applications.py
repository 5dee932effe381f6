"""The real applications of whichever SDK this environment has."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio


def has_fastmcp() -> bool:
    try:
        version("fastmcp")
    except PackageNotFoundError:
        return False
    return True


# One of "mcp1", "mcp2" and "fastmcp4": the directory is run once in each environment.
SDK = "fastmcp4" if has_fastmcp() else f"mcp{version('mcp').split('.')[0]}"

MODULE = {"mcp1": "mcp.server.fastmcp", "mcp2": "mcp.server.mcpserver", "fastmcp4": "fastmcp"}[SDK]

# One of three libraries, of which type checkers see at most one.
framework: Any = import_module(MODULE)
Server: Any = framework.MCPServer if SDK == "mcp2" else framework.FastMCP

if TYPE_CHECKING:
    Context: TypeAlias = Any
else:
    Context = framework.Context

# The folder of recordings of each, by kind of application.
RECORDINGS = {
    "mcp1": {"stateful": "mcp1.30.0", "json": "mcp1.30.0-json", "stateless": "mcp1.30.0-stateless"},
    "mcp2": {"stateful": "mcp2.3.0", "stateless": "mcp2.3.0-stateless"},
    "fastmcp4": {"stateful": "fastmcp4.1.6"},
}[SDK]


def application(
    kind: str,
    *,
    started: Event | None = None,
    cancelled: Event | None = None,
    event_store: Any = None,
    middleware: Callable[[Any], Any] | None = None,
) -> Any:
    """Make an ASGI application: "stateful", "json", "stateless" or "sse".

    `middleware` goes around it, in the way that each framework has for that.
    """
    made = server(started, cancelled)
    options: dict[str, Any] = {"event_store": event_store} if event_store else {}
    if event_store:
        options["retry_interval"] = 10
    if kind == "json":
        options["json_response"] = True
    if kind == "stateless":
        options["stateless_http"] = True
    if SDK == "fastmcp4":
        from starlette.middleware import Middleware  # noqa: PLC0415 - comes with fastmcp

        inside = [Middleware(middleware)] if middleware is not None else []
        transport = "sse" if kind == "sse" else "http"
        return made.http_app(transport=transport, middleware=inside, **options)
    if SDK == "mcp1":
        if options:
            made.settings.json_response = "json_response" in options
            made.settings.stateless_http = "stateless_http" in options
            made._event_store = event_store  # noqa: SLF001 - else an argument of the server
            made._retry_interval = options.get("retry_interval")  # noqa: SLF001 - as above
        made_app = made.sse_app() if kind == "sse" else made.streamable_http_app()
    else:
        made_app = made.sse_app() if kind == "sse" else made.streamable_http_app(**options)
    return made_app if middleware is None else middleware(made_app)


def server(started: Event | None = None, cancelled: Event | None = None) -> Any:
    """Make a server with a tool for each thing that a client can be interested in."""

    async def slow(x: str, secs: float) -> str:
        if started is not None:
            started.set()
        try:
            await anyio.sleep(secs)
        except anyio.get_cancelled_exc_class():
            if cancelled is not None:
                cancelled.set()
            raise
        return x

    made = Server("t")
    for tool in (echo, slow, steps, ask, interrupted):
        made.tool()(tool)
    return made


def echo(x: str) -> str:
    return f"echo:{x}"


async def steps(ctx: Context, count: int) -> str:
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return f"{count} steps"


async def ask(ctx: Context, text: str) -> str:
    from mcp.types import SamplingMessage, TextContent  # noqa: PLC0415 - of either version

    question = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    answer = await ctx.session.create_message(
        [question], max_tokens=10, related_request_id=ctx.request_id
    )
    return f"answer:{answer.content.text}"


async def interrupted(ctx: Context, text: str) -> str:
    await ctx.report_progress(1, 2, "before")
    await ctx.close_sse_stream()
    await ctx.report_progress(2, 2, "after")
    return f"resumed:{text}"
