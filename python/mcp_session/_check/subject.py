"""The server that is checked: its sessions, the IDs it does not know, and what it said so far."""

from __future__ import annotations

import itertools
import re
import secrets
import string
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from mcp_session import Action, Rule, Side
from mcp_session._check.messages import as_object, encoded, request
from mcp_session._check.results import Breach, Skip, skip
from mcp_session._check.wire import SESSION, Ask
from mcp_session._cli.terminal import escaped
from mcp_session._secrets import secrets_of, without_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mcp_session import Verdict
    from mcp_session._check.wire import Opened, Seen, Wire
    from mcp_session.testing.processes import CommandServer

__all__ = ["LEGACY", "MODERN", "PING", "Options", "Subject", "Tool", "Who"]

LEGACY, MODERN = "2025-11-25", "2026-07-28"

# Stands for the version that the server settled on.
SETTLED = ""

_ACCEPT = ("accept", b"application/json, text/event-stream")
_JSON = ("content-type", b"application/json")
_VERSION = "mcp-protocol-version"

_ABOUT_US = {"name": "mcp-session-check", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": _ABOUT_US,
    "io.modelcontextprotocol/clientCapabilities": {},
}

_LONGEST = 120

# What a server settles on is sent in a header from then on.
_VERSIONS = re.compile("[!-~]{1,64}")

# What a server answers to GET or DELETE that has neither.
NOT_OFFERED = 405


class Who(Enum):
    """Whose ID a request bears."""

    NOBODY = "no ID"
    LIVE = "the ID of a live session"
    UNKNOWN = "an ID that was never given out"
    TERMINATED = "the ID of a session that DELETE ended"
    ILL_FORMED = "an ID with a byte above 0x7E"
    REPEATED = "two session headers"
    RESTARTED = "the ID of a session from before the restart"
    IDLE = "the ID of a session beyond its idle time-out"


_NOT_BEFORE = {
    Who.RESTARTED: "no session was ended by a restart: there was none, or it was kept",
    Who.IDLE: "--idle does not say after how many seconds the server ends a session",
}


@dataclass(frozen=True)
class Tool:
    """The one tool that may be called."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What the caller allows."""

    tool: Tool | None = None
    idle: float | None = None
    """After how many seconds the server ends an idle session."""


PING = request("ping", 7)
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@dataclass
class Session:
    """A session that the server gave out."""

    id: str
    version: str


