"""The story of recordings, from the files of each tool that records."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from mcp_session._cli import commands, curl, curl_command, files, har, inputs
from mcp_session._cli.recorded import Draft, Exchange, Problem, in_time
from mcp_session._cli.story import Teller
from mcp_session._cli.terminal import escaped, route
from mcp_session._core import diagnose as core_diagnose

from golden import EXCHANGES, TESTS

SAMPLES = TESTS / "diagnose"
# Each of them is the same tale, and tells what was sent; see record.py beside them.
WHOLE = [
    "charles.har",
    "chrome.har",
    "curl-i.txt",
    "curl-v.txt",
    "curl-v-http2.txt",
    "mitmproxy.har",
]

REQUEST = b"POST /mcp HTTP/1.1\r\nHost: h\r\nMcp-Session-Id: dead\r\ncontent-length: 0\r\n\r\n"
RESPONSE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


def diagnose(*paths: Path | str, stdin: str | bytes | None = None) -> Result:
    command = ["diagnose", *map(str, paths)]
    return CliRunner().invoke(commands.main, command, input=stdin, catch_exceptions=False)


def story(*paths: Path | str, stdin: str | bytes | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(diagnose("--json", *paths, stdin=stdin).stdout)
    return shown


def found(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["party"], finding["claim"]) for finding in told["findings"]]


def entry(**changes: Any) -> dict[str, Any]:
    request = {"method": "POST", "url": "http://h/mcp", "headers": []} | changes.pop("request", {})
    response = {"status": 404, "headers": [], "content": {}} | changes.pop("response", {})
    return {"request": request, "response": response} | changes


def archive(path: Path, *entries: object) -> Path:
    path.write_text(json.dumps({"log": {"entries": entries}}))
    return path


@pytest.mark.parametrize("sample", WHOLE)
def test_each_tool_tells_the_same_tale(sample: str) -> None:
    result = diagnose("--json", SAMPLES / sample)
    told = json.loads(result.stdout)

    assert found(told) == [("server", "UncanonicalNotFound"), ("client", "ReplayedToDeadSession")]
    first, second = told["sessions"]
    assert (first["rule"], first["served"], first["replaced_by"]) == ("TerminatedPost", 1, 2)
    assert (second["rule"], second["served"], second["replaced_by"]) == (
        "DeleteAcknowledged",
        1,
        None,
    )
    messages = {exchange["message"] for exchange in told["exchanges"]}
    assert messages >= {"initialize", "notifications/initialized", "tools/list", "tools/call"}
    assert told["problems"] == []
    assert result.exit_code == 1


def test_of_a_curl_whose_commands_are_not_shown_the_sessions_are_told_all_the_same() -> None:
    told = story(SAMPLES / "curl-v-progress.txt")

    assert [session["rule"] for session in told["sessions"]] == [
        "TerminatedPost",
        "DeleteAcknowledged",
    ]
    assert found(told) == [("client", "KeptDeadId")]


@pytest.mark.parametrize("sample", [*WHOLE, "curl-v-progress.txt"])
@pytest.mark.parametrize("command", ["diagnose", "classify"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_credential_is_printed(sample: str, command: str, options: list[str]) -> None:
    assert (SAMPLES / sample).read_text().count("secret") > 20

    result = CliRunner().invoke(commands.main, [command, *options, str(SAMPLES / sample)])

    assert "TerminatedPost" in result.output
    assert "secret" not in result.output
    assert base64.b64encode(b"-secret").decode()[:8] not in result.output


def test_the_story_names_sessions_findings_sentences_and_what_to_do() -> None:
    sample = "mitmproxy.har"
    lines = diagnose(SAMPLES / sample).stdout.splitlines()

    assert lines[1:5] == [
        "  began [1] POST initialize → 200, SessionAssigned (mitmproxy.har entry 1)",
        "  served 1 request",
        "  ended by [4] POST tools/call → 404, TerminatedPost (mitmproxy.har entry 4)",
        f"  followed by [6] POST initialize → 200, SessionAssigned ({sample} entry 6): session 2",
    ]
    start = lines.index("client: ReplayedToDeadSession, session 1")
    finding = "\n".join(lines[start : lines.index("", start)])
    assert "  in [5] POST tools/call → 404, TerminatedPost (mitmproxy.har entry 5)" in finding
    assert "  > When a client receives HTTP 404 in response to a request" in finding
    assert "/2025-11-25/basic/transports#session-management (revision 2025-11-25)" in finding
    assert "  what to do: send `initialize` without the header" in finding
    assert lines[-1] == "9 exchanges, 2 sessions, 2 findings"


@pytest.mark.parametrize(
    ("agent", "line"),
    [
        ("python-httpx/0.28.1", "from mcp_session.httpx import create_mcp_http_client"),
        ("python-httpx2/2.16", "from mcp_session.httpx2 import create_mcp_http_client"),
        ("node", "TypeScript SDK"),
        ("curl/8.5.0", "put the `Mcp-Session-Id` of its answer into the next command"),
        ("something else", "docs/session.md"),
    ],
)
def test_what_to_do_is_our_line_for_that_client(tmp_path: Path, agent: str, line: str) -> None:
    headers = [{"name": "User-Agent", "value": agent}, {"name": "Mcp-Session-Id", "value": "dead"}]
    path = archive(tmp_path / "a.har", entry(request={"headers": headers}))

    (finding,) = story(path)["findings"]

    assert finding["claim"] == "NoInitialize"
    assert line in finding["advice"]


@pytest.mark.parametrize(
    ("header", "value", "line"),
    [
        ("server", "uvicorn", "SessionMiddleware(app)"),
        ("x-powered-by", "Express", "docs/servers.md"),
    ],
)
def test_what_to_do_is_our_line_for_that_server(
    tmp_path: Path, header: str, value: str, line: str
) -> None:
    answer = {
        "status": 400,
        "headers": [{"name": header, "value": value}],
        "content": {"text": "unknown session"},
    }
    sent = {"headers": [{"name": "mcp-session-id", "value": "dead"}]}
    path = archive(tmp_path / "a.har", entry(request=sent, response=answer))

    misreported = next(it for it in story(path)["findings"] if it["claim"] == "Misreported")

    assert line in misreported["advice"]


def test_every_claim_has_a_line_on_what_to_do() -> None:
    told = story(EXCHANGES, SAMPLES)

    assert len(told["findings"]) > 50
    assert all(finding["advice"] and finding["quote"] for finding in told["findings"])


def test_what_is_right_ends_with_0(tmp_path: Path) -> None:
    tale = json.loads((SAMPLES / "chrome.har").read_text())
    entries = tale["log"]["entries"]
    canonical = '{"jsonrpc":"2.0","error":{"code":-32001,"message":"x"},"id":2}'
    entries[3]["response"]["content"]["text"] = canonical
    del entries[4]

    result = diagnose(archive(tmp_path / "right.har", *entries))

    assert result.stdout.splitlines()[-1] == "8 exchanges, 2 sessions, 0 findings"
    assert result.exit_code == 0


def test_files_of_all_kinds_are_one_story(tmp_path: Path) -> None:
    lines = (SAMPLES / "curl-v.txt").read_text().split("$ curl")
    for number, text in enumerate(lines[1:]):
        (tmp_path / f"{number}.txt").write_text("$ curl" + text)

    told = story(tmp_path)

    assert found(told) == [("server", "UncanonicalNotFound"), ("client", "ReplayedToDeadSession")]
    assert len(told["sessions"]) == 2


def test_archives_are_in_the_order_of_time_however_they_are_named(tmp_path: Path) -> None:
    entries = json.loads((SAMPLES / "chrome.har").read_text())["log"]["entries"]
    late = archive(tmp_path / "late.har", *entries[5:])
    early = archive(tmp_path / "early.har", *entries[:5])

    told = [story(*paths)["sessions"] for paths in ((late, early), (early, late))]
    assert [[it["replaced_by"] for it in sessions] for sessions in told] == [[2, None]] * 2
    assert [[it["served"] for it in sessions] for sessions in told] == [[1, 1]] * 2


def test_an_archive_without_times_is_after_the_one_that_was_named_before(tmp_path: Path) -> None:
    began = ["2026-01-01T00:00:00.1Z", "2026-01-01T00:00:09.7Z"]
    timed = [opening("A", startedDateTime=began[0]), calling("A", 404, startedDateTime=began[1])]
    first = archive(tmp_path / "first.har", *timed)
    then = archive(tmp_path / "then.har", calling("A", 200))

    assert ("gateway", "NotFoundForLiveSession") in found(story(first, then))
    assert ("gateway", "NotFoundForLiveSession") not in found(story(then, first))


def test_recordings_of_all_times_that_can_be_are_one_story(tmp_path: Path) -> None:
    ages = [entry(startedDateTime=f"{year}-01-01T00:00:00.1Z") for year in (1970, 9999)]
    for number in range(80):
        archive(tmp_path / f"{number:02}.har", *ages)
    archive(tmp_path / "without.har", entry())

    assert len(story(tmp_path)["exchanges"]) == 161


def test_raw_pairs_are_read_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.request").write_bytes(REQUEST)
    (tmp_path / "a.response").write_bytes(RESPONSE)

    assert found(story(tmp_path)) == [
        ("server", "UncanonicalNotFound"),
        ("client", "NoInitialize"),
    ]
    assert found(story("-", stdin=(SAMPLES / "curl-i.txt").read_bytes())) == found(
        story(SAMPLES / "curl-i.txt")
    )


def test_two_servers_on_one_port_are_two_stories(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.request").write_bytes(REQUEST)
        (tmp_path / folder / "a.response").write_bytes(RESPONSE)

    assert len(story(tmp_path)["sessions"]) == 2


@pytest.mark.parametrize(
    ("data", "place", "what"),
    [
        (b"{", "line 1 column 2", "Expecting property name enclosed in double quotes"),
        (b'{"a":"\xff"}', "byte 6", "not UTF-8"),
        (b'{"log":{"entries":' + b"[" * 100_000, "", "nested too deeply"),
        (b"{}", "", "its log is no object"),
        (b'{"log":{}}', "", "no list of entries in its log"),
        (b'{"log":{"entries":[]}}', "", "an archive without an entry"),
        (b'{"log":{"entries":[1]}}', "entry 1", "its entry is no object"),
        (b"just text", "", "neither a HAR, nor what `curl -v` or `curl -i` prints"),
        (b"", "", "neither a HAR"),
        (b"HTTP/1.1 200 OK\n\n{}", "line 1", "an answer without its request"),
    ],
)
def test_a_malformed_file_is_named_with_the_place_and_ends_with_2(
    tmp_path: Path, data: bytes, place: str, what: str
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)

    result = diagnose(path)

    where = f"{path}: {place}: " if place else f"{path}: "
    assert result.stderr.startswith(f"mcp-session: {where}{what}")
    assert result.exit_code == 2
    assert story(path)["problems"][0]["place"] == place


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ({"request": {"url": "http://[::1"}}, "a URL that is none"),
        ({"request": {"method": 7}}, "request.method is no text"),
        ({"request": {"method": "no method"}}, "method must be an HTTP method"),
        ({"request": {"headers": {}}}, "request.headers is no list"),
        ({"request": {"headers": [{"name": "a"}]}}, "a header's value is no text"),
        ({"request": {"postData": "x"}}, "its request.postData is no object"),
        ({"response": {"status": "404"}}, "response.status is no status"),
        ({"response": {"status": 99}}, "response.status must be 0, or 100 to 999, not 99"),
        (
            {"response": {"content": {"text": "a", "encoding": "base64"}}},
            "response.content.text is no base64",
        ),
    ],
)
def test_a_broken_entry_is_named_and_the_others_are_told(
    tmp_path: Path, broken: dict[str, Any], what: str
) -> None:
    path = archive(tmp_path / "a.har", entry(), entry(**broken), entry())

    result = diagnose(path)

    assert result.stderr.startswith(f"mcp-session: {path}: entry 2: {what}")
    assert result.stdout.splitlines()[-1].startswith("2 exchanges")
    assert result.exit_code == 2


@pytest.mark.parametrize("status", [0, None])
def test_an_exchange_without_an_answer_is_one(tmp_path: Path, status: object) -> None:
    (exchange,) = story(archive(tmp_path / "a.har", entry(response={"status": status})))[
        "exchanges"
    ]

    assert (exchange["status"], exchange["rule"]) == (None, None)
    assert "no answer" in CliRunner().invoke(commands.main, ["classify", str(tmp_path)]).stdout


def test_an_archive_gives_each_exchange_its_endpoint_and_its_body(tmp_path: Path) -> None:
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    encoded = base64.b64encode(b"unknown session").decode()
    attached = {"headers": [{"name": "mcp-session-id", "value": "dead"}]}
    sse = {"url": "http://h:8000/messages?session_id=dead", "postData": {"text": message}}
    refused = {"status": 400, "content": {"text": encoded, "encoding": "base64"}}
    path = archive(
        tmp_path / "a.har",
        entry(request=sse),
        entry(request=attached, response=refused),
        entry(request=attached | {"url": "http://h:80/mcp", "method": "GET"}),
    )

    first, second, third = story(path)["exchanges"]

    assert (first["endpoint"], first["message"]) == ("h:8000/messages", "tools/list")
    # To a server, the ID that its query has is attached.
    command = ["classify", "--json", "--side", "server", str(path)]
    shown = CliRunner().invoke(commands.main, command).stdout.splitlines()
    assert json.loads(shown[0])["rule"] == "UncanonicalNotFound"
    assert (second["endpoint"], second["rule"]) == ("h/mcp", "MisreportUnknownSession")
    assert (third["endpoint"], third["message"]) == ("h/mcp", None)


@pytest.mark.parametrize(
    ("sent", "came", "request_body", "response_body"),
    [
        ({}, {}, None, None),
        ({"bodySize": 0}, {"content": {"size": 0}}, b"", b""),
        ({"method": "GET"}, {"content": {"size": 9}}, b"", None),
        ({"postData": {}}, {"content": {"text": ""}}, None, b""),
    ],
)
def test_a_body_that_an_archive_leaves_out_is_not_known_and_an_empty_one_is(
    sent: dict[str, Any],
    came: dict[str, Any],
    request_body: bytes | None,
    response_body: bytes | None,
) -> None:
    data = json.dumps({"log": {"entries": [entry(request=sent, response=came)]}}).encode()

    (draft,) = har.read("p", "s", data)

    assert isinstance(draft, Draft)
    made = cast("partial[object]", draft.make).args
    assert (made[4], made[7]) == (request_body, response_body)


def test_an_archive_of_windows_is_read_and_numbers_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "a.har"
    text = json.dumps({"log": {"entries": [entry(time="TIME")]}})
    path.write_text("\ufeff" + text.replace('"TIME"', "9" * 5000), encoding="utf-8")

    assert len(story(path)["exchanges"]) == 1


def test_when_an_answer_came_does_not_count_the_time_of_its_stream() -> None:
    began = {"startedDateTime": "2026-11-27T12:00:00.5Z", "time": 60_010}
    stream = entry(**began, timings={"receive": 60_000})

    (draft,) = har.read("p", "s", json.dumps({"log": {"entries": [stream]}}).encode())

    assert isinstance(draft, Draft)
    assert draft.times is not None
    sent, answered = draft.times
    assert (sent % 1_000_000, answered - sent) == (500_000, 10_000)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On a machine five hours behind, where the system can be told so."""
    tell = getattr(time, "tzset", lambda: None)
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "UTC+5")
        tell()
        yield
    tell()


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27T12:00:00Z",
        "2026-11-27T13:00:00.000000123+01:00",
        "2026-11-27T12:00:00.000",
        "2026-11-27t12:00:00.0z",
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_times_are_read_as_tools_write_them(text: str) -> None:
    data = json.dumps({"log": {"entries": [entry(startedDateTime=text)]}}).encode()

    (draft,) = har.read("p", "s", data)

    assert isinstance(draft, Draft)
    assert draft.times == (1_795_780_800_000_000,) * 2


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-99-99T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01", None, 7]
)
def test_a_time_that_is_none_leaves_the_order_of_the_file(text: object) -> None:
    data = json.dumps({"log": {"entries": [entry(startedDateTime=text)]}}).encode()

    (draft,) = har.read("p", "s", data)

    assert isinstance(draft, Draft)
    assert draft.times is None


