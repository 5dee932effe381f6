"""One session of a client's: how it is recovered, who waits for that, who is told."""

from __future__ import annotations

import inspect
import json
import logging
from collections import OrderedDict, deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from mcp_session._core import Failed, Introduced
from mcp_session._fingerprint import fingerprint
from mcp_session._notices import (
    RecoveryFailed,
    RequestGivenUp,
    SessionEvent,
    SessionReinitialized,
    SessionTerminated,
)
from mcp_session._streams import drain, header_values, read_answer

if TYPE_CHECKING:
    import httpx2

    from mcp_session._core import Drop, GiveUp, Hold, Lead, Send
    from mcp_session._driver import Driver
    from mcp_session._enums import Reason
    from mcp_session._rules import Rule
    from mcp_session._streams import Watched

__all__ = [
    "CONTENT_TYPE",
    "EVENT_ID",
    "GATEWAY_STATUSES",
    "SESSION_ID",
    "VERSION",
    "Followed",
    "Opening",
]

SESSION_ID, VERSION, EVENT_ID = b"mcp-session-id", b"mcp-protocol-version", b"last-event-id"
CONTENT_TYPE = b"content-type"

# A gateway answers these when it has no server behind it.
GATEWAY_STATUSES = frozenset({502, 503, 504})

# What is not repeated when an `initialize` is sent again: what is of one request or of one
# session, and cookies, of which the client has newer ones.
NOT_REPEATED = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"cookie", SESSION_ID, VERSION, EVENT_ID}
)

CLOSING_SECONDS = 5.0

logger = logging.getLogger("mcp_session")


@dataclass(frozen=True)
class Opening:
    """How a session was opened: all that its `initialize` needs to be sent again."""

    url: httpx2.URL
    headers: list[tuple[bytes, bytes]]
    extensions: dict[str, object]
    how: dict[str, object]

    @classmethod
    def of(
        cls, request: httpx2.Request, how: dict[str, object], client: httpx2.AsyncClient
    ) -> Opening:
        """Take what is the request's own, before an auth flow adds a token that will expire.

        What it has of the client's defaults it gets anew when it is sent again.
        """
        defaults = {(name.lower(), value) for name, value in client.headers.raw}
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.lower() not in NOT_REPEATED and (name.lower(), value) not in defaults
        ]
        return cls(request.url, headers, dict(request.extensions), how)


