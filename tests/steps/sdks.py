"""The clients and the middleware with the real SDKs, each generation in an environment."""

import shutil
import sys
from pathlib import Path

import nox

from steps.common import (
    ENVIRONMENTS,
    OLDEST_NODE,
    ROOT,
    check_types,
    environment,
    python_of,
    version_of,
)

# The official SDK, and what is built on it. Each has a dependency group and an environment.
OFFICIAL = ("mcp1", "mcp2")
SDKS = (*OFFICIAL, "fastmcp4")
PEERS = ("fastmcp2", "langchain", "openai", "pydantic-ai")
FASTMCP = ("fastmcp2", "fastmcp3")
CRATES = ("rmcp-new", "rmcp-old")
# What of tests/workers depends on the SDK that is served; the rest runs with the newest alone.
OF_WORKERS: dict[str, tuple[str, ...]] = {
    "mcp1": ("sessions", "owner_gone"),
    "mcp2": (),
    "fastmcp4": ("other_servers",),
}


environment("mcp1", "mcp 1.x")
environment("mcp2", "mcp 2.x")
environment("fastmcp4", "fastmcp 4.x")
environment("fastmcp2", "fastmcp 2.x")
environment("fastmcp3", "fastmcp 3.x")
environment("langchain", "langchain-mcp-adapters")
environment("openai", "openai-agents")
environment("pydantic-ai", "pydantic-ai-slim")
environment("asgi-servers", "ASGI servers and frameworks")
environment("scale", "what measures and simulates many sessions")
environment("beside", "what is measured beside other ways to serve sessions from many processes")


@nox.session(venv_backend="none", requires=OFFICIAL, allow_parallel=True)
@nox.parametrize("sdk", OFFICIAL, ids=OFFICIAL)
def clients(session: nox.Session, sdk: str) -> None:
    """The clients of one SDK generation against servers of both, in pairs."""
    run_clients(session, sdk)


@nox.session(
    name="clients-whole", venv_backend="none", requires=OFFICIAL, default=False, tags=["long"]
)
@nox.parametrize("sdk", OFFICIAL, ids=OFFICIAL)
def clients_whole(session: nox.Session, sdk: str) -> None:
    """Every client with every server, in each way of answering, on each event loop."""
    run_clients(session, sdk, "--whole")


@nox.session(
    name="clients-threads", venv_backend="none", requires=OFFICIAL, default=False, tags=["long"]
)
@nox.parametrize("sdk", OFFICIAL, ids=OFFICIAL)
def clients_threads(session: nox.Session, sdk: str) -> None:
    """The exact exchanges and the hostile servers once more, without `async`."""
    tests = (f"tests/clients/test_{name}.py" for name in ("scripted", "field", "hostile"))
    python = python_of(session, sdk)
    session.run(python, "-m", "pytest", "--threads", *tests, *session.posargs)


def run_clients(session: nox.Session, sdk: str, *options: str) -> None:
    """Run the tests of the client adapters in the environment of an SDK generation."""
    # Servers of both are started, whichever the client is of.
    for name in OFFICIAL:
        python_of(session, name)
    python = python_of(session, sdk)
    check_types(session, python, "tests/clients")
    session.run(python, "-m", "pytest", "tests/clients", *options, *session.posargs)


@nox.session(venv_backend="none", requires=SDKS, allow_parallel=True)
@nox.parametrize("sdk", SDKS, ids=SDKS)
def lines(session: nox.Session, sdk: str) -> None:
    """What the README and the guides show for an SDK, in its environment; the table they show."""
    tests = ["test_adopt"] if sdk in OFFICIAL else ["test_lines", "test_fastmcp_serves"]
    tests += ["test_table"] if sdk == "mcp2" else []
    paths = [f"tests/peers/{test}.py" for test in tests]
    session.run(python_of(session, sdk), "-m", "pytest", *paths, *session.posargs)


@nox.session(venv_backend="none", requires=OFFICIAL, allow_parallel=True)
def soak(session: nox.Session) -> None:
    """Real servers killed 20 times under 50 tasks, beside a client or through a bad proxy."""
    run_soak(session, "mcp1", 20, "--proxy")
    run_soak(session, "mcp2", 20)


@nox.session(
    name="soak-whole", venv_backend="none", requires=OFFICIAL, default=False, tags=["long"]
)
def soak_whole(session: nox.Session) -> None:
    """The same, 200 times, for either SDK generation with and without the proxy."""
    for name in OFFICIAL:
        run_soak(session, name, 200)
        run_soak(session, name, 200, "--proxy")


def run_soak(session: nox.Session, sdk: str, kills: int, *options: str) -> None:
    """Run the soak with the client of one SDK generation."""
    script = ("-W", "ignore", "tests/clients/soak.py", "--kills", str(kills))
    session.run(python_of(session, sdk), *script, *options)


