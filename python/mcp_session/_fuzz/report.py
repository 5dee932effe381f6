"""Writes what was found as raw pairs, which `classify` and `diagnose` read, and says it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mcp_session import classify_exchange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp_session._fuzz.search import Finding, Search

__all__ = ["as_json", "lines", "write"]


def write(findings: Sequence[Finding], folder: Path, seed: int) -> list[Path]:
    """Write for each finding a folder of raw pairs, and a text beside it; return the folders.

    What is no exchange of HTTP, as where no answer came, is in the text alone.
    """
    folders: list[Path] = []
    for finding in findings:
        name = re.sub(r"[^a-z0-9]+", "-", finding.kind.lower()).strip("-")
        place = folder / f"seed-{seed}-{name}"
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        told = [f"{finding.kind}: {finding.what}", f"seed {seed}", "", finding.case, ""]
        # Files are read in the order of their names.
        digits = max(2, len(str(len(finding.exchanges))))
        for number, (request, response) in enumerate(finding.exchanges, 1):
            if _is_exchange(request, response):
                (place / f"{number:0{digits}}.request").write_bytes(request)
                (place / f"{number:0{digits}}.response").write_bytes(response)
            told += [f"{number:0{digits}} > {request!r}", f"{number:0{digits}} < {response!r}"]
        place.with_suffix(".txt").write_text("\n".join([*told, ""]), encoding="utf-8")
        folders.append(place)
    return folders


def _is_exchange(request: bytes, response: bytes) -> bool:
    try:
        classify_exchange(request, response)
    except ValueError:
        return False
    return True


def lines(told: Search, folders: Sequence[Path], seed: int) -> list[str]:
    """Say what was found, and where it is."""
    said: list[str] = []
    for finding, place in zip(told.findings, folders, strict=True):
        said.append(f"{finding.kind}: {finding.what}")
        said += [f"    {line}" for line in finding.case.splitlines()]
        said.append(f"    {place}")
    count = len(told.findings)
    found = "nothing found" if not count else f"{count} fault{'s' * (count != 1)} found"
    said.append(f"{found} in {told.cases} cases, seed {seed}")
    if told.unjudged:
        said.append(f"{told.unjudged} of them ended early: the server answered 429")
    return said


def as_json(told: Search, folders: Sequence[Path], seed: int) -> str:
    """Say the same as one JSON object."""
    findings = [
        {
            "kind": finding.kind,
            "what": finding.what,
            "case": finding.case.splitlines(),
            "exchanges": len(finding.exchanges),
            "folder": str(place),
        }
        for finding, place in zip(told.findings, folders, strict=True)
    ]
    whole = {
        "seed": seed,
        "cases": told.cases,
        "unjudged": told.unjudged,
        "ended_by": told.ended_by,
        "findings": findings,
    }
    return json.dumps(whole)
