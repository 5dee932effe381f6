"""The stateful machine for SDK authors: our own session code passes, each planted bug is found."""
# Hypothesis' state machines have no types in its versions for CPython 3.10.
# pyright: reportUnknownVariableType=false

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from mcp_session.testing.guarantees import GuaranteeBrokenError
from mcp_session.testing.machine import SessionClient, SessionMachine, Transport
from session_clients import BUGS, Guided, Simple

import page_blocks

RUN_MACHINE: Callable[..., None] = run_state_machine_as_test
# By `MACHINE_EXAMPLES=1000`, every bug is looked for, and shrunk; that takes half an hour.
WHOLE = "MACHINE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "40"))
PHASES = tuple(Phase) if WHOLE else (Phase.generate,)
QUICK = ("everybody leads", "goes on in the dead", "adopts anything", "shows the ID")


class GuidedMachine(SessionMachine):
    def make_client(self, transport: Transport) -> SessionClient:
        return Guided(transport)


class SimpleMachine(SessionMachine):
    def make_client(self, transport: Transport) -> SessionClient:
        return Simple(transport)


@pytest.mark.parametrize("machine", [GuidedMachine, SimpleMachine])
def test_session_code_without_a_bug_keeps_every_guarantee(machine: type[SessionMachine]) -> None:
    RUN_MACHINE(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            derandomize=not WHOLE,
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize("bug", BUGS if WHOLE else QUICK)
def test_a_bug_is_found_and_named_by_its_guarantee(bug: str) -> None:
    class BuggyMachine(SessionMachine):
        def make_client(self, transport: Transport) -> SessionClient:
            return Simple(transport, bug)

    with pytest.raises(GuaranteeBrokenError) as raised:
        RUN_MACHINE(
            BuggyMachine,
            settings=settings(
                max_examples=3000,
                stateful_step_count=30,
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
                phases=PHASES,
            ),
        )

    assert raised.value.guarantee in BUGS[bug], raised.value
    print(f"{bug}: {len(raised.value.events)} events\n{raised.value}")


class OneByOne:
    """Sends one request after the other."""

    def __init__(self, transport: Transport) -> None:
        self.client = Simple(transport)
        self.lock = asyncio.Lock()

    async def request(
        self, method: str, body: bytes, *, last_event_id: str | None = None
    ) -> int | None:
        async with self.lock:
            return await self.client.request(method, body, last_event_id=last_event_id)


def test_a_client_that_sends_one_request_after_the_other_is_not_called_wedged() -> None:
    class OneByOneMachine(SessionMachine):
        def make_client(self, transport: Transport) -> SessionClient:
            return OneByOne(transport)

    machine = OneByOneMachine()
    machine.open()
    for _ in range(30):
        machine.begin_many(count=4)
    waiting = machine.open_callers()

    machine.teardown()

    assert (len(waiting), machine.open_callers()) == (120, [])


def test_a_client_that_never_answers_a_caller_is_called_wedged() -> None:
    class Wedged(OneByOne):
        async def request(
            self, method: str, body: bytes, *, last_event_id: str | None = None
        ) -> int | None:
            status = await super().request(method, body, last_event_id=last_event_id)
            if b"tools/call" in body:
                await asyncio.Event().wait()
            return status

    class WedgedMachine(SessionMachine):
        def make_client(self, transport: Transport) -> SessionClient:
            return Wedged(transport)

    machine = WedgedMachine()
    machine.open()
    machine.begin_many(count=2)

    with pytest.raises(GuaranteeBrokenError, match="never ends: somebody is wedged"):
        machine.teardown()


def test_the_client_of_the_guide_breaks_one_of_the_guarantees_that_the_guide_names() -> None:
    (code,) = (it.text for it in page_blocks.blocks("python") if "(SessionMachine)" in it.text)
    guide = (page_blocks.ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102 - it is our own

    with pytest.raises(GuaranteeBrokenError) as raised:
        RUN_MACHINE(
            names["NeverRecoversMachine"],
            settings=settings(
                max_examples=3000,
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
                phases=PHASES,
            ),
        )

    said = str(raised.value).splitlines()[0]
    assert said in " ".join(guide.split())
    assert said.startswith(f"guarantee {raised.value.guarantee}: ")
