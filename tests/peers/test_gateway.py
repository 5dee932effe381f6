"""The gateway before servers in other languages, with a plain client of the SDK's."""

from typing import Any

import pytest

import sdk
from gateways import gateway, plain
from plan import FOREIGN

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_plain_client_notices_nothing_of_a_restart(servers: Any, name: str) -> None:
    async with servers.use(name) as server, plain(gateway(server.url)) as client:
        for round_ in range(3):
            text = f"round {round_}"
            answered = await client.call("echo", **{server.echo_argument: text})
            assert answered in {text, f"Echo: {text}"}
            await server.restart()


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_session_goes_on_at_another_server_if_its_own_is_gone(
    servers: Any, name: str
) -> None:
    async with (
        servers.use(name) as one,
        servers.use(name) as two,
        plain(gateway(one.url, two.url)) as client,
    ):
        for gone in (one, two):
            gone.kill()
            text = f"without {gone.port}"
            answered = await client.call("echo", **{one.echo_argument: text})
            assert answered in {text, f"Echo: {text}"}
            await gone.start()


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_server_that_is_away_costs_a_call_and_not_the_client(
    servers: Any, name: str
) -> None:
    if sdk.GENERATION == "mcp1":
        pytest.skip("the client of 1.x ends with the first status of 500 or more")
    async with servers.use(name) as server, plain(gateway(server.url)) as client:
        await client.list_tools()
        server.kill()
        with pytest.raises(sdk.CallError):
            await client.list_tools()
        await server.start()
        assert "echo" in await client.list_tools()
