"""Real processes that serve: the workers of one uvicorn, or replicas behind a balancer."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

TIMEOUT = 60
HERE = Path(__file__).parent


@dataclass
class Place:
    """Where an application is served by several processes, and what they noted."""

    port: int
    notes: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(
        default_factory=list["subprocess.Popen[bytes]"]
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def noted(self, name: str) -> list[str]:
        path = self.notes / name
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def workers(self) -> list[int]:
        """The processes that serve: the children of the one that was started."""
        (supervisor,) = self.processes
        children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children")
        found = []
        for child in children.read_text(encoding="ascii").split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"resource_tracker" not in command:
                found.append(int(child))
        return found


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="w"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def start(port: int, environment: dict[str, str], *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "uvicorn", "served:create", "--factory"]
    command += ["--port", str(port), "--log-level", "warning", "--no-access-log", *options]
    quiet = None if os.environ.get("LOUD") else subprocess.DEVNULL
    return subprocess.Popen(command, cwd=HERE, env=environment, stdout=quiet, stderr=quiet)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@asynccontextmanager
async def workers(table: str, *, count: int = 4, **settings: str) -> AsyncGenerator[Place]:
    """One uvicorn with so many workers, which share a table ("sqlite", or a URL; "" for none)."""
    with folder() as notes:
        place = Place(free_port(), notes, environment(table, notes, settings))
        options = ("--workers", str(count), "--timeout-graceful-shutdown", "5")
        place.processes = [start(place.port, place.environment, *options)]
        try:
            await all_serve(place.port)
            yield place
        finally:
            end(place.processes[0])


@asynccontextmanager
async def replicas(table: str, *, count: int, **settings: str) -> AsyncGenerator[Place]:
    """So many processes with a port each, behind a balancer that takes them in turns."""
    with folder() as notes:
        place = Place(0, notes, environment(table, notes, settings))
        ports = [free_port() for _ in range(count)]
        place.processes = [start_replica(place, port) for port in ports]
        try:
            async with balancer(ports) as place.port:
                for port in ports:
                    await all_serve(port)
                yield place
        finally:
            for process in place.processes:
                end(process)


def start_replica(place: Place, port: int) -> "subprocess.Popen[bytes]":
    url = {"PEER_URL": f"http://127.0.0.1:{port}"}
    # As on another host: another folder for sockets is another host's.
    own = place.notes / f"tmp{port}"
    own.mkdir(exist_ok=True)
    elsewhere = {"TMPDIR": str(own)} if "APART" in place.environment else {}
    options = ("--timeout-graceful-shutdown", "5")
    return start(port, place.environment | url | elsewhere, *options)


def environment(table: str, notes: Path, settings: dict[str, str]) -> dict[str, str]:
    made = {**os.environ, "NOTES": str(notes), **settings}
    if table:
        made["TABLE"] = str(notes / "sessions.db") if table == "sqlite" else table
    return made


async def all_serve(port: int) -> None:
    """Wait until it listens, and has answered."""
    with anyio.fail_after(TIMEOUT):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                request = b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
                writer.write(request)
                answered = await reader.read()
                writer.close()
                if answered:
                    return
            except OSError:
                pass
            await anyio.sleep(0.05)


@asynccontextmanager
async def balancer(ports: list[int]) -> AsyncGenerator[int]:
    """Give each connection to the next that takes it."""
    turns: Iterator[int] = iter(())
    connections: set[asyncio.Task[None]] = set()

    def next_port() -> int:
        nonlocal turns
        port = next(turns, None)
        if port is None:
            turns = iter(ports)
            port = next(turns)
        return port

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        begun = time.monotonic()
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", next_port())
            except OSError:
                if time.monotonic() - begun > TIMEOUT:
                    raise
                await asyncio.sleep(0.01)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            inner_reader, inner_writer = await connect()
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
