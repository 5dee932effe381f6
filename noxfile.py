"""Every check and every test, as sessions of nox: `nox -l` lists them.

`nox` runs those of the list that are marked, which is what CI runs; those with the tag `long` run
when they are named. A session that tests the package has its wheel built first, if the sources
changed, and installed. Environments are kept in `.environments`, and made of the dependency groups
in pyproject.toml. `python3 tests/all.py` is `nox` where there is none.
"""

import os
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tests"))

# Importing them registers their sessions, in this order.
from steps import checks, core, package, fuzzing, sdks, kit, release, platforms  # noqa: I001 - see above

__all__ = ["checks", "core", "fuzzing", "kit", "package", "platforms", "release", "sdks"]

# pyenv's interpreters are found also where it has not chosen them.
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, sorted(pyenv.glob("*/bin")))])

# What is tested is the wheel, whatever else is on the caller's path.
os.environ.pop("PYTHONPATH", None)

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
nox.options.envdir = ".environments"
nox.options.error_on_missing_interpreters = False
# A machine has two processors at least, and what tests servers waits half of its time.
nox.options.parallel = 3
nox.options.reuse_venv = "yes"
nox.options.stop_on_first_error = True
