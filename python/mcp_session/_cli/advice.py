"""What to do about a finding: for the client or server that it names, in a line."""

from mcp_session._core import Finding, RecordedExchange

__all__ = ["advice"]

_SDK = "streamable_http_client(url, http_client=create_mcp_http_client())"

# By what the header `User-Agent` has in it.
_CLIENTS = (
    ("python-httpx2/", f"from mcp_session.httpx2 import create_mcp_http_client; {_SDK}"),
    ("python-httpx/", f"from mcp_session.httpx import create_mcp_http_client; {_SDK}"),
    (
        "node",
        (
            "TypeScript SDK: at StreamableHTTPError with code 404, close the client and connect a "
            "new Client, once for all calls that failed"
        ),
    ),
    (
        "curl/",
        (
            "send `initialize` without the header, and put the `Mcp-Session-Id` of its answer "
            "into the next command"
        ),
    ),
)
_ANY_CLIENT = (
    "at 404, forget the ID, send `initialize` without it, then the request again, once: the "
    "machine of docs/session.md does that in any SDK (docs/adopt.md)"
)

_MIDDLEWARE = "from mcp_session.asgi import SessionMiddleware; app = SessionMiddleware(app)"

# By what the header `Server` or `X-Powered-By` has in it: those that run ASGI applications.
_SERVERS = (
    ("uvicorn", _MIDDLEWARE),
    ("hypercorn", _MIDDLEWARE),
    ("daphne", _MIDDLEWARE),
    ("granian", _MIDDLEWARE),
)
_ANY_SERVER = (
    "answer 404 with the body of `not_found_response`, or put the proxy of docs/servers.md in "
    "front: it corrects such answers"
)

# What is no matter of this project's one line.
_BY_CLAIM = {
    "UnrecognizedRefusal": (
        "if the session is terminated: 404, and nothing else. For an ASGI application: "
        "SessionMiddleware corrects the texts that it knows"
    ),
    "ReplacementRefused": (
        "let the server make a transport for each session: with one for all, nobody gets in "
        "again. The TypeScript SDK: a StreamableHTTPServerTransport for each `initialize`"
    ),
    "IllFormedSessionId": "give out a UUID, or a JWT: visible ASCII without a space",
    "StreamNotOfferedAsNotFound": "answer GET with 405 and `Allow: POST, DELETE`",
    "ModernOnlyServer": "update the client: `server/discover`, and no sessions (2026-07-28)",
    "LostHeader": "attach the ID to every request of the session, GET and DELETE included",
    "OpeningNotFound": "look at the URL (/mcp, /mcp/, /sse). HTTP+SSE: the SDK's sse_client",
    "RequestHeaderDropped": "let the request header `Mcp-Session-Id` through the proxy",
    "ResponseHeaderDropped": (
        "let the response header `Mcp-Session-Id` through the proxy; for browsers, name it in "
        "`Access-Control-Expose-Headers`"
    ),
    "NotFoundForLiveSession": (
        "answer 502 or 503 where no server is ready, and route by `Mcp-Session-Id`: "
        "docs/operators.md"
    ),
    "Unreachable": "keep the ID and try again: docs/operators.md",
}


def advice(finding: Finding, shown_by: RecordedExchange) -> str:
    """Say what to do, with the line for the client or server of the exchange that shows it."""
    special = _BY_CLAIM.get(finding.claim)
    if special is not None:
        return special
    if finding.party == "client":
        agent = (shown_by.request_header("user-agent") or "").lower()
        return next((line for name, line in _CLIENTS if name in agent), _ANY_CLIENT)
    names = " ".join(shown_by.response_header(name) or "" for name in ("server", "x-powered-by"))
    return next((line for name, line in _SERVERS if name in names.lower()), _ANY_SERVER)
