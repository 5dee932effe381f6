"""A real MCP server of the official SDK, in session mode; run by `test_live.py`.

It listens on a loopback port of the system's choice and prints it.
"""

import socket

import uvicorn
from mcp.server import MCPServer

server = MCPServer("live")


@server.tool()
def echo(text: str) -> str:
    return text


if __name__ == "__main__":
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        application = server.streamable_http_app()
        config = uvicorn.Config(application, log_level="warning", fd=listener.fileno())
        uvicorn.Server(config).run()
