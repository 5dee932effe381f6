"""A client that does all that the checks ask for, but for the one fault that it is told.

`faulty_client.py FAULT URL`, of the standard library alone: it connects, lists the tools, calls
each of them and closes, as `mcp-session check-client` wants it.
"""

import http.client
import json
import os
import sys
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

ACCEPT = "application/json, text/event-stream"
MODERN = "2026-07-28"
# What is the latest that it speaks.
VERSIONS = {
    "speaks 2025-03-26": "2025-03-26",
    "speaks 2025-06-18": "2025-06-18",
    "sends batches": "2025-03-26",
}


def is_call(message: object) -> bool:
    return isinstance(message, dict) and ("method", "tools/call") in message.items()


class Client:
    def __init__(self, fault: str, url: str) -> None:
        self.fault = fault
        self.parts = urlsplit(url)
        self.session: str | None = None
        self.version: str | None = None
        self.events = ""
        self.numbers = iter(range(1, 10_000))
        self.lock = threading.Lock()
        self.closed = False

    def has(self, fault: str) -> bool:
        return self.fault == fault

    # ---- The wire

    def send(
        self, method: str, message: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=20)
        if self.has("sends batches") and is_call(message):
            message = [message]
        body = None if message is None else json.dumps(message).encode()
        sent = {"accept": ACCEPT, "content-type": "application/json", **(headers or {})}
        target = self.parts.geturl() if self.has("writes absolute URLs") else self.parts.path
        if self.has("expects to be told to go on") and body is not None:
            self.send_when_told(connection, target, body, sent)
        else:
            connection.request(method, target, body, sent)
        response = connection.getresponse()
        if response.getheader("content-type", "").startswith("text/event-stream"):
            return response.status, dict(response.getheaders()), response
        read = response.read()
        connection.close()
        names = {name.lower(): value for name, value in response.getheaders()}
        with suppress(ValueError):
            return response.status, names, json.loads(read)
        return response.status, names, None

    def send_when_told(
        self, connection: http.client.HTTPConnection, target: str, body: bytes, sent: dict[str, str]
    ) -> None:
        """Send a body once the server has answered 100 to the head."""
        connection.putrequest("POST", target)
        for name, value in {
            **sent,
            "expect": "100-continue",
            "content-length": str(len(body)),
        }.items():
            connection.putheader(name, value)
        connection.endheaders()
        told = b""
        while not told.endswith(b"\r\n\r\n"):
            told += connection.sock.recv(1)
        if not told.startswith(b"HTTP/1.1 100 "):
            raise ConnectionError
        connection.send(body)

    def headers(self, session: str | None) -> dict[str, str]:
        sent: dict[str, str] = {}
        if session or self.has("an ID of its own"):
            sent["mcp-session-id"] = session or "made-up"
        if self.version and self.version > "2025-03-26" and not self.has("no version"):
            sent["mcp-protocol-version"] = self.version
        return sent

    # ---- A session

    def connect(self) -> None:
        latest = VERSIONS.get(self.fault, "2025-11-25")
        params = {
            "protocolVersion": latest,
            "capabilities": {},
            "clientInfo": {"name": "faulty", "version": "1"},
        }
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        headers: dict[str, str] = {}
        if self.session and self.has("initialize with the old ID"):
            headers["mcp-session-id"] = self.session
        if self.events and self.has("initialize with an event ID"):
            headers["last-event-id"] = self.events
        old = self.session
        status, given, answer = self.send("POST", message, headers)
        if status != 200:
            message_ = f"initialize was answered {status}"
            raise RuntimeError(message_)
        self.session = given.get("mcp-session-id")
        if answer["result"]["protocolVersion"] > latest:
            sys.exit("it speaks no version that this does")
        if not self.has("the old version") or self.version is None:
            self.version = answer["result"]["protocolVersion"]
        if old and self.has("a call before initialized"):
            self.send("POST", self.request("tools/list"), self.headers(self.session))
        self.notify("notifications/initialized", self.session)
        if old and self.has("the old ID once more"):
            self.notify("notifications/roots/list_changed", old)
        if not (old and self.has("no stream again")):
            self.listen(self.session)

    def listen(self, session: str | None) -> None:
        if session is None:
            return
        headers = self.headers(session)
        if self.events and self.has("a dead event ID"):
            headers["last-event-id"] = self.events
        status, _, stream = self.send("GET", None, headers)
        if status == 200:
            threading.Thread(target=self.read, args=(stream, session), daemon=True).start()
        elif status == 404 and self.has("a loop of nothing but GET"):
            while True:
                with suppress(OSError, http.client.HTTPException):
                    self.send("GET", None, headers)
        elif status == 404 and self.has("a loop on GET"):
            for _ in range(20):
                self.session = None
                message = self.request("initialize")
                message["params"] = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "faulty", "version": "1"},
                }
                _, given, _ = self.send("POST", message)
                self.session = given.get("mcp-session-id")
                self.send("GET", None, self.headers(self.session))

    def read(self, stream: http.client.HTTPResponse, session: str) -> None:
        with suppress(OSError, http.client.HTTPException):
            for line in stream:
                if line.startswith(b"id: "):
                    self.events = line[4:].decode().strip()
                elif line.startswith(b"data: {"):
                    self.reply(json.loads(line[6:]), session)

    def reply(self, asked: dict[str, Any], session: str) -> None:
        """Answer what the server asks: nothing but pings."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"], "result": {}}
        if self.has("answers a ping with an error"):
            answer["error"] = {"code": -32601, "message": "Method not found"}
            del answer["result"]
        if self.has("answers a ping in the old session"):
            session = session.replace("S2", "S1")
        if not self.has("answers no ping"):
            self.send("POST", answer, self.headers(session))

    def notify(self, method: str, session: str | None) -> None:
        self.send("POST", {"jsonrpc": "2.0", "method": method}, self.headers(session))

    def request(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self.numbers)
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}

    def recover(self, dead: str | None) -> None:
        """Begin anew, once, whoever asks for it."""
        if self.has("each begins anew"):
            self.connect()
            return
        with self.lock:
            if self.session == dead or self.has("a late 404 ends what stands"):
                self.connect()

    def ask(self, method: str, **params: object) -> Any:
        message = self.request(method, **params)
        for attempt in range(30 if self.has("an endless loop") else 2):
            session = self.session
            status, given, answer = self.send("POST", message, self.headers(session))
            if self.has("takes the ID of errors") and "mcp-session-id" in given:
                self.session = given["mcp-session-id"]
            if status == 200:
                return answer
            if self.has(f"begins anew on {status}"):
                self.connect()
                return None
            if status != 404 or not self.is_loss(session, answer, given):
                return None
            if attempt == 0 or self.has("an endless loop"):
                self.recover(session)
                if self.has("begins twice"):
                    self.connect()
                if self.has("sends again twice"):
                    self.send("POST", message, self.headers(self.session))
                if self.has("never calls again"):
                    sys.exit(1)
        return None

    def is_loss(self, session: str | None, answer: Any, given: dict[str, str]) -> bool:
        if self.has("never begins anew"):
            return False
        code: object = None if answer is None else answer["error"]["code"]
        if self.has("goes by the code") and code != -32001:
            return False
        if self.has("goes by JSON") and answer is None:
            return False
        if self.has("takes -32601 for a method"):
            return code != -32601
        if self.has("wants no header") and "mcp-session-id" in given:
            return False
        return session is not None or self.has("begins anew without an ID")

    def close(self) -> None:
        session = self.session
        if session and self.has("DELETE of the old one"):
            session = session.replace("S2", "S1")
        if session and not self.has("no DELETE"):
            self.send("DELETE", None, self.headers(session))


class ModernClient(Client):
    """One that tries 2026-07-28 first."""

    def modern(self, method: str, **params: object) -> tuple[int, dict[str, str], Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "faulty", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if self.session and self.has("an ID on modern requests"):
            headers["mcp-session-id"] = self.session
        status, given, answer = self.send(
            "POST", self.request(method, **params, _meta=meta), headers
        )
        self.session = given.get("mcp-session-id")
        return status, given, answer


def main() -> None:
    fault, url = sys.argv[1:]
    if "modern" in fault or os.environ["MCP_SESSION_SCENARIO"] == "modern":
        run_modern(ModernClient(fault, url))
        return
    client, another = Client(fault, url), Client(fault, url)
    if client.has("a session before"):
        another.connect()
    if client.has("keeps another session"):
        another.connect()
    run(client)
    if client.has("keeps another session"):
        another.close()


def run(client: Client) -> None:
    client.connect()
    tools = [it["name"] for it in client.ask("tools/list")["result"]["tools"]]
    if "MCP_SESSION_TOGETHER" in os.environ:
        threads = [threading.Thread(target=call, args=(client, tool)) for tool in tools]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        for tool in tools:
            call(client, tool)
    client.close()


def call(client: Client, tool: str) -> None:
    client.ask("tools/call", name=tool, arguments={})


def run_modern(client: ModernClient) -> None:
    client.modern("server/discover")
    _, _, answer = client.modern("tools/list")
    for tool in answer["result"]["tools"]:
        status, _, _ = client.modern("tools/call", name=tool["name"], arguments={})
        if status == 404 and client.has("modern 404 begins a session"):
            with suppress(RuntimeError):
                client.connect()


if __name__ == "__main__":
    main()
