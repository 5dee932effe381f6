"""Checks every server and client of `peers.py`, and writes what came of it into docs/check.md.

Takes some ten minutes. `--clients` and `--servers` do one half.
"""

import argparse
import datetime as dt
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent))

from mcp_session._check.client_run import AskedClient, check_client
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.results import Result
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.server_table import TABLE
from mcp_session._check.subject import Options, Tool
from mcp_session.testing.processes import CommandServer
from peers import CLIENTS, ROOT, SERVERS

PAGE = ROOT / "docs" / "check.md"
KINDS = ("unknown", "ill-formed", "missing", "terminated", "restart", "version", "idle")
SHOWN = {"pass": "✓", "fail": "✗", "warning": "!", "skipped": "·"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", action="store_true")
    parser.add_argument("--servers", action="store_true")
    options = parser.parse_args()
    every = not (options.clients or options.servers)
    if every or options.clients:
        write("clients", clients())
    if every or options.servers:
        write("servers", servers())


def clients() -> str:
    """One row for each check, one column for each client."""
    found: dict[str, Mapping[str, str]] = {}
    for name, command in CLIENTS.items():
        results = anyio.run(check_client, AskedClient(command, 60.0, 3))
        found[name] = outcomes(results)
        print(name, json.dumps(reasons(results), indent=1), flush=True)
    ids = [check.entry.id for scenario in SCENARIOS for check in scenario.checks]
    return table("check", ids, found)


def servers() -> str:
    """One row for each check, one column for each server; what is the same for all is left out."""
    found: dict[str, Mapping[str, str]] = {}
    for name, server in SERVERS.items():
        tool, _, arguments = (server.tool or "").partition("=")
        allowed = Options(Tool(tool, json.loads(arguments)) if tool else None, server.idle)
        with CommandServer(server.command, url=server.url) as process:
            asked = Asked(process.url, (), allowed, 20.0, 300, process)
            results = anyio.run(check_server, asked)
        found[name] = outcomes(results)
        print(name, json.dumps(reasons(results), indent=1), flush=True)
    ids = [check.entry.id for check in TABLE]
    counted = "| server | fails | warns |\n|---|---|---|"
    for name, verdicts in found.items():
        failed, warned = (
            grouped([it for it in ids if verdicts[it] == outcome])
            for outcome in ("fail", "warning")
        )
        counted += f"\n| {name} | {failed} | {warned} |"
    return counted


def grouped(ids: Sequence[str]) -> str:
    """Name them, but those of one kind together: `unknown-post` and five more are one entry."""
    kinds: dict[str, list[str]] = {}
    for name in ids:
        kind = next((it for it in KINDS if name.startswith(it)), name)
        kinds.setdefault(kind, []).append(name)
    shown = [
        f"`{kind}-...` ({len(names)})" if len(names) > 1 else f"`{names[0]}`"
        for kind, names in kinds.items()
    ]
    return ", ".join(shown) or "none"


def outcomes(results: Sequence[Result]) -> dict[str, str]:
    return {it.entry.id: it.outcome.value for it in results}


def reasons(results: Sequence[Result]) -> dict[str, str]:
    return {it.entry.id: f"{it.outcome.value}: {it.reason}" for it in results if it.reason}


def table(title: str, ids: Sequence[str], found: Mapping[str, Mapping[str, str]]) -> str:
    lines = [f"| {title} | {' | '.join(found)} |", f"|---|{':-:|' * len(found)}"]
    for name in ids:
        cells = " | ".join(SHOWN[verdicts[name]] for verdicts in found.values())
        lines.append(f"| `{name}` | {cells} |")
    return "\n".join(lines)


def write(part: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    begin, end = f"<!-- {part}: written by tests/check/measure.py -->", f"<!-- end of {part} -->"
    block = f"{begin}\nMeasured on {today}.\n\n{text}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), flags=re.DOTALL)
    assert pattern.search(page), part
    PAGE.write_text(pattern.sub(lambda _: block, page), encoding="utf-8")


if __name__ == "__main__":
    main()