@pytest.mark.parametrize("took", ["1e300", "1e400", "-1e400", "NaN", "-5", '"10"', "null"])
def test_what_is_no_length_of_time_is_read_all_the_same(tmp_path: Path, took: str) -> None:
    timed = entry(
        startedDateTime="2026-11-27T12:00:00.5Z", time="TOOK", timings={"receive": "TOOK"}
    )
    untold: dict[str, Any] = timed | {"timings": None}
    path = archive(tmp_path / "a.har", timed, untold)
    path.write_text(path.read_text().replace('"TOOK"', took))

    assert len(story(path)["exchanges"]) == 2


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://[::1]:8000/mcp?a=b", ("[::1]:8000/mcp", "a=b")),
        ("https://[::1]:443/mcp#x", ("[::1]/mcp", "")),
        ("http://user:password@H/mcp", ("h/mcp", "")),
    ],
)
def test_of_a_url_its_host_port_and_path_are_the_endpoint(
    url: str, endpoint: tuple[str, str]
) -> None:
    assert har.endpoint_and_query(url) == endpoint


def test_what_json_can_say_and_utf_8_cannot_is_replaced(tmp_path: Path) -> None:
    odd = "\ud800"
    header = {"name": "mcp-session-id" + odd, "value": odd}
    request = {"url": f"http://h/{odd}?{odd}", "headers": [header], "postData": {"text": odd}}
    response = {"headers": [header], "content": {"text": odd}}

    told = story(archive(tmp_path / "a.har", entry(request=request, response=response)))

    assert [it["endpoint"] for it in told["exchanges"]] == ["h/?"]


