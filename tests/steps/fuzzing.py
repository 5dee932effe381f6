"""The fuzz targets."""

import os
import shlex
import sys
from pathlib import Path

import nox

from steps.common import ROOT, output, with_cargo

from page_blocks import RUN

TARGETS = (
    *("peek", "exchange", "classify", "answer", "server", "session", "sessions", "client"),
    *("stream", "peer"),
)
# Both read bodies.
DICTIONARIES = {"answer": "peek"}
FUZZ_SECONDS = 15
FUZZ_LONG_SECONDS = int(os.environ.get("FUZZ_LONG_SECONDS", "600"))
CARGO_FUZZ = "0.13.2"


@nox.session(venv_backend="none", allow_parallel=True)
def corpora(session: nox.Session) -> None:
    """The fuzz targets: their corpora replayed on stable, one input alone, then all built."""
    of_the_corpus = min((ROOT / "fuzz" / "corpus" / "peek").iterdir())
    for line in RUN["corpora"]:
        session.run(*shlex.split(line.replace("path/to/an/input", str(of_the_corpus))))
    session.run("cargo", "fuzz", "build", *sanitizer(session), env=fuzzing(session))


@nox.session(venv_backend="none", requires=["corpora"], allow_parallel=True)
@nox.parametrize("target", TARGETS, ids=TARGETS)
def fuzz(session: nox.Session, target: str) -> None:
    """A fuzz target for 15 seconds, from its committed corpus and what former runs found."""
    run_fuzzer(session, target, FUZZ_SECONDS)


@nox.session(
    name="fuzz-long",
    venv_backend="none",
    requires=["corpora"],
    allow_parallel=True,
    default=False,
    tags=["long"],
)
@nox.parametrize("target", TARGETS, ids=TARGETS)
def fuzz_long(session: nox.Session, target: str) -> None:
    """A fuzz target for FUZZ_LONG_SECONDS (600); what it found is kept, minimized."""
    run_fuzzer(session, target, FUZZ_LONG_SECONDS)
    minimize = ("cargo", "fuzz", "cmin", *sanitizer(session))
    session.run(*minimize, target, found_by(target), env=fuzzing(session))


@nox.session(venv_backend="none", default=False, tags=["long"])
def plant(session: nox.Session) -> None:
    """Bugs planted for the fuzzer, one at a time, each to be found within 60 seconds."""
    session.run(sys.executable, "tests/plant.py", *session.posargs, env=fuzzing(session))


def fuzzing(session: nox.Session) -> dict[str, str]:
    """Give the environment in which cargo-fuzz runs."""
    # The sanitizers' flags are unstable; this lets the stable compiler take them.
    return {"RUSTC_BOOTSTRAP": "1", **with_cargo(session, "cargo-fuzz", CARGO_FUZZ)}


def sanitizer(session: nox.Session) -> tuple[str, ...]:
    """Give the options of cargo-fuzz for a Rust without sanitizers, as Debian's is; else none."""
    folder = output(session, "rustc", "--print", "target-libdir").strip()
    if any(Path(folder).glob("librustc*_rt.asan.*")):
        return ()
    session.warn(
        "this Rust has no sanitizers: the fuzz targets are NOT LOOKED AT for faults of memory"
    )
    return ("--sanitizer", "none")


def run_fuzzer(session: nox.Session, target: str, seconds: int) -> None:
    """Fuzz one target, from its committed corpus and from what former runs found."""
    dictionary = ROOT / "fuzz" / "dictionaries" / f"{DICTIONARIES.get(target, target)}.dict"
    session.run(
        *("cargo", "fuzz", "run", *sanitizer(session)),
        *(target, found_by(target), f"fuzz/corpus/{target}", "--"),
        *([f"-dict={dictionary}"] if dictionary.exists() else []),
        *(f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=0"),
        env=fuzzing(session),
    )


def found_by(target: str) -> Path:
    """Find the folder of what runs of a target found."""
    found = ROOT / "fuzz" / "target" / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    return found
