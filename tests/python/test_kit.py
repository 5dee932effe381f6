"""The kit for authors: what is packaged, the plugin, the servers that are killed."""

import doctest
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import anyio
import pytest
from documented import documented
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_session import Rule, Side, classify_exchange, peek
from mcp_session._check.server_table import TABLE
from mcp_session.httpx2 import AsyncClient
from mcp_session.testing import (
    CommandServer,
    PortTakenError,
    ScriptedClient,
    SmallServer,
    free_port,
    ports,
    scripted_server,
    strategies,
    write_request,
)

import page_blocks
from golden import TESTS

SERVER = str(TESTS / "python" / "faulty_server.py")
FAULTY_SERVER = TESTS / "check" / "faulty_server.py"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


KIT = [
    "mcp_session.testing",
    *("mcp_session.testing.assertions", "mcp_session.testing.client"),
    *("mcp_session.testing.events", "mcp_session.testing.guarantees"),
    *("mcp_session.testing.machine", "mcp_session.testing.ports"),
    *("mcp_session.testing.processes", "mcp_session.testing.scripted"),
    "mcp_session.testing.strategies",
]
DOCUMENTED = [it for name in KIT for it in documented(import_module(name))]


@pytest.mark.parametrize("public", DOCUMENTED, ids=lambda it: it.__qualname__)
def test_every_public_docstring_of_the_kit_has_an_example(public: object) -> None:
    assert ">>> " in (public.__doc__ or "")


@pytest.mark.parametrize(
    "name",
    [*("mcp_session._corpus", "mcp_session._secrets", "mcp_session.testing._virtual_loop"), *KIT],
)
def test_what_a_docstring_of_the_kit_shows_holds(name: str) -> None:
    told = doctest.testmod(import_module(name))

    assert told.attempted > 0
    assert told.failed == 0


def test_what_is_packaged_of_the_corpus_is_what_is_in_it() -> None:
    tool = str(TESTS / "packaged_corpus.py")

    subprocess.run([sys.executable, tool, "--check"], check=True)


@given(strategies.exchanges(), st.sampled_from(Side))
@settings(max_examples=50)
def test_every_exchange_that_is_drawn_has_a_verdict(
    exchange: tuple[bytes, bytes], side: Side
) -> None:
    assert classify_exchange(*exchange, side=side).rule


@given(strategies.bodies())
@settings(max_examples=50)
def test_every_body_that_is_drawn_can_be_looked_at(body: bytes) -> None:
    assert peek(body).kind


@given(strategies.interleavings("abc", "xyz"))
@settings(max_examples=50)
def test_an_interleaving_keeps_the_order_of_each(order: list[str]) -> None:
    assert [it for it in order if it in "abc"] == ["a", "b", "c"]
    assert [it for it in order if it in "xyz"] == ["x", "y", "z"]


def test_the_test_of_a_client_in_the_guide_passes_with_one_that_recovers() -> None:
    (code,) = (it.text for it in page_blocks.blocks("python") if "def recovers(" in it.text)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102 - it is our own

    anyio.run(names["recovers"], use_client)


def test_the_test_of_a_client_in_the_guide_fails_with_one_that_does_not() -> None:
    (code,) = (it.text for it in page_blocks.blocks("python") if "def recovers(" in it.text)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/testing.md", "exec"), names)  # noqa: S102 - it is our own

    async def give_up(url: str, forget: Callable[[], None]) -> None:
        del url
        forget()

    with pytest.raises(AssertionError):
        anyio.run(names["recovers"], give_up)


async def use_client(url: str, forget: Callable[[], None]) -> None:
    """Call a server before and after it has forgotten the session."""
    info = {"name": "test", "version": "0"}
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": opening}
    headers = {"accept": "application/json, text/event-stream"}
    async with AsyncClient() as client:
        opened = await client.post(url, json=first, headers=headers)
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await client.post(url, json=told, headers=headers)
        for number in (1, 2):
            ping = {"jsonrpc": "2.0", "id": number, "method": "ping"}
            answer = await client.post(url, json=ping, headers=headers)
            assert answer.json()["id"] == number
            forget()


def test_a_command_is_killed_and_restarted_on_its_port_and_forgets() -> None:
    with CommandServer([sys.executable, SERVER, "{port}", ""]) as server:
        client = ScriptedClient(server.url)
        opening = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
        session_id = client.send("POST", opening).headers["mcp-session-id"]
        assert client.send("POST", PING, session_id=session_id).status == 200
        assert (server.memory() or 1) > 0

        server.kill()
        with pytest.raises(OSError, match=r"."):
            client.send("POST", PING, session_id=session_id)
        server.start()

        assert client.send("POST", PING, session_id=session_id).status == 404


@pytest.mark.skipif(sys.platform != "linux", reason="which ports it gives is told by Linux")
def test_a_port_that_is_free_is_none_that_the_system_gives_to_others() -> None:
    lowest, highest = map(int, ports.GIVEN_TO_ANYBODY.read_text(encoding="ascii").split())

    free = [free_port() for _ in range(100)]

    assert not [port for port in free if lowest <= port <= highest]


def test_a_command_that_ends_at_once_is_said_to() -> None:
    with pytest.raises(RuntimeError, match="ended with exit status 7"):
        CommandServer([sys.executable, "-c", "raise SystemExit(7)", "{port}"]).start()


def test_a_port_that_another_listens_on_is_not_taken_for_the_servers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        url = f"http://127.0.0.1:{another.getsockname()[1]}/mcp"
        server = CommandServer([sys.executable, "-c", "import time; time.sleep(600)"], url=url)

        with pytest.raises(PortTakenError, match="another program listens on port"):
            server.start()

    assert server.starts == 0


