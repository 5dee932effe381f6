"""An event store that several processes share, as a resumption may reach any of them: a file."""

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from mcp.server.streamable_http import EventMessage, EventStore
from mcp.types import JSONRPCMessage


class SharedEvents(EventStore):
    """Keeps everything, in SQLite."""

    def __init__(self) -> None:
        self._file = sqlite3.connect(os.environ["EVENTS"], isolation_level=None, timeout=10)
        self._file.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, s, m)")

    async def store_event(self, stream_id: str, message: Any) -> str:
        text = None if message is None else json.dumps(dumped(message))
        insert = "INSERT INTO events (s, m) VALUES (?, ?)"
        return str(self._file.execute(insert, (stream_id, text)).lastrowid)

    async def replay_events_after(
        self, last_event_id: str, send_callback: Callable[[Any], Any]
    ) -> str | None:
        found = self._file.execute("SELECT s FROM events WHERE id = ?", (last_event_id,)).fetchone()
        if found is None:
            return None
        later = "SELECT id, m FROM events WHERE s = ? AND id > ? AND m IS NOT NULL ORDER BY id"
        for number, text in self._file.execute(later, (found[0], last_event_id)).fetchall():
            await send_callback(EventMessage(loaded(json.loads(text)), str(number)))
        return str(found[0])


def dumped(message: Any) -> Any:
    return message.model_dump(mode="json", by_alias=True, exclude_none=True)


def loaded(value: Any) -> Any:
    # A class in one generation of the SDK, a union in the other.
    message: Any = JSONRPCMessage
    if hasattr(message, "model_validate"):
        return message.model_validate(value)
    from mcp.types import jsonrpc_message_adapter  # noqa: PLC0415 - of mcp 2.x

    return jsonrpc_message_adapter.validate_python(value)
