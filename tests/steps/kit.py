"""The kit for those who write clients and servers, at work on real ones."""

import os
import shutil
from pathlib import Path

import nox

from steps.common import ENVIRONMENTS, ROOT, environment, python_of
from steps.sdks import CRATES, SDKS, build_peer, prepare_node

from pages import RUN

# A line that the example's page shows for a server that runs already.
WHILE_IT_RUNS = """
import subprocess, sys
from mcp_session.testing import CommandServer
with CommandServer("python server.py {port}") as server:
    line = sys.argv[1].replace("8000", str(server.port))
    sys.exit(subprocess.run(line, shell=True).returncode)
"""

environment("mcp-proxy", "the bridge of that name")


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
@nox.parametrize("half", ["faults", "peers"], ids=["faults", "peers"])
def check(session: nox.Session, half: str) -> None:
    """`check` and `check-client`: every fault planted, Python's SDK, plain and with us."""
    python = python_of(session, "extras")
    if half == "faults":
        sources = {"MYPYPATH": "tests:tests/clients"}
        session.run(python, "-m", "mypy", "--strict", "tests/check", env=sources)
    halves = {
        "faults": ("client_faults", "commands", "shown"),
        "peers": ("server_faults", "peers"),
    }
    files = [f"tests/check/test_{name}.py" for name in halves[half]]
    session.run(python, "-m", "pytest", "-p", "no:cacheprovider", *files, *session.posargs)


@nox.session(
    name="check-whole",
    venv_backend="none",
    requires=["extras", *SDKS, "mcp-proxy"],
    default=False,
    tags=["long"],
)
def check_whole(session: nox.Session) -> None:
    """The checks of every real server and client, and the official conformance suite."""
    python = python_of(session, "extras")
    prepare_checked(session)
    session.run(python, "-m", "pytest", "tests/check", "--whole")
    session.run(python, "tests/check/measure.py")
    session.run(python, "tests/check/conformance.py")


def prepare_checked(session: nox.Session) -> None:
    """Install clients, servers and the suite for node, and build those in Rust."""
    npm = shutil.which("npm")
    if npm is None:
        session.error("npm: not on this machine")
    prepare_node(session, "peers")
    node, checked = ENVIRONMENTS / "node-check", ROOT / "tests" / "check"
    node.mkdir(exist_ok=True)
    for path in (*(checked / "node").iterdir(), *(checked / "programs").glob("*.js")):
        shutil.copy2(path, node)
    session.run(npm, "ci", "--prefix", node)
    foreign = ENVIRONMENTS / "node-foreign"
    foreign.mkdir(exist_ok=True)
    for path in (checked / "foreign").iterdir():
        shutil.copy2(path, foreign)
    without_browsers = {"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    session.run(npm, "ci", "--prefix", foreign, env=without_browsers)
    for crate in (*(f"peers/{it}" for it in CRATES), "check/rmcp-client"):
        build_peer(session, crate)


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
def examples(session: nox.Session) -> None:
    """The example repository for authors, as its page says to test it."""
    python = python_of(session, "extras")
    env = {"PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])}
    starting, running = RUN["examples"]
    with session.chdir("examples/session-tests"):
        session.run("bash", "-c", starting, env=env)
        session.run(python, "-c", WHILE_IT_RUNS, running, env=env)


@nox.session(
    name="kit-whole", venv_backend="none", requires=["extras"], default=False, tags=["long"]
)
def kit_whole(session: nox.Session) -> None:
    """Every fault that is planted for the state machine and for the fuzzers, shrunk."""
    python = python_of(session, "extras")
    tests = ("machine", "fuzz_server", "fuzz_client")
    paths = [f"tests/python/test_{name}.py" for name in tests]
    session.run(
        *(python, "-m", "pytest", "-s", *paths),
        env={"MACHINE_EXAMPLES": "1000", "FUZZ_WHOLE": "1"},
    )
