"""The Python package: its wheel, and the tests that need no SDK but the newest."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nox

from steps.common import (
    BUILT_BEFORE,
    PROJECT,
    ROOT,
    WHEELS,
    check_types,
    copy_tree,
    environment,
    find_wheel,
    fingerprint,
    group,
    install,
    install_wheel,
    output,
    python_of,
    scratch,
)

from page_blocks import RUN

UNCHECKED = tuple(
    f"benches/{it}.py" for it in ("beside", "beside_server", "calls", "plots", "scale")
)
PROGRAMS = ("all", "check_stubs", "page_blocks", "plant", "stub_docs")
# Those that need nothing but the package, hypothesis and pytest.
BARE_TESTS = (
    *("any_input", "binding", "decisions", "events", "packaging", "served_exchange", "session"),
    *("situations", "stub"),
)


@nox.session(allow_parallel=True)
def wheel(session: nox.Session) -> None:
    """The wheel, built anew if the sources are not those that it was built from."""
    built = WHEELS / "built-from"
    sources = fingerprint()
    if built.exists() and built.read_text(encoding="utf-8") == sources:
        session.log(f"{find_wheel()} is of these sources")
        return
    shutil.rmtree(WHEELS, ignore_errors=True)
    install(session, "build")
    session.run("maturin", "build", "--release", "--locked", "--out", WHEELS)
    built.write_text(sources, encoding="utf-8")


@nox.session(requires=["wheel"], allow_parallel=True)
def sdist(session: nox.Session) -> None:
    """The sdist, which builds a wheel of its own."""
    install(session, "build")
    folder = scratch(session, "sdist")
    session.run("maturin", "sdist", "--out", folder)
    (archive,) = folder.glob("*.tar.gz")
    pip_wheel = ("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder)
    session.run(*pip_wheel, archive, env=BUILT_BEFORE)
    (rebuilt,) = folder.glob("*.whl")
    for built in (find_wheel(), rebuilt):
        session.log(f"{built.name}: {built.stat().st_size // 1024} KiB")
        if "-cp310-abi3-" not in built.name:
            session.error("the wheel has to be abi3 for CPython 3.10")


environment("extras", "what the extras of the package bring, the newest SDK")


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
def types(session: nox.Session) -> None:
    """mypy --strict, pyright and stubtest, against the installed wheel."""
    python = python_of(session, "extras")
    # stubtest says nothing where the extension is missing, so it is imported first.
    session.run(python, "-I", "-c", "import mcp_session")
    session.run(python, "tests/check_stubs.py")
    check_types(session, python, "python/mcp_session")
    programs = ["noxfile.py", *map("tests/{}.py".format, PROGRAMS)]
    check_types(session, python, "tests/steps", sources="tests")
    check_types(session, python, "tests/python", "tests/diagnose", *programs, sources="tests")
    for tests in ("asgi", "sessions", "workers"):
        check_types(session, python, f"tests/{tests}", sources="tests")
    # The others need what only the benchmarks install.
    benches = sorted(set((ROOT / "benches").glob("*.py")) - {*map(ROOT.joinpath, UNCHECKED)})
    check_types(session, python, *benches)
    pyright = (python, "-m", "pyright", "--pythonpath", python)
    session.run(*pyright, "noxfile.py", "python", "tests")


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
def pytest(session: nox.Session) -> None:
    """The Python tests, against the installed wheel."""
    session.run(python_of(session, "extras"), "-m", "pytest", *session.posargs)


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
def tables(session: nox.Session) -> None:
    """The tables of sessions, in SQLite and in a real Redis or Valkey."""
    session.run(python_of(session, "extras"), "-m", "pytest", "tests/sessions", *session.posargs)


@nox.session(default=False)
def quick(session: nox.Session) -> None:
    """The Python tests on a debug build of these sources, in a minute; `-- FILE` runs only that."""
    install(session, "build")
    install(session, "extras")
    session.run("maturin", "develop", "--quiet")
    # It is about the wheel, of which there is none here.
    left_out = "--ignore=tests/python/test_packaging.py"
    session.run("python", "-m", "pytest", left_out, *session.posargs)


@nox.session(
    python=["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"], requires=["wheel"], allow_parallel=True
)
def interpreters(session: nox.Session) -> None:
    """The one wheel on every CPython from 3.10 on that is there; `-- -q`: the bare tests too."""
    install_wheel(session)
    code = (
        "import sys, mcp_session as m; v = m.classify('POST', 404, session_id='x');"
        "assert v.action is m.Action.CLEAR_AND_REINIT;"
        "assert m.peek(b'[]').kind is m.Kind.BATCH;"
        "print(sys.version.split()[0], v)"
    )
    session.run("python", "-I", "-c", code)
    if session.posargs:
        session.install(*group("bare"))
        session.run("python", "-m", "pytest", *paths_of(BARE_TESTS), *session.posargs)


def paths_of(tests: Iterable[str]) -> list[str]:
    """Name the files of tests."""
    return [f"tests/python/test_{name}.py" for name in tests]


@nox.session(default=False, tags=["platform"])
def bare(session: nox.Session) -> None:
    """A wheel of its own for any interpreter, and the tests that need no more: `-P 3.14t`."""
    session.install(*group("bare"))
    build = ("python", "-m", "pip", "install", "--force-reinstall", "--no-deps", ROOT)
    session.run(*build, env=BUILT_BEFORE)
    shown = "import sys; print(sys.version); print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    has_gil = output(session, "python", "-W", "ignore", "-c", shown).split()[-1] == "True"
    session.log(f"the GIL is {'on' if has_gil else 'off'}")
    session.run("python", "-m", "pytest", *paths_of(BARE_TESTS), *session.posargs)
    gil = "import sys, mcp_session; assert getattr(sys, '_is_gil_enabled', lambda: True)()"
    session.run("python", "-c", f"{gil} is {has_gil}, 'importing it turned the GIL on'")


@nox.session(requires=["wheel"], default=False, tags=["long"])
def minimal(session: nox.Session) -> None:
    """The tests of the core and of the command line, with the oldest dependencies allowed."""
    # Always the same folder: the tests know where they were built.
    folder = scratch(session, "copy")
    copy_tree(session, folder)
    target = {"CARGO_TARGET_DIR": str(folder.parent / "target")}
    with session.chdir(folder):
        oldest = ("cargo", "update", "-Z", "direct-minimal-versions")
        session.run(*oldest, env={"RUSTC_BOOTSTRAP": "1"}, external=True)
        session.run("cargo", "test", "--workspace", "--locked", env=target, external=True)
    oldest_cli = [
        it.replace(">=", "==") for it in PROJECT["project"]["optional-dependencies"]["cli"]
    ]
    session.install(*oldest_cli, *group("oldest"))
    install_wheel(session)
    session.run("python", "-m", "pytest", "-q", "tests/python/test_cli.py")


# After it: maturin puts aside what it has built in one place for both, and loses it to another.
@nox.session(venv_backend="none", requires=["sdist"], allow_parallel=True)
def readme(session: nox.Session) -> None:
    """The first command of the README, and `classify`, in a copy of this tree like a clone."""
    (command,) = RUN["readme"]
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(session, Path(folder))
        with session.chdir(folder):
            shown = output(session, "bash", "-c", command, env=BUILT_BEFORE)
            program = str(Path(folder, ".venv", "bin", "mcp-session"))
            classified = output(session, program, "classify", "tests/exchanges")
    print(shown, *classified.splitlines()[-6:], sep="\n")
    recovered = "4 of 4 calls that had a server were answered: recovered"
    if shown.splitlines()[-1] != f"mcp_session.httpx2.AsyncClient: {recovered}":
        session.error("the first command of the README did not show a client that recovers")
    if classified.splitlines()[-1] != "767 exchanges":
        session.error("the recorded exchanges were not classified")
