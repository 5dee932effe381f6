"""The small server of `faulty_server.py`, but it answers by an event stream: PORT WAY."""

import json
import sys
from base64 import b64encode
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from faulty_server import Handler

SILENT = "silence after an event"
CUT = "cut, and whole where it is resumed"
WAYS = {
    "several events": "",
    "small pieces": "",
    "another spelling of the id": "",
    "first an event without data": "",
    "open after the answer": "",
    "later, where it is resumed": "",
    CUT: "",
    "other ids and the word alone": "no answer",
    SILENT: "no answer",
    "an end within the answer": "no answer",
    "an end at once": "no answer",
    "credentials in other spellings": "no answer",
    "an end that no GET resumes": "no answer",
    "an end that is resumed in vain": "no answer",
}
"""How it answers, and what kind of fault that is."""

RESUMED = (
    *("later, where it is resumed", CUT, "an end that no GET resumes"),
    "an end that is resumed in vain",
)


class Streaming(Handler):
    way = ""
    owed = b""
    resumed = 0

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        if self.command != "POST" or status != 200 or not body:
            super().answer(status, body, headers)
            return
        self.begin_stream(headers or {})
        self.stream(json.loads(body))

    def stream(self, answer: dict[str, Any]) -> None:
        for piece in (*self.before(answer), *self.answering(event(answer), answer["id"])):
            self.say(piece)
        self.end_stream()

    def before(self, answer: dict[str, Any]) -> list[bytes]:
        """What is said first, and answers nothing."""
        request_id = answer["id"]
        if self.way in {"several events", "other ids and the word alone"}:
            # What has the id: a notification, a request, another's answer.
            return [
                b": well\n\n",
                event({"method": "notifications/message", "params": {"data": request_id}}),
                event({"method": "ping", "id": request_id}),
                event({"id": [request_id], "result": request_id}),
            ]
        if self.way == "first an event without data":
            return [b"id: %s\ndata:\n\n" % str(request_id).encode()]
        if self.way in RESUMED or self.way == SILENT:
            type(self).owed, type(self).resumed = event(answer), 0
            return [b"id: e1\nretry: 1\ndata:\n\n"]
        return []

    def answering(self, answer: bytes, request_id: object) -> list[bytes]:
        """The pieces of the answer, or what stands in its place."""
        if self.way == "small pieces":
            return each_byte(answer)
        if self.way == "another spelling of the id" and isinstance(request_id, str):
            spelled = "".join(f"\\u{ord(it):04x}" for it in request_id)
            return [answer.replace(f'"{request_id}"'.encode(), f'"{spelled}"'.encode())]
        if self.way in {"an end within the answer", CUT}:
            return [answer[:-1]]
        if self.way == "credentials in other spellings":
            given = (self.headers["Authorization"] or "").encode()
            in_base64 = b64encode(b"it is " + given)
            in_json = "".join(f"\\u{it:04X}" for it in given).encode()
            return [b": %s\n: %s\n" % (in_base64, in_json), *each_byte(quote(given).encode())]
        is_given = WAYS[self.way] == "" and self.way not in RESUMED
        return [answer] if is_given else []

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        is_resumed = self.headers["Last-Event-ID"] == "e1" and self.is_admitted("GET")
        if not is_resumed or self.way == "an end that no GET resumes":
            super().do_GET()
            return
        type(self).resumed += 1
        self.begin_stream({})
        # The first time there is nothing yet, as a server says that lets its client ask again.
        if self.way == CUT or (self.resumed > 1 and self.way == "later, where it is resumed"):
            self.say(self.owed)
        self.end_stream()

    def begin_stream(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        given = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        for name, value in (given | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def say(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_stream(self) -> None:
        if self.way in {"open after the answer", SILENT}:
            # Until the client is gone.
            self.rfile.read(1)
            self.close_connection = True
        elif self.way == "an end within the answer" or (self.way == CUT and self.command == "POST"):
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def each_byte(data: bytes) -> list[bytes]:
    return [bytes([it]) for it in data]


def event(message: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n\n"


if __name__ == "__main__":
    Streaming.way = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Streaming).serve_forever()
