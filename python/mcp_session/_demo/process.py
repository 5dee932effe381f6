"""The server of the demonstration, as a process that is started and killed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

from mcp_session._demo import server

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from typing_extensions import Self

__all__ = ["Server"]

START_SECONDS = 20.0


class Server:
    """A server in a process of its own, always on the same port of 127.0.0.1."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take whom to tell what is waited for."""
        self._say = say
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it serves, once it was started."""
        return f"http://127.0.0.1:{self._port}/mcp"

    async def start(self) -> bool:
        """Start it, wait until it listens, and return whether it does."""
        self._say(
            f"waiting for a server of mcp {version('mcp')} to listen, at most {START_SECONDS:.0f} s"
        )
        # Started and killed without an `await`, at which Ctrl-C could come between. In a session
        # of its own, Ctrl-C does not reach it: this process ends it. Should this process be
        # killed itself, the end of the server's standard input does.
        self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - see above; it is our own
            [sys.executable, "-W", "ignore", "-m", server.__name__, str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
        output = cast("IO[bytes]", self._process.stdout)
        said = b""
        with anyio.move_on_after(START_SECONDS):
            said = await anyio.to_thread.run_sync(output.readline, abandon_on_cancel=True)
        if not said:
            return False
        self._port = int(said)
        self._say(f"the server, process {self._process.pid}, listens on 127.0.0.1:{self._port}")
        return True

    def kill(self) -> None:
        """Kill it, if it runs: no session is closed and no client told."""
        process, self._process = self._process, None
        if process is None:
            return
        self._say(f"killing the server, process {process.pid}")
        process.kill()
        # Closes its ends of the pipes, and waits for it.
        process.communicate()
