"""An application that begins to answer, then reads, behind a middleware that does not wait long."""

from typing import Any

from mcp_session.asgi import SessionMiddleware

REQUEST_TIMEOUT = 0.1


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    # It may be a lost session, until the body has been seen.
    await send({"type": "http.response.start", "status": 400, "headers": []})
    read = b""
    while (message := await receive())["type"] == "http.request":
        read += message.get("body", b"")
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.body", "body": read})


app = SessionMiddleware(application, request_timeout=REQUEST_TIMEOUT)
