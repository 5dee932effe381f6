"""Measures sessions over several processes beside what a user would take instead of ours.

    nox -s measure-beside [-- --kills N]

makes what it needs and runs it: a quarter of an hour. Needs redis-server, and nginx: on the
PATH, or where NGINX_PROGRAM says. One application of the SDK is served by three processes in each
way, behind one nginx that takes them in turns, a connection for each request. The table is written
into docs/performance.md.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from harness import machine
from mcp_session.testing import free_port
from sections import table, write_sections

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "workers"))

import clients  # noqa: E402 - it stands where the line above says
import raw  # noqa: E402 - as above
from places import redis, wait_until_it_serves  # noqa: E402 - as above

PROCESSES = 3
# Calls that are counted: so many sessions, so many in each.
SESSIONS, CALLS = 12, 3
ELICITATIONS = 12
TIMED = 300
# Who has not answered by then, in seconds, does not.
LIMIT = 15.0
numbers = itertools.count(1)
Results = dict[str, Any]


@dataclass
class Way:
    """One way to serve sessions, and what is known of it without measuring."""

    name: str
    kind: str
    cannot: str
    balance: str = ""
    processes: int = PROCESSES
    environment: dict[str, str] = field(default_factory=dict[str, str])


WAYS = [
    Way("one process", "plain", "grow; live on when it ends", processes=1),
    Way("three, nothing done", "plain", "find the process of a session"),
    Way(
        "nginx, `hash` on the header",
        "plain",
        "send a session to the process that has just given out its ID",
        balance="hash $http_mcp_session_id consistent;",
    ),
    Way(
        "nginx, `ip_hash`",
        "plain",
        "outlive its process; share the clients of one address",
        balance="ip_hash;",
    ),
    Way("stateless server", "stateless", "ask the client anything; keep anything; push"),
    Way(
        "mcp-persist, durable sessions, SQLite",
        "persist",
        "bring a reply or a cancellation to the process that waits; share what it keeps",
        environment={"PERSIST": "sqlite", "PERSIST_URL": "{folder}/persist.db"},
    ),
    Way(
        "mcp-persist, durable sessions, Redis",
        "persist",
        "as with SQLite",
        environment={"PERSIST": "redis", "PERSIST_URL": "{redis}"},
    ),
    Way(
        "`SessionMiddleware`, SQLite",
        "middleware",
        "save what a killed process kept",
        environment={"TABLE": "{folder}/sessions.db", "TMPDIR": "{folder}/t"},
    ),
    Way(
        "`SessionMiddleware`, Redis",
        "middleware",
        "the same",
        environment={"TABLE": "{redis}", "PEER_URL": "http://127.0.0.1:{port}"},
    ),
    Way("`mcp-session gateway`", "gateway", "the same; it is one more process that may end"),
]


class Forks:
    """The processes of one way."""

    def __init__(self, way: Way, settings: dict[str, str]) -> None:
        """Start all of them, and wait until they serve."""
        self.way, self.settings = way, settings
        self.ports = [free_port() for _ in range(way.processes)]
        pipe = subprocess.PIPE
        command = [sys.executable, "-W", "ignore", str(ROOT / "benches" / "beside_server.py")]
        self.mother = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.of_process: dict[int, int] = {}
        for port in self.ports:
            self.start(port)
        for port in self.ports:
            wait_until_it_serves(port)

    def start(self, port: int) -> None:
        """Start one, or start it again."""
        folder = self.settings["folder"]
        # As on another host: another folder for sockets is another host's.
        environment = {"NOTES": folder, "TMPDIR": f"{folder}/t{port}"}
        environment |= {
            name: value.format(port=port, **self.settings)
            for name, value in self.way.environment.items()
        }
        told = {"way": self.way.kind, "port": port, "environment": environment}
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write(json.dumps(told).encode() + b"\n")
        self.mother.stdin.flush()
        self.of_process[int(self.mother.stdout.readline())] = port

    def kill(self, process: int) -> int:
        """Kill the process that serves a session; return its port."""
        port = self.of_process.pop(process)
        os.kill(process, signal.SIGKILL)
        return port

    def end(self) -> None:
        """End all of them."""
        self.mother.kill()
        self.mother.wait()
        for process in self.of_process:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100, help="of ours; of others a tenth")
    parser.add_argument("--only", default="", help="ways whose name has this in it")
    parser.add_argument("--again", action="store_true", help="write the last results again")
    options = parser.parse_args()
    kept = ROOT / "target" / "beside.json"
    kept.parent.mkdir(exist_ok=True)
    results: Results = {}
    if options.again or options.only:
        results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if not options.again:
        for way in WAYS:
            if options.only in way.name:
                print(f"==== {way.name}", file=sys.stderr, flush=True)
                results[way.name] = measured_beside_one(way, options.kills)
                print(json.dumps(results[way.name]), file=sys.stderr, flush=True)
                kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    sections = written(results)
    for name, text in sections.items():
        print(f"\n## {name}\n\n{text}")
    write_sections(ROOT / "docs" / "performance.md", sections)


def measured_beside_one(way: Way, kills: int) -> Results:
    """Measure one way; the latency in turns with one process that does nothing more."""
    with ExitStack() as stack:
        base = stack.enter_context(served(WAYS[0]))
        place = base if way is WAYS[0] else stack.enter_context(served(way))
        return anyio.run(measured, base[0], *place, kills)


@contextmanager
def served(way: Way) -> Generator[tuple[str, Forks]]:
    """Serve in one way; yield the URL of the balancer, and the processes."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        settings = {"folder": folder}
        if "{redis}" in "".join(way.environment.values()):
            settings["redis"] = stack.enter_context(redis()).url
        forks = Forks(way, settings)
        stack.callback(forks.end)
        if way.kind == "gateway":
            port = stack.enter_context(gateway(forks.ports))
        else:
            port = stack.enter_context(nginx(forks.ports, way.balance, Path(folder)))
        # Theirs is mounted, and redirects from the path without a slash.
        yield f"http://127.0.0.1:{port}/mcp{'/' if way.kind == 'persist' else ''}", forks


