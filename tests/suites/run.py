"""Runs the tests of httpx and of the official SDK with ours in the place of theirs.

`python3 tests/suites/run.py` takes the sdists from the registry, makes an environment for each in
`.environments`, and runs the tests of HTTP three times: with nothing of ours, with our clients in
the library's place, and with our middleware around every application that is served. A test that
fails only with ours has to be one of `ON_PURPOSE`, with the reason; one of these that passes is
named as well. Some of them want things done within a tenth of a second: what fails unexpectedly is
run again by itself, twice at most, and named if it passes then. The wheel has to be built.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".environments"


class Suite(NamedTuple):
    """A package, what its tests need, and those of them that are run."""

    requirement: str
    folder: str
    packages: tuple[str, ...]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()


PYTEST = ("pytest>=8.4,<9", "trio>=0.30", "uvicorn>=0.50")
SDK = (
    *(*PYTEST, "coverage[toml]<=7.13", "dirty-equals>=0.9", "inline-snapshot>=0.23"),
    *("pytest-examples>=0.0.14", "pytest-flakefinder>=1.1", "pytest-xdist>=3.6", "requests>=2"),
)
SUITES = {
    "httpx": Suite(
        "httpx==0.28.1",
        "httpx-0.28.1",
        (
            *("httpx[brotli,cli,http2,socks,zstd]==0.28.1", *PYTEST),
            *("chardet", "cryptography", "trustme"),
        ),
        ("tests/client",),
    ),
    "mcp1": Suite(
        "mcp==1.30.0",
        "mcp-1.30.0",
        ("mcp[cli,ws]==1.30.0", *SDK),
        (
            "tests/shared/test_streamable_http.py",
            "tests/server/test_streamable_http_manager.py",
            "tests/server/test_streamable_http_router.py",
            "tests/server/test_streamable_http_security.py",
            "tests/client/test_http_unicode.py",
            "tests/client/test_notification_response.py",
            "tests/issues/test_1363_race_condition_streamable_http.py",
        ),
        ("-n2",),
    ),
    "mcp2": Suite(
        "mcp==2.3.0",
        "mcp-2.3.0",
        ("mcp[cli]==2.3.0", *SDK, "blockbuster", "logfire>=3", "opentelemetry-sdk>=1.39", "pillow"),
        (
            "tests/interaction/transports",
            "tests/shared/test_streamable_http.py",
            "tests/server/test_streamable_http_manager.py",
            "tests/client/test_streamable_http.py",
        ),
        ("-p", "anyio"),
    ),
}
MANAGER = "tests.server.test_streamable_http_manager."
SHARED = "tests.shared.test_streamable_http."
TRANSPORTS = "tests.interaction.transports."
CANONICAL = "an unknown session is answered by the canonical 404, not by -32600 and id null"
WITHHELD = "a refusal bears no session ID, although the server mints one"
RECOVERED = "a session that ended is replaced, and its call is answered"
WITHOUT_ID = "an initialize bears no session ID, so that the server makes another session"
OF_THE_MANAGER = {
    MANAGER + "test_unknown_session_id_returns_404": CANONICAL,
    MANAGER + "test_deleted_session_is_forgotten[1800]": CANONICAL,
    MANAGER + "test_deleted_session_is_forgotten[None]": CANONICAL,
    MANAGER + "test_stateful_session_cleanup_on_exception": WITHHELD,
    MANAGER + "test_stateful_session_cleanup_on_graceful_exit": WITHHELD,
}
ATTEMPTS = 2
AFTER_IDLENESS = (
    MANAGER + "test_open_event_stream_holds_the_session_open",
    MANAGER + "test_request_in_flight_holds_the_session_open",
    MANAGER + "test_request_completing_under_an_open_event_stream_does_not_start_the_countdown",
)
"""They end when a request in the session that idleness ended is answered with 404."""
WAITING = {
    TRANSPORTS
    + "test_hosting_http.test_a_second_standalone_get_stream_on_the_same_session_returns_409",
    SHARED + "test_get_sse_stream",
}
"""They ask for a second stream beside one that is open and want its 409, for which our client
waits: with it in place they would never end. They are left out there."""

ON_PURPOSE: dict[tuple[str, str], dict[str, str]] = {
    ("mcp1", "middleware"): OF_THE_MANAGER,
    ("mcp2", "middleware"): OF_THE_MANAGER
    | {
        SHARED + "test_streamable_http_client_session_termination": CANONICAL,
        SHARED + "test_streamable_http_client_session_termination_204": CANONICAL,
    },
    ("mcp2", "client"): {
        TRANSPORTS
        + "test_client_transport_http."
        + "test_a_404_mid_session_surfaces_as_a_session_terminated_error": RECOVERED,
        **dict.fromkeys(AFTER_IDLENESS, RECOVERED),
        TRANSPORTS
        + "test_hosting_session."
        + "test_second_initialize_on_an_existing_session_is_accepted": WITHOUT_ID,
    },
}
"""By suite and by what is ours: the tests that pin what we change, each with the reason."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], metavar="SUITE")
    names = parser.parse_args().suites or list(SUITES)
    wrong = 0
    for name in names:
        python, folder = prepare(name, SUITES[name])
        plain = failures(name, python, folder, "nothing")
        print(f"{name}, as it comes: {len(plain)} fail", *sorted(plain), sep="\n  ", flush=True)
        for what in ("client", "middleware"):
            if (name, what) == ("httpx", "middleware"):
                continue
            known = ON_PURPOSE.get((name, what), {})
            found = failures(name, python, folder, what) - plain
            found -= passing_alone(name, python, folder, what, found - known.keys())
            print(f"{name}, {what}: {len(found)} more fail, {len(known)} are meant to", flush=True)
            for test in sorted(found | known.keys()):
                if test not in found:
                    print(f"  PASSES: {test}")
                print(f"  {known.get(test, 'UNEXPECTED')}: {test}", flush=True)
            wrong += len(found ^ known.keys())
    print(f"{len(names)} passed, 0 failed" if not wrong else f"0 passed, {wrong} failed")
    sys.exit(1 if wrong else 0)


