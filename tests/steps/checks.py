"""What is read, not run: formats, lints, pages, licences."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import nox
import nox.registry

from steps.common import (
    ENVIRONMENTS,
    LOCKED,
    LOCKS,
    OLDEST_NODE,
    ROOT,
    install,
    output,
    version_of,
    with_cargo,
)

import redis_program

PYTHON_SOURCES = ("noxfile.py", "python", "tests", "benches", "docs/site", "examples")
CARGO_DENY = "0.20.2"
# These say what a machine has, or measure it and write what they found into the pages.
OF_A_MACHINE = {
    *("tools", "interpreters", "matrix", "benchmarks", "simulate"),
    *(f"measure-{what}" for what in ("tables", "beside", "forwarding", "workers")),
}

# The lockfiles that nobody is asked to update, by the folder.
AS_THEY_ARE = {
    "/benches/empty": "it depends on nothing",
    "/tests/peers/rmcp-old": "an old version is what it is for",
    "/tests/pyodide/node": "with its version goes the platform that session pyodide builds for",
}


class Tool(NamedTuple):
    """A program that has to be there, or without which something is not tested."""

    commands: tuple[str, ...]
    package: str
    untested: str = ""
    oldest: tuple[int, ...] = ()


OF_NODE = "the clients and servers in TypeScript"
TOOLS = (
    Tool(
        ("rustc",),
        "Rust 1.85 or newer: rustup, or a newer Debian's rustc and cargo",
        oldest=(1, 85),
    ),
    Tool(("cargo",), "rustup, or Debian's cargo"),
    Tool(("rustfmt",), "`rustup component add rustfmt`, or Debian's rustfmt"),
    Tool(("cargo-clippy",), "`rustup component add clippy`, or Debian's rust-clippy"),
    Tool(("cc", "gcc", "clang"), "a C compiler: Debian's gcc"),
    Tool(("c++", "g++", "clang++"), "a C++ compiler, for the fuzz targets: Debian's g++"),
    Tool(("git",), "Debian's git"),
    Tool(("bash",), "Debian's bash"),
    Tool(("npm",), "Debian's npm, or Node", untested=OF_NODE),
    Tool(
        ("node",),
        f"Node {'.'.join(map(str, OLDEST_NODE))} or newer: Debian's from 13 on",
        untested=OF_NODE,
        oldest=OLDEST_NODE,
    ),
    Tool(
        redis_program.NAMES,
        "Redis 6.2 or newer, or Valkey: Debian's redis-server from 12 on",
        untested="the table in Redis",
        oldest=redis_program.OLDEST,
    ),
    Tool(("valgrind",), "Debian's valgrind", untested="the count of instructions"),
    Tool(("openssl",), "Debian's openssl", untested="requests between processes over TLS"),
)


@nox.session(venv_backend="none")
def tools(session: nox.Session) -> None:
    """What this machine lacks, with the package that brings it."""
    lacking = [(tool, what) for tool in TOOLS if (what := lack(session, tool))]
    for tool, what in lacking:
        why = f"NOT TESTED: {tool.untested}" if tool.untested else "needed"
        session.warn(f"{tool.commands[0]} is {what}, {why}. Install {tool.package}")
    if any(not tool.untested for tool, _ in lacking):
        session.error("install what is needed")


def lack(session: nox.Session, tool: Tool) -> str:
    """Say what is the matter with a program, if anything is."""
    command = next(filter(shutil.which, tool.commands), None)
    if command is None:
        return "missing"
    is_new_enough = not tool.oldest or version_of(session, command) >= tool.oldest
    return "" if is_new_enough else "too old"


@nox.session
def formatting(session: nox.Session) -> None:
    """rustfmt and ruff find nothing to change."""
    session.run("cargo", "fmt", "--all", "--check", external=True)
    for crate in (
        "fuzz",
        "benches/core",
        "benches/empty",
        "benches/rmcp",
        "tests/check/rmcp-client",
    ):
        manifest = f"{crate}/Cargo.toml"
        session.run("cargo", "fmt", "--manifest-path", manifest, "--check", external=True)
    install(session, "formatting")
    session.run("ruff", "format", "--check", *PYTHON_SOURCES)
    session.run("ruff", "check", *PYTHON_SOURCES)


@nox.session(allow_parallel=True)
def lints(session: nox.Session) -> None:
    """clippy and rustdoc; the core knows no Python and no I/O; planted bugs apply; workflows."""
    clippy = ("cargo", "clippy", "--all-targets")
    session.run(*clippy, "--workspace", "--", "-D", "warnings", external=True)
    fuzz_crate = ("--manifest-path", "fuzz/Cargo.toml")
    session.run(*clippy, *fuzz_crate, "--", "-D", "warnings", external=True)
    documentation = ("cargo", "doc", "--no-deps", "-p", "mcp-session-core")
    flags = {"RUSTDOCFLAGS": "-D warnings"}
    session.run(*documentation, "--document-private-items", env=flags, external=True)
    tree = ("cargo", "tree", "-p", "mcp-session-core", "-e", "normal", "--prefix", "none")
    crates = {line.split()[0] for line in output(session, *tree).splitlines()}
    if crates & {"pyo3", "tokio", "mio", "socket2", "libc"}:
        session.error(f"the core depends on what does I/O or knows Python: {sorted(crates)}")
    library = (ROOT / "src" / "lib.rs").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.rs")]
    if "#![no_std]" not in library or sum(it.count("extern crate std") for it in sources) != 1:
        session.error("the core must be no_std, with std in its tests only")
    session.run("python", "tests/plant.py", "--list")
    install(session, "lints")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    to_copy = sorted(ROOT.glob("examples/*/.github/workflows/*.yml"))
    checker = ("check-jsonschema", "--builtin-schema")
    session.run(*checker, "vendor.github-workflows", *workflows, *to_copy)
    dependabot = ROOT / ".github" / "dependabot.yml"
    session.run(*checker, "vendor.dependabot", dependabot)
    listed = output(session, "git", "ls-files", "*Cargo.lock", "*package-lock.json").split()
    locked = {Path("/", lockfile).parent.as_posix() for lockfile in listed}
    updated = re.findall(r" (/[\w/-]*)$", dependabot.read_text(encoding="utf-8"), re.MULTILINE)
    if locked - AS_THEY_ARE.keys() != set(updated):
        session.error(f"dependabot.yml names {sorted(updated)}, locked are {sorted(locked)}")
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
    session.run(*checker, "vendor.github-issue-forms", *forms)
    pedantic = ("--offline", "--no-progress", "--persona", "pedantic")
    session.run("zizmor", *pedantic, *workflows, *to_copy, dependabot)
    registered = nox.registry.get()
    named = {name for path in workflows for name in sessions_of(path)}
    if not named or named - registered.keys():
        session.error(f"workflows name no session of ours: {named - registered.keys()}")
    tests = {name for name, it in registered.items() if it.default or "long" in (it.tags or ())}
    if unrun := tests - named - OF_A_MACHINE:
        session.error(f"sessions that no workflow runs by their names: {unrun}")


def sessions_of(workflow: Path) -> list[str]:
    """List the sessions that a workflow runs: in its commands, and in the matrix of its jobs."""
    text = workflow.read_text(encoding="utf-8")
    runs = re.findall(r"tests/all\.py -s ([a-z0-9 -]+?)(?: -|[\"\n])", text)
    matrices = re.findall(r"\bsession: \[?([a-z0-9, -]+)[\],\n]", text)
    return [name for words in (*runs, *matrices) for name in re.split("[ ,]+", words.strip(" ,"))]


@nox.session(allow_parallel=True)
def docs(session: nox.Session) -> None:
    """The pages and the reference as a site, in `.environments/site`; no link leads nowhere."""
    build_site(session, "html")


@nox.session(default=False, tags=["long"])
def links(session: nox.Session) -> None:
    """The links of the site to other sites; needs the network."""
    build_site(session, "linkcheck")


def build_site(session: nox.Session, builder: str) -> None:
    """Have Sphinx build the site, any warning being an error."""
    install(session, "documentation")
    sphinx = ("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "--fresh-env")
    folders = ("-c", "docs/site", "-d", session.create_tmp(), ".", ENVIRONMENTS / "site" / builder)
    session.run(*sphinx, "-b", builder, *folders)


@nox.session(venv_backend="none", default=False, tags=["long"])
def deny(session: nox.Session) -> None:
    """Licences, duplicates and sources of all that is depended upon, by cargo-deny."""
    env = with_cargo(session, "cargo-deny", CARGO_DENY)
    session.run("cargo", "deny", "check", "licenses", "bans", "sources", env=env)
    # What the fuzzer is made of may come in two versions: it is given to nobody.
    fuzz_crate = ("--manifest-path", "fuzz/Cargo.toml", "--config", "deny.toml")
    session.run("cargo", "deny", *fuzz_crate, "check", "licenses", "sources", env=env)


@nox.session(default=False, tags=["long"])
def advisories(session: nox.Session) -> None:
    """Known faults of what is depended upon; needs RustSec's and PyPI's databases."""
    env = with_cargo(session, "cargo-deny", CARGO_DENY)
    session.run("cargo", "deny", "check", "advisories", env=env, external=True)
    install(session, "audit")
    session.run("pip-audit", "--local")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Pin anew, with hashes, what the groups install that are the same on every machine."""
    session.install("uv>=0.9")
    LOCKS.mkdir(exist_ok=True)
    for name in LOCKED:
        options = ("--universal", "--generate-hashes", "--no-header", "--python-version", "3.10")
        group_of = ("--group", f"pyproject.toml:{name}", "-o", LOCKS / f"{name}.txt")
        session.run("uv", "pip", "compile", "-q", "--upgrade", *options, *group_of)
