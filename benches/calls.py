"""What the calls of the binding cost, beside what a user would take instead.

Run by `benches/run.py` with the environment it made; prints one JSON object.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h11
import jiter
import msgspec
import orjson
import pure_python
from harness import Case, Figures, measure, pin
from mcp_session import (
    Send,
    Session,
    classify,
    classify_exchange,
    needs_body,
    not_found_response,
    peek,
)

READERS = ("json", "jiter", "orjson", "msgspec", "ours")
KINDS = {
    "dense": "dense structure",
    "blob": "one big string",
    "ascii": "strings of ASCII",
    "text": "strings not ASCII",
}
SIZES = {"1 KB": 1_000, "10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
REQUEST = (
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
    b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    b"MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: 1868a90c4d4b4f0f8a2f0e9a6a0a7a11\r\n"
    b"User-Agent: bench\r\nContent-Length: 0\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 404 Not Found\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nServer: uvicorn\r\n"
    b"Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
)


class Typed(msgspec.Struct):
    """What msgspec needs to read of a message: all else it skips."""

    id: int | str | None = None
    method: str | None = None


def main() -> None:
    """Measure everything, pinned to one processor."""
    measure_program, empty_module = Path(sys.argv[1]), Path(sys.argv[2])
    pin()
    call = body(measure_program, "call", 0)
    results = {
        "calls": calls(call, loaded("empty", empty_module)),
        "bodies": bodies(measure_program),
    }
    json.dump(results, sys.stdout)


def calls(call: bytes, empty: Any) -> dict[str, dict[str, float]]:
    """Time the small calls in turns: nanoseconds, and the ratio to the empty call."""
    session = live()
    typed = msgspec.json.Decoder(Typed)
    names: dict[str, Any] = {
        "attached": "1868a90c",
        "before": session.before_request,
        "after": session.after_response,
        "call": call,
        "classify": classify,
        "classify_exchange": classify_exchange,
        "empty": empty.call,
        "h11_status": h11_status,
        "jiter": jiter.from_json,
        "jiter_answer": jiter_answer,
        "json_answer": json_answer,
        "make": empty.make,
        "needs_body": needs_body,
        "not_found_response": not_found_response,
        "orjson_answer": orjson_answer,
        "peek": peek,
        "ported": pure_python.classify,
        "request": REQUEST,
        "response": RESPONSE,
        "typed": typed,
        "typed_answer": typed_answer(typed),
    }
    statements = {
        "an empty pyo3 call": "empty()",
        "an empty pyo3 call that returns an object": "make()",
        "classify, 404": "classify('POST', 404, session_id=attached)",
        "classify, 404: the SDKs' own check": "404 == 404 and attached is not None",
        "classify, 404: pure Python": "ported('POST', 404, session_id=attached)",
        "classify, 200": "classify('POST', 200, session_id=attached)",
        "classify, 200: pure Python": "ported('POST', 200, session_id=attached)",
        "needs_body, 200": "needs_body('POST', 200, session_id=attached, quirks=True)",
        "peek, 130 bytes": "peek(call)",
        "peek, 130 bytes: jiter": "jiter(call)",
        "peek, 130 bytes: msgspec": "typed.decode(call)",
        "404 bytes of a body": "not_found_response(call).body",
        "404 bytes of a body: json": "json_answer(call)",
        "404 bytes of a body: jiter": "jiter_answer(call)",
        "404 bytes of a body: orjson": "orjson_answer(call)",
        "404 bytes of a body: msgspec": "typed_answer(call)",
        "raw heads to a verdict": "classify_exchange(request, response)",
        "raw heads to a verdict: h11": "h11_status(request, response)",
        "Session, GET": "after(before('GET').exchange, 405)",
        "Session, a call of 130 bytes": "after(before('POST', body=call).exchange, 200)",
    }
    assert not_found_response(call).body == json_answer(call) == orjson_answer(call)
    assert typed_answer(typed)(call) == jiter_answer(call) == json_answer(call)
    cases = [Case(name, statement, names) for name, statement in statements.items()]
    figures = measure(cases, rounds=61, slice_ms=0.5)
    base, with_object = "an empty pyo3 call", "an empty pyo3 call that returns an object"
    return {
        name: {
            "ns": figures.median(name),
            "empty": figures.ratio(name, base),
            "object": figures.ratio(name, with_object),
            **beside(figures, name, statements),
        }
        for name in statements
    }


def beside(figures: Figures, name: str, statements: dict[str, str]) -> dict[str, float]:
    """Return how many times as long the others take that do the same."""
    return {
        other.partition(": ")[2]: figures.ratio(other, name)
        for other in statements
        if other.startswith(f"{name}: ")
    }


def bodies(measure_program: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Time each reader on each body, in turns: nanoseconds, by kind, size and reader."""
    typed = msgspec.json.Decoder(Typed)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        results[kind] = {}
        for size, length in SIZES.items():
            names = {
                "body": body(measure_program, kind, length),
                "json": json.loads,
                "jiter": jiter.from_json,
                "orjson": orjson.loads,
                "msgspec": typed.decode,
                "ours": peek,
            }
            cases = [Case(reader, f"{reader}(body)", names) for reader in READERS]
            rounds = 31 if length <= 100_000 else 11
            figures = measure(cases, rounds=rounds, slice_ms=2)
            results[kind][size] = {reader: figures.median(reader) for reader in READERS}
            results[kind][size] |= {
                f"{reader} / ours": figures.ratio(reader, "ours") for reader in READERS[:-1]
            }
    return results


def live() -> Session:
    """Return a session that stands."""
    session = Session()
    step = session.before_request("POST", body=b'{"id":0,"method":"initialize"}')
    assert isinstance(step, Send)
    session.after_response(step.exchange, 200, response_session_id="1868a90c")
    return session


def json_answer(request_body: bytes) -> bytes:
    """Make the canonical 404 as a careful user of `json` would."""
    return answer_to(json.loads(request_body))


def jiter_answer(request_body: bytes) -> bytes:
    """Make the same with jiter, which only reads."""
    return answer_to(jiter.from_json(request_body))


def answer_to(message: Any) -> bytes:
    """Write the canonical 404 to a message that `json` or jiter has read."""
    return b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":%s}' % (
        b"%d" % message["id"] if type(message["id"]) is int else json.dumps(message["id"]).encode()
    )


def orjson_answer(request_body: bytes) -> bytes:
    """Make the same with orjson."""
    return (
        b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":%s}'
        % orjson.dumps(orjson.loads(request_body)["id"])
    )


def typed_answer(decoder: Any) -> Any:
    """Make the same with msgspec, which skips what it is not asked for."""
    decode, encode = decoder.decode, msgspec.json.Encoder().encode

    def answer(request_body: bytes) -> bytes:
        return (
            b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":%s}'
            % encode(decode(request_body).id)
        )

    return answer


def h11_status(request: bytes, response: bytes) -> bool:
    """Read both heads with h11, and make the SDKs' check."""
    server, client = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
    server.receive_data(request)
    head = server.next_event()
    client.send(head)  # type: ignore[arg-type]
    client.receive_data(response)
    answer = client.next_event()
    attached = any(name == b"mcp-session-id" for name, _ in head.headers)  # type: ignore[union-attr]
    return attached and answer.status_code == 404  # type: ignore[union-attr]


def body(measure_program: Path, kind: str, length: int) -> bytes:
    """Have the core's benchmark write a body, so that both measure the same."""
    command = [str(measure_program), "body", kind, str(length)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def loaded(name: str, path: Path) -> Any:
    """Import an extension module by where it is."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
