"""The worked examples of `docs/adopt.md`, inside the SDK that is installed."""

import functools
import re
from typing import Any

import anyio
import pytest

import sdk
from peer_clients import official
from peer_servers import PeerServers
from plan import COMPARED, WITHOUT_SESSION
from servers import ROOT
from situations import SITUATIONS, Play, server_options, until_stream, was_notified

pytestmark = pytest.mark.anyio

GUIDE = (ROOT / "docs" / "adopt.md").read_text(encoding="utf-8")
PAIRS = (
    [(sdk.SESSION, "mcp1"), (sdk.LEGACY, "mcp2"), (sdk.AUTO, "mcp1"), (sdk.AUTO, "mcp2")]
    if sdk.MODERN_SDK
    else [(sdk.SESSION, "mcp1"), (sdk.SESSION, "mcp2")]
)
OF_THE_EXAMPLE = [name for name in SITUATIONS if name not in {*COMPARED, *WITHOUT_SESSION}]


@pytest.fixture
def adopted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK with the example's transport in the place of its own."""
    transport = sdk.streamable.StreamableHTTPTransport
    monkeypatch.setattr(sdk.streamable, "StreamableHTTPTransport", transport)
    names: dict[str, Any] = {"__name__": "adopted"}
    for block in ("shared", "http", "transport", sdk.GENERATION):
        (code,) = re.findall(rf"^```python {block}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
        exec(compile(code, f"adopt.md, {block}", "exec"), names)  # noqa: S102 - it is our own
    assert sdk.streamable.StreamableHTTPTransport is not transport
    return names["SessionTransport"]


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("situation", OF_THE_EXAMPLE)
@pytest.mark.parametrize(("kind", "server_name"), PAIRS)
async def test_the_sdk_with_the_session_inside_lives_through(
    kind: str, situation: str, server_name: str, servers: PeerServers
) -> None:
    async with servers.use(server_name, *server_options(situation, server_name)) as server:
        connect = functools.partial(official, kind, server.url, sdk.create_plain_http_client)
        await SITUATIONS[situation](Play(server, connect, connect, 60.0))


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("server_name", ["mcp1", "mcp2"])
async def test_a_call_whose_connection_breaks_before_its_answer_ends_alone(
    server_name: str, servers: PeerServers
) -> None:
    options = ("--json", *server_options("in flight, killed", server_name))
    async with servers.use(server_name, *options) as server:
        connect = functools.partial(official, sdk.SESSION, server.url, sdk.create_plain_http_client)
        await SITUATIONS["in flight, killed"](Play(server, connect, connect, 60.0))


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("server_name", ["mcp1", "mcp2"])
async def test_a_question_that_is_asked_after_a_restart_is_answered(
    server_name: str, servers: PeerServers
) -> None:
    async with (
        servers.use(server_name, *server_options("push", server_name)) as server,
        sdk.connect(sdk.SESSION, server.url, sdk.create_plain_http_client) as client,
    ):
        assert await client.call("ask", question="first") == "yes"
        await server.restart()

        assert await client.call("ask", question="second") == "yes"


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("server_name", ["mcp1", "mcp2"])
async def test_push_comes_back_after_the_sdk_has_given_up_its_stream(
    server_name: str, servers: PeerServers
) -> None:
    async with servers.use(server_name, *server_options("push", server_name)) as server:
        connect = functools.partial(official, sdk.SESSION, server.url, sdk.create_plain_http_client)
        play = Play(server, connect, connect, 60.0)
        async with connect() as client:
            await until_stream(play)
            server.kill()
            # Longer than either SDK goes on asking for its stream.
            await anyio.sleep(2.5)
            await server.start()

            await client.list_tools()
            await until_stream(play)
            await client.call("push")
            await client.until(was_notified)


@pytest.mark.usefixtures("adopted")
@pytest.mark.skipif(sdk.MODERN_SDK, reason="mcp 2.x shows no session ID")
async def test_the_session_id_that_is_shown_is_the_one_that_stands(servers: PeerServers) -> None:
    async with (
        servers.use("mcp1") as server,
        sdk.create_plain_http_client() as http_client,
        sdk.streamable.streamable_http_client(server.url, http_client=http_client) as streams,
        sdk.mcp.ClientSession(*streams[:2]) as session,
    ):
        get_session_id = streams[2]
        await session.initialize()
        first = get_session_id()
        await server.restart()
        await session.list_tools()

        given = [seen.given_session for seen in server.wire() if seen.message == "initialize"]
        assert given == [first, get_session_id()]
        assert first != get_session_id()
