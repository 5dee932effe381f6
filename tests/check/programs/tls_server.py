"""A server over TLS: PORT, `sdk` or `healthy`, and the files of its certificate and key.

`sdk` is the official SDK's, bare, in uvicorn. `healthy` is that of tests/python, in which the
fuzzer finds nothing.
"""

import importlib
import ssl
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

sys.path.append(str(Path(__file__).parents[2] / "python"))

# There is another of this name in tests/check.
faulty_server: Any = importlib.import_module("faulty_server")


def serve_sdk(port: int, certificate: str, key: str) -> None:
    application = MCPServer("over TLS", log_level="CRITICAL").streamable_http_app()
    files: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key}
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="critical", ws="none", **files)


def serve_healthy(port: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", port), faulty_server.Handler)
    # Who connects and says nothing keeps its own thread waiting, and not that which accepts.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    serve = serve_sdk if sys.argv[2] == "sdk" else serve_healthy
    serve(int(sys.argv[1]), *sys.argv[3:])