@nox.session(venv_backend="none", requires=SDKS, allow_parallel=True)
@nox.parametrize("sdk", SDKS, ids=SDKS)
def servers(session: nox.Session, sdk: str) -> None:
    """The middleware around the real applications of an SDK, against the installed wheel."""
    session.run(python_of(session, sdk), "-m", "pytest", "tests/asgi", *session.posargs)


@nox.session(
    name="every-server", venv_backend="none", requires=["asgi-servers"], allow_parallel=True
)
def every_server(session: nox.Session) -> None:
    """The middleware in each ASGI server and in each framework, to the byte."""
    test = "tests/asgi/test_every_server.py"
    session.run(python_of(session, "asgi-servers"), "-m", "pytest", test, *session.posargs)


@nox.session(
    name="node-workers",
    venv_backend="none",
    default=False,
    tags=["environment"],
    allow_parallel=True,
)
def node_workers(session: nox.Session) -> None:
    """Environment: the clients for node that come to several workers."""
    prepare_node(session, "workers")


@nox.session(venv_backend="none", requires=(*SDKS, "node-workers"), allow_parallel=True)
@nox.parametrize("sdk", SDKS, ids=SDKS)
def workers(session: nox.Session, sdk: str) -> None:
    """One application in several workers and replicas, plain clients of one SDK generation."""
    run_workers(session, sdk, OF_WORKERS[sdk])


@nox.session(
    name="workers-whole",
    venv_backend="none",
    requires=(*SDKS, "node-workers"),
    default=False,
    tags=["long"],
)
@nox.parametrize("sdk", SDKS, ids=SDKS)
def workers_whole(session: nox.Session, sdk: str) -> None:
    """The same with every client and server, and the soak at its full size."""
    build_peer(session, "workers/rmcp-client")
    files = ("sessions", "owner_gone", "other_servers") if sdk == "fastmcp4" else ()
    run_workers(session, sdk, files, "--whole", "-s")


def run_workers(session: nox.Session, sdk: str, files: tuple[str, ...], *options: str) -> None:
    """Run the tests of several processes: those of these files, or all."""
    # fastmcp's client is one of those that come to the others' servers.
    python_of(session, "fastmcp4")
    tests = [f"tests/workers/test_{name}.py" for name in files] or ["tests/workers"]
    session.run(python_of(session, sdk), "-m", "pytest", *tests, *options, *session.posargs)


@nox.session(name="servers-whole", venv_backend="none", requires=SDKS, default=False, tags=["long"])
@nox.parametrize("sdk", SDKS, ids=SDKS)
def servers_whole(session: nox.Session, sdk: str) -> None:
    """The same with the long tests at their full size, their figures shown."""
    session.run(python_of(session, sdk), "-m", "pytest", "tests/asgi", "--whole", "-s")


@nox.session(
    venv_backend="none", requires=(*SDKS, *PEERS, "fastmcp3"), default=False, tags=["long"]
)
def peers(session: nox.Session) -> None:
    """The SDKs built on the official ones, and servers in other languages, in pairs."""
    prepare_servers(session)
    sources = "tests/clients:tests/peers"
    check_types(session, python_of(session, "mcp2"), "tests/peers", sources=sources)
    for name in PEERS:
        session.run(python_of(session, name), "-m", "pytest", "tests/peers/test_lines.py")
    for name in FASTMCP:
        served = "tests/peers/test_fastmcp_serves.py"
        session.run(python_of(session, name), "-m", "pytest", served)
    for name in OFFICIAL:
        session.run(python_of(session, name), "-m", "pytest", "tests/peers/test_gateway.py")
    session.run(sys.executable, "tests/peers/matrix.py", "--part")
    run_integrations(session, "--part")


@nox.session(venv_backend="none", requires=SDKS, allow_parallel=True)
def integrations(session: nox.Session) -> None:
    """The lines of the clients that are installed anyway, through a restart, in pairs."""
    run_integrations(session, "--part", *SDKS)


@nox.session(
    name="integrations-whole", venv_backend="none", requires=SDKS, default=False, tags=["long"]
)
def integrations_whole(session: nox.Session) -> None:
    """The line of each client of the guide, in its own environment, through a restart."""
    run_integrations(session)


@nox.session(venv_backend="none", requires=SDKS, default=False, tags=["long"])
def minors(session: nox.Session) -> None:
    """The lines and `install` with the last of every minor version of the official SDK."""
    run_integrations(session, "--minors")


def run_integrations(session: nox.Session, *options: str) -> None:
    """Check the types of what runs in each environment, and run it."""
    sources = "tests/clients:tests/peers:tests/integrations"
    check_types(session, python_of(session, "mcp1"), "tests/integrations", sources=sources)
    session.run(sys.executable, "tests/integrations/run.py", *options, *session.posargs)


