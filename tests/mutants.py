"""Changes the rows of `src/table/rows.rs` one at a time and sees the tests fail.

cargo-mutants makes none there, because the rows are the input of a macro. For every arm of
every row, a copy of the tree is given another action, and then another condition; each has to
be refused by the compiler or by a test. Prints one line a mutant and those that survived; exits
with 1 if any did. Takes about ten minutes.

Given the folder of what cargo-mutants found, `mutants.out`, it writes the outcome of both to
`docs/mutants.txt`, and exits with 1 if a mutant of either survived.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "mutants.txt"
ACTIONS = (
    "PassThrough",
    "AdoptSession",
    "ClearAndReinit",
    "Clear",
    "NotFoundResponse",
    "BadRequestResponse",
    "UnavailableResponse",
)
ARM = re.compile(r"\n {8,12}\((?P<condition>[^;]*?)\) => (?P<action>\w+);", re.DOTALL)
TESTS = ("cargo", "test", "-q", "-p", "mcp-session-core", "--lib", "--test", "table")

SURVIVED, TESTED, COMPILED, ENDLESS = (
    "survived",
    "caught by a test",
    "refused by the compiler",
    "never came to an end, and caught by that",
)
# As cargo-mutants names its files.
FILES = {"missed": SURVIVED, "timeout": ENDLESS, "caught": TESTED, "unviable": COMPILED}


def main() -> None:
    of_rows = outcomes_of_rows()
    print(summary(of_rows))
    outcomes = {"the rows of src/table/rows.rs, changed by tests/mutants.py": of_rows}
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        version = json.loads((folder / "outcomes.json").read_text("utf-8"))["cargo_mutants_version"]
        by_cargo = f"what .cargo/mutants.toml names, changed by cargo-mutants {version}"
        outcomes = {by_cargo: outcomes_of_cargo(folder), **outcomes}
        write(outcomes)
    survivors = [
        mutant
        for of_one in outcomes.values()
        for mutant, outcome in of_one.items()
        if outcome == SURVIVED
    ]
    print(*survivors, sep="\n")
    sys.exit(bool(survivors))


def outcomes_of_rows() -> dict[str, str]:
    """Change the rows one after the other; say what became of each mutant."""
    source = (ROOT / "src" / "table" / "rows.rs").read_text(encoding="utf-8")
    planted = list(mutants(source))
    outcomes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        ignored = shutil.ignore_patterns("target", ".git", ".environments", ".venv", "exchanges")
        shutil.copytree(ROOT, copy, ignore=ignored)
        run(copy, "the tree as it is", expected=True)
        for number, (what, mutant) in enumerate(planted, 1):
            (copy / "src" / "table" / "rows.rs").write_text(mutant, encoding="utf-8")
            outcomes[what] = run(copy, what, expected=False)
            print(f"{number:3} of {len(planted)}  {outcomes[what]:23}  {what}", flush=True)
    return outcomes


def outcomes_of_cargo(folder: Path) -> dict[str, str]:
    """Read what cargo-mutants found."""
    return {
        mutant: outcome
        for name, outcome in FILES.items()
        for mutant in (folder / f"{name}.txt").read_text("utf-8").splitlines()
    }


def write(outcomes: dict[str, dict[str, str]]) -> None:
    """Write the file of results."""
    lines = ["Every mutant and what became of it, written by `nox -s mutants`."]
    for what, of_one in outcomes.items():
        lines += ["", f"{what}: {summary(of_one)}"]
        for wanted in FILES.values():
            lines += [f"{wanted}: {mutant}" for mutant in natural(of_one, wanted)]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def natural(outcomes: dict[str, str], wanted: str) -> list[str]:
    """Give those of one outcome, line 9 before line 10."""
    found = [mutant for mutant, outcome in outcomes.items() if outcome == wanted]
    return sorted(found, key=lambda it: re.sub(r"\d+", lambda number: number[0].zfill(6), it))


def summary(outcomes: dict[str, str]) -> str:
    """Count them."""
    found = list(outcomes.values())
    counts = [f"{found.count(outcome)} {outcome}" for outcome in FILES.values() if outcome in found]
    return f"{len(found)} mutants, {', '.join(counts)}"


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every arm with another action, and with another condition."""
    rows = source.index("\nwith_misreports! {")
    for arm in ARM.finditer(source, rows):
        name = re.findall(r"\n {8}(\w+) \{\n", source[rows : arm.start()])
        row = name[-1] if name else "misreports"
        line = source.count("\n", 0, arm.start("condition")) + 1
        action = ACTIONS[(ACTIONS.index(arm["action"]) + 1) % len(ACTIONS)]
        yield (
            f"line {line}, {row}: {arm['action']} to {action}",
            source[: arm.start("action")] + action + source[arm.end("action") :],
        )
        for old, new in conditions(arm["condition"]):
            yield (
                f"line {line}, {row}: condition {old} to {new or 'nothing'}",
                source[: arm.start("condition")]
                + arm["condition"].replace(old, new, 1)
                + source[arm.end("condition") :],
            )


def conditions(condition: str) -> Iterator[tuple[str, str]]:
    """One change of a condition that the row has."""
    if "NotAttached" in condition:
        yield "NotAttached", "Attached"
    elif "Attached" in condition:
        yield "Attached", "NotAttached"
    elif " | " in condition:
        last = condition.rindex(" | ")
        yield condition[last:], ""
    else:
        yield "_", "Known" if condition.count("_") == 1 else "NotAttached"


def run(copy: Path, what: str, *, expected: bool) -> str:
    """Run the tests in the copy; say who refused the mutant."""
    done = subprocess.run(
        TESTS, cwd=copy, capture_output=True, check=False, encoding="utf-8", timeout=600
    )
    passed = not done.returncode
    if expected and not passed:
        sys.exit(f"{what} fails:\n{done.stdout}\n{done.stderr}")
    if passed:
        return SURVIVED
    return COMPILED if "could not compile" in done.stderr else TESTED


if __name__ == "__main__":
    main()
