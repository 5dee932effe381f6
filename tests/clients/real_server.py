"""A real MCP server of the official SDK, of whichever generation is installed.

It is a program of its own, so that it can be killed. It listens on a loopback port, prints the
port, and writes down what went over the wire and what was executed, each before the client can
see it.

With `--fork` it serves nothing itself. It has everything loaded, and for each line that it reads
does what that says: `{"start": [...]}` forks a server with these arguments, which prints its
port and its process ID; `{"kill": ...}` ends the one with this process ID, and prints that. No
server outlives the end of its standard input.
"""

import argparse
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import pydantic
import uvicorn

MODERN_SDK = importlib.util.find_spec("mcp_types") is not None

# The generations name and place these differently, so no checker can know both.
sdk: Any = importlib.import_module("mcp.server.mcpserver" if MODERN_SDK else "mcp.server.fastmcp")
types: Any = importlib.import_module("mcp_types" if MODERN_SDK else "mcp.types")
http: Any = importlib.import_module("mcp.server.streamable_http")

if TYPE_CHECKING:
    Context: TypeAlias = Any
else:
    Context = sdk.Context

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

SESSION_NOT_FOUND = (
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}'
)


def main() -> None:
    if sys.argv[1:] == ["--fork"]:
        fork_servers()
    else:
        serve(parse_options(sys.argv[1:]))


def serve(options: argparse.Namespace, *announced: int) -> None:
    application = Front(sdk_application(options), options)
    # With its protocol named, so that asyncio sends small pieces at once.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", options.port))
        listener.listen(1024)
        print(listener.getsockname()[1], *announced, flush=True)
        config = uvicorn.Config(application, log_level="error")
        uvicorn.Server(config).run(sockets=[listener])


def fork_servers() -> None:
    guards: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := order.get("kill")) is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(guards.pop(pid))
            print(pid, flush=True)
            continue
        # Its other end is closed whichever way this process ends.
        guarded, guard = os.pipe()
        if pid := os.fork():
            os.close(guarded)
            guards[pid] = guard
        else:
            for inherited in (guard, *guards.values()):
                os.close(inherited)
            threading.Thread(target=exit_at_end_of, args=(guarded,), daemon=True).start()
            serve(parse_options(order["start"]), os.getpid())
            os._exit(0)


def exit_at_end_of(descriptor: int) -> None:
    os.read(descriptor, 1)
    os._exit(0)


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--wire", type=Path, help="where to write one line for each exchange")
    parser.add_argument("--executions", type=Path, help="where to write one line for each tool run")
    parser.add_argument("--json", action="store_true", help="answer with JSON, not with SSE")
    parser.add_argument("--stateless", action="store_true")
    parser.add_argument("--sse", action="store_true", help="speak HTTP+SSE, at /sse")
    parser.add_argument("--idle", type=float, help="seconds without a request that end a session")
    parser.add_argument("--event-store", action="store_true", help="streams can be resumed")
    parser.add_argument("--no-get", action="store_true", help="offer no standalone stream: 405")
    parser.add_argument("--protocol", help="the only protocol version that is spoken")
    parser.add_argument("--cookie", action="store_true", help="the session needs a sticky cookie")
    parser.add_argument("--token-file", type=Path, help="holds the one bearer token accepted")
    return parser.parse_args(arguments)


def sdk_application(options: argparse.Namespace) -> Application:
    settings: dict[str, Any] = {
        "json_response": options.json,
        "stateless_http": options.stateless,
        "session_idle_timeout": options.idle,
        "event_store": MemoryEventStore() if options.event_store else None,
        # How soon a client comes back for the rest of a stream.
        "retry_interval": 100 if options.event_store else None,
    }
    application: Application
    if options.sse:
        server = (sdk.MCPServer if MODERN_SDK else sdk.FastMCP)("real", log_level="CRITICAL")
        Tools(options.executions).add_to(server)
        application = server.sse_app()
    elif MODERN_SDK:
        server = sdk.MCPServer("real", log_level="CRITICAL")
        Tools(options.executions).add_to(server)
        application = server.streamable_http_app(**settings)
    else:
        server = sdk.FastMCP("real", log_level="CRITICAL", **settings)
        Tools(options.executions).add_to(server)
        application = server.streamable_http_app()
    return application


class Answer(pydantic.BaseModel):
    """What `ask` wants to know."""

    answer: str


class Tools:
    """The tools, and the log that shows whether one ran twice."""

    def __init__(self, log: Path | None) -> None:
        self.log = log
        self.executions = 0

    def add_to(self, server: Any) -> None:
        for tool in (
            self.echo,
            self.slow,
            self.count,
            self.push,
            self.ask,
            self.sample,
            self.progress,
            self.resume,
        ):
            server.add_tool(tool)

    async def echo(self, text: str) -> str:
        self.executed("echo", text)
        return text

    async def slow(self, seconds: float) -> str:
        self.executed("slow", str(seconds))
        await anyio.sleep(seconds)
        return "slow"

    async def count(self) -> int:
        """Number of the executions in this process, this one not counted."""
        return self.executions

    async def push(self, ctx: Context) -> str:
        """Send a notification that belongs to no request: it takes the standalone stream."""
        self.executed("push", "")
        await ctx.session.send_resource_list_changed()
        return "pushed"

    async def ask(self, question: str, ctx: Context) -> str:
        """Ask the user of the client, and return what was answered."""
        self.executed("ask", question)
        result = await ctx.elicit(question, schema=Answer)
        return str(result.data.answer) if result.action == "accept" else str(result.action)

    async def sample(self, question: str, ctx: Context) -> str:
        """Ask the model of the client, and return what was answered."""
        self.executed("sample", question)
        content = types.TextContent(type="text", text=question)
        messages = [types.SamplingMessage(role="user", content=content)]
        related = {} if MODERN_SDK else {"related_request_id": ctx.request_id}
        result = await ctx.session.create_message(messages, max_tokens=10, **related)
        return str(result.content.text)

    async def progress(self, steps: int, ctx: Context) -> str:
        self.executed("progress", str(steps))
        for step in range(steps):
            await ctx.report_progress(step + 1, steps)
        return "done"

    async def resume(self, seconds: float, ctx: Context) -> str:
        """Close the stream of this very call; its result is fetched by resuming the stream."""
        self.executed("resume", str(seconds))
        await ctx.close_sse_stream()
        await anyio.sleep(seconds)
        return "resumed"

    def executed(self, tool: str, argument: str) -> None:
        self.executions += 1
        if self.log is not None:
            append(self.log, {"tool": tool, "argument": argument, "pid": os.getpid()})


