"""Other systems than this one, where it can make them: Debian's suites, and other processors."""

import os
import shlex
import shutil
from pathlib import Path

import nox

from steps.common import ENVIRONMENTS, ROOT, copy_tree

from page_blocks import RUN

# What the README's two commands need there.
PACKAGES = "python3,python3-venv,gcc,g++,libc6-dev,cargo,rustc,git,ca-certificates"
PYPY = ",pypy3,pypy3-dev,pypy3-venv"
WITHOUT_GIL, REFUSED = ("3.13", "3.14", "3.15"), ("3.13",)
# What such a system has from this one, to reach the network.
SHARED = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")


@nox.session(venv_backend="none", default=False, tags=["platform"])
def debian(session: nox.Session) -> None:
    """The README's first command, and sessions, in a clone on another Debian: `-- sid pytest`.

    Without a session, `pytest`. Debian's newest suite has the newest CPython that it packages;
    `-- trixie bare --force-python pypy3` is PyPy. Needs root, and Debian's `mmdebstrap`.
    """
    suite, *sessions = session.posargs or ("sid",)
    packages = PACKAGES + (PYPY if "pypy3" in sessions else "")
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        session.error("this needs root, and Debian's mmdebstrap")
    system = ENVIRONMENTS / f"debian-{suite}{'-pypy3' if packages != PACKAGES else ''}"
    if not (system / "made").exists():
        make_system(session, suite, system, packages)
    clone = system / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    copy_tree(session, clone)
    # nox wants to know which files are the project's, as in a clone.
    for command in (("init", "-q"), ("add", "--all")):
        session.run("git", "-C", clone, *command, external=True)
    (first,) = RUN["readme"]
    named = shlex.join(sessions or ("pytest",))
    run_in(session, system, f"cd /clone && python3 -VV && {first}")
    run_in(session, system, f"cd /clone && python3 tests/all.py -s {named}")


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
    mounted = f"mount --bind /proc {root}/proc && mount --bind /dev {root}/dev"
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
