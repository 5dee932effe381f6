"""Makes the samples beside it: one tale, in the form of each tool that records HTTP.

What curl and mitmproxy write is recorded from them: `python record.py`, in an environment with
hypercorn and mitmproxy, and curl on the path. Chrome and Charles are written as they write.
"""

import base64
import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path
from typing import Any

from mcp_session.testing import free_port

HERE = Path(__file__).parent

# The sessions are secrets of nobody, and long enough to be found wherever they leak.
FIRST, SECOND = "5f2e4c0d-first-secret", "9b1d7a3e-second-secret"

INITIALIZE = (
    '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":'
    '"2025-06-18","capabilities":{},"clientInfo":{"name":"tale","version":"1"}}}'
)
INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
CALL = '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{}}}'
RESULT = '{"jsonrpc":"2.0","id":%d,"result":{}}'
NOT_FOUND = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}'

# (method, session, body, status, session that is given out, body of the answer)
TALE = [
    ("POST", "", INITIALIZE, 200, FIRST, RESULT % 0),
    ("POST", FIRST, INITIALIZED, 202, "", ""),
    ("POST", FIRST, LIST, 200, "", RESULT % 1),
    ("POST", FIRST, CALL, 404, "", NOT_FOUND),
    ("POST", FIRST, CALL, 404, "", NOT_FOUND),
    ("POST", "", INITIALIZE, 200, SECOND, RESULT % 0),
    ("POST", SECOND, INITIALIZED, 202, "", ""),
    ("POST", SECOND, CALL, 200, "", RESULT % 2),
    ("DELETE", SECOND, "", 200, "", ""),
]
SECRETS = {"authorization": "Bearer bearer-secret", "cookie": "sid=cookie-secret"}
PATH = "/mcp?key=query-secret"
BEGAN = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)


told = cycle(TALE)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer as the tale goes."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    _, _, _, status, session, answer = next(told)
    headers = [(b"content-type", b"application/json")]
    headers += [(b"mcp-session-id", session.encode())] if session else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.encode()})


def main() -> None:
    """Make all samples."""
    with served() as port:
        url = f"http://127.0.0.1:{port}{PATH}"
        (HERE / "curl-v.txt").write_bytes(curl(url, "-v", "--http1.1"))
        (HERE / "curl-v-http2.txt").write_bytes(curl(url, "-v", "--http2-prior-knowledge"))
        (HERE / "curl-i.txt").write_bytes(curl(url, "-i"))
        (HERE / "curl-v-progress.txt").write_bytes(curl(url, "-v", with_commands=False))
        mitmproxy(port)
    (HERE / "chrome.har").write_text(json.dumps(chrome(), indent=2) + "\n")
    (HERE / "charles.har").write_text(json.dumps(charles()) + "\n")


def curl(url: str, *options: str, with_commands: bool = True) -> bytes:
    """Return what a shell shows of a curl for each exchange."""
    shown = b""
    for method, session, body, *_ in TALE:
        command = ["curl", *options, *(["-s"] if with_commands else []), "-X", method, url]
        headers = SECRETS | ({"mcp-session-id": session} if session else {})
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        if body:
            command += ["-H", "content-type: application/json", "-d", body]
        output = subprocess.run(
            command, check=True, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
        ).stdout
        prompt = f"$ {shlex.join(command)}\n".encode() if with_commands else b""
        shown += prompt + output + (b"\n" if with_commands else b"")
    return shown


def mitmproxy(port: int) -> None:
    """Have mitmproxy write what goes through it."""
    through = free_port()
    har = HERE / "mitmproxy.har"
    command = [str(Path(sys.executable).with_name("mitmdump")), "-q", "--set", f"hardump={har}"]
    command += ["--mode", f"reverse:http://127.0.0.1:{port}", "-p", str(through)]
    with subprocess.Popen(command) as process:
        wait_for(through)
        curl(f"http://127.0.0.1:{through}{PATH}", "-s")
        process.terminate()


