"""What is asked of the application in the place of a client; what one process tells another."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp_session._asgi._addresses import PeerAddresses
from mcp_session._asgi._connection import described, restored, target
from mcp_session._asgi._in_process import ask

pytestmark = pytest.mark.anyio

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/api/mcp",
    "raw_path": b"/api/mcp",
    "query_string": b"a=1",
    "root_path": "/api",
    "scheme": "https",
    "http_version": "2",
    "client": ("2001:db8::1", 4711),
    "server": ("example.com", 443),
    "headers": [(b"host", b"example.com")],
}


async def answered(application: Any, **limits: Any) -> Any:
    chosen: dict[str, Any] = {"seconds": 10.0, "at_most": 1000, **limits}
    return await ask(application, {**SCOPE, "method": "POST"}, b"hello", **chosen)


async def test_a_message_is_posted_with_the_scope_of_the_request_at_hand() -> None:
    seen = dict[str, Any]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, message=await receive())
        await send({"type": "http.response.start", "status": 202, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"he", "more_body": True})
        await send({"type": "http.response.body", "body": b"llo"})

    answer = await answered(application)

    assert (answer.status, answer.body, answer.is_whole) == (202, b"hello", True)
    assert answer.headers == [(b"a", b"b")]
    assert (seen["method"], seen["path"], seen["client"]) == ("POST", "/api/mcp", SCOPE["client"])
    assert (b"content-length", b"5") in seen["headers"]
    assert seen["message"] == {"type": "http.request", "body": b"hello", "more_body": False}
    # That of the request at hand is another's.
    assert SCOPE["method"] == "GET"


async def test_the_client_stays_until_the_answer_is_whole() -> None:
    order = list[str]()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()

        async def wait_for_the_client() -> None:
            assert (await receive())["type"] == "http.disconnect"
            order.append("left")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_the_client)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            order.append("answered")
            await send({"type": "http.response.body", "body": b""})

    assert (await answered(application)).is_whole
    assert order == ["answered", "left"]


async def test_what_raises_hangs_or_never_ends_did_not_answer() -> None:
    async def raises(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError

    async def hangs(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await anyio.sleep_forever()

    async def floods(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": bytes(600), "more_body": True})

    assert not (await answered(raises)).is_whole
    assert not (await answered(hangs, seconds=0.1)).is_whole
    flooded = await answered(floods)
    assert not flooded.is_whole
    assert len(flooded.body) <= 1200


def test_the_other_process_sees_the_connection_of_the_client() -> None:
    headers = described(SCOPE, [*SCOPE["headers"], (b"Mcp-Session-Connection", b"forged")])
    inner = {
        **SCOPE,
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "client": None,
        "server": ("", None),
        "headers": [(name.lower(), value) for name, value in headers],
    }

    assert {**inner, **restored(inner)} == SCOPE


def test_a_request_below_a_mount_enters_above_it() -> None:
    mounted = {**SCOPE, "root_path": "/api/mounted", "app_root_path": "/api"}
    inner = {**SCOPE, "root_path": "", "headers": described(mounted, [])}

    assert restored(inner)["root_path"] == "/api"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (SCOPE, b"/api/mcp?a=1"),
        ({**SCOPE, "query_string": b""}, b"/api/mcp"),
        ({**SCOPE, "raw_path": None, "path": "/ä b", "query_string": b""}, b"/%C3%A4%20b"),
    ],
)
def test_the_target_is_as_it_came(scope: Any, expected: bytes) -> None:
    assert target(scope) == expected


@pytest.mark.parametrize(
    "addresses",
    [
        PeerAddresses("host/1000/äöü", "/run/a b/peer", "http://10.0.0.1:8000"),
        PeerAddresses("host", None, "https://[::1]:1"),
        PeerAddresses("host", "/run/x&url=http%3A", None),
    ],
)
def test_addresses_come_out_of_the_table_as_they_went_in(addresses: PeerAddresses) -> None:
    assert PeerAddresses.decoded(addresses.encoded()) == addresses


def test_what_is_no_address_is_none() -> None:
    assert PeerAddresses.decoded(b"\xff\x00=&&") == PeerAddresses("", None, None)
