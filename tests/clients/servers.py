"""Starts, kills and restarts real servers, and reads what they wrote down."""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

ROOT = Path(__file__).resolve().parents[2]
GENERATIONS = ("mcp1", "mcp2")


def interpreter(generation: str) -> Path:
    """The interpreter of the environment that has this generation of the SDK."""
    override = os.environ.get(f"MCP_SESSION_PYTHON_{generation.upper()}")
    return Path(override or ROOT / ".environments" / generation / "bin" / "python")


@asynccontextmanager
async def real_server(generation: str, *options: str) -> "AsyncGenerator[RealServer]":
    """Run a real server, with these options of `real_server.py`, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        server = RealServer(generation, Path(folder), options)
        try:
            await server.start()
            yield server
        finally:
            server.close()


class Servers:
    """Real servers that outlive one test, so that the next need not wait for another."""

    def __init__(self, limit: int = 3) -> None:
        self._limit = limit
        self._folder = tempfile.TemporaryDirectory()
        self._free: list[RealServer] = []
        self._made = 0

    @asynccontextmanager
    async def use(self, generation: str, *options: str) -> "AsyncGenerator[RealServer]":
        """Run a server as `real_server` does, with nothing written down yet."""
        server = self._take(generation, options)
        try:
            await server.start()
            yield server
        finally:
            server.give_back()
            self._free.append(server)
            if len(self._free) > self._limit:
                self._free.pop(0).close()

    def close(self) -> None:
        for server in self._free:
            server.close()
        self._folder.cleanup()

    def _take(self, generation: str, options: tuple[str, ...]) -> "RealServer":
        for server in self._free:
            if (server.generation, server.options) == (generation, options):
                self._free.remove(server)
                return server
        self._made += 1
        folder = Path(self._folder.name, str(self._made))
        folder.mkdir()
        return RealServer(generation, folder, options)


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

    What it wrote down outlives its processes. The next process is loaded while the present one
    runs, so that a restart takes milliseconds.
    """

    def __init__(self, generation: str, folder: Path, options: tuple[str, ...]) -> None:
        self.generation = generation
        self.options = options
        self.port = 0
        self._wire = folder / "wire.jsonl"
        self._executions = folder / "executions.jsonl"
        self._is_usual = True
        self._running: subprocess.Popen[str] | None = None
        self._loaded: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def pid(self) -> int:
        assert self._running is not None, "the server is down"
        return self._running.pid

    async def start(self, *options: str) -> None:
        """Listen; with other options than usual if any are given."""
        if self._running is not None:
            return
        changed = options not in {(), self.options}
        if changed:
            process = self._load(options)
        else:
            process, self._loaded = self._loaded or self._load(self.options), None
        self._running, self._is_usual = process, not changed
        self.port = await anyio.to_thread.run_sync(listen, process, self.port)
        self._loaded = self._loaded or self._load(self.options)

    def kill(self) -> None:
        """End it as a crash would: no session is closed, no client told."""
        process, self._running = self._running, None
        assert process is not None, "the server is down"
        end(process)

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

    def give_back(self) -> None:
        """Make it fit for the next test."""
        if self._running is not None and not self._is_usual:
            self.kill()
        for path in (self._wire, self._executions):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._running is not None:
            self.kill()
        process, self._loaded = self._loaded, None
        if process is not None:
            end(process)

    def _load(self, options: tuple[str, ...]) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("real_server.py")
        files = ("--wire", self._wire, "--executions", self._executions)
        python = interpreter(self.generation)
        command = [python, "-W", "ignore", script, "--port", "stdin", *files, *options]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )


def listen(process: subprocess.Popen[str], port: int) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{port}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


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
