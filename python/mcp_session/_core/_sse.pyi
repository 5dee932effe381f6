from collections.abc import Iterator
from typing import Final, TypeAlias, final

from typing_extensions import Self

__all__ = ["Event", "EventReader", "EventTooLong"]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class EventReader:
    r"""Reads server-sent events from bytes that come in any pieces.

    `limit` (`int`, bytes): how much of one event's data or type is kept; what is longer is
    passed over and told of as `EventTooLong`. An ID beyond 1,024 bytes, or the limit, is
    ignored. However the bytes are cut, the events are the same. Raises `TypeError` and
    `ValueError` for a wrong limit.

    >>> from mcp_session import EventReader
    >>> reader = EventReader()
    >>> list(reader.read(b"id: 1\ndata: {}\n"))
    []
    >>> list(reader.read(b"\n"))
    [Event('message', '{}', '1')]
    >>> reader.last_event_id
    '1'

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    def __new__(cls, *, limit: int = 4194304) -> Self: ...
    def read(self, data: _Bytes, /) -> Iterator[Event | EventTooLong]:
        """Take the next bytes (`bytes`, `bytearray` or `memoryview`) and return an iterator over
        the events they complete, in order: `Event` and `EventTooLong`.

        Each is made as it is taken, so that no bytes make more of them than there is room for.
        Those that were not taken are lost when the iterator is dropped, or the next bytes come.
        """
    @property
    def last_event_id(self) -> str:
        """The last event ID so far (`str`), for `Last-Event-ID`; empty if there is none."""
    @property
    def retry(self) -> int | None:
        """The time to wait before reconnecting (`int`, milliseconds), or `None` if none was
        said.
        """

@final
class Event:
    r"""One server-sent event.

    `event` (`str`): its type, `message` unless it says otherwise. `data` (`str`): its lines,
    joined by line feeds. `id` (`str`): the last event ID when it was dispatched.

    >>> from mcp_session import EventReader
    >>> [event] = EventReader().read(b"event: endpoint\ndata: /messages\n\n")
    >>> event.event, event.data, event.id
    ('endpoint', '/messages', '')

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
    """

    __match_args__: Final = ("event", "data", "id")
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventTooLong:
    r"""An event beyond the reader's limit; its data was not kept.

    >>> from mcp_session import EventReader
    >>> list(EventReader(limit=3).read(b"data: four\n\n"))
    [EventTooLong()]

    Source: `EventReader`, whose memory is bounded.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