@nox.session(venv_backend="none", requires=["wheel"], default=False, tags=["long"])
def suites(session: nox.Session) -> None:
    """The tests of httpx and of both generations of the SDK, with ours in the place of theirs."""
    session.run(sys.executable, "tests/suites/run.py", *session.posargs)


@nox.session(venv_backend="none", requires=(*SDKS, *PEERS), default=False, tags=["long"])
def matrix(session: nox.Session) -> None:
    """The whole table, measured anew and written where it is shown."""
    prepare_servers(session)
    session.run(sys.executable, "tests/peers/matrix.py", *session.posargs)


def prepare_servers(session: nox.Session) -> None:
    """Build the servers in other languages."""
    for name in (*SDKS, *PEERS):
        python_of(session, name)
    prepare_node(session, "peers")
    for crate in CRATES:
        build_peer(session, f"peers/{crate}")


def build_peer(session: nox.Session, crate: str) -> None:
    """Build a peer in Rust."""
    # One target folder: they have most of their dependencies in common.
    target = {"CARGO_TARGET_DIR": str(ENVIRONMENTS / "cargo-peers")}
    manifest = f"tests/{crate}/Cargo.toml"
    build = ("cargo", "build", "-q", "--locked", "--manifest-path", manifest)
    session.run(*build, env=target)


def prepare_node(session: nox.Session, tests: str) -> None:
    """Install what these tests have for node as its lockfile says, if that can be run here."""
    npm = find_npm(session)
    if npm is None:
        session.warn(f"npm and its Node: see `nox -s tools`, peers of tests/{tests} NOT TESTED")
        return
    source = ROOT / "tests" / tests / "node"
    node = ENVIRONMENTS / ("node" if tests == "peers" else f"node-{tests}")
    node.mkdir(exist_ok=True)
    for path in source.iterdir():
        shutil.copy2(path, node)
    install_locked(session, npm, node)


def find_npm(session: nox.Session) -> str | None:
    """Find npm, if there is a Node as well that runs what it installs."""
    npm, node = shutil.which("npm"), shutil.which("node")
    return npm if node and version_of(session, node) >= OLDEST_NODE else None


def install_locked(
    session: nox.Session, npm: str, folder: Path, env: dict[str, str] | None = None
) -> None:
    """Install what the lockfile of a folder says, unless it is there."""
    lock = (folder / "package-lock.json").read_text(encoding="utf-8")
    installed = folder / "node_modules" / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        session.run(npm, "ci", "--prefix", folder, env=env, external=True)
        installed.write_text(lock, encoding="utf-8")


@nox.session(venv_backend="none", requires=OFFICIAL, default=False, tags=["long"])
def benchmarks(session: nox.Session) -> None:
    """Everything that is measured: docs/performance.md and its plots, then each SDK's client."""
    session.run(sys.executable, "benches/run.py", *session.posargs)
    for name in OFFICIAL:
        session.run(python_of(session, name), "-W", "ignore", "benches/client.py")


@nox.session(
    name="measure-tables", venv_backend="none", requires=["scale"], default=False, tags=["long"]
)
def measure_tables(session: nox.Session) -> None:
    """Each table of sessions with 100,000 of them, and under eight processes: docs/scale.md."""
    session.run(python_of(session, "scale"), "benches/tables.py", *session.posargs)


@nox.session(
    name="measure-beside", venv_backend="none", requires=["beside"], default=False, tags=["long"]
)
def measure_beside(session: nox.Session) -> None:
    """Sessions over processes, beside what a user would take instead: docs/performance.md."""
    session.run(python_of(session, "beside"), "-W", "ignore", "benches/beside.py", *session.posargs)


@nox.session(
    name="measure-forwarding", venv_backend="none", requires=["mcp2"], default=False, tags=["long"]
)
def measure_forwarding(session: nox.Session) -> None:
    """What a table costs a request that is owned, and one that is forwarded: docs/workers.md."""
    session.run(python_of(session, "mcp2"), "-W", "ignore", "benches/forwarding.py", "--write")


@nox.session(venv_backend="none", requires=["scale"], default=False, tags=["long"])
def simulate(session: nox.Session) -> None:
    """A thousand replicas with ten million sessions, simulated: docs/scale.md."""
    session.run(python_of(session, "scale"), "benches/scale.py", *session.posargs)


@nox.session(
    name="measure-workers", venv_backend="none", requires=["mcp2"], default=False, tags=["long"]
)
def measure_workers(session: nox.Session) -> None:
    """The rows of the README about several processes."""
    session.run(python_of(session, "mcp2"), "-W", "ignore", "tests/workers/measure.py")
