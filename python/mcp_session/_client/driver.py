"""Does for one HTTP client what the machine says is to be done with its requests.

Written once for both HTTP libraries, which differ in nothing that is used here.
"""

from __future__ import annotations

import logging
import random
import time
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

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
    RequestRun,
    Transmit,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    import httpx2

    from mcp_session._client.options import Options
    from mcp_session._core import Watch
    from mcp_session.client import Step

__all__ = ["Driver", "RequestDriver"]

READS = Read, ReadAnswer
BAD_REQUEST = 400

logger = logging.getLogger("mcp_session")


class Driver:
    """Sends the requests of one HTTP client, each as its machine says."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        send: Callable[..., Coroutine[Any, Any, httpx2.Response]],
        library: Library,
        options: Options,
    ) -> None:
        """Take the client, and how it sends a request on the wire."""
        self.wire = Wire(client, send, library, options)
        self.guarded = streams.of_library(streams.GuardedStream, library.byte_stream)
        self.standing = streams.of_library(streams.StandingStream, library.byte_stream)
        self.machine = options.machine(status_shield=library.status_shield)
        self._has_warned = False
        self.sessions: dict[int, FollowedSession] = {}
        self._prune_at = 64
        self._pruning = Lock()

    def open_session(self, number: int, opening: Opening) -> Opening:
        """Keep how a session is opened, if it is none that is open already; give what is kept."""
        # Of two threads, one would lose what the other begins with.
        with self._pruning:
            if number in self.sessions:
                return opening
            if len(self.sessions) >= self._prune_at:
                known = self.machine.knows
                kept = tuple(self.sessions.items())
                self.sessions = {it: session for it, session in kept if known(it)}
                self._prune_at = 64 + 2 * len(self.sessions)
            if latest := next(reversed(self.sessions.values()), None):
                opening = opening.sharing(latest.opening)
            self.sessions[number] = FollowedSession(opening, Waiting(self.wire.library.waits))
            return opening

    def warn_of_hooks(self) -> None:
        """Say once that an event hook which raises may stand in the way."""
        if self.wire.client.event_hooks["response"] and not self._has_warned:
            self._has_warned = True
            text = "an event hook that raises may keep sessions from being recovered"
            logger.warning(text, exc_info=False)


class RequestDriver:
    """One request on its way, in its session if it has one that is followed."""

    _run: RequestRun

    def __init__(
        self, driver: Driver, request: httpx2.Request, send_options: dict[str, Any]
    ) -> None:
        """Take a request that is about to be sent."""
        self._driver = driver
        self._wire = driver.wire
        self._request = request
        self._send_options = send_options
        self._is_begun = False
        self._opening: Opening | None = None
        # What an event hook has raised for the status of the response in hand.
        self._raised: Exception | None = None
        # Whether others wait for what comes of it.
        self._is_trial = False
        # For how many seconds it has been held.
        self._held = 0.0

    async def send(self, *, stream: bool) -> httpx2.Response:  # noqa: C901 - a branch for each step
        """Take it to its end: the server's answer, or one that says why there is none."""
        if not self._is_begun and (other_way := self._begin(stream=stream)):
            return await other_way
        run, wire, response = self._run, self._wire, None
        step = run.step
        try:
            while response is None or not isinstance(step, Handover):
                if response is not None:
                    step, response = await self._look(step, response)
                elif isinstance(step, Transmit):
                    request = self._request if step.is_unchanged else self._on_the_wire(step)
                    try:
                        response = await wire.send(request, stream=True, **self._send_options)
                        if response.next_request is not None:
                            response = await self._led_on(request, response)
                    except Exception as error:  # noqa: BLE001 - raised again there
                        step, response = self._failed(error, request)
                    else:
                        step = self._responded(request, response)
                elif isinstance(step, LocalAnswer):
                    response = await self._answer(step)
                    break
                else:
                    step = await self._before_it_goes_out(await self._wait(step))
            else:
                if not step.is_plain or self._is_trial or self._raised:
                    await self._hand_over(step, response)
                self._guard(response, step.watch)
        except BaseException:
            await self._leave(response)
            raise
        return response if stream else await streams.read(response)

    def _begin(self, *, stream: bool) -> Awaitable[httpx2.Response] | None:
        """Tell the machine of the request; give the way it goes, if that is not the ordinary."""
        wire, request = self._wire, self._request
        library = wire.library
        if wire.client.is_closed:
            # The library refuses, whatever a session would say.
            return wire.send(request, stream=stream, **self._send_options)
        scheme, userinfo, host, port, path = library.parts(request.url)[:5]
        body = request.read() if isinstance(request.stream, library.whole_body) else None
        own_auth = userinfo.encode() if userinfo else None
        if "auth" in self._send_options:
            own_auth = wire.own_auth(self._send_options["auth"], own_auth)
        run = self._driver.machine.begin(
            request.method,
            scheme,
            path,
            library.raw_headers(request.headers),
            body,
            wire.client.headers,
            own_auth,
            authority_of(host, port),
        )
        if run is None or (run is True and not isinstance(request.stream, library.sendable)):
            # It is no matter of a session, or the library refuses such a body.
            return wire.send(request, stream=stream, **self._send_options)
        if run is True:
            return self._read_and_send(stream=stream)
        self._run, self._is_begun, self._begun = run, True, time.monotonic()
        return None if run.is_ordinary else self._open_or_close(stream=stream)

    async def _read_and_send(self, *, stream: bool) -> httpx2.Response:
        await self._request.aread()
        return await self.send(stream=stream)

    async def _open_or_close(self, *, stream: bool) -> httpx2.Response:
        run, library = self._run, self._wire.library
        if not run.closes:
            if run.session is not None:
                opening = Opening.of(self._request, self._send_options, self._wire.client)
                self._opening = self._driver.open_session(run.session, opening)
            return await self.send(stream=stream)
        if self._session is not None:
            self._session.waiting.wake_all(is_closed=True)
        with library.waits.move_on_after(recovery.DELETE_SECONDS):
            return await self.send(stream=stream)
        message = "the session was not ended in time"
        raise library.timeout(message, request=self._request)

    async def _look(
        self, step: Step, response: httpx2.Response
    ) -> tuple[Step, httpx2.Response | None]:
        """Do a step with a response in hand."""
        run, library = self._run, self._wire.library
        if self._raised and isinstance(step, READS) and not response.is_stream_consumed:
            # The library has closed it: a misreport cannot be read any more.
            self._driver.warn_of_hooks()
        if isinstance(step, ReadAnswer):
            try:
                if response.is_stream_consumed:
                    # A hook of the application's has read it, or its transport had it whole.
                    body = response.content
                elif run.is_encoded:
                    body = await streams.read_encoded(response, library)
                else:
                    body = await response.aread()
                    streams.let_read_raw(response, body, library)
            except library.cuts as error:
                return run.failed(type(error).__name__), response
            return run.body_read(body), response
        if isinstance(step, Read):
            return run.body_read(await streams.read_refusal(response, step, library)), response
        await streams.drain(response, library)
        self._raised = None
        self._was_sent()
        return await self._before_it_goes_out(step), None

    @cached_property
    def _session(self) -> FollowedSession | None:
        number = self._run.session
        return None if number is None else self._driver.sessions.get(number)

    async def _led_on(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """Follow where the server leads within its origin, with what is of a session."""
        if self._session is None:
            return response
        return await recovery.within_origin(self._wire, request, response, self._send_options)

    def _responded(self, request: httpx2.Request, response: httpx2.Response) -> Step:
        status, headers = response.status_code, self._wire.library.raw_headers(response.headers)
        is_as_sent = status < BAD_REQUEST and not response.history
        if is_as_sent or is_answer_to(request, response):
            return self._run.response(status, headers)
        return self._run.response(status, headers, is_of_elsewhere=True)

    def _failed(
        self, error: Exception, request: httpx2.Request
    ) -> tuple[Step, httpx2.Response | None]:
        """Take what the HTTP library has raised: say what to do, if it is not for the caller."""
        run, library = self._run, self._wire.library
        if isinstance(error, library.outages):
            is_unsent = isinstance(error, library.unsent)
            step = run.failed(type(error).__name__, is_unsent=is_unsent)
            if not isinstance(step, Raise):
                self._was_sent()
                return step, None
        elif isinstance(error, library.refused):
            if is_answer_to(request, error.response):
                # An event hook raised for the status, which may be the end of the session.
                self._raised = error
                return self._responded(request, error.response), error.response
        else:
            self._driver.warn_of_hooks()
        raise error

    def _was_sent(self) -> None:
        """Let go who waits for what came of it; that may be the beginning of a cool-down."""
        if self._is_trial:
            self._is_trial = False
            self._wake_all()
        if self._session is not None:
            self._session.note_cooldown(self._run.cooldown)

    def _wake_all(self) -> None:
        if self._session is not None:
            self._session.waiting.wake_all()

    def _guard(self, response: httpx2.Response, watch: Watch | None) -> None:
        """Let the reader of a response read it through a watch.

        What a hook of the application's has read already is what there is.
        """
        if watch is None or response.is_stream_consumed:
            return
        driver, is_encoded = self._driver, self._run.is_encoded
        if self._request.method != "GET":
            response.stream = driver.guarded(response, watch, self._wire.library, is_encoded)
        elif self._session is not None:
            stream = driver.standing(response, watch, self._wire.library, is_encoded)
            response.stream = stream
            stream.end_with(self._session.waiting)

    async def _hand_over(self, handover: Handover, response: httpx2.Response) -> None:
        """Do what is to be done before the caller gets a response."""
        self._was_sent()
        if self._raised is not None:
            raise self._raised
        wire, session, run, request = self._wire, self._session, self._run, self._request
        if session is not None:
            if self._opening and response.is_success and handover.orphan is None:
                session.opening = self._opening
                session.waiting.wake_all(has_new_session=True)
            if handover.orphan is not None:
                await recovery.delete(wire, session.opening, handover.orphan)
        if handover.alias is not None:
            response.headers["mcp-session-id"] = handover.alias
        if handover.body is not None:
            streams.replace_body(response, handover.body, wire.library)
        following = response.next_request
        if following is not None and "mcp-session-id" in request.headers:
            # The caller follows it, with the ID by which it is known here.
            following.headers["mcp-session-id"] = request.headers["mcp-session-id"]
        if events := run.events():
            await wire.options.tell(events, wire.library.waits)

    async def _answer(self, answer: LocalAnswer) -> httpx2.Response:
        if self._session is not None:
            # It may have been the end of one that waits.
            self._session.waiting.wake(self._run.wakes)
        await self._wire.options.tell(self._run.events(), self._wire.library.waits)
        return streams.local_response(answer, self._request, self._begun, self._wire.library)

    async def _wait(self, step: Step) -> Step:
        run, session = self._run, self._session
        match step:
            case _ if session is None:
                pass
            case Recover():
                leader = Leader(self._request, self._send_options)
                await recovery.recover(self._wire, session, step.recovery, leader)
                session.note_cooldown(run.cooldown)
                return run.hold_over()
            case HeldBack():
                timed_out = await self._waits_in_vain(
                    session, lambda: run.is_settled and self._is_released()
                )
                return run.hold_over(timed_out=timed_out)
            case Wait(seconds=seconds):
                await self._wire.options.tell(run.events(), self._wire.library.waits)
                # Many clients lose one server together; they should not come back together.
                jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
                with self._wire.library.waits.move_on_after(seconds * jitter):
                    await session.waiting.for_the_server(lambda: run.is_settled)
                return run.wait_over()
            case CircuitOpen():
                is_over = session.has_cooled(step.number, step.seconds)
                return run.circuit_cooled() if is_over else run.circuit_stands()
            case _:
                pass
        message = "the machine asks for what only a session can do"
        raise RuntimeError(message)

    async def _before_it_goes_out(self, step: Step) -> Step:
        """Wait for the application's hook; give what is to be done if it is not sent any more."""
        session, run = self._session, self._run
        while isinstance(step, Transmit) and not step.is_first:
            hooked = session if session is not None and session.hooks else None
            if hooked is not None and await self._waits_in_vain(hooked, self._is_released):
                ended: Step | None = run.hold_over(timed_out=True)
            else:
                ended = run.goes_out()
            if ended is None:
                break
            if step.is_trial:
                self._wake_all()
            step = ended
        return step

    async def _waits_in_vain(self, session: FollowedSession, is_over: Callable[[], bool]) -> bool:
        """Wait until this is so; say whether it was held for too long in all."""
        begun, left = time.monotonic(), self._wire.options.hold_timeout - self._held
        with self._wire.library.waits.move_on_after(left) as scope:
            await session.waiting.until(is_over, self._run.waits_as)
        self._held += time.monotonic() - begun
        return scope.cancelled_caught

    def _is_released(self) -> bool:
        session = self._session
        return session is None or session.is_released(self._begun) or self._run.is_called_off

    async def _leave(self, response: httpx2.Response | None) -> None:
        """Hand over what the request would have done, if it is stopped before its end."""
        step, session = self._run.step, self._session
        if session is not None:
            session.note_cooldown(self._run.cooldown)
        self._run.abandon()
        if isinstance(step, Recover) and session is not None:
            with step.recovery:
                pass
            session.waiting.wake_all()
        self._was_sent()
        if response is not None:
            await response.aclose()

    def _on_the_wire(self, sending: Transmit) -> httpx2.Request:
        """Make the request that is sent: the caller's own, if nothing in it is another."""
        request = self._request
        self._is_trial = sending.is_trial
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


def authority_of(host: str, port: int | None) -> str:
    """Give where a request is sent to, as a `Host` header names it."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def is_answer_to(request: httpx2.Request, response: httpx2.Response) -> bool:
    """Say whether a response is to this request, which may have been redirected within its origin.

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
    return is_of_session and recovery.is_within_origin(request, sent)
