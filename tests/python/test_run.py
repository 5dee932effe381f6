"""`mcp-session run`: any program of Python, with clients that follow their sessions."""

import json
import os
import py_compile
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

IS_INSTALLED = "hasattr(StreamableHTTPTransport.post_writer, '__wrapped__')"
PROGRAM = f"""
import sys
from mcp.client.streamable_http import StreamableHTTPTransport

import beside

print(__name__, *sys.argv[1:], {IS_INSTALLED}, beside.VALUE)
sys.exit(7)
"""


def run(
    *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "mcp_session", "run", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        cwd=cwd,
        encoding="utf-8",
        env=os.environ | environment,
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("VALUE = 'found'")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("arguments", [(), ("--help", "-x", "--", "y")])
def test_a_file_is_run_with_its_own_arguments_and_exit_status(
    program: Path, arguments: tuple[str, ...]
) -> None:
    result = run(program, *arguments)

    assert result.stdout.split() == ["__main__", *arguments, "True", "found"]
    assert (result.returncode, result.stderr) == (7, "")


def test_a_module_is_run_as_python_m_would(program: Path) -> None:
    result = run("program", "--verbose", cwd=program.parent)

    assert result.stdout.split() == ["__main__", "--verbose", "True", "found"]
    assert result.returncode == 7


GOES_ON = """
import atexit
import pickle
import threading


class Thing:
    pass


def later():
    threading.main_thread().join()
    print("thread", len(pickle.dumps(Thing())) > 0)


threading.Thread(target=later).start()
atexit.register(lambda: print("atexit", len(pickle.dumps(Thing())) > 0))
print("over")
"""


@pytest.mark.parametrize("is_module", [False, True])
def test_what_a_program_leaves_running_finds_its_own_main(
    tmp_path: Path, *, is_module: bool
) -> None:
    (tmp_path / "goes_on.py").write_text(GOES_ON)

    result = run("goes_on" if is_module else "goes_on.py", cwd=tmp_path)

    assert result.stdout.splitlines() == ["over", "thread True", "atexit True"]
    assert (result.returncode, result.stderr) == (0, "")


SPAWNS = """
import multiprocessing


def double(number):
    return 2 * number


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [1, 2]))
"""


@pytest.mark.parametrize("name", ["spawns.py", "spawns", "package"])
def test_the_processes_that_a_program_spawns_find_its_functions(name: str, tmp_path: Path) -> None:
    (tmp_path / "spawns.py").write_text(SPAWNS)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("import work\n\nwork.main()\n")
    (tmp_path / "package" / "work.py").write_text(
        SPAWNS.replace('if __name__ == "__main__"', "def main()")
    )
    if name == "package":
        # As a folder, which is where it looks for what lies beside it.
        name = f".{os.sep}{name}"

    result = run(name, cwd=tmp_path)

    assert (result.stdout, result.returncode, result.stderr) == ("[2, 4]\n", 0, "")


@pytest.mark.parametrize("name", ["program.py", f".{os.sep}program.py", "program.pyz", "folder"])
def test_a_program_that_goes_elsewhere_finds_what_lies_beside_it(name: str, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    text = "import json, os, sys\nos.chdir('elsewhere')\nimport beside\n"
    text += "print(json.dumps([sys.argv, __file__]))\n"
    for place, main in ((tmp_path, "program.py"), (folder, "__main__.py")):
        (place / main).write_text(text)
        (place / "beside.py").touch()
    zipapp.create_archive(folder, tmp_path / "program.pyz")
    given = name if name != "folder" else f".{os.sep}{name}"

    result = run(given, "x", cwd=tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    called_by, file = json.loads(result.stdout)
    assert called_by == [given, "x"]
    assert file.startswith(str(tmp_path))


def test_what_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    folder = run(f"{tmp_path}{os.sep}folder")
    binary = run(sys.executable)

    assert "folder is a folder that cannot be run: it has no __main__" in folder.stderr
    assert f"{sys.executable} is no program of Python" in binary.stderr
    assert "Traceback" not in folder.stderr + binary.stderr
    assert {folder.returncode, binary.returncode} == {1}


def test_an_archive_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text(
        "import beside, sys\nprint(__name__, sys.argv[1:], beside.VALUE)"
    )
    (folder / "beside.py").write_text("VALUE = 'found'")
    zipapp.create_archive(folder, tmp_path / "program.pyz")

    result = run("program.pyz", "x", cwd=tmp_path)

    assert (result.stdout, result.returncode) == ("__main__ ['x'] found\n", 0)


def test_a_compiled_file_is_run(tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text("import sys; print(__name__, *sys.argv[1:]); sys.exit(7)", encoding="utf-8")
    py_compile.compile(str(source), cfile=str(tmp_path / "program.pyc"))
    source.unlink()

    result = run("program.pyc", "x", cwd=tmp_path)

    assert (result.returncode, result.stdout) == (7, "__main__ x\n")


def test_a_package_without_a_main_is_named(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()

    result = run("package", cwd=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert (
        result.stderr
        == "mcp-session: package is a package that cannot be run: it has no __main__\n"
    )


def test_a_console_script_is_called_by_its_name() -> None:
    result = run("pytest", "--version")

    assert (result.stdout.split()[0], result.returncode) == ("pytest", 0)


def test_what_is_no_program_of_this_environment_is_named(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("#!/bin/sh\n")
    elsewhere.chmod(0o755)

    absent = run("no_such_program")
    other = run("elsewhere", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    missing = run("no/such/file.py")

    assert "no_such_program is no file, and no console script and no module" in absent.stderr
    assert f"{elsewhere} needs mcp-session in its own environment" in other.stderr
    assert "there is no file no/such/file.py" in missing.stderr
    assert {absent.returncode, other.returncode, missing.returncode} == {1}


def test_a_file_that_is_named_as_a_module_is_told_how_to_be_named(program: Path) -> None:
    program.rename(program.with_suffix(""))

    by_name = run("program", cwd=program.parent)
    by_path = run(f".{os.sep}program", cwd=program.parent)

    assert f"program is a file, to be named .{os.sep}program, and no console" in by_name.stderr
    assert (by_name.returncode, by_path.returncode) == (1, 7)


def test_without_the_sdk_nothing_is_run(program: Path) -> None:
    (program.parent / "mcp.py").write_text("raise ModuleNotFoundError('none', name='mcp')")

    path = os.pathsep.join([str(program.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = run(program, PYTHONPATH=path)

    assert (result.stdout, result.returncode) == ("", 1)
    assert "mcp_session.install needs the official SDK: pip install mcp" in result.stderr


def test_an_error_of_the_program_is_shown_as_its_own(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("open('no such file')")

    result = run(path)

    assert result.returncode == 1
    assert "standard output" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("FileNotFoundError: ")
