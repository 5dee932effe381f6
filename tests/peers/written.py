"""Writes the table that was measured: as JSON, as Markdown, and its summary into the README."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from plan import (
    CLIENTS,
    COMPARED,
    EXPLAINED,
    FOREIGN,
    OF_FOREIGN,
    PYTHON,
    SERVER_NAMES,
    SITUATIONS,
    Cell,
    arises,
)

ROOT = Path(__file__).resolve().parents[2]
EVERY_CLIENT = tuple(itertools.chain.from_iterable(CLIENTS.values()))
MARKED = re.compile(r"(?<=<!-- the table -->\n).*?(?=<!-- end of the table -->)", re.DOTALL)

WORDS = {
    "✓": "the application notices nothing but what it has to",
    "error": "calls fail, and go on failing",
    "dies": "the client ends: its tasks are cancelled, its `async with` raises",
    "hangs": "a call does not end (8 seconds)",
    "differs": "it goes on, but not as it should; `matrix.json` says how",
}

Results = Mapping[Cell, Any]


def write(results: Results, versions: dict[str, str], day: date) -> None:
    """Write what was measured on this day with these versions."""
    cells = [
        cell._asdict() | {"outcome": result.outcome, "detail": redacted(result.detail)}
        for cell, result in results.items()
    ]
    facts = {"date": day.isoformat(), "versions": versions, "situations": SITUATIONS}
    explained = [{key: value for key, value in one._asdict().items() if value} for one in EXPLAINED]
    head = json.dumps(facts | {"explained": explained}, indent=1, ensure_ascii=False)
    lines = ",\n  ".join(json.dumps(cell, ensure_ascii=False) for cell in cells)
    docs = ROOT / "docs"
    opened = head.removesuffix("\n}")
    text = f'{opened},\n "cells": [\n  {lines}\n ]\n}}\n'
    (docs / "matrix.json").write_text(text, encoding="utf-8")
    (docs / "matrix.md").write_text("\n".join(page(results, versions, day)), encoding="utf-8")
    readme = ROOT / "README.md"
    summed = "\n".join(summary(results, versions, day))
    before = readme.read_text(encoding="utf-8")
    readme.write_text(MARKED.sub(lambda _: summed, before), encoding="utf-8")


def summary(results: Results, versions: dict[str, str], day: date) -> Iterable[str]:
    """The table for the README: all servers of the official packages in one cell."""
    clients = [client for client in EVERY_CLIENT if any(it.client == client for it in results)]
    yield f"Measured on {day.isoformat()} against servers of {names(PYTHON)}: without us → with us."
    yield from legend()
    yield ""
    yield row("client", *SITUATIONS)
    yield row(*("---" for _ in range(len(SITUATIONS) + 1)))
    for client in clients:
        shown = (across(results, client, PYTHON, situation) for situation in SITUATIONS)
        yield row(client, *shown)
    yield ""
    of_foreign = ", ".join(OF_FOREIGN)
    yield f"Servers in other languages, the three kinds of client of mcp 2.x: {of_foreign}."
    yield ""
    yield row("server", "without us", "`quirks=False`", "with us")
    yield row("---", "---", "---", "---")
    for server in FOREIGN:
        shown = (
            words(result for cell, result in results.items() if (cell.server, cell.mode) == of)
            for of in itertools.product((server,), ("plain", "no quirks", "ours"))
        )
        yield row(SERVER_NAMES[server], *shown)
    yield ""
    yield "What is not green, and why:"
    yield ""
    yield from reasons()
    yield KNOWN
    yield ""
    listed = "; ".join(f"{name} {version}" for name, version in measured(versions).items())
    yield f"Versions: {listed}. [Cell by cell](docs/matrix.md), [as JSON](docs/matrix.json)."
    yield ""


KNOWN = (
    "- mcp 1.x: `get_session_id()` shows the first ID for ever; only [inside](docs/adopt.md) can"
    " that change.\n"
    "- mcp-proxy: it has no hook, it makes its HTTP client by itself.\n"
    "- 2026-07-28: there is no session to follow, so a call while the server is down ends the SDK's"
    " client with us as without.\n"
    "- Everywhere: what the server kept for its session is gone with it."
)


def page(results: Results, versions: dict[str, str], day: date) -> Iterable[str]:
    """The table, cell by cell."""
    yield "# The table: clients, servers, situations"
    yield ""
    yield (
        f"Measured on {day.isoformat()} by `python3 tests/run.py matrix`, which wrote this page:"
        " without us → with us. `matrix.json` has what was said in each cell."
    )
    yield ""
    yield "| situation | the application expects |"
    yield "|---|---|"
    for situation, expected in SITUATIONS.items():
        yield row(situation, expected)
    yield from legend()
    for server in PYTHON:
        yield ""
        yield f"## Server: {SERVER_NAMES[server]}"
        yield ""
        yield row("client", *SITUATIONS)
        yield row(*("---" for _ in range(len(SITUATIONS) + 1)))
        for client in EVERY_CLIENT:
            shown = (across(results, client, (server,), situation) for situation in SITUATIONS)
            yield row(client, *shown)
    yield ""
    yield "## Servers in other languages"
    yield ""
    yield "Without us → with us and `quirks=False` → with us."
    for server in FOREIGN:
        yield ""
        yield f"### {SERVER_NAMES[server]}"
        yield ""
        yield row("client", *OF_FOREIGN)
        yield row(*("---" for _ in range(len(OF_FOREIGN) + 1)))
        for client in CLIENTS["mcp2"]:
            shown = (
                " → ".join(
                    words(of_cell(results, Cell(client, server, it, mode)))
                    for mode in ("plain", "no quirks", "ours")
                )
                for it in OF_FOREIGN
            )
            yield row(client, *shown)
    yield ""
    yield "## What is not green"
    yield ""
    yield from reasons()
    yield KNOWN.replace("docs/", "")
    yield ""
    yield "## Versions"
    yield ""
    yield "| package | version |"
    yield "|---|---|"
    for name, version in versions.items():
        yield row(name, version)
    yield ""


def reasons() -> Iterable[str]:
    """Why what is not green cannot be, each once."""
    for mode, client, reason in dict.fromkeys((it.mode, it.client, it.reason) for it in EXPLAINED):
        yield f"- {'`quirks=False`' if mode == 'no quirks' else client}: {reason}."


def legend() -> Iterable[str]:
    yield ""
    yield "; ".join(f"{word}: {meaning}" for word, meaning in WORDS.items()) + "."


def across(results: Results, client: str, servers: Iterable[str], situation: str) -> str:
    """What came of a situation with these servers, without us and with us."""
    met = [server for server in servers if arises(client, server, situation)]
    if not met:
        return ""
    of_mode = [
        words(
            itertools.chain.from_iterable(
                of_cell(results, Cell(client, server, situation, mode)) for server in met
            )
        )
        for mode in ("plain", "ours")
    ]
    return of_mode[1] if situation in COMPARED else " → ".join(of_mode)


def of_cell(results: Results, cell: Cell) -> list[Any]:
    return [results[cell]] if cell in results else []


def words(results: Iterable[Any]) -> str:
    """The outcomes that occurred, each once."""
    found = {"✓" if result.outcome == "ok" else result.outcome for result in results}
    return ", ".join(word for word in WORDS if word in found) or "not measured"


def names(servers: Iterable[str]) -> str:
    return ", ".join(SERVER_NAMES[server] for server in servers)


def measured(versions: dict[str, str]) -> dict[str, str]:
    """Each package once, with every version of it that was there."""
    found: dict[str, set[str]] = {}
    for name, version in versions.items():
        found.setdefault(name.partition(" (")[0], set()).add(version)
    return {name: " and ".join(sorted(of_one)) for name, of_one in sorted(found.items())}


def redacted(detail: str) -> str:
    """Without what might be a session's ID, and without ports."""
    detail = re.sub(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", "…", detail)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", detail)


def row(*columns: str) -> str:
    return f"| {' | '.join(columns)} |"
