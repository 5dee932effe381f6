"""A client as users of fastmcp 4.x write one, of a server that it starts.

The arguments are the command. It calls when a line comes in, and prints what it was answered, until
there is no line any more.
"""

import json
import os
import sys

import anyio
import anyio.to_thread
from person import call, person, transports


async def main() -> None:
    """Call, and answer whatever the server asks."""
    command, *arguments = sys.argv[1:]
    transport = transports.StdioTransport(command, arguments, env=dict(os.environ))
    async with person(transport) as client:
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            text = line.strip()
            answers = [await call(client, tool, text) for tool in ("run", "elicit", "ask")]
            print(json.dumps(answers), flush=True)
    await transport.close()


anyio.run(main)