def chrome() -> dict[str, Any]:
    """Return the tale as Chrome exports it, with sensitive data."""
    return log(
        {"name": "WebInspector", "version": "537.36"},
        [
            {
                "_connectionId": "27",
                "_initiator": {"type": "script"},
                "_priority": "High",
                "_resourceType": "fetch",
                "cache": {},
                "connection": "443",
                "pageref": "page_1",
                "request": {
                    "method": method,
                    "url": f"https://server.example{PATH}",
                    "httpVersion": "http/2.0",
                    "headers": pairs(
                        {
                            ":authority": "server.example",
                            ":method": method,
                            ":path": PATH,
                            ":scheme": "https",
                            "user-agent": "Mozilla/5.0 Chrome/140.0.0.0",
                        }
                        | SECRETS
                        | ({"mcp-session-id": session} if session else {})
                    ),
                    "queryString": [{"name": "key", "value": "query-secret"}],
                    "cookies": [{"name": "sid", "value": "cookie-secret"}],
                    "headersSize": -1,
                    "bodySize": len(body),
                }
                | ({"postData": {"mimeType": "application/json", "text": body}} if body else {}),
                "response": {
                    "status": status,
                    "statusText": "",
                    "httpVersion": "http/2.0",
                    "headers": pairs(answer_headers(given) | {"content-encoding": "gzip"}),
                    "cookies": [],
                    "content": {"size": len(answer), "mimeType": "application/json"}
                    | ({"text": answer} if answer else {}),
                    "redirectURL": "",
                    "headersSize": -1,
                    "bodySize": -1,
                    "_transferSize": 200,
                    "_error": None,
                },
                "serverIPAddress": "127.0.0.1",
                "startedDateTime": at(number).isoformat().replace("+00:00", "Z"),
                "time": 12.3,
                "timings": {"blocked": 1, "dns": -1, "send": 0.1, "wait": 10, "receive": 1.2},
            }
            for number, (method, session, body, status, given, answer) in enumerate(TALE)
        ],
    )


def charles() -> dict[str, Any]:
    """Return the tale as Charles exports it, in the order of the end of each exchange."""
    entries = [
        {
            "startedDateTime": at(number).astimezone(timezone(timedelta(hours=1))).isoformat(),
            "time": 38,
            "timings": {
                "dns": -1,
                "connect": -1,
                "blocked": -1,
                "send": 0,
                "wait": 38,
                "receive": 0,
            },
            "request": {
                "method": method,
                "url": f"https://server.example{PATH}",
                "httpVersion": "HTTP/2.0",
                "cookies": [],
                "headers": pairs(
                    {":method": method, ":path": PATH, ":authority": "server.example"}
                    | SECRETS
                    | ({"mcp-session-id": session} if session else {})
                ),
                "queryString": [{"name": "key", "value": "query-secret"}],
                "headersSize": 300,
                "bodySize": len(body),
            }
            | ({"postData": {"mimeType": "application/json", "text": body}} if body else {}),
            "response": {
                "_charlesStatus": "COMPLETE",
                "status": status,
                "statusText": None,
                "httpVersion": "HTTP/2.0",
                "cookies": [],
                "headers": pairs({":status": str(status)} | answer_headers(given)),
                "content": {
                    "size": len(answer),
                    "mimeType": "application/json",
                    "text": base64.b64encode(answer.encode()).decode(),
                    "encoding": "base64",
                },
                "redirectURL": None,
                "headersSize": 0,
                "bodySize": len(answer),
            },
            "cache": {},
            "serverIPAddress": "127.0.0.1",
        }
        for number, (method, session, body, status, given, answer) in enumerate(TALE)
    ]
    return log({"name": "Charles Proxy", "version": "4.6.7"}, entries[::-1])


def log(creator: dict[str, str], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an archive."""
    return {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": entries}}


def answer_headers(session: str) -> dict[str, str]:
    """Return the headers of an answer."""
    given = {"mcp-session-id": session} if session else {}
    return {"content-type": "application/json", "server": "uvicorn"} | given


def pairs(headers: dict[str, str]) -> list[dict[str, str]]:
    """Return headers as archives have them."""
    return [{"name": name, "value": value} for name, value in headers.items()]


def at(number: int) -> datetime:
    """Return when an exchange began."""
    return BEGAN + timedelta(milliseconds=250 * number)


@contextmanager
def served() -> Generator[int]:
    """Serve the tale over HTTP/1.1 and HTTP/2."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "record:app", "-b", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, cwd=HERE) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
