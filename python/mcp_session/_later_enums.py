"""The enums that are imported when the first of them is asked for, otherwise as those of `_enums`.

To make an enum takes longer than all else that importing the package does.
"""

from enum import Enum

__all__ = ["ForwardFailure", "Kind", "Lookup", "Reason", "ServerStep"]


class Kind(Enum):
    """What a body is, in JSON-RPC's terms.

    >>> from mcp_session import Kind, peek
    >>> peek(b'{"jsonrpc":"2.0","method":"notifications/initialized"}').kind
    <Kind.NOTIFICATION: 'notification'>

    Source: https://www.jsonrpc.org/specification
    """

    REQUEST = "request"
    """A `method`, and an `id` that is a string or a number."""
    NOTIFICATION = "notification"
    """A `method` and no `id`."""
    RESPONSE = "response"
    """No `method`, but a `result` or an `error`."""
    BATCH = "batch"
    """An array."""
    MALFORMED = "malformed"
    """Anything else."""


class Lookup(Enum):
    """What a table of sessions says of an ID.

    >>> from mcp_session import Lookup, admit
    >>> admit("POST", session_id="1868a90c", known=Lookup.UNAVAILABLE).response.status
    503

    Source: the rows behind `admit`.
    """

    KNOWN = "known"
    """The session is alive."""
    UNKNOWN = "unknown"
    """It is terminated, or was never known."""
    UNAVAILABLE = "unavailable"
    """Nobody could be asked."""


class ServerStep(str, Enum):
    """What a server or proxy does with the part of an exchange at hand.

    >>> from mcp_session.server import ServerPolicy, ServerStep
    >>> exchange = ServerPolicy().exchange("GET", [(b"mcp-session-id", b"1868a90c")])
    >>> exchange.response_head(200, []) is ServerStep.LET_GO
    True

    Source: the laws of the server machine.
    """

    READ = "Read"
    """Read a piece of the request, tell of it, and ask again; or say that the wait is over."""
    RUN = "Run"
    """Run the handler with the request as it is."""
    RUN_WITHOUT_SESSION_ID = "RunWithoutSessionId"
    """Run the handler with the request, but for its session header."""
    HOLD = "Hold"
    """Keep the message back."""
    WATCH = "Watch"
    """Send the message, and tell of the next."""
    LET_GO = "LetGo"
    """Send all that was kept back, the message at hand, and whatever follows as it is."""
    LET_GO_WITHOUT_SESSION_ID = "LetGoWithoutSessionId"
    """The same, with no session header in it. Of the trailers the machine is told."""
    REPLACE = "Replace"
    """Send `answer` in the place of all that was kept back, the message at hand included."""
    PASS = "Pass"
    """Send the message."""
    PASS_WITHOUT_SESSION_ID = "PassWithoutSessionId"
    """Send the message without its session header."""
    DISCARD = "Discard"
    """Throw the message away."""


class ForwardFailure(Enum):
    """How a request did not come to the owner of its session.

    >>> from mcp_session.replica import ForwardFailure
    >>> ForwardFailure("in_doubt")
    <ForwardFailure.IN_DOUBT: 'in_doubt'>

    Source: law 1 of the crate's module `sessions`.
    """

    REFUSED = "refused"
    """Its private socket on this host refuses, or is gone: no process listens, so it is dead."""
    UNREACHABLE = "unreachable"
    """No connection came about, by a refusal from afar or in time; nothing was sent."""
    IN_DOUBT = "in_doubt"
    """It broke off when something may have been sent, before the head of an answer came."""


class Reason(Enum):
    """Why a `Session` gave a request up, or a recovery failed.

    >>> from mcp_session import Reason
    >>> Reason("bound_reached")
    <Reason.BOUND_REACHED: 'bound_reached'>

    Source: guarantee 4, "given up with a reason".
    """

    CLOSED = "closed"
    """The session was closed by DELETE."""
    NO_INITIALIZE = "no_initialize"
    """The session was resumed from a stored ID, so there is no `initialize` to replay."""
    INITIALIZE_REFUSED = "initialize_refused"
    """A new session was asked for and no whole `InitializeResult` came back."""
    ILL_FORMED_SESSION_ID = "ill_formed_session_id"
    """The new session's ID is ill-formed."""
    MODERN_ONLY_SERVER = "modern_only_server"
    """The server no longer speaks a version that has sessions."""
    INITIALIZED_REFUSED = "initialized_refused"
    """The new session's `notifications/initialized` was not accepted."""
    TRANSPORT = "transport"
    """The leader got no answer."""
    BOUND_REACHED = "bound_reached"
    """Too many sessions died before one success."""
    NOT_RESENT = "not_resent"
    """The session ended, and the policy does not let this request be sent again."""
    CANCELLED = "cancelled"
    """The caller cancelled the request while it waited."""
    STREAM_LOST = "stream_lost"
    """The stream to be resumed was of a session that has ended."""
