"""Serves one application in as many processes as it is told, each forked from what is imported.

Run by `benches/beside.py`. Each line of standard input is a JSON object: the `way` to serve, the
`port`, and what the environment of that process is. Each is answered by the number of the process.
A process that is killed is there again in a moment, because nothing has to be imported.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# The application that the tests serve.
sys.path.insert(0, str(ROOT / "tests" / "workers"))

import uvicorn  # noqa: E402 - as above

import served  # noqa: E402 - it stands where the line above says

try:
    import aiosqlite  # noqa: F401 - imported here, so that no fork has to
    import redis.asyncio  # noqa: F401 - as above
    from mcp_persist import with_persistence
except ImportError:
    with_persistence = None


def main() -> None:
    """Fork a process for each line."""
    # Nobody has to wait for those that are killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        told = json.loads(line)
        process = os.fork()
        if process == 0:
            serve(told)
            os._exit(0)
        print(process, flush=True)


def serve(told: dict[str, Any]) -> None:
    """Be one of the processes."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(told["environment"])
    Path(os.environ["TMPDIR"]).mkdir(parents=True, exist_ok=True)
    # What was found for the process that this was forked from.
    sys.modules["tempfile"].tempdir = None
    config = uvicorn.Config(application(told["way"]), port=told["port"], log_level="critical")
    uvicorn.Server(config).run()


def application(way: str) -> Any:
    """Make it as it is served that way."""
    if way == "stateless":
        return served.server().streamable_http_app(stateless_http=True)
    if way == "persist":
        assert with_persistence is not None
        return with_persistence(
            served.server(),
            backend=os.environ["PERSIST"],
            url=os.environ["PERSIST_URL"],
            durable_sessions=True,
        )
    return served.create()


if __name__ == "__main__":
    main()
