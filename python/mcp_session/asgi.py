"""Around an ASGI application: what it answers to a lost session becomes the canonical answer.

`SessionMiddleware` drives the server machine for each request: it reads and sends what that says.
Everything else passes as it is: the same messages in the same order, none of them kept back.

>>> from mcp_session.asgi import SessionMiddleware
>>> async def application(scope, receive, send):
...     ...
>>> application = SessionMiddleware(application)
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

try:
    from mcp_session._asgi import Application, Receive, Scope, Send
    from mcp_session._asgi._events import Reporter
    from mcp_session._asgi._request import RequestReader
except ModuleNotFoundError as error:
    from mcp_session._extras import missing_extra

    raise missing_extra(error, "asgi", "anyio") from None

from mcp_session._core import AsgiMachine, ServerPolicy, VerdictEvent
from mcp_session._rules import Rule

if TYPE_CHECKING:
    from mcp_session._asgi._shared import RestoredSession
    from mcp_session.sessions import SessionTable

__all__ = ["McpSessionMiddleware", "SessionMiddleware", "VerdictEvent"]


class SessionMiddleware:
    """Corrects what an ASGI application answers to a terminated or unknown session.

    `app` is any ASGI 3 application that serves MCP, or a proxy to one. The options:

    - `paths` (collection of `str`, default all): the paths it applies to, with a last slash or
      without, whole or below `scope["root_path"]`; `/mcp/*` is everything below `/mcp/`. A
      request with a session ID that is answered 404 at another path is warned of, once.
    - `echo_id` (`bool`): whether answers repeat the request's id; see `not_found_response`.
    - `max_request_bytes` (`int`, bytes) and `request_timeout` (`float`, seconds): how much of a
      request with a session ID, and for how long, is read to learn its id and whether it is an
      `initialize`, to which a session ID is not forwarded. Beyond either, the answer has no id.
    - `max_remembered_bytes` (`int`, bytes): how much of all requests under way is kept for that
      together. What is beyond it is not read ahead, and its answer has no id.
    - `max_response_bytes` (`int`, bytes): how much of an answer is held back while its body may
      still say that the session is gone. Beyond it, the body counts as not known.
    - `disabled_rules` (iterable of `Rule`, or of their values): the corrections to leave out. An
      ID on an error is withheld whichever else are, unless `Rule.SESSION_ID_ON_ERROR` is one.
    - `misreports` (collection of pairs of a status, `int`, and a text, `str`): what the application
      itself says of a lost session, beside the misreports that are known.
    - `report_only` (`bool`): changes nothing and waits for nothing, but tells the hook of all.
    - `on_verdict` (callable of `VerdictEvent`): called for each verdict that is not plain
      pass-through, before the answer goes out. What it raises is logged, no more.

    - `sessions` (`SessionTable`): a table that several processes share, so that any request may
      reach any of them; with `peer_url`, `restore`, `on_restored`, `session_lifetime`,
      `max_sessions`, `lease` and `drain_timeout`, which docs/workers.md has in a table.

    `counts` (`Counter[Rule]`) counts every exchange by its rule. The logger is `mcp_session.asgi`.
    Raises `TypeError` and `ValueError` for options that make no sense.

    >>> from mcp_session.asgi import SessionMiddleware
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 404, "headers": []})
    ...     await send({"type": "http.response.body", "body": b"Could not find session"})
    >>> middleware = SessionMiddleware(app)
    >>> scope = {"type": "http", "method": "GET", "path": "/mcp"}
    >>> scope["headers"] = [(b"mcp-session-id", b"1868a90c")]
    >>> import anyio
    >>> anyio.run(middleware, scope, None, lambda message: anyio.sleep(0))
    >>> middleware.counts
    Counter({<Rule.UNCANONICAL_NOT_FOUND: 'UncanonicalNotFound'>: 1})

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """

    def __init__(  # noqa: PLR0913 - what there is to choose
        self,
        app: Application,
        *,
        paths: Collection[str] | None = None,
        echo_id: bool = True,
        max_request_bytes: int = 4 * 1024 * 1024,
        request_timeout: float = 5.0,
        max_remembered_bytes: int = 64 * 1024 * 1024,
        max_response_bytes: int = 64 * 1024,
        disabled_rules: Iterable[Rule | str] = (),
        misreports: Collection[tuple[int, str]] = (),
        report_only: bool = False,
        on_verdict: Callable[[VerdictEvent], object] | None = None,
        sessions: "SessionTable | None" = None,
        peer_url: str | None = None,
        restore: bool = True,
        on_restored: "Callable[[RestoredSession], Awaitable[object] | object] | None" = None,
        session_lifetime: float = 24 * 3600.0,
        requires_session: bool = True,
        max_sessions: int = 100_000,
        lease: float = 1.5,
        drain_timeout: float = 5.0,
    ) -> None:
        """Put it around an application, with the options of the class."""
        hooks = {"on_verdict": on_verdict, "on_restored": on_restored}
        for name, value in {"app": app, **hooks}.items():
            if not (callable(value) or (value is None and name in hooks)):
                message = f"{name} must be callable, not {type(value).__name__}"
                raise TypeError(message)
        self.app = app
        self._policy = ServerPolicy(
            paths=paths,
            echo_id=echo_id,
            max_request_bytes=max_request_bytes,
            max_remembered_bytes=max_remembered_bytes,
            max_response_bytes=max_response_bytes,
            disabled_rules=disabled_rules,
            misreports=misreports,
            report_only=report_only,
            request_timeout=request_timeout,
        )
        self._reporter = Reporter(on_verdict, all_of=report_only)
        self.counts = self._reporter.counts
        self._shared = None
        if sessions is None:
            return
        if report_only:
            message = "report_only changes nothing, and a table of sessions changes who answers"
            raise ValueError(message)
        try:
            from mcp_session._asgi._shared import (  # noqa: PLC0415 - of an extra
                ReplicaOptions,
                SharedSessions,
            )
        except ModuleNotFoundError as error:
            from mcp_session._extras import missing_extra  # noqa: PLC0415 - for this alone

            raise missing_extra(error, "sessions", "h11") from None
        self._shared = SharedSessions(
            ReplicaOptions(
                sessions=sessions,
                peer_url=peer_url,
                restore=restore,
                echo_id=echo_id,
                requires_session=requires_session,
                max_sessions=max_sessions,
                session_lifetime=session_lifetime,
                lease=lease,
                drain_timeout=drain_timeout,
            ),
            policy=self._policy,
            entrance=self,
            application=app,
            begin=self._begin,
            on_restored=on_restored,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one connection, as ASGI servers do."""
        if self._shared is not None:
            kind = scope["type"]
            if kind == "lifespan":
                await self._shared.lifespan(scope, receive, send)
                return
            if kind == "http" and self._policy.covers(scope["path"], scope.get("root_path", "")):
                await self._shared.serve(scope, receive, send)
                return
        await self._begin(AsgiMachine.of(self._policy, scope), scope, receive, send)

    def _begin(
        self, machine: AsgiMachine | None, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        if machine is None:
            return self.app(scope, receive, send)
        if not machine.remembers_request:
            return self._run(machine, scope, receive, send)
        request = RequestReader(machine, receive)
        run = partial(self._run, machine, scope, request.receive, send)
        begun = request.read_at_hand()
        return run() if begun is None else request.serve(begun, run, self._policy.request_timeout)

    async def _run(self, machine: AsgiMachine, scope: Scope, receive: Receive, send: Send) -> None:
        machine.answer_by(send, self._reporter)
        try:
            await self.app(machine.scope(scope), receive, machine.send)
        except Exception:
            # What is held back goes out before the error, as it would have without us; what
            # hinders that is the lesser news.
            with suppress(Exception):
                if (rest := machine.finish()) is not None:
                    await rest
            raise
        if (rest := machine.finish()) is not None:
            await rest


# A name that does not collide with that of Starlette's, which keeps a session in a cookie.
McpSessionMiddleware = SessionMiddleware
