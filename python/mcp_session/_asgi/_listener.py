"""Where the other processes of this host reach this one: a private Unix socket.

It is opened by the process that serves, in its event loop, so that nothing is shared by processes
that were forked. Only processes of the same user can reach it: its folder has mode 0700.
"""

import logging
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

import uvicorn

from mcp_session._asgi import Application

__all__ = ["PeerListener", "host_fingerprint"]

_logger = logging.getLogger("mcp_session.asgi")

_BACKLOG = 2048
# A peer closes what it does not use, and never meets a connection that is just being closed.
_IDLE_SECONDS = 24 * 3600
# As much as the servers in front take of a head, and the mark of the hop.
_HEAD_BYTES = 256 * 1024


class PeerListener:
    """Serves an application on a private Unix socket."""

    def __init__(self, application: Application) -> None:
        """Serve an application; not before `open` is anything there."""
        self._application = application
        self._folder: str | None = None
        self._server: uvicorn.Server | None = None

    async def open(self) -> str | None:
        """Listen; return the path of the socket, or `None` where there can be none."""
        if not hasattr(socket, "AF_UNIX"):
            return None
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path = self._bind(listener)
            if path is None:
                listener.close()
                return None
            listener.listen(_BACKLOG)
            self._server = await _started(self._application, listener)
        except BaseException:
            listener.close()
            self.remove_folder()
            raise
        return path

    def _bind(self, listener: socket.socket) -> str | None:
        # The usual folder may be read only, or its path longer than a socket's may be.
        for parent in (None, "/tmp", "/dev/shm"):  # noqa: S108 - the folder in it is this user's
            with suppress(OSError):
                self._folder = tempfile.mkdtemp(prefix="mcp-session-", dir=parent)
                path = str(Path(self._folder, "peer"))
                listener.bind(path)
                return path
            self.remove_folder()
        _logger.warning(
            "No folder takes a socket: other processes of this host reach this one by `peer_url` "
            "alone, and without it not at all"
        )
        return None

    async def aclose(self, seconds: float) -> None:
        """Take no further connections; let those that are open end in this time."""
        server, self._server = self._server, None
        if server is not None:
            server.config.timeout_graceful_shutdown = max(1, round(seconds))
            await server.shutdown()
        self.remove_folder()

    def remove_folder(self) -> None:
        """Remove what was made for the socket."""
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def host_fingerprint() -> str:
    """Name what a path of a socket holds for: this host since it started, files and user included.

    Containers of one host differ in it, as they see different files.
    """
    facts = [socket.gethostname(), str(os.getuid() if hasattr(os, "getuid") else "")]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/mnt").readlink()))
    with suppress(OSError):
        folder = Path(tempfile.gettempdir()).stat()
        facts.append(f"{folder.st_dev}:{folder.st_ino}")
    return "/".join(facts)


async def _started(application: Application, listener: socket.socket) -> uvicorn.Server:
    # The server in front has its own `date` and `server`, logs, and knows the client's address.
    config = uvicorn.Config(
        application,
        access_log=False,
        date_header=False,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        ws="none",
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without `serve`, which takes over the signals of the process.
    await server.startup(sockets=[listener])
    return server