class Followed:
    """A session, followed across its replacements."""

    def __init__(self, driver: Driver, opening: Opening) -> None:
        """Begin before the `initialize` that opens it."""
        self._driver = driver
        self._options = driver.options
        self.session = driver.options.session()
        self.opening = opening
        self.known_as = ""
        """The ID that the caller stamps on its requests."""
        self.is_closed = False
        self.failure = ""
        """What came back when a recovery failed last."""
        self.streams: set[Watched] = set()
        """The streams opened by GET, which are of the session that stands now."""
        self.unanswered: OrderedDict[str, str] = OrderedDict()
        """Requests whose stream was cut: the ID of its last event, and the request's id."""
        self.replacements = 0
        self.recovered = anyio.Event()
        self._waiting: dict[int, anyio.Event] = {}
        self._events: deque[SessionEvent] = deque()

    async def lead(self, lead: Lead, timeouts: object) -> Send | Hold | Lead | Drop | GiveUp:
        """Make a new session, wake those who wait, and say how the leader's request goes on.

        `timeouts` are those of the leader's request.
        """
        with lead.hold as hold:
            unadopted = None
            try:
                with lead:
                    unadopted = await self._recover(lead, timeouts)
            finally:
                self._waiting.pop(lead.recovery, anyio.Event()).set()
            if unadopted is not None:
                await self.delete(unadopted)
            await self.tell()
            return self.session.after_recovery(hold)

    async def wait(self, hold: Hold) -> Send | Hold | Lead | Drop | GiveUp:
        """Wait for the end of a recovery, and say how the request goes on."""
        with hold:
            while not hold.settled:
                await self._waiting.setdefault(hold.recovery, anyio.Event()).wait()
            return self.session.after_recovery(hold)

    def wake(self) -> None:
        """Let all who wait look again: one of them, or the session, may have ended."""
        waiting, self._waiting = self._waiting, {}
        for event in (*waiting.values(), self.recovered):
            event.set()
        self.recovered = anyio.Event()

    def note_terminated(self, rule: Rule) -> None:
        """Note that a response has ended the session."""
        logger.info("session %s was terminated (%s)", fingerprint(self.known_as), rule.value)
        self._events.append(SessionTerminated(fingerprint(self.known_as), rule))

    def note_given_up(self, reason: Reason, detail: str) -> None:
        """Note that a request ended without an answer."""
        stands_for = fingerprint(self.known_as)
        logger.info("session %s: a request was given up: %s", stands_for, detail)
        self._events.append(RequestGivenUp(stands_for, reason, detail))

    async def tell(self) -> None:
        """Call the application's hook with what was noted; what it raises harms nobody."""
        while self._events:
            event = self._events.popleft()
            if self._options.on_event is None:
                continue
            try:
                told = self._options.on_event(event)
                if inspect.isawaitable(told):
                    await told
            except Exception:
                logger.exception("the hook on_event failed with %s", type(event).__name__)

    async def delete(self, session_id: str) -> None:
        """End a session that nobody uses; that it cannot be reached is no harm."""
        with suppress(Exception), anyio.move_on_after(CLOSING_SECONDS):
            await drain(await self._send("DELETE", b"", session_id=session_id))

    async def _recover(self, lead: Lead, timeouts: object) -> str | None:
        """Make a new session; return the ID of one that came too late, to be DELETEd."""
        leader: Lead | Introduced = lead
        with ExitStack() as stack:
            try:
                with anyio.fail_after(self._options.recovery_timeout):
                    response = await self._send("POST", lead.initialize, timeouts=timeouts)
                    try:
                        answer = await read_answer(response)
                    finally:
                        await response.aclose()
                    self.failure = f"its answer was {response.status_code}"
                    if response.status_code in GATEWAY_STATUSES:
                        return self._note_failed(self.session.lead_failed(leader))
                    introduced = self.session.initialize_answered(
                        lead,
                        response.status_code,
                        response_session_id=header_values(response.headers).get(SESSION_ID),
                        message=answer,
                    )
                    if isinstance(introduced, Failed):
                        return self._note_failed(introduced)
                    leader = stack.enter_context(introduced)
                    session_id = introduced.session_id
                    result = json.loads(answer or b"{}").get("result", {})
                    response = await self._send(
                        "POST",
                        introduced.initialized,
                        session_id=session_id,
                        version=introduced.protocol_version,
                        timeouts=timeouts,
                    )
                    await drain(response)
                    self.failure = f"its answer was {response.status_code}"
                    failed = self.session.initialized_answered(introduced, response.status_code)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait hear of it
                is_late = isinstance(error, TimeoutError)
                said = "no answer came in time" if is_late else str(error)
                self.failure = f"{type(error).__name__}: {said}".rstrip(": ")
                return self._note_failed(self.session.lead_failed(leader))
        if failed is not None:
            return self._note_failed(failed)
        self._note_recovered(session_id, result)
        return None

    def _note_recovered(self, session_id: str | None, result: dict[str, Any]) -> None:
        stands_for = fingerprint(session_id) if session_id else ""
        before = fingerprint(self.known_as)
        logger.info("session %s was re-initialized, as %s", before, stands_for or "none")
        self._events.append(SessionReinitialized(stands_for, result))
        self.replacements += 1
        self.recovered.set()
        self.recovered = anyio.Event()
        # They are bound to the session that has ended. Their reader opens the next.
        for stream in tuple(self.streams):
            stream.end()

    def _note_failed(self, failed: Failed) -> str | None:
        stands_for = fingerprint(self.known_as)
        logger.warning("session %s could not be re-initialized: %s", stands_for, self.failure)
        self._events.append(RecoveryFailed(stands_for, failed.reason, self.failure))
        return failed.unadopted_session_id

    async def _send(
        self,
        method: str,
        body: bytes,
        *,
        session_id: str | None = None,
        version: str | None = None,
        timeouts: object = None,
    ) -> httpx2.Response:
        opening = self.opening
        own = [(SESSION_ID, session_id), (VERSION, version)]
        headers = opening.headers + [
            (name, text.encode()) for name, text in own if text is not None
        ]
        extensions = opening.extensions | ({"timeout": timeouts} if timeouts else {})
        client = self._driver.client
        request = client.build_request(
            method, opening.url, content=body or None, headers=headers, extensions=extensions
        )
        response = await self._driver.wire(request, stream=True, **opening.how)
        for _ in range(client.max_redirects):
            following = response.next_request
            if following is None or not _is_followed(request, following):
                break
            await drain(response)
            request = following
            response = await self._driver.wire(request, stream=True, **opening.how)
        return response


def _is_followed(request: httpx2.Request, following: httpx2.Request) -> bool:
    """Whether a redirect is one that the SDKs follow, though their HTTP library would not.

    It repeats the message and stays within the origin, as `next_request_within_origin` of
    `mcp.shared._httpx_utils` has it, but for that function's upgrade to https.
    """
    return following.method == request.method and _origin(following.url) == _origin(request.url)


def _origin(url: httpx2.URL) -> tuple[str, bytes, bytes]:
    return url.scheme, url.netloc, url.userinfo
