"""Session code under test: the guide's loop over `Session`, and clients with one bug each."""

import asyncio
import json
from typing import Any

from mcp_session import (
    Cooldown,
    Deliver,
    Drop,
    Event,
    EventReader,
    GiveUp,
    Hold,
    Initialized,
    Lead,
    Resend,
    Restore,
    Send,
    Session,
)
from mcp_session.testing.machine import Transport, WireResponse


class GivenUpError(ConnectionError):
    """The session machine gave the request up."""


class Guided:
    """The loop of docs/session.md, with event IDs."""

    def __init__(self, transport: Transport) -> None:
        self.session, self.transport = Session(), transport
        self.waiting: dict[int, asyncio.Event] = {}
        self.cooldown: Cooldown | None = None

    async def request(
        self, method: str, body: bytes, *, last_event_id: str | None = None
    ) -> int | None:
        session = self.session
        status, answer = 0, b""
        step: Any = session.before_request(method, body=body, last_event_id=last_event_id)
        while True:
            if isinstance(step, Send | Resend):
                with step.exchange as exchange:
                    response = await self.send(
                        method, step.session_id, step.body or body, step.last_event_id
                    )
                    status, answer = response.status, response.body
                    headers = response.headers
                    step = session.after_response(
                        exchange,
                        status,
                        response_session_id=headers.get("mcp-session-id"),
                        content_type=headers.get("content-type"),
                        response_body=answer,
                    )
            elif isinstance(step, Lead):
                lead = step
                try:
                    with lead:
                        await self.recover(lead)
                finally:
                    self.waiting.pop(lead.recovery, asyncio.Event()).set()
                step = session.after_recovery(lead.hold)
            elif isinstance(step, Hold):
                with step as hold:
                    while not hold.is_settled:
                        await self.waiting.setdefault(hold.recovery, asyncio.Event()).wait()
                    step = session.after_recovery(hold)
            elif isinstance(step, Deliver):
                self.wake_all()
                self.watch(step, answer)
                return status
            elif isinstance(step, Drop):
                self.wake_all()
                return 202
            else:
                assert isinstance(step, GiveUp)
                self.wake_all()
                self.wait_for(step.retry_after)
                raise GivenUpError(step.text)

    async def send(
        self, method: str, session_id: str | None, body: bytes, event_id: str | None = None
    ) -> WireResponse:
        headers: dict[str, str] = {}
        if session_id is not None:
            headers["mcp-session-id"] = session_id
        if event_id is not None:
            headers["last-event-id"] = event_id
        try:
            return await self.transport(method, headers, body)
        finally:
            self.wake_all()

    def watch(self, delivered: Deliver, answer: bytes) -> None:
        for event in EventReader().read(answer) if answer[:3] == b"id:" else ():
            assert isinstance(event, Event)
            self.session.saw_event_id(delivered.stream, event.id)
            self.session.saw_message(delivered.stream, event.data.encode())

    async def recover(self, lead: Lead) -> None:
        session, new_id = self.session, None
        step: Any = lead
        while isinstance(step, Lead | Initialized | Restore):
            with step as handle:
                try:
                    if isinstance(handle, Lead):
                        answer = await self.send("POST", None, handle.initialize)
                        new_id = answer.headers.get("mcp-session-id")
                        step = session.initialize_answered(
                            handle,
                            answer.status,
                            response_session_id=new_id,
                            message=answer.body or None,
                        )
                    elif isinstance(handle, Initialized):
                        answer = await self.send("POST", new_id, handle.initialized)
                        step = session.initialized_answered(handle, answer.status)
                    else:
                        answer = await self.send("POST", new_id, handle.body)
                        step = session.restore_answered(
                            handle, answer.status, message=answer.body or None
                        )
                except OSError:
                    step = session.lead_failed(handle)

    def wake_all(self) -> None:
        for event in self.waiting.values():
            event.set()
        self.waiting.clear()

    def wait_for(self, cooldown: Cooldown | None) -> None:
        if cooldown is not None and cooldown != self.cooldown:
            self.cooldown = cooldown
            loop = asyncio.get_running_loop()
            loop.call_later(cooldown.seconds, self.session.cooldown_over, cooldown)


