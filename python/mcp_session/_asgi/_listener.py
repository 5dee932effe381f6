"""Where the other processes of this host reach this one: a private Unix socket.

It is opened by the process that serves, in its event loop, so that nothing is shared by processes
that were forked. Only processes of the same user can reach it: its folder has mode 0700.
"""

import asyncio
import os
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import anyio.to_thread

from mcp_session._asgi import Application
from mcp_session._asgi._peer_server import PeerServer
from mcp_session._host import start_id

__all__ = ["PeerListener", "host_fingerprint"]

_BACKLOG = 2048
# The path of a socket has 104 bytes at most (macOS); of these, what is below the folder takes 26.
_FOLDER_BYTES = 104 - 26 - 1
_OTHER_FOLDERS: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a folder of mode 0700 below it


_PREFIX = "mcp-session-"
# What is there for so long without anybody who listens was left by a process that was killed.
_LEFT_SECONDS = 3600
_LOOKED_AT_AT_MOST = 200


class PeerListener:
    """Serves an application on a private Unix socket."""

    def __init__(self, application: Application) -> None:
        """Serve an application; not before `open` is anything there."""
        self._peers = PeerServer(application)
        self._folder: str | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._sockets: list[socket.socket] = []

    async def open(self) -> str | None:
        """Listen; return the path of the socket, or `None` where there can be none."""
        parent = _folder_for_sockets()
        if parent is None or not hasattr(socket, "AF_UNIX"):
            return None
        self._folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        path = str(Path(self._folder, "peer"))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sockets.append(listener)
        try:
            listener.bind(path)
            server = await asyncio.get_running_loop().create_unix_server(
                self._peers.connection, sock=listener, backlog=_BACKLOG
            )
            self._servers.append(server)
        except BaseException:
            listener.close()
            self.remove_folder()
            raise
        await anyio.to_thread.run_sync(_remove_what_the_dead_left, parent)
        return path

    def is_cut_off(self) -> bool:
        """Whether there is a socket, and nobody finds it any more."""
        return self._folder is not None and not Path(self._folder, "peer").exists()

    async def reopen(self) -> str | None:
        """Listen in another folder; the connections that are open stay."""
        self.remove_folder()
        return await self.open()

    async def aclose(self, seconds: float) -> None:
        """Take no further connections; let those that are open end in this time."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        await self._peers.end(seconds)
        self.remove_folder()

    def abandon(self) -> None:
        """Close what an event loop that is closed has left open: it accepts nothing any more."""
        listeners, self._sockets = self._sockets, []
        for listener in listeners:
            listener.close()
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
    if (start := start_id()) is not None:
        facts.append(start)
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/mnt").readlink()))
    if (parent := _folder_for_sockets()) is not None:
        folder = Path(parent).stat()
        facts.append(f"{folder.st_dev}:{folder.st_ino}")
    return "/".join(facts)


def _folder_for_sockets() -> str | None:
    """Return the first folder that can be written and is not too deep for a socket's path."""
    candidates = list(_OTHER_FOLDERS)
    # A container with a file system that is only read may have none.
    with suppress(FileNotFoundError):
        candidates.insert(0, tempfile.gettempdir())
    for candidate in candidates:
        is_short = len(os.fsencode(candidate)) <= _FOLDER_BYTES
        if is_short and os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    return None


def _remove_what_the_dead_left(parent: str) -> None:
    """Remove the folders of processes of this user that had no time to do so."""
    with suppress(OSError), os.scandir(parent) as entries:
        ours = (it for it in entries if it.name.startswith(_PREFIX))
        for entry in islice(ours, _LOOKED_AT_AT_MOST):
            if _is_left_behind(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left_behind(folder: "os.DirEntry[str]") -> bool:
    try:
        facts = folder.stat(follow_symlinks=False)
        is_old = time.time() - facts.st_mtime > _LEFT_SECONDS
        if not is_old or facts.st_uid != os.getuid() or not folder.is_dir(follow_symlinks=False):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            # One that is too busy to answer lives.
            connection.settimeout(0)
            connection.connect(str(Path(folder.path, "peer")))
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        return False
    return False
