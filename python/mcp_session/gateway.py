"""The gateway: MCP servers in any language, behind one address that keeps their sessions.

`Gateway` is an ASGI application; the command `mcp-session gateway` serves it. Needs the extra
`gateway`.

>>> from mcp_session.gateway import Gateway
>>> application = Gateway(["http://127.0.0.1:8001", "http://127.0.0.1:8002"])
"""

from collections.abc import Collection, Sequence

try:
    from starlette.middleware.cors import CORSMiddleware

    from mcp_session._asgi import Application, Receive, Scope, Send
    from mcp_session._gateway.report import Report
    from mcp_session._gateway.upstreams import Upstreams
    from mcp_session.asgi import SessionMiddleware
except ModuleNotFoundError as error:
    from mcp_session._extras import missing_extra

    _needed = ("anyio", "h11", "prometheus_client", "starlette", "uvicorn")
    raise missing_extra(error, "gateway", *_needed) from None

from mcp_session.sessions import MemorySessions, SessionTable

__all__ = ["Gateway"]

_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Gateway:
    """Carries requests to servers that serve the same, each session to the one that has it.

    `upstreams` are the URLs of the servers (`str`): what is at `http://server:8000/mcp` is at
    `/mcp` here. One with a last slash stands before each path: of `http://server:8000/base/`,
    `/base/mcp` is at `/mcp`. The options:

    - `sessions` (`SessionTable`, default one in memory): where it is written who has which
      session; gateways that share one are one.
    - `peer_url` (`str` or `None`): how gateways of other hosts reach this one.
    - `restore` (`bool`): whether a session that its server has lost is made anew there.
    - `allow_origins` (collection of `str`): the web pages that may call, by their origins, or
      `"*"`; without any, CORS is the servers' business.
    - `trusted_proxies` (collection of `str`): whose `Forwarded` and `X-Forwarded-...` are
      believed, by addresses and networks, or `"*"`; of anybody else they do not go on.
    - `drain_timeout` (`float`, seconds): how long is waited for what runs, at the end.

    `GET /healthz` and `GET /metrics` are answered here. Raises `TypeError` and `ValueError` for
    options that make no sense.

    >>> from mcp_session.gateway import Gateway
    >>> app = Gateway(["http://127.0.0.1:8000/mcp"], allow_origins=["https://app.example"])
    >>> Gateway(["127.0.0.1:8000"])
    Traceback (most recent call last):
    ValueError: an upstream must be a URL of http:// or https:// with a host
    """

    def __init__(  # noqa: PLR0913 - what there is to choose
        self,
        upstreams: Sequence[str],
        *,
        sessions: SessionTable | None = None,
        peer_url: str | None = None,
        restore: bool = True,
        allow_origins: Collection[str] = (),
        trusted_proxies: Collection[str] = ("127.0.0.1", "::1"),
        drain_timeout: float = 10.0,
    ) -> None:
        """Put it before servers, with the options of the class."""
        urls = [] if isinstance(upstreams, str) else list(upstreams)
        if not urls:
            message = "upstreams must be a collection of at least one URL"
            raise ValueError(message)
        self._report = Report()
        self._middleware = SessionMiddleware(
            Upstreams(urls, self._report.upstream, trusted_proxies),
            sessions=MemorySessions() if sessions is None else sessions,
            peer_url=peer_url,
            restore=restore,
            # A server may be stateless, or speak HTTP+SSE; what it requires it says itself.
            requires_session=False,
            on_verdict=self._report.verdict,
            on_restored=self._report.restored,
            drain_timeout=drain_timeout,
        )
        self._application: Application = self._middleware
        if allow_origins:
            self._application = CORSMiddleware(
                self._middleware,
                allow_origins=list(allow_origins),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
                expose_headers=["Mcp-Session-Id", "WWW-Authenticate"],
                max_age=3600,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI servers have it."""
        if scope["type"] == "lifespan":
            await self._middleware(scope, receive, send)
            return
        if scope["type"] != "http":
            # MCP has no WebSocket; to close it before it is accepted is the answer 403.
            await send({"type": "websocket.close", "code": 1000})
            return
        own = self._own(scope)
        if own is not None:
            await _answer(send, *own)
            return
        watched = self._report.begin(scope["method"], send)
        try:
            await self._application(scope, receive, watched.send)
        finally:
            watched.end()

    def _own(self, scope: Scope) -> tuple[tuple[bytes, bytes], bytes] | None:
        if scope["method"] not in {"GET", "HEAD"}:
            return None
        match scope["path"]:
            case "/healthz":
                return _JSON, b'{"status":"ok"}'
            case "/metrics":
                return _TEXT, self._report.text()
            case _:
                return None


async def _answer(send: Send, kind: tuple[bytes, bytes], body: bytes) -> None:
    headers = [kind, (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
