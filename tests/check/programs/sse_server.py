"""A server of the older HTTP+SSE transport, of mcp 1.x. The argument is the port."""

import importlib
import sys

import uvicorn

if __name__ == "__main__":
    server = importlib.import_module("mcp.server.fastmcp").FastMCP("old", log_level="CRITICAL")
    uvicorn.run(server.sse_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
