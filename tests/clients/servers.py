"""Starts, kills and restarts real servers, and reads what they wrote down."""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from mcp_session.testing import free_port

ROOT = Path(__file__).resolve().parents[2]
GENERATIONS = ("mcp1", "mcp2")


def interpreter(generation: str) -> Path:
    """The interpreter of the environment that has this generation of the SDK."""
    override = os.environ.get(f"MCP_SESSION_PYTHON_{generation.upper()}")
    return Path(override or ROOT / ".environments" / generation / "bin" / "python")


@asynccontextmanager
async def real_server(generation: str, *options: str) -> "AsyncGenerator[RealServer]":
    """Run a real server, with these options of `real_server.py`, until the block ends."""
    servers = Servers()
    try:
        async with servers.use(generation, *options) as server:
            yield server
    finally:
        servers.close()


class Servers:
    """Starts real servers, each in a process of its own that has everything loaded."""

    def __init__(self) -> None:
        self._forks: dict[str, subprocess.Popen[str]] = {}

    @asynccontextmanager
    async def use(self, generation: str, *options: str) -> "AsyncGenerator[RealServer]":
        """Run a server as `real_server` does; when something fails, print what it saw."""
        if generation not in self._forks:
            self._forks[generation] = load(generation)
        with tempfile.TemporaryDirectory() as folder:
            server = RealServer(self._forks[generation], Path(folder), options)
            try:
                await server.start()
                yield server
            except BaseException:
                print(*server.wire(), sep="\n")
                raise
            finally:
                if server.is_up:
                    server.kill()

    def close(self) -> None:
        for process in self._forks.values():
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Exchange:
    """What a server saw of a request, and how it answered."""

    method: str
    path: str
    session: str | None
    version: str | None
    last_event_id: str | None
    cookie: str | None
    authorization: str | None
    message: str | None
    id: str | int | None
    is_reply: bool
    tool: str | None
    status: int
    given_session: str | None
    pid: int


@dataclass(frozen=True)
class Execution:
    """One run of a tool."""

    tool: str
    argument: str
    pid: int


class RealServer:
    """A real server that is killed and comes back on the same port.

    What it wrote down outlives its processes.
    """

    def __init__(self, fork: subprocess.Popen[str], folder: Path, options: tuple[str, ...]) -> None:
        self.port = free_port()
        self.pid = 0
        self.is_up = False
        self._fork = fork
        self._options = options
        self._wire = folder / "wire.jsonl"
        self._executions = folder / "executions.jsonl"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def start(self, *options: str) -> None:
        """Listen; with other options than at first, if any are given."""
        assert not self.is_up
        files = ("--wire", str(self._wire), "--executions", str(self._executions))
        arguments = ["--port", str(self.port), *files, *(options or self._options)]
        answer = await anyio.to_thread.run_sync(order, self._fork, {"start": arguments})
        self.port, self.pid = map(int, answer.split())
        self.is_up = True

    def kill(self) -> None:
        """End it as a crash would: no session is closed, no client told."""
        assert self.is_up
        order(self._fork, {"kill": self.pid})
        self.is_up = False

    async def restart(self, *options: str) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        await self.start(*options)

    async def end_sessions(self) -> None:
        """DELETE each session behind the back of its client."""
        ids = {seen.given_session for seen in self.wire() if seen.given_session}
        for session_id in ids:
            await anyio.to_thread.run_sync(delete, self.url, session_id)

    def wire(self) -> list[Exchange]:
        """The exchanges whose response was begun, in that order."""
        return [Exchange(**line) for line in lines(self._wire)]

    def executions(self, tool: str | None = None) -> list[Execution]:
        """The runs of tools, in the order in which they began."""
        every = [Execution(**line) for line in lines(self._executions)]
        return [execution for execution in every if tool in {None, execution.tool}]

    async def until(self, seen: Callable[["RealServer"], object]) -> None:
        """Wait until what was written down is as `seen` wants it."""
        # Files of another process tell no one that they grew.
        while not seen(self):  # noqa: ASYNC110
            await anyio.sleep(0.01)


def load(generation: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("real_server.py")
    command = [str(interpreter(generation)), "-W", "ignore", str(script), "--fork"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8")


def order(fork: subprocess.Popen[str], what: Mapping[str, object]) -> str:
    """Give an order and return the answer, which comes when it is done."""
    assert fork.stdin is not None
    assert fork.stdout is not None
    fork.stdin.write(json.dumps(what) + "\n")
    fork.stdin.flush()
    answer = fork.stdout.readline()
    assert answer, "the server could not be started"
    return answer


def delete(url: str, session_id: str) -> None:
    headers = {
        "Mcp-Session-Id": session_id,
        "Accept": "application/json, text/event-stream",
        "X-Behind-The-Clients-Back": "1",
    }
    request = urllib.request.Request(url, method="DELETE", headers=headers)  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        assert error.code == 404, error


def lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
