"""A real Redis or Valkey on a free port, and what can befall it."""

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import redis
from mcp_session.testing import free_port
from typing_extensions import Self

Own = TypeVar("Own", bound="RedisServer")

# What a machine needs at most to start a process when it is busy.
PATIENCE = 30.0


class RedisServer:
    """A process of the server; its files are in `folder`."""

    def __init__(
        self,
        program: str,
        folder: Path,
        *options: str,
        configuration: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port() if port is None else port
        # A path of a socket is short.
        self.socket = folder / "s"
        self.process: subprocess.Popen[bytes] | None = None
        if configuration is not None:
            self.command = [program, str(configuration), *options]
        else:
            self.command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
            self.command += ["--unixsocket", str(self.socket), "--dir", str(folder), "--save", ""]
            self.command += options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A client for what the test itself does to the server; redis-py's types say little."""
        return redis.Redis(port=self.port, socket_timeout=PATIENCE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """End it as a machine that dies would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never became so"
        time.sleep(0.02)
