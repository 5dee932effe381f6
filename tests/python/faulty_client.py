"""A small MCP client over the standard library, healthy or with one fault: FAULT URL."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

FAULTS = {
    "crashes on a bad body": "crashed",
    "hangs on a bad status": "hangs",
    "asks for ever": "asks for ever",
    "initializes with its ID": "initialize with an ID",
    "takes any ID": "a strange ID",
    "keeps the dead ID": "a dead ID",
    "grows on a bad body": "memory",
}
CALLS = 3


class Client:
    def __init__(self, url: str, fault: str) -> None:
        self.url, self.fault = url, fault
        self.session_id: str | None = None
        self.forgets_the_dead = fault != "keeps the dead ID"

    def run(self) -> None:
        self.open()
        for number in range(CALLS):
            status = self.post("tools/list", number + 1)
            if status == 404 and self.forgets_the_dead:
                if self.fault != "initializes with its ID":
                    self.session_id = None
                self.open()

    def open(self) -> None:
        info = {"name": "small", "version": "0"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        if self.post("initialize", 0, params) != 200:
            return
        if self.post("notifications/initialized", None) == 404 and self.forgets_the_dead:
            self.session_id = None

    def post(self, method: str, request_id: int | None, params: Any = None) -> int:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if request_id is not None:
            message["id"] = request_id
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.session_id is not None:
            headers["mcp-session-id"] = self.session_id
        while True:
            request = urllib.request.Request(  # noqa: S310 - the URL is the fuzzer's
                self.url, json.dumps(message).encode(), headers, method="POST"
            )
            status, given, body = self.send(request)
            if status != 500 or self.fault != "asks for ever":
                break
        if method == "initialize" and status == 200 and given and " " not in given:
            self.session_id = given
        if self.fault == "takes any ID" and given:
            self.session_id = given
        self.read(body)
        if status == 403 and self.fault == "hangs on a bad status":
            time.sleep(600)
        return status

    def send(self, request: urllib.request.Request) -> tuple[int, str | None, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - as above
                return response.status, response.headers["mcp-session-id"], response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["mcp-session-id"], b""
        except Exception:  # noqa: BLE001 - whatever the library makes of a bad server
            return 0, None, b""

    def read(self, body: bytes) -> None:
        try:
            json.loads(body or b"{}")
        except (ValueError, RecursionError):
            if self.fault == "crashes on a bad body":
                os.abort()
            if self.fault == "grows on a bad body":
                kept = b"x" * (256 << 20)
                time.sleep(5)
                del kept


if __name__ == "__main__":
    Client(sys.argv[2], sys.argv[1]).run()
