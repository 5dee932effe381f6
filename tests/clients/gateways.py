"""Serves gateways in the test's own process or by the command, and connects clients to them."""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from mcp_session.gateway import Gateway

import sdk
from callers import Caller, call_of
from servers import interpreter

LIMIT = 50.0


class Served:
    """Where a gateway is."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"


@contextmanager
def gateway(*upstreams: str, **options: Any) -> Generator[Served]:
    """A gateway that uvicorn serves, in a thread of its own."""
    with serving(Gateway(upstreams, **options)) as port:
        yield Served(f"http://127.0.0.1:{port}")


@contextmanager
def serving(application: Any, **options: Any) -> Generator[int]:
    """Serve an application by uvicorn, in a thread of its own; give the port."""
    own: dict[str, Any] = {
        "port": 0,
        "log_config": None,
        "timeout_graceful_shutdown": 5,
        "proxy_headers": False,
    }
    config = uvicorn.Config(application, **own, **options)
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        (listener,) = server.servers[0].sockets
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        loop.close()


@asynccontextmanager
async def plain(served: Any, *, kind: str = sdk.SESSION) -> AsyncGenerator[sdk.Connected]:
    """The SDK's own client, before a gateway."""
    with served as at:
        async with sdk.connect(kind, at.url, sdk.create_plain_http_client) as client:
            yield client


@asynccontextmanager
async def http_client() -> AsyncGenerator[Any]:
    """A plain HTTP client, with as many connections as are asked for."""
    limits = sdk.http.Limits(max_connections=None)
    async with sdk.http.AsyncClient(timeout=LIMIT, limits=limits) as client:
        yield client


async def echo(caller: Caller, text: str) -> str:
    """Call the tool that says what it is told."""
    arguments = {"name": "echo", "arguments": {"text": text}}
    answer = await caller.post(call_of(next(caller.ids)) | {"params": arguments})
    assert answer.status_code == 200, (answer.status_code, answer.text)
    data = answer.text.rpartition("data: ")[2] if "data: " in answer.text else answer.text
    return str(json.loads(data)["result"]["content"][0]["text"])


COMMAND = (str(interpreter(sdk.GENERATION)), "-m", "mcp_session", "gateway")


class Commanded(Served):
    """A gateway that the command serves, and the lines that it logs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        self.process = process
        self.lines = [process.stderr.readline()]
        super().__init__(json.loads(self.lines[0])["at"])
        self._reader = threading.Thread(target=self.lines.extend, args=(process.stderr,))
        self._reader.start()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()


@contextmanager
def command(*arguments: str, **variables: str) -> Generator[Commanded]:
    """A gateway that the command serves, with these variables in its environment."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--port", "0"],
        stderr=subprocess.PIPE,
        env=os.environ | environment() | variables,
        encoding="utf-8",
    )
    with process:
        at = Commanded(process)
        try:
            yield at
        finally:
            at.end()


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
