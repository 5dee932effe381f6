"""The pytest plugin: the checks of a server as tests, servers as fixtures, the options of both.

It is loaded wherever this package and pytest are, so it imports what the extra `testing` brings
only when an option or a fixture asks for it.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from mcp_session._pytest_checks import MARK, Checked, collected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from mcp_session.testing import AsgiServer, CommandServer, ScriptedClient

__all__ = [
    "mcp_asgi_server",
    "mcp_command_server",
    "mcp_session_client",
    "mcp_session_server",
    "mcp_session_url",
]


# The server of `--mcp-session-command`: that of the fixtures and that of the checks is one.
_SERVER: pytest.StashKey[CommandServer] = pytest.StashKey()
# What is undone when pytest ends.
_UNDONE: pytest.StashKey[ExitStack] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the server under test, and what the checks of it may do."""
    group = parser.getgroup("mcp-session", "the sessions of an MCP server")
    group.addoption(
        "--mcp-session-url",
        metavar="URL",
        help="check this MCP server; the fixture mcp_session_url names it",
    )
    group.addoption(
        "--mcp-session-command",
        metavar="COMMAND",
        help="check the server that this starts; {port} in it, and in URL, becomes a free port",
    )
    group.addoption(
        "--mcp-session-header",
        metavar="'NAME: VALUE'",
        action="append",
        help="what the checks send with each request; ${NAME} is a variable of the environment",
    )
    group.addoption("--mcp-session-bearer", metavar="TOKEN", help="as above, a bearer token")
    group.addoption(
        "--mcp-session-tool", metavar="NAME[=JSON]", help="the one tool that the checks may call"
    )
    group.addoption(
        "--mcp-session-idle",
        metavar="SECONDS",
        type=_seconds,
        help="when the server ends idle sessions",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        message = "must be more than no seconds"
        raise argparse.ArgumentTypeError(message)
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of the checks."""
    config.addinivalue_line("markers", f"{MARK}: a check of the server that an option names")


# Before what selects by name and mark.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each check of the server that is named, unless single tests are asked for."""
    server = _server(config)
    url: str | None = server.url if server else config.getoption("--mcp-session-url")
    if url is None or any("::" in it for it in config.args):
        return
    if "{port}" in url:
        message = "--mcp-session-url: {port} needs --mcp-session-command, which listens on it"
        raise pytest.UsageError(message)
    headers: list[str] = config.getoption("--mcp-session-header") or []
    checked = Checked(
        url,
        config.getoption("--mcp-session-bearer"),
        tuple(headers),
        config.getoption("--mcp-session-tool"),
        config.getoption("--mcp-session-idle"),
        server,
    )
    items.extend(collected(session, checked))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server that was started."""
    if (server := config.stash.get(_SERVER, None)) is not None:
        server.kill()
    if (undone := config.stash.get(_UNDONE, None)) is not None:
        undone.close()


@pytest.fixture(scope="session")
def mcp_session_server(request: pytest.FixtureRequest) -> CommandServer:
    """Start the server of `--mcp-session-command`: it can be killed, restarted, made to forget."""
    server = _server(request.config)
    if server is None:
        pytest.skip("needs --mcp-session-command")
    server.start()
    return server


@pytest.fixture(scope="session")
def mcp_session_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of `--mcp-session-url`, or of the server of `--mcp-session-command`."""
    if _server(request.config) is not None:
        server: CommandServer = request.getfixturevalue("mcp_session_server")
        return server.url
    url: str | None = request.config.getoption("--mcp-session-url")
    if url is None:
        pytest.skip("needs --mcp-session-url or --mcp-session-command")
    return url


@pytest.fixture
def mcp_session_client(mcp_session_url: str) -> ScriptedClient:
    """Return a client that sends that server the very bytes of a test."""
    from mcp_session.testing import ScriptedClient  # noqa: PLC0415 - see the module

    return ScriptedClient(mcp_session_url)


@pytest.fixture
def mcp_asgi_server() -> Generator[Callable[..., AsgiServer]]:
    """Serve what a function makes: `mcp_asgi_server(make)`; it ends with the test."""
    from mcp_session.testing import AsgiServer  # noqa: PLC0415 - see the module

    servers: list[AsgiServer] = []

    def serve(make: Callable[[], Any], **options: Any) -> AsgiServer:  # noqa: ANN401 - uvicorn's
        server = AsgiServer(make, **options)
        servers.append(server)
        server.start()
        return server

    yield serve
    for server in servers:
        server.kill()


@pytest.fixture
def mcp_command_server() -> Generator[Callable[..., CommandServer]]:
    """Start a command as a server: `mcp_command_server(command)`; it ends with the test."""
    from mcp_session.testing import CommandServer  # noqa: PLC0415 - see the module

    servers: list[CommandServer] = []

    def start(command: str | Sequence[str], **options: Any) -> CommandServer:  # noqa: ANN401 - its own
        server = CommandServer(command, **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


def _server(config: pytest.Config) -> CommandServer | None:
    command: str | None = config.getoption("--mcp-session-command")
    if command is None:
        return None
    if (server := config.stash.get(_SERVER, None)) is None:
        from mcp_session.testing import CommandServer  # noqa: PLC0415 - see the module
        from mcp_session.testing._ending import ended_as_by_ctrl_c  # noqa: PLC0415 - see the module

        try:
            server = CommandServer(command, url=config.getoption("--mcp-session-url"))
        except ValueError as error:
            message = f"--mcp-session-command: {error}"
            raise pytest.UsageError(message) from None
        config.stash[_SERVER] = server
        # SIGTERM would leave it.
        config.stash[_UNDONE] = ExitStack()
        config.stash[_UNDONE].enter_context(ended_as_by_ctrl_c())
    return server
