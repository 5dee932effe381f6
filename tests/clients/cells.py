"""What a test in many variants is given: who speaks to whom, and how."""

from dataclasses import dataclass

import sdk

LEGACY_VERSION = "2025-11-25"


@dataclass(frozen=True)
class Cell:
    """A kind of client, a generation of server, and whether that streams its answers."""

    kind: str
    server: str
    streams: bool

    def __str__(self) -> str:
        return f"{self.kind} to {self.server}{'' if self.streams else ' json'}"

    @property
    def is_modern(self) -> bool:
        """Whether the two would agree on a revision that has no sessions."""
        return self.kind == sdk.AUTO and self.server == "mcp2"

    @property
    def options(self) -> tuple[str, ...]:
        """What the server is told, so that the two have a session."""
        streams = () if self.streams else ("--json",)
        return (*streams, "--protocol", LEGACY_VERSION) if self.is_modern else streams
