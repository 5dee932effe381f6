"""Real processes that serve: the workers of one uvicorn, or replicas behind a balancer."""

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from mcp_session.testing import free_port

sys.path.append(str(Path(__file__).parents[1]))

from redis_program import program

TIMEOUT = 60
HERE = Path(__file__).parent


@dataclass
class Place:
    """Where an application is served by several processes, and what they noted."""

    port: int
    notes: Path
    environment: dict[str, str]
    # How many processes serve, if they are workers of one.
    count: int = 0
    ports: list[int] = field(default_factory=list[int])
    processes: list[subprocess.Popen[bytes]] = field(
        default_factory=list["subprocess.Popen[bytes]"]
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def noted(self, name: str) -> list[str]:
        path = self.notes / name
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def has_noted(self, name: str, line: str) -> bool:
        return line in self.noted(name)

    def workers(self) -> list[int]:
        """The processes that serve: the children of the one that was started."""
        (supervisor,) = self.processes
        children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children")
        found = []
        for child in children.read_text(encoding="ascii").split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            # Of one that is dead, and that nobody has waited for, there is none.
            if command and b"resource_tracker" not in command:
                found.append(int(child))
        return found


@contextmanager
def folder() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="w"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def start(
    port: int, environment: dict[str, str], *options: str, server: str = "uvicorn"
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", server, *SERVERS[server](port), *options]
    quiet = None if os.environ.get("LOUD") else subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=HERE, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )


def of_uvicorn(port: int) -> list[str]:
    command = ["served:create", "--factory", "--port", str(port), "--log-level", "warning"]
    return [*command, "--no-access-log", "--timeout-graceful-shutdown", "5"]


def of_gunicorn(port: int) -> list[str]:
    command = ["served:create()", "-k", "uvicorn_worker.UvicornWorker", "-b", f"127.0.0.1:{port}"]
    return [*command, "--graceful-timeout", "5", "--timeout", str(TIMEOUT)]


def of_hypercorn(port: int) -> list[str]:
    return ["served:create()", "-b", f"127.0.0.1:{port}", "--graceful-timeout", "5"]


SERVERS = {"uvicorn": of_uvicorn, "gunicorn": of_gunicorn, "hypercorn": of_hypercorn}


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # The workers of one that had to be killed serve on.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def workers(
    table: str, *, count: int = 4, server: str = "uvicorn", **settings: str
) -> Generator[Place]:
    """One server with so many workers, which share a table ("sqlite", or a URL; "" for none)."""
    with folder() as notes:
        place = Place(free_port(), notes, environment(table, notes, settings), count)
        options = ["--workers", str(count)]
        if server == "uvicorn":
            # It gives up on a worker that is slow to start.
            options += ["--timeout-worker-healthcheck", str(TIMEOUT)]
        place.processes = [start(place.port, place.environment, *options, server=server)]
        try:
            wait_until_it_serves(place.port)
            if server == "uvicorn" and count > 1:
                # On a busy machine the others are starting yet, and slow the first requests.
                all_serve(place)
            yield place
        finally:
            end(place.processes[0])


@contextmanager
def replicas(table: str, *, count: int, **settings: str) -> Generator[Place]:
    """So many processes with a port each, behind a balancer that takes them in turns."""
    with folder() as notes:
        place = Place(0, notes, environment(table, notes, settings))
        place.ports = [free_port() for _ in range(count)]
        place.processes = [start_replica(place, port) for port in place.ports]
        try:
            with balancer(place.ports) as place.port:
                for port in place.ports:
                    wait_until_it_serves(port)
                yield place
        finally:
            for process in place.processes:
                end(process)


def start_replica(place: Place, port: int) -> "subprocess.Popen[bytes]":
    url = {"PEER_URL": f"http://127.0.0.1:{port}"}
    # As on another host: another folder for sockets is another host's.
    own = place.notes / f"t{port}"
    own.mkdir(exist_ok=True)
    return start(port, place.environment | url | {"TMPDIR": str(own)})


