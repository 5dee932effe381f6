from types import TracebackType
from typing import Final, final

from mcp_session._core._session import Hold
from mcp_session._enums import Action
from mcp_session._later_enums import Reason
from mcp_session._rules import Rule
from typing_extensions import Self

__all__ = ["Cooldown", "Failure", "Initialized", "Lead", "Replaced", "Restore"]

@final
class Lead:
    """Make a new session: others wait for it.

    Send `initialize` (`bytes`) without an ID, a version or an event ID, and give the answer to
    `Session.initialize_answered`. `hold` (`Hold`) is the leader's own request, for
    `Session.after_recovery` afterwards. `recovery` (`int`): the number of the recovery. A
    context manager: left without an outcome, it counts as cancelled, and one of those waiting
    leads instead.

    >>> from mcp_session import Lead
    >>> Lead.__match_args__
    ('initialize', 'hold')

    Source: guarantee 3, "A leader that fails, is cancelled or dropped never wedges anyone".
    """

    __match_args__: Final = ("initialize", "hold")
    @property
    def initialize(self) -> bytes:
        """The body to send (`bytes`)."""
    @property
    def hold(self) -> Hold:
        """The leader's own request (`Hold`)."""
    @property
    def recovery(self) -> int:
        """The number of the recovery (`int`)."""
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
class Initialized:
    """The new session has begun; it stands when its `notifications/initialized` is accepted.

    Send `initialized` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no
    session now) and `protocol_version` (`str`), and give the status of the answer to
    `Session.initialized_answered`. A context manager, as `Lead` is.

    >>> from mcp_session import Initialized
    >>> Initialized.__name__
    'Initialized'

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
    """
    @property
    def initialized(self) -> bytes:
        """The body to send (`bytes`)."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None` if the server keeps no session now."""
    @property
    def protocol_version(self) -> str:
        """What to put into `MCP-Protocol-Version` (`str`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Restore:
    """The new session stands, and is to be told what the old one was told.

    Send `body` (`bytes`) with `session_id` (`str`, or `None` if the server keeps no session now)
    and `protocol_version` (`str`), and give the answer to `Session.restore_answered`. `method`
    (`str`) is what is told. A context manager: left without an outcome, those waiting are
    released.

    >>> from mcp_session import Restore
    >>> Restore.__name__
    'Restore'

    Source: guarantee 11, "told again after a replacement, before those waiting are released".
    """
    @property
    def body(self) -> bytes:
        """The body to send (`bytes`): a request of our own, whose answer the caller never sees."""
    @property
    def method(self) -> str:
        """What is told (`str`): `logging/setLevel` or `resources/subscribe`."""
    @property
    def session_id(self) -> str | None:
        """The ID to attach (`str`), or `None` if the server keeps no session now."""
    @property
    def protocol_version(self) -> str:
        """What to put into `MCP-Protocol-Version` (`str`)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Replaced:
    """The new session stands in place of the one that ended, and those waiting are released.

    `generation` (`int`): its number. `refused` (`list[tuple[str, str]]`): each method that it
    could not be told again, and why not.

    >>> from mcp_session import Replaced
    >>> Replaced.__match_args__
    ('generation', 'refused')

    Source: guarantee 11, "One that is refused is reported, and fails nothing".
    """

    __match_args__: Final = ("generation", "refused")
    @property
    def generation(self) -> int:
        """The number of the new session (`int`)."""
    @property
    def refused(self) -> list[tuple[str, str]]:
        """Each method that it could not be told again, and why not (`list[tuple[str, str]]`)."""

@final
class Cooldown:
    """A time in which no new session is made, because too many have died.

    Wait `seconds` (`float`), from the moment in which it was first told, then tell
    `Session.cooldown_over`. `number` (`int`): each is another.

    >>> from mcp_session import Cooldown
    >>> Cooldown.__match_args__
    ('seconds',)

    Source: guarantee 5, "one may lead again when the driver says that 1 s, then 2 s, ... 60 s have
    passed".
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float:
        """How long it takes (`float`)."""
    @property
    def number(self) -> int:
        """Its number (`int`)."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Failure:
    """A recovery has failed; its reason is shared with those waiting.

    `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `orphan_session_id`
    (`str` or `None`): an ID that was not adopted and is to be DELETEd.

    >>> from mcp_session import Failure
    >>> Failure.__match_args__
    ('reason', 'orphan_session_id')

    Source: guarantee 3, "a failure is shared with those waiting".
    """

    __match_args__: Final = ("reason", "orphan_session_id")
    @property
    def reason(self) -> Reason:
        """Why (`Reason`)."""
    @property
    def orphan_session_id(self) -> str | None:
        """An ID that is to be DELETEd (`str`), or `None`."""
    @property
    def text(self) -> str:
        """Why, as a clause to be read (`str`)."""
