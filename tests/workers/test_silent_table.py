"""A Redis that answers nobody for a while: what is owned is served, the rest is to come again."""

from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import RedisSessions
from test_admission import CALL, EVENTS, OPENING, Application

from places import TIMEOUT, redis

pytestmark = pytest.mark.anyio


async def asked(around: Any, *headers: tuple[bytes, bytes], body: bytes) -> tuple[int, Any]:
    sent: list[Any] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not given:
            await anyio.sleep_forever()
        return given.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b""}
    await around({**scope, "headers": [EVENTS, *headers]}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


async def test_the_owner_serves_on_and_others_say_when_to_come_again() -> None:
    with redis() as table:
        # With the timeouts that a table has by default.
        owner, other = (
            SessionMiddleware(Application(), sessions=RedisSessions(table.url)) for _ in range(2)
        )
        _, opened = await asked(owner, body=OPENING)
        attached = (b"mcp-session-id", opened[b"mcp-session-id"])
        await asked(owner, attached, body=b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        assert (await asked(other, attached, body=CALL))[0] == 200

        with table.silent():
            # Longer than a lease lasts; it is known to be over then, and nobody can take it.
            for _ in range(3):
                assert (await asked(owner, attached, body=CALL))[0] == 200
                status, headers = await asked(other, attached, body=CALL)
                assert (status, headers[b"retry-after"]) == (503, b"1")
                assert (await asked(other, body=OPENING))[0] == 503

        # Whoever has it then, nobody is told that it is over.
        with anyio.fail_after(TIMEOUT):
            for around in (other, owner):
                while (status := (await asked(around, attached, body=CALL))[0]) != 200:
                    assert status in {502, 503}
                    await anyio.sleep(0.05)
