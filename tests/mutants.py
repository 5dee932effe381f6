"""Changes the rows of `src/table.rs` one at a time and sees the tests fail.

cargo-mutants makes none there, because the rows are the input of a macro. For every arm of
every row, a copy of the tree is given another action, and then another condition; each has to
be refused by the compiler or by a test. Prints one line a mutant and those that survived; exits
with 1 if any did. Takes about ten minutes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


def main() -> None:
    source = (ROOT / "src" / "table.rs").read_text(encoding="utf-8")
    planted = list(mutants(source))
    survivors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        ignored = shutil.ignore_patterns("target", ".git", ".environments", ".venv", "exchanges")
        shutil.copytree(ROOT, copy, ignore=ignored)
        run(copy, "the tree as it is", expected=True)
        for number, (what, mutant) in enumerate(planted, 1):
            (copy / "src" / "table.rs").write_text(mutant, encoding="utf-8")
            verdict = run(copy, what, expected=False)
            print(f"{number:3} of {len(planted)}  {verdict:9}  {what}", flush=True)
            if verdict == "SURVIVED":
                survivors.append(what)
    print(f"{len(planted) - len(survivors)} caught, {len(survivors)} survived")
    print(*survivors, sep="\n")
    sys.exit(bool(survivors))


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every arm with another action, and with another condition."""
    rows = source.index("\nrows! {")
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
        return "SURVIVED"
    return "compiler" if "could not compile" in done.stderr else "tests"


if __name__ == "__main__":
    main()
