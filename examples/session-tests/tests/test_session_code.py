"""The session code of this repository, driven by hypothesis."""

from hypothesis import settings
from mcp_session.testing.machine import SessionClient, SessionMachine, Transport
from session_code import SessionCode


class SessionCodeMachine(SessionMachine):
    """Drives `SessionCode`."""

    def make_client(self, transport: Transport) -> SessionClient:
        """Return the session code, over hypothesis' transport."""
        return SessionCode(transport)


TestSessionCode = SessionCodeMachine.TestCase
TestSessionCode.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
