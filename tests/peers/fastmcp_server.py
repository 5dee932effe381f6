"""A real server of fastmcp, 2.x or 4.x, with the command line and the recorder of `real_server`."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

import real_server

# Each environment has another generation of it, so no checker can know both.
fastmcp: Any = importlib.import_module("fastmcp")

if TYPE_CHECKING:
    Context: TypeAlias = Any
else:
    Context = fastmcp.Context


def main() -> None:
    # All else is as with the official SDK.
    real_server.sdk_application = application
    real_server.main()


def application(options: argparse.Namespace) -> real_server.Application:
    server = fastmcp.FastMCP("real")
    tools = Tools(options.executions)
    for tool in (tools.echo, tools.slow, tools.push):
        server.tool(tool)
    settings: dict[str, Any] = {
        "json_response": options.json,
        "stateless_http": options.stateless,
    }
    if options.idle is not None:
        settings["session_idle_timeout"] = options.idle
    made: real_server.Application = server.http_app(path="/mcp", **settings)
    return made


class Tools:
    """The tools, and the log that shows whether one ran twice."""

    def __init__(self, log: Path | None) -> None:
        self.log = real_server.Tools(log)

    async def echo(self, text: str) -> str:
        self.log.executed("echo", text)
        return text

    async def slow(self, seconds: float) -> str:
        self.log.executed("slow", str(seconds))
        await anyio.sleep(seconds)
        return "slow"

    async def push(self, ctx: Context) -> str:
        """Send a notification that belongs to no request: it takes the standalone stream."""
        self.log.executed("push", "")
        await ctx.session.send_resource_list_changed()
        return "pushed"


if __name__ == "__main__":
    main()
