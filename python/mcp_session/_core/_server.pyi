from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias, final

from mcp_session._core._table import Answer
from mcp_session._enums import Action
from mcp_session._later_enums import ServerStep
from mcp_session._rules import Rule
from typing_extensions import Self

__all__ = [
    "AsgiMachine",
    "CollectedBody",
    "ServerExchange",
    "ServerPolicy",
    "VerdictEvent",
    "without_session_id",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class ServerPolicy:
    """What a server or proxy does about lost sessions; for all of its exchanges.

    `paths` (collection of `str`, or `None` for all): the paths of MCP; `/tenants/*` is
    everything below `/tenants/`. `echo_id` (`bool`): whether the answers made here repeat the
    request's id. `max_request_bytes` (`int`, bytes): how much of a request is remembered to
    learn its id; `max_remembered_bytes`: how much of all requests together; `max_response_bytes`:
    how much of an answer is held back while its body may still matter. `disabled_rules`
    (collection of `Rule`, or of their values): the corrections to leave out. `report_only`
    (`bool`): change nothing. `misreports` (collection of pairs of a status, `int`, and a text,
    `str`): misreports of the application's own, beside the known ones. `request_timeout`
    (`float`, seconds): for how long a request is read before the handler runs all the same; a
    driver keeps it.

    Frozen. Raises `TypeError` and `ValueError` for options that make no sense.

    >>> from mcp_session.server import ServerPolicy
    >>> policy = ServerPolicy(paths=["/mcp"])
    >>> policy.covers("/api/mcp/", "/api"), policy.covers("/other", "")
    (True, False)

    Source: the rows behind `classify`, on the side of servers.
    """

    def __new__(
        cls,
        *,
        paths: Iterable[str] | None = None,
        echo_id: bool = True,
        max_request_bytes: int = 4194304,
        max_remembered_bytes: int = 67108864,
        max_response_bytes: int = 65536,
        disabled_rules: Iterable[Rule | str] = (),
        report_only: bool = False,
        misreports: Iterable[tuple[int, str]] = (),
        request_timeout: float = 5.0,
    ) -> Self: ...
    @property
    def request_timeout(self) -> float:
        """For how many seconds a request is read before the application runs (`float`)."""
    def covers(self, path: str, root_path: str, /) -> bool:
        """Say whether MCP is served at this path (`bool`). `root_path` (`str`) is what the
        application is mounted below, `""` where it is not.
        """
    def exchange(
        self, method: str, headers: Iterable[tuple[bytes, bytes]], query: _Bytes = b"", /
    ) -> ServerExchange:
        """Begin with the head of a request (`ServerExchange`).

        `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as
        they came. Raises `ValueError` for a `method` that HTTP does not have, `TypeError` for
        a wrong type.
        """

@final
class ServerExchange:
    """One exchange, from the head of its request to the end of its answer. Made by
    `ServerPolicy.exchange`.

    It is told what comes, and answers with a `ServerStep`: what is to be done with the
    message. Once the step is `LET_GO`, `LET_GO_WITHOUT_SESSION_ID` or `REPLACE`,
    `rule`, `action`, `corrects`, `applied` and `answer` say what was decided.

    The session IDs do not show in its `repr`.

    >>> from mcp_session.server import ServerPolicy, ServerStep
    >>> exchange = ServerPolicy().exchange("POST", [(b"mcp-session-id", b"1868a90c")])
    >>> exchange.before_handler()
    <ServerStep.READ: 'Read'>
    >>> exchange.request_piece(b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}', more=False)
    >>> exchange.before_handler()
    <ServerStep.RUN: 'Run'>
    >>> exchange.response_head(400, [(b"content-type", b"text/plain")])
    <ServerStep.HOLD: 'Hold'>
    >>> exchange.response_piece(b"unknown session", more=False)
    <ServerStep.REPLACE: 'Replace'>
    >>> exchange.answer
    <Answer 404 b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'>

    Source: the rows behind `classify`; it asks them.
    """

    def before_handler(self) -> ServerStep:
        """Say what to do before the handler runs (`ServerStep`): `READ` a piece of the request,
        tell of it and ask again, `RUN`, or `RUN_WITHOUT_SESSION_ID`.
        """
    @property
    def remembers_request(self) -> bool:
        """Whether a further piece of the request may still have to be known (`bool`). If not,
        nobody needs to be told of it, and no step is `READ`.
        """
    def request_piece(self, piece: _Bytes, /, *, more: bool) -> None:
        """Tell that a piece of the request's body came (`bytes`, `bytearray` or `memoryview`),
        whoever read it, and whether more follows (`bool`).
        """
    def request_cut(self) -> None:
        """Tell that the request broke off: what came is not all."""
    def wait_over(self) -> None:
        """Tell that the handler has waited for the request long enough."""
    def response_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> ServerStep:
        """Tell that the head of the answer came; return what to do with it (`ServerStep`).

        `status` (`int`) and `headers` (iterable of pairs of `bytes`) as they came. Raises
        `ValueError` for a `status` that HTTP does not have, `TypeError` for a wrong type.
        """
    def response_piece(self, piece: _Bytes, /, *, more: bool) -> ServerStep:
        """Tell that a piece of the answer's body came (`bytes`, `bytearray` or `memoryview`), and
        whether more follows (`bool`); return what to do with it (`ServerStep`).
        """
    def response_other(self) -> ServerStep:
        """Tell that another message of the answer came, a file by its path, say, or that its
        body broke off; return what to do with it (`ServerStep`).
        """
    def response_trailers(self) -> ServerStep:
        """Tell that trailers came; return what to do with them (`ServerStep`)."""
    @property
    def session_is_gone(self) -> bool:
        """Whether the handler has said that it does not know the session, so that it ran nothing of
        the request (`bool`).
        """
    @property
    def rule(self) -> Rule | None:
        """The row that decided (`Rule`); `None` before that."""
    @property
    def action(self) -> Action | None:
        """What it says to do (`Action`); `None` before that."""
    @property
    def corrects(self) -> bool:
        """Whether it says that the answer has to be changed (`bool`)."""
    @property
    def applied(self) -> bool:
        """Whether the answer is changed (`bool`): not with `report_only`, nor by a rule that is
        switched off.
        """
    @property
    def answer(self) -> Answer | None:
        """What to send (`Answer`), with the step `REPLACE`; else `None`."""
    @property
    def remarks(self) -> list[str]:
        """What a person should be told once about the application (`list[str]`), each with its
        kind before a colon.
        """
    @property
    def attached_session_id(self) -> str | None:
        """What counts as attached to the request (`str`), well-formed or not; else `None`."""
    @property
    def response_session_id(self) -> str | None:
        """What stands in the session header of the response (`str`); else `None`."""
    def shown_path(self, path: str, /) -> str:
        """The shape of a path (`str`), with no ID in it, fit for logs and labels."""

@final
class AsgiMachine:
    """One exchange of an ASGI application.

    `of` begins with the scope of a connection. Messages that are held back are copied, so what
    the application does with its own afterwards is its business; all others are its own.

    >>> from mcp_session._core import AsgiMachine, ServerPolicy
    >>> scope = {"type": "http", "method": "GET", "path": "/mcp"}
    >>> scope["headers"] = [(b"mcp-session-id", b"1868a90c")]
    >>> machine = AsgiMachine.of(ServerPolicy(), scope)
    >>> answer = machine.response({"type": "http.response.start", "status": 404, "headers": []})
    >>> [message["type"] for message in answer], answer[1]["body"][-44:]
    (['http.response.start', 'http.response.body'], b'code":-32001,"message":"Session not found"}}')

    Source: the laws of the server machine, and https://asgi.readthedocs.io/en/latest/specs/www.html
    """

    @staticmethod
    def of(policy: ServerPolicy, scope: MutableMapping[str, Any], /) -> AsgiMachine | None:
        """Begin with the scope of a connection (`AsgiMachine`); `None` where there is nothing to
        be done, nor to be told: for what is no HTTP, and at a path that the policy does not
        cover, unless an ID is attached. Raises `TypeError` and `KeyError` for what is no scope.
        """
    @property
    def reads_on(self) -> bool:
        """Whether to read a message, tell of it by `request`, and ask again, before the
        application runs (`bool`).
        """
    def scope(self, scope: MutableMapping[str, Any], /) -> MutableMapping[str, Any]:
        """The scope for the application: this one, or a copy without the session header."""
    @property
    def remembers_request(self) -> bool:
        """Whether it has to be told of what the application reads (`bool`)."""
    def request(self, message: MutableMapping[str, Any] | None, /) -> None:
        """Tell of what the server's `receive` returned; of `None` if it raised."""
    def wait_over(self) -> None:
        """Tell that the application has waited for the request long enough."""
    def answer_by(
        self,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        reporter: object,
        /,
    ) -> None:
        """Take the server's `send`, for what `send` lets go, and a `reporter` with the methods
        `decided` and `remark`.
        """
    def send(self, message: MutableMapping[str, Any], /) -> Awaitable[None]:
        """Stand in for the server's `send`: what goes out of a message is sent by the awaitable
        returned. Raises `ValueError` before `answer_by`.
        """
    def finish(self) -> Awaitable[None] | None:
        """Tell that the application is done; return what sends the rest of an answer that was cut
        off, or `None` where there is nothing to do. Raises `ValueError` before `answer_by`.
        """
    def response(self, message: MutableMapping[str, Any], /) -> list[MutableMapping[str, Any]]:
        """Tell of what the application sends; return what goes out now (`list` of messages)."""
    def end(self) -> list[MutableMapping[str, Any]]:
        """Tell that the application is done; return what goes out of an answer that was cut off."""
    @property
    def passes(self) -> bool:
        """Whether it needs to be told of no further message of the answer (`bool`)."""
    @property
    def passes_all_but_trailers(self) -> bool:
        """Whether it needs to be told of none but trailers (`bool`)."""
    @property
    def session_is_gone(self) -> bool:
        """Whether the application has said that it does not know the session, so that it ran
        nothing of the request (`bool`).
        """
    @property
    def rule(self) -> Rule | None:
        """The row that decided (`Rule`), `None` before that."""
    @property
    def corrects(self) -> bool:
        """Whether it says that the answer has to be changed (`bool`)."""
    def event(self) -> VerdictEvent:
        """What was decided (`VerdictEvent`). Raises `ValueError` before that."""
    def take_remarks(self) -> list[str]:
        """Take what a person should be told about the application (`list[str]`), each kind once
        for the policy.
        """

@final
class CollectedBody:
    """The body of a request, as ASGI brings it, collected before anything is done about it.

    `policy` (`ServerPolicy`): what bounds all requests together. `at_most` (`int`, bytes): how
    much of this one is of use. What is collected counts until this is let go.

    >>> from mcp_session._core import CollectedBody, ServerPolicy
    >>> body = CollectedBody(ServerPolicy(), 1024)
    >>> body.request({"type": "http.request", "body": b"{}", "more_body": False})
    >>> body.reads_on, body.take()
    (False, b'{}')

    Source: law 4 of the server machine.
    """
    def __new__(cls, policy: ServerPolicy, at_most: int, /) -> Self: ...
    @property
    def reads_on(self) -> bool:
        """Whether to read a message, tell of it by `request`, and ask again (`bool`)."""
    @property
    def remembers_request(self) -> bool:
        """Whether it has to be told of what is read (`bool`)."""
    def request(self, message: MutableMapping[str, Any] | None, /) -> None:
        """Tell of what the server's `receive` returned; of `None` if it raised."""
    def wait(self) -> int:
        """Tell that its client lets wait for the rest: it gives way from now on. Returns the number
        (`int`) by which it does.
        """
    def displaces(self, message: MutableMapping[str, Any], /) -> int | None:
        """Return the number (`int`) of the body that has to give way before this one is told of a
        message; `None` where there is room for that, or nothing would make any.
        """
    def give_way(self) -> None:
        """Tell that it gives way, and that nobody has anything of it any more."""
    def wait_over(self) -> None:
        """Tell that the application has waited for the request long enough."""
    @property
    def is_whole(self) -> bool:
        """Whether all of it is there (`bool`)."""
    @property
    def has_no_room(self) -> bool:
        """Whether it was given up because all requests together had too much (`bool`)."""
    @property
    def gave_way(self) -> bool:
        """Whether it has given way to another, and what was read of it is gone (`bool`)."""
    def let_go(self) -> None:
        """Tell that nobody has anything of it any more: it does not count from now on."""
    def take(self) -> bytes | None:
        """Take the bytes, once they are whole; else `None`. They are handed out once."""

@final
class VerdictEvent:
    """A verdict on one exchange, for hooks that count or report.

    `rule` (`Rule`): the row that decided; made for labels, as there are few. `action`
    (`Action`): what it says to do. `method` (`str`): of the request, `*` if unregistered.
    `path` (`str`): its route-like shape, `*` for each part that may be an ID. `status` (`int`):
    what the application answered. `fingerprint` (`str` or `None`): what stands for the session
    ID in this process. `applied` (`bool`): whether the answer was changed; `False` with
    `report_only`, and for rules that are switched off.

    Frozen; two that say the same are equal; its text is a line for a log.

    >>> from mcp_session import Action, Rule
    >>> from mcp_session.asgi import VerdictEvent
    >>> event = VerdictEvent(
    ...     rule=Rule.UNCANONICAL_NOT_FOUND, action=Action.NOT_FOUND_RESPONSE, method="POST",
    ...     path="/mcp", status=404, fingerprint="5d41402abc4b", applied=True,
    ... )
    >>> print(event)
    UncanonicalNotFound: POST /mcp was answered 404; session 5d41402abc4b; corrected

    Source: the rows behind `classify`, on the side of servers.
    """

    __match_args__: Final = (
        "rule",
        "action",
        "method",
        "path",
        "status",
        "fingerprint",
        "applied",
    )
    def __new__(
        cls,
        rule: Rule,
        action: Action,
        method: str,
        path: str,
        status: int,
        fingerprint: str | None,
        applied: bool,
    ) -> Self: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def action(self) -> Action: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def applied(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

def without_session_id(headers: Iterable[tuple[bytes, bytes]], /) -> list[tuple[bytes, bytes]]:
    """The headers without those that bear a session ID, in a new list of the same pairs.

    `headers` is an iterable of pairs of `bytes`. Raises `TypeError` for a wrong type.

    >>> from mcp_session.server import without_session_id
    >>> without_session_id([(b"Mcp-Session-Id", b"1868a90c"), (b"vary", b"origin")])
    [(b'vary', b'origin')]
    """
