"""Finds the program that `run` is asked for, and runs it as if it had been called by itself."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn, TypeAlias

__all__ = ["NoSuchProgramError", "Program", "find_program"]

Program: TypeAlias = Callable[[], NoReturn]
"""Runs to the end of this process."""


class NoSuchProgramError(Exception):
    """What was named is nothing that can be run in this process."""


def find_program(name: str, arguments: Sequence[str]) -> Program:
    """Find a file, a console script of this environment or a module, in this order.

    Raises `NoSuchProgramError` that says what was looked for, and where.

    >>> from mcp_session._cli.program import find_program
    >>> callable(find_program("json.tool", ["--help"]))
    True
    """
    if Path(name).suffix in {".py", ".pyc", ".pyw", ".pyz"} or os.sep in name:
        return _of_file(name, arguments)
    scripts = Path(sysconfig.get_path("scripts"))
    script = next(iter(entry_points(group="console_scripts", name=name)), None)
    if script is not None:

        def run_script() -> NoReturn:
            _prepare(scripts, str(scripts / name), arguments)
            sys.exit(script.load()())

        return run_script
    if _is_of_python(scripts / name):
        return _of_file(str(scripts / name), arguments)
    if _is_module(name):
        return _of_module(name, arguments)
    what = f"a file, to be named .{os.sep}{name}" if Path(name).is_file() else "no file"
    message = f"{name} is {what}, and no console script and no module of {sys.prefix}"
    if (elsewhere := shutil.which(name)) is not None:
        message += f"; {elsewhere} needs mcp-session in its own environment"
    raise NoSuchProgramError(message)


def _of_file(name: str, arguments: Sequence[str]) -> Program:
    # It is found from wherever the program goes.
    path = Path(name).absolute()
    # A folder or an archive is looked into for a module of this name.
    inside: Any = pkgutil.get_importer(str(path))
    spec = None if inside is None else inside.find_spec("__main__")
    if spec is None and (wrong := _wrong_with(path)):
        message = wrong.format(name)
        raise NoSuchProgramError(message)

    def run_file() -> NoReturn:
        if spec is not None:
            _prepare(path, name, arguments)
            _run_found(spec)
        _prepare(path.resolve().parent, name, arguments)
        loader, code = _read(path)
        _run(code, loader, str(path))

    return run_file


def _wrong_with(path: Path) -> str | None:
    if not path.exists():
        return "there is no file {}"
    if path.is_dir():
        return "{} is a folder that cannot be run: it has no __main__"
    # Of a pipe, what is read is gone.
    if path.is_file() and path.suffix != ".pyc" and b"\0" in path.read_bytes():
        return "{} is no program of Python"
    return None


def _read(path: Path) -> tuple[object, CodeType]:
    name = "__main__"
    compiled = SourcelessFileLoader(name, str(path))
    if path.suffix == ".pyc" and (code := compiled.get_code(name)) is not None:
        return compiled, code
    # Not by `get_code`, which keeps what it compiles: of what is called, Python keeps nothing.
    loader = SourceFileLoader(name, str(path))
    return loader, loader.source_to_code(loader.get_data(str(path)), str(path))


def _of_module(name: str, arguments: Sequence[str]) -> Program:
    def run_module() -> NoReturn:
        _prepare(Path.cwd(), name, arguments)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
        if spec is None or spec.origin is None:
            sys.exit(f"mcp-session: {name} is a package that cannot be run: it has no __main__")
        sys.argv[0] = spec.origin
        _run_found(spec)

    return run_module


def _run_found(spec: ModuleSpec) -> NoReturn:
    loader: Any = spec.loader
    _run(loader.get_code(spec.name), loader, spec.origin, spec)


def _run(
    code: CodeType, loader: object, file: str | None, spec: ModuleSpec | None = None
) -> NoReturn:
    """Run it as Python runs what it was called with: in a `__main__` that is there to the end.

    Threads and `atexit` functions go on in it; `runpy` would have taken it away by then.
    """
    main = ModuleType("__main__")
    names = {"__file__": file, "__loader__": loader, "__spec__": spec, "__cached__": None}
    vars(main).update(names, __package__=None if spec is None else spec.parent)
    sys.modules["__main__"] = main
    exec(code, vars(main))  # noqa: S102 - to run it is what was asked for
    sys.exit()


def _prepare(folder: Path, name: str, arguments: Sequence[str]) -> None:
    """Let it find what it was called by, and what lies beside it, where it looks for these."""
    sys.argv = [name, *arguments]
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[0] = str(folder)


def _is_of_python(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def _is_module(name: str) -> bool:
    sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
    finally:
        sys.path.pop()
