"""Writes what was found as raw pairs, which `classify` and `diagnose` read, and says it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp_session._fuzz.search import Finding, Search

__all__ = ["as_json", "lines", "write"]


def write(findings: Sequence[Finding], folder: Path, seed: int) -> list[Path]:
    """Write a folder for each finding; return the folders."""
    folders: list[Path] = []
    for finding in findings:
        name = re.sub(r"[^a-z0-9]+", "-", finding.kind.lower()).strip("-")
        place = folder / f"seed-{seed}-{name}"
        place.mkdir(parents=True, exist_ok=True)
        for number, (request, response) in enumerate(finding.exchanges, 1):
            (place / f"{number:02}.request").write_bytes(request)
            (place / f"{number:02}.response").write_bytes(response)
        (place / "finding.txt").write_text(
            f"{finding.kind}: {finding.what}\nseed {seed}\n\n{finding.case}\n", encoding="utf-8"
        )
        folders.append(place)
    return folders


def lines(told: Search, folders: Sequence[Path], seed: int) -> list[str]:
    """Say what was found, and where it is."""
    said: list[str] = []
    for finding, place in zip(told.findings, folders, strict=True):
        said.append(f"{finding.kind}: {finding.what}")
        said += [f"    {line}" for line in finding.case.splitlines()]
        said.append(f"    {place}")
    count = len(told.findings)
    found = "nothing found" if not count else f"{count} fault{'s' * (count != 1)} found"
    return [*said, f"{found} in {told.cases} cases, seed {seed}"]


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
    return json.dumps({"seed": seed, "cases": told.cases, "findings": findings})
