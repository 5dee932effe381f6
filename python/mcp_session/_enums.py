"""The enums of the package: Python's own, so that type checkers can exhaust them."""

from enum import Enum

__all__ = ["Action", "Kind", "Reason", "ResendPolicy", "Side"]


class Action(Enum):
    """What to do; an imperative to whoever looks.

    >>> from mcp_session import Action, classify
    >>> match classify("DELETE", 405, session_id="1868a90c").action:
    ...     case Action.CLEAR:
    ...         print("forget the ID")
    forget the ID

    Source: the rows behind `classify` and `admit`.
    """

    PASS_THROUGH = "PassThrough"
    """Hand the response (in `admit`: the request) on as it is."""
    ADOPT_SESSION = "AdoptSession"
    """Attach `Verdict.session_id` to every request from now on."""
    CLEAR_AND_REINIT = "ClearAndReinit"
    """Forget the ID that was attached and `initialize` anew, without an ID."""
    CLEAR = "Clear"
    """Forget the ID that was attached."""
    NOT_FOUND_RESPONSE = "NotFoundResponse"
    """Answer 404 with `Verdict.response`."""
    BAD_REQUEST_RESPONSE = "BadRequestResponse"
    """Answer 400 with `Verdict.response`."""
    UNAVAILABLE_RESPONSE = "UnavailableResponse"
    """Answer 503 with `Verdict.response`."""


class Side(Enum):
    """Whose eyes an exchange is looked at with.

    >>> from mcp_session import Side, classify
    >>> classify("POST", 404, session_id="1868a90c", side=Side.SERVER).response.status
    404

    Source: the tables behind `classify`, one for each side.
    """

    CLIENT = "client"
    """A client, looking at what came back."""
    SERVER = "server"
    """A server or proxy, looking at what its handler or upstream answered."""


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


class ResendPolicy(Enum):
    """Which requests a `Session` sends again after their session ended.

    Whatever the policy, a request with `params.cursor` is not: cursors belong to the session
    that gave them out. A batch is sent again whole, if every member qualifies, or not at all.

    >>> from mcp_session import ResendPolicy, Session
    >>> Session(resend=ResendPolicy.READ_ONLY)
    Session { state: "fresh", generation: 0, .. }

    Source: guarantee 8.
    """

    ALL = "all"
    """All of them: a 404 means that the request was not processed."""
    READ_ONLY = "read_only"
    """Those of a method that only reads."""
    NEVER = "never"
    """None."""


class Reason(Enum):
    """Why a `Session` gave a request up, or a recovery failed.

    >>> from mcp_session import Reason
    >>> Reason("BoundReached")
    <Reason.BOUND_REACHED: 'BoundReached'>

    Source: guarantee 4, "given up with a reason".
    """

    CLOSED = "Closed"
    """The session was closed by DELETE."""
    NO_INITIALIZE = "NoInitialize"
    """The session was resumed from a stored ID, so there is no `initialize` to replay."""
    INITIALIZE_REFUSED = "InitializeRefused"
    """A new session was asked for and no whole `InitializeResult` came back."""
    ILL_FORMED_SESSION_ID = "IllFormedSessionId"
    """The new session's ID is ill-formed."""
    MODERN_ONLY_SERVER = "ModernOnlyServer"
    """The server no longer speaks a version that has sessions."""
    INITIALIZED_REFUSED = "InitializedRefused"
    """The new session's `notifications/initialized` was not accepted."""
    TRANSPORT = "Transport"
    """The leader got no answer."""
    BOUND_REACHED = "BoundReached"
    """Too many sessions died before one success."""
    NOT_RESENT = "NotResent"
    """The session ended, and the policy does not let this request be sent again."""
    CANCELLED = "Cancelled"
    """The caller cancelled the request while it waited."""
    STREAM_LOST = "StreamLost"
    """The stream to be resumed was of a session that has ended."""
