"""The command `bridge` under the stdio clients of both SDKs, before real servers of both.

Whichever generation the client is of, it is run over bridges of either; what needs no client of
the SDK's is seen over the pipes of a bridge of this environment.
"""

import importlib
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner
from mcp_session._cli.commands import main as commands
from mcp_session.testing import Exchange, SmallServer, scripted_server

import sdk
from callers import INITIALIZE, INITIALIZED, VERSION
from servers import GENERATIONS, ROOT, RealServer, Servers, interpreter

LIMIT = 50.0

pytestmark = pytest.mark.anyio

both_bridges = pytest.mark.parametrize("generation", GENERATIONS)
both_servers = pytest.mark.parametrize("served", GENERATIONS)


@both_bridges
@both_servers
async def test_a_restart_of_the_server_does_not_get_through_to_the_client(
    servers: Servers, generation: str, served: str
) -> None:
    async with (
        servers.use(served, *legacy(served)) as server,
        bridged(generation, server.url) as client,
    ):
        assert await client.call("echo", text="before") == "before"
        for round_ in range(2):
            await server.restart()
            assert await client.call("echo", text=f"after {round_}") == f"after {round_}"

        ran = [execution.argument for execution in server.executions("echo")]
        assert ran == ["before", "after 0", "after 1"]


@pytest.mark.parametrize(("generation", "served"), [("mcp1", "mcp2"), ("mcp2", "mcp1")])
async def test_what_the_server_asks_and_tells_gets_through_also_after_a_restart(
    servers: Servers, generation: str, served: str
) -> None:
    async with (
        servers.use(served, *legacy(served)) as server,
        bridged(generation, server.url) as client,
    ):
        for _ in range(2):
            # Servers of 2.x ask for a model on the standalone stream, and nobody else.
            await server.until(stream_is_open)
            assert await client.call("ask", question="really?") == "yes"
            assert await client.call("sample", question="what?") == "yes"
            assert await client.call_with_progress("progress", steps=3) == [1, 2, 3]
            await client.call("push")
            await client.until(
                lambda it: "notifications/resources/list_changed" in it.notifications
            )
            client.notifications.clear()
            await server.restart()
            await client.list_tools()


def stream_is_open(server: RealServer) -> bool:
    return any(
        seen.method == "GET" and seen.status == 200 and seen.pid == server.pid
        for seen in server.wire()
    )


async def test_a_call_that_the_client_gives_up_is_cancelled_at_the_server(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server, raw(server.url) as bridge:
        bridge.open()
        bridge.write(call(7, "slow", seconds=600))
        await server.until(lambda it: it.executions("slow"))
        reason = {"requestId": 7, "reason": "enough"}
        bridge.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason})

        await server.until(lambda it: "notifications/cancelled" in [i.message for i in it.wire()])


@pytest.mark.skipif(not sdk.MODERN_SDK, reason="the client of 1.x knows no revision without")
async def test_peers_of_2026_07_28_speak_it_over_the_bridge(servers: Servers) -> None:
    async with (
        servers.use("mcp2") as server,
        bridged("mcp2", server.url, kind=sdk.AUTO) as client,
    ):
        assert await client.call("echo", text="no session") == "no session"
        await server.restart()
        assert await client.call("echo", text="none lost") == "none lost"

        assert {seen.session for seen in server.wire()} == {None}
        assert {seen.version for seen in server.wire()} == {"2026-07-28"}


@pytest.mark.parametrize("ending", ["stdin", "SIGTERM", "SIGINT", "stdout"])
async def test_however_the_client_leaves_the_session_is_deleted(
    servers: Servers, ending: str
) -> None:
    async with servers.use("mcp1") as server, raw(server.url) as bridge:
        bridge.open()
        match ending:
            case "stdin":
                bridge.stdin.close()
            case "stdout":
                bridge.stdout.close()
                bridge.write(call(7, "echo", text="into the void"))
            case _:
                bridge.process.send_signal(signal.Signals[ending])

        status = await anyio.to_thread.run_sync(bridge.process.wait, LIMIT)
        assert status == (130 if ending == "SIGINT" else 0)
        assert [seen.status for seen in server.wire() if seen.method == "DELETE"] == [200]
        assert bridge.errors() == ""


