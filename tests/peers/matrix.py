"""Measures the table: every client with every server in every situation, plain and with ours.

`--part` plays only cells in which every pair occurs, and fails if one is not as it should be.
Without it everything is measured and written to `docs/matrix.json`, `docs/matrix.md` and the
README, which takes half an hour; `--resume` goes on with one that was interrupted. The
environments have to be there: `nox -s peers` and `nox -s matrix` make them, and call this.
"""

import argparse
import contextlib
import datetime as dt
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from plan import CLIENTS, EXPLAINED, FOREIGN, Cell, part, whole
from written import write

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".environments"
MEASURED = ENVIRONMENTS / "matrix.jsonl"

# Longer than any cell may take that ends by itself; what does not is killed.
PATIENCE_SECONDS = 120.0


class Result(NamedTuple):
    """What came of a cell: `ok`, or how it was not, and what was said."""

    outcome: str
    detail: str
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="store_true", help="play a pairwise part, and judge it")
    parser.add_argument("--resume", action="store_true", help="keep what was measured before")
    parser.add_argument("--client", default="", help="only clients whose name has this in it")
    parser.add_argument("--situation", default="", help="only this situation")
    parser.add_argument("--write", action="store_true", help="only write what was measured")
    options = parser.parse_args()
    known = dict(stored()) if options.resume or options.write else {}
    cells = [
        cell
        for cell in (part() if options.part else whole())
        if options.client in cell.client and options.situation in {"", cell.situation}
    ]
    if absent := {cell.server for cell in cells if not is_there(cell.server)}:
        print(f"not on this machine, NOT TESTED: {', '.join(sorted(absent))}")
        cells = [cell for cell in cells if cell.server not in absent]
    results = {cell: known[cell] for cell in cells if cell in known}
    if not options.write:
        missing = [cell for cell in cells if cell not in known]
        results |= measure(missing, keep=not options.part, append=options.resume)
    if not options.part:
        write(results, versions(), dt.datetime.now(tz=dt.timezone.utc).date())
    wrong = [cell for cell, result in results.items() if not as_expected(cell, result)]
    for cell in wrong:
        print("NOT AS EXPECTED:", describe(cell, results[cell]))
    print(f"{len(results)} cells, {len(wrong)} not as expected")
    if wrong:
        sys.exit(1)


def is_there(server: str) -> bool:
    """Whether a server can be run here: not everybody has node."""
    is_of_node = server in FOREIGN and not server.startswith("rmcp")
    return not is_of_node or (ENVIRONMENTS / "node" / "node_modules").exists()


def as_expected(cell: Cell, result: Result) -> bool:
    """Whether a cell is green, or red for a known reason; nothing is expected of plain ones."""
    if cell.mode == "plain":
        return True
    explained = [one for one in EXPLAINED if one.explains(cell)]
    if any(one.at_times for one in explained):
        return True
    # Without quirks one of the servers is understood, if it says what the specification says.
    return bool(explained) != (result.outcome == "ok")


def measure(cells: list[Cell], *, keep: bool, append: bool) -> dict[Cell, Result]:
    """Play the cells, environment by environment, so that few programs are started."""
    results: dict[Cell, Result] = {}
    environment_of = {
        client: environment for environment, clients in CLIENTS.items() for client in clients
    }
    ordered = sorted(cells, key=lambda cell: list(CLIENTS).index(environment_of[cell.client]))
    with MEASURED.open("a" if append else "w", encoding="utf-8") as stored_as:
        for environment, of_one in itertools.groupby(
            ordered, key=lambda cell: environment_of[cell.client]
        ):
            player = Player(environment)
            try:
                for cell in of_one:
                    result = player.play(cell)
                    results[cell] = result
                    if keep:
                        print(json.dumps([cell, result]), file=stored_as, flush=True)
                    print(f"{len(results):4}/{len(cells)} {describe(cell, result)}", flush=True)
            finally:
                player.close()
    return results


class Player:
    """A program that plays cells in one environment, begun anew when it hangs."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def play(self, cell: Cell) -> Result:
        """Play one cell."""
        process = self._process or self._start()
        assert process.stdin is not None
        begun = time.monotonic()
        process.stdin.write(json.dumps(cell) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            line = ""
        seconds = round(time.monotonic() - begun, 1)
        if line:
            outcome, detail = json.loads(line)
            return Result(outcome, detail, seconds)
        ended = process.poll() is not None
        self.close()
        if ended:
            return Result("dies", "it took its program with it", seconds)
        return Result("hangs", "it could not even be cancelled", seconds)

    def close(self) -> None:
        """End the program, and the servers that it has begun."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [python(self._environment), Path(__file__).with_name("play.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            # A group of its own, so that all of it can be ended.
            start_new_session=True,
        )
        self._process = process
        # A queue of its own: what a killed one says later is nobody's answer.
        self._lines = queue.Queue()
        reading = threading.Thread(target=read, args=(process, self._lines), daemon=True)
        reading.start()
        return process


def read(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


def stored() -> Iterator[tuple[Cell, Result]]:
    if not MEASURED.exists():
        return
    for line in MEASURED.read_text(encoding="utf-8").splitlines():
        cell, result = json.loads(line)
        yield Cell(*cell), Result(*result)


def describe(cell: Cell, result: Result) -> str:
    said = f" ({result.detail})" if result.detail else ""
    return (
        f"{cell.client} · {cell.server} · {cell.situation} · {cell.mode}:"
        f" {result.outcome}{said}, {result.seconds} s"
    )


def versions() -> dict[str, str]:
    """What was measured: the packages as they are in their environments."""
    found: dict[str, str] = {}
    for environment, packages in PACKAGES.items():
        code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        command: list[str | Path] = [python(environment), "-c", code, *packages]
        shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
        names = [f"{name} ({environment})" for name in packages]
        found |= dict(zip(names, shown.stdout.split(), strict=True))
    lock = Path(__file__).parent / "node" / "package-lock.json"
    for path, package in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        name = path.removeprefix("node_modules/")
        if name in NODE_PACKAGES:
            found[f"{name} (npm)"] = package["version"]
    for crate in ("rmcp-new", "rmcp-old"):
        found[f"rmcp ({crate})"] = locked_version(Path(__file__).parent / crate / "Cargo.lock")
    return found


PACKAGES = {
    "mcp1": ("mcp", "httpx"),
    "mcp2": ("mcp", "httpx2"),
    "fastmcp2": ("fastmcp", "mcp", "httpx"),
    "fastmcp4": ("fastmcp", "mcp", "httpx2"),
    "langchain": ("langchain-mcp-adapters", "mcp", "httpx"),
    "openai": ("openai-agents", "mcp", "httpx2"),
    "pydantic-ai": ("pydantic-ai-slim", "fastmcp-slim", "mcp", "httpx2"),
}

NODE_PACKAGES = (
    "@modelcontextprotocol/server",
    "@modelcontextprotocol/node",
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/sdk",
)


def locked_version(lock: Path) -> str:
    lines = lock.read_text(encoding="utf-8").splitlines()
    return lines[lines.index('name = "rmcp"') + 1].split('"')[1]


def python(environment: str) -> Path:
    override = os.environ.get(f"MCP_SESSION_PYTHON_{environment.upper()}")
    return Path(override or ENVIRONMENTS / environment / "bin" / "python")


if __name__ == "__main__":
    main()
