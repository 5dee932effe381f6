"""A session by hand: each request as it is written, over a connection of its own."""

from types import TracebackType
from typing import Any

from typing_extensions import Self

from clients import http_client

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "0"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def tool_call(number: int, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def not_found(number: int) -> dict[str, Any]:
    error = {"code": -32001, "message": "Session not found"}
    return {"jsonrpc": "2.0", "error": error, "id": number}


class Session:
    """One session, or what was one."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url, self.headers = url, headers
        self.session_id: str | None = None
        self._client = http_client()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def open(self) -> Any:
        answer = await self.post(INITIALIZE)
        answer.raise_for_status()
        self.session_id = answer.headers["mcp-session-id"]
        (await self.post(INITIALIZED)).raise_for_status()
        return answer

    async def post(self, body: dict[str, Any], *, url: str | None = None) -> Any:
        headers = {"accept": "application/json, text/event-stream", **self._sent()}
        return await self._client.post(url or self.url, json=body, headers=headers)

    async def call(
        self, number: int, tool: str, arguments: dict[str, Any], *, url: str | None = None
    ) -> Any:
        return await self.post(tool_call(number, tool, arguments), url=url)

    async def notify(self, method: str, params: dict[str, Any]) -> Any:
        return await self.post({"jsonrpc": "2.0", "method": method, "params": params})

    async def delete(self) -> Any:
        return await self._client.delete(self.url, headers=self._sent())

    def stream(self) -> Any:
        headers = {"accept": "text/event-stream", **self._sent()}
        return self._client.stream("GET", self.url, headers=headers)

    def _sent(self) -> dict[str, str]:
        given = {} if self.session_id is None else {"mcp-session-id": self.session_id}
        return {**self.headers, **given}
