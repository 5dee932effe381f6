"""Runs every check and every test, from a clean clone, and stops at the first that fails.

Needs Rust, CPython 3.10 or newer, a C and a C++ compiler. What else it needs it installs from
the registries of Rust crates, of Python and, where npm is there, of node into `.environments`.
Steps can be named to run only those: `python3 tests/run.py rust pytest`; `--list` names them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".environments"
DIST = ENVIRONMENTS / "dist"
# What is built from a copy of this tree finds the crates it depends upon built.
BUILT_BEFORE = {"CARGO_TARGET_DIR": str(ROOT / "target" / "copies")}
# Two processors are what a machine has at least.
AT_ONCE = 2
Command = tuple[str | Path, ...]
TARGETS = ("peek", "exchange", "classify", "answer", "server", "session", "client", "stream")
# Both read bodies.
DICTIONARIES = {"answer": "peek"}
FUZZ_SECONDS = 15
FUZZ_LONG_SECONDS = os.environ.get("FUZZ_LONG_SECONDS", "600")
MATURIN, CARGO_FUZZ, CARGO_MUTANTS = "maturin>=1.9.4,<2", "0.13.2", "27.1.0"
CARGO_LLVM_COV, CARGO_DENY = "0.9.1", "0.20.2"
# Lines of `src/` that no test reaches; docs/proof.md says why none can.
UNREACHED = {"jsonrpc/json/mod.rs": 3, "table/response_body.rs": 2, "session/mod.rs": 1}
UNCHECKED = ("benches/calls.py", "benches/plots.py", "benches/scale.py")
WORKFLOW_CHECKERS = ["check-jsonschema>=0.33,<1", "zizmor>=1.15,<2"]
AUDIT = ["pip>=25.3", "pip-audit>=2.9,<3"]
CHECKERS = ["mypy>=2.4,<3", "pyright[nodejs]>=1.1.400,<2", "ruff>=0.17,<0.18"]
CLI = ["click>=8.1", "rich>=13.7"]
HTTP = ["anyio>=4.5", "httpx>=0.28", "httpx2>=2.16"]
METRICS = ["opentelemetry-sdk>=1.40", "prometheus-client>=0.22"]
TABLES = ["redis>=5.2,<9", "trio>=0.30"]
TESTING = [*HTTP, "hypothesis>=6.150", "mcp>=2.3,<3", "pytest>=9,<10", "uvicorn>=0.50", *TABLES]
# The generations of the SDK exclude each other, so each has an environment.
SDKS = {"mcp1": "mcp>=1.30,<2", "mcp2": "mcp>=2.3,<3", "fastmcp4": "fastmcp>=4.1,<5"}
OFFICIAL = ("mcp1", "mcp2")
SDK_TESTING = [
    *("anyio>=4.5", "h2>=4.3", "hypercorn>=0.17", "hypothesis>=6.150"),
    *("pytest>=9,<10", "trio>=0.30", "uvicorn>=0.50"),
]
# What else is built on the official ones.
PEERS = {
    "fastmcp2": "fastmcp>=2.14,<3",
    "langchain": "langchain-mcp-adapters>=0.3,<0.4",
    "openai": "openai-agents>=0.24,<0.25",
    "pydantic-ai": "pydantic-ai-slim[mcp]>=2.68,<3",
}
CRATES = ("rmcp-new", "rmcp-old")


def main() -> None:
    """Run the steps, each with its time, and end on one line that says how it went."""
    names = sys.argv[1:] or list(STEPS)
    steps = STEPS | LONG_STEPS
    if names == ["--list"]:
        print(*STEPS, *(f"{name} (long, not run unless named)" for name in LONG_STEPS), sep="\n")
        return
    if unknown := [name for name in names if name not in steps]:
        sys.exit(f"no such step: {', '.join(unknown)}; there are: {', '.join(steps)}")
    begun = time.monotonic()
    for number, name in enumerate(names, 1):
        step_begun = time.monotonic()
        print(f"\n==== {name} ({number} of {len(names)}): {steps[name].__doc__}", flush=True)
        try:
            steps[name]()
        except subprocess.CalledProcessError as error:
            command = " ".join(map(str, error.cmd))
            sys.exit(f"\n==== {name} FAILED with exit status {error.returncode}: {command}")
        print(f"==== {name}: {time.monotonic() - step_begun:.0f} s", flush=True)
    print(f"\n==== all {len(names)} steps passed in {time.monotonic() - begun:.0f} s")


def formatting() -> None:
    """rustfmt and ruff find nothing to change."""
    run("cargo", "fmt", "--all", "--check")
    for crate in ("fuzz", "benches/core", "benches/empty", "benches/rmcp"):
        run("cargo", "fmt", "--manifest-path", f"{crate}/Cargo.toml", "--check")
    checkers = environment("check", CHECKERS)
    run(checkers / "ruff", "format", "--check", "python", "tests", "benches")
    run(checkers / "ruff", "check", "python", "tests", "benches")


def lints() -> None:
    """clippy and rustdoc; the core knows no Python and no I/O; planted bugs apply; workflows."""
    run("cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings")
    targets = ("--manifest-path", "fuzz/Cargo.toml", "--all-targets")
    run("cargo", "clippy", *targets, "--", "-D", "warnings")
    flags = {"RUSTDOCFLAGS": "-D warnings"}
    documentation = ("cargo", "doc", "--no-deps", "-p", "mcp-session-core")
    run(*documentation, "--document-private-items", env=flags)
    tree = output("cargo", "tree", "-p", "mcp-session-core", "-e", "normal", "--prefix", "none")
    crates = {line.split()[0] for line in tree.splitlines()}
    if crates & {"pyo3", "tokio", "mio", "socket2", "libc"}:
        sys.exit(f"the core depends on what does I/O or knows Python: {sorted(crates)}")
    library = (ROOT / "src" / "lib.rs").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.rs")]
    if "#![no_std]" not in library or sum(it.count("extern crate std") for it in sources) != 1:
        sys.exit("the core must be no_std, with std in its tests only")
    run(sys.executable, "tests/plant.py", "--list")
    workflows = environment("workflows", WORKFLOW_CHECKERS)
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    checker = (workflows / "check-jsonschema", "--builtin-schema")
    run(*checker, "vendor.github-workflows", *files)
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
    run(*checker, "vendor.github-issue-forms", *forms)
    run(workflows / "zizmor", "--offline", "--no-progress", "--persona", "pedantic", *files)


def rust() -> None:
    """The Rust tests and doctests."""
    run("cargo", "test", "--workspace")


def wheel() -> None:
    """The wheel, and the sdist, which builds a wheel of its own."""
    shutil.rmtree(DIST, ignore_errors=True)
    maturin = environment("build", [MATURIN]) / "maturin"
    run(maturin, "build", "--release", "--locked", "--out", DIST)
    run(maturin, "sdist", "--out", DIST)
    (sdist,) = DIST.glob("*.tar.gz")
    rebuilt = DIST / "from-sdist"
    pip_wheel = (environment("build", [MATURIN]) / "pip", "wheel", "-q", "--no-deps")
    run(*pip_wheel, "-w", rebuilt, sdist, env=BUILT_BEFORE)
    (first,), (second,) = DIST.glob("*.whl"), rebuilt.glob("*.whl")
    print(f"{first.name}: {first.stat().st_size // 1024} KiB; from the sdist: {second.name}")
    if "-cp310-abi3-" not in first.name or "-cp310-abi3-" not in second.name:
        sys.exit("the wheel has to be abi3 for CPython 3.10")


def types() -> None:
    """mypy --strict, pyright and stubtest, against the installed wheel."""
    # Checkers and tests share one environment, so that all types are there to be checked.
    tests = test_environment()
    pip_install(tests, CHECKERS)
    # stubtest says nothing where the extension is missing, so it is imported first.
    run(tests / "python", "-I", "-c", "import mcp_session")
    run(tests / "python", "-m", "mypy.stubtest", "mcp_session._core")
    run(tests / "mypy", "--strict", "python/mcp_session")
    programs = ("tests/run.py", "tests/plant.py", "tests/stub_docs.py")
    run(tests / "mypy", "--strict", "tests/python", "tests/diagnose", *programs)
    run(tests / "mypy", "--strict", "tests/asgi")
    run(tests / "mypy", "--strict", "tests/sessions")
    # The other two need what only the benchmarks install.
    benches = sorted(set((ROOT / "benches").glob("*.py")) - {*map(ROOT.joinpath, UNCHECKED)})
    run(tests / "mypy", "--strict", *benches)
    run(tests / "pyright", "--pythonpath", tests / "python", "python", "tests")


def pytest() -> None:
    """The Python tests, against the installed wheel."""
    run(test_environment() / "python", "-m", "pytest")


def tables() -> None:
    """The tables of sessions, in SQLite and in a real Redis or Valkey."""
    run(test_environment() / "python", "-m", "pytest", "tests/sessions")


def clients() -> None:
    """The clients of both SDK generations against servers of both, in pairs."""
    run_clients()


def clients_whole() -> None:
    """Every client with every server, in each way of answering, on each event loop."""
    run_clients("--whole")


def run_clients(*options: str) -> None:
    """Run the tests of the client adapters in the environment of each SDK generation."""
    # Servers of both are started, whichever the client is of.
    environments = [sdk_environment(name) for name in OFFICIAL]
    for programs in environments:
        pip_install(programs, CHECKERS)
        run(programs / "mypy", "--strict", "tests/clients")
    tests = ("-m", "pytest", "tests/clients", *options)
    run_together([(programs / "python", *tests) for programs in environments])


def peers() -> None:
    """The SDKs built on the official ones, and servers in other languages, in pairs."""
    prepare_peers()
    checked = ENVIRONMENTS / "mcp2" / "bin"
    pip_install(checked, CHECKERS)
    sources = {"MYPYPATH": "tests/clients:tests/peers"}
    run(checked / "mypy", "--strict", "tests/peers", env=sources)
    for name in PEERS:
        python = ENVIRONMENTS / name / "bin" / "python"
        run(python, "-m", "pytest", "tests/peers/test_lines.py")
    run(sys.executable, "tests/peers/matrix.py", "--part")


def lines() -> None:
    """What the README and the guides show for an SDK, in its environment; the table they show."""
    tests = [(name, "test_adopt" if name in OFFICIAL else "test_lines") for name in SDKS]
    tests += [("mcp2", "test_table")]
    run_together(
        [
            (sdk_environment(name) / "python", "-m", "pytest", f"tests/peers/{test}.py")
            for name, test in tests
        ]
    )


def matrix() -> None:
    """The table of every client, server and situation, measured and written down."""
    prepare_peers()
    run(sys.executable, "tests/peers/matrix.py")


def prepare_peers() -> None:
    """Make the environments of the peers, and build the servers in other languages."""
    for name in SDKS | PEERS:
        sdk_environment(name)
    prepare_node()
    for crate in CRATES:
        # One target folder: they have most of their dependencies in common.
        target = {"CARGO_TARGET_DIR": str(ENVIRONMENTS / "cargo-peers")}
        manifest = f"tests/peers/{crate}/Cargo.toml"
        run("cargo", "build", "-q", "--locked", "--manifest-path", manifest, env=target)


def prepare_node() -> None:
    """Install the servers for node as their lockfile says, if npm is there."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm: not on this machine, its servers are NOT TESTED")
        return
    source, node = ROOT / "tests" / "peers" / "node", ENVIRONMENTS / "node"
    node.mkdir(exist_ok=True)
    for path in source.iterdir():
        shutil.copy2(path, node)
    lock = (source / "package-lock.json").read_text(encoding="utf-8")
    installed = node / "node_modules" / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        run(npm, "ci", "--prefix", node)
        installed.write_text(lock, encoding="utf-8")


