"""Measures everything, prints it, and writes it into docs/performance.md with its two plots.

    python3 benches/run.py              everything: about a quarter of an hour
    python3 benches/run.py --no-rmcp    without rmcp's client, which takes long to build

Needs what `noxfile.py` needs, and keeps its environment where that does. What is written stands
between markers in docs/performance.md; the text around them is written by hand.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness import machine
from hostile import most as most_of_hostile
from sections import write_sections

ROOT = Path(__file__).resolve().parents[1]
BENCHES = ROOT / "benches"
DOCS = ROOT / "docs"
ENVIRONMENTS = ROOT / ".environments"
TARGET = ROOT / "target"
PYTHON = ENVIRONMENTS / "benchmarks" / "bin" / "python"
PACKAGES = [
    *("h11>=0.16", "httpx2>=2.16", "jiter>=0.19", "matplotlib>=3.10", "maturin>=1.9.4,<2"),
    "mcp>=2.3,<3",
    *("msgspec>=0.22", "orjson>=3.13", "uvicorn>=0.50"),
]
VERSIONS = ("h11", "httpx2", "jiter", "mcp", "msgspec", "orjson", "uvicorn")

# The markers of docs/performance.md.
Sections = dict[str, str]
Results = dict[str, Any]


def main() -> None:
    """Build, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--no-rmcp", action="store_true", help="leave rmcp's client out")
    parser.add_argument("--again", action="store_true", help="write the last results again")
    arguments = parser.parse_args()
    kept = TARGET / "benchmarks.json"
    if arguments.again:
        results = json.loads(kept.read_text(encoding="utf-8"))
    else:
        results = measured(with_rmcp=not arguments.no_rmcp)
        kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    sections = written(results)
    for name, text in sections.items():
        print(f"\n## {name}\n\n{text}")
    write_sections(DOCS / "performance.md", sections)
    command = [PYTHON, BENCHES / "plots.py", kept, DOCS]
    subprocess.run(command, check=True)


