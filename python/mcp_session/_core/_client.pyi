from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, final

from mcp_session._client.events import SessionEvent
from mcp_session._enums import ResendPolicy
from typing_extensions import Self

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
    "Transmit",
    "Wait",
    "Watch",
    "repeated_headers",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class Client:
    """The sessions of one HTTP client.

    Sans-IO: a driver tells it of each request that it is about to send, and does what it
    answers. The options are those of the clients, checked there. `remembered` (`int`): how many
    sessions are remembered.

    >>> from mcp_session.client import Client, Transmit
    >>> body = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
    >>> headers = [(b"host", b"mcp.example"), (b"content-type", b"application/json")]
    >>> run = Client().begin("POST", "https", b"/mcp", headers, body)
    >>> run.step
    Transmit(changes=[], body=None, is_first=True, is_trial=False)

    Source: the laws at the head of the crate's module `client`.
    """
    def __new__(
        cls,
        *,
        quirks: bool = True,
        resend: ResendPolicy = ...,
        bound: int = 2,
        outage_shield: bool = True,
        status_shield: bool = False,
        stream_guard: bool = True,
        misreports: Iterable[tuple[int, str]] = (),
        remembered: int = 4096,
    ) -> Self: ...
    def begin(
        self,
        method: str,
        scheme: str,
        path: str | bytes,
        headers: Iterable[tuple[bytes, ...]],
        body: bytes | None,
        defaults: Mapping[str, str] | None = None,
        own_auth: bytes | None = None,
        authority: str | bytes | None = None,
    ) -> RequestRun | Literal[True] | None:
        """Take a request that is about to be sent.

        `method` and `scheme` are `str`, `path` is `str` or `bytes`, `headers` an iterable of tuples
        of `bytes`, with the name first and the value last, `body` `bytes`, or `None` where it is
        streamed. `defaults` are the headers of the HTTP client, with a method `get`: credentials
        that stand there too are the client's, not the request's own. `own_auth` (`bytes` or
        `None`) stands for credentials of its own that it will get on its way; only whether they
        are the same counts. `authority` (`str`, `bytes` or `None`): the host and port that it is
        sent to, whatever its `Host` says.

        Returns a `RequestRun`; `None` for a request to be sent as if we were not there; `True`
        for one whose body is to be read first. Raises `TypeError` and `ValueError` for wrong
        arguments.
        """
    def knows(self, session: int) -> bool:
        """Say whether the session of this number (`int`) is still kept (`bool`)."""

