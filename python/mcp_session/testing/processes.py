"""Servers that are killed, restarted and made to forget: a command, or an ASGI application."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mcp_session._urls import DEFAULT_PORTS
from mcp_session.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import uvicorn
    from typing_extensions import Self

__all__ = ["AsgiServer", "CommandServer", "PortTakenError"]

START_SECONDS = 60.0
END_SECONDS = 10.0
ONE_LOOK_SECONDS = 0.02
KIBIBYTE = 1024


class PortTakenError(RuntimeError):
    """Somebody listens where a server was to be started.

    >>> import socket
    >>> from mcp_session.testing import CommandServer, PortTakenError
    >>> with socket.create_server(("127.0.0.1", 0)) as other:
    ...     url = f"http://127.0.0.1:{other.getsockname()[1]}/mcp"
    ...     try:
    ...         CommandServer("my-server", url=url).start()
    ...     except PortTakenError:
    ...         print("there is one already")
    there is one already
    """


class CommandServer:
    """A server that a command starts, in a process group of its own.

    `{port}` in an argument becomes the port that the server shall listen on; without it the
    command knows its own, and `url` says which. A restart is on the same port, so its clients
    find the server where it was.

    >>> import sys
    >>> from mcp_session.testing import CommandServer
    >>> command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    >>> with CommandServer(command, output=None) as server:
    ...     server.kill()
    ...     server.is_running, server.start() or server.is_running
    (False, True)
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        url: str | None = None,
        path: str = "/mcp",
        output: int | None = subprocess.DEVNULL,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """Take what starts it: a line as a shell splits it, or the arguments."""
        arguments = shlex.split(command) if isinstance(command, str) else list(command)
        if not arguments:
            message = "an empty command"
            raise ValueError(message)
        takes_port = any("{port}" in argument for argument in arguments)
        if url is not None and "{port}" in url and not takes_port:
            message = "the URL takes a {port}, but the command is not told it: it needs {port}, too"
            raise ValueError(message)
        if url is None and not takes_port:
            message = "the command takes no {port}, so the URL has to be given"
            raise ValueError(message)
        parts = urlsplit("" if takes_port else url or "")
        self.port = free_port() if takes_port else parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
        self.url = (url or f"http://127.0.0.1:{{port}}{path}").replace("{port}", str(self.port))
        self.command = [argument.replace("{port}", str(self.port)) for argument in arguments]
        self.starts = 0
        self._output = subprocess.DEVNULL if output is None else output
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def exit_status(self) -> int | None:
        """How the process ended; None while it runs, or was killed by `kill`."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, and wait until it accepts connections; raise `RuntimeError` if it ends.

        Raises `PortTakenError` where another listens on its port already, as a server does that
        left what started it, and so was not killed.
        """
        if self.is_running:
            return
        # What an earlier one that ended by itself had started may hold the port.
        self.kill()
        if self._listens():
            # Who answers would be taken for the one that is started.
            message = f"another program listens on port {self.port} already"
            raise PortTakenError(message)
        self._process = subprocess.Popen(  # noqa: S603 - what the user asked to run
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        self.starts += 1
        try:
            self._wait_until_it_listens(self._process)
        except BaseException:
            # Nobody leaves the block of a server that did not start.
            self.kill()
            raise

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + self._start_seconds
        while time.monotonic() < until:
            if process.poll() is not None:
                message = f"the command ended with exit status {process.returncode}"
                raise RuntimeError(message)
            if self._listens():
                return
            time.sleep(ONE_LOOK_SECONDS)
        message = f"the command did not listen on port {self.port} in {self._start_seconds:.0f} s"
        raise RuntimeError(message)

    def kill(self) -> None:
        """Kill it and what it started, as a crash does: no session is closed."""
        process, self._process = self._process, None
        if process is None:
            return
        kill_all(process.pid)
        process.wait(END_SECONDS)
        # What it started may hold the port for a moment longer.
        until = time.monotonic() + END_SECONDS
        while self._listens() and time.monotonic() < until:
            time.sleep(ONE_LOOK_SECONDS)

    def restart(self) -> None:
        """Kill it and start it again, on the same port."""
        self.kill()
        self.start()

    def forget(self) -> None:
        """End every session behind the backs of its clients: what a restart does."""
        self.restart()

    def _listens(self) -> bool:
        address = (urlsplit(self.url).hostname or "127.0.0.1", self.port)
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            return False
        return True

    def memory(self) -> int | None:
        """Return the bytes resident of it and what it started; None where that is not told."""
        pid = self.pid
        return None if pid is None else memory_of_all(pid)


def kill_all(leader: int) -> None:
    """Kill the leader of a session and what it started, as far as that can be known.

    Elsewhere than on Linux that is its process group. What left session and parent both, as a
    daemon does, is nobody's any more.
    """
    until = time.monotonic() + END_SECONDS
    # What is found before its parent ends would not be found after it.
    while members := [it.pid for it in _started_by(leader) if it.is_alive]:
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            break
        time.sleep(ONE_LOOK_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def memory_of_all(leader: int) -> int | None:
    """Return the bytes resident of a process and what it started; None where that is not told."""
    if not Path("/proc/self/statm").exists():
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for process in _started_by(leader):
        # One that has just ended has none.
        with suppress(OSError):
            told = Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii")
            total += int(told.split()[1]) * page
    return total


class _Process(NamedTuple):
    """A process, as /proc tells it."""

    pid: int
    parent: int
    group: int
    session: int
    is_alive: bool


def _started_by(leader: int) -> list[_Process]:
    """Return the processes of a session, and what those started; none where that is not told."""
    every = {it.pid: it for it in _processes()}
    found: dict[int, _Process] = {}
    more = [it for it in every.values() if leader in {it.group, it.session}]
    while more:
        found.update((it.pid, it) for it in more)
        more = [it for it in every.values() if it.parent in found and it.pid not in found]
    return list(found.values())


def _processes() -> Iterator[_Process]:
    proc = Path("/proc")
    for entry in proc.iterdir() if (proc / "self" / "stat").exists() else ():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            # A program's name may have blanks and brackets; what follows it has none.
            told = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
            parent, group, session = (int(it) for it in told[1:4])
            is_alive = told[0] not in {b"Z", b"X"}
            yield _Process(int(entry.name), parent, group, session, is_alive)


class AsgiServer:
    """An ASGI application, served by uvicorn in a thread of this process, on a loopback port.

    `make` makes the application anew at each start, so a restart forgets all that it knew. With
    uvicorn's `ssl_certfile` and `ssl_keyfile` it is served over TLS.

    >>> from mcp_session.testing import AsgiServer, ScriptedClient
    >>> def make():
    ...     async def application(scope, receive, send):
    ...         await send({"type": "http.response.start", "status": 404, "headers": []})
    ...         await send({"type": "http.response.body", "body": b""})
    ...     return application
    >>> with AsgiServer(make) as server:
    ...     server.restart()
    ...     ScriptedClient(server.url).send("GET", session_id="dead").status
    404
    """

    def __init__(self, make: Callable[[], Any], *, path: str = "/mcp", **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Take what makes the application; `options` are those of `uvicorn.Config`."""
        self.port = free_port()
        scheme = "https" if options.get("ssl_certfile") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}{path}"
        self.starts = 0
        self._make = make
        self._options: dict[str, Any] = {"log_level": "critical", "ws": "none", **options}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Serve a new application; return once it accepts connections."""
        if self.is_running:
            return
        import uvicorn  # noqa: PLC0415 - most of the kit needs no server

        # With its protocol named, so that asyncio sends small pieces at once.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(KIBIBYTE)
        config = uvicorn.Config(self._make(), timeout_graceful_shutdown=0, **self._options)
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=_serve, args=(server, listener), name="mcp-session-server", daemon=True
        )
        self._thread.start()
        self.starts += 1
        until = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                message = "the application did not start"
                raise RuntimeError(message)
            time.sleep(ONE_LOOK_SECONDS)

    def kill(self) -> None:
        """End it at once: running requests are cut."""
        server, self._server = self._server, None
        thread, self._thread = self._thread, None
        if server is None or thread is None:
            return
        server.should_exit = server.force_exit = True
        thread.join(END_SECONDS)
        if thread.is_alive():
            message = "the application does not end"
            raise RuntimeError(message)

    def restart(self) -> None:
        """End it, and serve a new application on the same port."""
        self.kill()
        self.start()

    def forget(self) -> None:
        """End every session behind the backs of its clients: what a restart does."""
        self.restart()


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    with listener:
        server.run(sockets=[listener])
