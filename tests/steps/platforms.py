"""Other systems than this one, where it can make them: Debian's suites, and other processors."""

import os
import shlex
import shutil
from pathlib import Path

import nox

from steps.common import ENVIRONMENTS, ROOT, copy_tree, group, install, output, scratch
from steps.package import BARE_TESTS, paths_of
from steps.release import build_release, release_tree, time_of_commit
from steps.sdks import prepare_node

from page_blocks import RUN

# What the README's two commands need there.
PACKAGES = "python3,python3-venv,gcc,g++,libc6-dev,cargo,rustc,git,ca-certificates"
# The word that stands for the README's second command.
EVERYTHING = "everything"
# What other sessions need there, by what their command names.
MORE_PACKAGES = {
    EVERYTHING: ",npm,redis-server,rust-clippy,rustfmt,valgrind",
    "pypy3": ",pypy3,pypy3-dev,pypy3-venv",
    "pyodide": ",emscripten,nodejs,npm,rust-src",
}
# The platform that wheels for Pyodide 314 name, and what it has none of, with the tests of that.
PYODIDE = "2026_0"
NOT_IN_PYODIDE = {
    "threads": (
        "any_input.py::test_functions_and_a_body_that_changes_are_safe_from_many_threads",
        "any_input.py::test_one_session_and_one_reader_are_safe_from_many_threads",
        "binding.py::test_large_bodies_are_looked_at_by_several_threads_at_once",
        "events.py::test_one_reader_may_be_used_by_several_threads",
        "session.py::test_a_session_can_be_asked_while_it_reads_a_long_body",
        "session.py::test_a_thousand_404s_in_sixteen_threads_have_one_leader_and_nobody_waits",
    ),
    "processes": (
        "packaging.py::test_importing_the_package_imports_no_third_party",
        "packaging.py::test_the_rules_are_imported_when_they_are_first_asked_for",
        "packaging.py::test_a_star_imports_the_rules_too",
        "packaging.py::test_a_module_of_an_extra_names_it_and_the_command_that_installs_it",
        "packaging.py::test_a_module_imports_of_ours_and_of_others_no_more_than_what_it_drives",
        "packaging.py::test_a_library_that_lacks_a_part_of_its_own_is_not_said_to_be_missing",
    ),
}
# The wheel for musl, and the compiler that CPython is built with for it: gcc, which by itself names
# the folders of another libc.
MUSL, MUSL_PLATFORM = "x86_64-unknown-linux-musl", "musllinux_1_2_x86_64"
MUSL_COMPILER = """#!/bin/sh
case "$1" in *-print-multiarch) echo x86_64-linux-musl ;; *) exec musl-gcc "$@" ;; esac
"""
WITHOUT_GIL, REFUSED = ("3.13", "3.14", "3.15"), ("3.13",)
# What such a system has from this one, to reach the network.
SHARED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")


@nox.session(venv_backend="none", default=False, tags=["platform"])
def debian(session: nox.Session) -> None:
    """The README's first command, and sessions, in a clone on another Debian: `-- sid pytest`.

    Without a session, `pytest`; `-- sid everything` is the README's second command. Debian's newest
    suite has the newest CPython that it packages; `-- trixie bare --force-python pypy3` is PyPy,
    `-- sid pyodide` is Pyodide. Needs root, and Debian's `mmdebstrap`.
    """
    suite, *sessions = session.posargs or ("sid",)
    more = [name for name in MORE_PACKAGES if name in sessions]
    packages = PACKAGES + "".join(MORE_PACKAGES[name] for name in more)
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        session.error("this needs root, and Debian's mmdebstrap")
    system = ENVIRONMENTS / "-".join(("debian", suite, *more))
    if not (system / "made").exists():
        make_system(session, suite, system, packages)
    clone = system / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    copy_tree(session, clone)
    # nox wants to know which files are the project's, as in a clone.
    for command in (("init", "-q"), ("add", "--all")):
        session.run("git", "-C", clone, *command, external=True)
    (first,) = RUN["readme"]
    run_in(session, system, f"cd /clone && python3 -VV && {first}")
    # What is left of the names are options of nox's.
    named = sessions[1:] if EVERYTHING in sessions[:1] else ["-s", *(sessions or ["pytest"])]
    run_in(session, system, f"cd /clone && {shlex.join(['python3', 'tests/all.py', *named])}")


