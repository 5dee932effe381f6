"""Measures Python calls in turns, so that what disturbs the machine disturbs all alike.

What is measured is the time of the processor that a call takes, not what passes while others run.
Every case is timed in every round, the rounds in random order; the empty loop is taken off.
A figure is the median over the rounds, a ratio the median of the rounds' own ratios.
"""

import asyncio
import gc
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Case", "Figures", "machine", "measure", "pin", "serving"]

LONGEST = 1 << 22


@dataclass(frozen=True)
class Case:
    """A statement to be timed, and what it names."""

    name: str
    statement: str
    names: Mapping[str, Any]

    def loop(self) -> Callable[[int], int]:
        """Compile a function that runs it so many times and returns the nanoseconds."""
        source = (
            "def loop(count, clock):\n"
            "    turns = range(count)\n"
            "    begun = clock()\n"
            "    for _ in turns:\n"
            f"        {self.statement}\n"
            "    return clock() - begun\n"
        )
        scope = dict(self.names)
        exec(compile(source, self.name, "exec"), scope)  # noqa: S102 - our own statements
        loop = scope["loop"]
        return lambda count: int(loop(count, time.thread_time_ns))


@dataclass(frozen=True)
class Figures:
    """What every case took, in nanoseconds a call, round by round."""

    rounds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Return the median of the rounds, in nanoseconds."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, base: str) -> float:
        """Return how many times as long as `base` a case takes."""
        pairs = zip(self.rounds[name], self.rounds[base], strict=True)
        return statistics.median(one / other for one, other in pairs)


def measure(cases: list[Case], *, rounds: int = 41, slice_ms: float = 1.0) -> Figures:
    """Time every case in every round, each for about so many milliseconds."""
    nothing = Case("nothing", "pass", {})
    loops = {case.name: case.loop() for case in [nothing, *cases]}
    counts = {name: _count(loop, slice_ms * 1e6) for name, loop in loops.items()}
    times: dict[str, list[float]] = {name: [] for name in loops}
    order = list(loops)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            random.shuffle(order)
            for name in order:
                times[name].append(loops[name](counts[name]) / counts[name])
    finally:
        gc.enable()
    empty = times.pop("nothing")
    return Figures(
        {
            name: [max(one - loop, 0.1) for one, loop in zip(taken, empty, strict=True)]
            for name, taken in times.items()
        }
    )


def _count(loop: Callable[[int], int], wanted: float) -> int:
    count = 1
    while count < LONGEST:
        # The fastest of a few: one alone may have been interrupted.
        taken = min(loop(count) for _ in range(3))
        if taken >= wanted / 2:
            return max(1, int(count * wanted / taken))
        count *= 2
    return count


def pin() -> None:
    """Stay on one processor, where the system lets us choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine() -> str:
    """Name the processor, the system and the interpreter."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return (
        f"{processor}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


async def started(script: Path, *arguments: str, folder: str) -> asyncio.subprocess.Process:
    """Start a process that serves, with a table in this folder; it prints its port."""
    command = [sys.executable, "-W", "ignore", str(script), *arguments]
    environment = {**os.environ, "TABLE": f"{folder}/sessions.db"}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, env=environment)


async def first_line(process: asyncio.subprocess.Process) -> bytes:
    """Read the line in which it says where it serves."""
    assert process.stdout is not None
    return await process.stdout.readline()


@contextmanager
def serving(script: Path, *arguments: str) -> Generator[str]:
    """Start a server that prints its port; yield where it serves MCP, and end it afterwards."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "ignore", str(script), *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()
