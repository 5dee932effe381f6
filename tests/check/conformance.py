"""The official conformance suite, bare and with us, compared check by check.

Servers of both generations of the SDK, bare and behind the middleware, in every scenario; their
clients, plain and over our HTTP client, in those that a client without OAuth can play. What
differs is played again, alone. Fails if a check that succeeds without us does not with us. What
came of it is written to docs/conformance.json; most checks want tools that these servers do not
have, and fail alike.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
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

SERVERS = {
    "mcp 1.30 server": ("mcp1", "real_server.py", "wrapped_server.py"),
    "mcp 2.3 server": ("mcp2", "real_server.py", "wrapped_server.py"),
}
CLIENT_PAIRS = {
    "mcp 1.30 client": ("mcp 1.30", "mcp 1.30, ours"),
    "mcp 2.3 client": ("mcp 2.3", "mcp 2.3, ours"),
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    written: dict[str, object] = {"suite": version()}
    worse: list[str] = []
    for name, (environment, _, wrapper) in SERVERS.items():
        bare = serve(sdk(environment), ())
        wrapped_command = (python(environment), "-W", "ignore", str(PROGRAMS / wrapper))
        wrapped = serve((*wrapped_command, "--port", "{port}"), ())
        again = differing(bare, wrapped)
        if again:
            bare = {**bare, **serve(sdk(environment), again)}
            wrapped = {**wrapped, **serve((*wrapped_command, "--port", "{port}"), again)}
        written[name] = summary(bare, wrapped)
        worse += worsened(name, bare, wrapped)
    for name, (plain, ours) in CLIENT_PAIRS.items():
        without, with_us = connect(CLIENTS[plain]), connect(CLIENTS[ours])
        again = differing(without, with_us)
        if again:
            without = {**without, **connect(CLIENTS[plain], again)}
            with_us = {**with_us, **connect(CLIENTS[ours], again)}
        written[name] = summary(without, with_us)
        worse += worsened(name, without, with_us)
    WRITTEN.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(written, indent=1))
    for line in worse:
        print("WORSE WITH US:", line)
    if worse:
        sys.exit(1)


def version() -> str:
    package = json.loads((SUITE.parents[1] / "package.json").read_text(encoding="utf-8"))
    return f"{package['name']} {package['version']}"


def serve(command: tuple[str, ...], only: tuple[str, ...]) -> Statuses:
    """Play the scenarios of a server: all, or these, each on a server of its own."""
    found: dict[tuple[str, str, int], str] = {}
    for choice in [("--scenario", it) for it in only] or [("--suite", "all")]:
        with CommandServer(command) as server:
            found |= play("server", "--url", server.url, *choice)
    return found


def connect(command: tuple[str, ...], only: tuple[str, ...] = CLIENT_SCENARIOS) -> Statuses:
    """Play scenarios of a client."""
    found: dict[tuple[str, str, int], str] = {}
    for scenario in only:
        found |= play("client", "--command", shlex.join(command), "--scenario", scenario)
    return found


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
