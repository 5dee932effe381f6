"""Work that can take a millisecond lets other Python threads run meanwhile."""

from collections.abc import Callable

import pytest
from mcp_session import (
    EventReader,
    Session,
    Side,
    admit,
    classify,
    classify_exchange,
    needs_body,
    not_found_response,
    peek,
)
from mcp_session._core import AsgiMachine, RecordedExchange
from mcp_session.server import ServerExchange, ServerPolicy

from beside import others_run_during

LENGTH = 8 * 1024 * 1024
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"' + b"x" * LENGTH + b'"}'
ERROR = b'{"jsonrpc":"2.0","error":{"message":"' + b"x" * LENGTH + b'"}}'
HEADERS = [(b"mcp-session-id", b"1868a90c")]
JSON = [(b"content-type", b"application/json")]
SCOPE = {"type": "http", "method": "POST", "path": "/mcp", "headers": HEADERS}
POLICY = ServerPolicy(max_request_bytes=1 << 30, max_response_bytes=1 << 30)
REQUEST = (
    b"POST /mcp HTTP/1.1\r\nmcp-session-id: x\r\ncontent-length: %d\r\n\r\n" % len(CALL) + CALL
)
RESPONSE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
EVENTS = b": x\n\n" * (LENGTH // 5)


def exchange() -> ServerExchange:
    begun = POLICY.exchange("POST", HEADERS)
    begun.request_piece(CALL, more=False)
    return begun


def answer_as_a_server() -> Callable[[], object]:
    begun = exchange()
    begun.before_handler()
    begun.response_head(400, JSON)
    return lambda: begun.response_piece(ERROR, more=False)


def begin_as_a_server() -> Callable[[], object]:
    return exchange().before_handler


def begin_in_asgi() -> Callable[[], object]:
    machine = AsgiMachine.of(POLICY, SCOPE)
    assert machine is not None
    machine.request({"type": "http.request", "body": CALL})
    return lambda: machine.reads_on


def answer_in_asgi() -> Callable[[], object]:
    machine = AsgiMachine.of(POLICY, SCOPE)
    assert machine is not None
    machine.request({"type": "http.request", "body": CALL})
    assert not machine.reads_on
    return lambda: machine.response({"type": "http.response.start", "status": 404, "headers": []})


def read_by_a_server() -> Callable[[], object]:
    begun = POLICY.exchange("POST", HEADERS)
    return lambda: begun.request_piece(CALL, more=False)


def recorded() -> RecordedExchange:
    return RecordedExchange.parse(REQUEST, RESPONSE, place="", sent=0, answered=1)


def message_of_a_recording() -> Callable[[], object]:
    exchange = recorded()
    return lambda: exchange.message


def verdict_of_a_recording() -> Callable[[], object]:
    exchange = recorded()
    return lambda: exchange.verdict(side=Side.CLIENT, quirks=False)


CALLS: dict[str, Callable[[], Callable[[], object]]] = {
    "peek": lambda: lambda: peek(CALL),
    "admit": lambda: lambda: admit("POST", session_id="x", body=CALL, known=False),
    "classify": lambda: lambda: classify("POST", 404, session_id="x", request_body=CALL),
    "needs_body": lambda: lambda: needs_body("POST", 404, session_id="x", request_body=CALL),
    "classify_exchange": lambda: lambda: classify_exchange(REQUEST, RESPONSE),
    "not_found_response": lambda: lambda: not_found_response(CALL),
    "EventReader.read": lambda: lambda: list(EventReader().read(EVENTS)),
    "Session.before_request": lambda: lambda: Session().before_request("POST", body=CALL),
    "ServerExchange.request_piece": read_by_a_server,
    "ServerExchange.before_handler": begin_as_a_server,
    "ServerExchange.response_piece": answer_as_a_server,
    "AsgiMachine.reads_on": begin_in_asgi,
    "AsgiMachine.response": answer_in_asgi,
    "RecordedExchange.parse": lambda: recorded,
    "RecordedExchange.message": message_of_a_recording,
    "RecordedExchange.verdict": verdict_of_a_recording,
}


@pytest.mark.parametrize("name", CALLS)
def test_other_threads_run_while_a_long_body_is_looked_at(name: str) -> None:
    assert others_run_during(CALLS[name])