async def test_what_was_asked_before_the_end_of_the_input_is_answered(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server:
        calls = [call(number, "echo", text=str(number)) for number in range(1, 4)]
        lines = "".join(json.dumps(it) + "\n" for it in (INITIALIZE, INITIALIZED))
        with started(server.url, "--drain", str(LIMIT)) as bridge:
            bridge.stdin.write(lines)
            bridge.stdin.flush()
            assert bridge.read()["id"] == 0
            # mcp 1.x accepts `notifications/initialized` before it has read it, and refuses calls
            # until it has.
            for number in itertools.count(4):
                bridge.stdin.write(json.dumps(call(number, "echo", text="")) + "\n")
                bridge.stdin.flush()
                if "result" in bridge.read():
                    break
            bridge.stdin.write("".join(json.dumps(it) + "\n" for it in calls))
            bridge.stdin.close()
            answers = [json.loads(line) for line in bridge.stdout]

    assert sorted(answer["id"] for answer in answers if "result" in answer) == [1, 2, 3]


async def test_what_a_client_writes_before_its_session_has_begun_goes_out_in_it() -> None:
    async def slow(exchange: Exchange) -> None:
        # The others would come meanwhile.
        await anyio.sleep(1)
        await small.usual(exchange)

    small = SmallServer({"initialize": slow})
    lines = [INITIALIZE, INITIALIZED, *(call(number, "session") for number in range(1, 101))]
    text = "".join(json.dumps(it) + "\n" for it in lines)
    async with scripted_server(small) as server:
        with started(server.url, "--drain", str(LIMIT)) as bridge:
            wrote = partial(bridge.process.communicate, text, LIMIT)
            output, _ = await anyio.to_thread.run_sync(wrote)

    posted = [it for it in server.requests if it.method == "POST"]
    assert [it.session for it in posted] == [None, *["session-1"] * 101]
    assert [it.kind for it in posted[:2]] == ["initialize", "notifications/initialized"]
    answers = [json.loads(line) for line in output.splitlines()]
    assert sorted(it["id"] for it in answers if "result" in it) == list(range(101))


async def test_a_reply_to_what_the_server_asks_before_it_answers_initialize_is_not_held_back() -> (
    None
):
    replied = anyio.Event()

    async def asks(exchange: Exchange) -> None:
        await exchange.begin_events({"mcp-session-id": small.begin_session()})
        await exchange.send_event({"jsonrpc": "2.0", "id": "question", "method": "ping"})
        await replied.wait()
        await exchange.send_event(small.initialize_result(exchange.request))
        await exchange.finish()

    async def hears(exchange: Exchange) -> None:
        replied.set()
        await exchange.answer(202)

    small = SmallServer({"initialize": asks, "reply": hears})
    async with scripted_server(small) as server, raw(server.url) as bridge:
        with anyio.fail_after(LIMIT):
            bridge.write(INITIALIZE)
            assert (await read_from(bridge))["id"] == "question"
            bridge.write({"jsonrpc": "2.0", "id": "question", "result": {}})
            assert "result" in await read_from(bridge)


async def test_the_end_does_not_wait_for_what_the_client_has_cancelled() -> None:
    async def never(exchange: Exchange) -> None:
        await exchange.until_left()

    small = SmallServer({"tools/call": never})
    async with scripted_server(small) as server, raw(server.url, "--drain", "300") as bridge:
        with anyio.fail_after(LIMIT):
            bridge.write(INITIALIZE)
            assert "result" in await read_from(bridge)
            bridge.write(INITIALIZED)
            bridge.write(call(7, "slow"))
            await server.until(lambda it: it.seen("tools/call"))
            params = {"requestId": 7}
            bridge.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
            bridge.stdin.close()
            status = await anyio.to_thread.run_sync(bridge.process.wait, abandon_on_cancel=True)
    assert status == 0
    assert len(server.seen("notifications/cancelled")) == 1


async def read_from(bridge: "Raw") -> Any:
    return await anyio.to_thread.run_sync(bridge.read, abandon_on_cancel=True)


async def test_messages_pass_as_they_are_whatever_they_say(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server, raw(server.url) as bridge:
        bridge.open()
        bridge.stdin.write("no JSON at all\n")
        arguments = {"text": '\u2028 \U0001f600 " \\ \u0000', "left out": None}
        bridge.write(call("a string", "echo", **arguments))
        assert bridge.read()["result"]["content"][0]["text"] == arguments["text"]
        bridge.write(
            {"jsonrpc": "2.0", "id": 8, "method": "acme/unheard-of", "params": {"n": None}}
        )
        assert bridge.read()["error"]["code"] in {-32601, -32602}
        assert ("POST", "acme/unheard-of") in [(it.method, it.message) for it in server.wire()]

        assert bridge.errors() == "mcp-session: a line that is no JSON-RPC message was left out\n"


async def test_the_version_that_was_negotiated_is_on_all_that_follows(
    servers: Servers,
) -> None:
    async with servers.use("mcp2", "--protocol", "2025-06-18") as server:
        async with raw(server.url) as bridge:
            bridge.open()
            bridge.write(call(1, "echo", text="hello"))
            assert "result" in bridge.read()
            bridge.stdin.close()
            await anyio.to_thread.run_sync(bridge.process.wait, LIMIT)

        opening, *rest = server.wire()
        assert (opening.message, opening.version) == ("initialize", None)
        assert {seen.version for seen in rest} == {"2025-06-18"}


async def test_a_server_that_is_not_there_is_an_error_for_the_client_and_status_1() -> None:
    async with raw("http://127.0.0.1:9/SECRET?key=SECRET") as bridge:
        bridge.write(INITIALIZE)
        answer = bridge.read()

        assert (answer["id"], answer["error"]["code"]) == (0, -32000)
        assert await anyio.to_thread.run_sync(bridge.process.wait, LIMIT) == 1
        said = "the connection to the server has failed (ConnectError)"
        assert (answer["error"]["message"], bridge.errors()) == (said, f"mcp-session: {said}\n")


async def test_an_outage_ends_a_call_with_an_error_and_the_next_finds_the_server_back(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server, raw(server.url) as bridge:
        bridge.open()
        server.kill()
        bridge.write(call(1, "echo", text="lost"))
        assert bridge.read()["error"]["code"] == -32000
        await server.start()
        bridge.write(call(2, "echo", text="back"))
        assert bridge.read()["result"]["content"][0]["text"] == "back"


async def test_headers_are_sent_and_no_secret_is_shown_whatever_goes_wrong(
    servers: Servers, tmp_path: Path
) -> None:
    tokens = tmp_path / "token"
    tokens.write_text("SECRET-TOKEN")
    async with servers.use("mcp1", "--token-file", str(tokens)) as server:
        url = f"{server.url}?key=SECRET-KEY"
        header = ("--header", "Authorization: Bearer ${OF_ENVIRONMENT}")
        async with raw(url, *header, OF_ENVIRONMENT="SECRET-TOKEN") as bridge:
            bridge.open()
            await server.restart()
            bridge.write(call(1, "echo", text="allowed"))
            assert "result" in bridge.read()
            # The token is no longer good.
            tokens.write_text("ANOTHER")
            bridge.write(call(2, "echo", text="refused"))
            assert "error" in bridge.read()
            bridge.stdin.close()
            await anyio.to_thread.run_sync(bridge.process.wait, LIMIT)

            shown = bridge.errors()
            assert "was re-initialized" in shown
            assert "the server answered 401 to a POST" in shown
            ids = {seen.given_session for seen in server.wire() if seen.given_session}
            assert len(ids) == 2
            assert not [it for it in ("SECRET", "127.0.0.1", "Bearer", *ids) if it in shown]


async def test_every_client_s_lines_in_the_guide_run_before_a_server_that_wants_the_token(
    servers: Servers, tmp_path: Path
) -> None:
    lines = dict(lines_of_guide())
    assert list(lines) == ["Claude Desktop", "Claude Code", "Cursor", "VS Code"]
    tokens = tmp_path / "token"
    tokens.write_text("of the guide")
    variables = {
        "PATH": f"{interpreter(sdk.GENERATION).parent}{os.pathsep}{os.environ['PATH']}",
        "MCP_TOKEN": tokens.read_text(),
    }
    async with servers.use("mcp1", "--token-file", str(tokens)) as server:
        for command in set(map(tuple, lines.values())):
            at = [server.url if it == "https://mcp.example/mcp" else it for it in command]
            assert server.url in at
            with running(at, **variables) as bridge:
                bridge.open()


def lines_of_guide() -> Generator[tuple[str, list[str]]]:
    """Whose configuration it is, and the command that it has started."""
    text = (ROOT / "docs" / "bridge.md").read_text(encoding="utf-8")
    for name, language, block in re.findall(
        r"^(Claude Desktop|Claude Code|Cursor|VS Code), .*?^```(json|sh)\n(.*?)^```",
        text,
        re.MULTILINE | re.DOTALL,
    ):
        if language == "sh":
            before, command = block.split(" -- ")
            assert before == "claude mcp add example --env MCP_TOKEN=..."
            yield name, shlex.split(command)
            continue
        configuration = json.loads(block)
        kept = configuration["servers" if name == "VS Code" else "mcpServers"]
        example = kept["example"]
        assert example.get("type", "stdio") == "stdio"
        assert list(example["env"]) == ["MCP_TOKEN"]
        inputs = {it["id"] for it in configuration.get("inputs", [])}
        assert example["env"]["MCP_TOKEN"] in {"...", *(f"${{input:{it}}}" for it in inputs)}
        yield name, [example["command"], *example["args"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mcp.example/mcp",), "URL must begin with http:// or https://, and name a host"),
        (("http://SECRET:x@/mcp",), "URL must begin with http:// or https://, and name a host"),
        (("http://h:SECRET/mcp",), "URL must begin with http:// or https://, and name a host"),
        (("http://h/", "--header", "no colon"), "--header must be 'NAME: VALUE'"),
        (("http://h/", "--header", "a b: SECRET"), "--header must be 'NAME: VALUE'"),
        (("http://h/", "--header", "A: SECRET\r\nB: c"), "--header A: the value is empty, or"),
        (("http://h/", "--header", "A: ${NO_SUCH}"), "the environment has no variable NO_SUCH"),
        (("http://h/", "--header", "Mcp-Session-Id: SECRET"), "Mcp-Session-Id is set by"),
        (("http://h/", "--read-timeout", "0"), "0 is not in the range"),
    ],
)
def test_a_misuse_is_named_without_what_may_be_secret(arguments: Sequence[str], said: str) -> None:
    done = CliRunner().invoke(commands, ["bridge", *arguments])

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in re.sub(r"\s+", " ", done.stderr)
    assert "SECRET" not in done.stderr


def legacy(served: str) -> tuple[str, ...]:
    """What a server is told so that it keeps sessions, whatever it could speak."""
    return ("--protocol", VERSION) if served == "mcp2" else ()


def call(request_id: str | int, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


@asynccontextmanager
async def bridged(
    generation: str, url: str, *, kind: str = sdk.SESSION
) -> AsyncGenerator[sdk.Connected]:
    """A client of the installed SDK that starts a bridge as its configuration file says."""
    stdio: Any = importlib.import_module("mcp.client.stdio")
    parameters: Any = importlib.import_module("mcp").StdioServerParameters
    command, *arguments = command_of(generation, url)
    server = parameters(command=command, args=arguments, env=environment())
    with tempfile.TemporaryFile("w+") as errors:
        async with sdk.connected_over(stdio.stdio_client(server, errlog=errors), kind) as client:
            yield client


class Raw:
    """A bridge by its pipes."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Any) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout
        self._errors = errors

    def open(self) -> None:
        self.write(INITIALIZE)
        assert "result" in self.read()
        self.write(INITIALIZED)

    def write(self, message: dict[str, Any]) -> None:
        self.stdin.write(json.dumps(message) + "\n")
        self.stdin.flush()

    def read(self) -> Any:
        line = self.stdout.readline()
        assert line, self.errors()
        return json.loads(line)

    def errors(self) -> str:
        self._errors.seek(0)
        return str(self._errors.read())


@asynccontextmanager
async def raw(url: str, *options: str, **variables: str) -> AsyncGenerator[Raw]:
    with started(url, *options, **variables) as bridge:
        yield bridge


@contextmanager
def started(url: str, *options: str, **variables: str) -> Generator[Raw]:
    with running(command_of(sdk.GENERATION, url, *options), **variables) as bridge:
        yield bridge


@contextmanager
def running(command: Sequence[str], **variables: str) -> Generator[Raw]:
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | environment() | variables,
            encoding="utf-8",
        )
        bridge = Raw(process, errors)
        try:
            yield bridge
        finally:
            process.kill()
            process.wait()
            for pipe in (bridge.stdin, bridge.stdout):
                # What was written after its end is lost with it.
                with suppress(BrokenPipeError):
                    pipe.close()


def command_of(generation: str, url: str, *options: str) -> list[str]:
    return [str(interpreter(generation)), "-m", "mcp_session", "bridge", url, *options]


def environment() -> dict[str, str]:
    """What the SDK would not pass on: where the package is, if it is not installed."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
