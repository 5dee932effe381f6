"""Draws the two plots of docs/performance.md, as SVG and PNG.

Run by `benches/run.py` with its results and the folder to draw into.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
# The same figures make the same file: no dates, no random names.
mpl.rcParams["svg.hashsalt"] = "mcp_session"
mpl.rcParams["svg.fonttype"] = "none"

from matplotlib import pyplot as plt  # noqa: E402 - the backend has to be chosen first

LENGTHS = {"1 KB": 1e3, "10 KB": 1e4, "100 KB": 1e5, "1 MB": 1e6, "10 MB": 1e7}
KINDS = {
    "dense": "dense structure",
    "blob": "one big string",
    "ascii": "strings of ASCII",
    "text": "strings not ASCII",
}
READERS = {
    "ours": ("mcp_session.peek", "C3", "o", 2.4),
    "msgspec": ("msgspec, typed", "C0", "s", 1.2),
    "orjson": ("orjson", "C2", "^", 1.2),
    "json": ("json", "C7", "v", 1.2),
}


def main() -> None:
    """Draw both."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    save(reading(results["bodies"]), folder / "reading")
    save(recovering(results["recovery"]["calls"]), folder / "recovery")


def reading(bodies: dict[str, Any]) -> Any:
    """Time against the size of the body, for each reader."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 4), sharey=True, layout="constrained")
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
        for reader, (name, colour, marker, width) in READERS.items():
            points = [(LENGTHS[size], each[reader] / 1e3) for size, each in bodies[kind].items()]
            axis.loglog(
                *zip(*points, strict=True), label=name, color=colour, marker=marker, lw=width, ms=5
            )
        axis.set(title=title, xlabel="body, bytes")
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("time, µs (lower is better)")
    axes[0].legend()
    return figure


def recovering(calls: dict[str, Any]) -> Any:
    """Time to the first and the last answer against the number of calls at once."""
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    styles = {"ours": ("the Python SDK over mcp_session", "C3"), "rmcp": ("rmcp", "C0")}
    for who, (name, colour) in styles.items():
        if who not in calls["1"]:
            continue
        counts = [int(count) for count in calls]
        for which, dashes in (("first", "--"), ("last", "-")):
            times = [calls[str(count)][who][which] for count in counts]
            axis.loglog(
                counts,
                times,
                dashes,
                marker="o",
                ms=4,
                color=colour,
                label=f"{name}, {which} answer",
            )
    axis.set(xlabel="calls at once that meet 404", ylabel="time, ms (lower is better)")
    axis.grid(visible=True, which="major", alpha=0.3)
    axis.legend()
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a plot in both forms."""
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    main()
