"""What a client may be told, and how it says what is wrong."""

import itertools
from typing import Any

import httpx
import httpx2
import mcp_session.httpx
import mcp_session.httpx2
import pytest
from mcp_session import ResendPolicy
from mcp_session._client.options import Options
from mcp_session._client.recovery import FollowedSession, Leader, Opening
from mcp_session._client.waiting import Waiting, Waits
from mcp_session._fingerprint import fingerprint
from mcp_session.client import Client

CLIENTS: list[Any] = [mcp_session.httpx.AsyncClient, mcp_session.httpx2.AsyncClient]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"quirks": 1}, TypeError, "quirks must be a bool, not int"),
        ({"resend": "all"}, TypeError, "resend must be a ResendPolicy, not str"),
        ({"bound": -1}, ValueError, "bound must be 0 to 4294967295, not -1"),
        ({"outage_shield": None}, TypeError, "outage_shield must be a bool, not None"),
        ({"stream_guard": "no"}, TypeError, "stream_guard must be a bool, not 'no'"),
        ({"misreports": 1}, TypeError, "misreports must be pairs of a status and a text, not int"),
        ({"misreports": itertools.repeat((409, "x"))}, ValueError, "more than 64 misreports"),
        ({"on_event": []}, TypeError, "on_event must be callable or None, not []"),
        (
            {"recovery_timeout": None},
            TypeError,
            "recovery_timeout must be a number of seconds, not None",
        ),
        (
            {"recovery_timeout": True},
            TypeError,
            "recovery_timeout must be a number of seconds, not True",
        ),
        (
            {"recovery_timeout": 0},
            ValueError,
            "recovery_timeout must be positive and finite, not 0",
        ),
        (
            {"recovery_timeout": float("nan")},
            ValueError,
            "recovery_timeout must be positive and finite, not nan",
        ),
        ({"no_such_option": 1}, TypeError, "no_such_option"),
    ],
)
def test_a_wrong_option_is_named_at_construction(
    client: Any, option: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        client(**option)

    assert message in str(raised.value)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_option_is_taken(client: Any) -> None:
    client(
        quirks=False,
        resend=ResendPolicy.READ_ONLY,
        bound=0,
        outage_shield=False,
        stream_guard=False,
        on_event=print,
        recovery_timeout=0.5,
        headers={"x-team": "search"},
        follow_redirects=True,
    )


def test_misreports_are_read_once_for_all_that_asks_for_them() -> None:
    pairs = [(409, "forgotten")]

    assert Options(misreports=iter(pairs)).misreports == tuple(pairs)  # type: ignore[arg-type]


def test_each_client_is_one_of_its_library() -> None:
    assert issubclass(mcp_session.httpx.AsyncClient, httpx.AsyncClient)
    assert issubclass(mcp_session.httpx2.AsyncClient, httpx2.AsyncClient)


def test_the_factories_have_the_timeouts_of_the_sdks_own_and_take_more() -> None:
    factories: list[tuple[Any, Any]] = [
        (mcp_session.httpx.create_mcp_http_client, httpx),
        (mcp_session.httpx2.create_mcp_http_client, httpx2),
    ]
    for create, library in factories:
        client = create({"x-team": "search"}, follow_redirects=True, bound=3)

        assert client.timeout == library.Timeout(30, read=300)
        assert client.headers["x-team"] == "search"
        assert client.follow_redirects
        assert create(timeout=library.Timeout(5)).timeout == library.Timeout(5)


def test_what_opens_a_session_shows_no_credential() -> None:
    url = httpx2.URL("https://user:SECRET@mcp.example/mcp?key=SECRET")
    headers = [(b"authorization", b"Bearer SECRET")]
    opening = Opening(url, headers, {}, {"auth": ("user", "SECRET")})
    leader = Leader(httpx2.Request("POST", url, headers=headers), {"auth": ("user", "SECRET")})

    for kept in (opening, leader, FollowedSession(opening, Waiting(Waits()))):
        assert "SECRET" not in repr(kept)


class EqualAuth(httpx2.Auth):
    """Equal to any other, as a dataclass of no fields is; and yet each has its own token."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualAuth)

    __hash__ = httpx2.Auth.__hash__


def test_sessions_that_are_opened_alike_share_how_and_no_object_of_anybody_else() -> None:
    url = "https://mcp.example/mcp"
    client = httpx2.AsyncClient()

    def opening(token: str, auth: object = None) -> Opening:
        options = {} if auth is None else {"auth": auth}
        return Opening.of(client.build_request("POST", url, headers={"x": token}), options, client)

    first = opening("a")
    assert opening("a").sharing(first) is first

    other = opening("b").sharing(first)
    assert (b"x", b"b") in other.headers
    assert (b"x", b"a") in first.headers
    assert other.url is first.url
    assert other.extensions is first.extensions

    auths = EqualAuth(), EqualAuth()
    signed = opening("a", auths[0]).sharing(first)
    signed_otherwise = opening("a", auths[1]).sharing(signed)
    assert signed.send_options["auth"] is auths[0]
    assert signed_otherwise.send_options["auth"] is auths[1]


def test_timeouts_that_a_user_changes_later_are_nobody_elses() -> None:
    client = httpx2.AsyncClient()
    timeouts = {"connect": 1.0, "read": 1.0, "write": 1.0, "pool": 1.0}
    request = client.build_request("POST", "https://x/mcp", extensions={"timeout": timeouts})
    first = Opening.of(request, {}, client)
    second = Opening.of(request, {}, client).sharing(first)

    timeouts["read"] = 0.0

    assert second is first
    assert first.extensions["timeout"] == dict.fromkeys(timeouts, 1.0)


def test_what_the_machine_tells_of_a_session_has_no_id_of_it() -> None:
    headers = [(b"host", b"mcp.example"), (b"content-type", b"application/json")]
    kind = [(b"content-type", b"application/json")]
    initialize = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
    result = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'
    machine = Client()

    def attached(session_id: bytes) -> list[tuple[bytes, bytes]]:
        return [*kind, (b"mcp-session-id", session_id)]

    opening: Any = machine.begin("POST", "http", b"/mcp", headers, initialize)
    opening.response(200, attached(b"secret-one"))
    named = [*headers, (b"mcp-session-id", b"secret-one")]
    run: Any = machine.begin("POST", "http", b"/mcp", named, call)
    recovery = run.response(404, kind).recovery
    recovery.message()
    recovery.response(200, attached(b"secret-two"))
    recovery.piece(result)
    recovery.body_ended()
    recovery.response(202, [])

    told = recovery.events()

    terminated, reinitialized = told
    assert terminated.fingerprint == fingerprint("secret-one")
    assert reinitialized.fingerprint == fingerprint("secret-two")
    assert "secret" not in repr(told)
