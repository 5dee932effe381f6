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
from mcp_session.testing import free_port
from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

from plan import FOREIGN
from servers import ROOT, Exchange, Execution, RealServer, interpreter

ENVIRONMENTS = ROOT / ".environments"
NODE = ENVIRONMENTS / "node"
CRATES = ENVIRONMENTS / "cargo-peers" / "debug"

# A machine that is busy with other things starts nothing quickly.
START_SECONDS = 60.0

AnyServer: TypeAlias = "PythonServer | ForeignServer"


class PeerServers:
    """Starts the servers, each Python package's from a process that has it loaded."""

    def __init__(self) -> None:
        self._forks: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._forks.values():
            process.kill()
            process.communicate()

    @asynccontextmanager
    async def use(self, name: str, *options: str) -> "AsyncGenerator[AnyServer]":
        """Run a server until the block ends."""
        with TemporaryDirectory() as folder:
            server = self._make(name, Path(folder), options)
            try:
                await server.start()
                yield server
            finally:
                if server.is_up:
                    server.kill()

    def _make(self, name: str, folder: Path, options: tuple[str, ...]) -> AnyServer:
        if name in FOREIGN:
            return ForeignServer(name)
        if name not in self._forks:
            self._forks[name] = load(name)
        return PythonServer(self._forks[name], folder, options)


class PythonServer(RealServer):
    """A server of either Python package, which writes down what it sees."""

    echo_argument = "text"

    def watch(self, http_client: Any) -> None:
        """Do nothing: what goes over the wire is seen at the other end."""


class ForeignServer:
    """A server that is started with a port, and writes down nothing.

    What goes over the wire is seen by the event hooks of the client.
    """

    def __init__(self, name: str) -> None:
        self.generation = name
        self.port = free_port()
        self.echo_argument = "message" if name == "everything" else "text"
        self._seen: list[Exchange] = []
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def is_up(self) -> bool:
        return self._running is not None

    def watch(self, http_client: Any) -> None:
        """See what this client sends and gets, as its own event hooks do."""

        async def saw(response: Any) -> None:
            self._seen.append(exchange(response, 0 if self._running is None else self._running.pid))

        http_client.event_hooks["response"].append(saw)

    async def start(self) -> None:
        self._running = begin(self.generation, self.port)
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


def load(name: str) -> "subprocess.Popen[str]":
    is_fastmcp = name.startswith("fastmcp")
    script = "peers/fastmcp_server.py" if is_fastmcp else "clients/real_server.py"
    command = [str(interpreter(name)), "-W", "ignore", str(ROOT / "tests" / script), "--fork"]
    pipe, silent = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, encoding="utf-8")


def begin(name: str, port: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command(name, port),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PORT": str(port)},
    )


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
        message: dict[str, Any] = json.loads(request.content)
    except ValueError:
        message = {}
    parameters: dict[str, Any] = message.get("params") or {}
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
