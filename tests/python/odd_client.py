"""A right client of the standard library, but for the way in which it is odd: ODDITY URL.

Whatever goes wrong ends it: what is looked at is what it sends.
"""

import http.client
import itertools
import json
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30


class Client:
    def __init__(self, oddity: str, url: str) -> None:
        self.oddity = oddity
        self.parts = urlsplit(url)
        self.session: str | None = None
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()

    def send(
        self, method: str, message: object = None, session: str | None = None
    ) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=SECONDS)
        headers = {"accept": "application/json, text/event-stream"}
        if session is not None:
            headers["mcp-session-id"] = session
        body = None if message is None else json.dumps(message).encode()
        connection.request(method, self.parts.path, body, headers)
        response = connection.getresponse()
        read = b"" if method == "GET" and response.status == 200 else response.read()
        connection.close()
        return response.status, response.getheader("mcp-session-id"), read

    def connect(self) -> None:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "odd", "version": "1"},
        }
        asked = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        status, session, read = self.send("POST", asked)
        answer = json.loads(read)
        if status != 200 or answer["id"] != 0 or "protocolVersion" not in answer["result"]:
            raise ValueError
        begun = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        if self.send("POST", begun, session)[0] != 202:
            raise ValueError
        self.session = session
        if "stream" in self.oddity:
            self.send("GET", None, session)

    def call(self) -> None:
        """Call a tool; where its session has ended, begin another, once, and call again."""
        number = next(self.numbers)
        asked = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "a"}}
        session = self.session
        if self.send("POST", asked, session)[0] == 404 and session is not None:
            with self.lock:
                if self.session == session:
                    self.session = None
                    self.connect()
            if self.send("POST", asked, self.session)[0] == 404:
                raise ValueError


def main() -> None:
    client = Client(*sys.argv[1:])
    if client.oddity == "head":
        client.send("HEAD")
        client.send("OPTIONS")
    client.connect()
    if client.oddity == "asks for ever":
        while True:
            client.call()
    calls = [threading.Thread(target=client.call) for _ in range(4)]
    for it in calls:
        it.start()
        if client.oddity != "at once":
            it.join()
    for it in calls:
        it.join()


if __name__ == "__main__":
    main()