def soak() -> None:
    """Real servers killed 20 times under 50 tasks, beside a client or through a bad proxy."""
    run_soak("mcp1", 20, "--proxy")
    run_soak("mcp2", 20)


def soak_whole() -> None:
    """The same, 200 times, for either SDK generation with and without the proxy."""
    for name in OFFICIAL:
        run_soak(name, 200)
        run_soak(name, 200, "--proxy")


def run_soak(name: str, kills: int, *options: str) -> None:
    """Run the soak with the client of one SDK generation."""
    script = ("-W", "ignore", "tests/clients/soak.py", "--kills", str(kills))
    run(sdk_environment(name) / "python", *script, *options)


def instructions() -> None:
    """The core needs no more instructions than the baseline says, counted under valgrind."""
    run(sys.executable, "benches/instructions.py")


def benchmarks() -> None:
    """Everything that is measured: docs/performance.md and its plots, then each SDK's client."""
    run(sys.executable, "benches/run.py")
    for name in OFFICIAL:
        programs = sdk_environment(name)
        run(programs / "python", "-W", "ignore", "benches/client.py")


def measure_tables() -> None:
    """What the tables of sessions take, up to 100,000 sessions and 8 processes: docs/scale.md."""
    measured = environment("benchmarks", ["matplotlib>=3.10", *TABLES])
    install_wheel(measured)
    run(measured / "python", "benches/tables.py")


