"""The server machine: one exchange as a server, proxy or gateway sees it, without any I/O.

`ServerPolicy` is what is to be done about lost sessions; its `exchange` begins with the head of a
request. Told what comes, message by message, the `ServerExchange` says what to do with each.
`mcp_session.asgi` drives it for ASGI applications; the guide for servers shows a proxy that does.

>>> from mcp_session.server import ServerPolicy, ServerStep
>>> exchange = ServerPolicy().exchange("DELETE", [(b"mcp-session-id", b"1868a90c")])
>>> exchange.response_head(404, [(b"content-type", b"text/plain")]) is ServerStep.REPLACE
True
>>> exchange.answer.body
b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}'
"""

from mcp_session._core import (
    ServerExchange,
    ServerPolicy,
    no_upstream_response,
    upstream_lost_response,
    without_session_id,
)
from mcp_session._later_enums import ServerStep

__all__ = [
    "ServerExchange",
    "ServerPolicy",
    "ServerStep",
    "no_upstream_response",
    "upstream_lost_response",
    "without_session_id",
]
