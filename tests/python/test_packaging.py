"""What is installed, and what it brings along."""

import subprocess
import sys
from importlib.metadata import distribution, files, requires

import mcp_session


def test_the_base_install_has_no_dependencies() -> None:
    needed = [it for it in requires("mcp-session") or [] if "extra ==" not in it]

    assert needed == []


def test_importing_the_package_imports_no_third_party() -> None:
    code = (
        "import sys; import enum; before = set(sys.modules); import mcp_session;"
        "print(*sorted(set(sys.modules) - before))"
    )

    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, encoding="utf-8"
    )

    assert result.stdout.split() == ["mcp_session", "mcp_session._core", "mcp_session._enums"]


def test_the_rules_are_imported_when_they_are_first_asked_for() -> None:
    code = (
        "import pickle, sys, mcp_session; assert 'Rule' in dir(mcp_session);"
        "assert 'mcp_session._rules' not in sys.modules; from mcp_session import Rule, classify;"
        "assert mcp_session.Rule is Rule is pickle.loads(pickle.dumps(Rule));"
        "assert classify('POST', 404).rule is Rule.NOTHING_ATTACHED;"
        "assert pickle.loads(pickle.dumps(Rule.OTHER_METHOD)) is Rule.OTHER_METHOD;"
        "assert not hasattr(mcp_session, 'Rules')"
    )

    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def test_a_star_imports_the_rules_too() -> None:
    code = "from mcp_session import *; print(Rule.OTHER_METHOD.value, Action.CLEAR.value)"

    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, encoding="utf-8"
    )

    assert result.stdout.split() == ["OtherMethod", "Clear"]


def test_the_installed_package_is_the_wheel_and_is_typed() -> None:
    installed = {str(path) for path in files("mcp-session") or []}

    assert "mcp_session/_core.abi3.so" in installed or "mcp_session/_core.pyd" in installed
    assert {"mcp_session/py.typed", "mcp_session/_core.pyi"} <= installed
    assert "site-packages" in mcp_session.__file__


def test_the_version_is_that_of_the_distribution() -> None:
    assert mcp_session.__version__ == distribution("mcp-session").version
