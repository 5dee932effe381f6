"""One application in each framework: its routes, in its own words; the middleware where it can be.

The frameworks are of one environment alone, so no type checker sees them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Any

from mcp_session.asgi import SessionMiddleware

ID = {"mcp-session-id": "1868a90c"}
LOST = "Session not found"
MISREPORTED = "Bad Request: No valid session ID provided"
PATHS = ("/json", "/accepted", "/events", "/chunks", "/lost", "/misreported", "/refused")
LOST_ROUTES = {"/lost", "/misreported", "/refused", "/nowhere"}
EVENTS = "text/event-stream"


async def pieces(kind: str) -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"data: %d\n\n" % number if kind == EVENTS else b"piece %d" % number


def starlette(place: str) -> Any:
    """Starlette, with an endpoint for each path."""
    applications, routing = (
        import_module("starlette.applications"),
        import_module("starlette.routing"),
    )
    made = applications.Starlette(
        routes=[
            routing.Route(path, endpoint, methods=["GET", "POST", "DELETE"])
            for path, endpoint in starlette_endpoints().items()
        ]
    )
    return placed(place, made, lambda: made.add_middleware(SessionMiddleware))


def fastapi(place: str) -> Any:
    """FastAPI, with an endpoint for each path."""
    made = import_module("fastapi").FastAPI()
    for path, endpoint in starlette_endpoints().items():
        made.add_api_route(
            path, endpoint_of_fastapi(endpoint), methods=["GET", "HEAD", "POST", "DELETE"]
        )
    return placed(place, made, lambda: made.add_middleware(SessionMiddleware))


def endpoint_of_fastapi(endpoint: Callable[[Any], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    async def answer() -> Any:
        return await endpoint(None)

    return answer


def starlette_endpoints() -> dict[str, Callable[[Any], Awaitable[Any]]]:
    responses, exceptions = (
        import_module("starlette.responses"),
        import_module("starlette.exceptions"),
    )

    async def json(_request: Any) -> Any:
        return responses.JSONResponse({"jsonrpc": "2.0"}, headers=ID)

    async def accepted(_request: Any) -> Any:
        return responses.Response(status_code=202, headers=ID)

    async def events(_request: Any) -> Any:
        return responses.StreamingResponse(pieces(EVENTS), media_type=EVENTS, headers=ID)

    async def chunks(_request: Any) -> Any:
        return responses.StreamingResponse(pieces("text/plain"), media_type="text/plain")

    async def lost(_request: Any) -> Any:
        return responses.PlainTextResponse(LOST, 404, headers={"x-kept": "1"} | ID)

    async def misreported(_request: Any) -> Any:
        return responses.JSONResponse({"error": MISREPORTED}, 400)

    async def refused(_request: Any) -> Any:
        raise exceptions.HTTPException(404, "of the framework's own")

    return dict(
        zip(PATHS, (json, accepted, events, chunks, lost, misreported, refused), strict=True)
    )


def litestar(place: str) -> Any:
    """Litestar, with a handler for each path."""
    made, response = import_module("litestar"), import_module("litestar.response")
    exceptions = import_module("litestar.exceptions")

    async def json() -> Any:
        return made.Response({"jsonrpc": "2.0"}, headers=ID, status_code=200)

    async def accepted() -> Any:
        return made.Response(b"", headers=ID, status_code=202)

    async def events() -> Any:
        return response.ServerSentEvent(pieces("text/plain"), headers=ID, status_code=200)

    async def chunks() -> Any:
        return response.Stream(pieces("text/plain"), media_type="text/plain", status_code=200)

    async def lost() -> Any:
        headers = {"x-kept": "1"} | ID
        return made.Response(LOST, headers=headers, status_code=404, media_type="text/plain")

    async def misreported() -> Any:
        return made.Response({"error": MISREPORTED}, status_code=400)

    async def refused() -> Any:
        raise exceptions.NotFoundException

    handlers = [
        made.route(path, http_method=["GET", "HEAD", "POST", "DELETE"])(answer)
        for path, answer in zip(
            PATHS, (json, accepted, events, chunks, lost, misreported, refused), strict=True
        )
    ]
    within = [import_module("litestar.middleware").DefineMiddleware(SessionMiddleware)]
    created = made.Litestar(
        handlers, middleware=within if place == "within" else [], openapi_config=None
    )
    return SessionMiddleware(created) if place == "around" else created


def quart(place: str) -> Any:
    """Quart, with a view for each path."""
    framework = import_module("quart")
    made = framework.Quart("quart")

    async def json() -> Any:
        return {"jsonrpc": "2.0"}, 200, ID

    async def accepted() -> Any:
        return b"", 202, ID

    async def events() -> Any:
        return pieces(EVENTS), 200, {"content-type": EVENTS} | ID

    async def chunks() -> Any:
        return pieces("text/plain"), 200, {"content-type": "text/plain"}

    async def lost() -> Any:
        return LOST, 404, {"content-type": "text/plain", "x-kept": "1"} | ID

    async def misreported() -> Any:
        return {"error": MISREPORTED}, 400

    async def refused() -> Any:
        framework.abort(404)

    for path, view in zip(
        PATHS, (json, accepted, events, chunks, lost, misreported, refused), strict=True
    ):
        made.add_url_rule(path, path, view, methods=["GET", "POST", "DELETE"])

    def within() -> None:
        made.asgi_app = SessionMiddleware(made.asgi_app)

    return placed(place, made, within)


def placed(place: str, made: Any, put_within: Callable[[], object]) -> Any:
    """Leave it bare, put the middleware around it, or where the framework has its own."""
    if place == "within":
        put_within()
    return SessionMiddleware(made) if place == "around" else made


FRAMEWORKS: dict[str, Callable[[str], Any]] = {
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": litestar,
    "quart": quart,
}
