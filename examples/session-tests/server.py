"""A server of the official SDK whose sessions end in the one form that every client knows."""

import sys

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_session.asgi import SessionMiddleware

server = MCPServer("example", log_level="ERROR")


@server.tool()
def add(one: int, other: int) -> int:
    """Add two numbers."""
    return one + other


if __name__ == "__main__":
    application = SessionMiddleware(server.streamable_http_app())
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
