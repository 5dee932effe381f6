"""The kit for those who write clients and servers, at work on real ones."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import nox

from steps.common import (
    ENVIRONMENTS,
    ROOT,
    WHEELS,
    check_types,
    environment,
    find_wheel,
    output,
    python_of,
    scratch,
)
from steps.sdks import CRATES, SDKS, build_peer, find_npm, install_locked, prepare_node

from page_blocks import RUN

EXAMPLE = ROOT / "examples" / "session-tests"
WORKFLOW = EXAMPLE / ".github" / "workflows" / "sessions.yml"
LIST_STEPS = """
import json, pathlib, sys, yaml
jobs = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["jobs"]
print(json.dumps([step for job in jobs.values() for step in job["steps"]]))
"""
# By how they begin; `examples-whole` runs them.
LONG_STEPS = {
    "pip install": "the environment has what it installs",
    "mcp-session fuzz": "it takes more than a minute",
}
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
        check_types(session, python, "tests/check", sources="tests:tests/clients")
    halves = {
        "faults": ("client_faults", "commands", "hostile_words", "over_tls", "shown", "streams"),
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
    npm = find_npm(session)
    if npm is None:
        session.error("npm and its Node: see `nox -s tools`")
    prepare_node(session, "peers")
    node, checked = ENVIRONMENTS / "node-check", ROOT / "tests" / "check"
    node.mkdir(exist_ok=True)
    for path in (*(checked / "node").iterdir(), *(checked / "programs").glob("*.js")):
        shutil.copy2(path, node)
    install_locked(session, npm, node)
    foreign = ENVIRONMENTS / "node-foreign"
    foreign.mkdir(exist_ok=True)
    for path in (checked / "foreign").iterdir():
        shutil.copy2(path, foreign)
    without_browsers = {"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    install_locked(session, npm, foreign, without_browsers)
    for crate in (*(f"peers/{it}" for it in CRATES), "check/rmcp-client"):
        build_peer(session, crate)


@nox.session(venv_backend="none", requires=["extras"], allow_parallel=True)
def examples(session: nox.Session) -> None:
    """The example repository for authors, by the short steps of its workflow, and by its page."""
    python = Path(python_of(session, "extras"))
    env = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    steps = run_workflow(session, env, LONG_STEPS)
    starting, running = RUN["examples"]
    if starting not in steps:
        session.error(f"the page shows what is no step of the workflow: {starting}")
    with session.chdir(EXAMPLE):
        session.run(python, "-c", WHILE_IT_RUNS, running, env=env)


@nox.session(
    name="examples-whole", requires=["extras"], reuse_venv=False, default=False, tags=["long"]
)
def examples_whole(session: nox.Session) -> None:
    """Each step of the example's workflow as it stands, in an environment that has nothing yet."""
    # The wheel of these sources, whatever of that name may be released.
    constraint = scratch(session, "constraint") / "constraint.txt"
    version = find_wheel().name.split("-")[1]
    constraint.write_text(f"mcp-session=={version}\n", encoding="utf-8")
    env = {"PIP_FIND_LINKS": str(WHEELS), "PIP_CONSTRAINT": str(constraint)}
    run_workflow(session, env, {})


def run_workflow(
    session: nox.Session, env: Mapping[str, str], left_out: Mapping[str, str]
) -> list[str]:
    """Run the steps of the example's workflow in a copy of it, as a runner of GitHub's does.

    Returns the commands that were run.
    """
    listed = output(session, python_of(session, "extras"), "-c", LIST_STEPS, str(WORKFLOW))
    folder = scratch(session, "session-tests")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    ran: list[str] = []
    for step in json.loads(listed):
        command = str(step.get("run", ""))
        reasons = [why for begins, why in left_out.items() if command.startswith(begins)]
        if not command:
            session.log(f"not run: {step['uses']}: an action, which needs a runner of GitHub's")
        elif reasons:
            session.log(f"not run: {command}: {reasons[0]}")
        else:
            with session.chdir(folder):
                session.run("bash", "-e", "-c", command, env=env, external=True)
            ran.append(command)
    return ran


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
