"""Get the expiry of MCP sessions right.

A session of an MCP server over Streamable HTTP ends when the server restarts, a pod moves or
an idle timeout fires. Then the server has to answer 404, and the client has to `initialize`
anew. `classify` decides what an HTTP exchange means for the session; `admit` and
`not_found_response` are a server's half.

>>> from mcp_session import Action, classify
>>> classify("POST", 404, session_id="1868a90c").action is Action.CLEAR_AND_REINIT
True
"""

from mcp_session._core import (
    AlreadyUsedError,
    __version__,
    admit,
    attached_session_id,
    classify,
    classify_exchange,
    needs_body,
    needs_request_body,
    not_found_response,
    peek,
)
from mcp_session._enums import Action, ResendPolicy, Side

# As `typing` has it, without what importing that costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcp_session._core import (
        Answer,
        Cooldown,
        Deliver,
        Drop,
        Event,
        EventReader,
        EventTooLong,
        Exchange,
        Failure,
        GiveUp,
        Hold,
        Initialized,
        Lead,
        Message,
        Replaced,
        Resend,
        Restore,
        Send,
        Session,
        Stream,
        Verdict,
    )
    from mcp_session._follow import follow, install, uninstall
    from mcp_session._later_enums import Kind, Lookup, Reason
    from mcp_session._rules import Rule

__all__ = [
    "Action",
    "AlreadyUsedError",
    "Answer",
    "Cooldown",
    "Deliver",
    "Drop",
    "Event",
    "EventReader",
    "EventTooLong",
    "Exchange",
    "Failure",
    "GiveUp",
    "Hold",
    "Initialized",
    "Kind",
    "Lead",
    "Lookup",
    "Message",
    "Reason",
    "Replaced",
    "Resend",
    "ResendPolicy",
    "Restore",
    "Rule",
    "Send",
    "Session",
    "Side",
    "Stream",
    "Verdict",
    "__version__",
    "admit",
    "attached_session_id",
    "classify",
    "classify_exchange",
    "follow",
    "install",
    "needs_body",
    "needs_request_body",
    "not_found_response",
    "peek",
    "uninstall",
]

# Where a name comes from that is imported, or a class made, when it is first asked for.
_LATER = {
    "Answer": "mcp_session._core",
    "Cooldown": "mcp_session._core",
    "Deliver": "mcp_session._core",
    "Drop": "mcp_session._core",
    "Event": "mcp_session._core",
    "EventReader": "mcp_session._core",
    "EventTooLong": "mcp_session._core",
    "Exchange": "mcp_session._core",
    "Failure": "mcp_session._core",
    "GiveUp": "mcp_session._core",
    "Hold": "mcp_session._core",
    "Initialized": "mcp_session._core",
    "Kind": "mcp_session._later_enums",
    "Lead": "mcp_session._core",
    "Lookup": "mcp_session._later_enums",
    "Message": "mcp_session._core",
    "Reason": "mcp_session._later_enums",
    "Replaced": "mcp_session._core",
    "Resend": "mcp_session._core",
    "Restore": "mcp_session._core",
    "Rule": "mcp_session._rules",
    "Send": "mcp_session._core",
    "Session": "mcp_session._core",
    "Stream": "mcp_session._core",
    "Verdict": "mcp_session._core",
    "follow": "mcp_session._follow",
    "install": "mcp_session._follow",
    "uninstall": "mcp_session._follow",
}

# Hidden from type checkers: to them, any name would be one of the package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is not imported yet."""
        if name not in _LATER:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module  # noqa: PLC0415 - half of what importing would cost

        globals()[name] = value = getattr(import_module(_LATER[name]), name)
        return value

    def __dir__() -> list[str]:
        """Name those too, imported or not."""
        return sorted({*globals(), *_LATER})


del TYPE_CHECKING