@final
class RequestRun:
    """One request on its way through its session.

    `step` is what to do next; each method tells what came of that and returns the step after
    it. A context manager: left before its end, it counts as abandoned, and whoever waits for it
    goes on. Raises `AlreadyUsedError` where it does not wait for what it is told.

    >>> from mcp_session.client import RequestRun
    >>> RequestRun.__name__
    'RequestRun'

    Source: law 3 of the crate's module `client`.
    """
    @property
    def step(self) -> _Step:
        """What to do next: the last step that was returned."""
    @property
    def session(self) -> int | None:
        """The number of its session (`int`), or `None` if it is of none."""
    @property
    def is_ordinary(self) -> bool:
        """Whether it neither opens a session nor closes one (`bool`)."""
    @property
    def is_initialize(self) -> bool:
        """Whether it is an `initialize`, which opens a session (`bool`)."""
    @property
    def closes(self) -> bool:
        """Whether it closes its session (`bool`): those who wait are to be woken."""
    @property
    def is_settled(self) -> bool:
        """Whether what a `HeldBack` or a `Wait` waits for is over, or the request itself is (`bool`)."""
    @property
    def is_called_off(self) -> bool:
        """Whether it is not sent any more (`bool`): its caller has cancelled it, or has ended its
        session.
        """
    @property
    def is_encoded(self) -> bool:
        """Whether its response says that its body is encoded (`bool`)."""
    @property
    def waits_as(self) -> bytes | None:
        """By what it is known while it is held (`bytes`), or `None`."""
    @property
    def wakes(self) -> bytes | None:
        """Who is to be woken because this request has ended it (`bytes`), or `None`."""
    def response(
        self,
        status: int,
        headers: Iterable[tuple[bytes, ...]],
        *,
        is_of_elsewhere: bool = False,
    ) -> _Step:
        """Take the head of the response: its `status` (`int`) and `headers` (iterable of
        tuples of `bytes`, with the name first and the value last). Whatever is told of its body is
        told decoded. `is_of_elsewhere` (`bool`): it is of somebody to whom a redirect has led, at
        another origin or with another method.
        """
    def body_read(self, body: _Bytes | None) -> _Step:
        """Take the body that was to be read, decoded (`bytes`); `None` if that of a refusal is not
        known whole.
        """
    def failed(self, kind: str, *, is_unsent: bool = False) -> _Step:
        """Take that no response came, or that the answer to be read broke off or could not be
        decoded, by an error of this type (`str`). `is_unsent` (`bool`): the server has not seen the
        request.
        """
    def goes_out(self) -> _Step | None:
        """Take that the request goes out now, before each `Transmit` that is not the first; return
        what is to be done instead, or `None`: one that was called off meanwhile is not sent.
        """
    def hold_over(self, *, timed_out: bool = False) -> _Step:
        """Take the end of a `HeldBack`, or of a `Recover`. `timed_out` (`bool`): it was held for
        too long.
        """
    def wait_over(self) -> _Step:
        """Take the end of a `Wait`."""
    def circuit_cooled(self) -> _Step:
        """Take that the time of a `CircuitOpen` has passed since its number was seen first."""
    def circuit_stands(self) -> _Step:
        """Take that the time of a `CircuitOpen` has not passed."""
    @property
    def cooldown(self) -> tuple[int, float] | None:
        """The number and the seconds (`float`) of the time in which no new session is made, or
        `None`. It begins when it is there: ask after each recovery, and each response that is no
        success.
        """
    def abandon(self) -> None:
        """Take that nothing will come of the request."""
    def events(self) -> list[SessionEvent]:
        """Hand out what happened to the session: a list of `SessionEvent`, oldest first."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Transmit:
    """Send the request; then tell of the response or of the failure.

    `changes` (list of pairs): headers that differ from the request's own, by their names in
    lower case (`str`), with the value (`str`) or `None` where one does not go out. `body`
    (`bytes` or `None`): the body, where it is another than the request's own. `is_first`
    (`bool`): whether it goes out for the first time, before anything was waited for. `is_trial`
    (`bool`): whether others wait for its outcome, and are to be woken by it. `is_unchanged`
    (`bool`): whether it goes out as its caller made it, for the first time, and nobody waits.

    >>> from mcp_session.client import Transmit
    >>> Transmit.__match_args__
    ('changes', 'body', 'is_first', 'is_trial')

    Source: laws 1 and 2 of the crate's module `client`.
    """

    __match_args__: Final = ("changes", "body", "is_first", "is_trial")
    @property
    def changes(self) -> list[tuple[str, str | None]]: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def is_first(self) -> bool: ...
    @property
    def is_trial(self) -> bool: ...
    @property
    def is_unchanged(self) -> bool: ...

@final
class Read:
    """Read the refusal in hand, then tell of it by `body_read`.

    `limit` (`int`, bytes, decoded) and `seconds` (`float`): how much of it, and for how long.

    >>> from mcp_session.client import Read
    >>> Read.__match_args__
    ('limit', 'seconds')

    Source: law 8 of the crate's module `client`.
    """

    __match_args__: Final = ("limit", "seconds")
    @property
    def limit(self) -> int: ...
    @property
    def seconds(self) -> float: ...

@final
class ReadAnswer:
    """Read the answer in hand whole, decoded, then tell of it by `body_read`, or by `failed`.

    >>> from mcp_session.client import ReadAnswer
    >>> ReadAnswer.__name__
    'ReadAnswer'

    Source: law 4 of the crate's module `client`.
    """

@final
class HeldBack:
    """Wait until the recovery is over, then ask `hold_over`.

    `recovery` (`int`): its number.

    >>> from mcp_session.client import HeldBack
    >>> HeldBack.__match_args__
    ('recovery',)

    Source: guarantee 2 of `Session`.
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> int: ...

