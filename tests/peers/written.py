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
    summed = "\n".join(summary(results, day))
    before = readme.read_text(encoding="utf-8")
    readme.write_text(MARKED.sub(lambda _: summed, before), encoding="utf-8")


def summary(results: Results, day: date) -> Iterable[str]:
    """The table for the README: all clients and all servers in one cell."""
    measured = [client for client in EVERY_CLIENT if any(it.client == client for it in results)]
    yield (
        f"Measured on {day.isoformat()}: {len(measured)} clients, each with servers of"
        f" {names(PYTHON)}."
    )
    yield from legend()
    yield ""
    yield row("situation", "without us", "with us")
    yield row("---", "---", "---")
    for situation in SITUATIONS:
        met = [cell for cell in results if cell.server in PYTHON and cell.situation == situation]
        yield row(situation, *in_modes(results, met))
    foreign = [cell for cell in results if cell.server in FOREIGN]
    yield row(f"{len(FOREIGN)} servers in TypeScript and Rust", *in_modes(results, foreign))
    yield ""
    yield (
        "[Cell by cell, with versions](docs/matrix.md), [as JSON](docs/matrix.json), and"
        " [why what is not green is not](docs/matrix.md#what-is-not-green)."
    )
    yield ""


def in_modes(results: Results, cells: Iterable[Cell]) -> list[str]:
    """What came of these cells without us and with us; nothing where both are to be alike."""
    met = list(cells)
    return [
        words(results[cell] for cell in met if cell.mode == mode)
        if any(cell.mode == mode for cell in met)
        else ""
        for mode in ("plain", "ours")
    ]


KNOWN = (
    "- mcp 1.x: `get_session_id()` shows the first ID for ever; only [inside](adopt.md) can change"
    " that.\n"
    "- mcp-proxy: it has no hook, it makes its HTTP client by itself;"
    " [`mcp-session run`](integrations.md#programs) is its way.\n"
    "- Everywhere: what the server kept for its session is gone with it.\n"
    "- The official SDK alone was asked what is `down` without a session."
)


def page(results: Results, versions: dict[str, str], day: date) -> Iterable[str]:
    """The table, cell by cell."""
    yield "# The table: clients, servers, situations"
    yield ""
    yield (
        f"Measured on {day.isoformat()} by `nox -s matrix`, which wrote this page:"
        " without us → with us. `matrix.json` has what was said in each cell."
    )
    yield ""
    yield "| situation | the application expects |"
    yield "|---|---|"
    for situation, expected in SITUATIONS.items():
        yield row(situation, expected)
    yield from legend()
    yield ""
    yield f"## Servers of {names(PYTHON)}, together"
    yield ""
    yield row("client", *SITUATIONS)
    yield row(*("---" for _ in range(len(SITUATIONS) + 1)))
    for client in EVERY_CLIENT:
        shown = (across(results, client, PYTHON, situation) for situation in SITUATIONS)
        yield row(client, *shown)
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
    yield KNOWN
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


def redacted(detail: str) -> str:
    """Without what might be a session's ID, and without ports."""
    detail = re.sub(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", "…", detail)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", detail)


def row(*columns: str) -> str:
    return f"| {' | '.join(columns)} |"