class Simple:
    """Session code as an SDK may have it: a lock, a counter, and on demand one bug.

    It shares nothing with this project's session machine.
    """

    def __init__(self, transport: Transport, bug: str = "") -> None:
        self.transport, self.bug = transport, bug
        self.session_id: str | None = None
        self.session = 0
        self.issued = 0
        self.lives = True
        self.succeeded = self.closed = False
        self.streamed: set[int] = set()
        self.opening: bytes | None = None
        self.strikes, self.blocked_until = 0, 0.0
        self.leader: asyncio.Future[None] | None = None
        self.event_ids: dict[str, int] = {}
        self.questions: dict[str, int] = {}
        self.dropped: set[str] = set()

    def __repr__(self) -> str:
        return f"<Simple {self.session_id if self.bug == 'shows the ID' else ''}>"

    async def request(
        self, method: str, body: bytes, *, last_event_id: str | None = None
    ) -> int | None:
        message: dict[str, Any] = json.loads(body) if body else {}
        if message.get("method") == "initialize":
            return await self.initialize(body)
        if method == "DELETE":
            self.closed = True
            return (await self.send(method, body, self.session_id)).status
        if self.closed:
            return await self.after_the_end(method, body, message, last_event_id)
        if message.get("method") == "notifications/cancelled":
            self.dropped.add(message["params"]["requestId"])
        if ("id" not in message and method == "POST") or "result" in message:
            return await self.one_way(body, message)
        return await self.call(method, body, message, last_event_id)

    async def after_the_end(
        self, method: str, body: bytes, message: dict[str, Any], event_id: str | None
    ) -> int | None:
        if "result" in message and self.questions.get(message["id"]) != self.session:
            return 202
        if event_id is not None and self.event_ids.get(event_id) != self.session:
            event_id = None
        answer = await self.send(method, body, self.session_id, event_id)
        if answer.status == 404 and self.bug == "begins after DELETE":
            self.lives = False
            await self.recovered()
        return answer.status

    async def initialize(self, body: bytes) -> int | None:
        while self.leader is not None and not self.closed:
            await asyncio.wait([self.leader])
        if not self.closed:
            self.issued += 1
        issued = self.issued
        stale = self.session_id if self.bug == "initialize with the ID" else None
        answer = await self.send("POST", body, stale)
        if answer.status == 200 and b'"result"' in answer.body and not self.closed:
            given = answer.headers.get("mcp-session-id")
            if issued == self.issued and (given is None or " " not in given):
                self.opening = body
                self.begin_session(given)
        return answer.status

    def begin_session(self, session_id: str | None) -> None:
        self.session_id, self.lives, self.succeeded = session_id, True, False
        self.session += 1

    async def one_way(self, body: bytes, message: dict[str, Any]) -> int | None:
        is_strange = "result" in message and self.questions.get(message["id"]) != self.session
        if is_strange and self.bug != "replies to anybody":
            return 202
        if not self.lives:
            return 202
        session = self.session
        answer = await self.send("POST", body, self.session_id)
        if answer.status == 404 and not self.closed:
            self.lost(session)
            if self.bug == "notifies twice":
                await self.recovered()
                answer = await self.send("POST", body, self.session_id)
        return answer.status

    async def call(  # noqa: C901 - the bugs are in it
        self, method: str, body: bytes, message: dict[str, Any], event_id: str | None
    ) -> int | None:
        sends = 0
        began = self.session
        while True:
            self.see_that_it_goes_on(message, sends)
            if not self.lives and not self.closed and self.bug != "goes on in the dead":
                await self.recovered()
                # Much may have come in between.
                self.see_that_it_goes_on(message, sends)
            session = self.session
            attached = self.session_id
            kept = event_id
            if event_id is not None and self.event_ids.get(event_id) != session:
                kept = event_id if self.bug == "resumes anywhere" else None
            answer = await self.send(method, body, attached, kept)
            sends += 1
            if self.bug == "adopts anything":
                self.session_id = answer.headers.get("mcp-session-id", self.session_id)
            if answer.status == 200 and not self.closed:
                self.note_success(method, session, answer)
            if answer.status != 404 or self.closed or attached is None:
                return answer.status
            opens = method == "GET" and kept is None and sends == 1
            if opens and session not in self.streamed and self.bug != "begins for a GET":
                return answer.status
            own = (sends > 1 or began < session) and session == self.session and self.succeeded
            if not own or self.bug == "takes its own 404 for the end":
                self.lost(session)
            if own:
                return answer.status
            again = self.bug == "sends for ever" and sends < 5
            if (sends > 1 and not again) or message.get("params", {}).get("cursor"):
                return answer.status

    def see_that_it_goes_on(self, message: dict[str, Any], sends: int) -> None:
        if self.closed and sends:
            raise GivenUpError
        if message.get("id") in self.dropped and self.bug != "sends what was cancelled":
            raise GivenUpError
        if sends and self.strikes >= 2 and self.bug != "has no bound":
            raise GivenUpError

    def note_success(self, method: str, session: int, answer: WireResponse) -> None:
        if method == "GET":
            self.streamed.add(session)
            for event in EventReader().read(answer.body):
                assert isinstance(event, Event)
                self.event_ids[event.id] = session
                self.questions[json.loads(event.data)["id"]] = session
        elif session == self.session and self.lives:
            self.succeeded, self.strikes, self.blocked_until = True, 0, 0.0

    def lost(self, session: int) -> None:
        if self.bug == "a late 404 ends the newest":
            session = self.session
        if session == self.session and self.lives:
            self.lives = False
            if not self.succeeded:
                self.strike()

    def strike(self) -> None:
        self.strikes += 1
        if self.strikes >= 2:
            self.blocked_until = asyncio.get_running_loop().time() + 1.0

    async def recovered(self) -> None:
        """Return once a session lives, or raise."""
        if self.leader is not None and self.bug != "everybody leads":
            await asyncio.wait([self.leader])
            if not self.lives:
                raise GivenUpError
            return
        blocked = asyncio.get_running_loop().time() < self.blocked_until
        if self.opening is None or (blocked and self.bug != "has no bound"):
            raise GivenUpError
        leader = self.leader = asyncio.get_running_loop().create_future()
        try:
            await self.lead(self.opening)
        except BaseException:
            if self.bug == "a failed leader wedges":
                leader = asyncio.get_running_loop().create_future()
            raise
        finally:
            if self.bug != "a failed leader wedges" or self.lives:
                self.leader = None
                leader.cancel()

    async def lead(self, opening: bytes) -> None:
        self.issued += 1
        try:
            answer = await self.send("POST", opening, None)
            given = answer.headers.get("mcp-session-id")
            if answer.status != 200 or b'"result"' not in answer.body or " " in (given or ""):
                raise GivenUpError
            if not self.closed:
                await self.announce(given)
        except OSError:
            self.strike()
            raise

    async def announce(self, session_id: str | None) -> None:
        # Whoever ends the session meanwhile ends this one.
        before, self.session_id = self.session_id, session_id
        is_accepted = False
        try:
            is_accepted = (await self.send("POST", INITIALIZED, session_id)).status == 202
        finally:
            # A DELETE that came in between has ended the new one.
            if not is_accepted and not self.closed:
                self.session_id = before
        if not is_accepted:
            raise GivenUpError
        self.begin_session(session_id)

    async def send(
        self, method: str, body: bytes, session_id: str | None, event_id: str | None = None
    ) -> WireResponse:
        headers = {} if session_id is None else {"Mcp-Session-Id": session_id}
        if event_id is not None:
            headers["Last-Event-ID"] = event_id
        return await self.transport(method, headers, body)


INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'

# Each with the guarantee that it breaks.
BUGS = {
    "a late 404 ends the newest": {1},
    "everybody leads": {2},
    "a failed leader wedges": {3},
    "goes on in the dead": {3},
    "sends for ever": {4},
    "has no bound": {5},
    "takes its own 404 for the end": {1, 5},
    "begins for a GET": {1, 6},
    "resumes anywhere": {6},
    "initialize with the ID": {7},
    "adopts anything": {7},
    "notifies twice": {8},
    "replies to anybody": {8},
    "sends what was cancelled": {8},
    "begins after DELETE": {9},
    "shows the ID": {10},
}
