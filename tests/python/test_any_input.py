"""Every public function, given anything: a result, or an error that its documentation names.

Arguments are drawn by the names in the signatures, so a function with an argument that has no
strategy here fails the tests instead of going untested. A panic of the core is a `BaseException`
that nothing here catches.
"""

import inspect
import re
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from typing import Any, cast

import mcp_session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_session import (
    Action,
    AlreadyUsedError,
    Answer,
    Deliver,
    Drop,
    Event,
    EventReader,
    EventTooLong,
    Failure,
    GiveUp,
    Hold,
    Initialized,
    Kind,
    Lead,
    Lookup,
    Message,
    Replaced,
    Resend,
    ResendPolicy,
    Restore,
    Rule,
    Send,
    Session,
    Side,
    Verdict,
    admit,
    classify,
    not_found_response,
    peek,
)
from mcp_session.server import ServerPolicy, ServerStep

SECRET = "c0ffee-1868a90c"  # noqa: S105 - it only plays one
INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
RESULT = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
DOCUMENTED = (TypeError, ValueError, AlreadyUsedError)


class OwnError(Exception):
    """What a caller's own object raises; it is the caller's to see."""


class Hostile:
    """Raises whatever is asked of it."""

    def __repr__(self) -> str:
        msg = f"no repr: {SECRET}"
        raise RuntimeError(msg)

    __str__ = __repr__

    def __index__(self) -> int:
        raise OwnError

    def __buffer__(self, flags: int) -> memoryview:
        raise BufferError(flags)


class Name(str):
    """A `str` that is not exactly one."""

    __slots__ = ()


class Number(int):
    """An `int` that is not exactly one."""


def view(body: bytes) -> memoryview:
    return memoryview(body)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers(), max_size=2)
    | st.sampled_from([object(), int, Side, Action.CLEAR, ResendPolicy.ALL, ...])
    | st.builds(Hostile)
)
# What may stand in a header or a body, and must not be shown, whatever its type.
secretive = st.sampled_from(
    [
        SECRET,
        SECRET.encode(),
        f"{SECRET}\udc80",
        Name(SECRET),
        [SECRET],
        {SECRET: SECRET},
        (SECRET,),
    ]
)
texts = st.none() | st.text() | st.text(st.characters(codec=None)) | secretive
bodies = (
    st.none()
    | st.binary()
    | st.binary().map(bytearray)
    | st.binary().map(view)
    | st.sampled_from([INITIALIZE, RESULT, CALL, b"[]", b'{"id":"%b"' % SECRET.encode()])
    | secretive
)
raws = st.binary() | st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nMcp-Session-Id: %b\r\n\r\n" % SECRET.encode(),
        b"POST / HTTP/1.1\r\nMcp-Session-Id: %b\0\r\n\r\n" % SECRET.encode(),
        b"HTTP/1.1 404 x\r\nMcp-Session-Id: %b\r\n\r\n" % SECRET.encode(),
    ]
)
flags = st.booleans() | anything
ARGUMENTS = {
    "method": st.sampled_from(["POST", "GET", "DELETE", "PUT", Name("POST")]) | anything,
    "status": st.integers(100, 999) | st.builds(Number, st.integers(90, 1010)) | anything,
    "known": st.none() | st.sampled_from(Lookup) | flags,
    "misreports": st.lists(
        st.tuples(st.integers(390, 610) | anything, st.text() | secretive | anything)
        | secretive
        | anything,
        max_size=3,
    )
    | anything
    | secretive,
    "quirks": flags,
    "echo_id": flags,
    "side": st.sampled_from(Side) | anything,
    "resend": st.sampled_from(ResendPolicy) | anything,
    "bound": st.integers(0, 3) | anything,
    "limit": st.integers(0, 64) | anything,
    "request": raws | secretive,
    "response": raws | secretive,
    "data": bodies,
    **dict.fromkeys(
        [
            *("session_id", "protocol_version", "response_session_id", "content_type"),
            *("www_authenticate", "last_event_id", "event_id", "content_encoding", "query"),
        ],
        texts | anything,
    ),
    **dict.fromkeys(
        ["exchange", "hold", "lead", "initialized", "restore", "stream", "cooldown"],
        anything | secretive,
    ),
    **dict.fromkeys(
        ["body", "request_body", "response_body", "body_so_far", "message"], bodies | anything
    ),
}
FUNCTIONS: dict[str, tuple[Callable[..., object], type | tuple[type, ...]]] = {
    "admit": (admit, Verdict),
    "attached_session_id": (mcp_session.attached_session_id, str),
    "classify": (classify, Verdict),
    "classify_exchange": (mcp_session.classify_exchange, Verdict),
    "needs_body": (mcp_session.needs_body, bool),
    "needs_request_body": (mcp_session.needs_request_body, bool),
    "not_found_response": (not_found_response, Answer),
    "peek": (peek, Message),
    "Session": (Session, Session),
    "Session.resumed": (Session.resumed, Session),
    "EventReader": (EventReader, EventReader),
}
headers = st.lists(
    st.tuples(st.sampled_from([b"Mcp-Session-Id", b"content-type", b"x"]), st.binary())
    | st.tuples(st.just(b"mcp-session-id"), secretive)
    | anything,
    max_size=3,
)


