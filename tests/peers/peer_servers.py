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
from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

from plan import PYTHON
from servers import ROOT, Exchange, Execution, RealServer, interpreter

ENVIRONMENTS = ROOT / ".environments"
NODE = ENVIRONMENTS / "node"
CRATES = ENVIRONMENTS / "cargo-peers" / "debug"

# A machine that is busy with other things starts nothing quickly.
START_SECONDS = 60.0

AnyServer: TypeAlias = "PythonServer | ForeignServer"


class PeerServers:
    """The servers that were used so far, so that none is loaded twice."""

    def __init__(self) -> None:
        self._servers: dict[str, AnyServer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()

    @asynccontextmanager
    async def use(self, name: str, *options: str) -> "AsyncGenerator[AnyServer]":
        """Run a server until the block ends, with nothing written down yet."""
        if name not in self._servers:
            is_python = name in PYTHON
            self._servers[name] = PythonServer(name) if is_python else ForeignServer(name)
        server = self._servers[name]
        server.forget()
        try:
            await server.start(*options)
            yield server
        finally:
            server.stop()


class PythonServer(RealServer):
    """A server of either Python package, which writes down what it sees."""

    def __init__(self, name: str) -> None:
        self._folder = TemporaryDirectory()
        super().__init__(name, Path(self._folder.name), ())
        self._forking = subprocess.Popen(
            [
                interpreter(name),
                *("-W", "ignore", Path(__file__).with_name("forking.py")),
                "fastmcp_server" if name.startswith("fastmcp") else "real_server",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self._is_up = False
        self.echo_argument = "text"

    def watch(self, http_client: Any) -> None:
        """Do nothing: what goes over the wire is seen at the other end."""

    async def start(self, *options: str) -> None:
        """Listen, with these options, or with those of the last time."""
        self.options = options or self.options
        files = ("--wire", str(self._wire), "--executions", str(self._executions))
        arguments = ["--port", str(self.port), *files, *self.options]
        self.port = int(await anyio.to_thread.run_sync(self._order, arguments))
        self._is_up = True

    def kill(self) -> None:
        """End it as a crash would: no session is closed, no client told."""
        assert self._is_up, "the server is down"
        self._is_up = False
        self._order(None)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._is_up:
            self.kill()

    def forget(self) -> None:
        """Make it as if it had never run."""
        self.options, self.port = (), 0
        for path in (self._wire, self._executions):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._forking.communicate()
        self._folder.cleanup()

    def _order(self, arguments: list[str] | None) -> str:
        assert self._forking.stdin is not None
        assert self._forking.stdout is not None
        self._forking.stdin.write(json.dumps(arguments) + "\n")
        self._forking.stdin.flush()
        return self._forking.stdout.readline()


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

    def watch(self, http_client: Any) -> None:
        """See what this client sends and gets, as its own event hooks do."""

        async def saw(response: Any) -> None:
            self._seen.append(exchange(response, 0 if self._running is None else self._running.pid))

        http_client.event_hooks["response"].append(saw)

    async def start(self, *_options: str) -> None:
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

    def stop(self) -> None:
        """End it, if it runs."""
        if self._running is not None:
            self.kill()

    def forget(self) -> None:
        """Make it as if it had never run."""
        self._seen.clear()

    def close(self) -> None:
        self.stop()


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
