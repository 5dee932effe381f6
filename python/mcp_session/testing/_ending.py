"""Signals that end a program: what it started is ended first, as after Ctrl-C."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

__all__ = ["ended_as_by_ctrl_c"]

# How systems end what they started: CI that is cancelled, `timeout`, a terminal that is closed.
_ENDING = tuple(getattr(signal, it) for it in ("SIGTERM", "SIGHUP") if hasattr(signal, it))


@contextmanager
def ended_as_by_ctrl_c() -> Generator[list[signal.Signals]]:
    """Let the signals that end a program do what Ctrl-C does; yield those that came.

    Without it they end the program alone, and leave what it started.
    """
    came: list[signal.Signals] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second must not cut short what the first began.
        if came:
            return
        came.append(signal.Signals(number))
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
        yield came
    finally:
        for it in ours:
            signal.signal(it, signal.SIG_DFL)
