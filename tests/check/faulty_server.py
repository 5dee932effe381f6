"""A server that does all that the checks ask for, but for the one fault that it is told.

It shares nothing with the checks: which ID is known, which version spoken, what a 404 looks like
is written here a second time. As a program it takes a port and a fault, for what is restarted.
"""

import json
import secrets
import sys
from collections.abc import Mapping
from typing import Any, cast

import anyio
from mcp_session.testing.scripted import Exchange, ScriptedServer, scripted_server

LEGACY = {"2025-03-26", "2025-06-18", "2025-11-25"}
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "content-type, mcp-session-id, mcp-protocol-version",
    "access-control-expose-headers": "mcp-session-id",
}
MISREPORT = b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"No valid session ID provided"}}'


class FaultyServer:
    """A script, for as many sessions as there are."""

    def __init__(self, fault: str = "", *, idle: float | None = None) -> None:
        self.fault = fault
        self.idle = idle
        self.sessions: dict[str, anyio.Event] = {}
        self.used: dict[str, float] = {}
        self.ended: set[str] = set()
        self.was_asked_for_another = False
        """Whether an ID came that is none of this server's: of one before it, say."""
        self.called: list[str] = []
        """The tools that were called."""

    async def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.target != "/mcp":
            await self.elsewhere(exchange)
        elif request.method == "OPTIONS":
            await self.options(exchange)
        elif request.method == "HEAD":
            if self.has("head ends the session"):
                self.end(request.session or "")
            await exchange.answer(500 if self.has("head 500") else 405)
        elif request.kind == "initialize":
            await self.initialize(exchange)
        elif request.header("mcp-protocol-version") == "2026-07-28":
            await self.modern(exchange)
        else:
            await self.legacy(exchange)

    def has(self, fault: str) -> bool:
        return self.fault == fault

    async def elsewhere(self, exchange: Exchange) -> None:
        locations = {"slash 302": (302, "/mcp"), "slash elsewhere": (307, "http://a.example/mcp")}
        status, location = locations.get(self.fault, (307, "/mcp"))
        await exchange.answer(500 if self.has("slash 500") else status, b"", {"location": location})

    async def options(self, exchange: Exchange) -> None:
        names = dict(CORS)
        if self.has("cors without the request header"):
            names["access-control-allow-headers"] = "content-type"
        await exchange.answer(204, b"", names)

    async def initialize(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.has("initialize 500") or (
            self.has("no session after a restart") and self.was_asked_for_another
        ):
            await exchange.answer(500)
        elif self.has("modern only, and hides it"):
            await exchange.answer(400, b"Bad Request")
        elif self.fault.startswith("modern only"):
            await self.error(exchange, 400, -32022)
        elif request.session and self.has("stale initialize 404"):
            await self.not_found(exchange)
        else:
            session = self.new_id(request.session)
            self.sessions[session] = anyio.Event()
            self.used[session] = anyio.current_time()
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "faulty", "version": "1"},
            }
            names = {**CORS, "mcp-session-id": session}
            if self.has("cors without the answer's header"):
                del names["access-control-expose-headers"]
            if self.has("no session ID"):
                del names["mcp-session-id"]
            await self.answer(exchange, result, names)

    def new_id(self, sent: str | None) -> str:
        if self.has("the ID of the client") and sent:
            return sent
        if self.has("an ID with a blank"):
            return f"a b{secrets.token_hex(4)}"
        return "1868a90c" if self.has("one ID for all") else secrets.token_hex(16)

    async def modern(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.has("legacy only, and serves 2026-07-28"):
            if request.kind == "server/discover":
                await exchange.answer(400)
            else:
                await self.answer(exchange, {})
        elif request.method != "POST":
            await exchange.answer(200 if self.has("modern only, get 200") else 405)
        elif request.session and self.has("modern 404 for an ID"):
            await self.not_found(exchange)
        elif request.kind == "server/discover":
            names = {"mcp-session-id": "x"} if self.has("modern mints an ID") else {}
            await self.answer(exchange, {"supportedVersions": ["2026-07-28"]}, names)
        else:
            status = 200 if self.has("modern unknown method 200") else 404
            await self.error(exchange, status, -32601)

    async def legacy(self, exchange: Exchange) -> None:
        request, session = exchange.request, exchange.request.session
        self.expire()
        version = request.header("mcp-protocol-version")
        is_missing = session is None and not self.has("no ID is required")
        if is_missing:
            await self.missing(exchange)
        elif session is not None and (session not in self.sessions or session in self.ended):
            await self.dead(exchange)
        elif self.has("unknown version ends the session") and version not in {None, *LEGACY}:
            self.end(session or "")
            await exchange.answer(400)
        elif version not in {None, *LEGACY} and not self.has("unknown version served"):
            names = {"mcp-session-id": "minted"} if self.has("an ID on errors") else {}
            await exchange.answer(400, b"", names)
        elif version is None and self.has("missing version 400"):
            await exchange.answer(400)
        else:
            await self.served(exchange, session or "")

    async def missing(self, exchange: Exchange) -> None:
        method = exchange.request.method
        if self.has(f"missing {method} 404"):
            await self.not_found(exchange)
        else:
            await self.error(exchange, 400, -32600)

    async def dead(self, exchange: Exchange) -> None:
        """Answer an ID that is not known, or no longer."""
        request = exchange.request
        session = request.session or ""
        what = "terminated" if session in self.ended else "unknown"
        self.was_asked_for_another |= what == "unknown"
        if not session.isascii():
            what = "ill-formed"
        elif ", " in session:
            what = "repeated"
        message = as_object(request.message)
        kind = "reply" if request.kind == "reply" else request.method
        if request.method == "POST" and "method" in message and "id" not in message:
            kind = "notification"
        if isinstance(message.get("id"), str):
            kind = "string id"
        served = {"notification": 202, "reply": 202}.get(kind, 400)
        if self.fault == f"{what} {kind}":
            await exchange.answer(served, MISREPORT, {"content-type": "application/json"})
        else:
            await self.not_found(exchange)

    async def served(self, exchange: Exchange, session: str) -> None:
        request = exchange.request
        self.used[session] = anyio.current_time()
        if request.method == "GET":
            await self.stream(exchange, session)
        elif request.method == "DELETE":
            await self.delete(exchange, session)
        elif request.kind == "notifications/initialized":
            status = {"initialized 404": 404, "initialized 200": 200}.get(self.fault, 202)
            await exchange.answer(status)
        elif request.kind == "tools/call":
            await self.call(exchange, session)
        elif request.kind == "ping":
            await self.ping(exchange, session)
        else:
            await exchange.answer(202)

    async def ping(self, exchange: Exchange, session: str) -> None:
        message = exchange.request.message
        if self.has("ping 404"):
            await self.not_found(exchange)
        elif self.has("ping under another id"):
            await self.answer(exchange, {}, request_id=message["id"] + 1)
        elif self.has("ids mix") and message["id"] == 2:
            await self.answer(exchange, {}, request_id=3)
        else:
            del session
            await self.answer(exchange, {})

    async def call(self, exchange: Exchange, session: str) -> None:
        self.called.append(exchange.request.message["params"]["name"])
        if self.has("tool 404"):
            await self.not_found(exchange)
            return
        if self.has("a call outlasts its session"):
            await anyio.sleep(60)
        with anyio.move_on_after(0.5):
            await self.sessions[session].wait()
        await self.answer(exchange, {"content": []})

    async def stream(self, exchange: Exchange, session: str) -> None:
        if self.has("get answered with JSON"):
            await self.answer(exchange, {}, request_id=None)
            return
        if self.has("get 404"):
            await self.not_found(exchange)
            return
        await exchange.begin_events()
        await exchange.send(b"id: 1\ndata: \n\n")
        if self.has("a stream outlasts its session"):
            await anyio.sleep(60)
        await self.sessions[session].wait()
        await exchange.finish()

    async def delete(self, exchange: Exchange, session: str) -> None:
        if self.has("delete 500"):
            await exchange.answer(500)
        elif self.has("delete 404"):
            await exchange.answer(404)
        elif self.has("delete 405"):
            await exchange.answer(405)
        else:
            for ended in tuple(self.sessions) if self.has("delete ends all") else (session,):
                self.end(ended)
            if self.has("delete ends nothing"):
                self.ended.clear()
            await exchange.answer(200)

    def end(self, session: str) -> None:
        if session in self.sessions:
            self.ended.add(session)
            self.sessions[session].set()

    def expire(self) -> None:
        """End what was idle for too long, used or not if that is the fault."""
        if self.idle is None or self.has("idle ends nothing"):
            return
        begun = anyio.current_time() - self.idle
        for session, used in tuple(self.used.items()):
            if used < begun or self.has("idle ends the busy"):
                self.end(session)
                del self.used[session]

    async def not_found(self, exchange: Exchange) -> None:
        message = exchange.request.message
        answer: dict[str, Any] = {
            "jsonrpc": "2.0",
            "error": {"code": -32001, "message": "Session not found"},
        }
        if isinstance(message, dict) and "method" in message and "id" in message:
            answer["id"] = None if self.has("a 404 with the id null") else message["id"]
        body = json.dumps(answer).encode()
        kind = "application/json"
        if self.has("a 404 of text"):
            body, kind = b"Session not found", "text/plain"
        await exchange.answer(404, body, {"content-type": kind})

    async def error(self, exchange: Exchange, status: int, code: int) -> None:
        request_id: object = as_object(exchange.request.message).get("id")
        error = {"code": code, "message": "no"}
        body: dict[str, Any] = {"jsonrpc": "2.0", "error": error} | (
            {"id": request_id} if request_id else {}
        )
        names = {"mcp-session-id": "minted"} if self.has("an ID on errors") else {}
        await exchange.answer_json(body, status, names)

    async def answer(
        self,
        exchange: Exchange,
        result: object,
        headers: Mapping[str, str] | None = None,
        *,
        request_id: object = ...,
    ) -> None:
        if request_id is ...:
            request_id = exchange.request.message["id"]
        body = {"jsonrpc": "2.0", "id": request_id, "result": result}
        await exchange.answer_json(body, 200, headers)


def as_object(message: object) -> dict[str, Any]:
    return cast("dict[str, Any]", message) if isinstance(message, dict) else {}


async def serve(port: int, fault: str) -> None:
    """Serve until killed; of a fault that a restart brings, the sessions are none of its own."""
    async with anyio.create_task_group() as tasks:
        server = ScriptedServer(FaultyServer(fault), tasks)
        server.port = port
        server.up()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(serve, int(sys.argv[1]), " ".join(sys.argv[2:]))

__all__ = ["FaultyServer", "scripted_server"]
