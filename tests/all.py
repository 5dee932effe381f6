"""Runs every check and every test, from a clean clone: `python3 tests/all.py`.

Installs nox into `.environments/nox`, pinned by `.ci/locks/nox.txt`, and runs `noxfile.py` with it.
What is given goes to nox: `-l` lists the sessions, `-s pytest` runs one.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / ".ci" / "locks" / "nox.txt"
ENVIRONMENT = ROOT / ".environments" / "nox"
PYTHON = ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def main() -> None:
    """Make nox's environment unless it is there, and hand over."""
    if sys.version_info < (3, 10):  # noqa: UP036 - the first that another Python is to be told
        sys.exit(f"this is Python {sys.version.split()[0]}, and CPython 3.10 or newer is needed")
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    installed = ENVIRONMENT / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        try:
            venv.create(ENVIRONMENT, clear=True, with_pip=True)
        except subprocess.CalledProcessError:
            package = f"python3.{sys.version_info.minor}-venv"
            sys.exit(f"this Python cannot make a venv: on Debian, apt-get install {package}")
        pip = (PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        subprocess.run([*pip, "--require-hashes", "-r", REQUIREMENTS], check=True)
        installed.write_text(wanted, encoding="utf-8")
    nox = (PYTHON, "-m", "nox", "-f", ROOT / "noxfile.py")
    sys.exit(subprocess.run([*nox, *sys.argv[1:]], check=False).returncode)


if __name__ == "__main__":
    main()
