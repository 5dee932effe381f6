"""The entry of the command line, which is an extra: `pip install 'mcp-session[cli]'`."""

import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from mcp_session.cli import main as run  # noqa: PLC0415 - an extra may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(
            f"mcp-session: the command line needs {error.name}: pip install 'mcp-session[cli]'"
        )
    run()


if __name__ == "__main__":
    main()
