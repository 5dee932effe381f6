"""The messages of our own: those that make a new session, and those that end one."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from mcp_session._client.streams import drain, pieces
from mcp_session._core import ReadAnswer, RecoveryEnd, RecoveryMessage, repeated_headers

if TYPE_CHECKING:
    import httpx2

    from mcp_session._client.library import Wire
    from mcp_session._client.waiting import Waiting
    from mcp_session._core import RecoveryRun

__all__ = ["DELETE_SECONDS", "FollowedSession", "Leader", "Opening"]
__all__ += ["delete", "is_within_origin", "newer_cookies", "recover"]

DELETE_SECONDS = 5.0

PLAIN = bool, int, float, type(None)


# What these three hold are credentials.
@dataclass(frozen=True, slots=True, repr=False)
class Opening:
    """How a session was opened: all that its `initialize` needs to be sent again."""

    url: httpx2.URL
    headers: list[tuple[bytes, bytes]]
    extensions: dict[str, object]
    send_options: dict[str, object]

    @classmethod
    def of(
        cls, request: httpx2.Request, send_options: dict[str, object], client: httpx2.AsyncClient
    ) -> Opening:
        """Take what is the request's own, before an auth flow adds a token that will expire.

        What it has of the client's defaults, of its address and of the cookie jar it gets anew
        when it is sent again.
        """
        anew = [*client.headers.raw, (b"host", request.url.netloc)]
        if newer_cookies(request, client):
            anew += [pair for pair in request.headers.raw if pair[0].lower() == b"cookie"]
        headers = repeated_headers(request.headers.raw, anew)
        # A redirect followed by the library would take the credentials to another origin.
        send_options = send_options | {"follow_redirects": False}
        extensions = {name: own_copy(value) for name, value in request.extensions.items()}
        return cls(request.url, headers, extensions, send_options)

    def sharing(self, other: Opening) -> Opening:
        """Give the same, with what is alike in another: most sessions of a client begin alike."""
        url = other.url if self.url == other.url else self.url
        headers = other.headers if self.headers == other.headers else self.headers
        extensions = alike(self.extensions, other.extensions)
        send_options = alike(self.send_options, other.send_options)
        kept = url, headers, extensions, send_options
        of_other = other.url, other.headers, other.extensions, other.send_options
        is_other = all(one is another for one, another in zip(kept, of_other, strict=True))
        return other if is_other else Opening(*kept)

    def led_by(self, leader: Leader, wire: Wire) -> Opening:
        """Give the same with the credentials of the request that leads, if it has its own.

        Its server has accepted them since; those of the opener may have expired.
        """
        own, headers, send_options = leader.request.headers, self.headers, self.send_options
        authorization = own.get("authorization")
        if authorization not in {None, wire.client.headers.get("authorization")}:
            kept = [(name, value) for name, value in headers if name.lower() != b"authorization"]
            headers = [*kept, (b"authorization", str(authorization).encode())]
        if (
            leader.send_options.get("auth", wire.library.client_auth)
            is not wire.library.client_auth
        ):
            send_options = send_options | {"auth": leader.send_options["auth"]}
        return replace(self, headers=headers, send_options=send_options)


@dataclass(frozen=True, slots=True, repr=False)
class Leader:
    """The request that makes a new session, and how it is sent."""

    request: httpx2.Request
    send_options: dict[str, object]


@dataclass(slots=True, repr=False)
class FollowedSession:
    """What the driver keeps for one session."""

    opening: Opening
    waiting: Waiting
    cooldown: tuple[int, float] = (0, 0.0)
    """The last that was told of, and since when."""
    hooks: dict[int, float] | None = None
    """Since when recoveries are over of which the application is being told, by number; none as
    long as there was no recovery."""

    def note_cooldown(self, cooldown: tuple[int, float] | None) -> None:
        """Take that no new session is made for a while: its time begins."""
        if cooldown is not None:
            self.has_cooled(*cooldown)

    def has_cooled(self, number: int, seconds: float) -> bool:
        """Say whether so much time has passed since this cool-down was told of first."""
        now = time.monotonic()
        if self.cooldown[0] != number:
            self.cooldown = (number, now)
        return now - self.cooldown[1] >= seconds

    def is_released(self, begun: float) -> bool:
        """Say whether what was begun then need not wait for the application's hook."""
        return not any(begun < since for since in tuple((self.hooks or {}).values()))


async def recover(
    wire: Wire, session: FollowedSession, recovery: RecoveryRun, leader: Leader
) -> None:
    """Make a new session, tell of it, and wake those who wait.

    `leader` is the request that leads.
    """
    options, ended = wire.options, list[RecoveryEnd]()
    opening = session.opening.led_by(leader, wire)
    if (hooks := session.hooks) is None:
        # Nobody else leads until this recovery is settled.
        hooks = session.hooks = {}
    try:
        with recovery:
            with wire.library.waits.move_on_after(options.recovery_timeout):
                await _send_all(wire, hooks, opening, recovery, leader, ended)
            if not ended and isinstance(end := recovery.failed(None), RecoveryEnd):
                ended.append(end)
            for end in ended:
                if end.has_replaced:
                    session.opening = opening
                if end.orphan is not None:
                    await delete(wire, opening, end.orphan)
            # Whoever waits is let go when the application has set up the new session.
            await options.tell(recovery.events(), wire.library.waits)
    finally:
        hooks.pop(recovery.number, None)
        session.waiting.wake_all(has_new_session=any(end.has_replaced for end in ended))