INITIALIZE: dict[str, Any] = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
RESULT = {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-06-18"}}


def opening(session: str, **changes: Any) -> dict[str, Any]:
    named = [{"name": "mcp-session-id", "value": session}]
    return entry(
        request={"postData": {"text": json.dumps(INITIALIZE)}},
        response={"status": 200, "headers": named, "content": {"text": json.dumps(RESULT)}},
        time=10,
        **changes,
    )


def calling(session: str | None, status: int, text: str = "", **changes: Any) -> dict[str, Any]:
    named = [] if session is None else [{"name": "mcp-session-id", "value": session}]
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    return entry(
        request={"headers": named, "postData": {"text": message}},
        response={"status": status, "content": {"text": text or "{}"}},
        time=10,
        **changes,
    )


NO_ID = "Bad Request: No valid session ID provided"
TALES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "replicas that share nothing": (
        [opening("A"), *(calling("A", status) for status in (200, 404, 200, 404, 200))],
        ["NotFoundForLiveSession"],
    ),
    "an ID that is given out again": (
        [opening("A"), calling("A", 404), opening("A"), calling("A", 200)],
        ["UncanonicalNotFound"],
    ),
    "a lost header": ([opening("A"), calling(None, 400, NO_ID)], ["LostHeader"]),
}


