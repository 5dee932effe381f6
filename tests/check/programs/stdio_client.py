"""A client over standard input and output, for what bridges that to a URL.

`stdio_client.py COMMAND... URL` starts the command with the URL, lists the tools through it, calls
each of them and closes. Of the standard library alone.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

PATIENCE_SECONDS = 12.0


class Bridge:
    def __init__(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8")
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.number = 0

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def begin(self, method: str, **params: object) -> int:
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        return self.number

    def answers(self, *numbers: int) -> dict[int, dict[str, Any]]:
        """The answers to these requests, as far as they come in time."""
        found: dict[int, dict[str, Any]] = {}
        while set(numbers) - set(found):
            try:
                message = json.loads(self.lines.get(timeout=PATIENCE_SECONDS))
            except queue.Empty:
                return found
            except ValueError:
                continue
            if message.get("method") == "ping":
                self.send({"id": message["id"], "result": {}})
            elif "method" not in message and message.get("id") in numbers:
                found[message["id"]] = message
        return found

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        number = self.begin(method, **params)
        return self.answers(number).get(number, {})


def main() -> None:
    bridge = Bridge(sys.argv[1:])
    bridge.ask(
        "initialize",
        protocolVersion="2025-11-25",
        capabilities={},
        clientInfo={"name": "checked", "version": "1"},
    )
    bridge.send({"method": "notifications/initialized"})
    tools = [it["name"] for it in bridge.ask("tools/list").get("result", {}).get("tools", [])]
    if "MCP_SESSION_TOGETHER" in os.environ:
        bridge.answers(*[bridge.begin("tools/call", name=it, arguments={}) for it in tools])
    else:
        for tool in tools:
            bridge.ask("tools/call", name=tool, arguments={})
    assert bridge.process.stdin is not None
    bridge.process.stdin.close()
    try:
        bridge.process.wait(5)
    except subprocess.TimeoutExpired:
        bridge.process.kill()


if __name__ == "__main__":
    main()
