"""What happens in the demonstration: the server is killed twice under two applications."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import click
import httpx2

from mcp_session._demo.application import Application, Line, Order
from mcp_session._demo.process import Server
from mcp_session.httpx2 import AsyncClient

__all__ = ["Demonstration", "perform"]

# What is left of a minute is for Python to start, and to end everything.
LONGEST_SECONDS, ORDER_SECONDS = 50.0, 10.0

# The timeouts are the SDK's own; a proxy has no business between two processes of one machine.
OPTIONS: dict[str, Any] = {"timeout": httpx2.Timeout(30.0, read=300.0), "trust_env": False}


async def perform() -> Demonstration:
    """Return what happened."""
    demonstration = Demonstration()
    await demonstration.run()
    return demonstration


class Demonstration:
    """What happens to the server, and what both applications do at that time."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.plain = Application("httpx2.AsyncClient")
        self.ours = Application("mcp_session.httpx2.AsyncClient")
        self.acts: list[Act] = []
        self.problem = ""
        """What went wrong with the demonstration itself."""
        self._begun = time.monotonic()
        self._last_said = ""
        self._limit = anyio.CancelScope()

    async def run(self) -> None:
        """Perform all of it, or as much as there is time for."""
        with Server(self._say) as server:
            with anyio.move_on_after(LONGEST_SECONDS) as self._limit:
                await self._perform(server)
            if self._limit.cancelled_caught:
                self.problem = f"given up, {self._last_said}"

    async def _perform(self, server: Server) -> None:
        plain, ours = self.plain, self.ours
        await self._start(server, "start")
        async with (
            httpx2.AsyncClient(event_hooks=plain.event_hooks, **OPTIONS) as plain_client,
            AsyncClient(event_hooks=ours.event_hooks, on_event=ours.hear, **OPTIONS) as our_client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(plain.run, plain_client, server.url)
            tasks.start_soon(ours.run, our_client, server.url)
            await self._order_both("connect")
            await self._order_both("call 1")
            self._kill(server)
            await self._start(server, "restart")
            await self._order_both("call 2")
            await self._order_both("call 3")
            self._kill(server)
            await self._order_both("call 4", is_answerable=False)
            await self._start(server, "restart")
            await self._order_both("call 5")
            await self._order_both("close")

    async def _start(self, server: Server, title: str) -> None:
        self._begin(title)
        if not await server.start():
            await self._give_up()

    def _kill(self, server: Server) -> None:
        self._begin("kill")
        server.kill()

    async def _order_both(self, what: str, *, is_answerable: bool = True) -> None:
        self._begin(what)
        self._say(f"{what}: waiting for both applications, at most {ORDER_SECONDS:.0f} s")
        with anyio.move_on_after(ORDER_SECONDS) as limit:
            async with anyio.create_task_group() as tasks:
                for application in (self.plain, self.ours):
                    tasks.start_soon(application.obey, Order(what, is_answerable))
        if limit.cancelled_caught:
            await self._give_up()

    async def _give_up(self) -> None:
        self._limit.cancel()
        await anyio.lowlevel.checkpoint()

    def _begin(self, title: str) -> None:
        act = Act(title, time.monotonic() - self._begun)
        self.acts.append(act)
        self.plain.lines, self.ours.lines = act.plain, act.ours

    def _say(self, what: str) -> None:
        self._last_said = what
        click.echo(f"mcp-session: {what}", err=True)


@dataclass(frozen=True)
class Act:
    """A row of both timelines."""

    title: str
    seconds: float
    plain: list[Line] = field(default_factory=list["Line"])
    ours: list[Line] = field(default_factory=list["Line"])
