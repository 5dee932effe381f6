"""The lines of docs/servers.md for the fastmcp that is installed, and how it serves itself."""

import importlib.util
import json
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from servers import ROOT

if importlib.util.find_spec("fastmcp") is None:
    pytest.skip("fastmcp is not installed", allow_module_level=True)

GUIDE = " ".join((ROOT / "docs" / "servers.md").read_text(encoding="utf-8").split())
MAJOR = version("fastmcp").split(".", maxsplit=1)[0]
EXPRESSIONS = re.findall(rf"\| fastmcp {MAJOR}\.x, `FastMCP` \| (.*?) \| `(.*?)` \|", GUIDE)
(SELF_SERVED,) = re.findall(r"`(server\.run\(transport=\"http\", .*?)\)`", GUIDE)
LIMIT_SECONDS = 60.0
IMPORTS = """
from fastmcp import FastMCP
from mcp_session.asgi import SessionMiddleware
from starlette.middleware import Middleware
server = FastMCP("one")
"""


@pytest.mark.parametrize(("transport", "expression"), EXPRESSIONS)
def test_the_line_of_the_guide_answers_an_unknown_session_as_it_should(
    transport: str, expression: str, tmp_path: Path
) -> None:
    program = f"{IMPORTS}\nimport uvicorn\nuvicorn.run({expression}, port=PORT, log_level='error')"
    path = "/mcp" if transport == "Streamable HTTP" else f"/messages/?session_id={'ab' * 16}"
    with served(program, tmp_path) as port:
        assert answer(port, path) == canonical()


def test_where_fastmcp_serves_itself_it_takes_the_same_list(tmp_path: Path) -> None:
    run = f"{SELF_SERVED}, port=PORT, show_banner=False)"
    with served(f"{IMPORTS}\n{run}", tmp_path) as port:
        assert answer(port, "/mcp") == canonical()


def canonical() -> tuple[int, object]:
    error = {"code": -32001, "message": "Session not found"}
    return 404, {"jsonrpc": "2.0", "error": error, "id": 7}


@contextmanager
def served(program: str, folder: Path) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = folder / "served.py"
    script.write_text(f"PORT = {port}\n{textwrap.dedent(program)}\n", encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-W", "ignore", script], cwd=folder)
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not listens(port):
            assert process.poll() is None, "the program ended"
            assert time.monotonic() < deadline, "the program serves nothing"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answer(port: int, path: str) -> tuple[int, object]:
    body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
    headers = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
    }
    if path == "/mcp":
        headers["mcp-session-id"] = "deadbeef" * 4
    try:
        url = f"http://127.0.0.1:{port}{path}"
        with urlopen(Request(url, body, headers), timeout=LIMIT_SECONDS) as response:
            return response.status, json.load(response)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)
    except URLError as error:
        return 0, repr(error)
