"""The sentences that no row of the core rests on, because they decide nothing about a session."""

from mcp_session._check.results import Sentence

__all__ = [
    "ACCEPTED",
    "ANSWER_ID",
    "ASSUMED_VERSION",
    "DELETE_SESSION",
    "EVENT_IDS",
    "INITIALIZED",
    "MODERN_GET",
    "PING",
    "STREAM_ENDS",
    "STREAM_OR_405",
    "UNIQUE_ID",
    "UNKNOWN_METHOD",
    "UNSUPPORTED_VERSION",
    "VERSION_HEADER",
]

_LEGACY = "https://modelcontextprotocol.io/specification/2025-11-25/basic"
_TRANSPORTS = f"{_LEGACY}/transports"
_MODERN = (
    "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http"
)


def _legacy(text: str, place: str) -> Sentence:
    return Sentence(text, f"{_TRANSPORTS}#{place}", "2025-11-25")


ACCEPTED = _legacy(
    "If the server accepts the input, the server **MUST** return HTTP status code 202 Accepted "
    "with no body.",
    "sending-messages-to-the-server",
)
STREAM_ENDS = _legacy(
    "The server **MAY** terminate the SSE stream if the session expires.",
    "sending-messages-to-the-server",
)
STREAM_OR_405 = _legacy(
    "The server **MUST** either return `Content-Type: text/event-stream` in response to this HTTP "
    "GET, or else return HTTP 405 Method Not Allowed, indicating that the server does not offer "
    "an SSE stream at this endpoint.",
    "listening-for-messages-from-the-server",
)
EVENT_IDS = _legacy(
    "If present, the ID **MUST** be globally unique across all streams within that session",
    "resumability-and-redelivery",
)
UNIQUE_ID = _legacy(
    "The session ID **SHOULD** be globally unique and cryptographically secure",
    "session-management",
)
DELETE_SESSION = _legacy(
    "Clients that no longer need a particular session (e.g., because the user is leaving the "
    "client application) **SHOULD** send an HTTP DELETE to the MCP endpoint with the "
    "`MCP-Session-Id` header, to explicitly terminate the session.",
    "session-management",
)
VERSION_HEADER = _legacy(
    "If using HTTP, the client **MUST** include the `MCP-Protocol-Version: <protocol-version>` "
    "HTTP header on all subsequent requests to the MCP server",
    "protocol-version-header",
)
ASSUMED_VERSION = _legacy(
    "the server **SHOULD** assume protocol version `2025-03-26`",
    "protocol-version-header",
)
UNSUPPORTED_VERSION = _legacy(
    "If the server receives a request with an invalid or unsupported `MCP-Protocol-Version`, it "
    "**MUST** respond with `400 Bad Request`.",
    "protocol-version-header",
)
ANSWER_ID = Sentence(
    "Result responses **MUST** include the same ID as the request they correspond to.",
    f"{_LEGACY}#result-responses",
    "2025-11-25",
)
MODERN_GET = Sentence(
    "HTTP GET or DELETE to the MCP endpoint: respond with `405 Method Not Allowed`.",
    f"{_MODERN}#earlier-streamable-http-revisions",
    "2026-07-28",
)
INITIALIZED = Sentence(
    "After successful initialization, the client **MUST** send an `initialized` notification to "
    "indicate it is ready to begin normal operations",
    f"{_LEGACY}/lifecycle#initialization",
    "2025-11-25",
)
PING = Sentence(
    "The receiver **MUST** respond promptly with an empty response",
    f"{_LEGACY}/utilities/ping#behavior-requirements",
    "2025-11-25",
)
UNKNOWN_METHOD = Sentence(
    "If the server does not implement the requested RPC method, it **MUST** respond with `404 Not "
    "Found` and a JSON-RPC error with code `-32601`",
    f"{_MODERN}#protocol-version-header",
    "2026-07-28",
)
