"""The server of Redis or Valkey on this machine, if a table of sessions can be in it."""

import os
import re
import shutil
import subprocess
from functools import cache

NAMES = ("redis-server", "valkey-server")
OLDEST = (6, 2)


@cache
def find_program() -> str | None:
    """Find the server that Debian's packages bring."""
    return next(filter(is_new_enough, filter(None, map(shutil.which, NAMES))), None)


def is_new_enough(program: str) -> bool:
    """Ask a server for its version."""
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def program() -> str:
    """The server's program; a run of CI that has none fails, another says so."""
    # nox reads the names above, and has no pytest.
    import pytest  # noqa: PLC0415

    found = find_program()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {' or '.join(NAMES)}")
        pytest.skip(f"{' or '.join(NAMES)}, as new as the table needs: NOT TESTED, not here")
    return found
