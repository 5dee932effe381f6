"""What a peer says shows no credential, moves no cursor and breaks no report."""

import json
import sys
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from faulty_server import FaultyServer
from mcp_session._check.client_run import AskedClient, check_client
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.messages import is_event_stream
from mcp_session._check.report import Report
from mcp_session._check.results import Outcome, Result
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.server_table import TABLE
from mcp_session._check.subject import Options, Subject
from mcp_session.testing.scripted import Exchange, scripted_server

pytestmark = pytest.mark.anyio

SECRET = "TOP-SECRET-" * 12
UNPRINTABLE = "\x1b[2J\x00\x9b\ud800\uffff"


class Saying(FaultyServer):
    """A server that is good, but for where it repeats what it is told, or says anything."""

    def __init__(self, where: str, said: str) -> None:
        super().__init__()
        self.where, self.said = where, said

    async def options(self, exchange: Exchange) -> None:
        names: dict[str, Any] = {"access-control-allow-origin": "*"}
        if self.where == "allowed headers":
            names["access-control-allow-headers"] = self.said.encode("latin-1")
        await exchange.answer(204, b"", names)

    async def not_found(self, exchange: Exchange) -> None:
        if self.where == "content type":
            await exchange.answer(404, b"no", {"content-type": self.said})
        elif self.where == "body":
            await exchange.answer(404, json.dumps(self.said).encode())
        elif self.where == "id":
            error = {"code": -32001, "message": "Session not found"}
            await exchange.answer_json({"jsonrpc": "2.0", "error": error, "id": self.said}, 404)
        else:
            await super().not_found(exchange)

    async def error(self, exchange: Exchange, status: int, code: int) -> None:
        said: Any = self.said if self.where == "code" and code == -32601 else code
        await super().error(exchange, status, said)


PLACES = {
    "allowed headers": "cors-allows-session-id",
    "content type": "not-found-form",
    "body": "not-found-form",
    "id": "not-found-id",
    "code": "modern-unknown-method",
}


async def judged(where: str, said: str) -> list[Result]:
    async with scripted_server(Saying(where, said)) as server:
        headers = (("authorization", f"Bearer {SECRET}".encode()),)
        return await check_server(Asked(server.url, headers, Options(), 5.0, 300))


def reports(results: list[Result]) -> list[str]:
    """Both reports, each of which has to be well-formed."""
    report = Report("check", "target", results, 1.0)
    written, xml = json.dumps(report.as_json(), ensure_ascii=False), report.as_junit()
    assert len(ET.fromstring(xml)[0]) == len(results)  # noqa: S314 - our own
    assert written.encode()
    return [written, xml.decode()]


@pytest.mark.parametrize("where", PLACES)
async def test_a_token_shows_nowhere_that_a_server_repeats_it(where: str) -> None:
    results = await judged(where, SECRET)

    (found,) = (it for it in results if it.entry.id == PLACES[where])
    assert found.outcome is not Outcome.PASS
    assert "*" in found.reason
    assert "TOP-SECRET" not in "".join(reports(results))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("?key=QUERY-SECRET", "Cannot POST /mcp?key=QUERY-SECRET"),
        ("?key=QUERY%2DSECRET", "there is no QUERY-SECRET"),
        ("?QUERY-SECRET", "Cannot POST /mcp?QUERY-SECRET"),
        ("@user:QUERY-SECRET", "you are dXNlcjpRVUVSWS1TRUNSRVQ="),
        ("@user:QUERY%2DSECRET", "Basic dXNlcjpRVUVSWS1TRUNSRVQ= is QUERY-SECRET"),
    ],
)
async def test_what_a_url_has_of_a_credential_shows_nowhere(given: str, said: str) -> None:
    async with scripted_server(Saying("body", said)) as server:
        url = f"{server.url}{given}"
        if given.startswith("@"):
            url = server.url.replace("//", f"//{given[1:]}@")
        results = await check_server(Asked(url, (), Options(), 5.0, 300))

    shown = "".join(reports(results))
    assert "*" in shown
    assert "SECRET" not in shown
    assert "dXNlcjpRVUVSWS1TRUNSRVQ" not in shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (r"no A\"SECRET\/1", "no ************"),
        (r"no A\"SECRET/1", "no ***********"),
        ("no A%22SECRET%2F1", "no **************"),
        (r"no A\u0022SEC\u0052ET/1", "no ********************"),
        ("no A&quot;SECRET&#x2F;1", "no ********************"),
        ("no QSJTRUNSRVQvMQ==", "no **************=="),
        ("no Basic dTpBIlNFQ1JFVC8x", "no Basic dT**************"),
    ],
)
async def test_a_token_shows_in_no_other_spelling(said: str, shown: str) -> None:
    async with scripted_server(Bytes(said)) as server:
        headers = (("x-key", b'A"SECRET/1'),)
        results = await check_server(Asked(server.url, headers, Options(), 5.0, 300))

    (found,) = (it for it in results if it.entry.id == "not-found-form")
    assert f"404 {shown};" in found.reason
    assert "SECRET" not in "".join(reports(results))


