"""An event loop that Ctrl-C ends with one exception."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, TypeVar

import anyio

from mcp_session._errors import leaves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["run"]

T = TypeVar("T")


def run(function: Callable[[], Awaitable[T]]) -> T:
    """Run a function in an event loop of its own; raise `KeyboardInterrupt` after Ctrl-C."""
    try:
        return anyio.run(function)
    except CancelledError:
        # How Ctrl-C arrives from the event loops of CPython 3.10.
        raise KeyboardInterrupt from None
    except BaseException as error:
        # Where an event loop takes no Ctrl-C, it comes within a task group, which wraps it.
        if any(isinstance(it, KeyboardInterrupt) for it in leaves(error)):
            raise KeyboardInterrupt from None
        raise