def simulate() -> None:
    """A thousand replicas with ten million sessions: docs/scale.md."""
    simulated = environment("benchmarks", ["matplotlib>=3.10", "numpy>=2"])
    run(simulated / "python", "benches/scale.py")


def servers() -> None:
    """The middleware around the real applications of each SDK, against the installed wheel."""
    test_servers()


def servers_whole() -> None:
    """The same with the long tests at their full size, their figures shown."""
    test_servers("--whole", "-s")


def interpreters() -> None:
    """The one wheel on every CPython from 3.10 on that is there."""
    tested = 0
    for minor in range(10, 16):
        interpreter = find_interpreter(f"python3.{minor}")
        if interpreter is None:
            print(f"python3.{minor}: not on this machine, NOT TESTED")
            continue
        path = ENVIRONMENTS / f"python3.{minor}"
        run(interpreter, "-m", "venv", "--clear", path)
        install_wheel(path / "bin")
        code = (
            "import sys, mcp_session as m; v = m.classify('POST', 404, session_id='x');"
            "assert v.action is m.Action.CLEAR_AND_REINIT;"
            "assert m.peek(b'[]').kind is m.Kind.BATCH;"
            "print(sys.version.split()[0], v)"
        )
        run(path / "bin" / "python", "-I", "-c", code)
        tested += 1
    if not tested:
        sys.exit("no interpreter was found")