def kill(place: Place, pid: int) -> None:
    """Kill a process that serves. A uvicorn makes another worker; a replica is started again.

    Of workers all have to be there before: of one that was killed while it was asked for its
    health, uvicorn knows only when the time for that is over, and makes no other until then.
    """
    if place.count:
        wait_for(partial(all_workers_serve, place))
    os.kill(pid, signal.SIGKILL)
    for number, process in enumerate(place.processes):
        if process.pid == pid:
            process.wait()
            place.processes[number] = start_replica(place, place.ports[number])


def all_serve(place: Place) -> None:
    """Wait until what was killed is there again, so that the next can be."""
    for port in place.ports:
        wait_until_it_serves(port)
    if place.count:
        wait_for(partial(all_workers_serve, place))


def all_workers_serve(place: Place) -> bool:
    begun = set(place.noted("serving"))
    return sum(str(worker) in begun for worker in place.workers()) >= place.count


class Redis:
    """A Redis of its own, which keeps what it was told: it can be killed and started again."""

    def __init__(self, kept: Path) -> None:
        self._port, self._kept = free_port(), kept
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        command = [program(), "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        kept = ["--dir", str(self._kept), "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen([*command, *kept], stdout=subprocess.DEVNULL)
        wait_for(lambda: listens(self._port))

    def entries(self) -> list[bytes]:
        """The keys of the sessions that it has."""
        with self._client() as client:
            return list(client.keys("*:s:*"))

    def evict(self) -> None:
        """Throw the sessions away, as for want of room; the rest stays."""
        with self._client() as client:
            client.delete(*client.keys("*:s:*"))

    def flush(self) -> None:
        with self._client() as client:
            client.flushall()

    @contextmanager
    def silent(self) -> Generator[None]:
        """Let it answer nobody, as while it loads, forks or swaps."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _client(self) -> Any:
        import redis  # noqa: PLC0415 - not in every environment that serves

        return redis.Redis(port=self._port)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def redis() -> Generator[Redis]:
    with folder() as kept:
        opened = Redis(kept)
        try:
            yield opened
        finally:
            opened.kill()


def environment(table: str, notes: Path, settings: dict[str, str]) -> dict[str, str]:
    made = {**os.environ, "NOTES": str(notes)}
    made |= {name: value.format(notes=notes) for name, value in settings.items()}
    if table:
        made["TABLE"] = str(notes / "sessions.db") if table == "sqlite" else table
    return made


def wait_until_it_serves(port: int) -> None:
    """Wait until it listens, and has answered."""

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
                connection.sendall(b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                return bool(connection.recv(1))
        except OSError:
            return False

    wait_for(answers)


def wait_for(condition: Callable[[], bool]) -> None:
    # With what uvicorn may take to see that workers are gone.
    ends = time.monotonic() + 3 * TIMEOUT
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


async def until(condition: Callable[..., bool], *arguments: str) -> None:
    """Wait for something that another process does."""
    with anyio.fail_after(TIMEOUT):
        while not condition(*arguments):  # noqa: ASYNC110 - nobody here is told of it
            await anyio.sleep(0.02)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def balancer(ports: list[int], answers: bytearray | None = None) -> Generator[int]:
    """Give each connection to the next that takes it, in a thread with a loop of its own.

    What comes back is written down in `answers`.
    """
    turns = itertools.cycle(ports)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await connected_to_one_of(turns)
        back = copy(inner_reader, writer, answers)
        await asyncio.gather(copy(reader, inner_writer, None), back)

    listening = Future[tuple[int, Callable[[], object]]]()

    async def listen() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        listening.set_result((port, lambda: loop.call_soon_threadsafe(stop.set)))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(listen()), daemon=True)
    thread.start()
    port, stop = listening.result(TIMEOUT)
    try:
        yield port
    finally:
        stop()
        thread.join(TIMEOUT)


async def connected_to_one_of(
    ports: Iterator[int],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    ends = time.monotonic() + TIMEOUT
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", next(ports))
        except OSError:
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(0.01)


async def copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray | None
) -> None:
    try:
        while data := await reader.read(65536):
            if seen is not None:
                seen += data
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
