"""What a module of an extra says where the extra is not installed."""

__all__ = ["missing_extra"]


def missing_extra(
    error: ModuleNotFoundError, extra: str, *needed: str, module: str | None = None
) -> ModuleNotFoundError:
    """Return the error to raise: which extra, and the command that installs it.

    `needed` are the modules that the extra brings; `module` is what needs them, if it is not of the
    extra's name. What lacks another module lacks a part of
    itself, and is shown as it is.

    >>> error = ModuleNotFoundError("No module named 'httpx2'", name="httpx2")
    >>> print(missing_extra(error, "httpx2", "anyio", "httpx2"))
    mcp_session.httpx2 needs httpx2: pip install 'mcp-session[httpx2]'

    Source: the extras of pyproject.toml.
    """
    if error.name not in needed:
        return error
    message = (
        f"mcp_session.{module or extra} needs {error.name}: pip install 'mcp-session[{extra}]'"
    )
    return ModuleNotFoundError(message, name=error.name, path=error.path)
