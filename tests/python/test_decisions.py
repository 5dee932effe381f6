"""The golden files, replayed through the binding."""

from itertools import product

import pytest
from mcp_session import Lookup, Rule, Side, Verdict, admit, classify, classify_exchange, needs_body

from golden import (
    STATUSES,
    Line,
    decisions,
    expected_exchanges,
    field_matches,
    recorded,
    statuses,
    wordings,
)

ATTACHED = "1868a90c"
ERAS = ("legacy", "modern")
VIEWS = (
    ("client", "off", Side.CLIENT, False),
    ("client", "on", Side.CLIENT, True),
    ("server", "off", Side.SERVER, False),
    ("server", "on", Side.SERVER, True),
)
SENT: dict[str, tuple[str, bytes | None]] = {
    "initialize": ("POST", b'{"id":7,"method":"initialize"}'),
    "request": ("POST", b'{"id":7,"method":"tools/list"}'),
    "notification": ("POST", b'{"method":"notifications/x"}'),
    "response": ("POST", b'{"id":7,"result":{}}'),
    "batch": ("POST", b'[{"id":7,"method":"tools/list"}]'),
    "malformed": ("POST", b'{"id":7,"method":'),
    "unknown": ("POST", None),
    "get": ("GET", None),
    "delete": ("DELETE", None),
    "other": ("PUT", None),
}
RESPONSE_IDS = {"none": None, "valid": "fresh", "ill-formed": "not visible"}
MISREPORTS = wordings()
# The Rust tests try the wordings under every status.
NEAR_MISREPORTS = (200, 399, 400, 401, 402, 403, 404, 405, 409, 500)

type_and_body = tuple[str, bytes | None, str | None]


def bodies(attached: str) -> dict[str, list[type_and_body]]:
    """Every body class of the golden file but the encoded one: classify is given no
    encoded bodies. Content type, body, WWW-Authenticate."""

    def error(code: int, id_member: str) -> type_and_body:
        body = f'{{"jsonrpc":"2.0","error":{{"code":{code},"message":"x"}}{id_member}}}'
        return "application/json", body.encode(), None

    def text(text: str, challenge: str | None = None) -> type_and_body:
        return "text/plain", text.encode(), challenge

    def spellings(wording: str, challenge: str | None = None) -> list[type_and_body]:
        bare = wording.removeprefix("Bad Request: ")
        bodies = [
            wording,
            f'{{"jsonrpc":"2.0","error":{{"code":-32000,"message":"{wording.upper()}"}},"id":null}}',
            f'{{"error":"{wording}."}}',
            f'{{"error":"Bad Request","message":"Invalid Request:  {bare}"}}',
        ]
        return [text(body, challenge) for body in bodies]

    resume = "Encounter an error when resume session: "
    attached_id = ATTACHED if attached == "yes" else "x"
    return {
        "unread": [("application/json", None, None)],
        "plain": [text("Not Found")],
        "canonical": [error(-32001, ',"id":7')],
        "canonical-without-id": [error(-32001, "")],
        "canonical-null-id": [error(-32001, ',"id":null')],
        "canonical-other-id": [error(-32001, ',"id":8')],
        "canonical-text": [("text/plain", *error(-32001, ',"id":7')[1:])],
        "other-code": [error(-32600, ',"id":7')],
        "unsupported-version": [error(-32022, ',"id":7')],
        **{name: spellings(wording) for name, wording in MISREPORTS.items()},
        "session-not-found-challenged": spellings("Session not found", challenge="Bearer"),
        "resume-not-found": [text(f"{resume}Session not found: {attached_id}")],
        "resume-other-id": [text(f"{resume}Session not found: another")],
        "resume-terminated": [text(f"{resume}Session error: Session service terminated")],
    }


