"""The enums that come with the package: Python's own, so that type checkers can exhaust them.

Values are lower case with underscores. Those of `Action`, as of `Rule`, are the names that the
tables and the command line spell. An enum that a signature has a default of is a `str`: of a
function of the core, `inspect` and `help` show no other default.
"""

from enum import Enum

__all__ = ["Action", "ResendPolicy", "Side"]


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


class Side(str, Enum):
    """Which side evaluates an exchange.

    >>> from mcp_session import Side, classify
    >>> classify("POST", 404, session_id="1868a90c", side=Side.SERVER).response.status
    404

    Source: the tables behind `classify`, one for each side.
    """

    CLIENT = "client"
    """A client, looking at what came back."""
    SERVER = "server"
    """A server or proxy, looking at what its handler or upstream answered."""


class ResendPolicy(str, Enum):
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
