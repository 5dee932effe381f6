"""Signals that end a command: what it started is ended first, as after Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

__all__ = ["whatever_ends_it"]

# How systems end what they started: CI that is cancelled, `timeout`, a terminal that is closed.
_ENDING = tuple(getattr(signal, it) for it in ("SIGTERM", "SIGHUP") if hasattr(signal, it))

# What a shell says of a program that a signal ended is this and the signal's number.
_BY_SIGNAL = 128


@contextmanager
def whatever_ends_it() -> Generator[None]:
    """Let the signals that end a command do so by way of Ctrl-C, so that nothing it started stays.

    The process ends with the status that a shell names for the signal.
    """
    taken: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second must not cut short what the first began.
        if taken:
            return
        taken.append(number)
        ctrl_c = signal.getsignal(signal.SIGINT)
        # An event loop has one of its own, a program in the background may have none.
        if callable(ctrl_c):
            ctrl_c(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    # Only there can signals be taken. What is ignored, as by `nohup`, stays ignored.
    is_main = threading.current_thread() is threading.main_thread()
    ours = [it for it in _ENDING if is_main and signal.getsignal(it) is signal.SIG_DFL]
    for it in ours:
        signal.signal(it, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if not taken:
            raise
    finally:
        for it in ours:
            signal.signal(it, signal.SIG_DFL)
    if taken:
        click.echo(f"mcp-session: ended by {signal.Signals(taken[0]).name}", err=True)
        sys.exit(_BY_SIGNAL + taken[0])
