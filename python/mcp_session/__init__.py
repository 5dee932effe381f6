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

# Where a name comes from that is imported when it is first asked for. The others of `__all__`
# that are not there yet are classes of the core, each made when it is first asked for.
_LATER = {
    "Kind": "mcp_session._later_enums",
    "Lookup": "mcp_session._later_enums",
    "Reason": "mcp_session._later_enums",
    "Rule": "mcp_session._rules",
    "follow": "mcp_session._follow",
    "install": "mcp_session._follow",
    "uninstall": "mcp_session._follow",
}

# Hidden from type checkers: to them, any name would be one of the package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is not imported yet."""
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module  # noqa: PLC0415 - half of what importing would cost

        module = import_module(_LATER.get(name, "mcp_session._core"))
        globals()[name] = value = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """Name those too, imported or not."""
        return sorted({*globals(), *__all__})


del TYPE_CHECKING
