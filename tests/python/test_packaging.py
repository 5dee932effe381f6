"""What is installed, and what it brings along."""

import ast
import re
import subprocess
import sys
from importlib.metadata import distribution, files, requires
from pathlib import Path

import mcp_session
import pytest

OF_CLIENTS = {"_client", "_core", "_enums", "_fingerprint", "_later_enums", "_rules"}
OF_ANYIO = {"anyio", "exceptiongroup", "sniffio", "typing_extensions"}


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

    # CPython's with the GIL, that of one interpreter (free-threaded, PyPy), Windows'.
    cores = [it for it in installed if re.fullmatch(r"mcp_session/_core(\.[\w-]+)?\.(so|pyd)", it)]
    assert len(cores) == 1
    assert {"mcp_session/py.typed", "mcp_session/_core/__init__.pyi"} <= installed
    assert "site-packages" in mcp_session.__file__


def test_the_version_is_that_of_the_distribution() -> None:
    assert mcp_session.__version__ == distribution("mcp-session").version


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("httpx2", "httpx2", "httpx2"),
        ("httpx2", "anyio", "httpx2"),
        ("httpx", "httpx", "httpx"),
        ("httpx", "anyio", "httpx"),
        ("asgi", "anyio", "asgi"),
    ],
)
def test_a_module_of_an_extra_names_it_and_the_command_that_installs_it(
    tmp_path: Path, module: str, missing: str, extra: str
) -> None:
    """A module in the way stands for one that is not installed."""
    (tmp_path / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError('No module named {missing}', name={missing!r})"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"try: import mcp_session.{module}\n"
        "except ModuleNotFoundError as error: print(error, '|', error.name)"
    )

    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=False, encoding="utf-8"
    )

    command = f"pip install '.[{extra}]' in a clone of mcp_session"
    assert result.stdout == f"mcp_session.{module} needs {missing}: {command} | {missing}\n"


@pytest.mark.parametrize(
    ("module", "library", "own"),
    [
        ("asgi", "anyio", {"_asgi", "_core", "_enums", "_rules", "asgi"}),
        ("client", "enum", {"_core", "_enums", "client"}),
        ("httpx", "httpx", {*OF_CLIENTS, "httpx"}),
        ("httpx2", "httpx2", {*OF_CLIENTS, "httpx2"}),
        ("server", "enum", {"_core", "_enums", "_later_enums", "server"}),
    ],
)
def test_a_module_imports_of_ours_and_of_others_no_more_than_what_it_drives(
    module: str, library: str, own: set[str]
) -> None:
    code = (
        f"import sys, {library}; before = set(sys.modules); import mcp_session.{module};"
        "print(*{it.split('.')[1] for it in sys.modules if it.startswith('mcp_session.')});"
        "new = {it.split('.')[0] for it in set(sys.modules) - before};"
        "print(*new - sys.stdlib_module_names - {'mcp_session'})"
    )

    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, encoding="utf-8"
    )

    ours, others = (set(line.split()) for line in result.stdout.split("\n")[:2])
    assert ours == own
    assert others <= (set() if library == "enum" else OF_ANYIO)


def test_a_library_that_lacks_a_part_of_its_own_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "httpx2.py").write_text("import a_part_of_httpx2")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mcp_session.httpx2"

    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=False, encoding="utf-8"
    )

    assert result.stderr.endswith("No module named 'a_part_of_httpx2'\n")


def test_no_file_imports_itself_in_a_circle() -> None:
    package = Path(__file__).parents[2] / "python" / "mcp_session"
    imports = {name_of(file): imported(file) for file in package.rglob("*.py")}

    def reached(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " imports ".join((*way, name))
        for other in imports.get(name, set()):
            if other not in settled:
                reached(other, (*way, name))
        settled.add(name)

    settled: set[str] = set()
    assert len(imports) > 30
    for name in imports:
        reached(name, ())


def name_of(file: Path) -> str:
    parts = file.relative_to(file.parents[-1]).with_suffix("").parts
    begin = len(parts) - 1 - parts[::-1].index("mcp_session")
    return ".".join(part for part in parts[begin:] if part != "__init__")


def imported(file: Path) -> set[str]:
    """Return the modules of the package that a file imports whenever it is run."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for within in [node, *(node.body if isinstance(node, ast.Try) else [])]:
            if isinstance(within, ast.ImportFrom) and within.module:
                names |= {within.module, *(f"{within.module}.{it.name}" for it in within.names)}
    return {name for name in names if name.startswith("mcp_session")}
