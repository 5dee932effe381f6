"""A client of the official SDK, of whichever generation is installed, for `check-client`.

It connects to the URL that is its last argument, calls each tool that is listed, and closes.
`--ours` gives the SDK the HTTP client of mcp_session, `--kind` another way to make its client.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parents[2] / "clients"))

import sdk


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--kind", choices=sdk.KINDS, default=sdk.SESSION)
    parser.add_argument("url")
    anyio.run(run, parser.parse_args())


async def run(options: argparse.Namespace) -> None:
    create = sdk.create_http_client if options.ours else sdk.create_plain_http_client
    async with sdk.connect(options.kind, options.url, create) as client:
        tools = await client.list_tools()
        if "MCP_SESSION_TOGETHER" in os.environ:
            async with anyio.create_task_group() as tasks:
                for tool in tools:
                    tasks.start_soon(call, client, tool)
        else:
            for tool in tools:
                await call(client, tool)


async def call(client: sdk.Connected, tool: str) -> None:
    """Call a tool: what comes of it is seen on the wire, and what hangs is no other's matter."""
    try:
        with anyio.fail_after(8):
            await client.call(tool)
    except (sdk.CallError, TimeoutError) as error:
        print(type(error).__name__, error, file=sys.stderr)


if __name__ == "__main__":
    main()
