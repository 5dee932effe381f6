"""The real servers and clients that the checks are shown with, and how each is started."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".environments"
PROGRAMS = Path(__file__).with_name("programs")
CRATES = ENVIRONMENTS / "cargo-peers" / "debug"
# The programs are copied beside the packages, where node looks for them.
NODE = ENVIRONMENTS / "node-check"
PACKAGES = NODE / "node_modules"
EVERYTHING = (
    ENVIRONMENTS
    / "node"
    / "node_modules"
    / "@modelcontextprotocol"
    / "server-everything"
    / "dist"
    / "index.js"
)

# They end with their standard input.
HELD_OPEN = "tail -f /dev/null | exec"


def python(environment: str) -> str:
    override = os.environ.get(f"MCP_SESSION_PYTHON_{environment.upper()}")
    return override or str(ENVIRONMENTS / environment / "bin" / "python")


@dataclass(frozen=True)
class Server:
    """A server, by what it is recorded as."""

    command: tuple[str, ...]
    path: str = "/mcp"
    idle: float | None = None
    host: str = "127.0.0.1"
    tool: str | None = None
    """As `--tool` has it, where it has a slow one."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{{port}}{self.path}"


def sdk(environment: str, *options: str) -> tuple[str, ...]:
    script = ROOT / "tests" / "clients" / "real_server.py"
    return (python(environment), "-W", "ignore", str(script), "--port", "{port}", *options)


def shell(line: str) -> tuple[str, ...]:
    return ("sh", "-c", line)


SLOW = 'slow={"seconds":2}'

SERVERS = {
    "mcp1.30.0": Server(sdk("mcp1"), tool=SLOW),
    "mcp1.30.0-json": Server(sdk("mcp1", "--json"), tool=SLOW),
    "mcp1.30.0-stateless": Server(sdk("mcp1", "--stateless")),
    "mcp2.3.0": Server(sdk("mcp2"), tool=SLOW),
    "mcp2.3.0-idle1": Server(sdk("mcp2", "--idle", "1"), idle=1.0),
    "mcp2.3.0-stateless": Server(sdk("mcp2", "--stateless")),
    # The same application as the first, in what the middleware makes of it.
    "mcp1.30.0-with-us": Server(
        (
            python("mcp1"),
            "-W",
            "ignore",
            str(PROGRAMS / "wrapped_server.py"),
            "--port",
            "{port}",
        ),
        tool=SLOW,
    ),
    "fastmcp4.1.6": Server(
        (
            python("fastmcp4"),
            "-W",
            "ignore",
            str(ROOT / "tests" / "peers" / "fastmcp_server.py"),
            "--port",
            "{port}",
        ),
        tool=SLOW,
    ),
    "sse-mcp1.30.0": Server(
        (python("mcp1"), "-W", "ignore", str(PROGRAMS / "sse_server.py"), "{port}"), path="/sse"
    ),
    "rust-rmcp-3.9.0": Server(shell(f"{HELD_OPEN} {CRATES}/rmcp-new {{port}}")),
    "rust-rmcp-0.8.5": Server(shell(f"{HELD_OPEN} {CRATES}/rmcp-old {{port}}")),
    "ts-sdk-v1.32.2-single": Server(
        shell(f"{HELD_OPEN} node {NODE}/typescript_v1_server.js {{port}}")
    ),
    "ts-sdk-v1.32.2-stateless": Server(
        shell(f"{HELD_OPEN} node {NODE}/typescript_v1_server.js {{port}} --stateless")
    ),
    "ts-sdk-v2.4.0": Server(shell(f"{HELD_OPEN} node {ENVIRONMENTS}/node/server.js {{port}}")),
    "ts-server-everything-2026.8.31": Server(
        shell(f"PORT={{port}} exec node {EVERYTHING} streamableHttp")
    ),
    "supergateway-4.0.0-stateful": Server(
        shell(
            f"exec node {PACKAGES}/supergateway/dist/index.js --stdio 'node {EVERYTHING}'"
            " --outputTransport streamableHttp --stateful --port {port}"
        )
    ),
}

