"""The official conformance suite, bare and with us, compared check by check.

Servers of both generations of the SDK in every scenario, bare, behind the middleware and behind the
gateway; their clients, plain and over our HTTP client, in those that a client without OAuth can
play. What differs is played again, alone. Fails if a check that succeeds without us does not with
us. What came of it is written to docs/conformance.json; most checks want tools that these servers
do not have, and fail alike.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mcp_session.testing.processes import CommandServer
from peers import CLIENTS, NODE, PACKAGES, PROGRAMS, ROOT, python, sdk

SUITE = PACKAGES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
# It needs a newer node than most systems have.
RUNS = (str(NODE / "node_modules" / ".bin" / "node"), str(SUITE))
WRITTEN = ROOT / "docs" / "conformance.json"
SCENARIO_SECONDS = 15
CLIENT_SCENARIOS = (
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "json-schema-2020-12-preservation",
    "request-metadata",
    "http-standard-headers",
)

# The status of each check, by scenario, its id and which of that id it is.
Statuses = Mapping[tuple[str, str, int], str]

SERVERS = {"mcp 1.30 server": "mcp1", "mcp 2.3 server": "mcp2"}
CLIENT_PAIRS = {
    "mcp 1.30 client": ("mcp 1.30", "mcp 1.30, ours"),
    "mcp 2.3 client": ("mcp 2.3", "mcp 2.3, ours"),
}

# Plays scenarios: all of them, or those that are named, each alone.
Playing = Callable[[tuple[str, ...]], Statuses]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    written: dict[str, object] = {"suite": version()}
    worse: list[str] = []
    for name, without, with_us in comparisons():
        bare, ours = without(()), with_us(())
        if again := differing(bare, ours):
            bare, ours = {**bare, **without(again)}, {**ours, **with_us(again)}
        written[name] = summary(bare, ours)
        worse += worsened(name, bare, ours)
        print(name, json.dumps(written[name]), flush=True)
    WRITTEN.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    for line in worse:
        print("WORSE WITH US:", line)
    if worse:
        sys.exit(1)


def comparisons() -> Iterator[tuple[str, Playing, Playing]]:
    """What is compared: its name, what plays it without us and what plays it with us."""
    for name, environment in SERVERS.items():
        plain = sdk(environment)
        wrapper = str(PROGRAMS / "wrapped_server.py")
        wrapped = (python(environment), "-W", "ignore", wrapper, "--port", "{port}")
        yield f"{name}, middleware", serving(plain), serving(wrapped)
        yield f"{name}, gateway", serving(plain), serving(plain, gateway=True)
    for name, (plain_client, our_client) in CLIENT_PAIRS.items():
        yield name, connecting(CLIENTS[plain_client]), connecting(CLIENTS[our_client])


def version() -> str:
    package = json.loads((SUITE.parents[1] / "package.json").read_text(encoding="utf-8"))
    return f"{package['name']} {package['version']}"


def serving(command: tuple[str, ...], *, gateway: bool = False) -> Playing:
    """Play scenarios of a server, or of the gateway before it, new for each run."""

    def playing(only: tuple[str, ...]) -> Statuses:
        found: dict[tuple[str, str, int], str] = {}
        for choice in [("--scenario", it) for it in only] or [("--suite", "all")]:
            with ExitStack() as stack:
                url = stack.enter_context(CommandServer(command)).url
                if gateway:
                    before = (sys.executable, "-m", "mcp_session", "gateway", url)
                    options = ("--port", "{port}", "--log-level", "error")
                    url = stack.enter_context(CommandServer((*before, *options))).url
                found |= play("server", "--url", url, *choice)
        return found

    return playing


def connecting(command: tuple[str, ...]) -> Playing:
    """Play scenarios of a client."""

    def playing(only: tuple[str, ...]) -> Statuses:
        found: dict[tuple[str, str, int], str] = {}
        for scenario in only or CLIENT_SCENARIOS:
            found |= play("client", "--command", shlex.join(command), "--scenario", scenario)
        return found

    return playing


def play(*arguments: str) -> Statuses:
    """Run the suite and read what it wrote down; it exits with 1 if any check failed."""
    with tempfile.TemporaryDirectory() as folder:
        timeout = ("--timeout", str(SCENARIO_SECONDS * 1000))
        command = [*RUNS, *arguments, "-o", folder, *timeout]
        done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
        files = sorted(Path(folder).rglob("checks.json"))
        if not files:
            sys.exit(f"the suite wrote nothing down: {done.stdout[-500:]} {done.stderr[-500:]}")
        found: dict[tuple[str, str, int], str] = {}
        for file in files:
            scenario = re.sub(r"-\d{4}-\d\d-\d\dT[-\dZ]*$", "", file.parent.name)
            seen: Counter[str] = Counter()
            for check in json.loads(file.read_text(encoding="utf-8")):
                found[scenario, check["id"], seen[check["id"]]] = check["status"]
                seen[check["id"]] += 1
        return found


def differing(one: Statuses, other: Statuses) -> tuple[str, ...]:
    """The scenarios in which the two came to other ends."""
    scenarios = {key[0] for key in {*one, *other} if one.get(key) != other.get(key)}
    return tuple(sorted(it.removeprefix("server-") for it in scenarios))


def summary(without: Statuses, with_us: Statuses) -> dict[str, object]:
    counted = [dict(sorted(Counter(it.values()).items())) for it in (without, with_us)]
    keys = sorted({*without, *with_us})
    differences = [
        f"{' '.join(map(str, key))}: {without.get(key)} without us, {with_us.get(key)} with us"
        for key in keys
        if without.get(key) != with_us.get(key)
    ]
    return {"without us": counted[0], "with us": counted[1], "differences": differences}


def worsened(name: str, without: Statuses, with_us: Statuses) -> list[str]:
    return [
        f"{name}: {' '.join(map(str, key))}: {with_us.get(key)}"
        for key, status in without.items()
        if status == "SUCCESS" and with_us.get(key) != "SUCCESS"
    ]


if __name__ == "__main__":
    main()
