"""What is published, as RELEASING.md says."""

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nox

from steps.common import (
    CARGO,
    ENVIRONMENTS,
    PROJECT,
    ROOT,
    copy_tree,
    host,
    install,
    output,
    scratch,
    with_cargo,
)

# Where the wheel is that is given away, whose name says which machines it is for.
RELEASE = ROOT / "dist"
CARGO_SEMVER_CHECKS = "0.48.0"
# Which files name the repository's address. All others have it from these.
ADDRESSED = ("Cargo.toml", "pyproject.toml")


@nox.session(default=False, tags=["release"])
def dist(session: nox.Session) -> None:
    """What is published, into `dist`, checked: `-- sdist`, or `-- TARGET VERSIONS...` of Python.

    Without arguments the sdist, and the wheel of this machine for every CPython with the GIL.
    """
    install(session, "release")
    RELEASE.mkdir(exist_ok=True)
    tree = release_tree(session)
    if session.posargs in ([], ["sdist"]):
        with session.chdir(tree):
            session.run("maturin", "sdist", "--out", RELEASE)
    if session.posargs != ["sdist"]:
        target, *versions = session.posargs or (host(session),)
        build_release(session, tree, target, versions, RELEASE, time_of_commit(session))
    built = sorted(RELEASE.iterdir())
    session.run("twine", "check", "--strict", *built)
    for path in built:
        if "-abi3-" in path.name:
            session.run("abi3audit", "--strict", path)
        if "linux" in path.name:
            audit(session, path)


def audit(session: nox.Session, wheel: Path) -> None:
    """Have auditwheel say what a wheel asks of a system: no more than its name says."""
    # This system's own libraries are not those of musl.
    elsewhere = ("--ldpaths", str(scratch(session, "nowhere")))
    shown = json.loads(output(session, "auditwheel", "show", "--json", *elsewhere, str(wheel)))
    tag = shown["overall_tag"]
    # zig names musl's library so. The loader of musl takes that for itself; auditwheel does not.
    if "musllinux" in wheel.name and shown["external_libs"].keys() <= {"libc.so"}:
        tag = shown["sym_tag"]
    session.log(f"{wheel.name}: {tag}, {', '.join(shown['external_libs']) or 'no libraries'}")
    asked, named = (re.findall(r"linux_\d+_(\d+)_", name) for name in (tag, wheel.name))
    if not asked or int(asked[0]) > int(named[0]):
        session.error(f"auditwheel calls it {tag}")


def time_of_commit(session: nox.Session) -> str:
    """Give the seconds that all files of a build are dated by."""
    return output(session, "git", "log", "-1", "--format=%ct").strip()


def build_release(
    session: nox.Session,
    tree: Path,
    target: str,
    versions: Sequence[str],
    out: Path,
    seconds: str,
) -> None:
    """Build wheels that say nothing of where they were built."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    remapped = f"--remap-path-prefix={home}=/cargo --remap-path-prefix={tree}=/mcp_session"
    target_folder = ROOT / "target" / tree.name
    env = {
        "CARGO_TARGET_DIR": str(target_folder),
        "RUSTFLAGS": remapped,
        "SOURCE_DATE_EPOCH": seconds,
    }
    options = ["--release", "--locked", "--target", target]
    if "linux" in target:
        # zig's linker knows the symbols of an old glibc.
        libc = "musllinux_1_2" if "musl" in target else "manylinux2014"
        options += ["--zig", "--compatibility", libc]
    for version in versions:
        options += ["--interpreter", version]
    built = scratch(session, "wheels")
    with session.chdir(tree):
        session.run("maturin", "build", *options, "--out", built, env=env)
    for path in sorted(built.iterdir()):
        # The bill of materials names the crates of this tree by where they stand.
        unpacked = scratch(session, "unpacked")
        session.run("wheel", "unpack", "--dest", unpacked, path)
        (folder,) = unpacked.iterdir()
        for bill in folder.glob("*.dist-info/sboms/*.json"):
            text = bill.read_text(encoding="utf-8")
            bill.write_text(text.replace(tree.as_uri(), "file:///mcp_session"), encoding="utf-8")
        session.run("wheel", "pack", "--dest-dir", out, folder, env=env)
        with zipfile.ZipFile(out / path.name) as wheel:
            for member in wheel.namelist():
                if any(str(place).encode() in wheel.read(member) for place in (ROOT, home)):
                    session.error(f"{member} of {path.name} names a folder of this machine")


def release_tree(session: nox.Session) -> Path:
    """Copy this tree, with a README whose links also lead somewhere from a registry's page."""
    tree = ENVIRONMENTS / "release-tree"
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(session, tree)
    package = CARGO["workspace"]["package"]
    text = (tree / "README.md").read_text(encoding="utf-8")
    for kind, link in (("raw", r"(!\[[^]]*\]\()"), ("blob", r"((?<!!)\[[^]]*\]\()")):
        shown = f"{package['repository']}/{kind}/v{package['version']}/"
        text = re.sub(rf"{link}(?!https?:|#)", rf"\1{shown}", text)
    (tree / "README.md").write_text(text, encoding="utf-8")
    return tree