def measured(*, with_rmcp: bool) -> Results:
    """Build what is measured, and measure it."""
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", PYTHON.parents[1])
    run(PYTHON, "-m", "pip", "install", "-q", *PACKAGES)
    wheel = install_wheel()
    cargo("core", "measure")
    cargo("empty", "empty", env={"PYO3_BUILD_EXTENSION_MODULE": "1"})
    library = "libempty.dylib" if sys.platform == "darwin" else "libempty.so"
    empty = TARGET / "empty" / "release" / library
    measure = TARGET / "measure" / "release" / "measure"
    rmcp: tuple[str | Path, ...] = ()
    if with_rmcp:
        cargo("rmcp", "rmcp")
        rmcp = ("--rmcp", TARGET / "rmcp" / "release" / "rmcp-recovery")
    versions = ", ".join(
        output(PYTHON, "-c", f"from importlib.metadata import version as v; print({text})").strip()
        for text in ["', '.join(f'{it} {v(it)}' for it in " + repr(VERSIONS) + ")"]
    )
    known = output(PYTHON, "-c", "import harness; print(harness.machine())", cwd=BENCHES)
    say("the calls of the binding, and the readers")
    results: Results = json.loads(output(PYTHON, BENCHES / "calls.py", measure, empty))
    say("the core")
    results["core"] = rows(output(*pinned(), measure, "time", "61"))
    say("hostile bodies")
    results["hostile"] = rows(output(*pinned(), measure, "hostile"))
    results["hostile_counted"] = most_of_hostile(measure)
    say("what grows")
    results["growth"] = json.loads(output(PYTHON, BENCHES / "growth.py", measure))
    say("importing")
    results["import_ms"] = import_time()
    say("a lost session")
    quiet = ("-W", "ignore")
    results["recovery"] = json.loads(output(PYTHON, *quiet, BENCHES / "recovery.py", *rmcp))
    for name in ("client", "asgi"):
        script = BENCHES / f"{name}.py"
        if script.exists():
            say(f"benches/{name}.py")
            results[name] = output(PYTHON, *quiet, script)
    results["machine"] = {
        "machine": known.strip() or machine(),
        "versions": f"{versions}, {output('rustc', '--version').strip()}",
        "day": datetime.now(tz=timezone.utc).date().isoformat(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "wheel": f"{wheel.name}, {wheel.stat().st_size // 1024} KiB",
    }
    return results


def install_wheel() -> Path:
    """Build the wheel as it is published, and install it."""
    folder = ENVIRONMENTS / "benchmarks" / "dist"
    for old in folder.glob("*.whl"):
        old.unlink()
    run(PYTHON.parent / "maturin", "build", "-q", "--release", "--locked", "--out", folder)
    (wheel,) = folder.glob("*.whl")
    run(PYTHON, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", wheel)
    return wheel


def import_time() -> float:
    """Return the milliseconds that importing takes beyond `import enum`."""
    code = (
        "import enum, time; begun = time.perf_counter(); import mcp_session;"
        "print((time.perf_counter() - begun) * 1e3)"
    )
    taken = [float(output(PYTHON, "-I", "-c", code)) for _ in range(21)]
    return statistics.median(taken)


def written(results: Results) -> Sections:
    """Write each section of the page."""
    facts = results["machine"]
    sections = {
        "machine": (
            f"Measured on {facts['day']} ({facts['machine']}; load {facts['load']} at the end).\n"
            f"Versions: {facts['versions']}.\n"
            f"The wheel: {facts['wheel']}. Importing it: {results['import_ms']:.2f} ms."
        ),
        "targets": targets(results),
        "calls": calls(results["calls"]),
        "readers": readers(results["bodies"]),
        "core": core(results["core"]),
        "hostile": hostile(results["hostile"]),
        "memory": memory(results["growth"]),
        "steps": steps(results["growth"]["steps"]),
        "recovery": recovery(results["recovery"]),
        "slow": slow(results["recovery"]["slow"]),
    }
    for name in ("client", "asgi"):
        if name in results:
            # A table needs an empty line before it to be one.
            sections[name] = re.sub(
                r"^([^|\n].*)\n\|", r"\1\n\n|", results[name].strip(), flags=re.MULTILINE
            )
    return sections


def targets(results: Results) -> str:
    """Hold what was measured against what was to be reached."""
    made, bodies, lost = results["calls"], results["bodies"], results["recovery"]["resent"]
    core_ns, _allocations, _bytes = results["core"]["classify: 404 to a POST"]
    sizes = ("1 KB", "100 KB", "10 MB")

    def least(reader: str) -> float:
        ratios = (bodies[kind][size][f"{reader} / ours"] for kind in bodies for size in sizes)
        return float(min(ratios))

    answer, heads = made["404 bytes of a body"], made["raw heads to a verdict"]
    small = made["peek, 130 bytes"]
    many = results["growth"]

    def over(what: str, way: str) -> float:
        return float((many[what][way]["3000"] - many[what]["bare"]["3000"]) / 1024)

    slowest = max(
        many["steps"][step]["10000"] / 1e3
        for step in ("held", "released", "cancelled", "asked", "answered")
    )
    # An exchange is an object: its empty call is the one that makes one.
    around_get, around_call = (
        made[f"Session, {what}"]["object"] for what in ("GET", "a call of 130 bytes")
    )
    table = [
        ("Rust `classify` on facts", "≤ 5 ns", core_ns, 5.0, "{:.1f} ns"),
        (
            *("Python `classify`, 404", "≤ 3.5 x empty"),
            *(made["classify, 404"]["empty"], 3.5, "{:.1f} x"),
        ),
        ("body to the 404 bytes", "≥ 12 x json", answer["json"], -12.0, "{:.1f} x"),
        ("the same", "≥ 5 x orjson", answer["orjson"], -5.0, "{:.1f} x"),
        ("the same", "≥ 1.5 x msgspec", answer["msgspec"], -1.5, "{:.2f} x"),
        ("`peek`, the least of twelve bodies", "> 1 x json", least("json"), -1.0, "{:.1f} x"),
        ("the same", "> 1 x orjson", least("orjson"), -1.0, "{:.1f} x"),
        ("the same", "≥ 1.1 x msgspec", least("msgspec"), -1.1, "{:.2f} x"),
        ("`peek`, 130 bytes", "≥ 1.1 x msgspec", small["msgspec"], -1.1, "{:.2f} x"),
        ("raw heads to a verdict", "≥ 50 x h11", heads["h11"], -50.0, "{:.0f} x"),
        (
            *("hostile bodies, instructions a byte", "≤ 2 x ordinary"),
            *(results["hostile_counted"], 2.0, "{:.2f} x"),
        ),
        ("`Session` around a GET", "≤ 7 x empty, object", around_get, 7.0, "{:.1f} x"),
        ("`Session` around a call", "≤ 7 x empty, object", around_call, 7.0, "{:.1f} x"),
        ("1,000 calls that meet 404", "≤ 2.2 x live", lost["ratio"], 2.2, "{:.2f} x"),
        ("importing", "≤ 1.5 ms", results["import_ms"], 1.5, "{:.2f} ms"),
        ("of 10,000, one held, released, called off, asked", "≤ 5 µs", slowest, 5.0, "{:.1f} µs"),
        ("a followed session, of 3,000", "≤ 2 KiB", over("followed", "ours"), 2.0, "{:.1f} KiB"),
        ("a stream through the middleware", "≤ 2 KiB", over("streams", "ours"), 2.0, "{:.1f} KiB"),
        (
            *("a forwarded stream", "≤ 24 KiB"),
            *(over("forwarded", "forwarded"), 24.0, "{:.1f} KiB"),
        ),
    ]
    lines = ["| what | reach | measured | |", "|---|---|---|---|"]
    for what, reach, value, bound, form in table:
        # A negative bound is the least there is to be.
        reached = value <= bound if bound > 0 else value >= -bound
        lines.append(
            f"| {what} | {reach} | {form.format(value)} | {'reached' if reached else 'missed'} |"
        )
    return "\n".join(lines)


def calls(made: Results) -> str:
    """Write the table of the small calls."""
    lines = ["| call | ns | x an empty call | beside it |", "|---|---|---|---|"]
    for name, figures in made.items():
        others = ", ".join(
            f"{other} {ratio:.2g} x" if ratio < 10 else f"{other} {ratio:.0f} x"
            for other, ratio in figures.items()
            if other not in {"ns", "empty", "object"}
        )
        lines.append(f"| {name} | {figures['ns']:,.0f} | {figures['empty']:.1f} | {others} |")
    return "\n".join(lines)


def readers(bodies: Results) -> str:
    """Write the table of the readers, the time of each beside ours."""
    titles = {
        "dense": "dense structure",
        "blob": "one big string",
        "ascii": "strings of ASCII",
        "text": "strings not ASCII",
    }
    lines = [
        "| body | ours | GB/s | json | jiter | orjson | msgspec, typed |",
        "|---|---|---|---|---|---|---|",
    ]
    others = ("json", "jiter", "orjson", "msgspec")
    for kind, sizes in bodies.items():
        for size, figures in sizes.items():
            number, unit = size.split()
            length = int(number) * {"KB": 1_000, "MB": 1_000_000}[unit]
            ratios = " | ".join(f"{figures[f'{reader} / ours']:.2f} x" for reader in others)
            lines.append(
                f"| {titles[kind]}, {size} | {figures['ours'] / 1e3:,.1f} µs "
                f"| {length / figures['ours']:.2f} | {ratios} |"
            )
    return "\n".join(lines)


def core(timed: Results) -> str:
    """Write the table of the core."""
    counted = {}
    for line in (BENCHES / "instructions.txt").read_text(encoding="utf-8").splitlines()[1:]:
        number, name = line.split("\t")
        counted[name] = int(number)
    lines = ["| what | ns | instructions | allocations | bytes |", "|---|---|---|---|---|"]
    for name, (ns, allocations, size) in timed.items():
        instructions = f"{counted[name]:,}" if name in counted else ""
        lines.append(f"| {name} | {ns:,.1f} | {instructions} | {allocations:.0f} | {size:,.0f} |")
    return "\n".join(lines)


def hostile(hurt: Results) -> str:
    """Write the table of the hostile bodies."""
    lines = ["| body | bytes | ns a byte | x ordinary | memory |", "|---|---|---|---|---|"]
    for name, (length, ns, memory) in hurt.items():
        ratio = ns / hurt["ordinary" if length > 1 << 25 else "ordinary, 2 MB"][1]
        lines.append(
            f"| {name} | {length:,.0f} | {ns:.2f} | {ratio:.2f} | {memory / 1024:,.1f} KiB |"
        )
    return "\n".join(lines)


def memory(growth: Results) -> str:
    """Write what each session and each stream takes, by how many there are."""
    cases = [
        ("a session that a client follows, unused", "followed", "ours", "≤ 2 KiB"),
        ("an open stream through the middleware", "streams", "ours", "≤ 2 KiB"),
        ("the same over a socket, with a table", "forwarded", "owned", ""),
        ("the same, forwarded to its owner", "forwarded", "forwarded", "≤ 24 KiB"),
    ]
    counts = list(growth["followed"]["ours"])
    shown = [f"{int(count):,}" for count in counts]
    lines = [f"| KiB for each, over bare | {' | '.join(shown)} | reach |", "|---" * 8 + "|---|"]
    for name, what, way, reach in cases:
        measured = growth[what]
        cells = [
            f"{(measured[way][it] - measured['bare'][it]) / 1024:,.1f}"
            if it in measured[way]
            else ""
            for it in counts
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {reach} |")
    return "\n".join(lines)


def steps(timed: Results) -> str:
    """Write what each step takes, by how many there are."""
    titles = {
        "held": "a request is held",
        "released": "it is released",
        "cancelled": "it is called off",
        "asked": "a server's request comes",
        "answered": "it is answered",
        "opened": "a client opens a session",
        "called": "a call of each session",
        "bytes of a followed session": "bytes that a session takes in the core",
    }
    counts = list(timed["held"])
    shown = [f"{int(count):,}" for count in counts]
    lines = [f"| ns for each | {' | '.join(shown)} |", "|---" * (len(counts) + 1) + "|"]
    for name, title in titles.items():
        cells = " | ".join(f"{timed[name][it]:,.0f}" for it in counts)
        lines.append(f"| {title} | {cells} |")
    return "\n".join(lines)


def recovery(lost: Results) -> str:
    """Write the table of the lost sessions."""
    resent = lost["resent"]
    lines = [
        (
            f"1,000 calls at once through `mcp_session.httpx2.AsyncClient`: "
            f"{resent['live_ms']:,.0f} ms on a live session; {resent['dead_ms']:,.0f} ms when "
            f"all of them meet 404, with one `initialize`: {resent['ratio']:.2f} times as long."
        ),
        "",
        "| calls at once | who | first answer | last answer | failed | `initialize`s |",
        "|---|---|---|---|---|---|",
    ]
    for count, clients in lost["calls"].items():
        for who, figures in clients.items():
            name = {"ours": "the Python SDK over ours", "rmcp": "rmcp"}[who]
            lines.append(
                f"| {int(count):,} | {name} | {figures['first']:,.1f} ms "
                f"| {figures['last']:,.1f} ms | {figures['failed']:.0f} "
                f"| {figures['initialized']:.0f} |"
            )
    return "\n".join(lines)


def slow(ended: Results) -> str:
    """Write what became of a slow call that was under way."""
    lines = ["| who | the other call | the slow call | after |", "|---|---|---|---|"]
    for who, figures in ended.items():
        name = {"ours": "the Python SDK over ours", "rmcp": "rmcp"}[who]
        outcome = f"failed: {figures['slow_error']}" if figures["slow_error"] else "answered"
        lines.append(
            f"| {name} | {figures['last']:,.1f} ms | {outcome} "
            f"| {figures['slow_after'] / 1e3:,.1f} s |"
        )
    return "\n".join(lines)


def rows(text: str) -> dict[str, list[float]]:
    """Read lines of a name and numbers."""
    split = (line.split("\t") for line in text.splitlines())
    return {name: [float(number) for number in numbers] for name, *numbers in split}


def cargo(crate: str, target: str, env: dict[str, str] | None = None) -> None:
    """Build a crate of the benchmarks."""
    manifest = BENCHES / crate / "Cargo.toml"
    run(
        *("cargo", "build", "-q", "--release", "--locked", "--manifest-path", manifest),
        *("--target-dir", TARGET / target),
        env=env,
    )


def pinned() -> tuple[str, ...]:
    """Return what keeps a command on one processor, where there is something."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return ("taskset", "-c", str(max(os.sched_getaffinity(0))))


def say(what: str) -> None:
    """Say what is being measured."""
    print(f"==== {what}", file=sys.stderr, flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command in the root of the project."""
    print("$", *command, file=sys.stderr, flush=True)
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | (env or {}))


def output(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.PIPE, encoding="utf-8")
    return done.stdout


if __name__ == "__main__":
    main()
