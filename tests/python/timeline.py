"""Draws `docs/timeline.svg` from the demonstration's output, as docs/command-line.md shows it.

`python tests/python/timeline.py` writes it; a test holds the picture against the text.
"""

import re
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "command-line.md"
PICTURE = ROOT / "docs" / "timeline.svg"
BLOCK = re.compile(r"^```text\n(  s .*?)^```$", flags=re.DOTALL | re.MULTILINE)
BEGUN = re.compile(r" *(\d+\.\d) +(call \d|restart|kill)")

WIDTH, LEFT, COLUMN, ROW = 900, 152, 92, 74
HEADING, FOOT = 54, 14
FONT = 'font-family="ui-sans-serif, system-ui, sans-serif" text-anchor="middle"'
FINE, BROKEN, NONE, QUIET, INK = "#1a7f37", "#cf222e", "#d0d7de", "#6e7781", "#1f2328"


class Event(NamedTuple):
    """What happened, when, and what the two applications had to say of it."""

    second: str
    name: str
    plain: str
    ours: str


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def picture(page: str) -> str:
    """Draw what a page shows of the demonstration."""
    (block,) = BLOCK.findall(page)
    events = read(block)
    heads, _, _ = block.partition("\n")
    _, plain, ours = heads.split(None, 2)
    rows = [
        ("server", presence([it.name for it in events]), [""] * len(events)),
        (plain, *lane([it.plain for it in events])),
        (ours.strip(), *lane([it.ours for it in events])),
    ]
    height = HEADING + ROW * len(rows) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        "<title>A server restarts and is killed: what two clients make of it</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    for number, event in enumerate(events):
        x = LEFT + COLUMN * number + COLUMN // 2
        parts.append(text(x, 22, event.name, size=13, weight=600))
        parts.append(text(x, 38, f"{event.second} s", fill=QUIET))
        if not event.name.startswith("call"):
            parts.append(
                f'<line x1="{x}" x2="{x}" y1="{HEADING}" y2="{height - FOOT}"'
                f' stroke="{QUIET}" stroke-dasharray="3 3"/>'
            )
    for number, (name, colours, words) in enumerate(rows):
        parts += drawn(HEADING + ROW * number + 22, name, colours, words)
    return "\n".join([*parts, "</svg>", ""])


def read(block: str) -> list[Event]:
    """Take the two columns apart."""
    heading, *lines = block.splitlines()
    middle = heading.index("mcp_session.")
    events: list[Event] = []
    for line in lines:
        if not line:
            break
        found = BEGUN.match(line)
        begin = found.end() if found else 0
        left, right = line[begin:middle].strip(), line[middle:].strip()
        if found:
            events.append(Event(found[1], found[2], left, right))
        else:
            last = events.pop()
            plain, ours = f"{last.plain} {left}".strip(), f"{last.ours} {right}".strip()
            events.append(Event(last.second, last.name, plain, ours))
    return events


def presence(names: list[str]) -> list[str]:
    """Give the colour of the server: none from a kill to the restart."""
    there = True
    colours: list[str] = []
    for name in names:
        there = name == "restart" or (there and name != "kill")
        colours.append(FINE if there else NONE)
    return colours


def lane(said: list[str]) -> tuple[list[str], list[str]]:
    """Give the colour and the words for each thing that an application said."""
    colours: list[str] = []
    words: list[str] = []
    for it in said:
        _, _, told = it.partition("app: ")
        if told.startswith("answered"):
            colours.append(FINE)
            words.append("answered, in a new session" if "POST initialize" in it else "answered")
        elif told:
            colours.append(BROKEN)
            words.append(told.removeprefix("MCPError: ").partition(":")[0])
        else:
            colours.append(colours[-1] if colours else FINE)
            words.append("")
    return colours, words


def drawn(y: int, name: str, colours: list[str], words: list[str]) -> list[str]:
    """Draw a line of one colour after the other, and a mark with words where there are some."""
    parts: list[str] = []
    for place, part in enumerate(name.rsplit(".", name.count(".") - 1) if "." in name else [name]):
        end = f'x="{LEFT - 12}" y="{y + 4 + 15 * place}" text-anchor="end"'
        parts.append(f'<text {end} font-size="12" font-weight="600" fill="{INK}">{part}</text>')
    for number, colour in enumerate(colours):
        x = LEFT + COLUMN * number
        line = f'x1="{x}" x2="{x + COLUMN}" y1="{y}" y2="{y}" stroke-width="3"'
        parts.append(f'<line {line} stroke="{colour}"/>')
    for number, (colour, said) in enumerate(zip(colours, words, strict=True)):
        if said:
            x = LEFT + COLUMN * number + COLUMN // 2
            mark = "✓" if colour == FINE else "✕"
            parts.append(f'<circle cx="{x}" cy="{y}" r="9" fill="{colour}"/>')
            parts.append(text(x, y + 4, mark, fill="#ffffff", weight=700))
            for place, line in enumerate(folded(said)):
                parts.append(text(x, y + 23 + 13 * place, line))
    return parts


def folded(words: str) -> list[str]:
    """Break words into lines that fit below a mark."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) <= COLUMN // 6 + 1:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def text(x: int, y: int, said: str, *, fill: str = INK, size: int = 11, weight: int = 400) -> str:
    """Write words around a point."""
    style = f'font-size="{size}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(said)}</text>'


if __name__ == "__main__":
    main()
