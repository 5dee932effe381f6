"""`real_server.py` of the tests of the clients, with the middleware around its application."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "clients"))

from mcp_session.asgi import SessionMiddleware

import real_server

plain = real_server.sdk_application


def wrapped(options: argparse.Namespace) -> real_server.Application:
    application: real_server.Application = SessionMiddleware(plain(options))
    return application


if __name__ == "__main__":
    real_server.sdk_application = wrapped
    real_server.main()
