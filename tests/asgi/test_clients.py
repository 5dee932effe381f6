"""The SDKs' own clients, through the middleware around the SDKs' own applications."""

from threading import Event
from typing import Any

import anyio
import pytest
from mcp import types
from mcp_session import Rule
from mcp_session.asgi import SessionMiddleware

from applications import SDK, application, framework, server
from clients import Events, connected
from documentation import framework_rows, proxy
from serving import TIMEOUT, serving
from upstreams import MISBEHAVING, Upstream

pytestmark = [
    pytest.mark.anyio,
    # By the version to come, which this SDK speaks too.
    pytest.mark.filterwarnings("ignore:The sampling capability is deprecated"),
]

PATHS = {"stateful": "/mcp", "json": "/mcp", "stateless": "/mcp", "sse": "/sse"}


@pytest.mark.parametrize("kind", PATHS)
async def test_tools_are_listed_and_called(kind: str) -> None:
    with serving(application(kind, middleware=SessionMiddleware)) as port:
        async with connected(f"http://127.0.0.1:{port}{PATHS[kind]}") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            answers = [text(await client.call_tool("echo", {"x": str(i)})) for i in range(5)]

    assert {"echo", "slow"} <= tools
    assert answers == [f"echo:{i}" for i in range(5)]


@pytest.mark.parametrize("kind", ["stateful", "sse"])
async def test_progress_comes_in_order(kind: str) -> None:
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total == 5
        assert message == f"step {int(progress)}"
        seen.append(progress)

    with serving(application(kind, middleware=SessionMiddleware)) as port:
        async with connected(f"http://127.0.0.1:{port}{PATHS[kind]}") as client:
            result = await client.call_tool("steps", {"count": 5}, progress_callback=note)

    assert text(result) == "5 steps"
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["stateful", "sse"])
async def test_a_tool_samples_the_client(kind: str) -> None:
    with serving(application(kind, middleware=SessionMiddleware)) as port:
        async with connected(f"http://127.0.0.1:{port}{PATHS[kind]}", sampling=True) as client:
            result = await client.call_tool("ask", {"text": "this"})

    assert text(result) == "answer:heard this"


async def test_a_stream_that_is_closed_is_resumed_from_the_event_store() -> None:
    events = Events()
    app = application("stateful", event_store=events, middleware=SessionMiddleware)
    with serving(app) as port:
        async with connected(f"http://127.0.0.1:{port}/mcp") as client:
            result = await client.call_tool("interrupted", {"text": "it"})

    assert text(result) == "resumed:it"
    assert events.replays == 1


@pytest.mark.parametrize("kind", ["stateful", "sse"])
async def test_a_call_that_the_client_cancels_is_cancelled_in_the_server(kind: str) -> None:
    started, cancelled = Event(), Event()
    app = application(kind, started=started, cancelled=cancelled, middleware=SessionMiddleware)
    with serving(app) as port:
        async with connected(f"http://127.0.0.1:{port}{PATHS[kind]}") as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "slow", {"x": "y", "secs": 600.0})
                assert await anyio.to_thread.run_sync(started.wait, TIMEOUT)
                await cancel_last_request(client)
                tasks.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(cancelled.wait, TIMEOUT)
            again = await client.call_tool("echo", {"x": "after"})

    assert text(again) == "echo:after"


@pytest.mark.skipif(SDK != "fastmcp4", reason="fastmcp has a client of its own")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_client_of_fastmcp_is_served(mode: Any) -> None:
    seen: list[float] = []

    async def note(progress: float, *_: Any) -> None:
        seen.append(progress)

    with serving(application("stateful", middleware=SessionMiddleware)) as port:
        async with framework.Client(f"http://127.0.0.1:{port}/mcp", mode=mode) as client:
            assert text(await client.call_tool("echo", {"x": "y"})) == "echo:y"
            await client.call_tool("steps", {"count": 3}, progress_handler=note)

    assert seen == [1, 2, 3]


@pytest.mark.parametrize("place", ["middleware", "proxy"])
@pytest.mark.parametrize("name", [name for name in MISBEHAVING if not name.endswith("sse")])
async def test_a_client_that_knows_no_quirks_recovers_from_every_upstream(
    name: str, place: str
) -> None:
    adapter = pytest.importorskip(
        "mcp_session.httpx" if SDK == "mcp1" else "mcp_session.httpx2", exc_type=ImportError
    )
    upstream = Upstream(name)
    if place == "proxy":
        pytest.importorskip("httpx2")
        with serving(upstream) as port, serving(proxy(f"http://127.0.0.1:{port}")) as outer:
            await assert_recovers(adapter, upstream, outer)
    else:
        with serving(SessionMiddleware(upstream)) as port:
            await assert_recovers(adapter, upstream, port)


async def assert_recovers(adapter: Any, upstream: Upstream, port: int) -> None:
    client = adapter.AsyncClient(quirks=False, timeout=30)
    async with connected(f"http://127.0.0.1:{port}/mcp", http_client=client) as session:
        await session.list_tools()
        upstream.forget()
        assert (await session.list_tools()).tools == []
        assert upstream.opened == 2
        assert (await session.list_tools()).tools == []

    assert upstream.opened == 2


async def test_each_line_that_the_documentation_shows_serves_this_framework() -> None:
    from starlette.middleware import Middleware  # noqa: PLC0415 - comes with each of them

    framework = {"mcp1": "mcp 1.x", "mcp2": "mcp 2.x", "fastmcp4": "fastmcp 4.x"}[SDK]
    rows = [row for row in framework_rows("docs/servers.md") if row[0] == framework]
    assert len(rows) == 2
    for _, transport, expression in rows:
        names = {"SessionMiddleware": SessionMiddleware, "Middleware": Middleware}
        app = eval(expression, names | {"server": server()})  # noqa: S307 - it is our own
        with serving(app) as port:
            url = f"http://127.0.0.1:{port}/{'sse' if 'SSE' in transport else 'mcp'}"
            async with connected(url) as client:
                assert text(await client.call_tool("echo", {"x": "y"})) == "echo:y"


async def test_nothing_of_a_healthy_session_is_corrected() -> None:
    made: list[SessionMiddleware] = []

    def middleware(app: Any) -> SessionMiddleware:
        made.append(SessionMiddleware(app))
        return made[-1]

    with serving(application("stateful", middleware=middleware)) as port:
        async with connected(f"http://127.0.0.1:{port}/mcp") as client:
            await client.call_tool("echo", {"x": "y"})

    (only,) = made
    assert set(only.counts) == {Rule.NOTHING_TO_CORRECT}


def text(result: Any) -> str:
    return str(result.content[0].text)


async def cancel_last_request(client: Any) -> None:
    # The SDKs' clients count from 0, and say nowhere what they have come to.
    last = client._request_id - 1 if hasattr(client, "_request_id") else 1  # noqa: SLF001
    message = {"method": "notifications/cancelled", "params": {"requestId": last}}
    cancelled: Any = types.ClientNotification if SDK == "mcp1" else types.CancelledNotification
    await client.send_notification(cancelled.model_validate(message))
