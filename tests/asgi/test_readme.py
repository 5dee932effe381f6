"""The table of servers in the docs, before and behind the middleware, is what is measured."""

import json
import re
from typing import Any

import pytest
from mcp_session.asgi import SessionMiddleware

from applications import SDK, application
from documentation import ROOT, framework_rows
from serving import Response, exchange, message, serving
from upstreams import Upstream

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
GUIDE = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
FRAMEWORK = {"mcp1": "mcp 1.x", "mcp2": "mcp 2.x", "fastmcp4": "fastmcp 4.x"}[SDK]
UPSTREAMS = {
    "ToolHive's streamable proxy, before its fix": "toolhive-streamable",
    "ToolHive's transparent proxy, before its fix": "toolhive-transparent",
    "ToolHive's SSE proxy, before its fix": "toolhive-sse",
    "rmcp 0.8.5": "rmcp-0.8.5-post",
    "rmcp, resume of a dead session": "rmcp-resume-not-found",
}


def measured() -> dict[str, tuple[Any, str]]:
    """The applications of this environment, by their names in the table, and where they listen."""
    rows = {
        f"{FRAMEWORK}, Streamable HTTP": (application("stateful"), "/mcp"),
        f"{FRAMEWORK}, HTTP+SSE": (application("sse"), "/messages/"),
    }
    for name, upstream in UPSTREAMS.items():
        rows[name] = (Upstream(upstream), "/messages/" if upstream.endswith("sse") else "/mcp")
    return rows


@pytest.mark.parametrize("name", measured())
def test_the_guide_shows_what_each_server_answers(name: str) -> None:
    app, path = measured()[name]
    with serving(app) as port:
        before = shown(unknown_session(port, path))
    app, path = measured()[name]
    with serving(SessionMiddleware(app)) as port:
        after = shown(unknown_session(port, path))

    assert f"| {name} | {before} | {after} |\n" in GUIDE
    assert after == "404, application/json, -32001, id 7"


def test_the_guide_shows_every_framework() -> None:
    rows = re.findall(r"^\| ([^|]*) \| [^|]* \| 404, application/json, ", GUIDE, re.MULTILINE)
    frameworks = ("mcp 1.x", "mcp 2.x", "fastmcp 4.x")
    transports = ("Streamable HTTP", "HTTP+SSE")

    expected = {f"{name}, {transport}" for name in frameworks for transport in transports}
    assert set(rows) == expected | set(UPSTREAMS)


def test_the_line_of_the_readme_is_one_that_the_guide_serves() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\+app = (.*)$", readme, re.MULTILINE)

    assert line in {expression for _, _, expression in framework_rows("docs/servers.md")}


def unknown_session(port: int, path: str) -> Response:
    unknown = "deadbeefdeadbeefdeadbeefdeadbeef"
    headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]
    if path == "/mcp":
        headers.append(("mcp-session-id", unknown))
    else:
        path += f"?session_id={unknown}"
    return exchange(port, message(path, CALL, *headers))


def shown(response: Response) -> str:
    content_type = response.headers.get("content-type", "no type").partition(";")[0]
    text = response.body.decode().strip()
    if content_type != "application/json":
        text = re.sub("[0-9a-f]{32}", "*the ID*", text)
        return f'{response.status}, {content_type}, "{text}"'
    error = json.loads(text)
    identity = f"id {json.dumps(error['id'])}" if "id" in error else "no id"
    return f"{response.status}, {content_type}, {error['error']['code']}, {identity}"
