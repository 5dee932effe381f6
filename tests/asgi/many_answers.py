"""An application with an answer for each path, bare and behind the middleware as the request asks.

Any ASGI server serves it as `many_answers:app`. What is lost, the middleware corrects; what is
not, it must not touch.
"""

import asyncio
from typing import Any

from mcp_session.asgi import SessionMiddleware

from in_process import JSON, TEXT, body, start

# The header of a request that says where the application stands.
PLACE = "x-place"
EVENTS = (b"content-type", b"text/event-stream")
SESSION = (b"mcp-session-id", b"1868a90c")
LENGTH = (b"content-length", b"17")
# As an application may write them: of one name twice, in any case, with a byte that is no ASCII.
ODD = ((b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=\xe9"), (b"X-Kept", b"1"), (b"vary", b"origin"))

ANSWERS: dict[str, list[dict[str, Any]]] = {
    "/json": [start(200, JSON, LENGTH, SESSION, *ODD), body(b'{"jsonrpc":"2.0"}')],
    "/accepted": [start(202, (b"content-length", b"0"), SESSION), body(b"")],
    "/no-content": [start(204, SESSION), body(b"")],
    "/moved": [start(307, (b"location", b"/json"), (b"content-length", b"0")), body(b"")],
    "/chunks": [
        start(200, TEXT, *ODD),
        *(body(piece, more=True) for piece in (b"one", b"", b"two" * 10_000, b"three")),
        body(b""),
    ],
    "/events": [
        start(200, EVENTS, SESSION, (b"cache-control", b"no-cache")),
        *(body(b"id: %d\ndata: {}\n\n" % number, more=True) for number in range(5)),
        body(b""),
    ],
    "/trailers": [
        start(200, TEXT, (b"trailer", b"x-sum"), trailers=True),
        body(b"summed", more=True),
        body(b""),
        {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")], "more_trailers": False},
    ],
    "/leaking-in-trailers": [
        start(400, TEXT, (b"trailer", b"x-sum"), trailers=True),
        body(b"No to that"),
        {"type": "http.response.trailers", "headers": [(b"x-sum", b"7"), SESSION]},
    ],
    "/forbidden": [start(403, JSON, (b"content-length", b"2")), body(b"{}")],
    "/failed": [start(500, TEXT, *ODD), body(b"no", more=True), body(b" luck")],
    # An ID on what is no success: all of it goes out but that.
    "/leaking": [start(400, TEXT, *ODD, SESSION), body(b"No to ", more=True), body(b"that")],
    "/lost": [start(404, TEXT, *ODD, SESSION), body(b"Session not found")],
    "/lost-in-pieces": [
        start(404, TEXT, (b"etag", b"x")),
        *(body(piece, more=True) for piece in (b"Session", b"", b" not found")),
        body(b""),
    ],
    "/misreported": [
        start(400, TEXT, *ODD),
        body(b"Bad Request: No valid ", more=True),
        body(b"session ID provided"),
    ],
}
LOST = {"/lost", "/lost-in-pieces", "/misreported"}
OF_TRAILERS = {"/trailers", "/leaking-in-trailers"}
# What bears an ID that does not go out, whoever asks.
LEAKS = {"/leaking", "/leaking-in-trailers", "/lost"}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the request, and answer by its path."""
    path = scope["path"]
    if path == "/raising":
        raise RuntimeError
    read = b""
    while path != "/unread" and (message := await receive())["type"] == "http.request":
        read += message.get("body", b"")
        if not message.get("more_body", False):
            break
    if path in {"/echo", "/unread"}:
        await send(start(200, TEXT, (b"content-length", b"%d" % len(read))))
        await send(body(read))
        return
    for piece in ANSWERS[path]:
        if path not in OF_TRAILERS or "http.response.trailers" in scope.get("extensions", {}):
            await send(dict(piece))
        elif piece["type"] != "http.response.trailers":
            await send({name: value for name, value in piece.items() if name != "trailers"})
        # So that what is a piece here is one of a stream there.
        await asyncio.sleep(0)


PLACES: dict[bytes, Any] = {
    b"bare": application,
    b"behind": SessionMiddleware(application, request_timeout=30.0),
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Run the application where the request asks for it."""
    if scope["type"] == "lifespan":
        for state in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{state}.complete"})
        return
    place = next(value for name, value in scope["headers"] if name == PLACE.encode())
    await PLACES[place](scope, receive, send)
