"""Session code as an SDK may have it: over `mcp_session.Session`, which does the deciding."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mcp_session import (
    Deliver,
    Drop,
    GiveUp,
    Hold,
    Initialized,
    Lead,
    Resend,
    Restore,
    Send,
    Session,
)

if TYPE_CHECKING:
    from mcp_session import Cooldown
    from mcp_session.testing.machine import Transport


class SessionCode:
    """Sends the requests of callers, and lets them outlive the sessions of a server."""

    def __init__(self, transport: Transport) -> None:
        """Take how to send."""
        self.transport = transport
        self.session = Session()
        self.changed = asyncio.Event()
        self.cooldown: Cooldown | None = None

    async def request(
        self, method: str, body: bytes, *, last_event_id: str | None = None
    ) -> int | None:
        """Send a request; return the status that its caller is to see."""
        status = 202
        step: Any = self.session.before_request(method, body=body, last_event_id=last_event_id)
        while not isinstance(step, Deliver | Drop):
            if isinstance(step, GiveUp):
                self.let_cool_down(step.retry_after)
                raise ConnectionError(step.text)
            if isinstance(step, Send | Resend):
                status, step = await self.send(method, body, step)
            elif isinstance(step, Lead):
                with step:
                    await self.lead(step)
                step = self.session.after_recovery(step.hold)
            elif isinstance(step, Hold):
                with step as hold:
                    while not hold.is_settled:
                        await self.changed.wait()
                    step = self.session.after_recovery(hold)
            self.wake()
        return status if isinstance(step, Deliver) else 202

    async def send(self, method: str, body: bytes, step: Send | Resend) -> tuple[int, Any]:
        """Send a request once; return the status, and what to do then."""
        headers = {} if step.session_id is None else {"mcp-session-id": step.session_id}
        if step.last_event_id is not None:
            headers["last-event-id"] = step.last_event_id
        try:
            with step.exchange as exchange:
                response = await self.transport(method, headers, step.body or body)
                after = self.session.after_response(
                    exchange,
                    response.status,
                    response_session_id=response.headers.get("mcp-session-id"),
                    content_type=response.headers.get("content-type"),
                    response_body=response.body,
                )
        finally:
            self.wake()
        return response.status, after

    async def lead(self, lead: Lead) -> None:
        """Make a new session."""
        step: Any = lead
        try:
            while isinstance(step, Lead | Initialized | Restore):
                with step as handle:
                    try:
                        step = await self.lead_on(handle)
                    except OSError:
                        step = self.session.lead_failed(handle)
        finally:
            self.wake()

    async def lead_on(self, step: Lead | Initialized | Restore) -> Any:
        """Send the next message of a leader; return what is to be sent then."""
        if isinstance(step, Lead):
            response = await self.transport("POST", {}, step.initialize)
            return self.session.initialize_answered(
                step,
                response.status,
                response_session_id=response.headers.get("mcp-session-id"),
                message=response.body or None,
            )
        headers = {} if step.session_id is None else {"mcp-session-id": step.session_id}
        if isinstance(step, Initialized):
            response = await self.transport("POST", headers, step.initialized)
            return self.session.initialized_answered(step, response.status)
        response = await self.transport("POST", headers, step.body)
        return self.session.restore_answered(step, response.status, message=response.body)

    def wake(self) -> None:
        """Let those look who wait: what they wait for may be settled."""
        self.changed.set()
        self.changed = asyncio.Event()

    def let_cool_down(self, cooldown: Cooldown | None) -> None:
        """Let the next request lead once the time is over."""
        if cooldown is not None and cooldown != self.cooldown:
            self.cooldown = cooldown
            loop = asyncio.get_running_loop()
            loop.call_later(cooldown.seconds, self.session.cooldown_over, cooldown)