def fuzz() -> None:
    """The fuzz targets: their corpora replayed on stable, then each for a short time."""
    run("cargo", "test", "--manifest-path", "fuzz/Cargo.toml")
    env = fuzzing()
    run("cargo", "fuzz", "build", env=env)
    run_together([fuzzing_of(target, FUZZ_SECONDS) for target in TARGETS], env)


def readme() -> None:
    """The first command of the README, and `classify`, in a copy of this tree like a clone."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.findall(r"^```sh\n(.*?)\n```$", text, flags=re.DOTALL | re.MULTILINE)[0]
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        shown = output("bash", "-c", command, cwd=folder, env=BUILT_BEFORE)
        program = Path(folder, ".venv", "bin", "mcp-session")
        classified = output(str(program), "classify", "tests/exchanges", cwd=folder)
    print(shown, *classified.splitlines()[-6:], sep="\n")
    recovered = "4 of 4 calls that had a server were answered: recovered"
    if shown.splitlines()[-1] != f"mcp_session.httpx2.AsyncClient: {recovered}":
        sys.exit("the first command of the README did not show a client that recovers")
    if classified.splitlines()[-1] != "517 exchanges":
        sys.exit("the recorded exchanges were not classified")


def millions() -> None:
    """The session machine against its model, a million sequences."""
    test = ("cargo", "test", "--release", "-p", "mcp-session-core", "--test", "session", "random")
    run(*test, env={"PROPTEST_CASES": "1000000"})


def mutants() -> None:
    """Mutants of the session machine, of the look at bodies and of the rows of the table."""
    cargo = cargo_tool("cargo-mutants", CARGO_MUTANTS)
    outcomes = ENVIRONMENTS / "mutants"
    run(
        *("cargo", "mutants", "-p", "mcp-session-core", "-j", "2", "-o", outcomes),
        env={"PROPTEST_CASES": "2000", "PATH": f"{cargo}:{os.environ['PATH']}"},
        # 2: some survived. 3: one never came to an end, and was caught by that.
        accepted=(0, 2, 3),
    )
    run(sys.executable, "tests/mutants.py", outcomes / "mutants.out")


def plant() -> None:
    """Bugs planted for the fuzzer, one at a time, each to be found within 60 seconds."""
    run(sys.executable, "tests/plant.py", env=fuzzing())


def fuzz_long() -> None:
    """Each fuzz target for FUZZ_LONG_SECONDS (600); what it found is kept, minimized."""
    env = fuzzing()
    run("cargo", "fuzz", "build", env=env)
    run_together([fuzzing_of(target, int(FUZZ_LONG_SECONDS)) for target in TARGETS], env)
    for target in TARGETS:
        run("cargo", "fuzz", "cmin", target, found_by(target), env=env)


def coverage() -> None:
    """The lines of the core that its Rust tests reach: all, but for those that none can."""
    cargo = cargo_tool("cargo-llvm-cov", CARGO_LLVM_COV)
    env = {"PATH": f"{cargo}:{os.environ['PATH']}", **llvm_tools()}
    run("cargo", "llvm-cov", "-q", "-p", "mcp-session-core", "--no-report", env=env)
    run("cargo", "llvm-cov", "report", "--summary-only", env=env)
    report = output("cargo", "llvm-cov", "report", "--text", "--show-missing-lines", env=env)
    _, _, missing = report.partition("Uncovered Lines:\n")
    unreached: dict[str, int] = {}
    for line in missing.splitlines():
        path, _, places = line.partition(": ")
        print(f"not reached: {line}")
        for place in places.split(", "):
            first, _, last = place.partition("-")
            file = Path(path).relative_to(ROOT / "src").as_posix()
            unreached[file] = unreached.get(file, 0) + int(last or first) - int(first) + 1
    if unreached != UNREACHED:
        sys.exit(f"lines that no test reaches: {unreached}, known are: {UNREACHED}")


def minimal() -> None:
    """The tests of the core and of the command line, with the oldest dependencies allowed."""
    # Always the same folder: the tests know where they were built.
    folder = ENVIRONMENTS / "minimal" / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    copy_tree(folder)
    oldest = ("cargo", "update", "-Z", "direct-minimal-versions")
    run(*oldest, env={"RUSTC_BOOTSTRAP": "1"}, cwd=folder)
    target = {"CARGO_TARGET_DIR": str(folder.parent / "target")}
    run("cargo", "test", "--workspace", "--locked", env=target, cwd=folder)
    oldest_cli = [requirement.replace(">=", "==") for requirement in CLI]
    programs = environment("minimal-python", [*oldest_cli, "hypothesis", "pytest>=9,<10"])
    install_wheel(programs)
    run(programs / "python", "-m", "pytest", "-q", "tests/python/test_cli.py")


def deny() -> None:
    """Licences, duplicates and sources of all that is depended upon, by cargo-deny."""
    env = {"PATH": f"{cargo_tool('cargo-deny', CARGO_DENY)}:{os.environ['PATH']}"}
    run("cargo", "deny", "check", "licenses", "bans", "sources", env=env)
    # What the fuzzer is made of may come in two versions: it is given to nobody.
    fuzzing = ("--manifest-path", "fuzz/Cargo.toml", "--config", "deny.toml")
    run("cargo", "deny", *fuzzing, "check", "licenses", "sources", env=env)


def advisories() -> None:
    """Known faults of what is depended upon; needs RustSec's and PyPI's databases."""
    env = {"PATH": f"{cargo_tool('cargo-deny', CARGO_DENY)}:{os.environ['PATH']}"}
    run("cargo", "deny", "check", "advisories", env=env)
    run(environment("audit", [*AUDIT, *CLI, *TESTING]) / "pip-audit", "--local")


def miri() -> None:
    """The unit tests of the core in Miri; needs a nightly toolchain with that component."""
    # It runs a hundred times slower; what is slow as it is finds nothing more there.
    skipped = ("sixty_four", "nesting", "brackets_within_strings", "no_endless_stream")
    run(
        *("cargo", "+nightly", "miri", "test", "-p", "mcp-session-core", "--lib", "--"),
        *(argument for name in skipped for argument in ("--skip", name)),
        env={"PROPTEST_CASES": "8", "MIRIFLAGS": "-Zmiri-disable-isolation"},
    )


STEPS: dict[str, Callable[[], None]] = {
    step.__name__: step
    for step in (
        *(
            formatting,
            lints,
            rust,
            instructions,
            wheel,
            types,
            pytest,
            tables,
            clients,
            lines,
            soak,
        ),
        *(servers, interpreters, fuzz, readme),
    )
}
LONG_STEPS: dict[str, Callable[[], None]] = {
    step.__name__.replace("_", "-"): step
    for step in (
        *(peers, millions, mutants, plant, fuzz_long, coverage, minimal, deny, clients_whole),
        *(soak_whole, servers_whole, matrix, benchmarks, measure_tables, simulate),
        *(advisories, miri),
    )
}


def fuzzing() -> dict[str, str]:
    """Give the environment in which cargo-fuzz runs."""
    cargo = cargo_tool("cargo-fuzz", CARGO_FUZZ)
    # The sanitizers' flags are unstable; this lets the stable compiler take them.
    return {"RUSTC_BOOTSTRAP": "1", "PATH": f"{cargo}:{os.environ['PATH']}"}


def fuzzing_of(target: str, seconds: int) -> Command:
    """Give what fuzzes one target, from its committed corpus and from what former runs found."""
    dictionary = ROOT / "fuzz" / "dictionaries" / f"{DICTIONARIES.get(target, target)}.dict"
    return (
        *("cargo", "fuzz", "run", target, found_by(target), f"fuzz/corpus/{target}", "--"),
        *([f"-dict={dictionary}"] if dictionary.exists() else []),
        *(f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=0"),
    )


def found_by(target: str) -> Path:
    """Find the folder of what runs of a target found."""
    found = ROOT / "fuzz" / "target" / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    return found


def llvm_tools() -> dict[str, str]:
    """Find the LLVM tools that read what this compiler's coverage writes."""
    version = output("rustc", "-vV")
    (host,), (llvm,) = (
        re.findall(r"host: (\S+)", version),
        re.findall(r"LLVM version: (\d+)", version),
    )
    sysroot = Path(output("rustc", "--print", "sysroot").strip())
    if (sysroot / "lib" / "rustlib" / host / "bin" / "llvm-cov").exists():
        return {}
    tools = {name: shutil.which(f"llvm-{name}-{llvm}") for name in ("cov", "profdata")}
    if not all(tools.values()):
        sys.exit(f"needs `rustup component add llvm-tools`, or Debian's llvm-{llvm} on the PATH")
    return {f"LLVM_{name.upper()}": str(path) for name, path in tools.items()}


