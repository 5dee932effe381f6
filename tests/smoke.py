"""Says whether an installed mcp_session works, with nothing but Python: `python -I tests/smoke.py`.

What is published is asked this on every platform before it goes out.
"""

import sys
from pathlib import Path
from typing import Any

import mcp_session
from mcp_session import Action, Event, EventReader, Kind, Lead, Send, Session, classify, peek

RIGHT = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'


def main() -> None:
    """Ask each part of the compiled core once."""
    where = Path(mcp_session.__file__)
    assert Path(__file__).parents[1] / "python" not in where.parents, f"{where} is the source"
    verdict = classify("POST", 404, session_id="1868a90c")
    assert verdict.action is Action.CLEAR_AND_REINIT
    assert verdict.rule.quote.startswith("When a client receives HTTP 404")
    assert peek(b'{"jsonrpc":"2.0","id":7,"method":"ping"}').kind is Kind.REQUEST
    answer = mcp_session.not_found_response(b'{"jsonrpc":"2.0","id":7,"method":"ping"}')
    assert (answer.status, answer.body) == (404, RIGHT)
    (event,) = EventReader().read(b"data: 1\n\n")
    assert isinstance(event, Event)
    assert event.data == "1"
    session = Session()
    first = session.before_request("POST", body=b'{"id":0,"method":"initialize"}')
    assert isinstance(first, Send)
    session.after_response(first.exchange, 200, response_session_id="1868a90c")
    call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
    assert isinstance(call, Send)
    assert isinstance(session.after_response(call.exchange, 404), Lead)
    assert refusal() == "method must be str, not object"
    print(f"mcp_session {mcp_session.__version__} works in {where.parent}, Python {sys.version}")


def refusal() -> str:
    """Give what a wrong argument is answered."""
    method: Any = object()
    try:
        classify(method, 404)
    except TypeError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    main()
