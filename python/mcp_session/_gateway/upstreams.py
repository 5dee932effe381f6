"""The application behind the middleware: servers that are reached over HTTP."""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from mcp_session._asgi import Message, Receive, Scope, Send
from mcp_session._asgi._again import GivenAgain
from mcp_session._asgi._connection import target as target_of
from mcp_session._asgi._forward import (
    ClientLeft,
    CutOff,
    Lost,
    NotHttp,
    Unreached,
    UpstreamAnswer,
)
from mcp_session._core import (
    Answer,
    no_upstream_response,
    not_found_response,
    upstream_lost_response,
)
from mcp_session._gateway.target import Target, TrustedProxies, number_of

__all__ = ["Outcome", "Upstreams"]

# How much of a stream is kept back until it is known whether it begins with an endpoint.
_ENDPOINT_BYTES = 16 * 1024
_HIGHEST_STATUS = 599

Outcome = Literal["answered", "unreached", "lost", "cut off"]


class Upstreams:
    """Carries each request to a server: that of its session, or else the next in turn.

    The ID of a session says which server has it. So several gateways need to agree on nothing
    but the servers; they count them in the order of their URLs.
    """

    def __init__(
        self,
        urls: Sequence[str],
        on_outcome: Callable[[int, Outcome], None],
        trusted_proxies: Collection[str],
    ) -> None:
        """Carry requests to these servers; tell of what became of each."""
        self._proxies = TrustedProxies(trusted_proxies)
        self._targets = [Target(url, number) for number, url in enumerate(sorted(set(urls)))]
        self._on_outcome = on_outcome
        self._turn = 0

    def __len__(self) -> int:
        return len(self._targets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or a lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = _Request(scope, receive)
        number = number_of(scope["headers"], scope.get("query_string", b""))
        if number is not None and number < len(self._targets):
            await self._forward_to(self._targets[number], request, send)
            return
        self._turn += 1
        for offset in range(len(self._targets)):
            target = self._targets[(self._turn + offset) % len(self._targets)]
            if await self._forward(target, request, send):
                return
            if request.given.is_gone:
                # The next one would wait for a beginning that was read already.
                break
        await _reply(send, no_upstream_response(await request.body_at_hand()))

    async def _forward_to(self, target: Target, request: "_Request", send: Send) -> None:
        if await self._forward(target, request, send):
            return
        body = await request.body_at_hand()
        if len(self._targets) > 1:
            # What the session was there is gone with it: the middleware has it made anew, at the
            # next one that is reached.
            await _reply(send, not_found_response(body))
        else:
            await _reply(send, no_upstream_response(body))

    async def _forward(self, target: Target, request: "_Request", send: Send) -> bool:
        """Carry a request to a server; return whether that was reached, else nothing was done."""
        scope = request.scope
        client = scope["client"][0] if scope.get("client") else None
        headers = target.headers_of(
            scope["headers"],
            client,
            scope.get("scheme", "http"),
            is_trusted=client in self._proxies,
        )
        try:
            path = target.path_of(target_of(scope))
        except ValueError:
            await _refuse(send)
            return True
        exchange = target.upstream.exchange(scope["method"], path, headers, request.given.receive())
        outcome: Outcome = "answered"
        try:
            async with exchange as answer:
                await self._relay(target, request, answer, send)
        except NotHttp:
            await _refuse(send)
        except Unreached:
            outcome = "unreached"
        except Lost:
            outcome = "lost"
            await _reply(send, upstream_lost_response(request.given.body))
        except ClientLeft:
            pass
        except CutOff:
            outcome = "cut off"
            raise
        finally:
            self._on_outcome(target.number, outcome)
        return outcome != "unreached"

    async def _relay(
        self, target: Target, request: "_Request", answer: UpstreamAnswer, send: Send
    ) -> None:
        if answer.status > _HIGHEST_STATUS:
            # No status of HTTP. A server in front has no words for it.
            raise Lost
        headers = target.answered(answer.headers)
        kinds = [value for name, value in headers if name == b"content-type"]
        is_stream = bool(kinds) and kinds[0].startswith(b"text/event-stream")
        is_opened = is_stream and request.scope["method"] == "GET"
        if is_opened and not _is_of_a_session(request.scope, headers):
            send = _EndpointMoved(target, send, is_one_of_several=len(self._targets) > 1).send
        await answer.relay(send, headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (kind := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{kind}.complete"})
        for target in self._targets:
            await target.upstream.aclose()
        await send({"type": "lifespan.shutdown.complete"})


class _Request:
    """A request, of which what came whole is kept: for the next server, and for its id."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.given = scope, GivenAgain(receive)

    async def body_at_hand(self) -> bytes | None:
        """Return the body, if it comes in one piece, as it does once the middleware has it."""
        if self.given.body is None and not self.given.is_gone:
            await self.given.receive()()
        return self.given.body


class _EndpointMoved:
    """Sends a stream of HTTP+SSE on, with its endpoint as it is here."""

    def __init__(self, target: Target, send: Send, *, is_one_of_several: bool) -> None:
        self._target, self._send = target, send
        self._is_one_of_several = is_one_of_several
        self._beginning = b""
        self._is_past = False

    async def send(self, message: Message) -> None:
        if self._is_past or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._beginning += message.get("body", b"")
        is_last = not message.get("more_body", False)
        moved = self._target.endpoint(self._beginning, is_one_of_several=self._is_one_of_several)
        if moved is None and not is_last and len(self._beginning) < _ENDPOINT_BYTES:
            return
        self._is_past = True
        body = self._beginning if moved is None else moved
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})


def _is_of_a_session(scope: Scope, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == b"mcp-session-id" for name, _ in (*scope["headers"], *headers))


async def _refuse(send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": 400, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


async def _reply(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
