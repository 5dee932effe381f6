"""The client for SDKs that speak HTTP by httpx2: mcp 2.x and what is built on it.

`AsyncClient` goes wherever an SDK takes an `httpx2.AsyncClient`, `create_mcp_http_client`
wherever one takes a factory of these. Needs the extra `httpx2`.

>>> from mcp_session.httpx2 import AsyncClient
>>> AsyncClient(on_event=print, headers={"x-team": "search"}).headers["x-team"]
'search'
"""

from typing import Any, ClassVar

try:
    import httpx2

    from mcp_session._client.blocking import blocking_library
    from mcp_session._client.following import (
        FollowsSessions,
        FollowsSessionsBlocking,
        sdk_follows_redirects,
    )
except ModuleNotFoundError as error:
    from mcp_session._extras import missing_extra

    raise missing_extra(error, "httpx2", "anyio", "httpx2") from None

from mcp_session._client.events import (
    RecoveryFailed,
    RequestGivenUp,
    SessionEvent,
    SessionReinitialized,
    SessionRevived,
    SessionTerminated,
)
from mcp_session._client.library import Library

__all__ = [
    "AsyncClient",
    "Client",
    "RecoveryFailed",
    "RequestGivenUp",
    "SessionEvent",
    "SessionReinitialized",
    "SessionRevived",
    "SessionTerminated",
    "create_mcp_http_client",
]


class AsyncClient(FollowsSessions[httpx2.Request, httpx2.Response], httpx2.AsyncClient):
    """An `httpx2.AsyncClient` that lets no caller see an MCP session end.

    Sends every request as `httpx2.AsyncClient` does. Only those of a session that was opened
    through it are looked at: when such a session is terminated, one request makes a new one
    and the others wait for it; then each goes out again, with the new ID.

    Its options are keywords, those of its own first: see `__init__`. An `initialize` that fails,
    a 401, and whatever else is no end of a session come to the caller as they are.

    >>> from mcp import Client
    >>> from mcp.client.streamable_http import streamable_http_client
    >>> from mcp_session.httpx2 import AsyncClient
    >>> async def call(url: str) -> None:
    ...     async with (
    ...         AsyncClient(timeout=30) as http_client,
    ...         Client(streamable_http_client(url, http_client=http_client)) as client,
    ...     ):
    ...         await client.call_tool("echo", {"text": "still here"})

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

    _library: ClassVar = Library(httpx2, status_shield=False)


class Client(FollowsSessionsBlocking[httpx2.Request, httpx2.Response], httpx2.Client):
    """An `httpx2.Client`, without `async`, that lets no caller see an MCP session end.

    By the same machine, with the same rules and options as `AsyncClient`, for any number of
    threads that share it: one of them makes the new session, the others wait. Three things a
    thread cannot do as a task can: `on_event` is no coroutine function; a limit in seconds is kept
    between two reads of a socket; and over HTTP/2 a stream of a session that was replaced ends
    when its server sends something, or ends it.

    >>> from mcp_session.httpx2 import Client
    >>> with Client(hold_timeout=20) as client:
    ...     client.timeout.read
    5.0

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

    _library: ClassVar = blocking_library(httpx2, status_shield=False)


def create_mcp_http_client(
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
    **keywords: Any,
) -> AsyncClient:
    """Make a client with the timeouts of the SDKs' own factory of this name.

    They are 30 seconds, and 300 for reading. Redirects are followed as the installed SDK's
    factory has them followed. `keywords` are those of `AsyncClient`.

    >>> from mcp_session.httpx2 import create_mcp_http_client
    >>> create_mcp_http_client(headers={"x-team": "search"}).timeout.read
    300.0

    Source: `mcp.shared._httpx_utils` of mcp 2.x
    """
    timeout = httpx2.Timeout(30.0, read=300.0) if timeout is None else timeout
    keywords.setdefault("follow_redirects", sdk_follows_redirects())
    return AsyncClient(headers=headers, timeout=timeout, auth=auth, **keywords)
