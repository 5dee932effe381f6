"""The reader of server-sent events: what its iterators promise, and what they cost."""

import sys
import threading

import pytest
from mcp_session import Event, EventReader, EventTooLong

ID_LIMIT = 1024


def test_the_events_of_a_reader_share_one_id() -> None:
    reader = EventReader()

    first, second, third = reader.read(b"id: 7\ndata: a\n\ndata: b\n\nid: 7\ndata: c\n\n")

    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert isinstance(third, Event)
    assert first.id is second.id is third.id is reader.last_event_id


def test_an_id_beyond_its_limit_is_not_remembered_and_its_event_is_told_of() -> None:
    for length, counts in [(ID_LIMIT, True), (ID_LIMIT + 1, False), (1_000_000, False)]:
        reader = EventReader()
        long = "x" * length

        events = [*reader.read(f"id: 1\n\nid: {long}\ndata: a\n\n".encode())]

        remembered = long if counts else "1"
        assert events == [next(EventReader().read(f"id: {remembered}\ndata: a\n\n".encode()))]
        assert reader.last_event_id == remembered


def test_data_beyond_the_limit_is_told_of() -> None:
    events = [*EventReader(limit=3).read(b"data: four\n\nid: 5\ndata: abc\n\n")]

    assert isinstance(events[0], EventTooLong)
    assert [event.data for event in events if isinstance(event, Event)] == ["abc"]


def test_events_are_made_as_they_are_taken() -> None:
    events = EventReader().read(b"data\n\n" * 200_000)

    # PyPy has none.
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    try:
        count = sum(1 for _ in events)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 200_000
    assert most < 64 * 1024


def test_what_is_not_taken_is_read_when_the_iterator_goes() -> None:
    reader = EventReader()

    reader.read(b"id: 1\ndata: a\n\nretry: 5\ndata: b\n\ndata: c")

    assert reader.last_event_id == "1"
    assert reader.retry == 5
    assert [event.data for event in reader.read(b"d\n\n") if isinstance(event, Event)] == ["cd"]


def test_what_is_not_taken_is_read_before_the_next_bytes() -> None:
    reader = EventReader()
    former = reader.read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c")
    assert isinstance(next(former), Event)
    assert reader.last_event_id == "1"

    later = [*reader.read(b"d\n\n")]

    assert later == [*EventReader().read(b"id: 2\ndata: cd\n\n")]
    assert [*former] == []


def test_bytes_that_can_change_are_copied() -> None:
    data = bytearray(b"data: a\n\ndata: b\n\n")
    events = EventReader().read(memoryview(data))

    data[:] = b"x" * len(data)

    assert [event.data for event in events if isinstance(event, Event)] == ["a", "b"]


@pytest.mark.parametrize("data", ["data: a\n\n", None, 7, [b"data"]])
def test_what_is_no_bytes_is_a_type_error(data: object) -> None:
    with pytest.raises(TypeError, match="data must be bytes, bytearray or memoryview"):
        EventReader().read(data)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


class Rereads(bytes):
    """Bytes that use the reader which was given them as they go."""

    reader: EventReader

    def __del__(self) -> None:
        """Read, and ask."""
        assert [*self.reader.read(b": comment\n")] == []
        assert self.reader.retry is None


def test_bytes_of_a_class_of_ones_own_are_copied_and_may_use_the_reader_as_they_go() -> None:
    reader = EventReader()
    data = Rereads(b"data: a\n\ndata: b\n\n")
    data.reader = reader
    events = reader.read(data)
    assert isinstance(next(events), Event)
    # Their last use reads a comment here, which drops what was not taken.
    del data

    assert [*events] == []
    events = reader.read(b"id: 1\ndata: c\n\n")
    assert [event.data for event in events if isinstance(event, Event)] == ["c"]
    assert reader.last_event_id == "1"


def test_one_reader_may_be_used_by_several_threads() -> None:
    reader = EventReader(limit=64)
    # As long as is read while other threads run.
    piece = b"id: 1\ndata: x\n\n" * 8192
    seen: list[int] = []

    def read() -> None:
        turns = (zip(reader.read(piece), range(100), strict=False) for _ in range(20))
        seen.extend(sum(1 for _ in turn) for turn in turns)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        sys.setswitchinterval(interval)

    assert len(seen) == 80
    assert reader.last_event_id == "1"
