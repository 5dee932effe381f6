"""The ownership protocol: sessions of one application that runs in several processes, sans-IO.

For those who write another driver than `mcp_session.asgi`: a `Replica` is what one process knows,
`Replica.begin` takes a request and gives a `SessionRun`, whose steps say what to do next. Tables,
sockets, timers and the application stay with whoever drives it.

>>> from mcp_session.replica import Find, Replica
>>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
>>> with replica.begin("GET", [(b"mcp-session-id", b"1868a90c")]) as run:
...     isinstance(run.step, Find)
True
"""

from typing import TypeAlias

from mcp_session._core import (
    Announce,
    AwaitRun,
    Done,
    EndInApp,
    Find,
    Forward,
    KeepBack,
    Pass,
    Pause,
    ReadBody,
    Relay,
    RelayRestored,
    Renew,
    Replica,
    Reply,
    RestoreInApp,
    RunApp,
    SessionRun,
    Swap,
)
from mcp_session._later_enums import ForwardFailure

__all__ = [
    "Announce",
    "AwaitRun",
    "Done",
    "EndInApp",
    "Find",
    "Forward",
    "ForwardFailure",
    "KeepBack",
    "Pass",
    "Pause",
    "ReadBody",
    "Relay",
    "RelayRestored",
    "Renew",
    "Replica",
    "Reply",
    "RestoreInApp",
    "RunApp",
    "SessionRun",
    "Step",
    "Swap",
]

Step: TypeAlias = (
    ReadBody
    | Find
    | Renew
    | Swap
    | Forward
    | AwaitRun
    | Pause
    | RestoreInApp
    | Announce
    | EndInApp
    | RunApp
    | Reply
    | RelayRestored
    | Relay
    | Pass
    | KeepBack
    | Done
)
"""What a driver does next for a request."""