@final
class Recover:
    """Make a new session, then ask `hold_over`.

    `recovery` (`RecoveryRun`): what is to be sent, and to be told of.

    >>> from mcp_session.client import Recover
    >>> Recover.__match_args__
    ('recovery',)

    Source: guarantee 3 of `Session`.
    """

    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> RecoveryRun: ...

@final
class Wait:
    """Wait so many `seconds` (`float`), or until a new session stands; then ask `wait_over`.

    >>> from mcp_session.client import Wait
    >>> Wait.__match_args__
    ('seconds',)

    Source: law 3 of the crate's module `client`.
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float: ...

@final
class CircuitOpen:
    """Ask `circuit_cooled` if `seconds` (`float`) have passed since this `number` (`int`) was seen
    first; else `circuit_stands`.

    >>> from mcp_session.client import CircuitOpen
    >>> CircuitOpen.__match_args__
    ('number', 'seconds')

    Source: guarantee 5 of `Session`.
    """

    __match_args__: Final = ("number", "seconds")
    @property
    def number(self) -> int: ...
    @property
    def seconds(self) -> float: ...

@final
class Handover:
    """Hand on the response.

    `alias` (`str` or `None`): the ID that the caller sees in place of the server's. `body`
    (`bytes` or `None`): the body, where it is another than the server's. `watch` (`Watch` or
    `None`): what its stream goes through. `orphan` (`str` or `None`): an ID to DELETE. `is_plain`
    (`bool`): whether there is nothing to do but that, and to let its stream go through `watch`.

    >>> from mcp_session.client import Handover
    >>> Handover.__match_args__
    ('alias', 'body', 'watch', 'orphan')

    Source: law 3 of the crate's module `client`.
    """

    __match_args__: Final = ("alias", "body", "watch", "orphan")
    @property
    def alias(self) -> str | None: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def watch(self) -> Watch | None: ...
    @property
    def orphan(self) -> str | None: ...
    @property
    def is_plain(self) -> bool: ...

@final
class LocalAnswer:
    """Answer the caller with a response that is made here.

    `status` (`int`), `content_type` (`str` or `None`), `body` (`bytes`).

    >>> from mcp_session.client import LocalAnswer
    >>> LocalAnswer.__match_args__
    ('status', 'content_type', 'body')

    Source: laws 4 and 7 of the crate's module `client`.
    """

    __match_args__: Final = ("status", "content_type", "body")
    @property
    def status(self) -> int:
        """The HTTP status (`int`)."""
    @property
    def content_type(self) -> str | None:
        """The value of `Content-Type` (`str`), or `None` where there is no body."""
    @property
    def body(self) -> bytes:
        """The body (`bytes`)."""

@final
class Raise:
    """Let the caller have the failure as it came.

    >>> from mcp_session.client import Raise
    >>> Raise.__name__
    'Raise'

    Source: law 5 of the crate's module `client`.
    """

_Step: TypeAlias = (
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

def repeated_headers(
    headers: Iterable[tuple[bytes, bytes]], others: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """List what of the headers of the request that opened a session goes out with the messages that
    make a new one, as pairs of `bytes`.

    `headers` are that request's, `others` those that are added anew to each message: both iterables
    of pairs of `bytes`. What is of one request, one session or one connection is left out, and so
    is what is in `others` as it stands. Nothing comes encoded.

    >>> from mcp_session.client import repeated_headers
    >>> headers = [(b"X-Team", b"search"), (b"mcp-session-id", b"1868a90c"), (b"host", b"a")]
    >>> repeated_headers(headers, [(b"Host", b"a")])
    [(b'X-Team', b'search'), (b'accept-encoding', b'identity')]

    Source: guarantee 3 of `Session`.
    """

@final
class RecoveryRun:
    """A recovery under way: the messages that make a new session, one after the other.

    `number` (`int`): by which those who wait for it are woken. A context manager: left before
    its end, it hands over to one of those who wait.

    >>> from mcp_session.client import RecoveryRun
    >>> RecoveryRun.__name__
    'RecoveryRun'

    Source: guarantee 3 of `Session`.
    """
    @property
    def number(self) -> int:
        """The number by which those who wait for it are woken (`int`)."""
    def message(self) -> RecoveryMessage | RecoveryEnd:
        """The message to send first (`RecoveryMessage`); or its end (`RecoveryEnd`), if its caller
        has sent DELETE for the session before it went out.
        """
    def response(
        self, status: int, headers: Iterable[tuple[bytes, ...]]
    ) -> RecoveryMessage | ReadAnswer | RecoveryEnd:
        """Take the head of the response: its `status` (`int`) and `headers` (iterable of
        tuples of `bytes`, with the name first and the value last).
        """
    def piece(self, piece: bytes) -> bool:
        """Take a piece of the body, decoded (`bytes`); say whether more is wanted (`bool`)."""
    def body_ended(self) -> RecoveryMessage | RecoveryEnd:
        """Take that the body has come to its end, or is not read any further."""
    def failed(self, kind: str | None) -> RecoveryMessage | RecoveryEnd:
        """Take that no answer came, by an error of this type (`str`), or in time (`None`)."""
    def events(self) -> list[SessionEvent]:
        """Hand out what happened to the session: a list of `SessionEvent`, oldest first."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class RecoveryMessage:
    """A message of ours to send by POST; then tell of the response or of the failure.

    `body` (`bytes`), `session_id` and `protocol_version` (`str` or `None`): what it bears. What
    else goes out with it is what the opener of the session sent.

    >>> from mcp_session.client import RecoveryMessage
    >>> RecoveryMessage.__match_args__
    ('body', 'session_id', 'protocol_version')

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """

    __match_args__: Final = ("body", "session_id", "protocol_version")
    @property
    def body(self) -> bytes: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def protocol_version(self) -> str | None: ...

