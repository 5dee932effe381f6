"""One request of a caller's, from its first step to its end."""

from __future__ import annotations

import json
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

from mcp_session._core import (
    Deliver,
    Drop,
    GiveUp,
    Hold,
    Lead,
    Resend,
    Send,
    classify,
    needs_body,
    peek,
)
from mcp_session._enums import Action, Kind, Reason
from mcp_session._followed import (
    CONTENT_TYPE,
    EVENT_ID,
    GATEWAY_STATUSES,
    SESSION_ID,
    VERSION,
    Opening,
)
from mcp_session._streams import Answering, Watched, async_stream, drain, header_values, look_ahead

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    # anyio needs it there too.
    from typing_extensions import assert_never

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Generator, Iterator
    from typing import TypeAlias

    import httpx2

    from mcp_session._core import Verdict
    from mcp_session._driver import Driver
    from mcp_session._followed import Followed

    Step: TypeAlias = Send | Resend | Hold | Lead | Drop | GiveUp

__all__ = ["Call", "Outgoing"]

OK, ACCEPTED, NO_CONTENT, NOT_FOUND, METHOD_NOT_ALLOWED = 200, 202, 204, 404, 405

# JSON-RPC leaves -32000 to -32099 to implementations; the SDKs' own word for a connection that
# was closed is the first of these.
CONNECTION_CLOSED = -32000

# A stream that cannot be opened is tried again after half a second, then after twice as long
# each time, up to a quarter of a minute.
FIRST_DELAY, LONGEST_DELAY = 0.5, 15.0

# How often the stream of an unanswered request is asked for until its caller is told that no
# answer will come. The SDKs themselves would ask twice.
RESUMPTIONS = 3

MESSAGES = {
    Reason.CLOSED: "the session was closed",
    Reason.NO_INITIALIZE: "the session has ended, and how it began is not known",
    Reason.INITIALIZE_REFUSED: "the session has ended and the server gave no new one",
    Reason.ILL_FORMED_SESSION_ID: "the session has ended and the new one's ID is ill-formed",
    Reason.MODERN_ONLY_SERVER: "the session has ended and the server keeps none any more",
    Reason.INITIALIZED_REFUSED: "the session has ended and the server gave up the new one",
    Reason.TRANSPORT: "the session has ended and the server could not be asked for a new one",
    Reason.BOUND_REACHED: "the session has ended, as those before it did, without one success",
    Reason.NOT_RESENT: "the session has ended, and this request is not one to be sent again",
    Reason.CANCELLED: "the request was cancelled",
    Reason.STREAM_LOST: "the session has ended before the answer came",
}

# Reasons of which it is known what came back.
OF_A_RECOVERY = frozenset(
    {
        Reason.INITIALIZE_REFUSED,
        Reason.INITIALIZED_REFUSED,
        Reason.MODERN_ONLY_SERVER,
        Reason.TRANSPORT,
    }
)

# How many streams that can be resumed are remembered.
REMEMBERED = 1024

JSON = "application/json"

# What the server did with a request before its connection broke nobody can know.
IN_DOUBT = "whether the request was processed is not known"


class Outgoing(NamedTuple):
    """A request as its caller made it: with its headers by name, whole, and how to send it."""

    request: httpx2.Request
    headers: dict[bytes, str]
    body: bytes
    how: dict[str, object]


