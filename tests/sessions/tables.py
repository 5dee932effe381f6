"""One kind of table for the tests that all three have to pass."""

import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from mcp_session.sessions import (
    MemorySessions,
    RedisSessions,
    SessionEntry,
    SessionTable,
    SqliteSessions,
)
from typing_extensions import Self

from redis_server import RedisServer

Own = TypeVar("Own", bound="Loop")
Result = TypeVar("Result")

KINDS = ("memory", "sqlite", "redis")
# What no test lives to see.
LONG = 60.0

_numbers = itertools.count()


class Loop:
    """The event loop of a test, which is not one itself; closes tables when it ends."""

    def __init__(self) -> None:
        self.closing: list[Any] = []
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for it in self.closing:
            self.run(it.aclose())
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(coroutine)


class Tables(Loop):
    """Makes the objects of one table."""

    def __init__(self, kind: str, folder: Path, server: RedisServer | None) -> None:
        super().__init__()
        self.kind = kind
        self.folder = folder
        self.server = server
        self.prefix = f"test-{next(_numbers)}"
        self._memory: MemorySessions | None = None
        if server is not None:
            settle(server, self.prefix)

    def open(self, key: bytes | None = None, timeout: float = 30) -> SessionTable:
        """One more object of this table, as another process would make it."""
        if self.kind == "memory" and self._memory is None:
            self._memory = MemorySessions(key=key)
        table = self._memory or open_table(self.kind, self.address, self.prefix, key, timeout)
        self.closing.append(table)
        return table

    @property
    def address(self) -> str:
        return str(self.folder / "table.db") if self.server is None else self.server.url


def entry(claim: int, owner: str = "a", value: bytes = b"value") -> SessionEntry:
    """An entry, as far as its content matters."""
    return SessionEntry(claim, owner, value)


def open_table(
    kind: str,
    address: str,
    prefix: str = "mcp-session",
    key: bytes | None = None,
    timeout: float = 30,
) -> SessionTable:
    """Open the table that is kept there."""
    if kind == "sqlite":
        return SqliteSessions(address, key=key, timeout=timeout)
    return RedisSessions(address, prefix=prefix, key=key, timeout=timeout, settling=2 * LONG)


def settle(server: RedisServer, prefix: str) -> None:
    """Let a new table in Redis be one that is settled since long."""
    with server.client() as client:
        run_id = str(client.info("server")["run_id"])
        client.set(f"{{{prefix}}}:server", f"{run_id} 0")