@final
class RecoveryEnd:
    """A recovery is over; those who wait for it are to be woken.

    `has_replaced` (`bool`): whether a new session stands; streams of those before it are to be
    ended. `orphan` (`str` or `None`): an ID to DELETE.

    >>> from mcp_session.client import RecoveryEnd
    >>> RecoveryEnd.__match_args__
    ('has_replaced', 'orphan')

    Source: guarantee 2 of `Session`.
    """

    __match_args__: Final = ("has_replaced", "orphan")
    @property
    def has_replaced(self) -> bool: ...
    @property
    def orphan(self) -> str | None: ...

@final
class Watch:
    """A stream of events on its way to its reader.

    >>> from mcp_session.client import Watch
    >>> Watch.__name__
    'Watch'

    Source: law 6 of the crate's module `client`.
    """
    @property
    def is_outlived(self) -> bool:
        """Whether the session of its stream has been replaced (`bool`): end it by `outlived`."""
    def piece(self, piece: bytes) -> bytes:
        """Take what came in, decoded (`bytes`); return what goes out (`bytes`, which may be
        empty).
        """
    def ended(self, kind: str | None, *, lived: float = 0.0) -> bytes:
        """Take the end of the stream: clean (`None`), or cut by an error of this type (`str`).
        `lived` (`float`): for how many seconds the stream of a GET was open. Returns the last
        that goes out (`bytes`).
        """
    def outlived(self) -> bytes:
        """Take that the stream is ended because another session stands. Returns the last that
        goes out (`bytes`).
        """