def test_every_public_function_is_among_those_given_anything() -> None:
    made_by_the_core = {
        *("Answer", "Cooldown", "Deliver", "Drop", "Event", "EventTooLong", "Exchange", "Failure"),
        *("GiveUp", "Hold", "Initialized", "Lead", "Message", "Replaced", "Resend", "Restore"),
        *("Send", "Stream", "Verdict"),
    }
    public = {
        name
        for name in mcp_session.__all__
        if callable(value := getattr(mcp_session, name))
        and not (isinstance(value, type) and issubclass(value, Enum | Exception))
    }

    # What they take is a client of httpx, and no bytes from anywhere.
    of_the_clients = {"follow", "install", "uninstall"}
    assert public - made_by_the_core - of_the_clients == {
        name for name in FUNCTIONS if "." not in name
    }
    for name in made_by_the_core:
        with pytest.raises(TypeError):
            getattr(mcp_session, name)()


@pytest.mark.parametrize("name", FUNCTIONS)
@given(data=st.data())
def test_a_function_given_anything_answers_or_says_what_was_wrong(
    name: str, data: st.DataObject
) -> None:
    function, result = FUNCTIONS[name]
    arguments = draw_arguments(data, function)

    answer = call(function, arguments)

    assert answer is None or isinstance(answer, result)


@given(data=st.data())
def test_a_session_given_anything_steps_or_says_what_was_wrong(data: st.DataObject) -> None:
    session = data.draw(
        st.sampled_from([Session, lambda: Session.resumed(SECRET), live]), label="session"
    )()
    holds: list[Hold] = []
    for _ in range(data.draw(st.integers(1, 8), label="requests")):
        step = step_of(data, session.before_request)
        for _ in range(4):
            assert SECRET not in repr((session, step))
            match step:
                case Send(exchange) | Resend(exchange):
                    step = step_of(data, session.after_response, exchange)
                case Lead(initialize, hold):
                    assert peek(initialize).is_initialize
                    holds.append(hold)
                    step = step_of(data, session.initialize_answered, step)
                case Initialized():
                    step = step_of(data, session.initialized_answered, step)
                case Restore():
                    step = step_of(data, session.restore_answered, step)
                case Deliver(stream):
                    call(session.saw_message, draw_arguments(data, session.saw_message, stream))
                    call(session.saw_event_id, draw_arguments(data, session.saw_event_id, stream))
                    break
                case Hold():
                    holds.append(step)
                    break
                case _:
                    assert step is None or isinstance(step, Drop | GiveUp | Failure | Replaced)
                    break
        while holds and holds[0].is_settled:
            # A hold that was used once refuses to be used again.
            call(session.after_recovery, {"hold": holds.pop(0)})


@pytest.mark.parametrize(
    "name",
    [
        *("after_response", "after_recovery", "initialize_answered", "initialized_answered"),
        *("restore_answered", "lead_failed", "saw_message", "saw_event_id", "cooldown_over"),
    ],
)
@given(data=st.data())
def test_a_session_given_what_is_no_handle_of_its_own_says_so(
    name: str, data: st.DataObject
) -> None:
    function = getattr(live(), name)

    assert call(function, draw_arguments(data, function)) is None, "no error"


@given(st.data(), headers | anything, headers | anything)
def test_a_served_exchange_given_anything_answers_or_says_what_was_wrong(
    data: st.DataObject, request: Any, response: Any
) -> None:
    method, status = (data.draw(ARGUMENTS[it], label=it) for it in ("method", "status"))
    try:
        begin: Any = ServerPolicy().exchange
        exchange = begin(method, request, data.draw(bodies | anything))
        exchange.request_piece(data.draw(bodies | anything), more=True)
        steps = [exchange.before_handler(), exchange.response_head(status, response)]
        steps.append(exchange.response_piece(data.draw(bodies | anything), more=False))
        assert all(isinstance(step, ServerStep) for step in steps)
        assert SECRET not in repr((exchange, steps, exchange.answer))
    except DOCUMENTED as error:
        assert SECRET not in str(error)


@given(st.integers(0, 64), st.lists(bodies | anything, max_size=5))
def test_a_reader_of_events_given_anything_reads_it_or_says_what_was_wrong(
    limit: int, pieces: list[object]
) -> None:
    reader = EventReader(limit=limit)
    for piece in pieces:
        events = call(reader.read, {"data": piece}, positional=True)
        for event in cast("list[object]", events or []):
            assert isinstance(event, Event | EventTooLong)
    assert isinstance(reader.last_event_id, str)
    assert reader.retry is None or reader.retry >= 0