class MemoryEventStore(http.EventStore):  # type: ignore[misc]
    """Lets streams be resumed for as long as this process lives."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(
        self, last_event_id: str, send_callback: Callable[[Any], Awaitable[None]]
    ) -> str | None:
        position = int(last_event_id)
        if not 0 < position <= len(self.events):
            return None
        stream = self.events[position - 1][0]
        later = enumerate(self.events[position:], position + 1)
        for event_id, (stream_id, message) in list(later):
            if stream_id == stream and message is not None:
                await send_callback(http.EventMessage(message, str(event_id)))
        return stream


class Front:
    """What stands before a server: a recorder, and on demand a load balancer's stickiness,
    a check of tokens, an older protocol version."""

    def __init__(self, application: Application, options: argparse.Namespace) -> None:
        self.application = application
        self.options = options
        self.given: set[str] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        body = await read_body(receive)
        exchange = Seen(scope, body)
        if exchange.is_initialize and self.options.protocol:
            body = exchange.asking_for(self.options.protocol)
            scope = {**scope, "headers": with_length(scope["headers"], len(body))}

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self.options.cookie and exchange.is_initialize and message["status"] == 200:
                    cookie = (b"set-cookie", f"{self.cookie}; Path=/".encode())
                    message = {**message, "headers": [*message["headers"], cookie]}
                self.record(exchange, message)
            await send(message)

        refusal = self.refusal(exchange)
        if refusal is None:
            await self.application(scope, replay(body, receive), recorded)
        else:
            status, headers, content = refusal
            await recorded({"type": "http.response.start", "status": status, "headers": headers})
            await recorded({"type": "http.response.body", "body": content})

    def refusal(self, seen: "Seen") -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        options = self.options
        if options.token_file and seen.header("authorization") != (
            "Bearer " + options.token_file.read_text(encoding="utf-8").strip()
        ):
            return 401, [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")], b""
        if options.no_get and seen.method == "GET":
            return 405, [(b"allow", b"POST, DELETE"), (b"content-length", b"0")], b""
        version = seen.header("mcp-protocol-version")
        session = seen.header("mcp-session-id")
        # The SDK's servers look for the session first, too.
        if version not in {None, options.protocol or version} and session in {None, *self.given}:
            return json_refusal(
                400,
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,'
                b'"message":"Bad Request: Unsupported protocol version"}}',
            )
        if options.cookie and session:
            cookies = (seen.header("cookie") or "").split("; ")
            if self.cookie not in cookies:
                return json_refusal(404, SESSION_NOT_FOUND)
        return None

    @property
    def cookie(self) -> str:
        return f"worker={os.getpid()}"

    def record(self, seen: "Seen", start: Message) -> None:
        given = header(start["headers"], "mcp-session-id")
        if given and seen.is_initialize:
            self.given.add(given)
        if self.options.wire is None or seen.header("x-behind-the-clients-back"):
            return
        append(
            self.options.wire,
            seen.facts()
            | {
                "status": start["status"],
                "given_session": given,
                "pid": os.getpid(),
            },
        )


class Seen:
    """One request, as far as the tests ask about it."""

    def __init__(self, scope: Message, body: bytes) -> None:
        self.method = str(scope["method"])
        self.path = str(scope["path"])
        self.headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        try:
            self.message: Any = json.loads(body) if body else None
        except ValueError:
            self.message = None

    @property
    def is_initialize(self) -> bool:
        return isinstance(self.message, dict) and self.message.get("method") == "initialize"

    def asking_for(self, version: str) -> bytes:
        """The body, as a client that knows no later version would have sent it."""
        parameters = self.message["params"] | {"protocolVersion": version}
        return json.dumps(self.message | {"params": parameters}).encode()

    def header(self, name: str) -> str | None:
        return header(self.headers, name)

    def facts(self) -> dict[str, Any]:
        message = self.message if isinstance(self.message, dict) else {}
        parameters = message.get("params")
        return {
            "method": self.method,
            "path": self.path,
            "session": self.header("mcp-session-id"),
            "version": self.header("mcp-protocol-version"),
            "last_event_id": self.header("last-event-id"),
            "cookie": self.header("cookie"),
            "authorization": self.header("authorization"),
            "message": message.get("method"),
            "id": message.get("id"),
            "is_reply": "result" in message or "error" in message,
            "tool": parameters.get("name") if isinstance(parameters, dict) else None,
        }


def header(headers: list[tuple[bytes, bytes]], name: str) -> str | None:
    values = [value for key, value in headers if key.lower() == name.encode()]
    return b", ".join(values).decode("latin-1") if values else None


def with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]


def json_refusal(status: int, content: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return status, with_length([(b"content-type", b"application/json")], len(content)), content


async def read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """Give out the body that was read, and then what really happens: the client's leaving."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


def append(path: Path, line: dict[str, Any]) -> None:
    # One write for each line: a killed server leaves no half of one.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
