"""Streams over loopback, through the middleware and through the proxy of the guide."""

from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import anyio
import pytest

from applications import application
from clients import connected
from in_process import BODY, body, start
from places import PLACES, behind
from serving import TIMEOUT, Exchange, message

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", PLACES),
    # By the version to come, which this SDK speaks too.
    pytest.mark.filterwarnings("ignore:The sampling capability is deprecated"),
]

REQUEST = message("/mcp", BODY, ("mcp-session-id", "1868a90c"))
HEAD = start(200, (b"content-type", b"text/event-stream"))


def serving_http(answer: Callable[..., Awaitable[None]]) -> Any:
    """Make an application of what answers a request."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            await answer(receive, send)

    return application


def test_an_event_is_on_the_wire_before_the_next_is_made(place: str) -> None:
    events = [b"data: %d\n\n" % number for number in range(5)]
    read = {event: Event() for event in events}

    async def answer(_receive: Any, send: Any) -> None:
        await send(HEAD)
        for event in events:
            await send(body(event, more=True))
            assert await anyio.to_thread.run_sync(read[event].wait, TIMEOUT)
        await send(body(b""))

    with behind(place, serving_http(answer)) as port, Exchange(port, REQUEST) as running:
        for event, was_read in read.items():
            response = running.read_until(lambda it, end=event: it.body.endswith(end))  # type: ignore[misc]
            assert response.body.endswith(event)
            was_read.set()

        assert running.read().body == b"".join(events)


@pytest.mark.parametrize("sent", [(), (b"data: 1\n\n",)])
def test_a_client_that_goes_away_ends_the_stream_in_the_application(
    place: str, sent: tuple[bytes]
) -> None:
    gone = Event()

    async def answer(receive: Any, send: Any) -> None:
        await send(HEAD)
        for event in sent:
            await send(body(event, more=True))
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    with behind(place, serving_http(answer)) as port:
        with Exchange(port, REQUEST) as running:
            running.read_until(lambda it: it.status == 200 and it.body == b"".join(sent))
        assert gone.wait(TIMEOUT)


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_breaks_off_does_not_become_a_whole_one(place: str, status: int) -> None:
    async def answer(_receive: Any, send: Any) -> None:
        await send(start(status))
        await send(body(b"unknown", more=True))
        raise ConnectionResetError

    with behind(place, serving_http(answer)) as port, Exchange(port, REQUEST) as running:
        response = running.read()

    if response.ended_early:
        assert response.body in {b"", b"unknown"}
    else:
        assert response.status == 502


@pytest.mark.parametrize("kind", ["stateful", "json", "sse"])
async def test_the_sdks_application_serves_its_client(place: str, kind: str) -> None:
    seen: list[float] = []

    async def note(progress: float, *_: Any) -> None:
        seen.append(progress)

    path = "/sse" if kind == "sse" else "/mcp"
    with behind(place, application(kind)) as port:
        async with connected(f"http://127.0.0.1:{port}{path}", sampling=kind != "json") as client:
            result = await client.call_tool("steps", {"count": 3}, progress_callback=note)
            assert result.content[0].text == "3 steps"
            if kind != "json":
                asked = await client.call_tool("ask", {"text": "this"})
                assert asked.content[0].text == "answer:heard this"

    assert seen == ([] if kind == "json" else [1, 2, 3])
