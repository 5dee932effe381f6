"""Speaks MCP over an HTTP client as the SDKs do, one message at a time."""

import itertools
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp_session.testing import ScriptedServer, SmallServer, scripted_server

import sdk

VERSION = "2025-11-25"
CONNECTION_CLOSED = -32000

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
NOTIFICATION = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


def call_of(request_id: str | int) -> dict[str, Any]:
    parameters = {"name": "session", "arguments": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": parameters}


def reply_to(request_id: str | int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": {"action": "accept", "content": {}}}


class Caller:
    """One session of an SDK's: it stamps the first ID that it was given, for ever."""

    def __init__(self, http_client: Any, url: str) -> None:
        self.http_client = http_client
        self.url = url
        self.session: str | None = None
        self.ids = itertools.count(1)

    async def open(self) -> None:
        response = await self.post(INITIALIZE)
        assert response.status_code == 200, response
        self.session = response.headers.get("mcp-session-id")
        assert (await self.post(INITIALIZED)).status_code == 202

    async def call(self) -> Any:
        """Call a tool; return the JSON-RPC answer, whatever it says."""
        request_id = next(self.ids)
        answer = answer_in(await self.post(call_of(request_id)))
        assert answer["id"] == request_id
        return answer

    async def current(self) -> str:
        """Call a tool, and return the session in which it was executed."""
        answer = await self.call()
        assert "result" in answer, answer
        return str(answer["result"]["content"][0]["text"])

    async def post(self, message: object, **headers: str) -> Any:
        return await self.send("POST", json=message, headers=headers)

    async def delete(self) -> Any:
        return await self.send("DELETE")

    @asynccontextmanager
    async def get(self, last_event_id: str | None = None) -> AsyncGenerator[Any]:
        """Open a stream, and close it at the end of the block."""
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        response = await self.begin("GET", headers=headers)
        try:
            yield response
        finally:
            await response.aclose()

    async def send(self, method: str, **keywords: Any) -> Any:
        """Send a request and read its whole response."""
        response = await self.begin(method, **keywords)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response

    async def begin(
        self, method: str, *, headers: dict[str, str] | None = None, **keywords: Any
    ) -> Any:
        """Send a request as the SDKs do, and return when its head is there."""
        stamped = {"accept": "application/json, text/event-stream", **(headers or {})}
        if self.session is not None:
            stamped |= {"mcp-session-id": self.session, "mcp-protocol-version": VERSION}
        request = self.http_client.build_request(method, self.url, headers=stamped, **keywords)
        return await self.http_client.send(request, stream=True, follow_redirects=False)


@dataclass
class Scene:
    """A scripted server, a session that is open with it, and what the application is told."""

    server: ScriptedServer
    script: SmallServer
    caller: Caller
    events: list[Any]

    @property
    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    async def until_held(self, calls: int) -> None:
        """Wait until so many calls are held: of threads no event loop could tell."""
        sessions = self.caller.http_client._driver.sessions  # noqa: SLF001  # nothing tells of it
        while sum(it.waiting.count for it in sessions.values()) < calls:  # noqa: ASYNC110
            await anyio.sleep(0.005)


@asynccontextmanager
async def session(**options: Any) -> AsyncGenerator[Scene]:
    """Open a session with a scripted server through our client."""
    script, events = SmallServer(), list[Any]()
    options = {"on_event": events.append} | options
    async with (
        scripted_server(script) as server,
        sdk.create_http_client(**options) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        yield Scene(server, script, caller, events)


def always(value: float) -> Callable[[float, float], float]:
    """Draw this number whatever the bounds."""

    def uniform(_low: float, _high: float) -> float:
        return value

    return uniform


def answer_in(response: Any) -> Any:
    """The JSON-RPC answer in a response that was read: the last one, of a stream."""
    assert response.status_code == 200, (response.status_code, response.text)
    if response.headers["content-type"].startswith("text/event-stream"):
        return messages_in(response.text)[-1]
    return response.json()


def messages_in(text: str) -> list[Any]:
    """The messages of a stream, as far as they are whole."""
    events = re.findall(r"((?:[^\n]+\n)+)\n", text)
    kept = [event for event in events if not re.search(r"^event: (?!message)", event, re.MULTILINE)]
    data = [re.findall(r"^data: ?(.*)$", event, re.MULTILINE) for event in kept]
    return [json.loads("".join(lines)) for lines in data if "".join(lines)]
