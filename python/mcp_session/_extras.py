"""What a module of an extra says where the extra is not installed."""

from collections.abc import Collection

__all__ = ["how_to_install", "missing_extra", "missing_module"]


def missing_extra(
    error: ModuleNotFoundError, extra: str, *needed: str, module: str | None = None
) -> ModuleNotFoundError:
    """Return the error to raise: which extra, and the command that installs it.

    `needed` are the modules that the extra brings; `module` is what needs them, if it is not of the
    extra's name. What lacks another module lacks a part of
    itself, and is shown as it is.

    >>> error = ModuleNotFoundError("No module named 'httpx2'", name="httpx2")
    >>> print(missing_extra(error, "httpx2", "anyio", "httpx2"))
    mcp_session.httpx2 needs httpx2: pip install '.[httpx2]' in a clone of mcp_session

    Source: the extras of pyproject.toml.
    """
    if error.name not in needed:
        return error
    message = f"mcp_session.{module or extra} needs {error.name}: {how_to_install(extra)}"
    return ModuleNotFoundError(message, name=error.name, path=error.path)


def missing_module(error: ModuleNotFoundError, needed: Collection[str]) -> str:
    """Return the name of the module that a command lacks; raise the error if no extra brings it.

    `needed` are the modules that the extra brings. A module of ours that lacks one says so itself,
    and has the first error as its cause.

    >>> missing_module(ModuleNotFoundError("none", name="httpx2"), {"anyio", "httpx2"})
    'httpx2'

    Source: the extras of pyproject.toml.
    """
    cause = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
    name = (cause.name or "").partition(".")[0]
    if name not in needed:
        raise error
    return name


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra, from where the package is to be had today."""
    return f"pip install '.[{extra}]' in a clone of mcp_session"
