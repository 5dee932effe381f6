"""A plugin of pytest that puts ours in the place of theirs, before any test is imported.

The environment variable `IN_PLACE` says what: `client` our clients for the HTTP library's, in the
library's own module; `middleware` our middleware around every application that a session manager
of the official SDK serves; `nothing` leaves all as it is.
"""

import functools
import importlib
import os
from typing import Any
from weakref import WeakKeyDictionary


def client() -> None:
    """Put our clients in the place of those of each library that is there."""
    for name in ("httpx", "httpx2"):
        try:
            library: Any = importlib.import_module(name)
            ours: Any = importlib.import_module(f"mcp_session.{name}")
        except ModuleNotFoundError:
            continue
        library.AsyncClient = ours.AsyncClient
        library.Client = ours.Client
        # Where the functions `get`, `post` and their like look for it.
        importlib.import_module(f"{name}._api").Client = ours.Client  # type: ignore[attr-defined]


def middleware() -> None:
    """Put our middleware around what the session manager of the official SDK serves."""
    manager: Any = importlib.import_module("mcp.server.streamable_http_manager")
    asgi: Any = importlib.import_module("mcp_session.asgi")
    around: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
    theirs = manager.StreamableHTTPSessionManager.handle_request

    async def handle_request(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if self not in around:
            around[self] = asgi.SessionMiddleware(functools.partial(theirs, self))
        await around[self](scope, receive, send)

    manager.StreamableHTTPSessionManager.handle_request = handle_request


WHAT = os.environ.get("IN_PLACE", "nothing")
if WHAT == "client":
    client()
elif WHAT == "middleware":
    middleware()
