"""What can befall a file."""

import asyncio
import multiprocessing
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from mcp_session._sessions.sqlite_file import has_our_tables
from mcp_session.sessions import (
    FoundSession,
    SessionTable,
    SessionTableError,
    SqliteSessions,
    TableFault,
)

from tables import LONG, Loop, Tables, entry

KEY = b"key"


@pytest.fixture
def file(tmp_path: Path) -> Generator[Tables]:
    with Tables("sqlite", tmp_path, None) as tables:
        yield tables


def fault(tables: Tables, call: Coroutine[Any, Any, object]) -> TableFault:
    """The fault that a call ends in; its text is ours."""
    with pytest.raises(SessionTableError) as raised:
        tables.run(call)
    error = raised.value
    assert re.fullmatch(re.escape(error.fault.value) + r"( \(\w+\))?", str(error))
    assert error.__suppress_context__ or error.__context__ is None
    return error.fault


def write(tables: Tables, table: SessionTable, key: bytes = KEY) -> bool:
    return tables.run(table.swap(key, expected=None, entry=entry(1), seconds=LONG))


def test_a_file_that_another_keeps_locked_is_read_and_its_writers_give_up(file: Tables) -> None:
    table = file.open(timeout=0.05)
    write(file, table)
    other = sqlite3.connect(file.address, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    assert fault(file, table.swap(KEY, expected=1, entry=entry(2), seconds=1)) is TableFault.BUSY
    assert fault(file, table.renew("a", b"", 1)) is TableFault.BUSY
    assert file.run(table.find(KEY)) == FoundSession(entry(1), None)

    other.execute("ROLLBACK")
    other.close()
    assert file.run(table.swap(KEY, expected=1, entry=entry(2), seconds=LONG))
    file.run(table.aclose())


def test_a_writer_waits_for_its_turn_and_the_event_loop_does_not(file: Tables) -> None:
    table = file.open()
    file.run(table.hashing_key())
    other = sqlite3.connect(file.address, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    async def write_and_count() -> tuple[bool, int]:
        writing = asyncio.ensure_future(
            table.swap(KEY, expected=None, entry=entry(1), seconds=LONG)
        )
        turns = 0
        while turns < 20:
            await asyncio.sleep(0.001)
            turns += 1
        waited = not writing.done()
        other.execute("ROLLBACK")
        assert await writing
        return waited, turns

    assert file.run(write_and_count()) == (True, 20)
    other.close()


def test_a_full_file_keeps_what_it_has_and_takes_more_when_entries_end(file: Tables) -> None:
    table = file.open()
    # The limit is one of its connection.
    inner: Any = getattr(table, "_file")  # noqa: B009 - to type checkers it is nobody's business

    def limit(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 20")

    async def fill() -> int:
        await table.renew("a", b"here", LONG)
        await inner.write(limit)
        number = 0
        while True:
            key = number.to_bytes(8, "big")
            await table.swap(key, expected=None, entry=entry(1, "a", bytes(900)), seconds=LONG)
            number += 1

    assert fault(file, fill()) is TableFault.FULL
    assert file.run(table.find(bytes(8))) == FoundSession(entry(1, "a", bytes(900)), b"here")
    assert file.run(table.find(b"\xff")) is None


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    mount.mkdir()
    mount_program, umount_program = shutil.which("mount"), shutil.which("umount")
    if mount_program is None or umount_program is None:
        pytest.skip("no small disk can be mounted here: NOT TESTED")
    mounted = subprocess.run(
        [mount_program, "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here: NOT TESTED")
    try:
        with Tables("sqlite", mount, None) as file:
            table = file.open()

            async def fill() -> None:
                for number in range(1000):
                    key = number.to_bytes(8, "big")
                    await table.swap(
                        key, expected=None, entry=entry(1, "a", bytes(900)), seconds=LONG
                    )

            assert fault(file, fill()) is TableFault.FULL
            assert file.run(table.find(bytes(8))) == FoundSession(entry(1, "a", bytes(900)), None)
    finally:
        subprocess.run([umount_program, mount], check=True)


def test_entries_that_ended_make_room(file: Tables) -> None:
    table = file.open()

    async def turn_over() -> None:
        for number in range(1000):
            new = entry(1, "a", bytes(900))
            await table.swap(number.to_bytes(8, "big"), expected=None, entry=new, seconds=0.001)

    file.run(turn_over())
    file.run(table.aclose())

    connection = sqlite3.connect(file.address)
    ((count,),) = connection.execute("SELECT count(*) FROM sessions")
    connection.close()
    assert count < 500
    assert Path(file.address).stat().st_size < 600_000


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(500)]
)
def test_a_file_that_is_no_database_is_said_to_be_damaged(file: Tables, content: bytes) -> None:
    Path(file.address).write_bytes(content)

    assert fault(file, file.open().find(KEY)) is TableFault.DAMAGED
    assert Path(file.address).read_bytes() == content


def test_somebody_elses_database_stays_as_it_is(file: Tables) -> None:
    other = sqlite3.connect(file.address)
    other.execute("CREATE TABLE sessions (mine)")
    other.close()
    before = Path(file.address).read_bytes()

    assert fault(file, file.open().find(KEY)) is TableFault.DAMAGED
    assert Path(file.address).read_bytes() == before


def test_a_file_that_another_makes_while_it_is_looked_at_is_ours(file: Tables) -> None:
    looked = list[str]()

    class Overtaken:
        """A connection; after its first look another process makes the tables."""

        def execute(self, sql: str) -> list[Any]:
            rows = list(empty.execute(sql))
            if not looked:
                file.run(file.open().hashing_key())
            looked.append(sql)
            return rows

    empty = sqlite3.connect(file.address, isolation_level=None)
    assert has_our_tables(cast("sqlite3.Connection", Overtaken()))
    assert len(looked) == 2
    empty.close()


def test_a_file_of_another_version_is_left_alone(file: Tables) -> None:
    other = sqlite3.connect(file.address)
    other.execute("PRAGMA user_version = 2")
    other.close()

    assert fault(file, file.open().find(KEY)) is TableFault.OTHER_VERSION


def test_a_file_that_is_damaged_meanwhile_is_said_to_be_and_begun_anew_when_deleted(
    file: Tables,
) -> None:
    table = file.open()
    file.run(table.renew("a", b"here", LONG))
    for number in range(200):
        write(file, table, number.to_bytes(8, "big"))
    file.run(table.aclose())
    path = Path(file.address)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(size - 4096))

    assert fault(file, table.find(bytes(8))) is TableFault.DAMAGED
    assert fault(file, table.renew("a", b"here", LONG)) is TableFault.DAMAGED
    path.unlink()

    assert file.run(table.find(bytes(8))) is None
    assert file.run(table.renew("a", b"here", LONG))
    file.run(table.aclose())


def test_processes_whose_file_was_replaced_meet_again_in_the_new_one(file: Tables) -> None:
    one, other = file.open(), file.open()
    file.run(one.renew("a", b"here", LONG))
    assert not file.run(one.renew("a", b"here", LONG))
    file.run(other.find(KEY))

    Path(file.address).unlink()

    assert file.run(one.renew("a", b"here", LONG)), "it may have lost what it held"
    assert file.run(one.swap(KEY, expected=None, entry=entry(3), seconds=LONG))
    assert file.run(other.find(KEY)) == FoundSession(entry(3), b"here")


def test_a_running_process_writes_its_hashing_key_into_the_file_that_takes_the_place(
    file: Tables,
) -> None:
    running = file.open()
    key = file.run(running.hashing_key())
    file.run(running.renew("a", b"here", LONG))
    Path(file.address).unlink()
    file.run(running.renew("a", b"here", LONG))

    assert file.run(file.open().hashing_key()) == key


def test_a_process_whose_file_was_begun_anew_with_another_hashing_key_is_told(
    file: Tables,
) -> None:
    slept = file.open()
    key = file.run(slept.hashing_key())
    Path(file.address).unlink()

    assert file.run(file.open().hashing_key()) != key
    assert fault(file, slept.renew("a", b"here", LONG)) is TableFault.OTHER_KEY


def test_a_missing_folder_cannot_be_reached_until_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with Tables("sqlite", folder, None) as file:
        table = file.open()
        assert fault(file, table.find(KEY)) is TableFault.UNREACHABLE
        assert fault(file, table.renew("a", b"", 1)) is TableFault.UNREACHABLE
        folder.mkdir()
        assert file.run(table.find(KEY)) is None


@pytest.fixture
def unprivileged() -> Generator[Path]:
    """A folder that a user who is not root may read, and the test is that user."""
    folder = Path("/tmp") / f"mcp-session-test-{os.getpid()}"  # noqa: S108 - pytest's are root's
    folder.mkdir(mode=0o755)
    root = os.geteuid() == 0
    if root:
        (folder / "theirs").mkdir(mode=0o755)
        os.chown(folder / "theirs", 65534, 65534)
        os.seteuid(65534)
    else:
        (folder / "theirs").mkdir()
    yield folder / "theirs"
    if root:
        os.seteuid(0)
    (folder / "theirs").chmod(0o755)
    for path in (folder / "theirs").iterdir():
        path.unlink()
    (folder / "theirs").rmdir()
    folder.rmdir()


def test_a_folder_that_may_not_be_written_denies_access(unprivileged: Path) -> None:
    unprivileged.chmod(0o555)

    with Tables("sqlite", unprivileged, None) as file:
        assert fault(file, file.open().find(KEY)) is TableFault.DENIED


def test_a_file_that_may_only_be_read_says_so(unprivileged: Path) -> None:
    with Tables("sqlite", unprivileged, None) as file:
        file.run(file.open().hashing_key())
    (unprivileged / "table.db").chmod(0o444)

    with Tables("sqlite", unprivileged, None) as file:
        assert fault(file, file.open().renew("a", b"", 1)) is TableFault.READ_ONLY


def test_the_file_is_its_users_alone(file: Tables) -> None:
    before = os.umask(0)
    try:
        write(file, file.open())
        file.run(file.open().find(KEY))
        modes = [stat.S_IMODE(it.stat().st_mode) for it in Path(file.address).parent.iterdir()]
    finally:
        os.umask(before)

    assert modes
    assert set(modes) == {0o600}


def test_a_key_that_was_given_does_not_stand_in_the_file(file: Tables) -> None:
    key = os.urandom(32)
    table = file.open(key)
    assert file.run(table.hashing_key()) == key
    file.run(table.aclose())

    for path in Path(file.address).parent.iterdir():
        assert key not in path.read_bytes()


def test_leases_from_before_the_host_was_started_again_are_over(file: Tables) -> None:
    table = file.open()
    file.run(table.renew("a", b"here", LONG))
    write(file, file.open())
    other = sqlite3.connect(file.address, isolation_level=None)
    # The clock of leases begins at 0 then.
    other.execute("UPDATE replicas SET renewed = ?", (time.monotonic() + 1000,))
    other.close()

    assert file.run(table.find(KEY)) == FoundSession(entry(1), None)
    assert file.run(table.renew("a", b"here", LONG))


@pytest.mark.skipif(sys.platform != "linux", reason="others do not say when they were started")
@pytest.mark.parametrize("hours", [25, -25])
def test_to_set_the_clock_of_the_host_ends_no_session(
    file: Tables, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    day = 24 * 3600.0
    owner, other = file.open(), file.open()
    assert file.run(owner.swap(KEY, expected=None, entry=entry(1), seconds=day))
    assert file.run(other.find(KEY)) is not None

    time_of = time.time
    monkeypatch.setattr(time, "time", lambda: time_of() + hours * 3600)
    # One that was open before, and one that was not.
    for table in (other, file.open()):
        assert file.run(table.find(KEY)) is not None
        assert not file.run(table.swap(KEY, expected=None, entry=entry(1), seconds=day))
        assert file.run(table.touch([KEY], day)) == frozenset()
        assert file.run(table.swap(KEY, expected=1, entry=entry(1), seconds=day))
    # And none that is to end lives on.
    assert file.run(owner.touch([KEY], 0.001)) == frozenset()
    time.sleep(0.05)
    for table in (owner, other):
        assert file.run(table.find(KEY)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="others do not say when they were started")
def test_what_has_ended_while_the_host_was_down_is_over(file: Tables) -> None:
    table = file.open()
    write(file, table)
    assert file.run(table.find(KEY)) is not None
    file.run(table.aclose())
    with closing(sqlite3.connect(file.address, isolation_level=None)) as other:
        # Of another start of the host, with a clock that went wrong; and a day passes.
        other.execute("UPDATE facts SET value = ? WHERE name = 'clock'", (b"another-start 12.5",))
        other.execute("UPDATE sessions SET ends = ends - ?", (LONG,))

    again = file.open()
    assert file.run(again.find(KEY)) is None
    assert write(file, again)
    assert file.run(again.find(KEY)) is not None


def test_a_table_that_was_open_when_its_process_forked_says_so(file: Tables) -> None:
    table = file.open()
    file.run(table.find(KEY))
    said = multiprocessing.get_context("fork").SimpleQueue()

    def ask() -> None:
        with pytest.raises(RuntimeError) as raised:
            asyncio.run(table.renew("a", b"", 1))
        said.put(str(raised.value))

    process = multiprocessing.get_context("fork").Process(target=ask)
    process.start()
    process.join()

    assert process.exitcode == 0
    assert said.get() == "this table was used before its process forked: make one in each process"
    file.run(table.aclose())


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"take MemorySessions\(\)"):
        SqliteSessions(path)


def test_a_path_that_reads_like_a_uri_is_a_path(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with Loop() as loop:
        table = SqliteSessions("file:a?mode=memory")
        loop.run(table.hashing_key())
        loop.run(table.aclose())

    assert (tmp_path / "file:a?mode=memory").is_file()


def test_a_relative_path_is_one_file_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    table = SqliteSessions("table.db")
    monkeypatch.chdir("/")
    with Loop() as loop:
        loop.run(table.hashing_key())
        loop.run(table.aclose())

    assert (tmp_path / "table.db").is_file()


def test_no_thread_is_left_after_closing(file: Tables) -> None:
    before = set(threading.enumerate())
    table = file.open()
    file.run(table.find(KEY))
    file.run(table.hashing_key())
    begun = set(threading.enumerate()) - before
    file.run(table.aclose())

    assert len(begun) == 2
    for thread in begun:
        thread.join(30)
        assert not thread.is_alive()


def test_it_serves_trio(file: Tables) -> None:
    async def ask() -> FoundSession | None:
        table = file.open()
        await table.swap(KEY, expected=None, entry=entry(1), seconds=LONG)
        found = await table.find(KEY)
        await table.aclose()
        return found

    assert trio.run(ask) == FoundSession(entry(1), None)
