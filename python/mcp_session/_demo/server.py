"""The server of the demonstration: one of the official SDK's, in a process that can be killed.

Takes the port of 127.0.0.1 to listen on (0: a free one), prints it once it listens, and ends
with its standard input, so that it outlives nobody who held the other end.
"""

import os
import socket
import sys
import threading

import uvicorn
from mcp.server import MCPServer

__all__ = ["main"]


def main() -> None:
    """Serve until killed, or until standard input ends."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    # The SDK's log at its usual level shows session IDs.
    server = MCPServer("demonstration", log_level="CRITICAL")
    server.tool()(echo)
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        config = uvicorn.Config(server.streamable_http_app(), log_level="critical")
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - it is what the client reads
        uvicorn.Server(config).run(sockets=[listener])


def echo(text: str) -> str:
    """Return the text."""
    return text


def _end_with_standard_input() -> None:
    # Past Python's buffer, whose lock a thread must not hold while the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
