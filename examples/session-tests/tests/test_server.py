"""What a server with sessions has to answer, through a restart."""

import json
from typing import Any

from mcp_session import Action
from mcp_session.testing import (
    CommandServer,
    ScriptedClient,
    assert_action,
    assert_assigns_session,
    assert_session_not_found,
)

VERSION = "2025-11-25"


def body(method: str, request_id: int | None = 1, **params: Any) -> bytes:
    identified = {} if request_id is None else {"id": request_id}
    return json.dumps({"jsonrpc": "2.0", **identified, "method": method, "params": params}).encode()


def open_session(client: ScriptedClient) -> str:
    info = {"name": "test", "version": "0"}
    opening = body("initialize", 0, protocolVersion=VERSION, capabilities={}, clientInfo=info)
    client.send("POST", opening)
    session_id = assert_assigns_session(*client.exchanges[-1])
    client.send("POST", body("notifications/initialized", None), session_id=session_id)
    return session_id


def test_a_session_lives_until_it_is_deleted(mcp_session_client: ScriptedClient) -> None:
    session_id = open_session(mcp_session_client)
    assert mcp_session_client.send("POST", body("ping"), session_id=session_id).status == 200

    mcp_session_client.send("DELETE", session_id=session_id)

    mcp_session_client.send("POST", body("ping"), session_id=session_id)
    assert_session_not_found(*mcp_session_client.exchanges[-1])


def test_an_unknown_session_is_answered_404_with_the_id_of_the_request(
    mcp_session_client: ScriptedClient,
) -> None:
    mcp_session_client.send("POST", body("tools/list", 7), session_id="unknown")

    assert_session_not_found(*mcp_session_client.exchanges[-1])
    assert_action(*mcp_session_client.exchanges[-1], Action.CLEAR_AND_REINIT)


def test_a_restart_ends_every_session(
    mcp_session_server: CommandServer, mcp_session_client: ScriptedClient
) -> None:
    session_id = open_session(mcp_session_client)

    mcp_session_server.restart()

    mcp_session_client.send("POST", body("tools/list"), session_id=session_id)
    assert_session_not_found(*mcp_session_client.exchanges[-1])
    assert open_session(mcp_session_client) != session_id
