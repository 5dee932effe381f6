"""Puts what was measured between the markers of a page; the text around them is written by hand."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["table", "write_sections"]


def write_sections(page: Path, sections: Mapping[str, str]) -> None:
    """Put each section between its markers."""
    text = page.read_text(encoding="utf-8")
    for name, section in sections.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            sys.exit(f"docs/{page.name} has no place for {name}")
        text = pattern.sub(lambda found, it=section: f"{found[1]}{it}\n{found[2]}", text)  # type: ignore[misc]
    page.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table of Markdown's."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