@contextmanager
def temporary_folder() -> Generator[str]:
    """Make a folder that may vanish while processes write into it."""
    folder = tempfile.mkdtemp(prefix="b")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def nginx(ports: Sequence[int], balance: str, folder: Path) -> Generator[int]:
    """Run nginx in front of the processes."""
    program = os.environ.get("NGINX_PROGRAM") or shutil.which("nginx")
    if program is None:
        sys.exit("needs nginx: on the PATH, or where NGINX_PROGRAM says")
    port = free_port()
    servers = "".join(f"server 127.0.0.1:{it} max_fails=0;" for it in ports)
    kept = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 1;"
        "events { worker_connections 4096; }"
        f"http {{ access_log off; {kept} upstream processes {{ {balance} {servers} }}"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://processes;"
        "proxy_set_header Host $http_host; proxy_http_version 1.1; proxy_buffering off;"
        "proxy_read_timeout 1h; } } }"
    )
    with subprocess.Popen([program, "-c", str(configuration), "-p", str(folder)]) as process:
        try:
            wait_until_it_serves(port)
            yield port
        finally:
            process.terminate()


@contextmanager
def gateway(ports: Sequence[int]) -> Generator[int]:
    """Run our gateway in front of the processes."""
    port = free_port()
    upstreams = [f"http://127.0.0.1:{it}" for it in ports]
    command = [sys.executable, "-W", "ignore", "-m", "mcp_session", "gateway", *upstreams]
    command += ["--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            wait_until_it_serves(port)
            yield port
        finally:
            process.kill()


async def measured(base: str, url: str, forks: Forks, kills: int) -> Results:
    """Measure what is served there."""
    results: Results = {"through": 0, "of": SESSIONS * CALLS}
    for _ in range(SESSIONS):
        async with raw.Session(url) as session:
            await begin(session)
            answers = [await answered(session, "run", text="x") for _ in range(CALLS)]
            results["through"] += sum(answer is not None for answer in answers)
    results |= await timed(base, url)
    results["elicitations"] = await elicited(url)
    results["kept"], results["kept after"], results["after a kill"] = await killed(
        url, forks, kills if is_ours(forks.way) else max(1, kills // 10)
    )
    return results


def is_ours(way: Way) -> bool:
    """Whether it has to bring a session to another process."""
    return way.kind in {"middleware", "gateway"}


async def timed(base: str, url: str) -> Results:
    """Time calls that are answered, in turns with one process that does nothing more."""
    taken: dict[str, list[float]] = {base: [], url: []}
    async with raw.Session(base) as plain, raw.Session(url) as session:
        both = {base: plain, url: session}
        for it in both.values():
            # Some ways bring some sessions to no process that knows them.
            for _ in range(30):
                await begin(it)
                if await answered(it, "echo", text="x") is not None:
                    break
        for number in range(TIMED):
            for where in sorted(both, reverse=bool(number % 2)):
                begun = time.perf_counter()
                if await answered(both[where], "echo", text="x") is not None:
                    taken[where].append(time.perf_counter() - begun)
    if not taken[url]:
        return {"ms": None, "ratio": None}
    ms = statistics.median(taken[url]) * 1e3
    return {"ms": ms, "ratio": ms / 1e3 / statistics.median(taken[base])}


async def elicited(url: str) -> int:
    """Count the calls of a tool that asks the caller something, by the SDK's plain client."""
    count = 0
    for _ in range(ELICITATIONS):
        with suppress(Exception):
            with anyio.fail_after(5):
                async with clients.connected(url) as session:
                    answer = await clients.call(session, "elicit", text="x")
                    count += answer == "answer:said x"
    return count


async def killed(url: str, forks: Forks, kills: int) -> tuple[int | None, int | None, Any]:
    """Kill the process that a session is in; time the next answer within that session.

    Returns also how many of six notes the session kept before, and after.
    """
    before: int | None = None
    after: int | None = None
    seconds: list[float | None] = []
    while len(seconds) < kills:
        async with raw.Session(url) as session:
            owner = None
            for _ in range(30):
                await begin(session)
                owner = await answered(session, "whoami")
                if owner is not None:
                    break
            if owner is None:
                return before, after, seconds
            if before is None:
                noted = [await answered(session, "remember", text="n") for _ in range(6)]
                before = max((len(it.split(",")) for it in noted if it), default=0)
                owner = await until_answered(session, "whoami") or owner
            begun = time.monotonic()
            port = forks.kill(int(owner))
            answer = await until_answered(session, "run", text="after")
            seconds.append(None if answer is None else time.monotonic() - begun)
            if after is None:
                noted_after = await answered(session, "remember", text="n")
                after = len(noted_after.split(",")) - 1 if noted_after else 0
            forks.start(port)
            await anyio.to_thread.run_sync(wait_until_it_serves, port)
        if answer is None:
            # Once in vain is enough to know.
            return before, after, seconds
    return before, after, seconds


async def begin(session: raw.Session) -> None:
    """Open a session; what comes after `initialize` may reach another process."""
    session.session_id = None
    with suppress(Exception):
        headers = (await session.post(raw.INITIALIZE)).headers
        session.session_id = headers.get("mcp-session-id")
        await session.post(raw.INITIALIZED)


async def until_answered(session: raw.Session, tool: str, **arguments: str) -> str | None:
    """Call until it is answered; nothing if it never is."""
    ends = time.monotonic() + LIMIT
    while (answer := await answered(session, tool, **arguments)) is None:
        if time.monotonic() > ends:
            return None
        await anyio.sleep(0.02)
    return answer


async def answered(session: raw.Session, tool: str, **arguments: str) -> str | None:
    """Call a tool once; what it says, or nothing."""
    try:
        with anyio.fail_after(LIMIT):
            answer = await session.call(next(numbers), tool, arguments)
    except Exception:  # noqa: BLE001 - a connection that was cut
        return None
    found = re.search(r'"text":"([^"]*)"', answer.text)
    return found[1] if answer.status_code == HTTPStatus.OK and found else None


def written(results: Results) -> dict[str, str]:
    """Write the section of the page."""
    head = ("way", "calls answered", "a call", "x one process", "owner killed, next answer")
    head += ("elicitations", "notes kept: before, after a kill", "what it cannot do")
    rows = []
    for way in WAYS:
        if way.name not in results:
            continue
        it = results[way.name]
        ms = "-" if it["ms"] is None else f"{it['ms']:.1f} ms"
        ratio = "-" if it["ratio"] is None else f"{it['ratio']:.2f} x"
        kept = " , ".join("-" if it[name] is None else str(it[name]) for name in KEPT)
        rows.append(
            (
                way.name,
                f"{it['through']} of {it['of']}",
                ms,
                ratio,
                shown(it["after a kill"]),
                f"{it['elicitations']} of {ELICITATIONS}",
                f"{kept.replace(' , ', ', ')} of 6",
                way.cannot,
            )
        )
    facts = (
        f"Measured on {datetime.now(tz=timezone.utc).date().isoformat()} ({machine()}; "
        f"load {os.getloadavg()[0]:.1f} at the end), mcp {version('mcp')}, mcp-persist "
        f"{version('mcp-persist')}, nginx and Redis of Debian."
    )
    return {"beside": f"{table(head, rows)}\n\n{facts}"}


KEPT = ("kept", "kept after")


def shown(seconds: list[float | None]) -> str:
    """Write the median and the worst of the kills."""
    if not seconds:
        return "-"
    known = [it for it in seconds if it is not None]
    if len(known) < len(seconds):
        return f"never ({len(seconds)} tried)"
    return f"{statistics.median(known):.2f} s, at most {max(known):.2f} s ({len(known)} kills)"


if __name__ == "__main__":
    main()
