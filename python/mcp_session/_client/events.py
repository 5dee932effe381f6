"""What an application can hear about its sessions."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp_session._later_enums import Reason
from mcp_session._rules import Rule

__all__ = [
    "RecoveryFailed",
    "RequestGivenUp",
    "SessionEvent",
    "SessionReinitialized",
    "SessionRevived",
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

    def __str__(self) -> str:
        return f"session {self.fingerprint} was terminated ({self.rule.value})"


@dataclass(frozen=True)
class SessionReinitialized:
    """A new session stands in place of the one that was terminated.

    `fingerprint` (`str`) stands for the new ID (or is empty, if the server keeps no session
    now). `result_json` (`bytes`) is the new `InitializeResult`, and `result` reads it: the
    server's version, capabilities and instructions may be others than before. `refused` (tuple
    of `str`): what the new session refused to be told again, by its JSON-RPC method. `replaced`
    (`str`) stands for the ID the application's SDK knows.

    >>> from mcp_session.httpx2 import SessionReinitialized
    >>> SessionReinitialized("51c09e7d2f40", b'{"protocolVersion":"2025-11-25"}').result
    {'protocolVersion': '2025-11-25'}

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """

    fingerprint: str
    result_json: bytes
    refused: tuple[str, ...] = ()
    replaced: str = "none"

    def __str__(self) -> str:
        return f"session {self.replaced} was re-initialized, as {self.fingerprint or 'none'}"

    @property
    def result(self) -> dict[str, Any]:
        """The `InitializeResult`, as JSON objects are read in Python.

        Raises `ValueError` for one that is beyond that reader: too deep, or with a number of
        too many digits.
        """
        import json  # noqa: PLC0415 - nobody else reads JSON in Python

        try:
            result: dict[str, Any] = json.loads(self.result_json)
        except RecursionError:
            message = "result_json is nested too deeply for Python's reader"
            raise ValueError(message) from None
        return result


@dataclass(frozen=True)
class SessionRevived:
    """A session that counted as terminated was found alive, and is used again.

    `fingerprint` (`str`) stands for the ID the application's SDK knows.

    >>> from mcp_session.httpx2 import SessionRevived
    >>> SessionRevived("0d7f2b61c3aa").fingerprint
    '0d7f2b61c3aa'

    Source: guarantee 12 of `Session`.
    """

    fingerprint: str

    def __str__(self) -> str:
        return f"session {self.fingerprint} was found alive"


@dataclass(frozen=True)
class RecoveryFailed:
    """No new session could be had. The next request tries again.

    `fingerprint` (`str`) stands for the ID the application's SDK knows, `reason` (`Reason`)
    says why, `detail` (`str`) what came back.

    >>> from mcp_session import Reason
    >>> from mcp_session.httpx2 import RecoveryFailed
    >>> RecoveryFailed("0d7f2b61c3aa", Reason.TRANSPORT, "ConnectError").reason
    <Reason.TRANSPORT: 'transport'>

    Source: guarantee 3 of `Session`.
    """

    fingerprint: str
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"session {self.fingerprint} could not be re-initialized: {self.detail}"


@dataclass(frozen=True)
class RequestGivenUp:
    """A request ended without the server's answer; its caller was told so.

    `fingerprint` (`str`) stands for the ID the application's SDK knows, `reason` (`Reason`)
    says why, `detail` (`str`) is the message its caller got.

    >>> from mcp_session import Reason
    >>> from mcp_session.httpx2 import RequestGivenUp
    >>> RequestGivenUp("0d7f2b61c3aa", Reason.NOT_RESENT, "not sent again").reason
    <Reason.NOT_RESENT: 'not_resent'>

    Source: guarantee 4 of `Session`.
    """

    fingerprint: str
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"session {self.fingerprint}: a request was given up: {self.detail}"


SessionEvent: TypeAlias = (
    SessionTerminated | SessionReinitialized | SessionRevived | RecoveryFailed | RequestGivenUp
)
"""What a hook is called with."""