def make_system(session: nox.Session, suite: str, system: Path, packages: str) -> None:
    """Install a Debian into a folder."""
    shutil.rmtree(system, ignore_errors=True)
    # The lists of a suite that stands still, as a mirror may, are out of date and no less true.
    lists = ("--aptopt", 'Acquire::Check-Valid-Until "false"')
    options = ("--mode=root", "--variant=essential", f"--include={packages}", *lists)
    session.run("mmdebstrap", *options, suite, system, external=True)
    for name in SHARED:
        shutil.copy(name, f"{system}{name}")
    (system / "made").touch()


def run_in(session: nox.Session, system: Path, command: str) -> None:
    """Run a command in another system, with nothing of this one's environment, not even a home."""
    clean = (
        *("env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/nonexistent"),
        *("PIP_CERT=/etc/ssl/certs/ca-certificates.crt", "bash", "-c", command),
    )
    root = shlex.quote(str(system))
    mounted = f"mount --bind /proc {root}/proc && mount --rbind /dev {root}/dev"
    inside = f"{mounted} && exec chroot {root} {shlex.join(clean)}"
    # They are mounted for this command alone, and are gone when it ends.
    session.run("unshare", "--mount", "sh", "-c", inside, external=True)


@nox.session(name="without-gil", venv_backend="none", default=False, tags=["platform"])
def without_gil(session: nox.Session) -> None:
    """The binding compiles for CPython 3.14t and 3.15t, none of which is needed; not for 3.13t."""
    for version in WITHOUT_GIL:
        told = (
            "implementation=CPython\nshared=true\npointer_width=64\nbuild_flags=Py_GIL_DISABLED\n"
            f"suppress_build_script_link_lines=true\nversion={version}\n"
        )
        config = Path(session.create_tmp(), f"{version}t").resolve()
        config.write_text(told, encoding="utf-8")
        env = {"PYO3_CONFIG_FILE": str(config), "CARGO_TARGET_DIR": str(ROOT / "target" / "t")}
        check = ("cargo", "check", "-q", "--locked", "-p", "mcp-session-python")
        if version in REFUSED:
            refusal = str(session.run(*check, env=env, silent=True, success_codes=[101]))
            if "does not support the free-threaded build of CPython versions" not in refusal:
                session.error(f"{version}t is not refused with the reason: {refusal}")
        else:
            session.run(*check, env=env)


@nox.session(default=False, tags=["long"])
def pyodide(session: nox.Session) -> None:
    """The tests that need no SDK in Pyodide; needs Emscripten, Node 24 and the sources of Rust."""
    if missing := [name for name in ("emcc", "node", "npm") if shutil.which(name) is None]:
        session.error(f"{missing}: not on this machine, but in `nox -s debian -- sid pyodide`")
    install(session, "build")
    built, packages = scratch(session, "built"), scratch(session, "packages")
    # A module that is loaded needs the standard library built as it is; emcc has its own linker.
    target = ("--target", "wasm32-unknown-emscripten", "-Zbuild-std", "-i", "python3.14")
    rustc = ("--", "-C", "link-self-contained=no")
    env = {
        "CARGO_TARGET_DIR": str(ROOT / "target" / "emscripten"),
        "MATURIN_PYEMSCRIPTEN_PLATFORM_VERSION": PYODIDE,
        "RUSTC_BOOTSTRAP": "1",
    }
    build = ("maturin", "build", "--release", "--locked", "--out", built)
    session.run(*build, *target, *rustc, env=env)
    into = ("python", "-m", "pip", "install", "-q", "--target", packages)
    platform = (f"--platform=pyemscripten_{PYODIDE}_wasm32", "--python-version=3.14")
    session.run(*into, *platform, "--only-binary=:all:", *built.iterdir(), *group("bare"))
    prepare_node(session, "pyodide")
    left_out = (
        f"--deselect=tests/python/test_{test}" for it in NOT_IN_PYODIDE.values() for test in it
    )
    pytest = ("node", ENVIRONMENTS / "node-pyodide" / "pytest.js", ROOT, packages)
    tests = (*paths_of(BARE_TESTS), *left_out, *session.posargs)
    session.run(*pytest, *tests, external=True)


