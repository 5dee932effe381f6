"""After a restart a client's calls go on, and what its server sends by itself arrives.

The client is the official SDK's over our HTTP client. Each server is killed and started again. What
belongs to no request goes over the standalone stream, which has to be opened anew, in the session
that stands then. A part runs with the server of this environment; `--whole` runs all that send
anything by themselves: docs/check.md says which do not.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_session.httpx2 import AsyncClient
from mcp_session.testing import CommandServer
from peers import SERVERS

import sdk

pytestmark = pytest.mark.anyio

# Of this environment, which is also that of mcp 2.x.
PART = ("mcp2.3.0",)

UNTIL_SECONDS = 40.0

# A reply in place of a notification: the server asks, and waits for it.
REPLY = "a reply"


@dataclass(frozen=True)
class Push:
    """What a server sends by itself, and what brings it to."""

    heard: str
    """The method of the notification, or `REPLY`."""
    tool: str | None = None
    """To be called; else the server does it unasked."""
    changed: str | None = None
    """A file in the server's command, a change of which it tells."""


TOOLS_CHANGED = Push("notifications/tools/list_changed", "push")
RESOURCES_CHANGED = Push("notifications/resources/list_changed", "push")
LOGS = Push("notifications/message", "toggle-simulated-logging")

PUSHES = {
    "mcp1.30.0": RESOURCES_CHANGED,
    "mcp2.3.0": RESOURCES_CHANGED,
    "fastmcp4.1.6": RESOURCES_CHANGED,
    "rust-rmcp-3.9.0": TOOLS_CHANGED,
    "rust-rmcp-0.8.5": TOOLS_CHANGED,
    "ts-sdk-v1.32.2-single": TOOLS_CHANGED,
    "ts-sdk-v2.4.0": TOOLS_CHANGED,
    "hono-mcp-0.3.2": TOOLS_CHANGED,
    "ts-server-everything-2026.8.31": LOGS,
    "supergateway-4.0.0-stateful": LOGS,
    "fastmcp-ts-4.20.16": Push("notifications/message", "push"),
    # It asks for the roots, whether it then finds a browser or not.
    "playwright-mcp-0.0.83": Push(REPLY, "browser_close"),
    "kubernetes-mcp-server-0.0.67": Push(
        "notifications/tools/list_changed", changed="kubeconfig.yaml"
    ),
}


class Wire:
    """What goes over the wire, as the event hooks of the HTTP client see it."""

    def __init__(self, http_client: AsyncClient) -> None:
        self.session: str | None = None
        """That which was begun last."""
        self.streams: list[str | None] = []
        """The sessions whose standalone stream was opened."""
        self.replies: list[str | None] = []
        """The session of each answer to a question of the server's that it took."""
        http_client.event_hooks["response"].append(self.saw)

    async def saw(self, response: Any) -> None:
        request = response.request
        session = request.headers.get("mcp-session-id")
        if request.method == "GET" and response.status_code == 200:
            self.streams.append(session)
        if request.method != "POST" or response.status_code >= 300:
            return
        message = json.loads(request.content)
        if message.get("method") == "initialize":
            self.session = response.headers.get("mcp-session-id")
        elif "method" not in message:
            self.replies.append(session)


class Rooted(sdk.Callbacks):
    """The callbacks of an application that has roots, if only none."""

    def as_keywords(self) -> dict[str, Any]:
        return {**super().as_keywords(), "list_roots_callback": self.list_roots}

    async def list_roots(self, _context: Any) -> Any:
        return sdk.types.ListRootsResult(roots=[])


@dataclass
class Played:
    """A server, its client and what they said."""

    push: Push
    client: sdk.Connected
    wire: Wire
    file: Path | None

    async def arrives(self) -> None:
        """Have the server send something in the session that stands, and see it arrive."""
        await until("a stream", lambda: self.wire.session in self.wire.streams)
        before = self.heard()
        if self.push.tool is not None:
            # Whether it does what it is for is another question.
            with suppress(sdk.CallError):
                await self.client.call(self.push.tool)
        if self.file is not None:
            self.file.write_bytes(self.file.read_bytes() + b"# changed\n")
        await until(self.push.heard, lambda: self.heard() > before)

    def heard(self) -> int:
        if self.push.heard == REPLY:
            return self.wire.replies.count(self.wire.session)
        return self.client.notifications.count(self.push.heard)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_whole = metafunc.config.getoption("--whole")
    metafunc.parametrize("name", PUSHES if is_whole else PART)


async def test_calls_go_on_after_a_restart_and_push_arrives(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    monkeypatch.setattr(sdk, "Callbacks", Rooted)
    push = PUSHES[name]
    command, file = prepared(name, push, tmp_path)
    if not whole:
        command[0] = sys.executable
    with CommandServer(command, url=SERVERS[name].url) as process:
        async with AsyncClient(timeout=60) as http_client:
            wire = Wire(http_client)
            connecting = sdk.connect(sdk.LEGACY, process.url, http_client=http_client)
            async with connecting as client:
                played = Played(push, client, wire, file)
                await client.list_tools()
                await played.arrives()
                dead = wire.session

                await anyio.to_thread.run_sync(process.restart)

                await client.list_tools()
                await until("another session", lambda: wire.session != dead)
                await played.arrives()


def prepared(name: str, push: Push, folder: Path) -> tuple[list[str], Path | None]:
    """The command of a server, with a copy of the file that it shall be told of."""
    command = list(SERVERS[name].command)
    if push.changed is None:
        return command, None
    (original,) = (it for it in " ".join(command).split() if it.endswith(push.changed))
    copy = folder / push.changed
    copy.write_bytes(Path(original).read_bytes())
    return [it.replace(original, str(copy)) for it in command], copy


async def until(what: str, reached: Callable[[], object]) -> None:
    """Wait for it as long as a busy machine may need."""
    with anyio.move_on_after(UNTIL_SECONDS):
        while not reached():  # noqa: ASYNC110 - an event for each condition is no gain
            await anyio.sleep(0.02)
        return
    pytest.fail(f"never: {what}")
