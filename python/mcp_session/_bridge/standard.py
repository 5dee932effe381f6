"""Standard input and output, as the SDK's stdio transport reads and writes files.

Its own hold the process until the client writes a line, whatever a signal says. These let go.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

import anyio
import anyio.to_thread

__all__ = ["StandardInput", "StandardOutput"]


class StandardInput:
    """The lines of standard input. A read that is cancelled leaves its thread behind."""

    def __init__(self) -> None:
        """Read as the SDK does."""
        self._file = TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")

    def __aiter__(self) -> StandardInput:
        return self

    async def __anext__(self) -> str:
        line = await anyio.to_thread.run_sync(self._file.readline, abandon_on_cancel=True)
        if not line:
            raise StopAsyncIteration
        return line


class StandardOutput:
    """Standard output. That nobody reads it any more is an end like another, and no error."""

    def __init__(self) -> None:
        """Write as the SDK does, with the line ends of every platform alike."""
        self._file = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
        self._written = 0
        self._progress = anyio.Event()
        self.closed = anyio.Event()

    async def write(self, text: str) -> None:
        """Write a message."""
        if self.closed.is_set():
            return
        try:
            await anyio.to_thread.run_sync(self._write, text, abandon_on_cancel=True)
        except (OSError, ValueError):
            self.closed.set()

    async def flush(self) -> None:
        """Count a message that was written."""
        self._written += 1
        self._progress.set()
        self._progress = anyio.Event()

    async def until(self, messages: int) -> None:
        """Wait until so many messages were written."""
        while self._written < messages:
            await self._progress.wait()

    def _write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()