@nox.session(default=False, tags=["release"])
def reproducible(session: nox.Session) -> None:
    """The wheel of this machine, built twice, in two folders: the same bytes."""
    install(session, "release")
    digests: set[str] = set()
    # Both at once, and by one clock: somebody may commit while the first is built.
    seconds = time_of_commit(session)
    trees = [scratch(session, name) / f"{name}-tree" for name in ("first", "second")]
    for tree in trees:
        copy_tree(session, tree)
    for tree in trees:
        out = tree.parent / "out"
        out.mkdir()
        build_release(session, tree, host(session), (), out, seconds)
        (built,) = out.iterdir()
        digests.add(hashlib.sha256(built.read_bytes()).hexdigest())
        shutil.rmtree(tree)
    session.log(f"sha256 {', '.join(digests)}")
    if len(digests) != 1:
        session.error("the two wheels differ")


@nox.session(venv_backend="none", default=False, tags=["release"])
def crate(session: nox.Session) -> None:
    """The crate as its registry would take it, and its documentation as that would build it."""
    package = ("-p", "mcp-session-core", "--locked")
    session.run("cargo", "publish", "--dry-run", "--allow-dirty", *package)
    documentation = ("cargo", "doc", "--no-deps", "--all-features", *package)
    session.run(*documentation, env={"RUSTDOCFLAGS": "-D warnings"})


@nox.session(venv_backend="none", default=False, tags=["release"])
def semver(session: nox.Session) -> None:
    """The API of the crate, compared with that of the last release's tag."""
    tags = output(session, "git", "tag", "--list", "v*", "--sort=-version:refname").split()
    released = [tag for tag in tags if tag != f"v{CARGO['workspace']['package']['version']}"]
    if not released:
        session.log("there is no former release to compare with")
        return
    env = with_cargo(session, "cargo-semver-checks", CARGO_SEMVER_CHECKS)
    package = ("-p", "mcp-session-core", "--baseline-rev", released[0])
    session.run("cargo", "semver-checks", *package, env=env)


@nox.session(venv_backend="none", default=False, tags=["release"])
def versions(session: nox.Session) -> None:
    """The version and the address stand once: `-- REPOSITORY TAG` are what they have to be."""
    package = CARGO["workspace"]["package"]
    repository, tag = (*session.posargs, "", "")[:2]
    for name, url in PROJECT["project"]["urls"].items():
        if url != package["repository"] and not url.startswith(f"{package['repository']}/"):
            session.error(f"{name} of pyproject.toml is not in the repository of Cargo.toml")
    if repository and repository != package["repository"]:
        session.error(f"this is {repository}: `nox -s address -- {repository}` writes it")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if tag and (tag != f"v{package['version']}" or f"\n## [{tag[1:]}] - " not in changes):
        session.error(f"Cargo.toml or CHANGELOG.md does not name {tag}")


@nox.session(venv_backend="none", default=False, tags=["release"])
def address(session: nox.Session) -> None:
    """Write the repository's address wherever it stands: `-- https://HOST/OWNER/NAME`."""
    new = session.posargs[0] if len(session.posargs) == 1 else ""
    if not re.fullmatch(r"https://[\w.-]+(/[\w-][\w.-]*){2}", new):
        session.error("give one address, as in `nox -s address -- https://HOST/OWNER/NAME`")
    old = re.escape(CARGO["workspace"]["package"]["repository"])
    for name in ADDRESSED:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(rf"{old}(?=[/\"])", new, text), encoding="utf-8")
