"""The real applications: every recorded request, to the bare one and through the middleware.

Where a session was the matter, the answer is canonical; where not, not a byte differs.
"""

import json
import re
from functools import partial
from threading import Event
from typing import Any

import pytest
from mcp_session import not_found_response
from mcp_session.asgi import SessionMiddleware

from applications import RECORDINGS, SDK, application
from recordings import requests, server_verdicts
from serving import TIMEOUT, Exchange, Response, exchange, message, normalized, serving

UNKNOWN = b"deadbeefdeadbeefdeadbeefdeadbeef"
ACCEPT = ("accept", "application/json, text/event-stream")
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"t","version":"0"}}}'
)
DEAD_INITIALIZE = "12-initialize-with-bogus-session"
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'

# What is recorded of one server holds of every mode whose answers to sessions are the same.
STREAMABLE = {"json": "mcp1.30.0-json", "stateless": "mcp2.3.0-stateless"} | RECORDINGS


@pytest.mark.parametrize("kind", STREAMABLE)
def test_every_recorded_request_is_answered_canonically_or_to_the_byte(kind: str) -> None:
    folder = STREAMABLE[kind]
    bare = replayed_streamable(kind, folder, None)
    behind = replayed_streamable(kind, folder, partial(SessionMiddleware, paths=["/mcp"]))

    assert_canonical_or_same(folder, bare, behind, elsewhere={"27-wrong-path"})


def test_every_recorded_request_over_http_sse_is_answered_canonically_or_to_the_byte() -> None:
    folder = "sse-mcp1.30.0"
    bare = replayed(application("sse"), folder, SseReplay, Event())
    behind = replayed(application("sse", middleware=SessionMiddleware), folder, SseReplay, Event())

    assert_canonical_or_same(folder, bare, behind, elsewhere=set())


def test_reporting_only_changes_not_a_byte() -> None:
    folder = STREAMABLE["stateful"]
    bare = replayed_streamable("stateful", folder, None)
    behind = replayed_streamable("stateful", folder, partial(SessionMiddleware, report_only=True))

    assert {name: normalized(it) for name, it in bare.items()} == {
        name: normalized(it) for name, it in behind.items()
    }


def assert_canonical_or_same(
    folder: str, bare: dict[str, Response], behind: dict[str, Response], *, elsewhere: set[str]
) -> None:
    verdicts = server_verdicts(folder)
    corrected = withheld = 0
    for name, request in requests(folder):
        action, _, rest = verdicts[name].partition("/")
        before, after = bare[name], behind[name]
        if name == DEAD_INITIALIZE and action == "NotFoundResponse":
            # The dead ID does not reach the application, which begins a session.
            assert (before.status, after.status) == (404, 200), name
            assert after.headers["mcp-session-id"] != UNKNOWN.decode(), name
        elif action == "NotFoundResponse" and name not in elsewhere:
            corrected += 1
            expected = not_found_response(request.split(b"\r\n\r\n", 1)[1])
            assert after.status == 404, name
            assert after.headers["content-type"] == "application/json", name
            assert "mcp-session-id" not in after.headers, name
            assert after.body == expected.body, name
            assert json.loads(after.body)["error"]["code"] == -32001, name
            assert before.body != after.body, name
        elif rest.endswith("+withhold"):
            withheld += 1
            header = rb"(?im)^mcp-session-id: [^\r\n]*\r\n"
            # Another SDK than the one that was recorded may give out none there.
            is_recorded = folder in {*RECORDINGS.values(), "sse-mcp1.30.0"}
            assert not is_recorded or re.search(header, before.raw), name
            assert normalized(after) == re.sub(header, b"", normalized(before)), name
        else:
            assert action == "PassThrough" or name in elsewhere, name
            assert normalized(after) == normalized(before), name
    expects = [*verdicts.values()]
    assert corrected == sum(it[:8] == "NotFound" for it in expects) - len(
        [
            name
            for name in {*elsewhere, DEAD_INITIALIZE}
            if verdicts.get(name, "").startswith("NotFound")
        ]
    )
    assert withheld == sum(it.endswith("+withhold") for it in expects)
    print(f"{SDK} {folder}: {corrected} corrected, {withheld} IDs withheld, of {len(verdicts)}")


