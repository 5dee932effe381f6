"""What an application can hear about its sessions."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp_session._enums import Reason
from mcp_session._rules import Rule

__all__ = [
    "RecoveryFailed",
    "RequestGivenUp",
    "SessionEvent",
    "SessionReinitialized",
    "SessionTerminated",
]


@dataclass(frozen=True)
class SessionTerminated:
    """The server ended a session: what it kept for the client is gone.

    `fingerprint` (`str`) stands for the session's ID in this process, `rule` (`Rule`) says by
    which sentence of the specification it has ended.

    >>> from mcp_session import Rule
    >>> from mcp_session.httpx2 import SessionTerminated
    >>> SessionTerminated("0d7f2b61c3aa", Rule.TERMINATED_POST).rule.quote[:29]
    'When a client receives HTTP 4'

    Source: guarantee 1 of `Session`.
    """

    fingerprint: str
    rule: Rule


@dataclass(frozen=True)
class SessionReinitialized:
    """A new session stands in place of the one that was terminated.

    `fingerprint` (`str`) stands for the new ID (or is empty, if the server keeps no session
    now). `result` is the new `InitializeResult`, as JSON objects are read: the server's
    version, capabilities and instructions may be others than before.

    >>> from mcp_session.httpx2 import SessionReinitialized
    >>> SessionReinitialized("51c09e7d2f40", {"protocolVersion": "2025-11-25"}).result
    {'protocolVersion': '2025-11-25'}

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """

    fingerprint: str
    result: dict[str, Any]


@dataclass(frozen=True)
class RecoveryFailed:
    """No new session could be had. The next request tries again.

    `fingerprint` (`str`) stands for the ID the application's SDK knows, `reason` (`Reason`)
    says why, `detail` (`str`) what came back.

    >>> from mcp_session import Reason
    >>> from mcp_session.httpx2 import RecoveryFailed
    >>> RecoveryFailed("0d7f2b61c3aa", Reason.TRANSPORT, "ConnectError").reason
    <Reason.TRANSPORT: 'Transport'>

    Source: guarantee 3 of `Session`.
    """

    fingerprint: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class RequestGivenUp:
    """A request ended without the server's answer; its caller was told so.

    `fingerprint` (`str`) stands for the ID the application's SDK knows, `reason` (`Reason`)
    says why, `detail` (`str`) is the message its caller got.

    >>> from mcp_session import Reason
    >>> from mcp_session.httpx2 import RequestGivenUp
    >>> RequestGivenUp("0d7f2b61c3aa", Reason.NOT_RESENT, "not sent again").reason
    <Reason.NOT_RESENT: 'NotResent'>

    Source: guarantee 4 of `Session`.
    """

    fingerprint: str
    reason: Reason
    detail: str


SessionEvent: TypeAlias = SessionTerminated | SessionReinitialized | RecoveryFailed | RequestGivenUp
"""What a hook is called with."""