@pytest.mark.parametrize("tale", TALES)
@pytest.mark.parametrize(
    "moments",
    [
        "2026-01-01T00:00:{:02}Z",
        # One second, one of two seconds, one of two milliseconds, and no time at all.
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:0{third}Z",
        "2026-01-01T00:00:00.00{third}Z",
        None,
    ],
)
def test_what_was_sent_in_one_tick_of_a_clock_was_sent_in_the_order_of_the_archive(
    tmp_path: Path, tale: str, moments: str | None
) -> None:
    entries, claims = [dict(it) for it in TALES[tale][0]], TALES[tale][1]
    for number, it in enumerate(entries):
        if moments is not None:
            it["startedDateTime"] = moments.format(number, third=number // 3)
            it["time"] = 10 if moments.endswith("{third}Z") and "." not in moments else 0.2
    told = story(archive(tmp_path / "tale.har", *entries))

    assert [claim for _, claim in found(told)] == claims


def test_what_overlaps_by_more_than_a_tick_was_sent_before_the_answer_came(tmp_path: Path) -> None:
    at = "2026-01-01T00:00:00.{:03}Z"
    late = [calling("A", 404), calling("A", 404)]
    for number, it in enumerate(late):
        it |= {"startedDateTime": at.format(5 * number), "time": 20}
    told = story(archive(tmp_path / "late.har", opening("A", startedDateTime=at[:-6] + "Z"), *late))

    assert "KeptDeadId" not in [claim for _, claim in found(told)]


def test_what_a_story_has_is_made_once_and_not_at_each_use() -> None:
    exchanges = outputs("> POST /mcp HTTP/1.1\n> Mcp-Session-Id: A\n>\n< HTTP/1.1 404 Not Found\n")
    told = core_diagnose([it.core for it in exchanges])

    for name in ("exchanges", "session_of", "verdict_of", "sessions", "findings"):
        if hasattr(told, name):
            assert getattr(told, name) is getattr(told, name), name
    assert told.sessions[0].exchanges is told.sessions[0].exchanges
    assert told.findings[0].exchanges is told.findings[0].exchanges


@pytest.mark.parametrize("form", ["--json", "lines"])
def test_to_tell_twice_as_many_exchanges_takes_twice_as_many_steps(form: str) -> None:
    def steps(count: int) -> int:
        one = "> GET /{0} HTTP/1.1\n> Mcp-Session-Id: {0}\n>\n< HTTP/1.1 404 Not Found\n<\n"
        teller = Teller(outputs("".join(map(one.format, range(count)))))
        taken = 0

        def count_step(_frame: object, _event: str, _argument: object) -> Any:
            nonlocal taken
            taken += 1
            return count_step

        before = sys.gettrace()
        sys.settrace(count_step)
        try:
            list(teller.lines("")) if form == "lines" else teller.as_json()
        finally:
            sys.settrace(before)
        return taken

    fewer, more = steps(50), steps(100)
    assert 1.9 * fewer < more < 2.1 * fewer


def test_a_folder_with_more_than_is_looked_at_is_named_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MOST_PLACES", 9)
    for number in range(5):
        (tmp_path / f"folder-{number}").mkdir()
        archive(tmp_path / f"folder-{number}" / "one.har", entry())
    result = diagnose(tmp_path)

    assert result.stderr == (
        f"mcp-session: {tmp_path}: more than the 9 files and folders that are looked at\n"
    )
    assert result.exit_code == 1


def test_a_standard_input_that_is_closed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    (problem,) = inputs.recorded([Path("-")])

    assert str(problem) == "standard input: it is closed"


def test_a_name_that_is_too_long_is_said_to_be_it() -> None:
    (problem,) = inputs.recorded([Path("n" * 300)])

    assert str(problem) == f"{'n' * 300}: File name too long"


@pytest.mark.parametrize("command", ["diagnose", "classify"])
def test_an_empty_name_is_not_the_folder_at_hand(command: str) -> None:
    result = CliRunner().invoke(commands.main, [command, ""])

    assert result.exit_code == 2
    assert "an empty name is no file and no folder" in result.stderr


def outputs(text: str) -> list[Exchange]:
    made = in_time([list(curl.read("p", "s", text.encode()))])
    assert not any(isinstance(it, Problem) for it in made), made
    return [it for it in made if isinstance(it, Exchange)]


def test_of_an_interim_answer_the_final_one_counts() -> None:
    text = (
        "> POST /mcp HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 100 Continue\n<\n"
        "< HTTP/1.1 404 Not Found\n< mcp-session-id: x\n<\nbody\n"
    )

    (exchange,) = outputs(text)

    assert exchange.core.status == 404
    assert exchange.core.response_header("mcp-session-id") == "x"


def test_a_head_that_curl_prints_twice_is_one_answer() -> None:
    text = (
        "> GET /mcp HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 200 OK\n< a: b\n<\n"
        "HTTP/1.1 200 OK\na: b\n\n{}\n"
    )

    (exchange,) = outputs(text)

    assert (exchange.core.status, exchange.core.response_header("a")) == (200, "b")


def test_a_redirect_and_a_proxy_are_exchanges_of_their_own() -> None:
    command = '$ curl -vL -x http://proxy http://h/mcp -d \'{"id":1,"method":"m"}\'\n'
    text = command + (
        "> CONNECT h:443 HTTP/1.1\n> Host: h:443\n>\n< HTTP/1.1 200 Connection established\n<\n"
        "> POST /mcp HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 307 X\n< location: /mcp/\n<\n"
        "* Issue another request to this URL: 'http://h/mcp/'\n"
        "> POST /mcp/ HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 200 OK\n<\n{}\n"
    )

    assert [(it.core.status, it.core.message) for it in outputs(text)] == [(307, "m"), (200, "m")]


def test_each_transfer_of_a_command_has_the_answer_that_is_its_own() -> None:
    command = '$ curl -i http://h/a -d \'{"id":1,"method":"m"}\' --next -i http://h/b\n'
    text = command + "HTTP/1.1 202 X\na: b\n\nHTTP/2 404 \nmcp-session-id: x\n\nSession not found\n"

    first, second = outputs(text)

    assert (first.core.method, first.core.status, first.core.message) == ("POST", 202, "m")
    assert first.core.response_header("mcp-session-id") is None
    assert (second.core.method, second.core.status) == ("GET", 404)
    assert second.core.response_header("mcp-session-id") == "x"


PROGRESS = "100    15  100    15    0     0  15000      0 --:--:-- --:--:-- --:--:-- 15000"


@pytest.mark.parametrize(
    ("body", "is_encoded", "expected"),
    [
        ("unknown session\n", False, b"unknown session"),
        # It was decoded before it was printed.
        ("unknown session\n", True, b"unknown session"),
        ("unknown session\r\n", False, b"unknown session"),
        (f"unknown session\r{PROGRESS}\n", False, b"unknown session"),
        ("{ [15 bytes data]\nunknown session\n", False, b"unknown session"),
        ("unknown session\ncurl: (18) transfer closed\n", False, b"unknown session"),
        # What is no text was printed as it came, and what is left of it decides nothing.
        ("\x1f\udc8b\n", True, None),
    ],
)
def test_of_what_curl_prints_only_the_body_is_the_body(
    body: str, *, is_encoded: bool, expected: bytes | None
) -> None:
    encoding = "< Content-Encoding: gzip\n" if is_encoded else ""
    text = (
        "> POST /mcp HTTP/1.1\n> Host: h:8000\n> Mcp-Session-Id: x\n>\n"
        f"< HTTP/1.1 400 Bad Request\n{encoding}<\n{body}"
    )

    (draft,) = curl.read("p", "s", text.encode(errors="surrogateescape"))

    assert isinstance(draft, Draft)
    made = cast("partial[object]", draft.make).args
    assert made[1] == "h:8000/mcp"
    assert made[6] == ([("Content-Encoding", "gzip")] if expected is None else [])
    assert made[7] == expected


def test_what_failed_has_no_answer() -> None:
    text = (
        "> POST /mcp HTTP/1.1\n> Host: h\n>\n* Empty reply from server\n* Closing connection 0\n"
        "curl: (52) Empty reply from server\n"
    )

    assert [it.core.status for it in outputs(text)] == [None]


@pytest.mark.parametrize(
    ("body", "remark"),
    [
        ('{"a":"* not a remark"}', "* Found bundle for host: 0x5 [serially]"),
        ("unknown session", "* Connection #0 to host h left intact"),
        ("unknown session", "* Closing connection 0"),
    ],
)
def test_what_curl_says_behind_a_body_is_no_part_of_it(
    tmp_path: Path, body: str, remark: str
) -> None:
    text = (
        "> POST /mcp HTTP/1.1\n> Host: h\n> Mcp-Session-Id: x\n>\n"
        f"< HTTP/1.1 400 Bad Request\n<\n{body}{remark}\n"
    )
    (tmp_path / "a.txt").write_text(text)

    (exchange,) = story(tmp_path)["exchanges"]

    expected = "MisreportUnknownSession" if body == "unknown session" else "NotTermination"
    assert exchange["rule"] == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_shells_of_windows_write_it_otherwise(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    text = (SAMPLES / "curl-v.txt").read_text()
    path = tmp_path / "a.txt"
    path.write_bytes(text.replace("\n", line_end).encode(encoding))

    assert found(story(path)) == found(story(SAMPLES / "curl-v.txt"))


@pytest.mark.parametrize(
    ("command", "method", "url", "body"),
    [
        ("curl h/mcp", "GET", "http://h/mcp", b""),
        ("curl -sSi -XPOST 'https://h/mcp?a=b' -d'{}'", "POST", "https://h/mcp?a=b", b"{}"),
        ("curl --json '{}' --max-time 5 --url http://h", "POST", "http://h", b"{}"),
        ("curl.exe --request=DELETE -o out http://h", "DELETE", "http://h", b""),
        ("curl -d a -d b http://h 2>&1 | jq .", "POST", "http://h", b"a&b"),
        ("curl -d @file http://h", "POST", "http://h", None),
        ("curl --data-binary @file http://h", "POST", "http://h", None),
        ("curl --data-ascii=@file http://h", "POST", "http://h", None),
        ("curl --json @file http://h", "POST", "http://h", None),
        ("curl -d a -d @file http://h", "POST", "http://h", None),
        ("curl --data-urlencode a=b http://h", "POST", "http://h", None),
        ("curl -F a=b http://h", "POST", "http://h", None),
        ("curl -T file http://h", "PUT", "http://h", None),
        ("curl -Gd a=b http://h", "GET", "http://h", b""),
        ("curl --data-raw @x http://h", "POST", "http://h", b"@x"),
        ("curl -I http://h", "HEAD", "http://h", b""),
    ],
)
def test_a_command_says_what_was_sent(
    command: str, method: str, url: str, body: bytes | None
) -> None:
    read = curl_command.read([command])

    assert read is not None
    (transfer,), lines = read
    assert (transfer.method, transfer.url, transfer.body, lines) == (method, url, body, 1)


def test_a_command_may_have_many_lines_and_transfers() -> None:
    lines = [
        "$ curl http://h \\",
        "  -H 'A: b' \\",
        "  -d '{",
        '  "id": 1}\' --next \\',
        "  http://i",
        "x",
    ]

    read = curl_command.read(lines)

    assert read is not None
    transfers, taken = read
    assert [(it.url, it.body) for it in transfers] == [
        ("http://h", b'{\n  "id": 1}'),
        ("http://i", b""),
    ]
    assert transfers[0].headers[0] == ("A", "b")
    assert taken == 5


@pytest.mark.parametrize(
    "body",
    [
        "curl '\n" * 200_000,
        # Two hundred lines of it are looked through at a time.
        ("curl '" + "\"\\'" * 10_000 + "\n") * 200,
        " " * 2_000_000,
        " " * 2_000_000 + "$ curl '",
        "1 " * 1_000_000,
        "1 1 1 1 1 1 " + "1" * 2_000_000,
        "1 1 1 1 1 1 " + "-" * 2_000_000,
    ],
    ids=["commands", "long commands", "space", "a prompt", "numbers", "digits", "dashes"],
)
def test_what_looks_like_the_beginning_of_what_curl_writes_takes_no_time(body: str) -> None:
    text = f"> GET / HTTP/1.1\n< HTTP/1.1 404 X\n<\n{body}"

    assert len(outputs(text)) == 1


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_what_the_text_of_curl_begins_with_is_read_behind_a_mark_of_its_encoding(mark: str) -> None:
    (exchange,) = outputs(mark + "> POST /mcp HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 404 X\n<\n")

    assert (exchange.core.method, exchange.core.status) == ("POST", 404)


@pytest.mark.parametrize("read", [har.read, curl.read])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_named(read: Any, data: bytes) -> None:
    in_time([list(read("p", "s", data))])


WORDS = [
    "> POST /mcp HTTP/1.1",
    "> Host: h",
    ">",
    "< HTTP/1.1 404 X",
    "<",
    "HTTP/2 200 ",
    "",
    "$ curl http://h -d '",
    "curl -i http://h",
    "{}* Connection #0",
    "* Trying",
    "a: b",
    "\r  0  0  0  0  0  0  0  0 --:--:-- --:--:-- --:--:--  0* x",
    "> CONNECT h HTTP/1.1",
]


@given(lines=st.lists(st.sampled_from(WORDS), max_size=30))
def test_any_lines_of_curl_are_read_or_named(lines: list[str]) -> None:
    in_time([list(curl.read("p", "s", "\n".join(lines).encode()))])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PATHS = [
    ("request",),
    ("request", "method"),
    ("request", "url"),
    ("request", "headers"),
    ("request", "postData"),
    ("response",),
    ("response", "status"),
    ("response", "headers"),
    ("response", "content"),
    ("response", "content", "text"),
    ("startedDateTime",),
    ("time",),
    ("timings",),
    ("timings", "receive"),
]


@given(path=st.sampled_from(PATHS), value=JSON)
def test_any_entry_is_read_or_named(path: tuple[str, ...], value: Any) -> None:
    changed = entry(startedDateTime="2026-11-27T12:00:00Z", time=1, timings={})
    within: dict[str, Any] = changed
    for name in path[:-1]:
        within = within[name]
    within[path[-1]] = value

    data = json.dumps({"log": {"entries": [changed]}}).encode()

    in_time([list(har.read("p", "s", data))])


@given(text=st.text())
def test_what_is_escaped_can_be_printed_and_is_short_of_nothing(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("h:80/mcp/", "h:80/mcp/"),
        ("user:password@h/mcp", "h/mcp"),
        ("h/sessions/5f2e4c0d-first-secret", "h/sessions/*"),
        ("h/%35f2e4c0d-first-%73ecret/mcp", "h/*/mcp"),
        ("h/a-very-long-route-of-words", "h/a-very-long-route-of-words"),
    ],
)
def test_a_path_shows_its_route_and_no_credential(endpoint: str, shown: str) -> None:
    assert route(endpoint) == shown


@pytest.mark.parametrize("path", ["sessions/{}/mcp", "mcp;session={}", "{}"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_short_session_id_in_a_path_is_not_printed(
    tmp_path: Path, path: str, options: list[str]
) -> None:
    attached = {"headers": [{"name": "mcp-session-id", "value": "seven-A"}]}
    for spelled in ("seven-A", "SEVEN-a", "%73even-A"):
        url = f"http://h/{path.format(spelled)}"
        recorded = archive(tmp_path / "a.har", entry(request=attached | {"url": url}))

        result = diagnose(*options, recorded)

        assert "h/" in result.output
        assert "even" not in result.output.lower()


def test_it_runs_as_a_command() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-m", "mcp_session", "diagnose", SAMPLES / "chrome.har"],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )

    assert (result.returncode, result.stderr) == (1, "")


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_classified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.request").write_bytes(REQUEST)
    (tmp_path / "a.response").write_bytes(RESPONSE)
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    result = CliRunner().invoke(commands.main, ["classify", str(tmp_path)])

    assert result.stderr == f"mcp-session: {tmp_path}/locked: Permission denied\n"
    assert result.stdout.splitlines()[-1] == "1 exchange"
    assert result.exit_code == 1


def test_all_files_together_are_read_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_IN_ALL", 1024 * 1024)
    for name in ("a.har", "b.har", "c.har"):
        (tmp_path / name).write_bytes(b"x" * 600_000)

    result = CliRunner().invoke(commands.main, ["diagnose", str(tmp_path)])

    assert result.stderr.count("more than the 1 MiB that are read in all") == 2
