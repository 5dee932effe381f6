"""Over HTTP/2: a stream that we end is one that the connection has no more.

Needs `h2` and `hypercorn` beside the SDK; skipped, aloud, where they are not.
"""

import importlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from mcp_session.testing import free_port

import sdk
import threads
from callers import Caller

pytest.importorskip("h2", reason="h2 is not installed: HTTP/2 IS NOT TESTED")
hypercorn_config: Any = pytest.importorskip("hypercorn.config", reason="hypercorn is missing")

pytestmark = pytest.mark.anyio

SOON_SECONDS = 60.0
STREAMS = 10
RECOVERIES = 25


class Application:
    """A small MCP server, as an ASGI application, whose streams stay open."""

    def __init__(self, stays_open: tuple[str, ...] = ()) -> None:
        self.made = 0
        self.live: str | None = None
        self.stays_open = stays_open
        """Which answers have no end: those to an `initialize` that is not the first, refusals."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "it has no lifespan"
        headers = dict(scope["headers"])
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        session_id = headers.get(b"mcp-session-id", b"").decode()
        answer: tuple[int, list[tuple[bytes, bytes]], bytes]
        if scope["method"] == "GET" and session_id == self.live:
            await send(start(200, [(b"content-type", b"text/event-stream")]))
            await hold_open(send, b": hello\n\n")
        posted = json.loads(body) if body else {}
        if posted.get("method") == "initialize":
            self.made += 1
            self.live = f"session-{self.made}"
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
            answer = answered(posted, result, self.live)
            if "initialize" in self.stays_open and self.made > 1:
                identity = (b"mcp-session-id", self.live.encode())
                await send(start(200, [(b"content-type", b"text/event-stream"), identity]))
                await hold_open(send, b"data: " + answer[2] + b"\n\n")
        elif session_id != self.live:
            answer = 404, [], b"gone"
        elif "refusal" in self.stays_open:
            await send(start(500, []))
            await hold_open(send, b"x" * 300_000)
        elif "id" not in posted:
            answer = 202, [], b""
        else:
            answer = answered(posted, {"content": [{"type": "text", "text": session_id}]})
        status, response_headers, content = answer
        await send(start(status, response_headers))
        await send({"type": "http.response.body", "body": content})


async def hold_open(send: Any, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await anyio.sleep_forever()


def start(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def answered(
    message: Any, result: object, session_id: str | None = None
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [(b"content-type", b"application/json")]
    if session_id is not None:
        headers.append((b"mcp-session-id", session_id.encode()))
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    return 200, headers, body


@asynccontextmanager
async def served(application: Application) -> AsyncGenerator[str]:
    from sniffio import (  # noqa: PLC0415 # pyright: ignore[reportMissingImports]
        current_async_library,
    )

    port = free_port()
    config = hypercorn_config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = STREAMS
    config.graceful_timeout = 0.1
    stop = anyio.Event()
    serve: Any = importlib.import_module(f"hypercorn.{current_async_library()}").serve
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, application, config, shutdown_trigger=stop.wait))
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    break
            except OSError:
                await anyio.sleep(0.02)
        yield f"http://127.0.0.1:{port}/mcp"
        stop.set()


@pytest.mark.every_backend
async def test_more_recoveries_with_an_open_stream_than_a_connection_has_streams() -> None:
    application = Application()
    async with (
        served(application) as url,
        sdk.create_http_client(http1=False, http2=True, bound=1000) as http_client,
    ):
        caller = Caller(http_client, url)
        with anyio.fail_after(SOON_SECONDS):
            await caller.open()
            for number in range(1, RECOVERIES):
                begun, ended = anyio.Event(), anyio.Event()

                async def read(begun: anyio.Event, ended: anyio.Event) -> None:
                    async with caller.get() as response:
                        assert response.http_version == "HTTP/2"
                        begun.set()
                        await response.aread()
                    ended.set()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read, begun, ended)
                    await begun.wait()
                    application.live = None
                    assert await caller.current() == f"session-{number + 1}"
                    await ended.wait()


@pytest.mark.parametrize("threaded", [False, True])
async def test_more_answers_in_streams_left_open_than_a_connection_has_streams(
    *, threaded: bool
) -> None:
    application = Application(stays_open=("initialize",))
    create = threads.create_http_client if threaded else sdk.create_http_client
    async with (
        served(application) as url,
        create(http1=False, http2=True, bound=1000) as http_client,
    ):
        caller = Caller(http_client, url)
        with anyio.fail_after(SOON_SECONDS):
            await caller.open()
            for number in range(1, RECOVERIES):
                application.live = None
                assert await caller.current() == f"session-{number + 1}"


@pytest.mark.parametrize("threaded", [False, True])
async def test_more_refusals_left_open_than_a_connection_has_streams(*, threaded: bool) -> None:
    application = Application()
    create = threads.create_http_client if threaded else sdk.create_http_client
    async with (
        served(application) as url,
        create(http1=False, http2=True, status_shield=True) as http_client,
    ):
        caller = Caller(http_client, url)
        with anyio.fail_after(SOON_SECONDS):
            await caller.open()
            application.stays_open = ("refusal",)
            for _ in range(2 * STREAMS):
                assert "HTTP status 500" in (await caller.call())["error"]["message"]
            application.stays_open = ()
            assert await caller.current() == "session-1"
