"""What the checks of versions, browsers and spellings do, as `server_checks`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from mcp_session import Rule, Side
from mcp_session._check.messages import as_object, parsed
from mcp_session._check.results import breach, skip
from mcp_session._check.server_checks import SERVER_ERRORS, must_be_served
from mcp_session._check.subject import MODERN, NOT_OFFERED, PING

if TYPE_CHECKING:
    from mcp_session._check.subject import Subject
    from mcp_session._check.wire import Seen

ORIGIN = ("origin", b"http://localhost:6274")

UNSUPPORTED = 400

KEEPING_REDIRECTS, OTHER_REDIRECTS = {307, 308}, {301, 302, 303}


# ---- Versions


async def version_unknown(subject: Subject) -> None:
    """See that a version that nobody speaks is refused."""
    session = await subject.session()
    seen = await subject.send("POST", session=session.id, message=PING, version="1999-01-01")
    _is_unsupported(subject, seen)


async def version_missing(subject: Subject) -> None:
    """See that clients of 2025-03-26 send no version."""
    session = await subject.session()
    seen = await subject.send("POST", session=session.id, message=PING, version=None)
    if not seen.is_success:
        breach(f"answered {subject.shown(seen)}")


async def version_modern_refused(subject: Subject) -> None:
    """See that a server that does not speak 2026-07-28 says so, and ends no session over it."""
    session = await subject.session()
    if await subject.serves_modern():
        skip("it speaks 2026-07-28")
    seen = await subject.send("POST", session=session.id, message=PING, version=MODERN)
    _is_unsupported(subject, seen)


def _is_unsupported(subject: Subject, seen: Seen) -> None:
    if seen.status != UNSUPPORTED:
        breach(f"answered {subject.shown(seen)}")


async def version_legacy_refused(subject: Subject) -> None:
    """See that a server without sessions tells a client that begins one what it speaks."""
    seen = await subject.initialize()
    if seen.is_success:
        skip("it speaks a revision that has `initialize`")
    if not await subject.serves_modern():
        skip("it does not speak 2026-07-28")
    # The row is about a request with an ID: the answer, not the request, is asked about.
    attached = replace(
        seen.ask, headers=(*seen.ask.headers, ("mcp-session-id", b"1868a90c")), body=None
    )
    if replace(seen, ask=attached).verdict(Side.CLIENT).rule is not Rule.MODERN_ONLY_SERVER:
        breach(f"answered {subject.shown(seen)}")


async def modern_ignores_session_id(subject: Subject) -> None:
    """See that an ID means nothing where there are no sessions."""
    without, attached = await _modern_pair(subject)
    if attached.status != without.status:
        breach(f"answered {subject.shown(attached)}, without the ID {subject.shown(without)}")


async def modern_mints_no_session_id(subject: Subject) -> None:
    """See that no ID comes where there are no sessions."""
    for seen in await _modern_pair(subject):
        if seen.session_id:
            breach("the answer bears a session ID")


async def _modern_pair(subject: Subject) -> tuple[Seen, Seen]:
    await _needs_modern(subject)
    without = await subject.modern("server/discover")
    return without, await subject.modern("server/discover", session="1868a90c-5f2e-4c0d")


async def modern_unknown_method(subject: Subject) -> None:
    """See that the one 404 that is about no session."""
    await _needs_modern(subject)
    seen = await subject.modern("mcp-session/no-such-method")
    code = as_object(as_object(parsed(seen.body)).get("error")).get("code")
    if (seen.status, code) != (404, -32601):
        said = subject.without_secrets(json.dumps(code))[:80]
        breach(f"answered {subject.shown(seen)}, code {said}")
    if seen.verdict(Side.CLIENT).rule is not Rule.MODERN_EXCHANGE:
        breach("a client takes it for the end of its session")


async def modern_get_delete(subject: Subject) -> None:
    """See that there is no stream to open, and no session to end."""
    await _needs_modern(subject)
    if (await subject.first()).is_success:
        skip("it serves older revisions as well, which have both")
    for method in ("GET", "DELETE"):
        asked = {"session": "1868a90c-5f2e-4c0d", "version": MODERN}
        async with subject.opened(method, **asked) as opened:
            seen = opened.seen
        if seen.status != NOT_OFFERED:
            breach(f"{method} was answered {subject.shown(seen)}")


async def _needs_modern(subject: Subject) -> None:
    if not await subject.serves_modern():
        skip("it does not speak 2026-07-28")


# ---- Other methods, browsers, spellings


async def head_options(subject: Subject) -> None:
    """See that what is no matter of sessions touches none."""
    session = await subject.open()
    for method in ("HEAD", "OPTIONS"):
        seen = await subject.send(method, session=session.id, version=session.version)
        if seen.status >= SERVER_ERRORS:
            breach(f"{method} was answered {subject.shown(seen)}")
    await must_be_served(subject, session, "after HEAD and OPTIONS it was answered")


async def cors_allows_session_id(subject: Subject) -> None:
    """See that a browser may send the session header."""
    headers = (
        ORIGIN,
        ("access-control-request-method", b"POST"),
        ("access-control-request-headers", b"content-type,mcp-session-id,mcp-protocol-version"),
    )
    seen = await subject.send("OPTIONS", headers=headers, version=None)
    if seen.header("access-control-allow-origin") is None:
        skip(f"it lets no browser in: answered {subject.shown(seen)}")
    _is_listed(subject, seen, "access-control-allow-headers")


async def cors_exposes_session_id(subject: Subject) -> None:
    """See that a browser's client may read the session header."""
    seen = await subject.initialize(headers=(ORIGIN,))
    if seen.header("access-control-allow-origin") is None or not seen.is_success:
        skip(f"it lets no browser in: answered {subject.shown(seen)}")
    subject.session_of(seen)
    _is_listed(subject, seen, "access-control-expose-headers")


def _is_listed(subject: Subject, seen: Seen, header: str) -> None:
    said = seen.header(header) or ""
    listed = [it.strip().lower() for it in said.split(",")]
    if not {"mcp-session-id", "*"} & set(listed):
        breach(f"{header} is {subject.without_secrets(said)[:200] or 'not there'}")


async def slash(subject: Subject) -> None:
    """See that the other spelling leads to the endpoint, or to nothing."""
    url = urlsplit(subject.wire.url)
    path = url.path.removesuffix("/") if url.path.endswith("/") else f"{url.path}/"
    if path in {"", "/"}:
        skip("the endpoint is the root")
    other = urlunsplit(url._replace(path=path))
    seen = await subject.initialize(url=other)
    if seen.status >= SERVER_ERRORS:
        breach(f"answered {subject.shown(seen)}")
    if seen.status in OTHER_REDIRECTS:
        breach(f"{seen.status} makes many clients repeat the request as GET")
    if seen.status in KEEPING_REDIRECTS:
        try:
            target = urlsplit(urljoin(other, seen.header("location") or ""))
        except ValueError:
            breach("it redirects to what is no URL")
        if (target.scheme, target.netloc) != (url.scheme, url.netloc):
            breach("it redirects to another origin, where no client sends its credentials")
