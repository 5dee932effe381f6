"""The servers of the table: those of `tests/clients`, fastmcp's, and those in other languages."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import anyio
import anyio.to_thread

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from servers import Exchange, Execution, RealServer, interpreter

ENVIRONMENTS = ROOT / ".environments"
NODE = ENVIRONMENTS / "node"
CRATES = ENVIRONMENTS / "cargo-peers" / "debug"

PYTHON = ("mcp1", "mcp2", "fastmcp2", "fastmcp4")
"""Servers that write down what they saw, and do on command whatever the situations need."""

FOREIGN = ("everything", "typescript", "typescript-one", "rmcp-new", "rmcp-old")
"""Servers in other languages, run as their users run them."""

MODERN = ("mcp2", "fastmcp4")
"""Servers that speak 2026-07-28 with a client that does."""

SERVERS = (*PYTHON, *FOREIGN)

# A machine that is busy with other things starts nothing quickly.
START_SECONDS = 60.0

AnyServer: TypeAlias = "PythonServer | ForeignServer"


@asynccontextmanager
async def run_server(name: str, *options: str) -> "AsyncGenerator[AnyServer]":
    """Run a server until the block ends."""
    with TemporaryDirectory() as folder:
        server = (
            PythonServer(name, Path(folder), options) if name in PYTHON else ForeignServer(name)
        )
        try:
            await server.start()
            yield server
        finally:
            server.close()


class PythonServer(RealServer):
    """A server of either Python package, which writes down what it sees."""

    def watch(self, http_client: Any) -> None:
        """Do nothing: what goes over the wire is seen at the other end."""

    def _load(self, options: tuple[str, ...]) -> "subprocess.Popen[str]":
        if not self.generation.startswith("fastmcp"):
            return super()._load(options)
        script = Path(__file__).with_name("fastmcp_server.py")
        files = ("--wire", self._wire, "--executions", self._executions)
        command = [interpreter(self.generation), "-W", "ignore", script, "--port", "stdin", *files]
        return subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )


class ForeignServer:
    """A server that is started with a port, and writes down nothing.

    What goes over the wire is seen by the event hooks of the client.
    """

    def __init__(self, name: str) -> None:
        self.generation = name
        self.port = free_port()
        self._seen: list[Exchange] = []
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def watch(self, http_client: Any) -> None:
        """See what this client sends and gets, as its own event hooks do."""

        async def saw(response: Any) -> None:
            self._seen.append(exchange(response, 0 if self._running is None else self._running.pid))

        http_client.event_hooks["response"].append(saw)

    async def start(self) -> None:
        environment = os.environ | {"PORT": str(self.port)}
        self._running = subprocess.Popen(
            command(self.generation, self.port),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        await anyio.to_thread.run_sync(wait_for, self.port, self._running)

    def kill(self) -> None:
        process, self._running = self._running, None
        assert process is not None, "the server is down"
        process.kill()
        process.communicate()

    async def restart(self) -> None:
        self.kill()
        await self.start()

    def wire(self) -> list[Exchange]:
        return list(self._seen)

    def executions(self, _tool: str | None = None) -> list[Execution] | None:
        """Nothing: it does not say what it ran."""
        return None

    def close(self) -> None:
        if self._running is not None:
            self.kill()


def command(name: str, port: int) -> list[str | Path]:
    match name:
        case "everything":
            package = NODE / "node_modules" / "@modelcontextprotocol" / "server-everything"
            return ["node", package / "dist" / "index.js", "streamableHttp"]
        case "typescript":
            return ["node", NODE / "server.js", str(port)]
        case "typescript-one":
            return ["node", NODE / "server.js", str(port), "--one-transport"]
        case _:
            return [CRATES / name, str(port)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    # A program of somebody else's tells nobody that it listens.
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{process.args!r} does not listen"
    raise RuntimeError(message)


def exchange(response: Any, pid: int) -> Exchange:
    """What a server would have written down, from a response of httpx or httpx2."""
    request, headers = response.request, response.request.headers
    try:
        message = json.loads(request.content)
    except ValueError:
        message = {}
    parameters = message.get("params") or {}
    return Exchange(
        method=request.method,
        path=request.url.path,
        session=headers.get("mcp-session-id"),
        version=headers.get("mcp-protocol-version"),
        last_event_id=headers.get("last-event-id"),
        cookie=headers.get("cookie"),
        authorization=headers.get("authorization"),
        message=message.get("method"),
        id=message.get("id"),
        is_reply="result" in message or "error" in message,
        tool=parameters.get("name"),
        status=response.status_code,
        given_session=response.headers.get("mcp-session-id"),
        pid=pid,
    )