def copy_tree(folder: Path) -> None:
    """Copy this tree, as a clone would have it and with what is not committed yet."""
    files = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in files.rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)


def cargo_tool(name: str, version: str) -> Path:
    """Install a tool of cargo's, if it is not there yet; return where it is."""
    root = ENVIRONMENTS / "cargo"
    if not (root / "bin" / name).exists():
        run("cargo", "install", "-q", name, "--locked", "--version", version, "--root", root)
    return root / "bin"


def environment(name: str, packages: list[str]) -> Path:
    """Make a virtual environment with these packages; return where its programs are."""
    path = ENVIRONMENTS / name
    programs = path / ("Scripts" if os.name == "nt" else "bin")
    if not programs.exists():
        venv.create(path, with_pip=True)
    pip_install(programs, packages)
    return programs


def test_environment() -> Path:
    """The packages the tests drive, and the wheel that was built."""
    programs = environment("test", [*CLI, *TESTING, *METRICS])
    install_wheel(programs)
    return programs


def sdk_environment(name: str) -> Path:
    """The SDK of this name with what tests it, and the wheel that was built."""
    programs = environment(name, [(SDKS | PEERS)[name], *SDK_TESTING])
    install_wheel(programs)
    return programs


def test_servers(*options: str) -> None:
    """Run the tests of the middleware in the environment of each SDK."""
    tests = ("-m", "pytest", "tests/asgi", *options)
    run_together([(sdk_environment(name) / "python", *tests) for name in SDKS])


