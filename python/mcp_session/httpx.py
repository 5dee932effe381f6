"""The client for SDKs that speak HTTP by httpx: mcp 1.x and what is built on it.

`AsyncClient` goes wherever an SDK takes an `httpx.AsyncClient`, `create_mcp_http_client`
wherever one takes a factory of these. Needs the extra `httpx`.
"""

from collections.abc import Callable
from typing import Any, cast

import httpx
from httpx import USE_CLIENT_DEFAULT

from mcp_session._driver import Driver, Library
from mcp_session._enums import ResendPolicy
from mcp_session._notices import (
    RecoveryFailed,
    RequestGivenUp,
    SessionEvent,
    SessionReinitialized,
    SessionTerminated,
)
from mcp_session._options import Options
from mcp_session._streams import Body

__all__ = [
    "AsyncClient",
    "RecoveryFailed",
    "RequestGivenUp",
    "SessionEvent",
    "SessionReinitialized",
    "SessionTerminated",
    "create_mcp_http_client",
]


class AsyncClient(httpx.AsyncClient):
    """An `httpx.AsyncClient` that lets no caller see an MCP session end.

    Sends every request as `httpx.AsyncClient` does. Only those of a session that was opened
    through it are looked at: when such a session is terminated, one request makes a new one
    and the others wait for it; then each goes out again, with the new ID.

    All of its own options are keywords, and the rest are those of `httpx.AsyncClient`:

    - `quirks` (`bool`): whether known misreports of a terminated session count too.
    - `resend` (`ResendPolicy`): which requests are sent again.
    - `bound` (`int`): how many sessions may end before one success until no request is sent
      into another.
    - `outage_shield` (`bool`): a call made while the server is not there (refused, reset, no
      answer in time, or 502, 503, 504 from a gateway) ends with a JSON-RPC error, code -32000,
      for that call; a notification is answered 202; a stream opened by GET waits until the
      server is back. Otherwise the SDKs' clients end with the first such call.
    - `stream_guard` (`bool`): an answer that breaks off becomes such an error too, and a stream
      that is cut, or is of a session that was replaced, ends as if the server had ended it, so
      that the SDK opens the next.
    - `on_event` (callable or `None`): called, and awaited if it can be, with each
      `SessionEvent`. What it raises is logged and harms nobody.
    - `recovery_timeout` (`float`, seconds): how long a re-initialization may take.

    Raises `TypeError` and `ValueError` that name the option. An `initialize` that fails, a 401,
    and whatever else is no end of a session come to the caller as they are.

    >>> from mcp import ClientSession
    >>> from mcp.client.streamable_http import streamable_http_client
    >>> from mcp_session.httpx import AsyncClient
    >>> async def call(url: str) -> None:
    ...     async with (
    ...         AsyncClient(timeout=30) as http_client,
    ...         streamable_http_client(url, http_client=http_client) as (read, write, _),
    ...         ClientSession(read, write) as session,
    ...     ):
    ...         await session.initialize()
    ...         await session.call_tool("echo", {"text": "still here"})

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

    def __init__(
        self,
        *,
        quirks: bool = True,
        resend: ResendPolicy = ResendPolicy.ALL,
        bound: int = 2,
        outage_shield: bool = True,
        stream_guard: bool = True,
        on_event: Callable[[SessionEvent], object] | None = None,
        recovery_timeout: float = 30.0,
        **keywords: Any,
    ) -> None:
        """Make a client; `keywords` are those of `httpx.AsyncClient`."""
        options = Options(
            quirks=quirks,
            resend=resend,
            bound=bound,
            outage_shield=outage_shield,
            stream_guard=stream_guard,
            on_event=on_event,
            recovery_timeout=recovery_timeout,
        )
        super().__init__(**keywords)
        self._driver = Driver(cast("Any", self), cast("Any", super().send), _LIBRARY, options)

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = USE_CLIENT_DEFAULT,
        follow_redirects: Any = USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """Send a request, in the session that stands now, if it is of one."""
        response = await self._driver.send(
            cast("Any", request), stream=stream, auth=auth, follow_redirects=follow_redirects
        )
        return cast("httpx.Response", response)


def create_mcp_http_client(
    headers: dict[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
    auth: httpx.Auth | None = None,
    **keywords: Any,
) -> AsyncClient:
    """Make a client with the timeouts of the SDKs' own factory of this name.

    They are 30 seconds, and 300 for reading. `keywords` are those of `AsyncClient`.

    >>> from mcp_session.httpx import create_mcp_http_client
    >>> create_mcp_http_client(headers={"x-team": "search"}).timeout.read
    300.0

    Source: `mcp.shared._httpx_utils` of mcp 1.x
    """
    if timeout is None:
        timeout = httpx.Timeout(30.0, read=300.0)
    return AsyncClient(headers=headers, timeout=timeout, auth=auth, **keywords)


class _Body(Body, httpx.AsyncByteStream):
    pass


# The driver's types are those of httpx2. These here differ in nothing that it uses.
_LIBRARY = Library(
    request=cast("Any", httpx.Request),
    response=cast("Any", httpx.Response),
    body=cast("Any", _Body),
    unsent=(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    outages=(
        httpx.NetworkError,
        httpx.TimeoutException,
        httpx.RemoteProtocolError,
        httpx.ProxyError,
    ),
    timeout=httpx.ReadTimeout,
)
