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
    Answer,
    Deliver,
    Drop,
    Event,
    EventReader,
    EventTooLong,
    Exchange,
    Failed,
    GiveUp,
    Hold,
    Introduced,
    Lead,
    Message,
    Resend,
    Send,
    Session,
    Stream,
    Verdict,
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
from mcp_session._enums import Action, Kind, Reason, ResendPolicy, Rule, Side

__all__ = [
    "Action",
    "AlreadyUsedError",
    "Answer",
    "Deliver",
    "Drop",
    "Event",
    "EventReader",
    "EventTooLong",
    "Exchange",
    "Failed",
    "GiveUp",
    "Hold",
    "Introduced",
    "Kind",
    "Lead",
    "Message",
    "Reason",
    "Resend",
    "ResendPolicy",
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
    "needs_body",
    "needs_request_body",
    "not_found_response",
    "peek",
]
