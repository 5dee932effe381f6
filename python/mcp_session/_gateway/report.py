"""What is told of requests: metrics for Prometheus, lines of JSON. No ID is in either."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mcp_session._asgi import Message, Send
from mcp_session._core import VerdictEvent
from mcp_session._gateway.upstreams import Outcome

__all__ = ["JsonLines", "Report"]

_logger = logging.getLogger("mcp_session.gateway")

_METHODS = frozenset({"GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Report:
    """Counts, in a registry of its own."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._registry = registry = CollectorRegistry()
        labels = ["method", "status"]
        self._requests = Counter(
            "mcp_gateway_requests", "Requests that were answered", labels, registry=registry
        )
        self._seconds = Histogram(
            "mcp_gateway_answer_seconds",
            "From a request to the head of its answer",
            ["method"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._open = Gauge(
            "mcp_gateway_open_requests",
            "Requests and streams that are open",
            ["method"],
            registry=registry,
        )
        self._upstreams = Counter(
            "mcp_gateway_upstream_exchanges",
            "What became of the exchanges with each upstream",
            ["upstream", "outcome"],
            registry=registry,
        )
        self._verdicts = Counter(
            "mcp_gateway_verdicts", "Verdicts on lost sessions", ["rule"], registry=registry
        )
        self._restored = Counter(
            "mcp_gateway_sessions_restored",
            "Sessions that were made anew at an upstream",
            registry=registry,
        )

    def begin(self, method: str, send: Send) -> "Watched":
        """Begin to watch a request."""
        return Watched(self, method if method in _METHODS else "other", send)

    def upstream(self, number: int, outcome: Outcome) -> None:
        """Count what became of an exchange with an upstream."""
        self._upstreams.labels(number, outcome).inc()

    def verdict(self, event: VerdictEvent) -> None:
        """Count a verdict."""
        self._verdicts.labels(event.rule.value).inc()

    def restored(self, _restored: object) -> None:
        """Count a session that was restored."""
        self._restored.inc()

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)

    def began(self, method: str) -> Callable[[], None]:
        """Count a request as open; return what to call at its end."""
        gauge = self._open.labels(method)
        gauge.inc()
        return gauge.dec

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count the head of an answer."""
        self._requests.labels(method, status).inc()
        self._seconds.labels(method).observe(seconds)


class Watched:
    """One request, until its answer is over."""

    def __init__(self, report: Report, method: str, send: Send) -> None:
        """Pass on to `send`."""
        self._report, self._method, self._send = report, method, send
        self._begun = time.monotonic()
        self._over = report.began(method)
        self._status: int | None = None

    async def send(self, message: Message) -> None:
        """Stand in for the server's `send`."""
        if message["type"] == "http.response.start" and self._status is None:
            status: int = message["status"]
            self._status = status
            seconds = time.monotonic() - self._begun
            self._report.answered(self._method, status, seconds)
        await self._send(message)

    def end(self) -> None:
        """Write the line of the request."""
        self._over()
        if _logger.isEnabledFor(logging.INFO):
            facts: dict[str, object] = {
                "method": self._method,
                "status": self._status,
                "seconds": round(time.monotonic() - self._begun, 6),
            }
            _logger.info("request", extra={"facts": facts})


class JsonLines(logging.Formatter):
    """One JSON object a line; of an exception its type, of a foreign text nothing."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        is_known = record.name.startswith(("mcp_session", "uvicorn"))
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{record.msecs:03.0f}",
            "level": record.levelname.lower(),
            "event": record.getMessage() if is_known else record.name,
        }
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=True)
