"""Does for one HTTP client what the machine says is to be done with its requests.

Written once for both HTTP libraries, which differ in nothing that is used here.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Literal

import anyio

from mcp_session._client import recovery, streams
from mcp_session._client.library import Library, Wire
from mcp_session._client.recovery import FollowedSession, Opening
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
        self.has_warned = False
        self._sessions: dict[int, FollowedSession] = {}
        self._prune_at = 64

    async def send(
        self, request: httpx2.Request, *, stream: bool, **send_options: object
    ) -> httpx2.Response:
        """Send a request, in its session if it has one that is followed."""
        is_whole = isinstance(request.stream, self.wire.library.whole_body)
        run = self._begin(request, await request.aread() if is_whole else None)
        if run is True:
            run = self._begin(request, await request.aread())
        if run is None or run is True:
            return await self.wire.send(request, stream=stream, **send_options)
        request_driver = RequestDriver(self, run, request, send_options)
        if not run.closes:
            return await request_driver.finish(stream=stream)
        with anyio.move_on_after(recovery.DELETE_SECONDS):
            return await request_driver.finish(stream=stream)
        message = "the session was not ended in time"
        raise self.wire.library.timeout(message)

    def session(self, number: int, opening: Opening | None) -> FollowedSession | None:
        """Find what is kept for a session; begin with it where its `initialize` does."""
        session = self._sessions.get(number)
        if session is None and opening is not None:
            if len(self._sessions) >= self._prune_at:
                known = self.machine.knows
                kept = tuple(self._sessions.items())
                self._sessions = {it: session for it, session in kept if known(it)}
                self._prune_at = 64 + 2 * len(self._sessions)
            session = self._sessions[number] = FollowedSession(opening)
        return session

    def _begin(
        self, request: httpx2.Request, body: bytes | None
    ) -> RequestRun | Literal[True] | None:
        url = request.url
        return self.machine.begin(
            request.method,
            url.scheme,
            url.raw_path,
            request.headers.raw,
            body,
            self.wire.client.headers,
        )


class RequestDriver:
    """One request on its way."""

    def __init__(
        self,
        driver: Driver,
        run: RequestRun,
        request: httpx2.Request,
        send_options: dict[str, object],
    ) -> None:
        """Take a request that the machine has begun to look at."""
        self._driver = driver
        self._run = run
        self._request = request
        self._send_options = send_options
        self._begun = time.monotonic()
        self._hold_seconds = driver.wire.options.hold_timeout
        self._opening = (
            Opening.of(request, send_options, driver.wire.client) if run.is_initialize else None
        )
        self._session = None if run.session is None else driver.session(run.session, self._opening)

    async def finish(self, *, stream: bool) -> httpx2.Response:
        """Take it to its end: the server's answer, or one that says why there is none."""
        if self._run.closes and self._session is not None:
            self._session.waiting.wake_all()
        step: Step | httpx2.Response = self._run.step
        try:
            while not isinstance(step, self._driver.wire.library.response):
                step = await self._do(step, self._session)
        except BaseException:
            self._leave()
            raise
        if not stream:
            try:
                await step.aread()
            finally:
                await step.aclose()
        return step

    async def _do(
        self, step: Step | httpx2.Response, session: FollowedSession | None
    ) -> Step | httpx2.Response:
        match step:
            case Transmit():
                return await self._transmit(step)
            case LocalAnswer():
                return await self._answer(step)
            case Recover() if session is not None:
                timeouts = self._request.extensions.get("timeout")
                await recovery.recover(self._driver.wire, session, step.recovery, timeouts)
                return self._run.hold_over()
            case HeldBack() if session is not None:
                return await self._hold(session)
            case Wait(seconds=seconds) if session is not None:
                return await self._wait(seconds, session)
            case CircuitOpen() if session is not None:
                return self._circuit(step, session)
            case _:
                message = "the machine asks for what only a session can do"
                raise RuntimeError(message)

    async def _transmit(self, sending: Transmit) -> Step | httpx2.Response:
        session = self._session
        if session is not None and session.hooks and not sending.is_first:
            await session.waiting.until(self._is_released, self._run.waits_as)
            if called_off := self._run.drained():
                return called_off
        try:
            return await self._exchange(sending)
        finally:
            if session is not None and sending.is_trial:
                session.waiting.wake_all()

    async def _exchange(self, sending: Transmit) -> Step | httpx2.Response:
        driver, run = self._driver, self._run
        library = driver.wire.library
        try:
            response = await driver.wire.send(
                self._on_the_wire(sending), stream=True, **self._send_options
            )
        except library.outages as error:
            unsent = isinstance(error, library.unsent)
            step = run.failed(type(error).__name__, is_unsent=unsent)
            if isinstance(step, Raise):
                raise
            return step
        except library.refused as error:
            # An event hook raised for the status, which may be the end of the session.
            return await self._take(error.response, error)
        except Exception:
            if driver.wire.client.event_hooks["response"] and not driver.has_warned:
                driver.has_warned = True
                text = "an event hook that raises may keep sessions from being recovered"
                logger.warning(text, exc_info=False)
            raise
        try:
            return await self._take(response)
        except BaseException:
            await response.aclose()
            raise

    async def _take(
        self, response: httpx2.Response, raised: Exception | None = None
    ) -> Step | httpx2.Response:
        """Tell of a response until it is clear what becomes of it."""
        run, library = self._run, self._driver.wire.library
        step = run.response(response.status_code, response.headers.raw, is_decoded=True)
        while True:
            match step:
                case Read(limit=limit, seconds=seconds):
                    body = await streams.read_refusal(response, limit, seconds, library)
                    step = run.refusal_read(body)
                case ReadAnswer():
                    try:
                        whole = await streams.read_whole(response, library)
                    except (*library.outages, library.decoding) as error:
                        step = run.answer_cut(type(error).__name__)
                    else:
                        step = run.answer_read(whole)
                case Handover() if raised is not None:
                    raise raised
                case Handover():
                    return await self._hand_over(response, step)
                case _:
                    await streams.drain(response)
                    return run.drained() or step

    async def _hand_over(self, response: httpx2.Response, handover: Handover) -> httpx2.Response:
        driver, session = self._driver, self._session
        if session is not None:
            if self._opening and response.is_success and handover.orphan is None:
                session.opening = self._opening
            if handover.orphan is not None:
                await recovery.delete(driver.wire, session.opening, handover.orphan)
            if handover.watch is not None:
                guarded = streams.GuardedStream
                guarded.put_into(response, handover.watch, session.streams, driver.wire.library)
        if handover.alias is not None:
            response.headers["mcp-session-id"] = handover.alias
        if handover.body is not None:
            streams.replace_body(response, handover.body, driver.wire.library)
        following = response.next_request
        if following is not None and "mcp-session-id" in self._request.headers:
            # The caller follows it, with the ID by which it is known here.
            following.headers["mcp-session-id"] = self._request.headers["mcp-session-id"]
            url = following.url
            self._run.redirected(url.scheme, following.headers["host"], url.raw_path)
        await self._tell()
        return response

    async def _answer(self, answer: LocalAnswer) -> httpx2.Response:
        if self._session is not None:
            # It may have been the end of one that waits.
            self._session.waiting.wake(self._run.wakes)
        await self._tell()
        return streams.local_response(answer, self._request, self._begun, self._driver.wire.library)

    async def _hold(self, session: FollowedSession) -> Step:
        run, begun = self._run, time.monotonic()
        with anyio.move_on_after(self._hold_seconds) as scope:
            await session.waiting.until(
                lambda: run.is_settled and self._is_released(), run.waits_as
            )
        self._hold_seconds = max(0.0, self._hold_seconds - (time.monotonic() - begun))
        return run.hold_over(timed_out=scope.cancelled_caught)

    async def _wait(self, seconds: float, session: FollowedSession) -> Step:
        await self._tell()
        # Many clients lose one server together; they should not come back together.
        with anyio.move_on_after(seconds * random.uniform(0.5, 1)):  # noqa: S311 - no secret
            await session.waiting.for_a_new_session()
        return self._run.wait_over()

    def _circuit(self, circuit: CircuitOpen, session: FollowedSession) -> Step:
        """Let the machine try again when its time has come."""
        now = time.monotonic()
        if session.cooldown[0] != circuit.number:
            session.cooldown = (circuit.number, now)
        if now - session.cooldown[1] < circuit.seconds:
            return self._run.circuit_stands()
        return self._run.circuit_cooled()

    def _is_released(self) -> bool:
        return self._session is None or self._session.is_released(self._begun)

    async def _tell(self) -> None:
        if events := self._run.events():
            await self._driver.wire.options.tell(events)

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
        cookies = recovery.newer_cookies(request, self._driver.wire.client)
        if cookies is not None:
            changes.append(("cookie", None))
        for name, value in changes:
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        body = request.content if sending.body is None else sending.body
        return self._driver.wire.library.request(
            request.method,
            request.url,
            headers=headers,
            cookies=cookies,
            content=body or None,
            extensions=request.extensions,
        )