def install_wheel(programs: Path) -> None:
    """Install the wheel that was built, and nothing from the source tree."""
    wheels = list(DIST.glob("*.whl"))
    if not wheels:
        wheel()
        wheels = list(DIST.glob("*.whl"))
    run(
        programs / "python", "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", *wheels
    )


def pip_install(programs: Path, packages: list[str]) -> None:
    """Install packages, upgrading none that will do."""
    run(programs / "python", "-m", "pip", "install", "-q", *packages)


def find_interpreter(name: str) -> Path | None:
    """Find an interpreter on the PATH or among pyenv's; a launcher that fails is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    on_path = shutil.which(name)
    candidates = [*([Path(on_path)] if on_path else []), *pyenv.glob(f"*/bin/{name}")]
    for candidate in candidates:
        if not subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode:
            return candidate
    return None


def run(
    *command: str | Path,
    env: dict[str, str] | None = None,
    accepted: tuple[int, ...] = (0,),
    cwd: str | Path = ROOT,
) -> None:
    """Run a command, in the root of the project unless told otherwise, its output shown."""
    print("$", *command, flush=True)
    done = subprocess.run(command, check=False, cwd=cwd, env=os.environ | (env or {}))
    if done.returncode not in accepted:
        raise subprocess.CalledProcessError(done.returncode, command)


def run_together(commands: Sequence[Command], env: dict[str, str] | None = None) -> None:
    """Run commands side by side, in the root of the project; show each with its output at its end.

    For what mostly waits, or has one processor's worth to do.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in as_completed([pool.submit(run_apart, command, env) for command in commands]):
            if ended.exception():
                pool.shutdown(cancel_futures=True)
            ended.result()


def run_apart(command: Command, env: dict[str, str] | None) -> None:
    """Run one of several commands."""
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    shown = " ".join(map(str, command))
    print(f"$ {shown}\n{done.stdout}", end="", flush=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command)


def output(*command: str, env: dict[str, str] | None = None, cwd: str | Path = ROOT) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(
        command,
        check=True,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    return done.stdout


if __name__ == "__main__":
    main()
