"""The names of the rows, an enum as those of `_enums`.

Making it takes half as long as importing all else, so it is imported when it is first asked for.
"""

from enum import Enum

from mcp_session._core import rule_facts

__all__ = ["Rule"]


class Rule(str, Enum):
    """A row of the decision tables, by name: a `str`, as the command line prints it.

    `summary` says in a sentence what the row says; `quote`, `url` and `revision` are the
    sentence of the specification it rests on, where it stands and in which revision.
    `source` says of a misreport where it was seen, and is `None` for other rows. `corrects` says
    whether a server or proxy changes an answer by the row, or the answer's session header.

    >>> from mcp_session import Rule
    >>> Rule.TERMINATED_POST.summary
    '404 to a POST with a session ID attached: the session is terminated, whatever the body says.'
    >>> Rule.TERMINATED_POST.revision
    '2025-11-25'

    Source: each row names its own, in `url`.
    """

    MODERN_EXCHANGE = "ModernExchange"
    SESSION_ASSIGNED = "SessionAssigned"
    ILL_FORMED_SESSION_ID = "IllFormedSessionId"
    NO_SESSION_ASSIGNED = "NoSessionAssigned"
    OPENING_NOT_FOUND = "OpeningNotFound"
    NOTHING_ATTACHED = "NothingAttached"
    TERMINATED_POST = "TerminatedPost"
    TERMINATED_GET = "TerminatedGet"
    DELETE_ACKNOWLEDGED = "DeleteAcknowledged"
    DELETE_NOT_OFFERED = "DeleteNotOffered"
    AUTHORIZATION = "Authorization"
    MODERN_ONLY_SERVER = "ModernOnlyServer"
    NOT_TERMINATION = "NotTermination"
    MODERN_ANSWER = "ModernAnswer"
    CANONICAL_NOT_FOUND = "CanonicalNotFound"
    UNCANONICAL_NOT_FOUND = "UncanonicalNotFound"
    SESSION_ID_ON_ERROR = "SessionIdOnError"
    NOTHING_TO_CORRECT = "NothingToCorrect"
    MISREPORT_NO_VALID_SESSION_ID = "MisreportNoValidSessionId"
    MISREPORT_NO_VALID_SESSION_ID_FOR_NON_INITIALIZE = "MisreportNoValidSessionIdForNonInitialize"
    MISREPORT_NO_VALID_SESSION_ID_OR_NOT_INITIALIZATION_REQUEST = (
        "MisreportNoValidSessionIdOrNotInitializationRequest"
    )
    MISREPORT_NO_VALID_SESSION_ID_OR_NOT_INITIALIZE_REQUEST = (
        "MisreportNoValidSessionIdOrNotInitializeRequest"
    )
    MISREPORT_NEITHER_SESSION_ID_NOR_INITIALIZE = "MisreportNeitherSessionIdNorInitialize"
    MISREPORT_NO_SESSION_ID = "MisreportNoSessionId"
    MISREPORT_INVALID_OR_MISSING_SESSION_ID = "MisreportInvalidOrMissingSessionId"
    MISREPORT_MISSING_OR_INVALID_SESSION_ID = "MisreportMissingOrInvalidSessionId"
    MISREPORT_INVALID_SESSION_ID = "MisreportInvalidSessionId"
    MISREPORT_UNKNOWN_SESSION = "MisreportUnknownSession"
    MISREPORT_UNKNOWN_SESSION_ID = "MisreportUnknownSessionId"
    MISREPORT_UNKNOWN_SESSION_ID_HEADER = "MisreportUnknownSessionIdHeader"
    MISREPORT_SESSION_NOT_FOUND = "MisreportSessionNotFound"
    MISREPORT_SESSION_ID_NOT_FOUND = "MisreportSessionIdNotFound"
    MISREPORT_SESSION_EXPIRED = "MisreportSessionExpired"
    MISREPORT_SESSION_HAS_EXPIRED = "MisreportSessionHasExpired"
    MISREPORT_SESSION_TERMINATED = "MisreportSessionTerminated"
    MISREPORT_SESSION_ID_REQUIRED = "MisreportSessionIdRequired"
    MISREPORT_SERVER_NOT_INITIALIZED = "MisreportServerNotInitialized"
    MISREPORT_GET_REQUIRES_SESSION_ID = "MisreportGetRequiresSessionId"
    MISREPORT_DELETE_REQUIRES_SESSION_ID = "MisreportDeleteRequiresSessionId"
    MISREPORT_INVALID_SESSION_ID_HEADER = "MisreportInvalidSessionIdHeader"
    MISREPORT_NO_TRANSPORT = "MisreportNoTransport"
    MISREPORT_UNAUTHORIZED_SESSION_NOT_FOUND = "MisreportUnauthorizedSessionNotFound"
    MISREPORT_UNAUTHORIZED_NO_TRANSPORT = "MisreportUnauthorizedNoTransport"
    MISREPORT_RESUME_SESSION_NOT_FOUND = "MisreportResumeSessionNotFound"
    MISREPORT_RESUME_SERVICE_TERMINATED = "MisreportResumeServiceTerminated"
    MISREPORT_OF_CALLER = "MisreportOfCaller"
    MODERN_REQUEST = "ModernRequest"
    INITIALIZE_ADMITTED = "InitializeAdmitted"
    SESSION_ID_MISSING = "SessionIdMissing"
    SESSION_KNOWN = "SessionKnown"
    SESSION_UNKNOWN = "SessionUnknown"
    SESSION_TABLE_UNAVAILABLE = "SessionTableUnavailable"
    OTHER_METHOD = "OtherMethod"

    # As `enum.StrEnum` has it, which Python 3.10 has not. What enums have hashes their names, in
    # Python, each time that one is counted by.
    __str__ = str.__str__
    __hash__ = str.__hash__

    def __format__(self, format_spec: str) -> str:
        """As a `str` of its value."""
        return self.value.__format__(format_spec)

    @property
    def summary(self) -> str:
        """What the row says, in one sentence."""
        return rule_facts(self.value)[0]

    @property
    def quote(self) -> str:
        """The sentence of the specification that the row rests on."""
        return rule_facts(self.value)[1]

    @property
    def url(self) -> str:
        """Where that sentence stands."""
        return rule_facts(self.value)[2]

    @property
    def revision(self) -> str:
        """The revision of the specification that the sentence is quoted from."""
        return rule_facts(self.value)[3]

    @property
    def source(self) -> str | None:
        """For a misreport, where it was seen; else `None`."""
        return rule_facts(self.value)[4]

    @property
    def corrects(self) -> bool:
        """Whether a server or proxy changes an answer by it, or the answer's session header."""
        return rule_facts(self.value)[5]