FOREIGN = ENVIRONMENTS / "node-foreign"


def foreign(program: str, host: str = "127.0.0.1") -> Server:
    return Server(shell(f"exec node {FOREIGN}/{program}"), host=host)


# Of other authors, in other languages.
SERVERS.update(
    {
        "hono-mcp-0.3.2": foreign("hono.js {port}"),
        "mcp-lite-0.10.0": foreign("mcp_lite.js {port}"),
        "fastmcp-ts-4.20.16": foreign("fastmcp.js {port}"),
        "playwright-mcp-0.0.83": foreign(
            "node_modules/.bin/playwright-mcp --port {port} --isolated",
            # By any other name it lets nobody in.
            host="localhost",
        ),
        "notion-mcp-server-2.5.2": foreign(
            "node_modules/.bin/notion-mcp-server --transport http --port {port}"
            " --unsafe-disable-auth"
        ),
        "mongodb-mcp-server-3.0.4": foreign(
            "node_modules/.bin/mongodb-mcp-server --transport http --httpPort {port}"
        ),
        # Of the SDK for Go.
        "kubernetes-mcp-server-0.0.67": Server(
            shell(
                f"exec {FOREIGN}/node_modules/kubernetes-mcp-server-linux-amd64/bin/"
                "kubernetes-mcp-server-linux-amd64 --port {port}"
                f" --kubeconfig {FOREIGN}/kubeconfig.yaml"
            )
        ),
        # Of the SDK for C#.
        "azure-mcp-2.0.5": Server(
            shell(
                "AZURE_MCP_COLLECT_TELEMETRY=false ASPNETCORE_URLS=http://127.0.0.1:{port}"
                f" exec {FOREIGN}/node_modules/@azure/mcp-linux-x64/dist/azmcp server start"
                " --transport http --outgoing-auth-strategy UseHostingEnvironmentIdentity"
                " --dangerously-disable-http-incoming-auth"
            ),
            path="/",
        ),
        "brave-search-2.1.4": foreign(
            "node_modules/.bin/brave-search-mcp-server --transport http --port {port}"
            " --host 127.0.0.1 --brave-api-key none"
        ),
    }
)


def client(environment: str, *options: str) -> tuple[str, ...]:
    return (python(environment), "-W", "ignore", str(PROGRAMS / "python_client.py"), *options)


AUTO = ("--kind", "Client, auto")

CLIENTS = {
    "mcp 1.30": client("mcp1"),
    "mcp 1.30, ours": client("mcp1", "--ours"),
    "mcp 2.3": client("mcp2", *AUTO),
    "mcp 2.3, ours": client("mcp2", "--ours", *AUTO),
    "TypeScript 1.32": ("node", str(NODE / "typescript_v1.js")),
    "TypeScript 2.4": ("node", str(NODE / "typescript_v2.js")),
    "mcp-remote 0.15": (
        sys.executable,
        str(PROGRAMS / "stdio_client.py"),
        "node",
        str(FOREIGN / "node_modules" / ".bin" / "mcp-remote"),
    ),
    "supergateway 4.0": (
        sys.executable,
        str(PROGRAMS / "stdio_client.py"),
        "node",
        str(PACKAGES / "supergateway" / "dist" / "index.js"),
        *("--logLevel", "none", "--streamableHttp"),
    ),
    "mcp-proxy 0.13": (
        sys.executable,
        str(PROGRAMS / "stdio_client.py"),
        str(ENVIRONMENTS / "mcp-proxy" / "bin" / "mcp-proxy"),
        *("--log-level", "ERROR", "--transport", "streamablehttp"),
    ),
    "rmcp 3.9": (str(CRATES / "rmcp-client"),),
}
