"""The tables behind `mcp_session.sessions`."""