def decided(verdict: Verdict) -> tuple[str, str, bool]:
    return verdict.action.value, verdict.rule.value, verdict.forward_session_id


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
@pytest.mark.parametrize("sent", SENT)
def test_every_cell_of_the_golden_file_is_decided_as_it_says(
    view: tuple[str, str, Side, bool], sent: str
) -> None:
    side_name, quirks_name, side, quirks = view
    golden = decisions("exchange")
    method, request_body = SENT[sent]
    for era, attached in product(ERAS, ("yes", "no")):
        if (era, sent) == ("modern", "initialize"):
            continue
        for body_class, responses in bodies(attached).items():
            for id_class, response_id in RESPONSE_IDS.items():
                lines = [
                    line
                    for line in golden
                    if line.covers(side_name, quirks_name, era, sent, attached)
                    and field_matches(line.fields[6], id_class)
                    and field_matches(line.fields[7], body_class)
                ]
                expected = by_status(lines)
                for content_type, response_body, challenge in responses:
                    for status in STATUSES if body_class not in MISREPORTS else NEAR_MISREPORTS:
                        verdict = classify(
                            method,
                            status,
                            session_id=ATTACHED if attached == "yes" else None,
                            protocol_version="2026-07-28" if era == "modern" else None,
                            request_body=request_body,
                            response_session_id=response_id,
                            content_type=content_type,
                            www_authenticate=challenge,
                            response_body=response_body,
                            side=side,
                            quirks=quirks,
                        )
                        assert decided(verdict) == expected[status]


def by_status(lines: list[Line]) -> dict[int, tuple[str, str, bool]]:
    expected: dict[int, tuple[str, str, bool]] = {}
    for line in lines:
        for status in statuses(line.fields[5]):
            assert status not in expected, "two golden lines for one cell"
            expected[status] = (line.action, line.rule, line.forwards)
    assert len(expected) == len(STATUSES), "no golden line for a cell"
    return expected


@pytest.mark.parametrize("sent", SENT)
def test_every_admission_of_the_golden_file_is_decided_as_it_says(sent: str) -> None:
    method, body = SENT[sent]
    tables: dict[str, bool | Lookup] = {
        "known": True,
        "unknown": False,
        "unavailable": Lookup.UNAVAILABLE,
    }
    for era, attached, table in product(ERAS, ("yes", "no"), tables):
        if (era, sent) == ("modern", "initialize"):
            continue
        golden = decisions("admit")
        (line,) = (line for line in golden if line.covers(era, sent, attached, table))

        verdict = admit(
            method,
            session_id=ATTACHED if attached == "yes" else None,
            protocol_version="2026-07-28" if era == "modern" else None,
            body=body or b"",
            known=tables[table],
        )

        assert decided(verdict) == (line.action, line.rule, line.forwards)


def test_every_recorded_exchange_has_the_verdict_that_the_rulings_give_it() -> None:
    for name, expected in expected_exchanges():
        request, response = recorded(name)

        verdicts = [
            classify_exchange(request, response),
            classify_exchange(request, response, quirks=True),
            classify_exchange(request, response, side=Side.SERVER),
        ]

        assert [written(verdict) for verdict in verdicts] == expected, name


def written(verdict: Verdict) -> str:
    withhold = "" if verdict.forward_session_id else "+withhold"
    return f"{verdict.action.value}/{verdict.rule.value}{withhold}"


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def test_a_body_with_a_content_encoding_matches_no_pattern(
    view: tuple[str, str, Side, bool], status: int
) -> None:
    _, _, side, quirks = view
    request = b"POST / HTTP/1.1\r\nMcp-Session-Id: x\r\n\r\n"
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n"
    plain = classify_exchange(request, f"{head}\r\nx".encode(), side=side, quirks=quirks)
    canonical = '{"jsonrpc":"2.0","error":{"code":-32001,"message":"x"}}'
    for text in [canonical, *MISREPORTS.values()]:
        response = f"{head}Content-Encoding: gzip\r\n\r\n{text}".encode()

        assert classify_exchange(request, response, side=side, quirks=quirks) == plain


def test_a_body_is_asked_for_under_no_status_but_the_four_that_have_patterns() -> None:
    for _, _, side, quirks in VIEWS:
        asked = {
            status
            for status in STATUSES
            if needs_body(
                "POST",
                status,
                session_id=ATTACHED,
                content_type="application/json",
                side=side,
                quirks=quirks,
            )
        }

        client: set[int] = {400, 401} if quirks else set()
        assert asked == (client if side is Side.CLIENT else {400, 401, 404, 500})


def test_every_rule_of_the_core_is_a_member_with_its_sentence() -> None:
    for rule in Rule:
        assert rule.summary.endswith(".")
        assert rule.quote
        assert rule.url.startswith(f"https://modelcontextprotocol.io/specification/{rule.revision}")
        is_listed = rule.startswith("Misreport") and rule is not Rule.MISREPORT_OF_CALLER
        assert (rule.source is not None) == is_listed
