"""The session machine through the binding: its guarantees from Python, threads and tasks."""
# Hypothesis' state machines have no types in its versions for CPython 3.10.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import gc
import re
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mcp_session import (
    Action,
    AlreadyUsedError,
    Deliver,
    Drop,
    Exchange,
    Failure,
    GiveUp,
    Hold,
    Initialized,
    Lead,
    Reason,
    Replaced,
    Resend,
    ResendPolicy,
    Restore,
    Rule,
    Send,
    Session,
)

from golden import TESTS

INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
RESULT = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
NOTIFICATION = b'{"jsonrpc":"2.0","method":"notifications/progress"}'
Answer = tuple[int, dict[str, str], bytes]
Step = Send | Resend | Hold | Lead | Deliver | Drop | GiveUp


def call(number: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":"tools/call"}' % number


def live(session_id: str | None = "first", **options: Any) -> Session:
    session = Session(**options)
    step = session.before_request("POST", body=INITIALIZE)
    assert isinstance(step, Send)
    delivered = session.after_response(step.exchange, 200, response_session_id=session_id)
    assert isinstance(delivered, Deliver)
    return session


def begin(session: Session, body: bytes) -> Send:
    step = session.before_request("POST", body=body)
    assert isinstance(step, Send)
    return step


def lead(session: Session, number: int = 1) -> Lead:
    step = session.after_response(begin(session, call(number)).exchange, 404)
    assert isinstance(step, Lead)
    return step


def succeed(session: Session, leader: Lead, session_id: str | None = "second") -> None:
    initialized = session.initialize_answered(
        leader, 200, response_session_id=session_id, message=RESULT
    )
    assert isinstance(initialized, Initialized)
    assert isinstance(session.initialized_answered(initialized, 202), Replaced)


# ---- What Python adds


def test_each_handle_is_used_once() -> None:
    session = live()
    send = begin(session, call(1))
    leader = session.after_response(send.exchange, 404)
    assert isinstance(leader, Lead)
    with pytest.raises(AlreadyUsedError, match="this Exchange has been used"):
        session.after_response(send.exchange, 404)
    initialized = session.initialize_answered(
        leader, 200, response_session_id="second", message=RESULT
    )
    assert isinstance(initialized, Initialized)
    with pytest.raises(AlreadyUsedError, match="this Lead has been used"):
        session.lead_failed(leader)
    assert isinstance(session.initialized_answered(initialized, 202), Replaced)
    with pytest.raises(AlreadyUsedError, match="this Initialized has been used"):
        session.initialized_answered(initialized, 202)
    session.after_recovery(leader.hold)
    with pytest.raises(AlreadyUsedError, match="this Hold has been used"):
        session.after_recovery(leader.hold)


def test_a_leader_that_leaves_its_context_without_an_outcome_hands_over() -> None:
    session = live()
    waits = begin(session, call(2))
    with lead(session):
        held = session.after_response(waits.exchange, 404)
        assert isinstance(held, Hold)
        assert not held.is_settled

    assert held.is_settled
    assert isinstance(session.after_recovery(held), Lead)


def test_a_leader_that_is_garbage_hands_over() -> None:
    session = live()
    leader = lead(session)
    held = session.before_request("POST", body=call(2))
    assert isinstance(held, Hold)

    del leader
    gc.collect()

    assert isinstance(session.after_recovery(held), Lead)


def test_an_abandoned_exchange_ends_nothing() -> None:
    session = live()
    with begin(session, call(1)).exchange:
        pass

    assert begin(session, call(2)).session_id == "first"


def changeable_view(body: bytes) -> memoryview:
    return memoryview(bytearray(body))


@pytest.mark.parametrize("changeable", [bytearray, changeable_view])
def test_a_body_that_is_changed_after_it_was_asked_about_is_judged_as_it_was(
    changeable: Callable[[bytes], bytearray | memoryview],
) -> None:
    session = Session()
    initialize = changeable(INITIALIZE)
    step = session.before_request("POST", body=initialize)
    assert isinstance(step, Send)
    initialize[:] = b" " * len(INITIALIZE)
    session.after_response(step.exchange, 200, response_session_id="first")

    body = changeable(b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}')
    step = session.before_request("POST", body=body)
    assert isinstance(step, Send)
    body[:] = b" " * len(body)

    assert lead(session).initialize == INITIALIZE
    given_up = session.after_response(step.exchange, 404)
    assert isinstance(given_up, GiveUp)
    assert given_up.reason is Reason.NOT_RESENT


def test_the_streams_of_one_response_are_equal() -> None:
    session = live()
    first = session.after_response(begin(session, call(1)).exchange, 200)
    assert isinstance(first, Deliver)
    assert first.stream == first.stream
    assert len({first.stream, first.stream}) == 1
    opened = session.before_request("GET")
    assert isinstance(opened, Send)
    standalone = session.after_response(opened.exchange, 200)
    assert isinstance(standalone, Deliver)
    assert standalone.stream != first.stream


def test_no_id_shows_in_a_repr() -> None:
    secret = "c0ffee-1868a90c"  # noqa: S105 - it only plays one
    session = live(secret)
    send = begin(session, call(1))
    leader = session.after_response(send.exchange, 404)
    assert isinstance(leader, Lead)
    initialized = session.initialize_answered(
        leader, 200, response_session_id=secret, message=RESULT
    )
    with pytest.raises(ValueError, match="visible ASCII") as error:
        Session.resumed(f"{secret} ")

    shown = [repr(it) for it in (session, send, leader, leader.hold, initialized, error.value)]
    assert not [text for text in shown if secret in text]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bound": -1}, ValueError, "bound must be 0 to 4294967295, not -1"),
        ({"bound": "2"}, TypeError, "bound must be an int, not str"),
        ({"resend": "all"}, TypeError, "resend must be a ResendPolicy, not str"),
        ({"quirks": 1}, TypeError, "quirks must be a bool, not int"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        Session(**options)

    assert str(raised.value) == message


def test_the_negotiated_version_replaces_the_callers() -> None:
    session = live()
    leader = lead(session)
    succeed(session, leader)
    again = session.after_recovery(leader.hold)

    assert isinstance(again, Send)
    assert (again.session_id, again.protocol_version) == ("second", "2025-11-25")


def test_replies_and_event_ids_of_the_dead_session_stay_there() -> None:
    session = live()
    delivered = session.after_response(begin(session, call(1)).exchange, 200)
    assert isinstance(delivered, Deliver)
    session.saw_message(delivered.stream, b'{"id":7,"method":"sampling/createMessage"}')
    session.saw_event_id(delivered.stream, "event-1")
    leader = lead(session)
    succeed(session, leader)

    assert isinstance(session.before_request("POST", body=b'{"id":7,"result":{}}'), Drop)
    lost = session.before_request("GET", last_event_id="event-1")
    assert isinstance(lost, GiveUp)
    assert lost.reason is Reason.STREAM_LOST


@pytest.mark.parametrize("policy", ResendPolicy)
def test_a_tool_call_is_resent_by_the_default_policy_only(policy: ResendPolicy) -> None:
    session = live(resend=policy)
    step = session.after_response(begin(session, call(1)).exchange, 404)

    assert isinstance(step, Lead) == (policy is ResendPolicy.ALL)
    assert policy is ResendPolicy.ALL or (
        isinstance(step, GiveUp) and step.reason is Reason.NOT_RESENT
    )


def test_a_handle_of_another_session_is_refused_and_nothing_is_used_up() -> None:
    session, other = live(), live()
    send = begin(session, call(1))
    with pytest.raises(ValueError, match="this Exchange is of another Session"):
        other.after_response(send.exchange, 404)
    leader = session.after_response(send.exchange, 404)
    assert isinstance(leader, Lead)
    with pytest.raises(ValueError, match="this Lead is of another Session"):
        other.initialize_answered(leader, 200, response_session_id="x", message=RESULT)
    with pytest.raises(ValueError, match="this Lead is of another Session"):
        other.lead_failed(leader)
    with pytest.raises(ValueError, match="this Hold is of another Session"):
        other.after_recovery(leader.hold)
    initialized = session.initialize_answered(
        leader, 200, response_session_id="second", message=RESULT
    )
    assert isinstance(initialized, Initialized)
    with pytest.raises(ValueError, match="this Initialized is of another Session"):
        other.initialized_answered(initialized, 202)

    assert other.is_live
    assert isinstance(session.initialized_answered(initialized, 202), Replaced)
    assert isinstance(session.after_recovery(leader.hold), Send)


def test_a_body_that_looks_at_its_own_hold_when_it_dies_locks_nothing() -> None:
    seen: list[bool] = []

    class Curious(bytes):
        hold: Hold

        def __del__(self) -> None:
            seen.append(self.hold.is_settled)

    session = live()
    leader = lead(session)
    body = Curious(call(2))
    hold = session.before_request("POST", body=body)
    assert isinstance(hold, Hold)
    body.hold = hold
    del body

    with hold:
        pass
    gc.collect()

    assert seen
    with leader:
        pass


def test_a_body_that_points_to_its_own_handle_is_collected() -> None:
    class Body(bytes):
        step: Any
        mark: set[int]

    body = Body(call(1))
    body.step, body.mark = begin(live(), body), {1}
    # There are no weak references to bytes.
    gone = weakref.ref(body.mark)
    del body
    gc.collect()

    assert gone() is None


def test_a_session_can_be_asked_while_it_reads_a_long_body() -> None:
    session = live()
    body = b"[" + b'{"jsonrpc":"2.0","method":"n"},' * 400_000 + b'{"method":"n"}]'
    done = threading.Event()
    turns = 0

    def read() -> None:
        session.before_request("POST", body=body)
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    while not done.is_set():
        assert session.is_live
        turns += 1
    thread.join()

    assert turns > 0


def test_a_step_tells_what_the_response_meant() -> None:
    session = live()
    send = begin(session, call(1))
    assert (send.rule, send.action, send.ended_session, send.generation) == (None, None, False, 1)

    leader = session.after_response(send.exchange, 404)

    assert isinstance(leader, Lead)
    assert (leader.rule, leader.action) == (Rule.TERMINATED_POST, Action.CLEAR_AND_REINIT)
    assert (leader.ended_session, leader.revived_session, leader.generation) == (True, False, 1)


def test_a_refused_replacement_is_tried_out_and_revived() -> None:
    session = live(bound=9)
    refused = session.initialize_answered(lead(session), 500)
    assert isinstance(refused, Failure)
    assert (refused.reason, refused.text[:21]) == (
        Reason.INITIALIZE_REFUSED,
        "the session has ended",
    )

    trial = begin(session, call(2))
    assert (trial.is_trial, trial.session_id) == (True, "first")
    assert isinstance(session.before_request("POST", body=call(3)), Hold)
    delivered = session.after_response(trial.exchange, 200)

    assert isinstance(delivered, Deliver)
    assert delivered.revived_session
    assert session.is_live


def test_the_circuit_says_how_long_to_wait() -> None:
    session = live(bound=1)
    given_up = session.after_response(begin(session, call(1)).exchange, 404)
    assert isinstance(given_up, GiveUp)
    cooldown = given_up.retry_after
    assert cooldown is not None
    assert (given_up.reason, cooldown.seconds) == (Reason.BOUND_REACHED, 1.0)
    again = session.before_request("GET")
    assert isinstance(again, GiveUp)
    assert again.retry_after == cooldown

    session.cooldown_over(cooldown)

    assert isinstance(session.before_request("POST", body=call(2)), Lead)


def test_questions_of_two_sessions_keep_apart() -> None:
    question = b'{"jsonrpc":"2.0","id":7,"method":"elicitation/create"}'
    session = live()
    first = session.after_response(begin(session, call(1)).exchange, 200)
    assert isinstance(first, Deliver)
    assert session.saw_message(first.stream, question) is None
    succeed(session, lead(session))
    (notice,) = session.take_notices()
    assert notice.startswith(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":')
    assert notice.endswith(b'{"requestId":7,"reason":"the session has ended"}}')
    second = session.after_response(begin(session, call(2)).exchange, 200)
    assert isinstance(second, Deliver)

    shown = session.saw_message(second.stream, question)

    assert shown == question.replace(b"7", b'"mcp-session-question-1"')
    assert isinstance(session.before_request("POST", body=b'{"id":7,"result":{}}'), Drop)
    reply = begin(session, b'{"id":"mcp-session-question-1","result":{}}')
    assert reply.body == b'{"id":7,"result":{}}'
    assert session.take_notices() == []


def test_what_a_new_session_is_told_and_what_it_refuses() -> None:
    session = live()
    for number, (method, parameter) in enumerate(
        [("logging/setLevel", b'"level":"debug"'), ("resources/subscribe", b'"uri":"test://a"')]
    ):
        request = b'{"id":%d,"method":"%s","params":{%s}}' % (number, method.encode(), parameter)
        told = session.after_response(begin(session, request).exchange, 200)
        assert isinstance(told, Deliver)
        session.saw_message(told.stream, b'{"id":%d,"result":{}}' % number)
    initialized = session.initialize_answered(
        lead(session, 9), 200, response_session_id="second", message=RESULT
    )
    assert isinstance(initialized, Initialized)

    level = session.initialized_answered(initialized, 202)
    assert isinstance(level, Restore)
    assert (level.method, level.session_id) == ("logging/setLevel", "second")
    assert b'"params":{"level":"debug"}' in level.body
    answer = level.body.replace(b'"method"', b'"result":{},"x"')
    resource = session.restore_answered(level, 200, message=answer)
    assert isinstance(resource, Restore)
    replaced = session.restore_answered(resource, 404)

    assert isinstance(replaced, Replaced)
    assert replaced.refused == [("resources/subscribe", "the answer was 404")]


def test_a_request_that_is_cancelled_while_it_is_refused_ends() -> None:
    session = live()
    send = begin(session, call(1))
    cancelled = b'{"method":"notifications/cancelled","params":{"requestId":1.0}}'
    assert isinstance(session.before_request("POST", body=cancelled), Send)
    assert send.exchange.is_cancelled

    given_up = session.after_response(send.exchange, 404)

    assert isinstance(given_up, GiveUp)
    assert given_up.reason is Reason.CANCELLED


# ---- Threads


class Crowd:
    """Requests whose 404s all come at once, in as many threads as there are."""

    def __init__(self) -> None:
        self.session = live()
        self.settled = threading.Event()
        self.leads: list[int] = []
        self.delivered: list[bool] = []

    def work(self, exchanges: list[Exchange]) -> None:
        steps = [self.session.after_response(exchange, 404) for exchange in exchanges]
        self.delivered.extend(self.finish(step) for step in steps)

    def finish(self, step: Step) -> bool:
        while True:
            match step:
                case Resend(exchange) | Send(exchange):
                    step = self.session.after_response(exchange, 200)
                case Lead(_, hold):
                    self.leads.append(step.recovery)
                    succeed(self.session, step)
                    self.settled.set()
                    step = self.session.after_recovery(hold)
                case Hold():
                    assert self.settled.wait(30)
                    step = self.session.after_recovery(step)
                case _:
                    return isinstance(step, Deliver)


@pytest.mark.parametrize("attempt", range(3))
def test_a_thousand_404s_in_sixteen_threads_have_one_leader_and_nobody_waits_for_ever(
    attempt: int,
) -> None:
    del attempt
    crowd = Crowd()
    exchanges = [begin(crowd.session, call(number)).exchange for number in range(1000)]
    threads = [threading.Thread(target=crowd.work, args=(exchanges[it::16],)) for it in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not [thread for thread in threads if thread.is_alive()]
    assert len(crowd.leads) == 1
    assert crowd.delivered == [True] * 1000


# ---- The example of the guide


class Server:
    """Plays what the six situations need, over the example's transport."""

    def __init__(self) -> None:
        self.alive: str | None = None
        self.born = 0
        self.initializes = 0
        self.asked = asyncio.Event()
        self.forgets = False
        self.gate: asyncio.Event | None = None
        self.get_status = 200
        self.refuses = False
        self.answer: bytes | None = None
        self.refusal: Answer | None = None
        self.says_of_lost: Answer | None = None
        self.bodies: list[bytes] = []

    async def __call__(self, method: str, session_id: str | None, body: bytes) -> Answer:
        knows = session_id is not None and session_id == self.alive
        await asyncio.sleep(0)
        self.bodies.append(body)
        if body == INITIALIZE:
            self.initializes += 1
            if self.refuses:
                return 400, {}, b"Server already initialized"
            if self.gate:
                self.asked.set()
                await self.gate.wait()
            self.born += 1
            self.alive = f"session-{self.born}"
            return 200, {"mcp-session-id": self.alive}, RESULT
        if method == "GET":
            return self.get_status, {}, b""
        if b"notifications/" in body:
            return (202 if knows else 404), {}, b""
        if self.forgets:
            self.alive, self.refusal = None, (404, {}, b"")
        if refusal := self.refusal or (None if knows else self.says_of_lost):
            return refusal
        return (200 if knows else 404), {}, self.answer or body


def example() -> Callable[[Server], Any]:
    guide = (TESTS.parent / "docs" / "session.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(blocks[0], "docs/session.md", "exec"), names)  # noqa: S102 - it is our own
    client: Callable[[Server], Any] = names["Client"]
    return client


def recovering(scenario: Callable[[Any, Server], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        async def main() -> None:
            server = Server()
            client = example()(server)
            assert await client.request("POST", INITIALIZE) == (200, RESULT)
            await asyncio.wait_for(scenario(client, server), 30)

        asyncio.run(main())

    return test


@recovering
async def test_the_example_recovers_from_a_plain_404(client: Any, server: Server) -> None:
    server.alive = None

    assert await client.request("POST", call(1)) == (200, call(1))
    assert server.initializes == 2


@recovering
async def test_the_example_recovers_from_twenty_404s_at_once_with_one_initialize(
    client: Any, server: Server
) -> None:
    server.alive = None

    answers = await asyncio.gather(*(client.request("POST", call(it)) for it in range(20)))

    assert answers == [(200, call(number)) for number in range(20)]
    assert server.initializes == 2


@recovering
async def test_the_example_survives_a_late_404_of_the_old_session(
    client: Any, server: Server
) -> None:
    step = client.session.before_request("POST", body=call(99))
    server.alive = None
    assert await client.request("POST", call(1)) == (200, call(1))

    late = client.session.after_response(step.exchange, 404)

    assert isinstance(late, Resend)
    assert late.session_id == server.alive
    assert await client.request("POST", call(2)) == (200, call(2))
    assert server.initializes == 2


@recovering
async def test_the_example_survives_a_leader_that_is_cancelled_in_the_middle(
    client: Any, server: Server
) -> None:
    server.alive, server.gate = None, asyncio.Event()
    leader = asyncio.create_task(client.request("POST", call(1)))
    await server.asked.wait()
    waiting = [asyncio.create_task(client.request("POST", call(it))) for it in range(2, 5)]
    await asyncio.sleep(0.01)

    leader.cancel()
    server.gate.set()

    assert await asyncio.gather(*waiting) == [(200, call(number)) for number in range(2, 5)]
    assert leader.cancelled()
    assert server.initializes == 3


@recovering
async def test_the_example_stops_at_the_bound_where_a_server_forgets_every_session(
    client: Any, server: Server
) -> None:
    server.forgets = True
    assert (await client.request("POST", call(1)))[0] == 404
    before = server.initializes
    for number in range(2, 9):
        with pytest.raises(ConnectionError, match="without one success"):
            await client.request("POST", call(number))
    assert server.initializes == before

    server.forgets, server.refusal = False, None
    await asyncio.sleep(1.1)
    assert await client.request("POST", call(9)) == (200, call(9))


@recovering
async def test_the_example_uses_a_session_on_that_its_server_would_not_replace(
    client: Any, server: Server
) -> None:
    alive, server.alive, server.refuses = server.alive, None, True
    with pytest.raises(ConnectionError, match="gave no new one"):
        await client.request("POST", call(1))
    server.alive = alive

    answers = await asyncio.gather(*(client.request("POST", call(it)) for it in range(2, 9)))

    assert answers == [(200, call(number)) for number in range(2, 9)]
    assert server.initializes == 2


@recovering
async def test_the_example_tells_a_new_session_what_the_old_one_was_told(
    client: Any, server: Server
) -> None:
    told = b'{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"debug"}}'
    server.answer = b'{"jsonrpc":"2.0","id":7,"result":{}}'
    await client.request("POST", told)
    server.alive, server.answer = None, None

    assert await client.request("POST", call(8)) == (200, call(8))
    (restored,) = [body for body in server.bodies if b"mcp-session-restore" in body]
    assert restored.endswith(b'"method":"logging/setLevel","params":{"level":"debug"}}')
    assert server.bodies.index(restored) < server.bodies.index(call(8), 4)


@recovering
async def test_the_example_is_not_misled_by_a_401_with_a_challenge(
    client: Any, server: Server
) -> None:
    said = b"session not found"
    server.refusal = 401, {"www-authenticate": "Bearer", "content-type": "text/plain"}, said

    assert await client.request("POST", call(1)) == (401, said)
    assert server.initializes == 1


@recovering
async def test_the_example_recovers_from_what_only_the_body_tells(
    client: Any, server: Server
) -> None:
    error = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":1}'
    for number, lost in enumerate(
        (
            (400, {"content-type": "text/plain"}, b"unknown session"),
            (400, {"content-type": "application/json"}, error),
        )
    ):
        server.alive, server.says_of_lost = None, lost
        begun = server.initializes

        assert await client.request("POST", call(number)) == (200, call(number))
        assert server.initializes == begun + 1


@recovering
async def test_the_example_does_not_loop_where_a_get_always_gets_404(
    client: Any, server: Server
) -> None:
    server.get_status = 404

    for _ in range(5):
        assert (await client.request("GET"))[0] == 404

    assert server.initializes == 1
    assert await client.request("POST", call(1)) == (200, call(1))


# ---- Any sequence


class AnySequence(RuleBasedStateMachine):
    """Requests, answers in any order, leaders that succeed, fail or vanish."""

    def __init__(self) -> None:
        super().__init__()
        self.session = live()
        self.given_out = 1
        self.in_flight: list[Exchange] = []
        self.open_leads: list[Lead] = []
        self.waiting: list[Hold] = []
        self.closed = False

    def take(self, step: Step) -> None:
        if isinstance(step, (Send, Resend)):
            self.sent(step)
        elif isinstance(step, Lead):
            self.open_leads.append(step)
            self.waiting.append(step.hold)
        elif isinstance(step, Hold):
            self.waiting.append(step)

    def sent(self, step: Send | Resend) -> None:
        """Guarantee 9, told from what goes out."""
        assert not (self.closed and isinstance(step, Resend))
        self.in_flight.append(step.exchange)

    @rule(
        body=st.sampled_from([call(1), call(2), NOTIFICATION, INITIALIZE, b'{"id":1,"result":{}}']),
    )
    def request(self, body: bytes) -> None:
        step = self.session.before_request("POST", body=body)
        self.take(step)
        if body == INITIALIZE and isinstance(step, Send):
            assert step.session_id is None

    @rule(event_id=st.none() | st.just("event"))
    def stream(self, event_id: str | None) -> None:
        self.take(self.session.before_request("GET", last_event_id=event_id))

    @rule(
        data=st.data(),
        status=st.sampled_from([200, 202, 400, 404, 404, 404, 500]),
        with_id=st.booleans(),
    )
    def respond(self, data: Any, status: int, with_id: bool) -> None:  # noqa: FBT001
        if not self.in_flight:
            return
        place = data.draw(st.integers(0, len(self.in_flight) - 1))
        self.given_out += with_id
        self.take(
            self.session.after_response(
                self.in_flight.pop(place),
                status,
                response_session_id=f"id-{self.given_out}" if with_id else None,
            )
        )

    @rule(data=st.data(), outcome=st.sampled_from(["succeeds", "fails", "refused", "vanishes"]))
    def settle(self, data: Any, outcome: str) -> None:
        if not self.open_leads:
            return
        leader = self.open_leads.pop(data.draw(st.integers(0, len(self.open_leads) - 1)))
        match outcome:
            case "succeeds":
                self.given_out += 1
                initialized = self.session.initialize_answered(
                    leader, 200, response_session_id=f"id-{self.given_out}", message=RESULT
                )
                if isinstance(initialized, Initialized):
                    self.session.initialized_answered(initialized, 202)
                else:
                    assert self.closed
                    assert initialized.orphan_session_id == f"id-{self.given_out}"
            case "fails":
                assert isinstance(self.session.lead_failed(leader), Failure)
            case "refused":
                assert isinstance(self.session.initialize_answered(leader, 500), Failure)
            case _:
                with leader:
                    pass

    @rule(data=st.data())
    def ask_again(self, data: Any) -> None:
        if self.waiting:
            place = data.draw(st.integers(0, len(self.waiting) - 1))
            self.take(self.session.after_recovery(self.waiting.pop(place)))

    @rule()
    def delete(self) -> None:
        step = self.session.before_request("DELETE")
        self.closed = True
        assert isinstance(step, Send)
        self.take(step)

    @invariant()
    def at_most_one_leads(self) -> None:
        assert len(self.open_leads) <= 1

    def teardown(self) -> None:
        """Guarantee 3: once each leader and each trial is done, nobody waits any more."""
        for _ in range(1000):
            while self.in_flight:
                with self.in_flight.pop():
                    pass
            while self.open_leads:
                self.session.lead_failed(self.open_leads.pop())
            if not self.waiting:
                break
            self.take(self.session.after_recovery(self.waiting.pop()))
        assert not self.waiting


AnySequence.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestAnySequence = AnySequence.TestCase


# ---- The diagram of the guide


def test_the_diagram_of_the_guide_shows_every_transition_and_no_other() -> None:
    guide = (TESTS.parent / "docs" / "session.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+) --> (\w+): (.+)$", guide, flags=re.MULTILINE)

    assert sorted(drawn) == sorted(transitions())


def transitions() -> set[tuple[str, str, str]]:
    """Walk from each state by each operation."""
    found: set[tuple[str, str, str]] = set()
    for way in WAYS:
        for name, operate in OPERATIONS.items():
            walk = Walk(way)
            before = state(walk.session)
            operate(walk)
            after = state(walk.session)
            # Where nothing is sent, what would have come back cannot have mattered.
            if before != after or (name, after) == ("initialize 2xx", "live"):
                label = "request" if (before, name) == ("lost", "404 to a request") else name
                found.add((before, after, label))
    return found


class Walk:
    """A session, and what it has answered so far, kept so that nothing is abandoned."""

    def __init__(self, way: tuple[str, ...]) -> None:
        self.session = Session(bound=100)
        self.kept: list[Any] = []
        for name in way:
            OPERATIONS[name](self)

    def exchange(self, method: str, body: bytes, status: int) -> None:
        step: Step = self.session.before_request(method, body=body)
        if isinstance(step, Send):
            step = self.session.after_response(step.exchange, status, response_session_id="new")
        self.kept.append(step)

    def send(self) -> None:
        if state(self.session) == "doubted":
            self.kept.append(self.session.before_request("POST", body=call(4)))

    def answer(self, status: int) -> None:
        if state(self.session) == "trying":
            trial = self.kept.pop()
            self.kept.append(self.session.after_response(trial.exchange, status))

    def by_leader(self, act: Callable[[Session, Lead], Any]) -> None:
        if state(self.session) == "recovering":
            leader = next(step for step in self.kept if isinstance(step, Lead))
            self.kept.append(act(self.session, leader))


OPERATIONS: dict[str, Callable[[Walk], None]] = {
    "initialize 2xx": lambda walk: walk.exchange("POST", INITIALIZE, 200),
    "404 to a request": lambda walk: walk.exchange("POST", call(2), 404),
    "404 to a notification": lambda walk: walk.exchange("POST", NOTIFICATION, 404),
    "request": lambda walk: walk.exchange("POST", call(3), 200),
    "DELETE": lambda walk: walk.exchange("DELETE", b"", 200),
    "leader succeeds": lambda walk: walk.by_leader(succeed),
    "leader fails": lambda walk: walk.by_leader(Session.lead_failed),
    "leader cancelled": lambda walk: walk.by_leader(lambda _, it: it.__exit__(None, None, None)),
    "leader refused": lambda walk: walk.by_leader(
        lambda it, lead: it.initialize_answered(lead, 500)
    ),
    "request sent": lambda walk: walk.send(),
    "2xx to the trial": lambda walk: walk.answer(200),
    "404 to the trial": lambda walk: walk.answer(404),
    "500 to the trial": lambda walk: walk.answer(500),
}
REFUSED = ("initialize 2xx", "404 to a request", "leader refused")
# One way into each of the seven states.
WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("initialize 2xx",),
    ("initialize 2xx", "404 to a notification"),
    ("initialize 2xx", "404 to a request"),
    REFUSED,
    (*REFUSED, "request sent"),
    ("initialize 2xx", "DELETE"),
)


def state(session: Session) -> str:
    (name,) = re.findall(r'state: "(\w+)"', repr(session))
    return str(name)