def replayed_streamable(kind: str, folder: str, middleware: Any) -> dict[str, Response]:
    started = Event()
    app = application(kind, started=started, middleware=middleware)
    return replayed(app, folder, StreamableReplay, started)


def replayed(app: Any, folder: str, replay: "type[Replay]", started: Event) -> dict[str, Response]:
    with serving(app) as port:
        running = replay(port, started)
        try:
            for name, request in requests(folder):
                running.replay(name, request)
        finally:
            running.close()
        return running.responses


class Replay:
    """Sends recorded requests anew, each recorded session standing for a living one."""

    def __init__(self, port: int, started: Event) -> None:
        self.port = port
        self.started = started
        self.responses: dict[str, Response] = {}
        self.sessions: dict[bytes, bytes] = {}
        self.open: dict[bytes, Exchange] = {}

    def replay(self, name: str, request: bytes) -> None:
        """Send one, and note the response."""
        raise NotImplementedError

    def close(self) -> None:
        for running in self.open.values():
            running.close()

    def living(self, request: bytes) -> bytes:
        """Write a living session for each recorded one."""

        def session(match: re.Match[bytes]) -> bytes:
            recorded = match[0]
            if recorded != UNKNOWN and recorded not in self.sessions:
                self.sessions[recorded] = self.new_session()
            return self.sessions.get(recorded, recorded)

        return re.sub(rb"\b[0-9a-f]{32}\b", session, request)

    def new_session(self) -> bytes:
        raise NotImplementedError


class StreamableReplay(Replay):
    def replay(self, name: str, request: bytes) -> None:
        request = self.living(request)
        attached = re.search(rb"(?im)^mcp-session-id: (\S+)", request)
        session_id = attached[1] if attached else b""
        # A session that ends cuts the call short; where there is none, it need not be long.
        seconds = b'"secs":0.1' if session_id in {b"", b"stateless"} else b'"secs":9.0'
        running = Exchange(self.port, request.replace(b'"secs":3.0', seconds))
        if name == "60-inflight-call-then-delete":
            assert self.started.wait(TIMEOUT)
            self.started.clear()
            exchange(self.port, with_session(b"", session_id, method="DELETE"))
        self.responses[name] = running.read_until(lambda it: self.is_open_stream(request, it))
        if name == "28-get-valid-session":
            self.open[session_id] = running
        else:
            running.close()
        if name == "32-delete-valid" and self.responses[name].status == 200:
            with self.open.pop(session_id) as stream:
                stream.read()

    def is_open_stream(self, request: bytes, response: Response) -> bool:
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        return request.startswith(b"GET ") and is_stream

    def new_session(self) -> bytes:
        opened = exchange(self.port, with_session(INITIALIZE, b""))
        session_id = opened.headers.get("mcp-session-id", "stateless").encode()
        exchange(self.port, with_session(INITIALIZED, session_id))
        return session_id


class SseReplay(Replay):
    def replay(self, name: str, request: bytes) -> None:
        request = self.living(request)
        if name == "01-get-sse":
            running = Exchange(self.port, request)
            self.responses[name] = running.read_until(lambda it: b"session_id=" in it.body)
            self.open[b""] = running
            return
        if name == "06-post-after-stream-closed":
            self.close()
            # The server notices in its own time.
            while exchange(self.port, request).status == 202:
                pass
        self.responses[name] = exchange(self.port, request)

    def new_session(self) -> bytes:
        opened = re.search(rb"session_id=(\S+)", self.responses["01-get-sse"].body)
        assert opened is not None
        return opened[1]


def with_session(body: bytes, session_id: bytes, *, method: str = "POST") -> bytes:
    headers = [("content-type", "application/json"), ACCEPT]
    if session_id:
        headers.append(("mcp-session-id", session_id.decode()))
    return message("/mcp", body, *headers, method=method)
