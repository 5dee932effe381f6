"""Where an application can stand: behind the middleware, or behind the proxy of the guide."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from mcp_session.asgi import SessionMiddleware

from documentation import proxy
from serving import serving

PLACES = ("middleware", "proxy")


@contextmanager
def behind(place: str, application: Any) -> Generator[int]:
    """Serve an application there; yield the port to ask."""
    with ExitStack() as stack:
        if place == "middleware":
            yield stack.enter_context(serving(SessionMiddleware(application)))
        else:
            pytest.importorskip("httpx2")
            port = stack.enter_context(serving(application))
            yield stack.enter_context(serving(proxy(f"http://127.0.0.1:{port}")))