@given(st.text() | st.binary(max_size=8).map(lambda it: it.decode("utf-8", "surrogateescape")))
def test_any_text_may_name_a_session_and_shows_nowhere(session_id: str) -> None:
    marked = SECRET + session_id
    initialized = classify("POST", 200, request_body=INITIALIZE, response_session_id=marked)
    refused = admit("POST", session_id=marked, body=CALL, known=False)

    assert SECRET not in repr((initialized, refused, classify("GET", 404, session_id=marked)))
    assert initialized.rule in {Rule.SESSION_ASSIGNED, Rule.ILL_FORMED_SESSION_ID}
    assert refused.response == not_found_response(CALL)
    if initialized.action is Action.ADOPT_SESSION:
        assert initialized.session_id == marked


# ---- From many threads at once


def test_functions_and_a_body_that_changes_are_safe_from_many_threads() -> None:
    body = bytearray(CALL)
    stop = threading.Event()
    answers: list[set[object]] = []

    def change() -> None:
        while not stop.is_set():
            body[:] = CALL * 100
            body[:] = CALL

    def ask() -> None:
        seen: set[object] = set()
        for _ in range(2_000):
            seen.add(peek(body).kind)
            seen.add(classify("POST", 404, session_id="x", request_body=body).action)
            seen.add(admit("POST", session_id="x", body=body, known=False).action)
            seen.add(not_found_response(body).status)
        answers.append(seen)

    run_all([change], [ask] * 8, stop)

    allowed = {
        Kind.REQUEST,
        Kind.MALFORMED,
        Action.CLEAR_AND_REINIT,
        Action.NOT_FOUND_RESPONSE,
        404,
    }
    assert len(answers) == 8
    assert set().union(*answers) <= allowed


def test_one_session_and_one_reader_are_safe_from_many_threads() -> None:
    session, reader = live(), EventReader(limit=64)
    stop = threading.Event()
    ended: list[str] = []

    def use(number: int) -> None:
        for turn in range(300):
            step: object = session.before_request("POST", body=CALL)
            reader.read(b"data: %d\n\n" % turn)
            for _ in range(8):
                match step:
                    case Send(exchange) | Resend(exchange):
                        status = 404 if (turn + number) % 3 == 0 else 200
                        step = session.after_response(exchange, status)
                    case Lead():
                        initialized = session.initialize_answered(
                            step, 200, response_session_id="next", message=RESULT
                        )
                        if isinstance(initialized, Initialized):
                            session.initialized_answered(initialized, 202)
                        step = session.after_recovery(step.hold)
                    case Hold() if step.is_settled:
                        step = session.after_recovery(step)
                    case _:
                        break
            ended.append(type(step).__name__)

    run_all([], [partial(use, number) for number in range(8)], stop)

    assert len(ended) == 8 * 300
    assert set(ended) <= {"Deliver", "Drop", "GiveUp", "Hold"}
    assert "Deliver" in ended


# ---- Helpers


def draw_arguments(
    data: st.DataObject, function: Callable[..., object], *given_first: object
) -> dict[str, object]:
    parameters = list(inspect.signature(function).parameters.values())
    arguments: dict[str, object] = dict(
        zip((it.name for it in parameters), given_first, strict=False)
    )
    for parameter in parameters[len(given_first) :]:
        is_required = parameter.default is inspect.Parameter.empty
        if is_required or data.draw(st.booleans(), label=f"with {parameter.name}"):
            arguments[parameter.name] = data.draw(ARGUMENTS[parameter.name], label=parameter.name)
    return arguments


def call(
    function: Callable[..., object], arguments: dict[str, object], *, positional: bool = False
) -> object:
    """What the function gives; `None` where it raised what its documentation says."""
    try:
        return function(*arguments.values()) if positional else function(**arguments)
    except OwnError:
        return None
    except DOCUMENTED as error:
        text = str(error)
        assert SECRET not in text
        assert error.__cause__ is None or SECRET not in str(error.__cause__)
        # A handle that is none is named by its type alone, as the binding's framework has it.
        is_no_handle = re.fullmatch(r"'[\w.]+'( object)? is not an instance of '[A-Z]\w+'", text)
        assert is_no_handle or text.startswith((*arguments, "this ")), text
        return None


def step_of(data: st.DataObject, function: Callable[..., object], *handle: object) -> Any:
    return call(function, draw_arguments(data, function, *handle))


def live() -> Session:
    session = Session()
    step = session.before_request("POST", body=INITIALIZE)
    assert isinstance(step, Send)
    session.after_response(step.exchange, 200, response_session_id=SECRET)
    return session


def run_all(
    background: list[Callable[[], None]], work: list[Callable[[], None]], stop: threading.Event
) -> None:
    """Run everything at once; what runs in the background stops after the work is done."""
    failures: list[BaseException] = []

    def watched(function: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - a panic counts too
                failures.append(error)

        return run

    def started(functions: list[Callable[[], None]]) -> Iterator[threading.Thread]:
        for function in functions:
            thread = threading.Thread(target=watched(function))
            thread.start()
            yield thread

    behind, workers = list(started(background)), list(started(work))
    for thread in workers:
        thread.join(120)
    stop.set()
    for thread in behind:
        thread.join(120)
    assert not failures
    assert not [thread for thread in [*workers, *behind] if thread.is_alive()]
