"""Each fault that a server can have is named by its check, and a server without one by none."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from faulty_server import FaultyServer, scripted_server
from mcp_session._check.results import Entry, Outcome, Result, Sentence
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.server_table import TABLE, ServerCheck
from mcp_session._check.subject import Options, Subject, Tool
from mcp_session.testing.processes import CommandServer
from mcp_session.testing.scripted import Exchange, Script

pytestmark = pytest.mark.anyio

TOOL = Tool("wait", {"for": "ever"})

# What a fault is named by: the check, and what came of it.
FAULTS = {
    "initialize 500": ("initialize", "fail"),
    "an ID with a blank": ("session-id-well-formed", "fail"),
    "one ID for all": ("session-ids-differ", "warning"),
    "initialized 404": ("initialized", "fail"),
    "initialized 200": ("initialized", "warning"),
    "ping 404": ("session-serves", "fail"),
    "ping under another id": ("session-serves", "fail"),
    "get answered with JSON": ("get-stream", "fail"),
    "get 404": ("get-stream", "fail"),
    "unknown POST": ("unknown-post", "fail"),
    "unknown string id": ("unknown-post-string-id", "fail"),
    "unknown notification": ("unknown-notification", "fail"),
    "unknown reply": ("unknown-reply", "fail"),
    "unknown GET": ("unknown-get", "fail"),
    "unknown DELETE": ("unknown-delete", "fail"),
    "ill-formed POST": ("ill-formed-post", "warning"),
    "ill-formed GET": ("ill-formed-get", "warning"),
    "ill-formed DELETE": ("ill-formed-delete", "warning"),
    "repeated POST": ("repeated-header", "warning"),
    "a 404 of text": ("not-found-form", "warning"),
    "a 404 with the id null": ("not-found-id", "warning"),
    "missing POST 404": ("missing-post", "warning"),
    "missing GET 404": ("missing-get", "warning"),
    "missing DELETE 404": ("missing-delete", "warning"),
    "delete 500": ("delete", "fail"),
    "delete 404": ("delete", "fail"),
    "delete ends all": ("delete-ends-its-own", "fail"),
    "delete ends nothing": ("terminated-post", "fail"),
    "terminated POST": ("terminated-post", "fail"),
    "terminated notification": ("terminated-notification", "fail"),
    "terminated reply": ("terminated-reply", "fail"),
    "terminated GET": ("terminated-get", "fail"),
    "terminated DELETE": ("terminated-delete", "fail"),
    "a stream outlasts its session": ("delete-ends-streams", "warning"),
    "stale initialize 404": ("initialize-with-stale-id", "warning"),
    "the ID of the client": ("stale-id-not-adopted", "warning"),
    "unknown version served": ("version-unknown", "fail"),
    "missing version 400": ("version-missing", "warning"),
    "legacy only, and serves 2026-07-28": ("version-modern-refused", "fail"),
    "modern only, and hides it": ("version-legacy-refused", "warning"),
    "modern 404 for an ID": ("modern-ignores-session-id", "warning"),
    "modern mints an ID": ("modern-mints-no-session-id", "warning"),
    "modern unknown method 200": ("modern-unknown-method", "fail"),
    "modern only, get 200": ("modern-get-delete", "warning"),
    "head 500": ("head-options", "fail"),
    "head ends the session": ("head-options", "fail"),
    "cors without the request header": ("cors-allows-session-id", "warning"),
    "cors without the answer's header": ("cors-exposes-session-id", "warning"),
    "slash 302": ("slash", "warning"),
    "slash 500": ("slash", "warning"),
    "slash elsewhere": ("slash", "warning"),
    "ids mix": ("sessions-apart", "fail"),
    "tool 404": ("tool", "fail"),
    "a call outlasts its session": ("in-flight", "warning"),
    "an ID on errors": ("no-session-id-on-errors", "warning"),
    "unknown version ends the session": ("session-survives", "fail"),
}

# Told by a healthy server that is neither restarted nor left idle.
NOT_ARISING = {
    "version-modern-refused": "it speaks 2026-07-28",
    "version-legacy-refused": "it speaks a revision that has `initialize`",
    "modern-get-delete": "it serves older revisions as well, which have both",
}


def only(*names: str) -> list[ServerCheck]:
    return [it for it in TABLE if it.entry.id in names]


async def checked(
    server: FaultyServer,
    table: Sequence[ServerCheck] = TABLE,
    *,
    tool: Tool | None = TOOL,
    **asked: float,
) -> list[Result]:
    async with scripted_server(server) as listening:
        options = Options(tool, asked.get("idle"))
        seconds, most = asked.get("seconds", 5.0), int(asked.get("most", 300))
        return await check_server(Asked(listening.url, (), options, seconds, most), table)


async def test_a_healthy_server_passes_every_check_that_arises() -> None:
    results = await checked(FaultyServer())

    wrong = {it.entry.id: it.reason for it in results if it.outcome is not Outcome.PASS}
    late = {it: reason for it, reason in wrong.items() if it.startswith(("idle", "restart"))}
    assert {it: wrong[it] for it in wrong if it not in late} == NOT_ARISING
    assert all("--idle" in it or "--command" in it or "restart" in it for it in late.values())


# What these say, they say of all that came before.
OF_ALL = {"no-session-id-on-errors", "session-survives"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_named_by_its_check(fault: str, *, whole: bool) -> None:
    check, outcome = FAULTS[fault]
    # What never ends is waited for a second; nothing else takes as long.
    seconds = 1.0 if "outlasts" in fault else 5.0
    needed = TABLE if whole or check in OF_ALL else only("initialize", check)

    results = await checked(FaultyServer(fault), needed, seconds=seconds)

    found = {it.entry.id: it for it in results}
    assert found[check].outcome.value == outcome, found[check]
    assert found[check].reason


async def test_a_check_that_has_a_fault_of_its_own_is_every_check_that_can_fail() -> None:
    """What the parametrized test leaves out is what the other tests are about."""
    named = {check for check, _ in FAULTS.values()} | {check for _, check in IDLE_FAULTS}
    named |= {check for found in RESTARTS.values() for check in found if found[check] == "fail"}
    # No ID is no fault: a server need not have sessions.
    assert {it.entry.id for it in TABLE} - named == {"session-id-assigned"}


IDLE = only("initialize", "idle-keeps-the-busy", "idle-post", "idle-get")
IDLE_FAULTS = (
    ("idle ends nothing", "idle-post"),
    ("idle ends the busy", "idle-keeps-the-busy"),
    ("terminated POST", "idle-post"),
    ("terminated GET", "idle-get"),
)


@pytest.mark.parametrize(("fault", "check"), IDLE_FAULTS)
async def test_an_idle_time_out_that_ends_the_wrong_sessions_is_named(
    fault: str, check: str
) -> None:
    results = await checked(FaultyServer(fault, idle=1.0), IDLE, idle=1.0)

    found = {it.entry.id: it.outcome.value for it in results}
    assert found[check] == "fail"


async def test_an_idle_time_out_that_is_right_passes() -> None:
    results = await checked(FaultyServer(idle=1.0), IDLE, idle=1.0)

    found = {it.entry.id: it.outcome.value for it in results}
    assert [found[it] for it in ("idle-keeps-the-busy", "idle-post", "idle-get")] == ["pass"] * 3


RESTARTS = {
    "": {},
    "unknown POST": {"restart": "fail", "restart-in-flight": "fail"},
    "unknown notification": {"restart-notification": "fail"},
    "unknown GET": {"restart-get": "fail", "restart-resume": "fail"},
    "unknown DELETE": {"restart-delete": "fail"},
    "no session after a restart": {"restart-initialize": "fail", "restart-in-flight": "skipped"},
}


@pytest.mark.parametrize("fault", RESTARTS)
async def test_a_server_that_is_restarted_is_judged_by_what_it_says_of_the_lost_sessions(
    fault: str,
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("faulty_server.py")), "{port}", fault]
    table = [it for it in TABLE if it.entry.id == "initialize" or "restart" in it.entry.id]
    with CommandServer(command) as process:
        asked = Asked(process.url, (), Options(), 5.0, 300, process)
        results = await check_server(asked, table)

    wrong = {it.entry.id: it.outcome.value for it in results if it.outcome is not Outcome.PASS}
    assert wrong == RESTARTS[fault]


async def test_a_server_of_2026_07_28_alone_passes_what_is_about_it_and_nothing_else() -> None:
    results = await checked(FaultyServer("modern only"))

    passed = {it.entry.id for it in results if it.outcome is Outcome.PASS}
    about = {"version-legacy-refused", "modern-ignores-session-id", "modern-mints-no-session-id"}
    about |= {"modern-unknown-method", "modern-get-delete", "slash", "no-session-id-on-errors"}
    assert passed == about | {"cors-allows-session-id"}
    assert Outcome.FAIL not in {it.outcome for it in results}


async def test_a_server_without_sessions_has_none_that_could_pass_or_fail() -> None:
    results = await checked(FaultyServer("no session ID"))

    reasons = {it.reason for it in results if it.outcome is Outcome.SKIPPED}
    assert "the server assigns no session ID" in reasons
    passed = {it.entry.id for it in results if it.outcome is Outcome.PASS}
    assert "initialize" in passed
    assert not {it for it in passed if it.startswith(("unknown", "terminated", "ill", "missing"))}


async def test_a_server_that_lets_no_client_end_a_session_is_no_fault() -> None:
    results = await checked(FaultyServer("delete 405"))

    found = {it.entry.id: it.outcome for it in results}
    assert found["delete"] is Outcome.PASS
    assert found["in-flight"] is found["terminated-post"] is Outcome.SKIPPED
    assert Outcome.FAIL not in found.values()


async def test_no_tool_is_called_but_the_one_that_is_allowed() -> None:
    allowed, none = FaultyServer(), FaultyServer()

    await checked(allowed)
    results = await checked(none, tool=None)

    assert set(allowed.called) == {"wait"}
    assert none.called == []
    found = {it.entry.id: it for it in results}
    assert found["tool"].outcome is found["in-flight"].outcome is Outcome.SKIPPED


async def test_no_session_is_left_behind() -> None:
    server = FaultyServer()

    await checked(server)

    assert len(server.sessions) > 10
    assert set(server.sessions) == server.ended


async def test_no_more_requests_are_sent_than_is_allowed() -> None:
    async with scripted_server(FaultyServer()) as server:
        results = await check_server(Asked(server.url, (), Options(), 5.0, 20))

    assert len(server.requests) == 20
    assert results[-1].outcome is Outcome.FAIL or results[-1].outcome is Outcome.SKIPPED
    assert any(it.reason == "the bound of 20 requests is reached" for it in results)


async def test_a_check_that_looks_at_nothing_does_not_pass() -> None:
    async def nothing(_: Subject) -> None:
        """Send nothing."""

    entry = Entry("nothing", Sentence("", "", ""), None, "nothing", "nothing")
    async with scripted_server(FaultyServer()) as server:
        table = [ServerCheck(entry, Outcome.FAIL, nothing)]
        (result,) = await check_server(Asked(server.url, (), Options(), 5.0, 300), table)

    assert (result.outcome, result.reason) == (Outcome.FAIL, "it looked at no exchange")


async def test_each_passed_check_of_a_healthy_server_looked_at_an_exchange() -> None:
    results = await checked(FaultyServer())

    assert [it.entry.id for it in results if it.outcome is Outcome.PASS and not it.exchanges] == []


async def test_a_server_that_is_not_there_fails_once_and_the_rest_does_not_pass() -> None:
    async with scripted_server(FaultyServer()) as server:
        url = server.url

    results = await check_server(Asked(url, (), Options(), 5.0, 300))

    assert results[0].outcome is Outcome.FAIL
    assert {it.outcome for it in results[1:]} == {Outcome.SKIPPED}


async def test_a_healthy_server_is_checked_within_ten_seconds() -> None:
    begun = time.monotonic()

    results = await checked(FaultyServer())

    # What is asked for is a bound for people; on this machine it takes a tenth of it.
    assert time.monotonic() - begun < 10
    assert len(results) == len(TABLE)


async def test_a_server_that_falls_silent_is_not_waited_for_a_hundred_times() -> None:
    server = FaultyServer()

    async def silent_but_for_initialize(exchange: Exchange) -> None:
        if exchange.request.kind == "initialize":
            await server(exchange)
        else:
            await exchange.until_left()

    async with scripted_server(silent_but_for_initialize) as listening:
        results = await check_server(Asked(listening.url, (), Options(), 0.2, 300))

    assert len(results) == len(TABLE)
    waited = [it for it in results if it.reason == "no answer within 0.2 s"]
    assert 5 <= len(waited) < 10
    assert (results[-1].outcome, results[-1].reason) == (
        Outcome.SKIPPED,
        "the server does not answer",
    )


async def test_an_id_shows_in_no_reason() -> None:
    for fault in ("unknown POST", "ids mix", "an ID on errors"):
        server = FaultyServer(fault)
        results = await checked(server, tool=None)

        said = " ".join(it.reason for it in results)
        assert not [it for it in server.sessions if it in said]


async def endless(exchange: Exchange) -> None:
    await exchange.begin(200, {"content-type": "application/json"})
    while True:
        await exchange.send(b"[" * 65536)


async def endless_events(exchange: Exchange) -> None:
    await exchange.begin_events()
    while True:
        await exchange.send(b"data: {}\n\n" * 4096)


async def silent(exchange: Exchange) -> None:
    await exchange.until_left()


async def cut(exchange: Exchange) -> None:
    await exchange.begin(200, {"content-length": "1000"})
    exchange.hang_up()


async def nonsense(exchange: Exchange) -> None:
    await exchange.send_raw(b"\x00\xff no HTTP\r\n\r\n")


async def elsewhere(exchange: Exchange) -> None:
    await exchange.answer(307, b"", {"location": "http://127.0.0.1:9/mcp"})


async def deep(exchange: Exchange) -> None:
    body = b"[" * 100_000 + b'{"result":' + b"9" * 10_000
    await exchange.answer(200, body, {"content-type": "application/json"})


@pytest.mark.parametrize(
    "script", [endless, endless_events, silent, cut, nonsense, elsewhere, deep]
)
async def test_a_hostile_server_fails_in_words_and_in_time(script: Script) -> None:
    async with scripted_server(script) as server:
        results = await check_server(Asked(server.url, (), Options(), 0.5, 300), SOME)

    assert results[0].outcome is Outcome.FAIL
    assert results[0].reason
    assert Outcome.PASS not in {it.outcome for it in results}


SOME = only("initialize", "session-id-assigned", "unknown-post", "delete-ends-streams")
