"""The small server of `faulty_server.py`, answering each request by an event stream: PORT WAY."""

import json
import sys
from http.server import ThreadingHTTPServer
from typing import Any

from faulty_server import Handler

WAYS = {
    "several events": "",
    "small pieces": "",
    "another spelling of the id": "",
    "first an event without data": "",
    "open after the answer": "",
    "later, where it is resumed": "",
    "other ids and the word alone": "no answer",
    "silence after an event": "no answer",
    "an end within the answer": "no answer",
    "an end at once": "no answer",
    "an end that no GET resumes": "no answer",
    "an end that is resumed in vain": "no answer",
}
"""How it answers, and what kind of fault that is."""

RESUMED = (
    *("later, where it is resumed", "an end that no GET resumes"),
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
        request_id = answer["id"]
        if self.way in {"several events", "other ids and the word alone"}:
            # What has the id, and answers nothing: a notification, a request, another's answer.
            self.say(b": well\n\n")
            self.say(event({"method": "notifications/message", "params": {"data": request_id}}))
            self.say(event({"method": "ping", "id": request_id}))
            self.say(event({"id": [request_id], "result": request_id}))
        if self.way == "small pieces":
            for byte in event(answer):
                self.say(bytes([byte]))
        elif self.way == "another spelling of the id":
            spelled = "".join(f"\\u{ord(it):04x}" for it in str(request_id))
            as_it_is = json.dumps(request_id).encode()
            is_text = isinstance(request_id, str)
            self.say(
                event(answer).replace(as_it_is, f'"{spelled}"'.encode() if is_text else as_it_is)
            )
        elif self.way == "an end within the answer":
            self.say(event(answer)[:-1])
        elif self.way in {"several events", "open after the answer"}:
            self.say(event(answer))
        elif self.way == "first an event without data":
            self.say(b"id: %s\ndata:\n\n" % str(request_id).encode())
            self.say(event(answer))
        elif self.way in RESUMED or self.way == "silence after an event":
            type(self).owed, type(self).resumed = event(answer), 0
            self.say(b"id: e1\nretry: 1\ndata:\n\n")
        self.end_stream()

    def do_GET(self) -> None:
        is_resumed = self.headers["Last-Event-ID"] == "e1" and self.is_admitted("GET")
        if not is_resumed or self.way == "an end that no GET resumes":
            super().do_GET()
            return
        type(self).resumed += 1
        self.begin_stream({})
        # The first time there is nothing yet, as a server says that lets its client ask again.
        if self.resumed > 1 and self.way == "later, where it is resumed":
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
        if self.way in {"open after the answer", "silence after an event"}:
            # Until the client is gone.
            self.rfile.read(1)
            self.close_connection = True
        elif self.way == "an end within the answer":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def event(message: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n\n"


if __name__ == "__main__":
    Streaming.way = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Streaming).serve_forever()
