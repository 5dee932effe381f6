"""The kit's commands and its raw client, at servers over TLS."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp_session import Action, classify_exchange
from mcp_session.testing import (
    AsgiServer,
    CommandServer,
    RawExchange,
    ScriptedClient,
    assert_session_not_found,
)

from certificates import certify

SERVER = Path(__file__).parent / "programs" / "tls_server.py"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
NOT_TRUSTED = "the server's certificate is not of an authority that is trusted"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    certify(made, "localhost")
    return made


@pytest.fixture(scope="module")
def authority(folder: Path) -> Path:
    return folder / "authority.pem"


def serving(what: str, folder: Path) -> CommandServer:
    files = (str(folder / "server.pem"), str(folder / "key.pem"))
    command = [sys.executable, "-W", "ignore", str(SERVER), "{port}", what, *files]
    return CommandServer(command, url="https://localhost:{port}/mcp")


@pytest.fixture(scope="module")
def healthy(folder: Path) -> Generator[CommandServer]:
    with serving("healthy", folder) as server:
        yield server


@pytest.fixture(scope="module")
def sdk(folder: Path) -> Generator[CommandServer]:
    with serving("sdk", folder) as server:
        yield server


def run(*arguments: str, authority: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {it: value for it, value in os.environ.items() if it != "SSL_CERT_FILE"}
    if authority is not None:
        environment["SSL_CERT_FILE"] = str(authority)
    command = [sys.executable, "-m", "mcp_session", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, check=False, encoding="utf-8", timeout=300
    )


def fuzz(url: str, out: Path, *options: str, authority: Path | None = None) -> object:
    told = run("fuzz", url, "--out", str(out), *options, authority=authority)
    return told.returncode, told.stdout, told.stderr


def test_check_judges_a_server_by_the_authority_that_is_named(
    sdk: CommandServer, authority: Path
) -> None:
    told = run("check", sdk.url, "--json", authority=authority)

    report = json.loads(told.stdout)
    assert (told.returncode, told.stderr) == (0, "")
    assert report["counts"]["pass"] > 30
    assert report["counts"].get("fail", 0) == 0


def test_check_says_of_a_server_that_nobody_certifies_that_no_answer_came(
    sdk: CommandServer,
) -> None:
    told = run("check", sdk.url)

    assert (told.returncode, told.stderr) == (1, "")
    assert "no answer: ConnectError" in told.stdout


def test_fuzz_finds_nothing_in_a_healthy_server(
    healthy: CommandServer, authority: Path, tmp_path: Path
) -> None:
    cases = seed = 0
    # A busy machine may need long for one.
    while cases <= 2:
        seed += 1
        options = ("--seconds", "3", "--seed", str(seed), "--json", "--answer-seconds", "60")
        told = run(*("fuzz", healthy.url, "--out", str(tmp_path), *options), authority=authority)
        assert told.returncode == 0, (told.stdout, told.stderr)
        cases += json.loads(told.stdout)["cases"]


def test_fuzz_finds_what_is_wrong_with_a_server_and_writes_it_in_the_clear(
    sdk: CommandServer, authority: Path, tmp_path: Path
) -> None:
    bounds = ("--seconds", "120", "--shrink-seconds", "1", "--most", "1", "--json")
    told = run("fuzz", sdk.url, "--out", str(tmp_path), *bounds, authority=authority)

    assert told.returncode == 1, (told.stdout, told.stderr)
    (finding,) = json.loads(told.stdout)["findings"]
    # The SDK's own, which docs/fuzz.md names.
    assert finding["kind"] in {"a session ID on an error", "500"}
    requests = list(Path(finding["folder"]).glob("*.request"))
    assert requests
    for request in requests:
        assert b"host: localhost:%d" % sdk.port in request.read_bytes()
        classify_exchange(request.read_bytes(), request.with_suffix(".response").read_bytes())


def test_fuzz_sends_nothing_to_a_server_that_nobody_certifies(
    healthy: CommandServer, tmp_path: Path
) -> None:
    told = run("fuzz", healthy.url, "--out", str(tmp_path / "none"), "--bearer", "SECRET")

    assert told.returncode == 2
    assert NOT_TRUSTED in told.stderr
    assert "SECRET" not in told.stdout + told.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_fuzz_ends_with_words_where_there_is_no_tls(said: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_at_once() -> None:
            # It is connected to once, to see whether it is there.
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(said)

        closing = threading.Thread(target=close_at_once, daemon=True)
        closing.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/mcp"
        told = run("fuzz", url, "--out", str(tmp_path), "--seconds", "1")
        closing.join(60)

    assert told.returncode == 2, told.stdout
    assert "mcp-session: the server cannot be reached (" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_raw_client_reads_what_a_server_over_tls_answers(folder: Path) -> None:
    def make() -> object:
        async def application(_scope: object, _receive: object, send: object) -> None:
            body = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":1}'
            headers = [(b"content-type", b"application/json")]
            start = {"type": "http.response.start", "status": 404, "headers": headers}
            await send(start)  # type: ignore[operator]
            await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

        return application

    files: dict[str, Any] = {
        "ssl_certfile": folder / "server.pem",
        "ssl_keyfile": folder / "key.pem",
    }
    with AsgiServer(make, lifespan="off", **files) as server:
        assert server.url == f"https://127.0.0.1:{server.port}/mcp"
        url = server.url.replace("127.0.0.1", "localhost")
        context = ssl.create_default_context(cafile=folder / "authority.pem")
        client = ScriptedClient(url, ssl_context=context)
        client.send("POST", PING, session_id="dead")
        with pytest.raises(ssl.SSLCertVerificationError):
            ScriptedClient(url).send("POST", PING, session_id="dead")

    (exchange,) = client.exchanges
    assert_session_not_found(*exchange)
    assert classify_exchange(*exchange).action is Action.CLEAR_AND_REINIT


def test_a_request_that_is_cut_off_over_tls_is_an_answer_that_ended_early(
    sdk: CommandServer, authority: Path
) -> None:
    trusted = ssl.create_default_context(cafile=authority)
    address = ("localhost", sdk.port)
    with RawExchange(address, b"POST /mcp HTTP/1.1\r\n", ssl_context=trusted) as running:
        running.finish_sending()
        response = running.read()

    assert (response.status, response.is_whole, response.ended_early) == (0, False, True)
