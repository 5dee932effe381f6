"""Counts what hostile bodies cost a byte, for every public function that reads one, under valgrind.

    python3 benches/hostile.py          fails where one costs more than twice an ordinary body
    python3 benches/hostile.py --all    prints every figure

Instructions are counted in one run, so that the ratios do not depend on the machine. The measure
is what an ordinary body costs the function, or `peek` where that is more: a function that only
passes bytes on is not measured by how little that is.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from instructions import build, output, skip

LENGTH = "20000"
AT_MOST = 2.0
# What is handed out for each message costs as much however short the message is.
BY_MESSAGE = {"a batch of requests"}
MEMBERS = {"a batch of ones", "a batch of zeros", "a batch of empty objects"}
BY_MEMBER = {"peek, and all that it saw": MEMBERS}


def main() -> None:
    """Count, compare, and fail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--all", action="store_true", help="print every figure")
    prints_all = parser.parse_args().all
    if shutil.which("valgrind") is None:
        skip("valgrind is missing: NO INSTRUCTIONS WERE COUNTED")
        return
    counted = count(build(("cargo",)))
    failures = 0
    for reader, ratios in compared(counted).items():
        exempt = exempt_of(reader)
        worst = max(set(ratios) - exempt, key=lambda name: ratios[name])
        a_byte = counted[reader]["ordinary"]
        print(f"{reader}: {a_byte:.1f} a byte, at most {ratios[worst]:.2f} x ({worst})")
        for name, ratio in ratios.items():
            is_too_much = ratio > AT_MOST and name not in exempt
            failures += is_too_much
            if prints_all or is_too_much:
                print(f"    {ratio:5.2f} x  {name}{' TOO MUCH' * is_too_much}")
    if failures:
        sys.exit(f"{failures} bodies cost more than {AT_MOST} x an ordinary one")


def most(measure: Path) -> float:
    """Return the most that a hostile body costs a function, in times of an ordinary one."""
    return max(
        ratio
        for reader, ratios in compared(count(measure)).items()
        for name, ratio in ratios.items()
        if name not in exempt_of(reader)
    )


def compared(counted: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Say in times of an ordinary body what each costs each function."""
    looked_at = next(iter(counted.values()))["ordinary"]
    return {
        reader: {name: cost / max(bodies["ordinary"], looked_at) for name, cost in bodies.items()}
        for reader, bodies in counted.items()
    }


def exempt_of(reader: str) -> set[str]:
    """Name the bodies that cost this function by the item and not by the byte."""
    return BY_MESSAGE | BY_MEMBER.get(reader, set[str]())


def count(measure: Path) -> dict[str, dict[str, float]]:
    """Count the instructions a byte of each function with each body."""
    readers = output(str(measure), "readers").splitlines()
    listed = output(str(measure), "hostile-bodies", LENGTH).splitlines()
    bodies = [(name, int(length)) for name, length in (line.split("\t") for line in listed)]
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ("valgrind", "--tool=callgrind", "--dump-before=mark", "--combine-dumps=no")
        place = f"--callgrind-out-file={folder}/counted"
        command = (*valgrind, place, measure, "read-hostile", LENGTH)
        subprocess.run(command, check=True, capture_output=True)
        dumps = sorted(Path(folder).glob("counted.*"), key=lambda it: int(it.suffix[1:]))
        # Each body is read between the first and the second of two marks.
        between = [instructions_of(dump) for dump in dumps][1::2]
    numbers = iter(between[: len(readers) * len(bodies)])
    return {reader: {name: next(numbers) / length for name, length in bodies} for reader in readers}


def instructions_of(dump: Path) -> int:
    """Return what was counted up to a dump, since the one before."""
    found = re.search(r"^totals: (\d+)", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        sys.exit(f"no counts in {dump}")
    return int(found[1])


if __name__ == "__main__":
    main()
