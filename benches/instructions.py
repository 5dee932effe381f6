"""Counts the instructions of the core under valgrind, and holds them against the baseline.

    python3 benches/instructions.py            fails where a case needs more than 2 % more, and
                                               more than five instructions
    python3 benches/instructions.py --accept   writes what was counted as the new baseline

Instructions do not drift with the load of a machine, but they do with the compiler: what the
baseline's own version of rustc builds is counted, which rustup installs where another is the
default. Where there is no valgrind, or another kind of processor, or no such rustc, nothing is
compared, which is said aloud; in the workflow, which installs valgrind, that is a failure.

Two programs of the same source may differ by a few instructions a case: which registers a
function spills depends on what stands around it. In a case of a hundred instructions two or three
of those are 2 %, so up to five are let pass; beyond 250 instructions they make no difference. What
is read begins at an aligned address, as it does where it was allocated: otherwise the number would
depend on where the linker puts it, by up to 5 %.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "benches" / "instructions.txt"
TARGET = ROOT / "target" / "measure"
MORE_IS_A_FAILURE = 1.02
LAYOUT = 5
FEWER_IS_WORTH_A_WORD = 0.98


def main() -> None:
    """Count, compare, and fail or accept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--accept", action="store_true", help="write the new baseline")
    accept = parser.parse_args().accept
    if shutil.which("valgrind") is None:
        skip("valgrind is missing: NO INSTRUCTIONS WERE COUNTED")
        return
    here = f"{compiler()}, {platform.machine()}"
    if accept:
        counted = count(("cargo",))
        lines = [here, *(f"{number}\t{name}" for name, number in counted.items())]
        BASELINE.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(counted)} cases accepted")
        return
    there, baseline = read_baseline()
    cargo = ["cargo"]
    if here != there:
        release = there.split()[1]
        if not there.endswith(platform.machine()) or shutil.which("rustup") is None:
            skip(f"the baseline is of {there}, this is {here}: NO INSTRUCTIONS WERE COMPARED")
            return
        cargo = ["rustup", "run", "--install", release, "cargo"]
    counted = count(tuple(cargo))
    if failures := compare(counted, baseline):
        sys.exit(
            f"{failures} of {len(counted)} cases need more than 2 % more instructions, or have "
            "no baseline. If that is wanted: python3 benches/instructions.py --accept, and say "
            "why in the commit."
        )


def skip(said: str) -> None:
    """Say aloud that nothing was compared; in the workflow, fail."""
    if os.environ.get("GITHUB_ACTIONS"):
        sys.exit(said)
    print(f"\n{'!' * len(said)}\n{said}\n{'!' * len(said)}\n")


def compiler() -> str:
    """Return what rustc calls itself."""
    return output("rustc", "--version").strip()


def count(cargo: tuple[str, ...]) -> dict[str, int]:
    """Count the instructions of one run of each case."""
    measure = build(cargo)
    names = output(str(measure), "cases").splitlines()

    def counted(name: str) -> int:
        # What comes before and after the runs themselves is in both and so in neither.
        once = "100 KB" in name
        fewer, more = (1, 3) if once else (50, 250)
        repeated = [instructions(measure, "repeat", name, times) for times in (fewer, more)]
        return round((repeated[1] - repeated[0]) / (more - fewer))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(counted, names), strict=True))


def build(cargo: tuple[str, ...]) -> Path:
    """Build the program that runs the cases; return where it is."""
    manifest = ROOT / "benches" / "core" / "Cargo.toml"
    command = (*cargo, "build", "-q", "--release", "--locked", "--manifest-path", str(manifest))
    subprocess.run((*command, "--target-dir", str(TARGET)), check=True)
    return TARGET / "release" / "measure"


def instructions(*command: object) -> int:
    """Run a command under valgrind."""
    valgrind = (
        "valgrind",
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
    )
    words = [*valgrind, *map(str, command)]
    done = subprocess.run(words, check=False, capture_output=True, encoding="utf-8")
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return int(found[1].replace(",", ""))


def read_baseline() -> tuple[str, dict[str, int]]:
    """Return the version of the compiler, and what each case needed."""
    compiler, *lines = BASELINE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines)
    return compiler, {name: int(number) for number, name in pairs}


def compare(counted: dict[str, int], baseline: dict[str, int]) -> int:
    """Print both side by side; return how many cases fail."""
    failures = 0
    for name, number in counted.items():
        known = baseline.get(name)
        if known is None:
            said = "NO BASELINE"
            failures += 1
        else:
            ratio = number / known
            said = f"{(ratio - 1) * 100:+.1f} %"
            if ratio > MORE_IS_A_FAILURE and number - known > LAYOUT:
                said += " TOO MANY"
                failures += 1
            elif ratio < FEWER_IS_WORTH_A_WORD:
                said += " (fewer: accept it, so that it stays)"
        print(f"{number:>12,}  {name}: {said}")
    for name in baseline.keys() - counted.keys():
        print(f"{'':>12}  {name}: in the baseline only")
    return failures


def output(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


if __name__ == "__main__":
    main()
