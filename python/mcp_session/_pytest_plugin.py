"""The pytest plugin: servers to test as fixtures, and the options that name one.

It is loaded wherever this package and pytest are, so it imports what the extra `testing` brings
only when a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the server under test."""
    group = parser.getgroup("mcp-session", "the sessions of an MCP server")
    group.addoption(
        "--mcp-session-url",
        metavar="URL",
        help="the MCP server that the fixture mcp_session_url names",
    )
    group.addoption(
        "--mcp-session-command",
        metavar="COMMAND",
        help="what starts that server; {port} in it becomes a free port",
    )


@pytest.fixture(scope="session")
def mcp_session_server(request: pytest.FixtureRequest) -> Generator[CommandServer]:
    """Start the server of `--mcp-session-command`: it can be killed, restarted, made to forget."""
    command: str | None = request.config.getoption("--mcp-session-command")
    if command is None:
        pytest.skip("needs --mcp-session-command")
    from mcp_session.testing import CommandServer  # noqa: PLC0415 - see the module

    url: str | None = request.config.getoption("--mcp-session-url")
    with CommandServer(command, url=url) as server:
        yield server


@pytest.fixture(scope="session")
def mcp_session_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of `--mcp-session-url`, or of the server of `--mcp-session-command`."""
    if request.config.getoption("--mcp-session-command") is not None:
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
