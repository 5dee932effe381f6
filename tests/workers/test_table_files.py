"""The file of the table is deleted while processes use it: no session that lives is unknown."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import SqliteSessions
from test_session_request import Application, ask, message, opened

pytestmark = pytest.mark.anyio

CALL = message("tools/call", 7)


@asynccontextmanager
async def serving(file: Path) -> AsyncGenerator[Any]:
    """A process's middleware, from the beginning of its lifespan to the end."""
    begins, ends = anyio.Event(), anyio.Event()
    served = Application()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await served(scope, receive, send)
            return
        await receive()
        begins.set()
        await receive()

    async def receive() -> Any:
        if not begins.is_set():
            return {"type": "lifespan.startup"}
        await ends.wait()
        return {"type": "lifespan.shutdown"}

    middleware: Any = SessionMiddleware(
        application, sessions=SqliteSessions(file), drain_timeout=1.0
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(middleware, {"type": "lifespan"}, receive, None)
        await begins.wait()
        yield middleware
        ends.set()


def delete(folder: Path) -> None:
    for part in folder.glob("sessions.db*"):
        part.unlink()


async def test_of_a_file_that_is_deleted_under_two_processes_no_session_becomes_unknown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sessions.db"
    async with serving(file) as owner, serving(file) as other:
        session_id = await opened(owner)
        assert (await ask(other, "POST", CALL, session_id="unknown")).status == 404
        assert (await ask(other, "POST", CALL, session_id=session_id)).status == 200

        delete(tmp_path)
        answered = [(await ask(other, "POST", CALL, session_id=session_id)).status]
        with anyio.fail_after(60):
            while answered[-1] != 200:
                await anyio.sleep(0.01)
                answered.append((await ask(other, "POST", CALL, session_id=session_id)).status)

    assert set(answered) <= {200, 503}
