"""Draws the plots of docs/performance.md and of docs/scale.md, as SVG and PNG.

Run by `benches/run.py`, `benches/tables.py` and `benches/scale.py` with their results, the folder
to draw into and, but for the first, their own names.
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
    "jiter": ("jiter", "C1", "D", 1.2),
    "json": ("json", "C7", "v", 1.2),
}
BYTES = "bytes of a followed session"
TABLES = {
    "sqlite": ("SQLite", "C0", "s"),
    "redis": ("Redis", "C3", "o"),
    "memory": ("memory", "C7", "v"),
}


def main() -> None:
    """Draw those of one page."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    match sys.argv[3:]:
        case ["tables"]:
            save(asking_tables(results), folder / "tables")
            return
        case ["scale"]:
            save(scaling(results), folder / "scale")
            return
    save(reading(results["bodies"]), folder / "reading")
    save(growing(results["growth"]), folder / "growth")
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


def growing(growth: dict[str, Any]) -> Any:
    """Room for each session and stream, and time for each step, against how many there are."""
    figure, (room, forward, time) = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    for axis, what, ways in (
        (room, "followed", {"ours": "a session that a client follows"}),
        (room, "streams", {"ours": "a stream through the middleware"}),
        (forward, "forwarded", {"owned": "at its owner", "forwarded": "through another process"}),
    ):
        for way, name in ways.items():
            counts = [int(count) for count in growth[what][way]]
            over = [growth[what][way][str(it)] - growth[what]["bare"][str(it)] for it in counts]
            axis.semilogx(counts, [each / 1024 for each in over], marker="o", ms=4, label=name)
    room.axhline(2, color="C7", ls=":", label="2 KiB")
    room.set(xlabel="how many", ylabel="KiB for each, over bare", ylim=0)
    forward.axhline(24, color="C7", ls=":", label="24 KiB")
    forward.set(xlabel="open streams, over sockets", ylabel="KiB for each, over bare")
    for name, points in growth["steps"].items():
        if name != BYTES:
            counts = [int(count) for count in points]
            time.loglog(counts, [ns / 1e3 for ns in points.values()], marker="o", ms=4, label=name)
    time.axhline(5, color="C7", ls=":", label="5 µs")
    time.set(xlabel="how many there are", ylabel="µs for each")
    for axis in (room, forward, time):
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend(fontsize="small")
    return figure


def asking_tables(results: dict[str, Any]) -> Any:
    """Room for a session, and time for a look-up, in each table."""
    figure, (room, time, rate) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    for kind, (name, colour, marker) in TABLES.items():
        style = {"label": name, "color": colour, "marker": marker, "ms": 5}
        sizes = [int(size) for size in results[kind]]
        figures = results[kind].values()
        room.semilogx(sizes, [each["bytes"] for each in figures], **style)
        time.loglog(sizes, [each["find"]["p50"] for each in figures], **style)
        time.loglog(sizes, [each["find"]["p99"] for each in figures], "--", color=colour, alpha=0.6)
        if f"{kind} processes" in results:
            asked = results[f"{kind} processes"]
            counts = [int(count) for count in asked]
            rate.plot(counts, [each["finds a second"] for each in asked.values()], **style)
    room.axhline(1024, color="C7", ls=":", label="1 KiB")
    room.set(xlabel="sessions", ylabel="bytes for each", ylim=0)
    time.set(xlabel="sessions", ylabel="one look-up, µs; dashed: 99 of 100")
    rate.set(xlabel="processes that ask, 16 requests each", ylabel="look-ups a second", ylim=0)
    for axis in (room, time, rate):
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend()
    return figure


def scaling(results: dict[str, Any]) -> Any:
    """Load of one table that a thousand replicas share."""
    figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    (forwards, deploy), (herd, upkeep) = axes
    counts = [int(count) for count in results["forwards"]]
    simulated = [each["forwarded"] for each in results["forwards"].values()]
    forwards.semilogx(counts, simulated, "o", color="C3", label="simulated")
    forwards.semilogx(counts, [1 - 1 / count for count in counts], color="C7", label="(n - 1) / n")
    forwards.set(xlabel="replicas, n", ylabel="share of requests that are forwarded", ylim=0)
    for name, colour in (("one after the other", "C3"), ("surge", "C0")):
        series = results["deploys"][name]["series"]
        deploy.plot(series["seconds"], series["claims"], color=colour, label=name)
    deploy.set(xlabel="seconds since the deploy began", ylabel="claims a second", ylim=0)
    for which, dashes in (("p50", "--"), ("p99", "-")):
        spread = [float(seconds) for seconds in results["herds"]]
        waits = [each[which] for each in results["herds"].values()]
        herd.plot(spread, waits, dashes, marker="o", ms=4, color="C3", label=which)
    herd.set(xlabel="clients come back within, s", ylabel="wait for the table, s")
    bound = [int(count) for count in results["upkeeps"]]
    delays = [each["renewal"] for each in results["upkeeps"].values()]
    upkeep.loglog(bound, delays, marker="o", ms=4, color="C3", label="a renewal waits")
    upkeep.axhline(results["lease"], color="C7", ls=":", label="a lease is over")
    upkeep.set(xlabel="sessions that a replica looks after at once", ylabel="seconds")
    for axis in axes.flat:
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend()
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a plot in both forms."""
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    main()
