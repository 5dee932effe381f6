"""How the clients of other makers are started."""

import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".environments"


def fastmcp(program: str) -> list[str]:
    python = os.environ.get("MCP_SESSION_PYTHON_FASTMCP4")
    python = python or str(ENVIRONMENTS / "fastmcp4" / "bin" / "python")
    return [python, "-W", "ignore", str(HERE / "programs" / f"fastmcp_{program}.py")]


def typescript(program: str) -> list[str]:
    # The programs are copied beside the packages, where node looks for them.
    return ["node", str(ENVIRONMENTS / "node-workers" / f"{program}.js")]


def there(command: list[str]) -> list[str]:
    """The command, if this machine has it: CI must."""
    if shutil.which(command[0]) is None or not Path(command[-1]).exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {command}")
        pytest.skip(f"{command[-1]} is not on this machine: it is NOT TESTED")
    return command
