"""Tables of sessions: which process holds a session, and what another needs to go on with it.

`SessionMiddleware(app, sessions=...)` takes one of them. All processes that serve an application
share one table: `MemorySessions` for one process, `SqliteSessions` for those of one host,
`RedisSessions` for any number of hosts. Whoever wants to keep the entries elsewhere implements the
protocol `SessionTable`.

>>> from mcp_session.sessions import MemorySessions
>>> MemorySessions()
MemorySessions()
"""

from mcp_session._sessions.memory import MemorySessions
from mcp_session._sessions.redis import RedisSessions
from mcp_session._sessions.sqlite import SqliteSessions
from mcp_session._sessions.table import (
    FoundSession,
    SessionEntry,
    SessionTable,
    SessionTableError,
    TableFault,
)

__all__ = [
    "FoundSession",
    "MemorySessions",
    "RedisSessions",
    "SessionEntry",
    "SessionTable",
    "SessionTableError",
    "SqliteSessions",
    "TableFault",
]

for _public in (FoundSession, SessionEntry, SessionTable, SessionTableError, TableFault):
    # They are met, pickled and looked up by the name under which they are imported.
    _public.__module__ = __name__
del _public