@dataclass
class Subject:
    """The server, seen through a wire."""

    wire: Wire
    options: Options
    process: CommandServer | None = None
    """The server itself, where it was started for this."""
    version: str = LEGACY
    """What the server settled on last."""
    was_restarted: bool = False
    looked_at: int = 0
    """How many exchanges the check at hand looked at."""
    _known: dict[Who, Session] = field(default_factory=dict["Who", Session])
    _secrets: set[str] = field(default_factory=set[str])
    _to_end: set[str] = field(default_factory=set[str])
    _offered: dict[str, bool] = field(default_factory=dict[str, bool])
    _first: Seen | None = None
    _no_session: str = ""
    """Why there is no session to be had."""
    _modern: bool | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    def __post_init__(self) -> None:
        """Take what the caller gave for credentials, should the server say it again."""
        headers = [(name, value.decode()) for name, value in self.wire.headers]
        self._secrets.update(secrets_of(self.wire.url, headers))

    # ---- One request

    async def send(  # noqa: PLR0913 - the facts of a request come by name
        self,
        method: str,
        *,
        session: str | bytes | tuple[bytes, ...] | None = None,
        message: object = None,
        version: str | None = SETTLED,
        headers: tuple[tuple[str, bytes], ...] = (),
        url: str | None = None,
    ) -> Seen:
        """Send one request and return the exchange."""
        ask = self.asked(
            method, session=session, message=message, version=version, headers=headers, url=url
        )
        seen = await self.wire.send(ask)
        self.looked_at += 1
        self._remember(seen)
        return seen

    @asynccontextmanager
    async def opened(self, method: str, **asked: Any) -> AsyncGenerator[Opened]:  # noqa: ANN401 - see `asked`
        """Send one request and hand on its answer while it is still coming."""
        async with self.wire.opened(self.asked(method, **asked)) as opened:
            self.looked_at += 1
            self._remember(opened.seen)
            yield opened

    def asked(  # noqa: PLR0913 - as above
        self,
        method: str,
        *,
        session: str | bytes | tuple[bytes, ...] | None = None,
        message: object = None,
        version: str | None = SETTLED,
        headers: tuple[tuple[str, bytes], ...] = (),
        url: str | None = None,
    ) -> Ask:
        """Return a request as it goes out."""
        sent = [_ACCEPT if method == "POST" else ("accept", b"text/event-stream")]
        if message is not None:
            sent.append(_JSON)
        if version is not None:
            named = self.version if version is SETTLED else version
            sent.append((_VERSION, named.encode()))
        if isinstance(session, tuple):
            sent += [(SESSION, it) for it in session]
        elif session is not None:
            sent.append((SESSION, session.encode() if isinstance(session, str) else session))
        body = None if message is None else encoded(message)
        return Ask(method, (*sent, *headers), body, url)

    async def modern(self, method: str, *, session: str | None = None, **params: object) -> Seen:
        """Send a request of the revision without sessions."""
        return await self.send(
            "POST",
            session=session,
            message=request(method, next(self._numbers), **params, _meta=_META),
            version=MODERN,
            headers=(("mcp-method", method.encode()),),
        )

    # ---- Sessions

    async def initialize(
        self,
        session: str | None = None,
        *,
        headers: tuple[tuple[str, bytes], ...] = (),
        url: str | None = None,
    ) -> Seen:
        """Send an `initialize`, with an ID attached or without."""
        message = request(
            "initialize", 1, protocolVersion=LEGACY, capabilities={}, clientInfo=_ABOUT_US
        )
        return await self.send(
            "POST", session=session, message=message, version=None, headers=headers, url=url
        )

    async def first(self) -> Seen:
        """Return the first `initialize` of all, which is sent once: some have room for one."""
        if self._first is None:
            self._first = await self.initialize()
        else:
            self.looked_at += 1
        return self._first

    def session_of(self, seen: Seen) -> Session:
        """Return the session that an answer to `initialize` brought, as the core takes it."""
        verdict = seen.verdict(Side.CLIENT)
        if verdict.action is Action.ADOPT_SESSION and verdict.session_id is not None:
            version = as_object(as_object(seen.answer_to(1)).get("result")).get("protocolVersion")
            if not (isinstance(version, str) and _VERSIONS.fullmatch(version)):
                version = LEGACY
            self.version = version
            return Session(verdict.session_id, self.version)
        if verdict.rule is Rule.NO_SESSION_ASSIGNED:
            skip("the server assigns no session ID")
        if verdict.rule is Rule.ILL_FORMED_SESSION_ID:
            skip("the server assigns an ill-formed session ID, which no client adopts")
        return skip(f"there is no session: `initialize` was answered {self.shown(seen)}")

    async def open(self) -> Session:
        """Open a session of the caller's own, handshake included."""
        if self._no_session:
            skip(self._no_session)
        try:
            session = self.session_of(await self.initialize())
        except Skip as why:
            self._no_session = why.reason
            raise
        return await self.begun(session)

    async def begun(self, session: Session) -> Session:
        """Return a session with its handshake done."""
        await self.send("POST", session=session.id, message=INITIALIZED, version=session.version)
        return session

    async def session(self, who: Who = Who.LIVE) -> Session:
        """Return the session of this kind that all checks share, made when first asked for."""
        if who not in self._known:
            if who is Who.TERMINATED:
                session = await self.open()
                await self.terminate(session)
            else:
                session = await self.begun(self.session_of(await self.first()))
            self._known[who] = session
        return self._known[who]

    async def terminate(self, session: Session) -> Seen:
        """DELETE a session. Raises `Skip` where the server does not offer that."""
        seen = await self.send("DELETE", session=session.id, version=session.version)
        verdict = seen.verdict(Side.CLIENT)
        if verdict.rule is Rule.DELETE_NOT_OFFERED:
            skip("the server does not let clients terminate sessions (405)")
        if verdict.action is not Action.CLEAR:
            skip(f"no session could be terminated: DELETE was answered {self.shown(seen)}")
        return seen

    def keep(self, who: Who, session: Session) -> None:
        """Make a session the one of this kind."""
        self._known[who] = session

    async def attached(self, who: Who) -> str | bytes | tuple[bytes, ...] | None:
        """Return what to attach for it. Raises `Skip` where there is no session to speak of."""
        if who in {Who.RESTARTED, Who.IDLE} and who not in self._known:
            skip(_NOT_BEFORE[who])
        live = await self.session(Who.LIVE if who not in self._known else who)
        if who is Who.NOBODY:
            return None
        if who is Who.UNKNOWN:
            return self._stranger(live.id)
        if who is Who.ILL_FORMED:
            return self._stranger(live.id).encode() + b"\xe9"
        if who is Who.REPEATED:
            return self._stranger(live.id).encode(), self._stranger(live.id).encode()
        return (await self.session(who)).id

    async def is_offered(self, method: str) -> bool:
        """Whether the server has GET or DELETE at all, as it says itself to a live session."""
        if method == "POST":
            return True
        if method not in self._offered:
            try:
                session = await (self.session() if method == "GET" else self.open())
            except Skip:
                # There is no session to end for this, and no other way to ask.
                self._offered[method] = True
                return True
            async with self.opened(method, session=session.id, version=session.version) as opened:
                self._offered[method] = opened.seen.status != NOT_OFFERED
        return self._offered[method]

    async def serves_modern(self) -> bool:
        """Whether it answers `server/discover` of 2026-07-28."""
        if self._modern is None:
            seen = await self.modern("server/discover")
            answer = seen.messages()
            self._modern = seen.is_success and any("result" in as_object(it) for it in answer)
        return self._modern

    async def is_served(self, session: Session) -> bool:
        """Whether a session answers a ping under its own id."""
        message = request("ping", next(self._numbers))
        seen = await self.send("POST", session=session.id, message=message, version=session.version)
        return seen.is_success and seen.answer_to(message["id"]) is not None

    async def restarted(self) -> None:
        """Take note that the server was restarted."""
        await self.wire.renew()
        self.was_restarted = True
        self._no_session, self._modern = "", None

    async def leave(self) -> None:
        """End every session that was opened and still stands, as far as the server lets us."""
        # Without an answer, or a request left, they stay.
        with suppress(Breach):
            for session_id in sorted(self._to_end):
                await self.send("DELETE", session=session_id)

    # ---- What is said of it

    def shown(self, seen: Seen) -> str:
        """Return an answer in a few words, with no ID and no credential in it."""
        text = without_secrets(seen.body, self._secrets).decode(errors="replace")
        text = escaped(text.strip()[: _LONGEST + 1])
        text = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        kind = self.without_secrets((seen.header("content-type") or "").partition(";")[0].strip())
        parts = [str(seen.status), escaped(kind[:_LONGEST])]
        return " ".join(filter(None, [*parts, text if not seen.is_success else ""]))

    def without_secrets(self, text: str) -> str:
        """Return what a server said with no ID and no credential in it: before any of it is cut."""
        said = text.encode(errors="replace")
        return without_secrets(said, self._secrets).decode(errors="replace")

    def misreport(self, seen: Seen) -> str:
        """Return what to add where an answer is a terminated session in other words."""
        verdict: Verdict = seen.verdict(Side.SERVER)
        if verdict.rule.source is None:
            return ""
        return f"; that is {verdict.rule.value}: clients that act on misreports understand it"

    def _stranger(self, like: str) -> str:
        """Return an ID like one that was given out, and which never was."""
        made = re.sub(r"[0-9A-Za-z]+", _others, like)
        made = (
            made if made not in self._secrets and made != like else f"{made}{secrets.token_hex(8)}"
        )
        self._secrets.add(made)
        return made

    def _remember(self, seen: Seen) -> None:
        # Of repeated ones each may be said again.
        given = (value for name, value in seen.headers if name == SESSION and value)
        self._secrets.update(given)
        verdict = seen.verdict(Side.CLIENT)
        if verdict.session_id is not None:
            self._to_end.add(verdict.session_id)
        elif verdict.action is Action.CLEAR:
            sent = {value.decode("latin-1") for name, value in seen.ask.headers if name == SESSION}
            self._to_end -= sent


def _others(found: re.Match[str]) -> str:
    """Replace a part with a digit in it; one without may be a name that is in each ID."""
    part = found[0]
    return "".join(map(_other, part)) if any(it.isdigit() for it in part) else part


def _other(character: str) -> str:
    """Return a character of the same kind, chosen at random."""
    for kind in ("0123456789", "abcdef", string.ascii_lowercase, string.ascii_uppercase):
        if character in kind:
            return secrets.choice(kind)
    return character
