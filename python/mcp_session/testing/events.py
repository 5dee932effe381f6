"""What can be seen of a client: what its callers ask, what it sends, what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

__all__ = [
    "Answered",
    "Began",
    "Cancelled",
    "Ended",
    "Event",
    "EventSeen",
    "Kind",
    "Lost",
    "Passed",
    "Rested",
    "Sent",
    "Settled",
    "transcript",
]


class Kind(str, Enum):
    """What a request is, as far as the guarantees tell them apart.

    >>> from mcp_session.testing.events import Kind
    >>> str(Kind.CALL), Kind("reply").is_one_way
    ('call', True)
    """

    CALL = "call"
    """`tools/call`, or any request that may be sent again in a new session."""
    CURSOR = "cursor"
    """A request with a cursor, which belongs to its session."""
    INITIALIZE = "initialize"
    INITIALIZED = "initialized"
    """`notifications/initialized`."""
    NOTIFICATION = "notification"
    REPLY = "reply"
    """To a question of the server's."""
    GET = "get"
    DELETE = "delete"
    OTHER = "other"
    """What a client sends of its own beside these, such as a subscription once more."""

    __str__ = str.__str__

    @property
    def is_one_way(self) -> bool:
        """Whether nobody waits for an answer to it."""
        return self in {Kind.NOTIFICATION, Kind.REPLY, Kind.INITIALIZED}


@dataclass(frozen=True)
class Began:
    """A caller asked the client to send a request.

    >>> from mcp_session.testing.events import Began, Kind, transcript
    >>> print(transcript([Began(3, Kind.CALL)]))
      3 begins: call
    """

    request: int
    kind: Kind
    cancels: int | None = None
    """The request that a `notifications/cancelled` names."""
    asked_in: str | None = None
    """Of a reply: the ID of the session in which the server asked."""


@dataclass(frozen=True)
class Sent:
    """The client put a request on the wire.

    >>> from mcp_session.testing.events import Kind, Sent, transcript
    >>> print(transcript([Sent(0, None, Kind.INITIALIZE)]))
      the client sends: initialize, no session
    """

    wire: int
    """Its number, in the order of sending."""
    request: int | None
    """The caller's request that it is; None for one of the client's own."""
    kind: Kind
    session_id: str | None = None
    last_event_id: str | None = None
    cause: int | None = None
    """Of one of the client's own: the caller's request that led to it, where that is known."""


@dataclass(frozen=True)
class Answered:
    """The server answered what was sent.

    >>> from mcp_session.testing.events import Answered, transcript
    >>> print(transcript([Answered(0, 200, "1868a90c")]))
      wire 0: 200, gives session 1
    """

    wire: int
    status: int
    session_id: str | None = None
    """A well-formed session header."""
    is_accepted: bool = True
    """Of an `initialize` with 2xx: whether it bore a whole result, and no ill-formed ID."""


@dataclass(frozen=True)
class Lost:
    """No answer came to what was sent.

    >>> from mcp_session.testing.events import Lost, transcript
    >>> print(transcript([Lost(4)]))
      wire 4: no answer
    """

    wire: int
    by_client: bool = False
    """Whether the client took it back, as it does when its caller leaves."""


@dataclass(frozen=True)
class EventSeen:
    """The server gave out an event ID in a session.

    >>> from mcp_session.testing.events import EventSeen, transcript
    >>> print(transcript([EventSeen("17", "1868a90c")]))
      an event ID was given out in session 1
    """

    event_id: str
    session_id: str | None


@dataclass(frozen=True)
class Ended:
    """A caller got an answer, or an error: then the status is None.

    >>> from mcp_session.testing.events import Ended, transcript
    >>> print(transcript([Ended(3, None)]))
      3 ends: an error
    """

    request: int
    status: int | None


@dataclass(frozen=True)
class Cancelled:
    """A caller left.

    >>> from mcp_session.testing.events import Cancelled, transcript
    >>> print(transcript([Cancelled(3)]))
      3 is cancelled
    """

    request: int


@dataclass(frozen=True)
class Passed:
    """So much time went by.

    >>> from mcp_session.testing.events import Passed, transcript
    >>> print(transcript([Passed(1.5)]))
      1.5 s pass
    """

    seconds: float


@dataclass(frozen=True)
class Settled:
    """The client has done all that it does before the next thing happens.

    A transcript is silent about it.

    >>> from mcp_session.testing.events import Cancelled, Settled, transcript
    >>> print(transcript([Cancelled(3), Settled()]))
      3 is cancelled
    """


@dataclass(frozen=True)
class Rested:
    """Nothing is under way, and more time than any back-off takes went by.

    >>> from mcp_session.testing.events import Rested, transcript
    >>> print(transcript([Rested()]))
      nothing more happens
    """


Event: TypeAlias = (
    Began | Sent | Answered | Lost | EventSeen | Ended | Cancelled | Passed | Settled | Rested
)


def transcript(events: list[Event]) -> str:
    """Return what happened, a line for each, with sessions by number and no ID.

    >>> from mcp_session.testing.events import Answered, Began, Kind, Sent, transcript
    >>> events = [Began(0, Kind.CALL), Sent(0, 0, Kind.CALL, "1868a90c"), Answered(0, 404)]
    >>> print(transcript(events))
      0 begins: call
      0 sends: call, session 1
      wire 0: 404
    """
    names: dict[str, str] = {}
    return "\n".join(f"  {_line(event, names)}" for event in events if not _is_silent(event))


def _is_silent(event: Event) -> bool:
    return isinstance(event, Settled)


def _line(event: Event, names: dict[str, str]) -> str:
    if isinstance(event, Sent):
        who = "the client" if event.request is None else f"{event.request}"
        with_event = "" if event.last_event_id is None else ", with an event ID"
        return f"{who} sends: {event.kind}, {_name(event.session_id, names)}{with_event}"
    if isinstance(event, Answered):
        gives = "" if event.session_id is None else f", gives {_name(event.session_id, names)}"
        refused = "" if event.is_accepted else ", a refusal"
        return f"wire {event.wire}: {event.status}{gives}{refused}"
    if isinstance(event, EventSeen):
        return f"an event ID was given out in {_name(event.session_id, names)}"
    return _plain_line(event)


def _plain_line(event: Event) -> str:
    if isinstance(event, Began):
        told = "" if event.cancels is None else f" (cancels {event.cancels})"
        return f"{event.request} begins: {event.kind}{told}"
    if isinstance(event, Lost):
        return f"wire {event.wire}: {'taken back' if event.by_client else 'no answer'}"
    if isinstance(event, Ended):
        how = "an error" if event.status is None else f"{event.status}"
        return f"{event.request} ends: {how}"
    if isinstance(event, Cancelled):
        return f"{event.request} is cancelled"
    return f"{event.seconds:g} s pass" if isinstance(event, Passed) else "nothing more happens"


def _name(session_id: str | None, names: dict[str, str]) -> str:
    if session_id is None:
        return "no session"
    return names.setdefault(session_id, f"session {len(names) + 1}")
