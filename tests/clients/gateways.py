"""Serves gateways in the test's own process, and connects the SDK's own clients to them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from mcp_session.gateway import Gateway

import sdk


class Served:
    """Where a gateway is."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"


@contextmanager
def gateway(*upstreams: str, **options: Any) -> Generator[Served]:
    """A gateway that uvicorn serves, in a thread of its own."""
    application = Gateway(upstreams, **options)
    config = uvicorn.Config(
        application, port=0, log_config=None, proxy_headers=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        (listener,) = server.servers[0].sockets
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        loop.close()


@asynccontextmanager
async def plain(served: Any, *, kind: str = sdk.SESSION) -> AsyncGenerator[sdk.Connected]:
    """The SDK's own client, before a gateway."""
    with served as at:
        async with sdk.connect(kind, at.url, sdk.create_plain_http_client) as client:
            yield client
