"""Loads a server once, and runs it as often as it is told, each time in a process of its own.

A server that is killed is really killed; only what it had imported need not be imported again.
Takes the name of the module. Reads orders from standard input, one JSON value a line: the
arguments to start with, or `null` to kill. The end of standard input ends everything.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))
sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    server = importlib.import_module(sys.argv[1])
    running = 0
    for line in sys.stdin:
        arguments = json.loads(line)
        if arguments is not None:
            running = start(server.main, arguments)
            continue
        os.kill(running, signal.SIGKILL)
        os.waitpid(running, 0)
        print("killed", flush=True)


def start(run: object, arguments: list[str]) -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        # The other end stays open for as long as this process lives, and no longer.
        os.close(reading)
        return child
    os.close(writing)
    os.dup2(reading, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as it lives
    sys.argv[1:] = arguments
    assert callable(run)
    run()
    os._exit(0)


if __name__ == "__main__":
    main()
