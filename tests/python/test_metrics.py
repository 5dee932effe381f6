"""The recipes for metrics in the guide for servers, run on an exchange and read back."""

import re
from collections.abc import Iterator
from typing import Any

import anyio
import prometheus_client
import pytest
from mcp_session.asgi import SessionMiddleware
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from golden import TESTS

GUIDE = (TESTS.parent / "docs" / "servers.md").read_text(encoding="utf-8")


async def lose_a_session(middleware: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"jsonrpc":"2.0","id":7,"method":"ping"}'}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/mcp"}
    await middleware(scope | {"headers": [(b"mcp-session-id", b"1868a90c")]}, receive, send)
    return sent


async def lost(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"Session not found"})


def recipe(hook: str) -> Any:
    """Run the block of the guide that defines this hook; return the middleware that it makes."""
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if f"def {hook}(" in block)
    made: list[SessionMiddleware] = []

    def middleware(app: Any, **options: Any) -> None:
        made.append(SessionMiddleware(app, **options))

    exec(  # noqa: S102 - it is our own
        compile(block, "docs/servers.md", "exec"), {"SessionMiddleware": middleware, "app": lost}
    )
    return made[0]


@pytest.fixture
def registry() -> Iterator[prometheus_client.CollectorRegistry]:
    """The registry of Prometheus, which takes a name once, without those of other tests."""
    registry = prometheus_client.REGISTRY
    forget(registry)
    yield registry
    forget(registry)


def forget(registry: prometheus_client.CollectorRegistry) -> None:
    # There is no public way to one by its name.
    names: dict[str, Any] = vars(registry)["_names_to_collectors"]
    if (collector := names.get("mcp_session_verdicts")) is not None:
        registry.unregister(collector)


def test_opentelemetry_counts_verdicts_by_rule() -> None:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))

    middleware = recipe("count_with_opentelemetry")
    for _ in range(3):
        anyio.run(lose_a_session, middleware)

    data: Any = reader.get_metrics_data()
    metric = data.resource_metrics[0].scope_metrics[0].metrics[0]
    (point,) = metric.data.data_points
    assert metric.name == "mcp.session.verdicts"
    assert dict(point.attributes) == {"rule": "UncanonicalNotFound", "applied": True}
    assert point.value == 3


def test_prometheus_counts_verdicts_by_rule(registry: prometheus_client.CollectorRegistry) -> None:
    middleware = recipe("count_with_prometheus")
    for _ in range(3):
        anyio.run(lose_a_session, middleware)

    exposed = prometheus_client.generate_latest(registry).decode()
    assert 'mcp_session_verdicts_total{applied="true",rule="UncanonicalNotFound"} 3.0' in exposed
