"""The Rust core: its tests, its cost, and what its tests would miss."""

import os
import re
import shutil
import sys
from pathlib import Path

import nox

from steps.common import CARGO, ENVIRONMENTS, ROOT, host, output, with_cargo

CARGO_MUTANTS, CARGO_LLVM_COV = "27.1.0", "0.9.1"
# How many lines of each file of `src/` no Rust test reaches; docs/proof.md says of what kind.
UNREACHED = ROOT / "tests" / "unreached.txt"
# What is random in the Rust tests, and how many cases of it take a few minutes.
RANDOM = {
    ("--lib", "json::tests"): 1_000_000,
    ("--lib", "sse::tests"): 1_000_000,
    ("--lib", "diagnose::tests"): 1_000_000,
    ("--test", "wire"): 1_000_000,
    ("--test", "session", "random"): 1_000_000,
    ("--test", "server", "by_chance"): 1_000_000,
    ("--test", "client", "random"): 250_000,
    ("--test", "ownership", "random"): 100_000,
}


@nox.session(venv_backend="none", allow_parallel=True)
def rust(session: nox.Session) -> None:
    """The Rust tests and doctests, with the same random cases in every run: see `millions`."""
    # That this fails is to say something of a change; `millions` looks for what nobody has met.
    cargo_test = ("cargo", "test", "--workspace", "--no-fail-fast")
    session.run(*cargo_test, *session.posargs, env={"PROPTEST_RNG_SEED": "1"})


@nox.session(venv_backend="none", default=False, tags=["long"])
def msrv(session: nox.Session) -> None:
    """The Rust tests, with the oldest Rust that is supported: one on the PATH, or rustup's."""
    oldest = CARGO["workspace"]["package"]["rust-version"]
    env = {"CARGO_TARGET_DIR": str(ROOT / "target" / "msrv")}
    cargo: tuple[str, ...] = ("rustup", "run", "--install", oldest, "cargo")
    for folder in os.get_exec_path():
        rustc = shutil.which("rustc", path=folder)
        if rustc and f" {oldest}." in output(session, rustc, "--version"):
            cargo, env["RUSTC"] = (str(Path(folder, "cargo")),), rustc
            env["RUSTDOC"] = str(Path(folder, "rustdoc"))
    session.run(*cargo, "test", "--workspace", "--locked", env=env)


@nox.session(venv_backend="none", allow_parallel=True)
def instructions(session: nox.Session) -> None:
    """The core needs no more instructions than the baseline says; hostile bodies cost no more."""
    session.run(sys.executable, "benches/instructions.py")
    session.run(sys.executable, "benches/hostile.py")


@nox.session(venv_backend="none", default=False, tags=["long"])
def millions(session: nox.Session) -> None:
    """What is random in the Rust tests, with a fresh seed and up to a million cases each."""
    for which, cases in RANDOM.items():
        test = ("cargo", "test", "--release", "-p", "mcp-session-core", "--all-features", *which)
        session.run(*test, env={"PROPTEST_CASES": str(cases)})


@nox.session(venv_backend="none", default=False, tags=["long"])
def mutants(session: nox.Session) -> None:
    """Mutants of the session machine, of the look at bodies and of the rows of the table."""
    outcomes = ENVIRONMENTS / "mutants"
    session.run(
        *("cargo", "mutants", "-p", "mcp-session-core", "-j", "2", "-o", outcomes),
        env={"PROPTEST_CASES": "2000", **with_cargo(session, "cargo-mutants", CARGO_MUTANTS)},
        # 2: some survived. 3: one never came to an end, and was caught by that.
        success_codes=[0, 2, 3],
    )
    session.run(sys.executable, "tests/mutants.py", outcomes / "mutants.out")


@nox.session(venv_backend="none", default=False, tags=["long"])
def coverage(session: nox.Session) -> None:
    """The lines of the core that its Rust tests reach: no fewer than before; `-- --accept`."""
    env = with_cargo(session, "cargo-llvm-cov", CARGO_LLVM_COV) | llvm_tools(session)
    # The examples of the pages are measured too, which the stable compiler does not offer.
    env |= {"RUSTC_BOOTSTRAP": "1"}
    llvm_cov = ("cargo", "llvm-cov")
    session.run(*llvm_cov, "clean", "--workspace", env=env)
    for tests in ((), ("--doctests", "--doc")):
        session.run(*llvm_cov, "-q", "-p", "mcp-session-core", "--no-report", *tests, env=env)
    session.run(*llvm_cov, "report", "--doctests", "--summary-only", env=env)
    shown = ("--doctests", "--text", "--show-missing-lines")
    _, _, missing = output(session, *llvm_cov, "report", *shown, env=env).partition(
        "Uncovered Lines:\n"
    )
    now: dict[str, int] = {}
    for line in missing.splitlines():
        path, _, places = line.partition(": ")
        print(f"not reached: {line}")
        for place in places.split(", "):
            first, _, last = place.partition("-")
            file = Path(path).relative_to(ROOT / "src").as_posix()
            now[file] = now.get(file, 0) + int(last or first) - int(first) + 1
    if "--accept" in session.posargs:
        lines = (f"{number}\t{file}\n" for file, number in sorted(now.items()))
        UNREACHED.write_text("".join(lines), encoding="utf-8")
        return
    known = {
        file: int(number)
        for number, _, file in (
            line.partition("\t") for line in UNREACHED.read_text(encoding="utf-8").splitlines()
        )
    }
    if more := {file: lines for file, lines in now.items() if lines > known.get(file, 0)}:
        session.error(f"files with more lines that no test reaches: {more}, known are: {known}")


@nox.session(venv_backend="none", default=False, tags=["long"])
def miri(session: nox.Session) -> None:
    """The unit tests of the core in Miri, a nightly toolchain's: `-- NAME` runs those of a name."""
    # It runs a hundred times slower; what is slow as it is finds nothing more there.
    skipped = ("sixty_four", "nesting", "brackets_within_strings", "no_endless_stream")
    session.run(
        *("cargo", "+nightly", "miri", "test", "-p", "mcp-session-core", "--lib", "--"),
        *session.posargs,
        *(argument for name in skipped for argument in ("--skip", name)),
        env={"PROPTEST_CASES": "8", "MIRIFLAGS": "-Zmiri-disable-isolation"},
    )


def llvm_tools(session: nox.Session) -> dict[str, str]:
    """Find the LLVM tools that read what this compiler's coverage writes."""
    (llvm,) = re.findall(r"LLVM version: (\d+)", output(session, "rustc", "-vV"))
    sysroot = Path(output(session, "rustc", "--print", "sysroot").strip())
    if (sysroot / "lib" / "rustlib" / host(session) / "bin" / "llvm-cov").exists():
        return {}
    found = {name: shutil.which(f"llvm-{name}-{llvm}") for name in ("cov", "profdata")}
    if not all(found.values()):
        session.error(f"install `rustup component add llvm-tools`, or Debian's llvm-{llvm}")
    return {f"LLVM_{name.upper()}": str(path) for name, path in found.items()}
