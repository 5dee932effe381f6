"""Reads files that may be anything, and never more of them than there is room for."""

import os
import stat
import sys
from pathlib import Path
from typing import TextIO

__all__ = ["MOST_PLACES", "Reader", "UnreadableError", "is_file", "is_folder"]

LONGEST_FILE = 128 * 1024 * 1024
LONGEST_IN_ALL = 512 * 1024 * 1024
# Files and folders of a folder, with all that is below it.
MOST_PLACES = 20_000

_KINDS = (
    (stat.S_ISFIFO, "a FIFO, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
    (stat.S_ISDIR, "a folder, not a file"),
)


class UnreadableError(Exception):
    """A file that cannot be read, or is not to be."""


class Reader:
    """Reads whole files, up to a length for each and for all of them."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._left = LONGEST_IN_ALL

    def read(self, path: Path) -> bytes:
        """Return what is in a file; raise `UnreadableError` if that cannot be."""
        try:
            # A FIFO that nobody writes to is opened at once, and is said to be one.
            number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
            with open(number, "rb") as file:  # noqa: PTH123 - a number is no path
                status = os.fstat(number)
                for is_kind, what in _KINDS:
                    if is_kind(status.st_mode):
                        raise UnreadableError(what)
                self._check(status.st_size)
                return self._taken(file.read(min(LONGEST_FILE, self._left) + 1))
        except OSError as error:
            raise UnreadableError(reason(error)) from None

    def read_standard_input(self) -> bytes:
        """Return what is on standard input; raise `UnreadableError` if that cannot be."""
        stdin: TextIO | None = sys.stdin
        if stdin is None:
            message = "it is closed"
            raise UnreadableError(message)
        try:
            return self._taken(stdin.buffer.read(min(LONGEST_FILE, self._left) + 1))
        except OSError as error:
            raise UnreadableError(reason(error)) from None

    def _taken(self, data: bytes) -> bytes:
        self._check(len(data))
        self._left -= len(data)
        return data

    def _check(self, length: int) -> None:
        if length > LONGEST_FILE:
            message = f"longer than the {LONGEST_FILE // 1024**2} MiB that are read of a file"
            raise UnreadableError(message)
        if length > self._left:
            message = f"more than the {LONGEST_IN_ALL // 1024**2} MiB that are read in all"
            raise UnreadableError(message)


def reason(error: OSError | RuntimeError) -> str:
    """Say why, without the path: it stands before."""
    told = error.strerror if isinstance(error, OSError) else str(error)
    return told or type(error).__name__


def is_folder(path: Path) -> bool:
    """Say whether this is a folder, of any name whatever."""
    return os.path.isdir(path)  # noqa: PTH112 - that of `Path` raises for a name that is too long


def is_file(path: Path) -> bool:
    """Say whether something of this name is there and no folder."""
    return os.path.exists(path) and not is_folder(path)  # noqa: PTH110 - as above


_BINARY: int = getattr(os, "O_BINARY", 0)
