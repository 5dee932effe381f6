"""Which clients the guide has a line for, and what each needs to be installed.

Nothing here needs an SDK, so that it can be planned where none is installed.
"""

from typing import NamedTuple

MCP_1 = "mcp==1.30.0"


class Client(NamedTuple):
    """A client, by the label that its block bears in `docs/integrations.md`."""

    label: str
    packages: tuple[str, ...]
    has_hook: bool = True
    """Whether its block hands over our client. Else it has `install()` in it."""
    recovers_plain: bool = False
    """Whether a call that a restart falls into is answered without us: it makes another session
    by itself."""
    opens_for_each_call: bool = False
    """Whether it makes a session for each call, so that it has none to lose between two."""
    environment: str = ""
    """That of another client, by its label."""
    block: str = ""
    """That of another client, by its label."""
    python: tuple[int, int] = (3, 10)
    """The oldest CPython that it installs on."""
    protocol: str = "2025-11-25"
    """The newest revision with sessions that it knows."""


# Where a pin stands, the newest release installs, and does not import without it.
CLIENTS = (
    Client("mcp1", (MCP_1,)),
    Client("mcp2", ("mcp>=2.3,<3",)),
    Client("fastmcp2", ("fastmcp>=2.14,<3",)),
    Client("fastmcp3", ("fastmcp>=3,<4",)),
    Client("fastmcp4", ("fastmcp>=4.2,<5",)),
    Client("langchain", ("langchain-mcp-adapters>=0.3,<0.4",)),
    Client("openai", ("openai-agents>=0.24,<0.25",)),
    Client("pydantic-ai", ("pydantic-ai-slim[mcp]>=2.68,<3",)),
    Client("google-adk", ("google-adk>=2.13,<3", "mcp>=2.3,<3")),
    Client("strands-agents", ("strands-agents>=1.62,<2",)),
    Client(
        "smolagents",
        ("smolagents>=1.26,<2", "mcpadapt>=0.1.20", "mcp[ws]==1.30.0"),
        python=(3, 12),
    ),
    Client("agno", ("agno>=3.1,<4", "fastmcp>=4.2,<5")),
    Client("semantic-kernel", ("semantic-kernel[mcp]>=1.45,<2",)),
    Client("agent-framework", ("agent-framework-core>=1.23,<2", "mcp>=2.3,<3", "tenacity>=9")),
    Client("autogen", ("autogen-ext[mcp]>=0.7.5,<0.8", "autogen-agentchat>=0.7.5,<0.8", MCP_1)),
    Client("crewai", ("crewai>=1.15,<2", "crewai-tools[mcp]>=1.15,<2")),
    Client("llama-index", ("llama-index-tools-mcp>=0.6,<0.7",), opens_for_each_call=True),
    Client("beeai", ("beeai-framework[mcp]>=0.1.85,<0.2",)),
    Client("livekit", ("livekit-agents[mcp]>=1.8,<2",)),
    Client("huggingface_hub", ("huggingface_hub[mcp]>=2.4,<3", MCP_1), has_hook=False),
    Client("haystack", ("mcp-haystack>=2.1,<3",), has_hook=False),
    Client("mcp-use", ("mcp-use>=1.7,<2",), has_hook=False),
    Client("mcp-agent", ("mcp-agent>=0.2.6,<0.3", MCP_1), has_hook=False),
    Client("crewai-native", (), has_hook=False, environment="crewai"),
    Client("camel", ("camel-ai>=0.2.90,<0.3", MCP_1), has_hook=False),
    Client("mistralai", ("mistralai>=3.7,<4", "mcp>=2.3,<3"), has_hook=False),
    Client("pipecat", ("pipecat-ai[mcp]>=1.14,<2",), has_hook=False),
    Client("fast-agent", ("fast-agent-mcp>=0.10.48,<0.11",), has_hook=False, python=(3, 12)),
)
PROGRAMS = (
    Client("mcp-proxy", ("mcp-proxy>=0.13,<0.14",), has_hook=False),
    Client("mcpo", ("mcpo>=0.0.20", MCP_1, "fastapi==0.115.14", "starlette<0.47"), has_hook=False),
)
"""What `mcp-session run` is tried with."""

OLD_PYDANTIC = "pydantic<2.12"
"""What these versions of mcp need to be imported at all."""

MINORS = tuple(
    Client(
        f"mcp-{version}",
        (f"mcp=={version}", *more),
        block="mcp2" if version.startswith("2.") else "mcp1-factory",
        protocol=protocol,
    )
    for protocol, more, versions in (
        ("2025-03-26", (OLD_PYDANTIC,), "1.9.4"),
        ("2025-06-18", (OLD_PYDANTIC,), "1.10.1 1.11.0 1.12.4 1.13.1 1.14.1 1.15.0 1.16.0 1.17.0"),
        ("2025-06-18", (OLD_PYDANTIC,), "1.18.0 1.19.0 1.20.0"),
        ("2025-06-18", (), "1.21.2 1.22.0"),
        ("2025-11-25", (), "1.23.3 1.24.0 1.25.0 1.26.0 1.27.2 1.28.1 1.29.1 1.30.0"),
        ("2025-11-25", (), "2.0.1 2.1.1 2.2.0 2.3.0"),
    )
    for version in versions.split()
)
"""The last of every minor version of the official SDK that has a transport to install into."""

PART = ("smolagents", "google-adk", "huggingface_hub", "mistralai")
"""Built on either generation of the SDK, with a hook and without."""
