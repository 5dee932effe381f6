"""Tries the line of every client of the guide, each in an environment of its own.

`python3 tests/integrations/run.py` makes the environments in `.environments` and takes most of an
hour; LABELs choose clients, `--minors` every minor version of the official SDK, `--part` a part in
which every pair of a generation, a mode and a server occurs. The wheel has to be built, and the
environments of both generations have to be there: `nox -s integrations-whole` sees to it.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from catalogue import CLIENTS, MINORS, PART, PROGRAMS, Client

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".environments"
# Those of which other tests make the environment.
MADE = ("mcp1", "mcp2", "fastmcp4")
COMMAND_LINE = ("click>=8.1", "rich>=13.7")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", nargs="*", metavar="LABEL")
    parser.add_argument("--minors", action="store_true", help="the versions of the official SDK")
    parser.add_argument("--part", action="store_true", help="a pairwise part of all")
    options = parser.parse_args()
    every = [*CLIENTS, *MINORS, *PROGRAMS]
    labels = options.labels or PART
    if not options.labels and not options.part:
        labels = [it.label for it in (MINORS if options.minors else [*CLIENTS, *PROGRAMS])]
    if unknown := set(labels) - {it.label for it in every}:
        sys.exit(f"no such client: {', '.join(sorted(unknown))}")
    chosen = [it for it in every if it.label in labels]
    for client in chosen.copy():
        if interpreter(client) is None:
            oldest = ".".join(map(str, client.python))
            print(f"{client.label}: CPython {oldest} or newer is not here, NOT TESTED", flush=True)
            chosen.remove(client)
    labels = [it.label for it in chosen]
    for client in chosen:
        if not client.environment and client.label not in MADE:
            make(client)
    command: list[str | Path] = [ENVIRONMENTS / "mcp1" / "bin" / "python", "-m", "pytest"]
    command += [*(["--part"] if options.part else []), *(f"--client={it}" for it in labels)]
    command += [Path(__file__).with_name("test_lines.py")]
    if any(it in PROGRAMS for it in chosen):
        command += [Path(__file__).with_name("test_programs.py")]
    sys.exit(subprocess.run(command, check=False, cwd=ROOT).returncode)


def interpreter(client: Client) -> str | None:
    """Find a CPython that a client installs on: this one, or the oldest newer one on the PATH."""
    if sys.version_info >= client.python:
        return sys.executable
    names = (f"python3.{minor}" for minor in range(client.python[1], 20))
    found = (shutil.which(name, path=folder) for name in names for folder in os.get_exec_path())
    return next((it for it in found if it is not None and runs(it)), None)


def runs(python: str) -> bool:
    """Whether it is a Python, and no name that pyenv has for one which was not chosen."""
    asked = subprocess.run([python, "-c", ""], check=False, stderr=subprocess.DEVNULL)
    return asked.returncode == 0


def make(client: Client) -> None:
    """Make the environment of a client, with the wheel that was built."""
    path = ENVIRONMENTS / client.label
    python = path / "bin" / "python"
    uv = shutil.which("uv")
    if not python.exists():
        print(f"making {path.name}", flush=True)
        made_by = interpreter(client) or sys.executable
        if uv is None:
            subprocess.run([made_by, "-m", "venv", path], check=True)
        else:
            subprocess.run([uv, "venv", "-q", "--python", made_by, path], check=True)
    install: list[str | Path] = [python, "-m", "pip", "install", "-q"]
    again = "--force-reinstall"
    if uv is not None:
        install, again = [uv, "pip", "install", "-q", "--python", python], "--reinstall"
    (wheel,) = (ENVIRONMENTS / "wheels").glob("*.whl")
    packages = [*client.packages, *(COMMAND_LINE if client in PROGRAMS else ())]
    subprocess.run([*install, *packages], check=True)
    subprocess.run([*install, "--no-deps", again, wheel], check=True)


if __name__ == "__main__":
    main()
