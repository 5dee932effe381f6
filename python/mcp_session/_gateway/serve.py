"""Serves a gateway by uvicorn, until it is told to end."""

import logging
import signal
import socket
import sys

import uvicorn

from mcp_session._gateway.report import JsonLines
from mcp_session.gateway import Gateway

__all__ = ["log_as_json", "serve"]

_BACKLOG = 2048
# Longer than clients keep a connection that is not in use, so that these are the ones to close.
_IDLE_SECONDS = 75


def serve(gateway: Gateway, host: str, port: int, drain_seconds: float) -> None:
    """Serve it at an address until SIGTERM or Ctrl-C. Raises `OSError` if that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # uvicorn raises a signal again once it has ended. To have ended in order is no failure.
    signal.signal(signal.SIGTERM, _has_ended)
    with listener:
        shown = f"[{host}]" if ":" in host else host
        at = f"http://{shown}:{listener.getsockname()[1]}"
        logging.getLogger("mcp_session.gateway").info("serving", extra={"facts": {"at": at}})
        config = uvicorn.Config(
            gateway,
            access_log=False,
            # The servers' own pass.
            date_header=False,
            lifespan="on",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
            timeout_keep_alive=_IDLE_SECONDS,
            ws="none",
        )
        uvicorn.Server(config).run(sockets=[listener])


def log_as_json(level: int) -> None:
    """Write every line of the log as JSON to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    logging.getLogger("mcp_session").setLevel(level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _has_ended(_number: int, _frame: object) -> None:
    """Do nothing more."""
