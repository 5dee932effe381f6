"""What the sessions share: environments, the wheel in them, and how commands are run."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parents[2]
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
CARGO = nox.project.load_toml(ROOT / "Cargo.toml")
ENVIRONMENTS = ROOT / ".environments"
PROGRAMS = "Scripts" if os.name == "nt" else "bin"
WHEELS = ENVIRONMENTS / "wheels"
# What is built from a copy of this tree finds the crates it depends upon built.
BUILT_BEFORE = {"CARGO_TARGET_DIR": str(ROOT / "target" / "copies")}
# What these groups install is the same on every machine: `nox -s lock` pins it, with hashes.
LOCKS = ROOT / ".ci" / "locks"
LOCKED = ("build", "documentation", "formatting", "lints", "nox", "release")
# What the tests install for node asks for it: Debian's is newer from trixie on.
OLDEST_NODE = (20, 18, 1)


def environment(name: str, what: str) -> None:
    """Register the session that makes the environment of a dependency group."""

    def make(session: nox.Session) -> None:
        install(session, name)
        install_wheel(session)

    make.__doc__ = f"Environment: {what}, and the wheel."
    session = nox.session(
        name=name, default=False, requires=["wheel"], tags=["environment"], allow_parallel=True
    )
    session(make)


def group(name: str) -> tuple[str, ...]:
    """Give the packages of a dependency group."""
    return nox.project.dependency_groups(PROJECT, name)


def install(session: nox.Session, name: str) -> None:
    """Install a dependency group, as it is locked; or else upgrading nothing that will do."""
    if name in LOCKED:
        session.install("--require-hashes", "-r", str(LOCKS / f"{name}.txt"))
    else:
        session.install(*group(name))


def install_wheel(session: nox.Session) -> None:
    """Install the wheel of these sources, and nothing from the source tree."""
    installed = Path(session.virtualenv.location, "installed-wheel")
    installed.unlink(missing_ok=True)
    pip_install = ("python", "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps")
    # Not `session.install`, which `nox -R` leaves out.
    session.run(*pip_install, find_wheel())
    installed.write_text((WHEELS / "built-from").read_text(encoding="utf-8"), encoding="utf-8")


def python_of(session: nox.Session, name: str) -> str:
    """Find the interpreter of an environment, which has the wheel of these sources."""
    installed = ENVIRONMENTS / name / "installed-wheel"
    if not installed.exists() or installed.read_text(encoding="utf-8") != fingerprint():
        session.error(f"{name} has not the wheel of these sources: run `nox -s {name}`")
    return str(ENVIRONMENTS / name / PROGRAMS / "python")


def check_types(session: nox.Session, python: str, *paths: str | Path, sources: str = "") -> None:
    """Run mypy, where the modules beside what is checked are in `sources`."""
    # Of two that share a cache one may fail, or take for its own what the other has found in
    # another environment: https://github.com/python/mypy/issues/21136.
    env = {"MYPY_CACHE_DIR": str(ENVIRONMENTS / "mypy" / session.name), "MYPYPATH": sources}
    session.run(python, "-m", "mypy", "--strict", *paths, env=env)


def find_wheel() -> Path:
    """Find the one wheel that was built."""
    (built,) = WHEELS.glob("*.whl")
    return built


def fingerprint() -> str:
    """Digest what the wheel is made of, but for the pages that only describe it."""
    digest = hashlib.sha256()
    for path in sorted(wheel_sources()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def wheel_sources() -> Iterator[Path]:
    """List what the wheel is made of."""
    yield from (ROOT / name for name in ("Cargo.toml", "Cargo.lock", "pyproject.toml"))
    for folder in ("src", "python"):
        for kind in ("*.rs", "*.toml", "*.py", "*.pyi", "py.typed"):
            yield from (ROOT / folder).rglob(kind)


def output(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints."""
    return str(session.run(*command, env=env, silent=True, stderr=None, external=True))


def version_of(session: nox.Session, program: str) -> tuple[int, ...]:
    """Ask a program for its version."""
    numbers = re.search(r"\d+(?:\.\d+)+", output(session, program, "--version"))
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def with_cargo(session: nox.Session, name: str, version: str) -> dict[str, str]:
    """Install a tool of cargo's, if it is not there yet; give the PATH that has it."""
    root = ENVIRONMENTS / "cargo" / f"{name}-{version}"
    if not (root / "bin").exists():
        install_it = ("cargo", "install", "-q", name, "--locked", "--version", version)
        session.run(*install_it, "--root", root, external=True)
    return {"PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def scratch(session: nox.Session, name: str) -> Path:
    """Make a folder of the session, empty, whose place is the same in each run."""
    folder = Path(session.create_tmp(), name).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def host(session: nox.Session) -> str:
    """Give Rust's name of this kind of machine."""
    (name,) = re.findall(r"host: (\S+)", output(session, "rustc", "-vV"))
    return str(name)


def copy_tree(session: nox.Session, folder: Path) -> None:
    """Copy this tree, as a clone would have it and with what is not committed yet."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in output(session, *listed).rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)
