"""A client of the official SDK against a server that forgets its session."""

import anyio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_session.httpx2 import AsyncClient
from mcp_session.testing import SmallServer, assert_recovered, scripted_server

LIMIT_SECONDS = 60


async def call_twice() -> None:
    small = SmallServer(version="2025-11-25")
    async with scripted_server(small) as server:
        async with (
            AsyncClient(timeout=30) as http_client,
            Client(streamable_http_client(server.url, http_client=http_client)) as client,
        ):
            await client.list_tools()
            small.forget()
            await client.call_tool("session", {})
        requests = [it for it in server.requests if it.method == "POST"]

    assert small.sessions == ["session-1", "session-2"]
    assert_recovered([it for it in requests if it.kind != "server/discover"], *small.sessions)


def test_the_second_call_is_answered_in_a_new_session() -> None:
    async def within_the_limit() -> None:
        with anyio.fail_after(LIMIT_SECONDS):
            await call_twice()

    anyio.run(within_the_limit)