async def delete(wire: Wire, opening: Opening, session_id: str) -> None:
    """End a session that nobody uses; that it cannot be reached is no harm."""
    with suppress(Exception), wire.library.waits.move_on_after(DELETE_SECONDS):
        headers = [(b"mcp-session-id", session_id.encode())]
        await drain(await _send(wire, opening, "DELETE", b"", headers, {}), wire.library)


def own_copy(value: object) -> object:
    """Copy the timeouts of a request, in which the library's user may write; nothing else."""
    return dict(cast("dict[str, object]", value)) if type(value) is dict else value


def alike(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """Give the other, if both hold the same objects, or the same numbers and timeouts."""
    is_alike = one.keys() == other.keys() and all(
        value is other[name] or (is_plain(value) and value == other[name])
        for name, value in one.items()
    )
    return other if is_alike else one


def is_plain(value: object) -> bool:
    """Say whether nothing but its value is to be told of it: a number, or a dict of such."""
    if type(value) is dict:
        return all(type(it) in PLAIN for it in cast("dict[str, object]", value).values())
    return type(value) in PLAIN


def newer_cookies(request: httpx2.Request, client: httpx2.AsyncClient) -> httpx2.Cookies | None:
    """Return the cookies of now, if those that the request bears were of the client's jar."""
    cookies = client.cookies
    if not cookies or "cookie" in client.headers:
        return None
    borne = request.headers.get("cookie", "").split(";")
    names = {pair.partition("=")[0].strip() for pair in borne} - {""}
    return cookies if names <= {cookie.name for cookie in cookies.jar} else None


async def _send_all(  # noqa: PLR0913, PLR0917 - what a recovery is made of
    wire: Wire,
    hooks: dict[int, float],
    opening: Opening,
    recovery: RecoveryRun,
    leader: Leader,
    ended: list[RecoveryEnd],
) -> None:
    """Send one message after the other; `ended` has the end as soon as it is known."""
    timeouts = leader.request.extensions.get("timeout")
    extensions = {"timeout": timeouts} if timeouts else {}
    step: object = recovery.message()
    if isinstance(step, RecoveryEnd):
        ended.append(step)
    while isinstance(step, RecoveryMessage):
        own = (b"mcp-session-id", step.session_id), (b"mcp-protocol-version", step.protocol_version)
        headers = [(name, text.encode()) for name, text in own if text is not None]
        try:
            response = await _send(wire, opening, "POST", step.body, headers, extensions)
            try:
                step = recovery.response(response.status_code, response.headers.raw)
                if isinstance(step, ReadAnswer):
                    async with aclosing(pieces(response, wire.library)) as chunks:
                        async for piece in chunks:
                            if not recovery.piece(piece):
                                break
                    step = recovery.body_ended()
                if isinstance(step, RecoveryEnd):
                    # Before anything else can run: from now on requests go out again.
                    hooks[recovery.number] = time.monotonic()
                    ended.append(step)
                await drain(response, wire.library)
            finally:
                await response.aclose()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait hear of it
            if not ended:
                step = recovery.failed(type(error).__name__)
                if isinstance(step, RecoveryEnd):
                    ended.append(step)


async def _send(  # noqa: PLR0913, PLR0917 - what a request is made of
    wire: Wire,
    opening: Opening,
    method: str,
    body: bytes,
    own: list[tuple[bytes, bytes]],
    extensions: dict[str, object],
) -> httpx2.Response:
    client = wire.client
    request = client.build_request(
        method,
        opening.url,
        content=body or None,
        headers=opening.headers + own,
        extensions=opening.extensions | extensions,
    )
    # The client's default parameters are in it already; put on again, they replace all others.
    request.url = opening.url
    response = await wire.send(request, stream=True, **opening.send_options)
    return await within_origin(wire, request, response, opening.send_options)


async def within_origin(
    wire: Wire, request: httpx2.Request, response: httpx2.Response, send_options: dict[str, object]
) -> httpx2.Response:
    """Follow redirects that repeat a request within its origin: to its session they are no answer.

    As the SDKs themselves do from mcp 1.30 and 2.3 on.
    """
    for _ in range(wire.client.max_redirects):
        following = response.next_request
        if following is None or not is_within_origin(request, following):
            break
        await drain(response, wire.library)
        response = await wire.send(following, stream=True, **send_options)
    return response


def is_within_origin(request: httpx2.Request, following: httpx2.Request) -> bool:
    """Say whether a redirect repeats this message within its origin.

    As `next_request_within_origin` of `mcp.shared._httpx_utils` has it: on default ports, from
    http to https of the same host as well.
    """
    url, next_url = request.url, following.url
    origin = url.scheme, url.netloc
    upgraded = ("https", url.netloc) if url.scheme == "http" and url.port is None else origin
    return (
        following.method == request.method
        and (next_url.scheme, next_url.netloc) in {origin, upgraded}
        and next_url.userinfo in {b"", url.userinfo}
    )