@nox.session(default=False, tags=["platform"])
def musl(session: nox.Session) -> None:
    """The wheel for musl as it is published, on a CPython that is built for it here."""
    needed = ("apt-get", "dpkg-source", "make", "musl-gcc")
    if missing := [name for name in needed if shutil.which(name) is None]:
        session.error(f"{missing}: not on this machine; Debian's dpkg-dev and musl-tools have them")
    python = python_for_musl(session)
    install(session, "release")
    built, environment = scratch(session, "built"), scratch(session, "environment")
    tree, seconds = release_tree(session), time_of_commit(session)
    # Any CPython of this machine will do: a wheel for abi3 is of none.
    build_release(session, tree, MUSL, ("python3",), built, seconds)
    session.run(python, "-m", "venv", "--without-pip", environment, external=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    version = packages.parent.name.removeprefix("python")
    into = ("python", "-m", "pip", "install", "-q", "--target", packages)
    platform = (f"--platform={MUSL_PLATFORM}", f"--python-version={version}")
    session.run(*into, *platform, "--only-binary=:all:", *built.iterdir(), *group("bare"))
    installed = environment / "bin" / "python"
    loaded = "import mcp_session; assert '/ld-linux-' not in open('/proc/self/maps').read()"
    session.run(installed, "-I", "-c", loaded, external=True)
    pytest = ("-m", "pytest", *paths_of(BARE_TESTS), *session.posargs)
    session.run(installed, *pytest, external=True)


def python_for_musl(session: nox.Session) -> Path:
    """Build the CPython that this Debian packages, and zlib, against musl, unless it is there."""
    folder = ENVIRONMENTS / "python-for-musl"
    python, compiler = folder / "installed" / "bin" / "python3", folder / "cc"
    if python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lists" / "partial").mkdir(parents=True)
    compiler.write_text(MUSL_COMPILER, encoding="utf-8")
    compiler.chmod(0o755)
    # Which CPython: a Debian has the source of the one that it packages.
    shown = "import sys; print('python%d.%d' % sys.version_info[:2])"
    name = output(session, "/usr/bin/python3", "-c", shown).strip()
    # The suite itself, not what amends it: a mirror need not have the sources of that.
    listed = ("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)")
    packaged = output(session, *listed, "Created-By: Packages").splitlines()
    suites = {(suite, uri) for suite, uri in map(str.split, packaged) if "-" not in suite}
    lines = [f"deb-src {uri} {suite} main\n" for suite, uri in sorted(suites)]
    (folder / "sources.list").write_text("".join(lines), encoding="utf-8")
    apt_get = (
        *("apt-get", "-qq", "-o", f"Dir::Etc::SourceList={folder}/sources.list"),
        *("-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={folder}/lists"),
    )
    env = {
        "CC": str(compiler),
        "CFLAGS": "-fPIC",
        "CPPFLAGS": f"-I{folder}/installed/include",
        "LDFLAGS": f"-L{folder}/installed/lib",
        # The libraries that it would find are built for another libc.
        "PKG_CONFIG": "false",
    }
    prefix = f"--prefix={folder}/installed"
    with session.chdir(folder):
        session.run(*apt_get, "update", external=True)
        session.run(*apt_get, "source", name, "zlib", external=True)
    for source, options in (("zlib", ["--static"]), (name, ["-q", "--without-ensurepip"])):
        (unpacked,) = folder.glob(f"{source}-*/")
        with session.chdir(unpacked):
            session.run("./configure", prefix, *options, env=env, external=True)
            session.run("make", "-s", "install", env=env, external=True, silent=True)
    return python
