"""The threads that read and write a file of SQLite's, and what its errors mean."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mcp_session._sessions.table import SessionTableError, TableFault
from mcp_session._sessions.table_clock import TableClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["SqliteFile", "has_our_tables"]

Result = TypeVar("Result")

_VERSION = 1
_SCHEMA = (
    """
    CREATE TABLE sessions (
        key BLOB NOT NULL UNIQUE, claim INTEGER NOT NULL, owner TEXT NOT NULL, ends REAL NOT NULL,
        value BLOB NOT NULL
    )
    """,
    "CREATE INDEX sessions_by_end ON sessions (ends)",
    """
    CREATE TABLE replicas (
        replica TEXT NOT NULL PRIMARY KEY, term BLOB NOT NULL, addresses BLOB NOT NULL,
        renewed REAL NOT NULL, seconds REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE TABLE facts (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {_VERSION}",
)

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

# Python names the code of an error from 3.11 on. These texts are those of `sqlite3_errstr`.
_FAULTS = (
    ("database is locked", TableFault.BUSY),
    ("database table is locked", TableFault.BUSY),
    ("database schema is locked", TableFault.BUSY),
    ("database or disk is full", TableFault.FULL),
    ("attempt to write a readonly database", TableFault.READ_ONLY),
    ("unable to open database file", TableFault.UNREACHABLE),
    ("disk I/O error", TableFault.UNREACHABLE),
    ("access permission denied", TableFault.DENIED),
    ("file is not a database", TableFault.DAMAGED),
    ("database disk image is malformed", TableFault.DAMAGED),
    ("malformed database schema", TableFault.DAMAGED),
    ("no such table", TableFault.DAMAGED),
    ("no such column", TableFault.DAMAGED),
)

# While one lane makes the file no other of this process may have it open: whoever closes a file
# gives up all locks of its process on it. See section 2.2 of
# https://www.sqlite.org/howtocorrupt.html.
_opening = threading.Lock()


class SqliteFile:
    """A file, with a thread that reads it and one that writes it."""

    def __init__(self, path: str, timeout: float) -> None:
        """Open nothing yet."""
        # By it entries end.
        self.clock = TableClock()
        self._reading = _Lane(path, timeout, self._take_the_time)
        self._writing = _Lane(path, timeout, self._agree_on_the_time)
        self._process: int | None = None

    def was_replaced_within(self, seconds: float) -> bool:
        """Whether the file was seen to be another so short a time ago."""
        return time.monotonic() - self._reading.replaced < seconds

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work`, which is one statement."""
        self._check_process()
        return await _outcome(self._reading.submit(work))

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction, which stands only if it returns.

        Who is cancelled while he waits does not learn whether it was run.
        """
        self._check_process()
        return await _outcome(self._writing.submit(partial(_transact, work)))

    async def aclose(self) -> None:
        """Close the connections and end the threads."""
        self._check_process()
        for lane in (self._reading, self._writing):
            closed = lane.close()
            if closed is not None:
                await _outcome(closed)

    def _take_the_time(self, connection: sqlite3.Connection) -> None:
        # Whoever only reads may not be able to write; each process begins with a write.
        self.clock.take_from(connection)

    def _agree_on_the_time(self, connection: sqlite3.Connection) -> None:
        if not self.clock.take_from(connection):
            _transact(self.clock.write_to, connection)

    def _check_process(self) -> None:
        process = os.getpid()
        if self._process is None:
            self._process = process
        elif self._process != process:
            # https://www.sqlite.org/howtocorrupt.html, section 2.6: "Do not open an SQLite
            # database connection, then fork(2)".
            message = "this table was used before its process forked: make one in each process"
            raise RuntimeError(message)


class _Lane:
    """One thread, one connection: what is given to it runs there, one after the other."""

    def __init__(
        self, path: str, timeout: float, prepare: Callable[[sqlite3.Connection], None]
    ) -> None:
        self._path = path
        self._timeout = timeout
        # What is done with a connection before it is used.
        self._prepare = prepare
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        # What follows is the thread's alone.
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        # By `time.monotonic`.
        self.replaced = -math.inf

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> Future[Result]:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="mcp-session-table")
            return self._executor.submit(self._attempt, work)

    def close(self) -> Future[None] | None:
        with self._lock:
            executor, self._executor = self._executor, None
            if executor is None:
                return None
            closed = executor.submit(self._close)
            executor.shutdown(wait=False)
            return closed

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return work(self._connected())
        except (sqlite3.Error, OSError) as error:
            fault = _fault_of(error)
            if fault is not TableFault.BUSY:
                # Whatever it is may be mended by the time of the next call.
                with suppress(sqlite3.Error):
                    self._close()
            raise SessionTableError(fault, cause=type(error).__name__) from None

    def _connected(self) -> sqlite3.Connection:
        """Return the connection to the file that has this name now."""
        if self._connection is not None:
            with suppress(FileNotFoundError):
                status = os.stat(self._path)  # noqa: PTH116 - once a call, so it has to be quick
                if (status.st_dev, status.st_ino) == self._file:
                    return self._connection
            # It was deleted, or replaced: what is written there nobody else would find.
            self.replaced = time.monotonic()
            self._close()
        with _opening:
            # SQLite would make it readable by whomever the umask lets.
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            status = os.stat(self._path)  # noqa: PTH116 - as above
            self._file = status.st_dev, status.st_ino
            connection = sqlite3.connect(
                self._path,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            _prepare(connection, time.monotonic() + self._timeout)
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


async def _outcome(future: Future[Result]) -> Result:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Another event loop than asyncio's; whoever runs one has anyio from the extra `asgi`.
        from anyio import to_thread  # noqa: PLC0415 - not needed where asyncio runs

        return await to_thread.run_sync(future.result, abandon_on_cancel=True)
    return await asyncio.wrap_future(future)


def _transact(
    work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection
) -> Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # Some errors have ended the transaction already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return result


def _prepare(connection: sqlite3.Connection, until: float) -> None:
    """Make the tables, or see that they are ours, before a time of `time.monotonic`."""
    while not _prepared(connection, until):
        time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - who goes first is no secret


def _prepared(connection: sqlite3.Connection, until: float) -> bool:
    try:
        is_made = has_our_tables(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL, a crash of the host loses the last transactions and damages nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        if not is_made:
            _transact(_make_tables, connection)
    except sqlite3.OperationalError as error:
        # SQLite does not wait for its turn to change the mode of journal.
        if _fault_of(error) is not TableFault.BUSY or time.monotonic() > until:
            raise
        return False
    return True


def has_our_tables(connection: sqlite3.Connection) -> bool:
    """Say whether the tables are there, and ours; raise if they are another's."""
    # In this order: another process may make the tables in between, and their version with them.
    has_tables = bool(list(connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")))
    ((version,),) = connection.execute("PRAGMA user_version")
    if version not in {0, _VERSION}:
        raise SessionTableError(TableFault.OTHER_VERSION)
    if version == 0 and has_tables:
        # Somebody else's database, which stays as it is.
        raise SessionTableError(TableFault.DAMAGED)
    return bool(version == _VERSION)


def _make_tables(connection: sqlite3.Connection) -> None:
    # Another process may have been first.
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        for statement in _SCHEMA:
            connection.execute(statement)


def _fault_of(error: sqlite3.Error | OSError) -> TableFault:
    if isinstance(error, PermissionError):
        return TableFault.DENIED
    if isinstance(error, OSError):
        return TableFault.FULL if error.errno in _NO_ROOM else TableFault.UNREACHABLE
    text = str(error)
    for known, fault in _FAULTS:
        if text.startswith(known):
            return fault
    return TableFault.REFUSED
