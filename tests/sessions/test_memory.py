"""What the table in memory does beyond what every table does."""

import asyncio

import pytest
from mcp_session.sessions import MemorySessions, SessionEntry

MIB = 1024 * 1024


async def write(table: MemorySessions, key: bytes, size: int, *, claim: int = 1) -> None:
    entry = SessionEntry(claim, "replica", bytes(size))
    expected = None if claim == 1 else claim - 1
    assert await table.swap(key, expected=expected, entry=entry, seconds=60)


async def found(table: MemorySessions, keys: int) -> list[int]:
    return [it for it in range(keys) if await table.find(b"%d" % it) is not None]


def test_beyond_its_bound_it_forgets_what_was_not_used_for_the_longest_time() -> None:
    async def main() -> None:
        table = MemorySessions(max_bytes=10 * MIB)
        for number in range(9):
            await write(table, b"%d" % number, MIB)
        await table.touch([b"0"], 60)
        await write(table, b"1", MIB, claim=2)
        for number in range(9, 13):
            await write(table, b"%d" % number, MIB)
        assert await found(table, 13) == [0, 1, 6, 7, 8, 9, 10, 11, 12]

    asyncio.run(main())


def test_however_many_are_written_the_sum_stays_within_the_bound() -> None:
    async def main() -> None:
        table = MemorySessions(max_bytes=MIB)
        for number in range(3000):
            await write(table, b"%d" % number, number % 7 * 1000)
        kept = await found(table, 3000)
        assert kept == list(range(kept[0], 3000))
        assert sum(number % 7 * 1000 for number in kept) < MIB
        # It is full, and not nearly empty.
        assert len(kept) > MIB // 7000

    asyncio.run(main())


def test_the_longest_entry_has_room_whatever_else_there_is() -> None:
    async def main() -> None:
        table = MemorySessions(max_bytes=MIB)
        for number in range(3):
            await write(table, b"%d" % number, MIB)
        assert await found(table, 3) == [2]

    asyncio.run(main())


@pytest.mark.parametrize(("bound", "kind"), [("1", TypeError), (True, TypeError), (1, ValueError)])
def test_a_bound_without_room_for_an_entry_is_refused(bound: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^max_bytes must be"):
        MemorySessions(max_bytes=bound)
