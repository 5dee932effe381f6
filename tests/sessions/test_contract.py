"""What every table does."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp_session.sessions import (
    FoundSession,
    SessionEntry,
    SessionTable,
    SessionTableError,
    TableFault,
)

from tables import LONG, Tables, entry

KEY = b"\x00key \xff"
# Short, and still long enough to be looked at.
SHORT = 0.05


def test_what_nobody_wrote_is_not_found(tables: Tables) -> None:
    assert tables.run(tables.open().find(KEY)) is None


@pytest.mark.parametrize(
    "written",
    [
        SessionEntry(0, "", b""),
        SessionEntry(1, "a" * 255, bytes(range(256)) * 4096),
        SessionEntry(2**63 - 1, "replica {1}: :\\", b"\x00\r\n'\""),
    ],
    ids=["empty", "longest", "odd"],
)
def test_what_one_wrote_another_finds_as_it_was(tables: Tables, written: SessionEntry) -> None:
    one, other = tables.open(), tables.open()

    assert tables.run(one.swap(KEY, expected=None, entry=written, seconds=LONG))
    assert tables.run(other.find(KEY)) == FoundSession(written, None)


@pytest.mark.parametrize("stored", [None, 0, 3])
@pytest.mark.parametrize("expected", [None, 0, 2, 3, 4, 2**63 - 1])
def test_a_swap_writes_only_where_the_claim_is_as_expected(
    tables: Tables, stored: int | None, expected: int | None
) -> None:
    table = tables.open()
    if stored is not None:
        assert tables.run(table.swap(KEY, expected=None, entry=entry(stored), seconds=LONG))

    new = entry(5, "b", b"new")
    written = tables.run(table.swap(KEY, expected=expected, entry=new, seconds=LONG))

    found = tables.run(table.find(KEY))
    assert written == (stored == expected)
    kept = new if written else None if stored is None else entry(stored)
    assert (found and found.entry) == kept


def test_keys_are_apart(tables: Tables) -> None:
    table = tables.open()
    keys = [b"a", b"A", b"ab", b"\xff" * 64, bytes(32)]
    for number, key in enumerate(keys):
        assert tables.run(table.swap(key, expected=None, entry=entry(number), seconds=LONG))

    for number, key in enumerate(keys):
        found = tables.run(table.find(key))
        assert found is not None
        assert found.entry.claim == number


def test_an_entry_ends_after_its_seconds_and_is_as_if_it_had_not_been(tables: Tables) -> None:
    table = tables.open()
    assert tables.run(table.swap(KEY, expected=None, entry=entry(7), seconds=SHORT))
    tables.run(asyncio.sleep(2 * SHORT))

    assert tables.run(table.find(KEY)) is None
    assert tables.run(table.touch([KEY], LONG)) == {KEY}
    assert not tables.run(table.swap(KEY, expected=7, entry=entry(8), seconds=LONG))
    assert tables.run(table.swap(KEY, expected=None, entry=entry(1), seconds=LONG))


def test_a_touched_entry_lives_on_and_what_is_missing_is_named(tables: Tables) -> None:
    table = tables.open()

    async def touch_in_time() -> frozenset[bytes]:
        while True:
            for key in (b"touched", b"left"):
                await table.swap(key, expected=None, entry=entry(1), seconds=SHORT)
            missing = await table.touch([b"touched", b"never"], LONG)
            if b"touched" not in missing:
                return missing

    assert tables.run(touch_in_time()) == {b"never"}
    tables.run(asyncio.sleep(2 * SHORT))

    assert tables.run(table.find(b"touched")) == FoundSession(entry(1), None)
    assert tables.run(table.find(b"left")) is None


def test_more_keys_than_fit_into_one_command_are_touched(tables: Tables) -> None:
    table = tables.open()
    keys = [number.to_bytes(16, "big") for number in range(1203)]
    for key in keys[::401]:
        tables.run(table.swap(key, expected=None, entry=entry(1), seconds=LONG))

    assert tables.run(table.touch(keys, LONG)) == set(keys) - set(keys[::401])
    assert tables.run(table.touch([], LONG)) == frozenset()


def test_an_owner_has_addresses_while_its_lease_lives(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.swap(KEY, expected=None, entry=entry(1, "a"), seconds=LONG))
    addresses = b"\x00 10.0.0.1 \xff"

    assert tables.run(table.renew("a", addresses, LONG))
    assert tables.run(table.find(KEY)) == FoundSession(entry(1, "a"), addresses)
    tables.run(table.withdraw("a"))
    assert tables.run(table.find(KEY)) == FoundSession(entry(1, "a"), None)


def test_a_lease_is_over_after_its_seconds(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.swap(KEY, expected=None, entry=entry(1, "a"), seconds=LONG))
    tables.run(table.renew("a", b"here", SHORT))
    tables.run(asyncio.sleep(2 * SHORT))

    assert tables.run(table.find(KEY)) == FoundSession(entry(1, "a"), None)


def test_a_replica_is_told_that_its_lease_was_over_and_only_then(tables: Tables) -> None:
    table = tables.open()

    async def renewals() -> list[bool]:
        told = [await table.renew("a", b"here", LONG), await table.renew("a", b"there", LONG)]
        told += [await table.renew("a", b"there", SHORT)]
        await asyncio.sleep(2 * SHORT)
        told += [await table.renew("a", b"there", LONG), await table.renew("a", b"there", LONG)]
        await table.withdraw("a")
        return [*told, await table.renew("a", b"there", LONG)]

    assert tables.run(renewals()) == [True, False, False, True, False, True]


def test_a_replica_that_another_withdrew_is_told_so(tables: Tables) -> None:
    one, other = tables.open(), tables.open()

    assert tables.run(one.renew("a", b"here", LONG))
    tables.run(other.withdraw("a"))

    assert tables.run(one.renew("a", b"here", LONG))
    assert not tables.run(one.renew("a", b"here", LONG))


def test_the_last_addresses_are_found(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.swap(KEY, expected=None, entry=entry(1, "a"), seconds=LONG))
    for addresses in (b"1", b"", b"3" * 4096):
        tables.run(table.renew("a", addresses, LONG))

        found = tables.run(table.find(KEY))
        assert found is not None
        assert found.addresses == addresses


def test_an_entry_of_nobody_has_no_addresses(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.renew("a", b"here", LONG))
    tables.run(table.swap(KEY, expected=None, entry=entry(1, ""), seconds=LONG))

    assert tables.run(table.find(KEY)) == FoundSession(entry(1, ""), None)


def test_leases_of_replicas_are_apart(tables: Tables) -> None:
    table = tables.open()
    for owner in ("a", "ab"):
        tables.run(table.renew(owner, owner.encode(), LONG))
        tables.run(table.swap(owner.encode(), expected=None, entry=entry(1, owner), seconds=LONG))
    tables.run(table.withdraw("a"))

    assert tables.run(table.find(b"a")) == FoundSession(entry(1, "a"), None)
    assert tables.run(table.find(b"ab")) == FoundSession(entry(1, "ab"), b"ab")


def test_all_objects_of_a_table_have_one_hashing_key(tables: Tables) -> None:
    one, other = tables.open(), tables.open()

    key = tables.run(one.hashing_key())

    assert len(key) == 32
    assert tables.run(other.hashing_key()) == tables.run(one.hashing_key()) == key


def test_a_hashing_key_that_is_given_is_taken(tables: Tables) -> None:
    key = bytes(range(32))

    assert tables.run(tables.open(key).hashing_key()) == key


@pytest.mark.parametrize("tables", ["sqlite", "redis"], indirect=True)
def test_another_hashing_key_is_refused(tables: Tables) -> None:
    tables.run(tables.open(bytes(32)).hashing_key())

    for key in (bytes(31) + b"\x01", None):
        with pytest.raises(SessionTableError, match="another hashing key") as raised:
            tables.run(tables.open(key).hashing_key())
        assert raised.value.fault is TableFault.OTHER_KEY


def test_of_many_tasks_that_claim_at_once_one_wins(tables: Tables) -> None:
    objects = [tables.open() for _ in range(4)]
    tables.run(objects[0].swap(KEY, expected=None, entry=entry(0), seconds=LONG))

    async def claim_all(round_: int) -> list[bool]:
        claims = (
            objects[task % 4].swap(
                KEY, expected=round_, entry=entry(round_ + 1, f"task-{task}"), seconds=LONG
            )
            for task in range(16)
        )
        return await asyncio.gather(*claims)

    for round_ in range(10):
        won = tables.run(claim_all(round_))
        found = tables.run(objects[0].find(KEY))
        assert won.count(True) == 1
        assert found is not None
        assert found.entry.owner == f"task-{won.index(True)}"


def test_one_object_serves_several_event_loops_at_once(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.swap(KEY, expected=None, entry=entry(0), seconds=LONG))
    barrier = threading.Barrier(4)

    async def claim(loop: int) -> list[bool]:
        won: list[bool] = []
        for round_ in range(10):
            await asyncio.to_thread(barrier.wait)
            new = entry(round_ + 1, f"loop-{loop}")
            won.append(await table.swap(KEY, expected=round_, entry=new, seconds=LONG))
        if tables.kind == "redis":
            # The connections of this loop alone: the others go on.
            await table.aclose()
        return won

    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(asyncio.run, claim(loop)) for loop in range(4)]
        won = [loop.result() for loop in loops]

    assert [sum(round_) for round_ in zip(*won, strict=True)] == [1] * 10
    found = tables.run(table.find(KEY))
    assert found is not None
    assert found.entry.claim == 10


def test_a_table_that_was_closed_opens_again_with_what_it_stored(tables: Tables) -> None:
    table = tables.open()
    tables.run(table.swap(KEY, expected=None, entry=entry(1), seconds=LONG))
    tables.run(table.aclose())
    tables.run(table.aclose())

    assert tables.run(table.find(KEY)) == FoundSession(entry(1), None)


def test_who_is_cancelled_while_he_asks_leaves_the_table_usable(tables: Tables) -> None:
    table = tables.open()

    async def cancel_some() -> FoundSession | None:
        tasks = [
            asyncio.ensure_future(
                table.swap(bytes([it]), expected=None, entry=entry(1), seconds=LONG)
            )
            for it in range(20)
        ]
        for turns, task in enumerate(tasks):
            for _ in range(turns % 5):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await table.swap(KEY, expected=None, entry=entry(1), seconds=LONG)
        return await table.find(KEY)

    assert tables.run(cancel_some()) == FoundSession(entry(1), None)


def wrong(value: object) -> Any:
    """What a caller that is not type-checked may pass."""
    return value


REFUSED: list[tuple[Callable[[SessionTable], Coroutine[Any, Any, object]], type[Exception]]] = [
    (lambda it: it.find(b""), ValueError),
    (lambda it: it.find(b"k" * 65), ValueError),
    (lambda it: it.find(wrong("k")), TypeError),
    (lambda it: it.touch([wrong("k")], 1.0), TypeError),
    (lambda it: it.touch([], 0), ValueError),
    (lambda it: it.touch([], float("nan")), ValueError),
    (lambda it: it.touch([], wrong(value=True)), TypeError),
    (lambda it: it.swap(KEY, expected=-1, entry=entry(1), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=2**63, entry=entry(1), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=wrong(value=True), entry=entry(1), seconds=1), TypeError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(-1), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1, "a" * 256), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1, "\n"), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1, "ä"), seconds=1), ValueError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1), seconds=-1), ValueError),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1), seconds=1e99), ValueError),
    (
        lambda it: it.swap(KEY, expected=None, entry=entry(1, "a", bytes(2**20 + 1)), seconds=1),
        ValueError,
    ),
    (lambda it: it.swap(KEY, expected=None, entry=entry(1, "a", wrong("v")), seconds=1), TypeError),
    (lambda it: it.renew("", b"", 1), ValueError),
    (lambda it: it.renew("a", bytes(4097), 1), ValueError),
    (lambda it: it.renew("a", wrong("here"), 1), TypeError),
    (lambda it: it.renew(wrong(b"a"), b"", 1), TypeError),
    (lambda it: it.withdraw(""), ValueError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED)
def test_what_no_caller_should_pass_is_refused(
    tables: Tables,
    call: Callable[[SessionTable], Coroutine[Any, Any, object]],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        tables.run(call(tables.open()))


def test_no_repr_shows_what_is_stored(tables: Tables) -> None:
    table: SessionTable = tables.open(bytes(range(32)))
    secret = SessionEntry(1, "a", b"an initialize with a secret")
    tables.run(table.swap(KEY, expected=None, entry=secret, seconds=LONG))

    found = tables.run(table.find(KEY))

    assert found is not None
    assert found.entry == secret
    assert "secret" not in repr(found)
    assert repr(bytes(range(32)))[2:20] not in repr(table)
    assert "127.0.0.1" not in repr(table)