class Call:
    """One request on its way through its session."""

    def __init__(self, driver: Driver, followed: Followed, outgoing: Outgoing) -> None:
        """Take a request that is of the session that is followed, or opens it."""
        request, self._headers, self._body, how = outgoing
        self._client = driver.client
        self._driver = driver
        self._followed = followed
        self._library = driver.library
        self._options = driver.options
        self._request = request
        self._method = request.method
        self._how = how
        self._message = peek(self._body)
        self._is_initialize = self._method == "POST" and self._message.is_initialize
        self._opening = Opening.of(request, how, self._client) if self._is_initialize else None
        self._is_first = True
        self._verdict: Verdict | None = None
        self._content_type = ""
        self._attempts = 0
        self._replacements = 0

    async def run(self) -> httpx2.Response:
        """Take it to its end: the server's answer, or one that says why there is none."""
        step: Step | httpx2.Response = self._before()
        if self._method == "DELETE":
            self._followed.is_closed = True
        if isinstance(step, Drop) or self._followed.is_closed:
            # It may have been the end of one that waits.
            self._followed.wake()
        while True:
            match step:
                case Send() | Resend():
                    step = await self._transmit(step)
                    self._is_first = False
                case Lead():
                    step = await self._followed.lead(step, self._request.extensions.get("timeout"))
                    self._is_first = False
                case Hold():
                    step = await self._followed.wait(step)
                    self._is_first = False
                case Drop():
                    step = self._dropped()
                case GiveUp(reason=reason):
                    step = await self._given_up(reason)
                case _:
                    async with _closed_on_error(step):
                        await self._followed.tell()
                    return step

    def _before(self) -> Step:
        return self._followed.session.before_request(
            self._method,
            protocol_version=self._headers.get(VERSION),
            last_event_id=self._headers.get(EVENT_ID),
            body=self._body,
        )

    async def _transmit(self, sending: Send | Resend) -> Step | httpx2.Response:
        self._replacements = self._followed.replacements
        try:
            with sending.exchange:
                response = await self._driver.wire(
                    self._on_the_wire(sending), stream=True, **self._how
                )
                async with _closed_on_error(response):
                    step = await self._after(sending, response)
        except self._library.outages as error:
            if not self._is_shielded:
                raise
            sent = "it was not sent" if isinstance(error, self._library.unsent) else IN_DOUBT
            return await self._unreachable(f"{_said(error)}; {sent}")
        if isinstance(step, Deliver):
            async with _closed_on_error(response):
                return await self._deliver(response, step)
        with _abandoned_if_cancelled(step, self._followed):
            await drain(response)
        return step

    def _on_the_wire(self, sending: Send | Resend) -> httpx2.Request:
        """Make the request that is sent: the caller's own, if nothing in it is another."""
        request = self._request
        wanted = {SESSION_ID: sending.session_id, EVENT_ID: sending.last_event_id}
        if sending.protocol_version is not None:
            wanted[VERSION] = sending.protocol_version
        changed = {
            name: value for name, value in wanted.items() if self._headers.get(name) != value
        }
        if not changed and self._is_first:
            return request
        headers = request.headers.copy()
        for name, value in changed.items():
            if value is None:
                del headers[name.decode()]
            else:
                headers[name.decode()] = value
        cookies = self._client.cookies
        has_newer = bool(cookies) and "cookie" not in self._client.headers
        if has_newer:
            headers.pop("cookie", None)
        return self._library.request(
            request.method,
            request.url,
            headers=headers,
            cookies=cookies if has_newer else None,
            content=self._body,
            extensions=request.extensions,
        )

    async def _after(self, sending: Send | Resend, response: httpx2.Response) -> Step | Deliver:
        session, headers, body = self._followed.session, header_values(response.headers), None
        content_type = headers.get(CONTENT_TYPE)
        challenge = headers.get(b"www-authenticate")
        if needs_body(
            self._method,
            response.status_code,
            session_id=sending.session_id,
            content_type=content_type,
            www_authenticate=challenge,
            quirks=self._options.quirks,
        ):
            stream = async_stream(response)
            body, replayed = await look_ahead(response, self._library.timeout)
            response.stream = self._library.body(replayed, stream.aclose)
        was_live = session.is_live
        step = session.after_response(
            sending.exchange,
            response.status_code,
            response_session_id=headers.get(SESSION_ID),
            content_type=content_type,
            www_authenticate=challenge,
            response_body=body,
        )
        self._content_type = (content_type or "").lower()
        if not _is_success(response):
            self._verdict = classify(
                self._method,
                response.status_code,
                session_id=sending.session_id,
                content_type=content_type,
                www_authenticate=challenge,
                response_body=body,
                quirks=self._options.quirks,
            )
            if was_live and not session.is_live:
                self._followed.note_terminated(self._verdict.rule)
        return step

    async def _deliver(
        self, response: httpx2.Response, delivered: Deliver
    ) -> Step | httpx2.Response:
        if response.status_code in GATEWAY_STATUSES and self._is_shielded:
            await drain(response)
            return await self._unreachable(f"a gateway answered {response.status_code}; {IN_DOUBT}")
        if self._is_initialize:
            self._opened(response, delivered)
        if delivered.unadopted_session_id is not None:
            await self._followed.delete(delivered.unadopted_session_id)
        if response.next_request is not None and SESSION_ID in self._headers:
            # The caller follows it, with the ID by which it is known here.
            response.next_request.headers["mcp-session-id"] = self._headers[SESSION_ID]
        if self._method == "DELETE" and self._is_gone(response):
            await drain(response)
            return self._answer(NO_CONTENT)
        if not _is_success(response):
            return response
        if self._content_type.startswith("text/event-stream"):
            self._watch(response, delivered)
        elif self._content_type.startswith(JSON):
            return await self._whole(response)
        return response

    def _opened(self, response: httpx2.Response, delivered: Deliver) -> None:
        session_id = header_values(response.headers).get(SESSION_ID)
        verdict = classify(
            self._method,
            response.status_code,
            request_body=self._body,
            response_session_id=session_id,
        )
        if delivered.unadopted_session_id is None and self._opening and _is_success(response):
            self._followed.opening = self._opening
        if verdict.action is Action.ADOPT_SESSION and verdict.session_id is not None:
            known_as = self._driver.follow(self._followed, self._request.url, verdict.session_id)
            self._followed.known_as = known_as
            if known_as != session_id:
                response.headers["mcp-session-id"] = known_as

    def _is_gone(self, response: httpx2.Response) -> bool:
        """Whether a DELETE did what it was for, with an answer of which the SDKs would warn."""
        return (
            self._verdict is not None
            and self._verdict.action is Action.CLEAR
            and response.status_code != METHOD_NOT_ALLOWED
        )

    def _watch(self, response: httpx2.Response, delivered: Deliver) -> None:
        followed, stream = self._followed, async_stream(response)
        is_get = self._method == "GET"
        request_id = self._unanswered if is_get else self._message.id
        guarded = self._options.stream_guard
        watched = Watched(
            self._decoded(response),
            followed.session,
            delivered.stream,
            cuts=self._library.outages if guarded else (),
            answering=(
                self._answering(request_id)
                if guarded and request_id and not self._is_initialize
                else None
            ),
            can_be_ended=is_get and guarded,
        )

        async def close() -> None:
            followed.streams.discard(watched)
            try:
                await watched.aclose()
            finally:
                await stream.aclose()

        if is_get and guarded:
            followed.streams.add(watched)
            if followed.replacements != self._replacements:
                # It was asked for in a session that has been replaced since.
                watched.end()
        response.stream = self._library.body(watched, close)

    def _decoded(self, response: httpx2.Response) -> AsyncIterable[bytes]:
        if "content-encoding" not in response.headers:
            return async_stream(response)
        inner = self._library.response(
            response.status_code, headers=response.headers, stream=response.stream
        )
        del response.headers["content-encoding"]
        return inner.aiter_bytes()

    def _answering(self, request_id: str) -> Answering:
        unanswered = self._followed.unanswered

        def cut(event_id: str) -> None:
            unanswered[event_id] = request_id
            if len(unanswered) > REMEMBERED:
                unanswered.popitem(last=False)

        return Answering(lambda text: _error(request_id, f"no answer came: {text}"), cut)

    async def _whole(self, response: httpx2.Response) -> httpx2.Response:
        """Read an answer, of which the SDKs need all, and answer for it if it breaks off."""
        if not self._options.stream_guard or self._is_initialize or not self._is_request:
            return response
        try:
            await response.aread()
        except self._library.outages as error:
            await response.aclose()
            return self._ended(f"the answer broke off: {_said(error)}; {IN_DOUBT}")
        return response

    @property
    def _is_request(self) -> bool:
        kind = self._message.kind
        return self._method == "POST" and (kind is Kind.REQUEST or kind is Kind.BATCH)

    @property
    def _is_shielded(self) -> bool:
        """Whether the caller is spared that the server is not there."""
        if not self._options.outage_shield or self._is_initialize:
            return False
        return self._method == "GET" or (
            self._method == "POST" and self._message.kind is not Kind.MALFORMED
        )

    async def _unreachable(self, said: str) -> Step | httpx2.Response:
        detail = f"the server could not be reached: {said}"
        if self._method == "GET":
            return await self._later(detail)
        self._followed.note_given_up(Reason.TRANSPORT, detail)
        return self._ended(detail)

    async def _later(self, detail: str) -> Step | httpx2.Response:
        """Let a stream wait until the server is back: the SDKs would give up for good."""
        self._attempts += 1
        if self._unanswered is not None and self._attempts >= RESUMPTIONS:
            return self._lost(detail)
        delay = min(FIRST_DELAY * 2 ** min(self._attempts - 1, 10), LONGEST_DELAY)
        # Many clients lose one server together; they should not come back together.
        delay *= random.uniform(0.5, 1)  # noqa: S311 - nobody gains by guessing it
        with anyio.move_on_after(delay):
            await self._followed.recovered.wait()
        return self._before()

    async def _given_up(self, reason: Reason) -> Step | httpx2.Response:
        detail = MESSAGES[reason]
        if reason in OF_A_RECOVERY and self._followed.failure:
            detail = f"{detail}: {self._followed.failure}"
        if self._method == "DELETE":
            return self._answer(NO_CONTENT)
        if self._method != "GET":
            self._followed.note_given_up(reason, detail)
            return self._ended(detail)
        if reason is Reason.TRANSPORT and self._is_shielded:
            return await self._later(detail)
        return self._lost(detail)

    def _dropped(self) -> httpx2.Response:
        return self._answer(NO_CONTENT if self._method == "DELETE" else ACCEPTED)

    def _ended(self, detail: str) -> httpx2.Response:
        """Answer a POST for the server, as far as its message wants an answer."""
        match self._message.kind:
            case Kind.REQUEST:
                return self._answer(OK, JSON, _error(self._message.id or "null", detail))
            case Kind.BATCH:
                errors = (_error(id_, detail) for id_ in _request_ids(self._body))
                return self._answer(OK, JSON, b"[" + b",".join(errors) + b"]")
            case Kind.NOTIFICATION | Kind.RESPONSE:
                return self._answer(ACCEPTED)
            case Kind.MALFORMED:
                return self._answer(NOT_FOUND)
            case _:
                assert_never(self._message.kind)

    def _lost(self, detail: str) -> httpx2.Response:
        """Answer a GET for a stream that is gone, or will not come."""
        if self._unanswered is None:
            return self._answer(NOT_FOUND)
        error = _error(self._unanswered, f"no answer came: {detail}")
        return self._answer(OK, "text/event-stream", b"data: " + error + b"\n\n")

    @property
    def _unanswered(self) -> str | None:
        """The id of the request, as JSON, whose stream this GET is to resume."""
        event_id = self._headers.get(EVENT_ID)
        return self._followed.unanswered.get(event_id) if event_id else None

    def _answer(self, status: int, content_type: str = "", body: bytes = b"") -> httpx2.Response:
        headers = {"content-type": content_type} if content_type else None
        return self._library.response(status, headers=headers, content=body, request=self._request)