def prepare(name: str, suite: Suite) -> tuple[Path, Path]:
    """Make its environment, with the wheel that was built, and lay its sources beside it."""
    path = ENVIRONMENTS / f"suite-{name}"
    python, sources = path / "bin" / "python", path / "sources"
    if not python.exists():
        venv.create(path, with_pip=True)
    pip: tuple[str | Path, ...] = (python, "-m", "pip")
    (wheel,) = (ENVIRONMENTS / "wheels").glob("*.whl")
    subprocess.run([*pip, "install", "-q", *suite.packages], check=True)
    again = ("--no-deps", "--force-reinstall")
    subprocess.run([*pip, "install", "-q", *again, wheel], check=True)
    if not sources.exists():
        sdist = ("--no-deps", "--no-binary", ":all:", "-d", sources, suite.requirement)
        subprocess.run([*pip, "download", "-q", *sdist], check=True)
        (archive,) = sources.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(sources, filter="data")
    # What is tested is what is installed.
    shutil.rmtree(sources / suite.folder / "src", ignore_errors=True)
    return python, sources / suite.folder


def passing_alone(name: str, python: Path, folder: Path, what: str, failed: set[str]) -> set[str]:
    """List those of the failed tests that pass when nothing runs beside them."""
    passed: set[str] = set()
    for test in sorted(failed):
        for _ in range(ATTEMPTS):
            if not failures(name, python, folder, what, node_of(test)):
                print(f"  passes alone: {test}", flush=True)
                passed.add(test)
                break
    return passed


def failures(name: str, python: Path, folder: Path, what: str, only: str = "") -> set[str]:
    """Run its tests, or only one of them, and list those that fail."""
    suite, report = SUITES[name], folder / f"{what}.xml"
    environment = os.environ | {"IN_PLACE": what, "PYTHONPATH": str(Path(__file__).parent)}
    command: list[str | Path] = [
        *(python, "-m", "pytest", "-p", "in_place", "-q", "--tb=no", "--no-header"),
        *("-o", "addopts=", "-o", "log_cli=false", "-o", "junit_family=xunit1"),
        *(f"--junitxml={report}", *suite.options, *((only,) if only else suite.tests)),
    ]
    if what == "client":
        command += [f"--deselect={node_of(test)}" for test in WAITING]
    done = subprocess.run(command, check=False, cwd=folder, env=environment, stdout=subprocess.PIPE)
    if done.returncode not in {0, 1}:
        sys.exit(f"the tests of {name} could not be run:\n{done.stdout.decode()[-2000:]}")
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 - of our own pytest
    return {
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }


def node_of(test: str) -> str:
    """Spell a test as pytest takes it."""
    module, _, function = test.rpartition(".")
    return f"{module.replace('.', '/')}.py::{function}"


if __name__ == "__main__":
    main()
