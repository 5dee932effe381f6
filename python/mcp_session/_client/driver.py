"""Does for one HTTP client what the machine says is to be done with its requests.

Written once for both HTTP libraries, which differ in nothing that is used here.
"""

from __future__ import annotations

import logging
import random
import time
from threading import Lock
from typing import TYPE_CHECKING

from mcp_session._client import recovery, streams
from mcp_session._client.library import Library, Wire
from mcp_session._client.recovery import FollowedSession, Leader, Opening
from mcp_session._client.waiting import Waiting
from mcp_session._core import (
    CircuitOpen,
    Handover,
    HeldBack,
    LocalAnswer,
    Raise,
    Read,
    ReadAnswer,
    Recover,
    Transmit,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from mcp_session._client.options import Options
    from mcp_session._core import RequestRun
    from mcp_session.client import Step

__all__ = ["Driver"]

READS = Read, ReadAnswer

logger = logging.getLogger("mcp_session")


class Driver:
    """Sends the requests of one HTTP client, each as its machine says."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        send: Callable[..., Awaitable[httpx2.Response]],
        library: Library,
        options: Options,
    ) -> None:
        """Take the client, and how it sends a request on the wire."""
        self.wire = Wire(client, send, library, options)
        self.machine = options.machine(status_shield=library.status_shield)
        self._has_warned = False
        self._sessions: dict[int, FollowedSession] = {}
        self._prune_at = 64
        self._pruning = Lock()

    async def send(
        self, request: httpx2.Request, *, stream: bool, **send_options: object
    ) -> httpx2.Response:
        """Send a request, in its session if it has one that is followed."""
        wire, url = self.wire, request.url
        body = request.read() if isinstance(request.stream, wire.library.whole_body) else None
        while True:
            run = self.machine.begin(
                request.method,
                url.scheme,
                url.raw_path,
                request.headers.raw,
                body,
                wire.client.headers,
                wire.own_auth(url, send_options),
                url.netloc,
            )
            if run is not True:
                break
            body = await request.aread()
        if run is None:
            return await wire.send(request, stream=stream, **send_options)
        request_driver = RequestDriver(self, run, request, send_options)
        if not run.closes:
            return await request_driver.finish(stream=stream)
        with self.wire.library.waits.move_on_after(recovery.DELETE_SECONDS):
            return await request_driver.finish(stream=stream)
        message = "the session was not ended in time"
        raise wire.library.timeout(message, request=request)

    def session(self, number: int, opening: Opening | None) -> FollowedSession | None:
        """Find what is kept for a session; begin with it where its `initialize` does."""
        session = self._sessions.get(number)
        if session is None and opening is not None:
            # Of two threads, one would lose what the other begins with.
            with self._pruning:
                if len(self._sessions) >= self._prune_at:
                    known = self.machine.knows
                    kept = tuple(self._sessions.items())
                    self._sessions = {it: session for it, session in kept if known(it)}
                    self._prune_at = 64 + 2 * len(self._sessions)
                waiting = Waiting(self.wire.library.waits)
                session = self._sessions[number] = FollowedSession(opening, waiting)
        return session

    def warn_of_hooks(self) -> None:
        """Say once that an event hook which raises may stand in the way."""
        if self.wire.client.event_hooks["response"] and not self._has_warned:
            self._has_warned = True
            text = "an event hook that raises may keep sessions from being recovered"
            logger.warning(text, exc_info=False)


class RequestDriver:
    """One request on its way."""

    # Defaults of the class: what is not needed is not paid for.
    _opening: Opening | None = None
    _session: FollowedSession | None = None
    _response: httpx2.Response | None = None
    """What the server has answered and the caller has not got."""
    _held = 0.0
    """For how many seconds it has been held."""

    def __init__(
        self,
        driver: Driver,
        run: RequestRun,
        request: httpx2.Request,
        send_options: dict[str, object],
    ) -> None:
        """Take a request that the machine has begun to look at."""
        self._driver = driver
        self._wire = driver.wire
        self._run = run
        self._request = request
        self._send_options = send_options
        self._begun = time.monotonic()
        if run.is_initialize:
            self._opening = Opening.of(request, send_options, driver.wire.client)
        if (number := run.session) is not None:
            self._session = driver.session(number, self._opening)

    async def finish(self, *, stream: bool) -> httpx2.Response:
        """Take it to its end: the server's answer, or one that says why there is none."""
        run = self._run
        if run.closes and self._session is not None:
            self._session.waiting.wake_all()
        step, response = run.step, None
        try:
            while response is None:
                if isinstance(step, Transmit):
                    ended = None if step.is_first else await self._before_it_goes_out(step)
                    step = ended or await self._transmit(step)
                elif isinstance(step, Handover):
                    response = await self._hand_over(step)
                elif isinstance(step, LocalAnswer):
                    response = await self._answer(step)
                else:
                    step = await self._wait(step)
        except BaseException:
            self._leave()
            if self._response is not None:
                await self._response.aclose()
            raise
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    async def _transmit(self, sending: Transmit) -> Step:
        """Send it, and tell what comes of that until it is clear what becomes of it."""
        wire, session, run, raised = self._wire, self._session, self._run, None
        library = wire.library
        try:
            try:
                request = self._on_the_wire(sending)
                response = await wire.send(request, stream=True, **self._send_options)
            except library.outages as error:
                is_unsent = isinstance(error, library.unsent)
                step: Step = run.failed(type(error).__name__, is_unsent=is_unsent)
                if isinstance(step, Raise):
                    raise
                return step
            except library.refused as error:
                if not is_answer_to(request, error.response):
                    raise
                # An event hook raised for the status, which may be the end of the session.
                response, raised = error.response, error
            except Exception:
                self._driver.warn_of_hooks()
                raise
            self._response = response
            step = run.response(response.status_code, response.headers.raw, is_decoded=True)
            while isinstance(step, READS):
                step = await self._read(step, response, raised)
            if not isinstance(step, Handover):
                await streams.drain(response, library)
                self._response = None
                return step
            if raised is not None:
                raise raised
            return step
        finally:
            if session is not None:
                self._was_sent(sending, session)

    def _was_sent(self, sending: Transmit, session: FollowedSession) -> None:
        if sending.is_trial:
            session.waiting.wake_all()
        if self._response is None or not self._response.is_success:
            session.note_cooldown(self._run.cooldown)

    async def _read(
        self, step: Read | ReadAnswer, response: httpx2.Response, raised: Exception | None
    ) -> Step:
        run, library = self._run, self._wire.library
        if raised is not None and not response.is_stream_consumed:
            # The library has closed it: a misreport cannot be read any more.
            self._driver.warn_of_hooks()
        if isinstance(step, Read):
            refusal = streams.read_refusal(response, step.limit, step.seconds, library)
            return run.refusal_read(await refusal)
        try:
            whole = streams.read_whole(response, library, is_encoded=run.is_encoded)
            return run.answer_read(await whole)
        except (*library.outages, library.decoding) as error:
            return run.answer_cut(type(error).__name__)

    async def _hand_over(self, handover: Handover) -> httpx2.Response:
        wire, session, response = self._wire, self._session, self._response
        if response is None:
            message = "the machine hands over what has not come"
            raise RuntimeError(message)
        if session is not None:
            orphan = handover.orphan
            if self._opening and response.is_success and orphan is None:
                session.opening = self._opening
            if orphan is not None:
                await recovery.delete(wire, session.opening, orphan)
            if (watch := handover.watch) is not None:
                is_encoded = self._run.is_encoded
                streams.guard(response, watch, session.streams, wire.library, is_encoded=is_encoded)
        if handover.alias is not None:
            response.headers["mcp-session-id"] = handover.alias
        if handover.body is not None:
            streams.replace_body(response, handover.body, wire.library)
        following = response.next_request
        if following is not None and "mcp-session-id" in self._request.headers:
            # The caller follows it, with the ID by which it is known here.
            following.headers["mcp-session-id"] = self._request.headers["mcp-session-id"]
            url = following.url
            self._run.redirected(url.scheme, following.headers["host"], url.raw_path, url.netloc)
        if events := self._run.events():
            await wire.options.tell(events, wire.library.waits)
        return response

    async def _answer(self, answer: LocalAnswer) -> httpx2.Response:
        if self._session is not None:
            # It may have been the end of one that waits.
            self._session.waiting.wake(self._run.wakes)
        await self._wire.options.tell(self._run.events(), self._wire.library.waits)
        return streams.local_response(answer, self._request, self._begun, self._wire.library)

    async def _wait(self, step: Step) -> Step:
        run, session = self._run, self._session
        match step:
            case Recover() if session is not None:
                leader = Leader(self._request, self._send_options)
                await recovery.recover(self._wire, session, step.recovery, leader)
                session.note_cooldown(run.cooldown)
                return run.hold_over()
            case HeldBack() if session is not None:
                return await self._hold(session)
            case Wait(seconds=seconds) if session is not None:
                await self._wire.options.tell(run.events(), self._wire.library.waits)
                # Many clients lose one server together; they should not come back together.
                jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
                with self._wire.library.waits.move_on_after(seconds * jitter):
                    await session.waiting.for_a_new_session()
                return run.wait_over()
            case CircuitOpen() if session is not None:
                is_over = session.has_cooled(step.number, step.seconds)
                return run.circuit_cooled() if is_over else run.circuit_stands()
            case _:
                message = "the machine asks for what only a session can do"
                raise RuntimeError(message)

    async def _hold(self, session: FollowedSession) -> Step:
        run = self._run
        timed_out = await self._waits_in_vain(
            session, lambda: run.is_settled and self._is_released()
        )
        return run.hold_over(timed_out=timed_out)

    async def _before_it_goes_out(self, sending: Transmit) -> Step | None:
        """Wait for the application's hook; say what to do if it is not to be sent any more."""
        session, run = self._session, self._run
        hooked = session if session is not None and session.hooks else None
        if hooked is not None and await self._waits_in_vain(hooked, self._is_released):
            ended: Step | None = run.hold_over(timed_out=True)
        else:
            ended = run.goes_out()
        if session is not None and ended is not None and sending.is_trial:
            session.waiting.wake_all()
        return ended

    async def _waits_in_vain(self, session: FollowedSession, is_over: Callable[[], bool]) -> bool:
        """Wait until this is so; say whether it was held for too long in all."""
        begun, left = time.monotonic(), self._wire.options.hold_timeout - self._held
        with self._wire.library.waits.move_on_after(left) as scope:
            await session.waiting.until(is_over, self._run.waits_as)
        self._held += time.monotonic() - begun
        return scope.cancelled_caught

    def _is_released(self) -> bool:
        return self._session is None or self._session.is_released(self._begun)

    def _leave(self) -> None:
        """Hand over what the request would have done, if it is stopped before its end."""
        step = self._run.step
        self._run.abandon()
        if isinstance(step, Recover) and self._session is not None:
            with step.recovery:
                pass
            self._session.waiting.wake_all()

    def _on_the_wire(self, sending: Transmit) -> httpx2.Request:
        """Make the request that is sent: the caller's own, if nothing in it is another."""
        request = self._request
        if sending.is_first and not sending.changes and sending.body is None:
            return request
        headers = request.headers.copy()
        # Of one body there is one length, however the caller had sent it.
        changes = [*sending.changes, ("content-length", None), ("transfer-encoding", None)]
        cookies = recovery.newer_cookies(request, self._wire.client)
        if cookies is not None:
            changes.append(("cookie", None))
        for name, value in changes:
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        body = request.content if sending.body is None else sending.body
        return self._wire.library.request(
            request.method,
            request.url,
            headers=headers,
            cookies=cookies,
            content=body or None,
            extensions=request.extensions,
        )


def is_answer_to(request: httpx2.Request, response: httpx2.Response) -> bool:
    """Say whether a response is to this request, which may have been redirected.

    An auth flow sends requests of its own, and raises for their status.
    """
    name = "mcp-session-id"
    try:
        sent = response.request
    except RuntimeError:  # made by hand
        return False
    if sent is request:
        return True
    is_of_session = name in request.headers and sent.headers.get(name) == request.headers[name]
    return is_of_session and sent.method == request.method
