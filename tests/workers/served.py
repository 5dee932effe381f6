"""The application that the workers serve: of the SDK of this environment, around it the middleware.

`uvicorn served:create --factory --workers 4` imports it anew in each process, and so do other
servers. What is to be chosen stands in the environment, so that it is the same in all of them.
"""

import logging
import os
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import MemorySessions, SessionTable, SqliteSessions
from pydantic import BaseModel
from starlette.middleware import Middleware

GENERATION = "fastmcp" if find_spec("fastmcp") else f"mcp{version('mcp').split('.')[0]}"
framework: Any = import_module(
    {"mcp1": "mcp.server.fastmcp", "mcp2": "mcp.server.mcpserver"}.get(GENERATION, "fastmcp")
)
Server: Any = framework.MCPServer if GENERATION == "mcp2" else framework.FastMCP

# These machines are slow at times: what a table does then is not what is tested.
TABLE_SECONDS = 2.0

if TYPE_CHECKING:
    Context: TypeAlias = Any
else:
    Context = framework.Context


class Answer(BaseModel):
    """What a person is asked for."""

    text: str


# The handler that the SDKs install where there is none draws each traceback in colours, for which
# an event loop stands still: for many seconds where the machine has other work.
logging.basicConfig(level=logging.WARNING)


def create() -> Any:
    """Make the application, as the environment says."""
    note("serving", str(os.getpid()))
    application = streamable(server())
    if "TABLE" not in os.environ:
        return SessionMiddleware(application) if "MIDDLEWARE" in os.environ else application
    options: dict[str, Any] = {"peer_url": os.environ.get("PEER_URL")}
    if os.environ.get("RESTORE") == "no":
        options["restore"] = False
    if "LEASE" in os.environ:
        options["lease"] = float(os.environ["LEASE"])
    options |= {"sessions": table(os.environ["TABLE"]), "on_restored": count_restored}
    if os.environ.get("AUTH") == "outside":
        # Inside of what authenticates: the user is known.
        application.user_middleware.append(Middleware(SessionMiddleware, **options))
        return application
    served = SessionMiddleware(application, **options)
    return noting_arrivals(served) if "ARRIVALS" in os.environ else served


def noting_arrivals(application: Any) -> Any:
    """Note by its query, and the clock of the host, when a request has come from its client."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if query := scope.get("query_string"):
            note("arrived", f"{query.decode()}@{time.monotonic()}")
        await application(scope, receive, send)

    return served


def table(name: str) -> SessionTable:
    if name == "memory":
        return MemorySessions()
    if name.startswith("redis:"):
        from mcp_session.sessions import RedisSessions  # noqa: PLC0415 - of an extra

        return RedisSessions(name, timeout=TABLE_SECONDS)
    return SqliteSessions(name, timeout=TABLE_SECONDS)


def authenticated() -> dict[str, Any]:
    """What makes a server of either SDK ask for a token: `<client>.<subject>.<whatever>`."""
    from mcp.server.auth.provider import AccessToken  # noqa: PLC0415 - only where it is asked for
    from mcp.server.auth.settings import AuthSettings  # noqa: PLC0415 - as above
    from pydantic import AnyHttpUrl  # noqa: PLC0415 - as above

    class Verifier:
        async def verify_token(self, token: str) -> AccessToken | None:
            client, _, rest = token.partition(".")
            subject, _, _ = rest.partition(".")
            if not subject:
                return None
            claims = {"iss": "https://issuer.example"}
            return AccessToken(
                token=token, client_id=client, scopes=[], subject=subject, claims=claims
            )

    url = AnyHttpUrl("https://issuer.example")
    settings = AuthSettings(issuer_url=url, resource_server_url=url)
    return {"auth": settings, "token_verifier": Verifier()}


def count_restored(_restored: Any) -> None:
    note("restored", str(os.getpid()))


def note(name: str, line: str) -> None:
    """Write a line that all processes can count: one write, at the end of the file."""
    with Path(os.environ["NOTES"], name).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def streamable(made: Any) -> Any:
    options: dict[str, Any] = {}
    if "EVENTS" in os.environ:
        from events import SharedEvents  # noqa: PLC0415 - only where they are asked for

        options = {"event_store": SharedEvents(), "retry_interval": 10}
    if (idle := os.environ.get("IDLE")) is not None:
        options["session_idle_timeout"] = float(idle)
    if GENERATION == "mcp1":
        made._event_store = options.get("event_store")  # noqa: SLF001 - else of the constructor
        made._retry_interval = options.get("retry_interval")  # noqa: SLF001 - as above
        application = made.streamable_http_app()
        if idle is not None:
            made.session_manager.session_idle_timeout = float(idle)
        return application
    if GENERATION == "fastmcp":
        return made.http_app(path="/mcp", **options)
    return made.streamable_http_app(**options)


# What a server keeps in its memory, by session: gone with the process.
remembered: dict[str, list[str]] = {}


def server() -> Any:
    made = Server("t", **(authenticated() if "AUTH" in os.environ else {}))
    for tool in (whoami, echo, run, remember, slow, steps, ask, elicit, push, interrupted):
        made.tool()(tool)
    return made


async def whoami() -> str:
    return str(os.getpid())


async def echo(text: str) -> str:
    return text


async def run(text: str) -> str:
    note("runs", text)
    return text


async def remember(ctx: Context, text: str) -> str:
    session_id: str = ctx.request_context.request.headers["mcp-session-id"]
    kept = remembered.setdefault(session_id, [])
    kept.append(text)
    return ",".join(kept)


async def slow(text: str, seconds: float) -> str:
    note("begun", text)
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        note("cancelled", text)
        raise
    note("runs", text)
    return text


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


async def elicit(ctx: Context, text: str) -> str:
    # The names of its parameters differ.
    answer = await ctx.elicit(text, Answer)
    return f"answer:{answer.data.text}"


async def push(ctx: Context) -> str:
    """Tell of a change on the stream that the client opened by GET."""
    await ctx.session.send_resource_list_changed()
    return "pushed"


async def interrupted(ctx: Context, text: str) -> str:
    await ctx.report_progress(1, 2, "before")
    await ctx.close_sse_stream()
    await ctx.report_progress(2, 2, "after")
    return f"resumed:{text}"