def test_a_port_of_the_url_that_the_command_is_not_told_is_misuse() -> None:
    with pytest.raises(ValueError, match=r"it needs \{port\}, too"):
        CommandServer("python server.py", url="http://127.0.0.1:{port}/mcp")


def test_requests_that_come_together_are_kept_apart() -> None:
    first = write_request("POST", PING, session_id="one")
    second = write_request("DELETE", session_id="two")

    async def sent_together() -> list[bytes]:
        small = SmallServer(live={"one", "two"})
        async with scripted_server(small) as server:
            async with await anyio.connect_tcp("127.0.0.1", server.port) as connection:
                await connection.send(first + second)
                await server.until(lambda it: len(it.requests) == 2)
            return [it.raw for it in server.requests]

    assert anyio.run(sent_together) == [first, second]


def test_a_client_that_expects_to_be_told_is_told_to_go_on() -> None:
    head, _, body = write_request("POST", PING, [("expect", "100-continue")]).partition(b"\r\n\r\n")

    async def told() -> tuple[bytes, bytes]:
        async with (
            scripted_server(SmallServer()) as server,
            await anyio.connect_tcp("127.0.0.1", server.port) as connection,
        ):
            await connection.send(head + b"\r\n\r\n")
            with anyio.fail_after(60):
                interim = await connection.receive()
                await connection.send(body)
                return interim, await connection.receive()

    interim, final = anyio.run(told)
    assert interim.startswith(b"HTTP/1.1 100 ")
    assert final.startswith(b"HTTP/1.1 404 ")


def run_pytest(folder: Path, *options: str) -> tuple[int, str]:
    is_installed = bool(entry_points(group="pytest11", name="mcp_session"))
    plugin = [] if is_installed else ["-p", "mcp_session._pytest_plugin"]
    # Else a pyproject.toml in any folder above has a say in it.
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *options],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
    )
    return done.returncode, done.stdout + done.stderr


def starting(fault: str) -> tuple[str, str]:
    return "--mcp-session-command", shlex.join(
        [sys.executable, str(FAULTY_SERVER), "{port}", fault]
    )


def test_the_plugin_starts_a_server_and_skips_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(mcp_session_client):\n"
        "    assert mcp_session_client.send('GET', session_id='unknown').status == 404\n",
        encoding="utf-8",
    )
    for options, expected in (
        ((*starting(""), "test_it.py::test_it"), "1 passed"),
        ((*starting(""), "-m", "not mcp_session_check"), "1 passed, 59 deselected"),
        ((), "1 skipped"),
    ):
        status, said = run_pytest(tmp_path, *options)

        assert (status, expected in said) == (0, True), said


def test_a_server_that_an_option_names_is_checked_one_test_for_each_check(tmp_path: Path) -> None:
    with CommandServer([sys.executable, str(FAULTY_SERVER), "{port}", ""]) as server:
        status, said = run_pytest(tmp_path, "--mcp-session-url", server.url)

    assert status == 0, said
    counts = re.findall(r"(\d+) (?:passed|skipped)", said.splitlines()[-1])
    assert sum(map(int, counts)) == len(TABLE), said


def test_a_fault_fails_its_check_alone_with_the_sentence_and_a_warning_warns(
    tmp_path: Path,
) -> None:
    options = ("-k", "unknown or not-found", "-p", "no:cacheprovider")
    status, said = run_pytest(tmp_path, *starting("unknown POST"), *options)
    assert status == 1
    assert "FAILED mcp-session check::unknown-post - " in said
    assert f"> {Rule.SESSION_UNKNOWN.quote}" in said
    assert "1 failed" in said

    status, said = run_pytest(tmp_path, *starting("a 404 of text"), *options)
    assert status == 0
    assert "SessionWarning: not-found-form: " in said
    status, said = run_pytest(
        tmp_path,
        *(*starting("a 404 of text"), *options),
        *("-W", "error::mcp_session.testing.SessionWarning"),
    )
    assert status == 1
    assert "FAILED mcp-session check::not-found-form" in said


def test_a_server_that_does_not_start_is_started_once_and_fails_one_check(tmp_path: Path) -> None:
    program = "import pathlib, sys; pathlib.Path('starts').open('a').write('x'); sys.exit(7)"
    command = shlex.join([sys.executable, "-c", program, "{port}"])

    status, said = run_pytest(tmp_path, "--mcp-session-command", command, "-rs")

    assert status == 1
    assert f"1 failed, {len(TABLE) - 1} skipped" in said
    assert "the server did not start: the command ended with exit status 7" in said
    assert (tmp_path / "starts").read_text(encoding="ascii") == "x"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--mcp-session-url", "ftp://SECRET"), "URL must begin with http://"),
        (("--mcp-session-url", "http://h/", "--mcp-session-header", "SECRET"), "--header must be"),
        (("--mcp-session-url", "http://h/", "--mcp-session-tool", "x=["), "--tool has to be"),
        (("--mcp-session-command", "program"), "the command takes no {port}"),
        (("--mcp-session-url", "http://h:{port}/"), "{port} needs --mcp-session-command"),
        (("--mcp-session-url", "http://h/", "--mcp-session-idle", "nan"), "more than no seconds"),
    ],
)
def test_an_option_that_is_not_understood_ends_the_run_and_says_why(
    tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    status, said = run_pytest(tmp_path, *options)

    assert status == pytest.ExitCode.USAGE_ERROR
    assert expected in said
    assert "Traceback" not in said
    assert "SECRET" not in said
