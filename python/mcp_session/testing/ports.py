"""Ports for servers, of which no two processes of a host are given the same."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["free_port"]

# None of these is given to a program that asks for any port, or connects: not on Linux, macOS or
# Windows as they come. So a server that is killed finds its own free when it is started again,
# whatever else runs on the machine.
PORTS = range(10_000, 32_768)
BLOCK, TRIED_AT_MOST = 100, 100
# Where this Linux begins to give ports to those who ask for any.
GIVEN_TO_ANYBODY = Path("/proc/sys/net/ipv4/ip_local_port_range")

_lock = threading.Lock()
_reserved: dict[int, Iterator[int]] = {}
"""What is left of the ports of this process, by its ID: one that is forked has its own."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that no system gives by itself.

    A server that is given it listens a while later, and may be killed and started again. On Linux
    no other process is given the same meanwhile, as long as this one lives.

    >>> import socket
    >>> from mcp_session.testing import free_port
    >>> with socket.create_server(("127.0.0.1", free_port())) as listener:
    ...     listener.getsockname()[0]
    '127.0.0.1'
    """
    with _lock:
        for port in _reserved.setdefault(os.getpid(), _reserve()):
            if _is_free(port):
                return port
    # Not of `random`, which tests seed: two of them would choose alike.
    chosen = (PORTS[secrets.randbelow(len(PORTS))] for _ in range(TRIED_AT_MOST))
    with socket.socket() as listener:
        for port in (*chosen, 0):
            with suppress(OSError):
                listener.bind(("127.0.0.1", port))
                break
        return int(listener.getsockname()[1])


def _reserve() -> Iterator[int]:
    """Give the ports of a block that no other process has, and then of the next."""
    if sys.platform != "linux":
        return
    end = PORTS.stop
    with suppress(OSError):
        end = min(end, int(GIVEN_TO_ANYBODY.read_text(encoding="ascii").split()[0]))
    for first in range(PORTS.start, end - BLOCK + 1, BLOCK):
        # Names that begin with 0 are of no file, and of one network as the ports are.
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0mcp-session-ports-{first}")
        except OSError:
            holder.close()
            continue
        # It is open until this process ends, however that ends.
        holder.detach()
        yield from range(first, first + BLOCK)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
