"""The SDK's own OAuth client over ours, with the SDK's own authorization server, over loopback.

A token may expire at any moment of a recovery. What the flow does about it happens inside of each
request, the new `initialize` too.
"""

import importlib
import json
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import sdk
from callers import CONNECTION_CLOSED

pytestmark = pytest.mark.anyio

SOON_SECONDS = 30.0
CALLS = 5

client_auth: Any = importlib.import_module("mcp.client.auth")
given: Any = importlib.import_module("mcp.server.auth.provider")
routes: Any = importlib.import_module("mcp.server.auth.routes")
settings: Any = importlib.import_module("mcp.server.auth.settings")
shared: Any = importlib.import_module("mcp.shared.auth")


class Provider:
    """Gives out tokens to whoever asks, and keeps them in memory."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.codes: dict[str, Any] = {}
        self.access: set[str] = set()
        self.refresh: dict[str, Any] = {}
        self.fails = False
        """Whether no token is given for a code."""

    async def get_client(self, client_id: str) -> Any:
        return self.clients.get(client_id)

    async def register_client(self, client: Any) -> None:
        self.clients[client.client_id] = client

    async def authorize(self, client: Any, parameters: Any) -> str:
        code, uri = secrets.token_hex(16), str(parameters.redirect_uri)
        self.codes[code] = given.AuthorizationCode(
            code=code,
            scopes=parameters.scopes or [],
            expires_at=time.time() + 300,
            client_id=client.client_id,
            code_challenge=parameters.code_challenge,
            redirect_uri=parameters.redirect_uri,
            redirect_uri_provided_explicitly=parameters.redirect_uri_provided_explicitly,
            resource=parameters.resource,
        )
        return str(given.construct_redirect_uri(uri, code=code, state=parameters.state))

    async def load_authorization_code(self, _client: Any, code: str) -> Any:
        return self.codes.get(code)

    async def exchange_authorization_code(self, client: Any, code: Any) -> Any:
        if self.fails:
            refused = "invalid_grant"
            raise given.TokenError(refused)
        return self.issue(client, code.scopes)

    async def load_refresh_token(self, _client: Any, token: str) -> Any:
        return self.refresh.get(token)

    async def exchange_refresh_token(self, client: Any, token: Any, scopes: list[str]) -> Any:
        del self.refresh[token.token]
        return self.issue(client, scopes)

    def issue(self, client: Any, scopes: list[str]) -> Any:
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self.access.add(access)
        self.refresh[refresh] = given.RefreshToken(
            token=refresh, client_id=client.client_id, scopes=scopes
        )
        return shared.OAuthToken(access_token=access, refresh_token=refresh, expires_in=3600)


class Protected:
    """An MCP server that serves who has a token, and the authorization server beside it."""

    def __init__(self) -> None:
        self.provider = Provider()
        self.url = ""
        self.made = 0
        self.live: set[str] = set()
        self.ran: list[str] = []
        self.expires_at: str | None = None
        """The method whose next request finds that its token has expired."""

    def application(self, issuer: str) -> Starlette:
        self.url = f"{issuer}/mcp"
        url: Any = importlib.import_module("pydantic").AnyHttpUrl
        registration = settings.ClientRegistrationOptions(enabled=True)
        of_issuer = routes.create_auth_routes(
            self.provider, url(issuer), client_registration_options=registration
        )
        of_resource = routes.create_protected_resource_routes(url(self.url), [url(issuer)])
        own = Route("/mcp", self.answer, methods=["POST", "GET", "DELETE"])
        return Starlette(routes=[own, *of_issuer, *of_resource])

    async def answer(self, request: Request) -> Response:
        message = json.loads(await request.body() or b"{}")
        method, session = message.get("method"), request.headers.get("mcp-session-id")
        if method is not None and method == self.expires_at:
            self.expires_at = None
            self.provider.access.clear()
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.provider.access:
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        if method == "initialize":
            self.made += 1
            self.live.add(f"session-{self.made}")
            version = message["params"]["protocolVersion"]
            named = {"name": "protected", "version": "0"}
            result: Any = {"protocolVersion": version, "capabilities": {}, "serverInfo": named}
            given_id = {"mcp-session-id": f"session-{self.made}"}
            return JSONResponse(
                {"jsonrpc": "2.0", "id": message["id"], "result": result}, 200, given_id
            )
        if session not in self.live:
            return Response(status_code=404)
        if request.method != "POST":
            return Response(status_code=405 if request.method == "GET" else 200)
        if "id" not in message:
            return Response(status_code=202)
        result = {"tools": []}
        if method == "tools/call":
            text = message["params"]["arguments"]["text"]
            self.ran.append(text)
            result = {"content": [{"type": "text", "text": text}]}
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result})


@asynccontextmanager
async def served(protected: Protected) -> AsyncGenerator[None]:
    """Serve it, in a thread with an event loop of its own."""
    config = uvicorn.Config(Starlette(), port=0, log_level="error", lifespan="off")
    server, socket = uvicorn.Server(config), config.bind_socket()
    config.app = protected.application(f"http://127.0.0.1:{socket.getsockname()[1]}")
    thread = threading.Thread(target=server.run, args=([socket],))
    thread.start()
    try:
        while not server.started:  # noqa: ASYNC110  # of a thread nothing tells
            await anyio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await anyio.to_thread.run_sync(thread.join)


class Storage:
    """Keeps what the SDK's client wants kept."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client: Any) -> None:
        self.client = client


