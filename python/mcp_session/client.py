"""The client machine: what an HTTP client that follows its sessions does with each request.

For those who write an adapter for another HTTP library: `Client.begin` takes a request that is
about to be sent and gives a `RequestRun`, whose steps say what to do next. Sans-IO: sockets,
timers, cookies, credentials and redirects stay with whoever drives it. `mcp_session.httpx` and
`mcp_session.httpx2` are such drivers.

>>> from mcp_session.client import Client, Transmit
>>> body = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
>>> headers = [(b"host", b"mcp.example"), (b"content-type", b"application/json")]
>>> isinstance(Client().begin("POST", "https", b"/mcp", headers, body).step, Transmit)
True
"""

from typing import TypeAlias

from mcp_session._core import (
    CircuitOpen,
    Client,
    Handover,
    HeldBack,
    LocalAnswer,
    Raise,
    Read,
    ReadAnswer,
    Recover,
    RecoveryEnd,
    RecoveryMessage,
    RecoveryRun,
    RequestRun,
    Transmit,
    Wait,
    Watch,
    repeated_headers,
)

__all__ = [
    "CircuitOpen",
    "Client",
    "Handover",
    "HeldBack",
    "LocalAnswer",
    "Raise",
    "Read",
    "ReadAnswer",
    "Recover",
    "RecoveryEnd",
    "RecoveryMessage",
    "RecoveryRun",
    "RequestRun",
    "Step",
    "Transmit",
    "Wait",
    "Watch",
    "repeated_headers",
]

Step: TypeAlias = (
    Transmit
    | Read
    | ReadAnswer
    | HeldBack
    | Recover
    | Wait
    | CircuitOpen
    | Handover
    | LocalAnswer
    | Raise
)
"""What a driver does next for a request."""