def _error(request_id: str, text: str) -> bytes:
    """Make a JSON-RPC error for a request whose id is given as JSON."""
    error = json.dumps({"code": CONNECTION_CLOSED, "message": text})
    return f'{{"jsonrpc":"2.0","error":{error},"id":{request_id}}}'.encode()


def _request_ids(batch: bytes) -> Iterator[str]:
    for member in json.loads(batch):
        if "method" in member and "id" in member:
            yield json.dumps(member["id"])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _is_success(response: httpx2.Response) -> bool:
    # The library's own property is slow enough to be seen.
    return OK <= response.status_code <= 299  # noqa: PLR2004 - as the specification counts


class _closed_on_error:  # noqa: N801 - read as a function; a generator would cost more
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            await self._response.aclose()


@contextmanager
def _abandoned_if_cancelled(step: Step, followed: Followed) -> Generator[None]:
    """Hand over what a step would have its holder do, if the holder is stopped before."""
    try:
        yield
    except BaseException:  # noqa: BLE001 - every arm raises it again
        try:
            match step:
                case Lead(hold=hold):
                    with step, hold:
                        raise
                case Hold():
                    with step:
                        raise
                case Send() | Resend():
                    with step.exchange:
                        raise
                case Drop() | GiveUp():
                    raise
                case _:
                    assert_never(step)
        finally:
            # One of those who wait may have to lead now.
            followed.wake()
