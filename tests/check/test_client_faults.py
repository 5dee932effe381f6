"""Each fault that a client can have is named by its check, and a client without one by none."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from mcp_session._check.client_run import BATCHES, AskedClient, check_client
from mcp_session._check.client_table import TABLE, Scenario
from mcp_session._check.results import Outcome, Result

pytestmark = pytest.mark.anyio

# What a fault is named by: the scenario, its check, and what came of it.
FAULTS = {
    "never begins anew": ("recovery", "recovers", "fail"),
    "begins twice": ("recovery", "begins-anew-once", "fail"),
    "initialize with the old ID": ("recovery", "initializes-without-id", "fail"),
    "initialize with an event ID": ("recovery", "initializes-without-id", "fail"),
    "a call before initialized": ("recovery", "initialized-first", "fail"),
    "the old ID once more": ("recovery", "new-id-on-everything", "fail"),
    "no version": ("recovery", "version-on-everything", "fail"),
    "sends again twice": ("recovery", "sent-again-once", "fail"),
    "never calls again": ("recovery", "continues", "fail"),
    "no stream again": ("recovery", "stream-reopened", "warning"),
    "a dead event ID": ("recovery", "no-dead-event-ids", "fail"),
    "answers no ping": ("push", "push-answered", "fail"),
    "answers a ping with an error": ("push", "push-answered", "fail"),
    "answers a ping in the old session": ("push", "push-answered", "fail"),
    "no DELETE": ("recovery", "deletes-the-live-one", "warning"),
    "DELETE of the old one": ("recovery", "deletes-the-live-one", "warning"),
    "goes by JSON": ("not-found-empty", "not-found-empty", "fail"),
    "goes by the code": ("not-found-null-id", "not-found-null-id", "fail"),
    "takes -32601 for a method": ("not-found-method-code", "not-found-method-code", "fail"),
    "wants no header": ("not-found-other-id", "not-found-other-id", "fail"),
    "begins anew on 400": ("not-on-400", "not-on-400", "fail"),
    "begins anew on 401": ("not-on-401", "not-on-401", "fail"),
    "begins anew on 403": ("not-on-403", "not-on-403", "fail"),
    "begins anew on 429": ("not-on-429", "not-on-429", "fail"),
    "begins anew on 500": ("not-on-500", "not-on-500", "fail"),
    "begins anew on 503": ("not-on-503", "not-on-503", "fail"),
    "takes the ID of errors": ("id-on-error", "id-on-error", "fail"),
    "each begins anew": ("together", "one-for-many", "fail"),
    "a late 404 ends what stands": ("late", "late-404", "fail"),
    "an endless loop": ("forgetful", "no-endless-loop", "fail"),
    "a loop of nothing but GET": ("no-stream", "get-404-no-loop", "fail"),
    "a loop on GET": ("no-stream", "get-404-no-loop", "fail"),
    "the old version": ("other-version", "new-version-on-everything", "fail"),
    "an ID of its own": ("stateless", "no-id-no-id", "fail"),
    "begins anew without an ID": ("stateless", "no-id-no-loss", "warning"),
    "an ID on modern requests": ("modern", "modern-untouched", "fail"),
    "modern 404 begins a session": ("modern", "modern-untouched", "fail"),
}

# A check of the same fault in another scenario, or in another form.
SAME = {
    "goes by JSON": ("not-found-text", "not-found-html", "not-found-cut-json"),
    "sends again twice": ("many-sent-again-once",),
    "an endless loop": ("never-a-third-time",),
    "never begins anew": ("renegotiates-on-404",),
    "never calls again": ("continues-after-renegotiation",),
}


def scenarios(*names: str) -> list[Scenario]:
    return [it for it in TABLE if it.name in names]


async def checked(fault: str, table: Sequence[Scenario]) -> dict[str, Result]:
    program = str(Path(__file__).with_name("faulty_client.py"))
    command = (sys.executable, "-S", "-E", program, fault)
    results = await check_client(AskedClient(command, 30.0, 4), table)
    return {it.entry.id: it for it in results}


async def test_a_client_without_a_fault_passes_every_check() -> None:
    results = await checked("", TABLE)

    assert {it: found for it, found in results.items() if found.outcome is not Outcome.PASS} == {}
    assert all(it.exchanges for it in results.values())


async def test_a_client_that_first_sees_who_is_there_is_judged_by_the_session_it_works_in() -> None:
    results = await checked("a session before", TABLE)

    assert {it: found for it, found in results.items() if found.outcome is not Outcome.PASS} == {}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_named_by_its_check(fault: str) -> None:
    scenario, check, outcome = FAULTS[fault]

    results = await checked(fault, scenarios(scenario))

    assert results[check].outcome.value == outcome, results[check]
    assert results[check].reason


@pytest.mark.parametrize("fault", SAME)
async def test_a_fault_is_named_in_each_scenario_that_shows_it(fault: str) -> None:
    of = [it for it in TABLE if {check.entry.id for check in it.checks} & set(SAME[fault])]

    results = await checked(fault, of)

    assert {it: results[it].outcome.value for it in SAME[fault]} == dict.fromkeys(
        SAME[fault], "fail"
    )


# What a client may do, and most do not; and what is then not to be seen.
ODDITIES: dict[str, set[str]] = {
    "speaks 2025-03-26": {"version-on-everything", "new-version-on-everything"},
    "speaks 2025-06-18": {"new-version-on-everything"},
    "expects to be told to go on": set(),
    "writes absolute URLs": set(),
    "keeps another session": set(),
}


@pytest.mark.parametrize("oddity", ODDITIES)
async def test_a_client_that_is_right_in_its_own_way_is_not_accused(oddity: str) -> None:
    results = await checked(oddity, [it for it in TABLE if it.name != "modern"])

    wrong = {Outcome.FAIL, Outcome.WARNING}
    assert {it: found.reason for it, found in results.items() if found.outcome in wrong} == {}
    skipped = {it for it, found in results.items() if found.outcome is Outcome.SKIPPED}
    assert skipped <= ODDITIES[oddity]


async def test_a_client_that_sends_batches_is_not_judged() -> None:
    results = await checked("sends batches", scenarios("recovery", "not-on-400"))

    assert {it.outcome for it in results.values()} == {Outcome.SKIPPED}
    assert {it.reason for it in results.values()} == {BATCHES}


async def test_every_check_has_a_fault_that_it_names() -> None:
    named = {check for _, check, _ in FAULTS.values()} | {it for ids in SAME.values() for it in ids}
    every = {check.entry.id for scenario in TABLE for check in scenario.checks}

    assert every - named == set()


async def test_a_command_that_sends_nothing_passes_nothing() -> None:
    command = (sys.executable, "-S", "-E", "-c", "")

    results = await check_client(AskedClient(command, 30.0, 4), TABLE)

    assert {(it.outcome, it.reason) for it in results} == {
        (Outcome.FAIL, "the command sent nothing")
    }


async def test_a_command_that_does_not_end_is_ended_and_judged_by_what_it_sent() -> None:
    command = (sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)")

    results = await check_client(AskedClient(command, 0.5, 4), scenarios("recovery"))

    assert {it.outcome for it in results} == {Outcome.FAIL}


GARBAGE = """
import socket, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[-1])
with socket.create_connection((parts.hostname, parts.port)) as opened:
    opened.sendall({sent})
    opened.recv(1)
"""


HEAD = "POST /mcp HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 100000\\r\\n\\r\\n"
NONSENSE = (
    "b'\\x00\\xff no HTTP at all\\r\\n\\r\\n'",
    f"b'{HEAD}' + b'[' * 100000",
    "b'GET /mcp HTTP/1.1\\r\\nhost: x\\r\\nmcp-session-id: \\xe9\\r\\n\\r\\n'",
)


@pytest.mark.parametrize("sent", NONSENSE)
async def test_a_client_that_sends_nonsense_fails_and_the_others_are_judged(sent: str) -> None:
    command = (sys.executable, "-S", "-E", "-c", GARBAGE.format(sent=sent))

    results = await check_client(AskedClient(command, 30.0, 4), scenarios("recovery", "late"))

    assert {it.outcome for it in results} == {Outcome.FAIL}
    assert all(it.reason for it in results)
