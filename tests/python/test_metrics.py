"""The recipes for metrics in the guide for servers, run on an exchange and read back."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
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
    return await post(middleware, [(b"mcp-session-id", b"1868a90c")])


async def post(middleware: Any, headers: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"jsonrpc":"2.0","id":7,"method":"ping"}'}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/mcp"}
    await middleware(scope | {"headers": headers}, receive, send)
    return sent


async def lost(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"Session not found"})


def block(function: str) -> CodeType:
    """The block of the guide that defines this."""
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if f"def {function}(" in block)
    return compile(found, "docs/servers.md", "exec")


def recipe(hook: str) -> Any:
    """Run the block of the guide that defines this hook; return the middleware that it makes."""
    made: list[SessionMiddleware] = []

    def middleware(app: Any, **options: Any) -> None:
        made.append(SessionMiddleware(app, **options))

    exec(  # noqa: S102 - it is our own
        block(hook), {"SessionMiddleware": middleware, "app": lost}
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
    for name in ("mcp_session_verdicts", "mcp_sessions_live"):
        if (collector := names.get(name)) is not None:
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


COUNT_IN_A_WORKER = """
import asyncio, re, sys
from mcp_session.asgi import SessionMiddleware
sys.path.insert(0, {tests!r})
from test_metrics import lose_a_session, recipe
middleware = recipe("count_with_prometheus")
for _ in range({times}):
    asyncio.run(lose_a_session(middleware))
"""


def test_workers_count_into_one_counter(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for times in (2, 3):
        code = COUNT_IN_A_WORKER.format(tests=str(Path(__file__).parent), times=times)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
    exposing = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_metrics import block\n"
        "names = {}\n"
        "exec(block('metrics_of_all_workers'), names)\n"
        "async def send(message): sys.stdout.write(message.get('body', b'').decode())\n"
        "asyncio.run(names['metrics_of_all_workers']({}, None, send))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", exposing],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    ).stdout

    assert 'mcp_session_verdicts_total{applied="true",rule="UncanonicalNotFound"} 5.0' in shown


def test_a_gauge_tells_how_many_sessions_are_alive(
    registry: prometheus_client.CollectorRegistry,
) -> None:
    assert registry is prometheus_client.REGISTRY
    names: dict[str, Any] = {"SessionMiddleware": SessionMiddleware, "app": lost}
    exec(block("note"), names)  # noqa: S102 - it is our own
    live = names["LiveSessions"](None, idle=1800)
    opened = {"status": 200, "headers": [(b"mcp-session-id", b"a")]}
    live.note("POST", None, opened)
    live.note("POST", None, {"status": 200, "headers": [(b"mcp-session-id", b"b")]})
    live.note("POST", b"a", {"status": 202})
    assert names["LIVE"]._value.get() == 2  # noqa: SLF001 - there is no other way
    live.note("POST", b"b", {"status": 404})
    assert names["LIVE"]._value.get() == 1  # noqa: SLF001 - see above
    live.note("DELETE", b"a", {"status": 204})
    live.note("POST", None, {"status": 200})
    assert names["LIVE"]._value.get() == 0  # noqa: SLF001 - see above
    live.idle = -1
    live.note("POST", None, opened)
    assert names["LIVE"]._value.get() == 0  # noqa: SLF001 - see above


def test_the_gauge_counts_what_goes_through_it(
    registry: prometheus_client.CollectorRegistry,
) -> None:
    begins = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"mcp-session-id", b"1868a90c")],
    }

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["headers"]:
            await lost(scope, receive, send)
        else:
            await send(begins)
            await send({"type": "http.response.body", "body": b"{}"})

    def count() -> float | None:
        return registry.get_sample_value("mcp_sessions_live")

    names: dict[str, Any] = {"SessionMiddleware": SessionMiddleware, "app": application}
    exec(block("note"), names)  # noqa: S102 - it is our own
    live = names["LiveSessions"](SessionMiddleware(application))

    headers: list[tuple[bytes, bytes]] = []
    sent = anyio.run(post, live, headers)
    assert (sent[0]["status"], count()) == (200, 1)
    sent = anyio.run(post, live, [(b"mcp-session-id", b"1868a90c")])
    assert (sent[0]["status"], count()) == (404, 0)
