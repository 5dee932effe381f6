from types import TracebackType
from typing import Final, TypeAlias, final, overload

from mcp_session._core._recovery import Cooldown, Failure, Initialized, Lead, Replaced, Restore
from mcp_session._enums import Action, ResendPolicy
from mcp_session._later_enums import Reason
from mcp_session._rules import Rule
from typing_extensions import Self, disjoint_base

__all__ = [
    "AlreadyUsedError",
    "Deliver",
    "Drop",
    "Exchange",
    "GiveUp",
    "Hold",
    "Resend",
    "Send",
    "Session",
    "Stream",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

class AlreadyUsedError(RuntimeError):
    """An exchange, a hold or a lead was used twice: each ends with its first use.

    >>> from mcp_session import AlreadyUsedError, Send, Session
    >>> session = Session()
    >>> step = session.before_request("GET")
    >>> assert isinstance(step, Send)
    >>> _ = session.after_response(step.exchange, 200)
    >>> session.after_response(step.exchange, 200)
    Traceback (most recent call last):
        ...
    mcp_session.AlreadyUsedError: this Exchange has been used

    Source: section "Illegal use" of the guide for SDK authors.
    """

@final
class Session:
    """The machine that follows one client's session across its replacements.

    Sans-IO: it is told what is about to be sent and what came back, and answers with what to
    do. `quirks` (`bool`): whether known misreports end a session too. `resend`
    (`ResendPolicy`): which requests are sent again after their session ended. `bound` (`int`,
    0 to 4294967295): how many sessions may die before one success until no new one is made for
    a while. Raises `TypeError` and `ValueError` for wrong options.

    Any number of threads and tasks may share one. Outcomes are values, never exceptions.

    >>> from mcp_session import Lead, Send, Session
    >>> session = Session()
    >>> first = session.before_request("POST", body=b'{"id":0,"method":"initialize"}')
    >>> assert isinstance(first, Send) and first.session_id is None
    >>> _ = session.after_response(first.exchange, 200, response_session_id="1868a90c")
    >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
    >>> assert isinstance(call, Send) and call.session_id == "1868a90c"
    >>> isinstance(session.after_response(call.exchange, 404), Lead)
    True

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """
    def __new__(
        cls, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Self: ...
    @staticmethod
    def resumed(
        session_id: str, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Session:
        """Follow a session whose ID was stored.

        `session_id` (`str`): the ID. The options are those of `Session`. There is no
        `initialize` to replay: when the session ends, requests are given up with
        `Reason.NO_INITIALIZE`. Raises `ValueError` if the ID is ill-formed, without showing
        it.
        """
    @property
    def is_live(self) -> bool:
        """Whether a session stands (`bool`): begun, not known to have ended, not closed. Its server
        may have given out no ID.
        """
    @property
    def is_closed(self) -> bool:
        """Whether DELETE was sent (`bool`)."""
    @property
    def generation(self) -> int:
        """The session that stands, or the last one that did, by its number (`int`)."""
    def before_request(
        self,
        method: str,
        *,
        last_event_id: str | None = None,
        body: _Bytes = b"",
    ) -> Send | Hold | Lead | Drop | GiveUp:
        """Say what to do with a request before it goes out: `Send`, `Hold`, `Lead`, `Drop` or
        `GiveUp`.

        `method` and `last_event_id` are those of the request (`str`), `body` is its whole body
        (`bytes`, `bytearray` or `memoryview`). Raises `TypeError` and `ValueError` for wrong
        arguments.
        """
    def after_recovery(self, hold: Hold) -> Send | Hold | Lead | Drop | GiveUp:
        """Say how a held request, or a leader's own, goes on: as `before_request` does.

        `hold` is the `Hold` that the request was answered, or that came with a `Lead`. Asked
        before the recovery is settled, the answer is another `Hold`. Raises
        `AlreadyUsedError` for one that was used, `ValueError` for one of another `Session`.
        """
    def after_response(
        self,
        exchange: Exchange,
        status: int,
        *,
        response_session_id: str | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        www_authenticate: str | None = None,
        response_body: _Bytes | None = None,
    ) -> Deliver | Resend | Hold | Lead | Drop | GiveUp:
        """Say what becomes of a request whose response head came in: `Deliver`, `Resend`,
        `Hold`, `Lead`, `Drop` or `GiveUp`.

        `exchange` comes with `Send` or `Resend`. `status` (`int`) and the headers (`str`) are
        those of the response; its body is needed where `needs_body` says so. An encoded body is
        not looked into, so leave `content_encoding` out if it was decoded. Raises
        `AlreadyUsedError` for an exchange that was used, `TypeError` and `ValueError` for
        wrong arguments, an exchange of another `Session` among them.
        """
    def initialize_answered(
        self,
        lead: Lead,
        status: int,
        *,
        response_session_id: str | None = None,
        message: _Bytes | None = None,
    ) -> Initialized | Failure:
        """Take the answer to a leader's `initialize`: `Initialized`, or `Failure`.

        `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
        answered, read whole, be it from a JSON body or from a stream. Raises
        `AlreadyUsedError` for a lead that was used, `ValueError` for one of another `Session`.
        """
    def initialized_answered(
        self, initialized: Initialized, status: int
    ) -> Restore | Replaced | Failure:
        """Take the status of the answer to a leader's `notifications/initialized`: `Restore` if
        the new session is to be told something, `Replaced` if it stands, or `Failure`.

        Those waiting are released by `Replaced` and by `Failure`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`.
        """
    def restore_answered(
        self, restore: Restore, status: int, *, message: _Bytes | None = None
    ) -> Restore | Replaced:
        """Take the answer to a `Restore`: another `Restore`, or `Replaced`. One that is refused
        fails nothing.

        `message` (`bytes`, `bytearray`, `memoryview` or `None`) is the JSON-RPC message that
        answered. Raises `AlreadyUsedError` for one that was used, `ValueError` for one of another
        `Session`.
        """
    @overload
    def lead_failed(self, lead: Lead | Initialized) -> Failure:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    @overload
    def lead_failed(self, lead: Restore) -> Replaced:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    @overload
    def lead_failed(self, lead: Lead | Initialized | Restore) -> Failure | Replaced:
        """Take the failure of a leader to get an answer: a transport error, a timeout. Returns
        `Failure`; of a `Restore`, whose session stands all the same, `Replaced`.

        `lead` is the `Lead`, the `Initialized` or the `Restore`. Raises `AlreadyUsedError` for
        one that was used, `ValueError` for one of another `Session`, `TypeError` for anything
        else.
        """
    def saw_message(self, stream: Stream, data: _Bytes) -> bytes | None:
        """Take a message that came in on a response or stream, so that replies to it go to the
        session that asked, and what the server keeps is told to the next one. Returns what the
        caller is to see in its place (`bytes`), or `None` to leave it.

        `stream` comes with `Deliver`; `data` is one JSON-RPC message (`bytes`, `bytearray` or
        `memoryview`), or a batch.
        """
    def saw_event_id(self, stream: Stream, event_id: str) -> None:
        """Take the ID of an event that came in on a stream, so that it is never sent to another
        session.

        `stream` comes with `Deliver`; `event_id` is a `str`.
        """
    def take_notices(self) -> list[bytes]:
        """Take the messages that the caller is to see as if its server had sent them
        (`list[bytes]`): a `notifications/cancelled` for each question of a session that has
        ended.
        """
    def cooldown_over(self, cooldown: Cooldown) -> None:
        """Take that the time of a `Cooldown` has passed: a new session may be made again."""

@final
class Send(Exchange):
    """Send the request, with what stands here in place of its own headers.

    `session_id` (`str` or `None`): the ID to attach; no other goes out. `protocol_version`
    (`str` or `None`): what to put into `MCP-Protocol-Version`, if another was negotiated.
    `last_event_id` (`str` or `None`): what to put into `Last-Event-ID`. `body` (`bytes` or
    `None`): what goes out in place of the request's own body. `exchange` (`Exchange`): to be
    given back with the response; the step itself, which is one.

    >>> from mcp_session import Send, Session
    >>> Session().before_request("GET")
    Send()

    Source: guarantee 7, "A session that lost its ID never sends without one".
    """

    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange:
        """To be given back with the response (`Exchange`): the step itself."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None`."""
    @property
    def protocol_version(self) -> str | None:
        """What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it."""
    @property
    def last_event_id(self) -> str | None:
        """What to put into `Last-Event-ID` (`str`), or `None` to leave it out."""
    @property
    def body(self) -> bytes | None:
        """What goes out in place of the request's own body (`bytes`), or `None` to leave
        it: a reply under the id by which the server asked.
        """
    @property
    def is_trial(self) -> bool:
        """Whether it tries out a session that was taken for dead (`bool`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Resend(Exchange):
    """Send the request once more, now. Its attributes are those of `Send`.

    >>> from mcp_session import Resend
    >>> Resend.__match_args__
    ('exchange', 'session_id')

    Source: guarantee 4, "A request is resent at most once".
    """

    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange:
        """To be given back with the response (`Exchange`): the step itself."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None`."""
    @property
    def protocol_version(self) -> str | None:
        """What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it."""
    @property
    def last_event_id(self) -> str | None:
        """What to put into `Last-Event-ID` (`str`), or `None` to leave it out."""
    @property
    def body(self) -> bytes | None:
        """What goes out in place of the request's own body (`bytes`), or `None` to leave
        it: a reply under the id by which the server asked.
        """
    @property
    def is_trial(self) -> bool:
        """Whether it tries out a session that was taken for dead (`bool`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@disjoint_base
class Exchange:
    """One request on its way; it is used once, by `Session.after_response`.

    A context manager: left without a response, it counts as abandoned.

    >>> from mcp_session import Session
    >>> with Session().before_request("GET").exchange as exchange:
    ...     pass

    Source: guarantee 4, "Every request ends exactly once".
    """
    @property
    def is_cancelled(self) -> bool:
        """Whether the caller has cancelled the request since (`bool`). Ask before a `Resend` goes
        out: it is to end instead.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Hold:
    """Wait until the recovery is settled, then ask `Session.after_recovery`.

    `recovery` (`int`): the number of the recovery it waits for. `is_settled` (`bool`): whether
    that has come to an end, or the request itself has. A context manager: left without being
    asked, its request counts as abandoned.

    >>> from mcp_session import Hold
    >>> Hold.__match_args__
    ('recovery',)

    Source: guarantee 2, "At most one re-initialization is under way".
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> int:
        """The number of the recovery it waits for (`int`)."""
    @property
    def is_settled(self) -> bool:
        """Whether the recovery has come to an end, or the request itself has (`bool`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Deliver:
    """Hand the response to the caller, unchanged.

    `stream` (`Stream`): where its messages and event IDs belong. `orphan_session_id`
    (`str` or `None`): an ID that was not adopted and is to be DELETEd.

    >>> from mcp_session import Session
    >>> session = Session()
    >>> session.after_response(session.before_request("GET").exchange, 200)
    Deliver()

    Source: guarantee 4.
    """

    __match_args__: Final = ("stream", "orphan_session_id")
    @property
    def stream(self) -> Stream:
        """Where its messages and event IDs belong (`Stream`)."""
    @property
    def orphan_session_id(self) -> str | None:
        """An ID that is to be DELETEd (`str`), or `None`."""
    @property
    def opened_session(self) -> bool:
        """Whether it opened the session that stands now (`bool`): the answer to an `initialize`
        of the caller's own.
        """
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Drop:
    """Send nothing, or make no use of the response: the caller is answered 202.

    >>> from mcp_session import Drop
    >>> Drop.__name__
    'Drop'

    Source: guarantee 8, "What belonged to the dead generation stays there".
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class GiveUp:
    """Send nothing, or make no use of the response: the caller is told why.

    `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `retry_after`
    (`Cooldown` or `None`): the time in which no new session is made, if there is one now. A GET
    is answered 404, a request with an error of its own.

    >>> from mcp_session import Session
    >>> session = Session.resumed("1868a90c")
    >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
    >>> session.after_response(call.exchange, 404)
    GiveUp(Reason.NO_INITIALIZE)

    Source: guarantee 4.
    """

    __match_args__: Final = ("reason",)
    @property
    def reason(self) -> Reason:
        """Why (`Reason`)."""
    @property
    def retry_after(self) -> Cooldown | None:
        """The time in which no new session is made (`Cooldown`), or `None`."""
    @property
    def text(self) -> str:
        """Why, as a clause to be read (`str`)."""
    @property
    def rule(self) -> Rule | None:
        """The row that says what the response means (`Rule`); `None` before a request."""
    @property
    def action(self) -> Action | None:
        """What that row says to do, taken alone (`Action`); `None` before a request."""
    @property
    def ended_session(self) -> bool:
        """Whether this response ended the session that stood (`bool`)."""
    @property
    def revived_session(self) -> bool:
        """Whether this response showed that the session that was taken for dead still lives
        (`bool`).
        """
    @property
    def generation(self) -> int:
        """The session it belongs to, by its number (`int`); a later one is greater."""

@final
class Stream:
    """Where the messages and event IDs of one response belong. Frozen; two of the same are equal.

    >>> from mcp_session import Stream
    >>> Stream.__name__
    'Stream'

    Source: guarantee 8.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
