"""Serves the application of whichever SDK this environment has: PORT, `bare` or `behind`.

`docs/fuzz.md` says what `mcp-session fuzz` finds in each.
"""

import sys

import uvicorn
from mcp_session.asgi import SessionMiddleware

from applications import application

if __name__ == "__main__":
    middleware = SessionMiddleware if sys.argv[2] == "behind" else None
    served = application("stateful", middleware=middleware)
    uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", ws="none")
