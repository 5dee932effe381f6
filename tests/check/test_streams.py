"""`check` finds the answer in a stream, whatever comes before it, and where it is resumed."""

from collections.abc import Mapping

import pytest
from faulty_server import FaultyServer
from mcp_session._check.results import Outcome, Result
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.subject import Options
from mcp_session.testing.scripted import Exchange, Script, scripted_server

pytestmark = pytest.mark.anyio


class Streaming(FaultyServer):
    """Answers what is asked well by a stream; `times` GETs are answered before the answer is."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.owed: dict[str, tuple[object, int]] = {}

    async def answer(
        self,
        exchange: Exchange,
        result: object,
        headers: Mapping[str, str] | None = None,
        *,
        request_id: object = ...,
    ) -> None:
        if exchange.request.header("mcp-protocol-version") == "2026-07-28":
            # It has no streams to resume.
            await super().answer(exchange, result, headers)
            return
        if request_id is ...:
            request_id = exchange.request.message["id"]
        answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
        await exchange.begin_events(headers)
        if self.times == 0:
            asked = {"jsonrpc": "2.0", "id": request_id, "method": "ping"}
            await exchange.send_event(None, f"{request_id}")
            await exchange.send_event(asked)
            await exchange.send_event(answer)
        else:
            event_id = f"owed-{len(self.owed)}"
            self.owed[event_id] = answer, self.times
            await exchange.send(f"id: {event_id}\nretry: 1\ndata:\n\n".encode())
        await exchange.finish()

    async def stream(self, exchange: Exchange, session: str) -> None:
        event_id = exchange.request.header("last-event-id") or ""
        if event_id not in self.owed:
            await super().stream(exchange, session)
            return
        answer, times = self.owed[event_id]
        self.owed[event_id] = answer, times - 1
        await exchange.begin_events()
        if times == 1:
            await exchange.send_event(answer)
        await exchange.finish()


async def checked(script: Script) -> list[Result]:
    async with scripted_server(script) as server:
        return await check_server(Asked(server.url, (), Options(), 60.0, 1000))


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_server_that_streams_is_judged_as_one_that_answers_by_json(times: int) -> None:
    by_json = await checked(FaultyServer())

    by_stream = await checked(Streaming(times))

    found = [{it.entry.id: (it.outcome, it.reason) for it in of} for of in (by_json, by_stream)]
    assert found[1] == found[0]


async def test_a_stream_that_is_resumed_in_vain_is_asked_for_a_few_times_and_is_no_answer() -> None:
    server = Streaming(1000)

    results = await checked(server)

    found = {it.entry.id: it.outcome for it in results}
    assert found["session-serves"] is Outcome.FAIL
    assert max(1000 - times for _, times in server.owed.values()) == 5