class User:
    """Consents to whatever a page asks."""

    def __init__(self) -> None:
        self.logins = 0
        self.led_to = ""

    async def go_to(self, url: str) -> None:
        self.logins += 1
        async with sdk.http.AsyncClient() as browser:
            self.led_to = (await browser.get(url)).headers["location"]

    async def come_back(self) -> Any:
        query = parse_qs(urlsplit(self.led_to).query)
        code, state = query["code"][0], query["state"][0]
        result = getattr(client_auth, "AuthorizationCodeResult", None)
        return (code, state) if result is None else result(code=code, state=state)


def authorized(protected: Protected, user: User) -> Any:
    metadata = shared.OAuthClientMetadata(
        client_name="test",
        redirect_uris=["http://127.0.0.1:9/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
    )
    return client_auth.OAuthClientProvider(
        server_url=protected.url,
        client_metadata=metadata,
        storage=Storage(),
        redirect_handler=user.go_to,
        callback_handler=user.come_back,
    )


@asynccontextmanager
async def lost(protected: Protected, user: User) -> AsyncGenerator[tuple[sdk.Connected, Any]]:
    """Connect, log in, call once and lose the session; give the client and what logged it in."""
    async with served(protected):
        auth = authorized(protected, user)
        connected = sdk.connect(sdk.SESSION, protected.url, sdk.create_http_client, auth=auth)
        with anyio.fail_after(SOON_SECONDS):
            async with connected as client:
                assert await client.call("echo", text="before") == "before"
                protected.live.clear()
                yield client, auth


Loss = Callable[[Protected, Any], None]


def at_the_client(protected: Protected, auth: Any) -> None:
    """The client knows that its token has expired, and has another by its refresh token."""
    protected.provider.access.clear()
    auth.context.token_expiry_time = 1.0


def at_the_server(protected: Protected, _auth: Any) -> None:
    """The server alone knows, and a refresh token is no good either: the user logs in."""
    protected.provider.access.clear()
    protected.provider.refresh.clear()


def at_the_new_initialize(protected: Protected, _auth: Any) -> None:
    protected.expires_at = "initialize"


def at_its_notification(protected: Protected, _auth: Any) -> None:
    protected.expires_at = "notifications/initialized"


@pytest.mark.parametrize(
    "expires", [at_the_client, at_the_server, at_the_new_initialize, at_its_notification]
)
async def test_a_token_that_expires_as_a_session_is_lost_costs_no_call(expires: Loss) -> None:
    protected, user, texts = Protected(), User(), list[str]()
    async with lost(protected, user) as (client, auth):
        expires(protected, auth)

        async def call(number: int) -> None:
            texts.append(await client.call("echo", text=str(number)))

        async with anyio.create_task_group() as tasks:
            for number in range(CALLS):
                tasks.start_soon(call, number)

    assert sorted(texts) == [str(number) for number in range(CALLS)]
    assert sorted(protected.ran) == [*sorted(texts), "before"]
    assert protected.made == 2
    assert user.logins == (1 if expires is at_the_client else 2)


async def test_a_login_that_fails_in_a_recovery_fails_the_calls_that_waited_and_no_other() -> None:
    protected, errors = Protected(), list[sdk.CallError]()
    async with lost(protected, User()) as (client, _auth):
        protected.expires_at, protected.provider.fails = "initialize", True

        async def call() -> None:
            with pytest.raises(sdk.CallError) as raised:
                await client.call("echo", text="lost")
            errors.append(raised.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(call)
        protected.provider.fails = False

        assert await client.call("echo", text="after") == "after"

    assert [error.code for error in errors] == [CONNECTION_CLOSED] * CALLS
    assert all(error.message.endswith("OAuthTokenError") for error in errors)
    assert protected.ran == ["before", "after"]
