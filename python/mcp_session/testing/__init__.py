"""What this project tests itself with, for those who write MCP clients and servers.

Needs the extra `testing`. With pytest, the fixtures of docs/testing.md are there without an
import. `strategies`, `machine` and `guarantees` are modules of their own, so that the rest needs
no hypothesis.

>>> from mcp_session.testing import SmallServer, assert_recovered, scripted_server
"""

try:
    from mcp_session.testing.assertions import (
        SessionWarning,
        assert_action,
        assert_assigns_session,
        assert_recovered,
        assert_session_not_found,
    )
    from mcp_session.testing.client import RawExchange, Response, ScriptedClient, write_request
    from mcp_session.testing.ports import free_port
    from mcp_session.testing.processes import AsgiServer, CommandServer, PortTakenError
    from mcp_session.testing.scripted import (
        Connection,
        Exchange,
        Request,
        Script,
        ScriptedServer,
        SmallServer,
        relay,
        scripted_server,
    )
except ModuleNotFoundError as error:
    from mcp_session._extras import missing_extra

    raise missing_extra(error, "testing", "anyio", "h11") from None

__all__ = [
    "AsgiServer",
    "CommandServer",
    "Connection",
    "Exchange",
    "PortTakenError",
    "RawExchange",
    "Request",
    "Response",
    "Script",
    "ScriptedClient",
    "ScriptedServer",
    "SessionWarning",
    "SmallServer",
    "assert_action",
    "assert_assigns_session",
    "assert_recovered",
    "assert_session_not_found",
    "free_port",
    "relay",
    "scripted_server",
    "write_request",
]
