"""The answer to one request: what the machine says goes out."""

from collections.abc import Awaitable

from anyio.lowlevel import checkpoint

from mcp_session._asgi import Message, Send
from mcp_session._asgi._events import Reporter
from mcp_session._core import AsgiMachine

__all__ = ["AsgiExchange"]

_TRAILERS = "http.response.trailers"
_KEPT_BACK_AT_ONCE = 16


class AsgiExchange:
    """Stands between an application and the server."""

    # Defaults of the class: what is not needed is not paid for.
    _is_reported = _passes = _passes_all_but_trailers = False
    _kept_back = 0

    def __init__(self, machine: AsgiMachine, reporter: Reporter, send: Send) -> None:
        """Send by the server's `send`."""
        self._machine, self._reporter, self._send = machine, reporter, send

    def send(self, message: Message) -> Awaitable[None]:
        """Stand in for the server's `send`; once decided, without so much as a frame."""
        if self._passes or (self._passes_all_but_trailers and message["type"] != _TRAILERS):
            return self._send(message)
        return self._forward(message)

    async def end(self) -> None:
        """Send what was kept back of an answer that was cut off."""
        if not (self._passes or self._passes_all_but_trailers):
            await self._send_all(self._machine.end())

    async def _forward(self, message: Message) -> None:
        outgoing = self._machine.response(message)
        if message["type"] == "http.response.start":
            # Of what HTTP does not have, or what nobody looks at, nothing is decided.
            self._passes = self._machine.passes
            self._reporter.remark(self._machine)
        await self._send_all(outgoing)

    async def _send_all(self, messages: list[Message]) -> None:
        machine = self._machine
        if not self._is_reported and (rule := machine.rule) is not None:
            self._is_reported = True
            self._passes = machine.passes
            self._passes_all_but_trailers = machine.passes_all_but_trailers
            self._reporter.decided(machine, rule)
        for message in messages:
            await self._send(message)
        if not messages:
            self._kept_back += 1
            if self._kept_back % _KEPT_BACK_AT_ONCE == 0:
                # Whoever sends into the void without end lets others run all the same.
                await checkpoint()