class Bytes(FaultyServer):
    """A server that is good, but for the body of its 404."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said

    async def not_found(self, exchange: Exchange) -> None:
        await exchange.answer(404, self.said.encode())


async def test_each_of_two_session_ids_is_hidden() -> None:
    class Twice(FaultyServer):
        async def __call__(self, exchange: Exchange) -> None:
            if exchange.request.kind == "initialize":
                twice = {"mcp-session-id": "FIRST-ID", "Mcp-Session-Id": "SECOND-ID"}
                await exchange.answer(500, b"FIRST-ID", twice)
            else:
                await super().__call__(exchange)

    async with scripted_server(Twice()) as server:
        results = await check_server(Asked(server.url, (), Options(), 5.0, 300))

    assert "FIRST-ID" not in "".join(reports(results))


@pytest.mark.parametrize("said", ["text/event-stream", "Text/Event-Stream;charset=utf-8"])
def test_a_media_type_is_compared_in_any_case(said: str) -> None:
    assert is_event_stream(said)
    assert not is_event_stream("text/event-streams")


async def test_no_server_is_asked_to_compress() -> None:
    async with scripted_server(FaultyServer()) as server:
        await check_server(Asked(server.url, (), Options(), 5.0, 300))

    assert {it.header("accept-encoding") for it in server.requests} == {"identity"}


@pytest.mark.parametrize("where", ["body", "id", "code"])
async def test_what_no_terminal_and_no_xml_may_have_is_escaped(where: str) -> None:
    results = await judged(where, UNPRINTABLE)

    (found,) = (it for it in results if it.entry.id == PLACES[where])
    assert found.outcome is not Outcome.PASS
    assert all(it.isprintable() or it == "\n" for text in reports(results) for it in text)


async def test_a_header_with_a_character_that_begins_a_command_is_escaped() -> None:
    results = await judged("allowed headers", "\x9b2J")

    (found,) = (it for it in results if it.entry.id == "cors-allows-session-id")
    assert found.reason == "access-control-allow-headers is \\x9b2J"


@pytest.mark.parametrize("version", [UNPRINTABLE, "2025-11-25\r\nx: y", "", "x" * 10_000, None])
async def test_a_version_that_no_header_can_bear_is_not_sent(version: str | None) -> None:
    class Versioned(FaultyServer):
        async def answer(self, exchange: Exchange, result: Any, *given: Any, **named: Any) -> None:
            if "protocolVersion" in result:
                result["protocolVersion"] = version
            await super().answer(exchange, result, *given, **named)

    async with scripted_server(Versioned()) as server:
        results = await check_server(Asked(server.url, (), Options(), 5.0, 300))

    assert {it.header("mcp-protocol-version") for it in server.requests} == SENT_VERSIONS
    assert {it.entry.id: it.reason for it in results if it.outcome is Outcome.FAIL} == {}


SENT_VERSIONS = {None, "2025-11-25", "2026-07-28", "1999-01-01"}


async def test_a_redirect_to_what_is_no_url_is_a_breach_in_words() -> None:
    class Lost(FaultyServer):
        async def elsewhere(self, exchange: Exchange) -> None:
            await exchange.answer(307, b"", {"location": "http://[::1"})

    async with scripted_server(Lost()) as server:
        results = await check_server(Asked(server.url, (), Options(), 5.0, 300))

    (found,) = (it for it in results if it.entry.id == "slash")
    assert (found.outcome, found.reason) == (Outcome.WARNING, "it redirects to what is no URL")


async def test_a_check_that_does_not_understand_what_came_fails_and_says_so() -> None:
    async def judge(_: Subject) -> None:
        raise ZeroDivisionError(SECRET)

    first = next(it for it in TABLE if it.entry.id == "session-serves")
    async with scripted_server(FaultyServer()) as server:
        asked = Asked(server.url, (), Options(), 5.0, 300)
        (result,) = await check_server(asked, [replace(first, judge=judge)])

    assert result.outcome is Outcome.FAIL
    assert result.reason == "what came back was not understood: ZeroDivisionError"


async def test_ids_of_very_many_letters_are_judged_as_others_are() -> None:
    class Lettered(FaultyServer):
        def new_id(self, sent: str | None) -> str:
            return "a" * 30_000 + super().new_id(sent).translate(LETTERS)

    async with scripted_server(Lettered()) as server:
        results = await check_server(Asked(server.url, (), Options(), 60.0, 300))

    assert {it.entry.id: it.reason for it in results if it.outcome is Outcome.FAIL} == {}


LETTERS = {ord(digit): letter for digit, letter in zip("0123456789", "ghijklmnop", strict=True)}

CLIENT = """
import http.client, json, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[-1])
def send(message, headers):
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("POST", parts.path, json.dumps(message), headers)
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("mcp-session-id")
asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
session = send(asked, {})
send({"jsonrpc": "2.0", "method": METHOD}, {"mcp-session-id": session})
"""


async def test_a_method_of_a_client_is_escaped_and_cut() -> None:
    program = CLIENT.replace("METHOD", ascii(UNPRINTABLE + "x" * 100_000))
    scenarios = [it for it in SCENARIOS if it.name == "recovery"]

    results = await check_client(AskedClient((sys.executable, "-c", program), 60.0, 1), scenarios)

    (found,) = (it for it in results if it.entry.id == "version-on-everything")
    assert found.reason.startswith("a \\x1b[2J\\x00\\x9b\\ud800\\uffffxxx")
    assert len(found.reason) < 1000
    reports(results)
