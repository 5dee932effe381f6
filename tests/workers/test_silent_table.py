"""A Redis that answers nobody for a while: what is owned is served, the rest is to come again."""

from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import MemorySessions, RedisSessions
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


class WithLifespan(Application):
    """Is told when its process begins and ends."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})


class StuckSessions(MemorySessions):
    """A table of one's own that does not answer for a while."""

    is_stuck = True

    async def hashing_key(self) -> bytes:
        await self._answer()
        return await super().hashing_key()

    async def aclose(self) -> None:
        await self._answer()
        await super().aclose()

    async def _answer(self) -> None:
        while self.is_stuck:  # noqa: ASYNC110 - whoever sets it is in the test
            await anyio.sleep(0.05)


async def test_a_table_that_never_says_its_key_is_not_waited_for() -> None:
    table = StuckSessions()
    around = SessionMiddleware(Application(), sessions=table)
    with anyio.fail_after(TIMEOUT):
        status, headers = await asked(around, body=OPENING)
        assert (status, headers[b"retry-after"]) == (503, b"1")
        table.is_stuck = False
        assert (await asked(around, body=OPENING))[0] == 200


async def test_a_process_ends_though_its_table_does_not_close() -> None:
    table = StuckSessions()
    table.is_stuck = False
    around = SessionMiddleware(WithLifespan(), sessions=table)
    assert (await asked(around, body=OPENING))[0] == 200

    table.is_stuck = True
    told = ["lifespan.startup", "lifespan.shutdown"]
    completed: list[str] = []

    async def receive() -> Any:
        return {"type": told.pop(0)}

    async def send(message: Any) -> None:
        completed.append(message["type"])

    with anyio.fail_after(TIMEOUT):
        await around({"type": "lifespan"}, receive, send)
    assert completed == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
