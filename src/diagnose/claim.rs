//! What can be wrong with how a session was treated: each claim beside the sentence that it
//! rests on.

use crate::table::Rule;

/// Something that is wrong in a recording.
///
/// Non-exhaustive: a further claim is read out as these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Claim {
    /// The server reports a terminated session by another status than 404.
    Misreported,
    /// The server answers 404 in a form that leaves some clients hanging or blind.
    UncanonicalNotFound,
    /// The server refuses a session in words that no row knows.
    UnrecognizedRefusal,
    /// The server refuses the `initialize` that replaces a session.
    ReplacementRefused,
    /// The server gives out an ill-formed session ID.
    IllFormedSessionId,
    /// The server sends a session ID with an answer that is no success.
    SessionIdOnError,
    /// The server has no stream for a GET and answers 404 instead of 405.
    StreamNotOfferedAsNotFound,
    /// The server no longer speaks a version that has sessions, and the client does.
    ModernOnlyServer,
    /// The client goes on sending the ID of a terminated session.
    KeptDeadId,
    /// The client sends a refused request again in the session that refused it.
    ReplayedToDeadSession,
    /// The client does not `initialize` after its session was terminated.
    NoInitialize,
    /// The client attaches a session ID to `initialize`.
    InitializeWithId,
    /// The client leaves the ID of its live session out.
    LostHeader,
    /// The client's first `initialize` is answered 404.
    OpeningNotFound,
    /// A gateway drops the session header of the request.
    RequestHeaderDropped,
    /// A gateway drops the session header of the `InitializeResult`.
    ResponseHeaderDropped,
    /// A gateway or a replica answers 404 for a session that is alive.
    NotFoundForLiveSession,
    /// A gateway reaches no server.
    Unreachable,
}

/// Who was wrong.
///
/// Exhaustive on purpose: these are all that an exchange passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// Who sent the request.
    Client,
    /// Who holds the session.
    Server,
    /// Whatever stands between, a replica that the request should not have reached included.
    Gateway,
}

impl Party {
    /// The party in lower case, as the command line prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Gateway => "gateway",
        }
    }
}

/// A sentence of the specification, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The sentence, word by word.
    pub quote: &'static str,
    /// Its page and section.
    pub url: &'static str,
    /// The revision of the specification that it is quoted from.
    pub revision: &'static str,
}

impl Claim {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Misreported,
        Self::UncanonicalNotFound,
        Self::UnrecognizedRefusal,
        Self::ReplacementRefused,
        Self::IllFormedSessionId,
        Self::SessionIdOnError,
        Self::StreamNotOfferedAsNotFound,
        Self::ModernOnlyServer,
        Self::KeptDeadId,
        Self::ReplayedToDeadSession,
        Self::NoInitialize,
        Self::InitializeWithId,
        Self::LostHeader,
        Self::OpeningNotFound,
        Self::RequestHeaderDropped,
        Self::ResponseHeaderDropped,
        Self::NotFoundForLiveSession,
        Self::Unreachable,
    ];

    /// The name of the claim, as the variant is spelled.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Misreported => "Misreported",
            Self::UncanonicalNotFound => "UncanonicalNotFound",
            Self::UnrecognizedRefusal => "UnrecognizedRefusal",
            Self::ReplacementRefused => "ReplacementRefused",
            Self::IllFormedSessionId => "IllFormedSessionId",
            Self::SessionIdOnError => "SessionIdOnError",
            Self::StreamNotOfferedAsNotFound => "StreamNotOfferedAsNotFound",
            Self::ModernOnlyServer => "ModernOnlyServer",
            Self::KeptDeadId => "KeptDeadId",
            Self::ReplayedToDeadSession => "ReplayedToDeadSession",
            Self::NoInitialize => "NoInitialize",
            Self::InitializeWithId => "InitializeWithId",
            Self::LostHeader => "LostHeader",
            Self::OpeningNotFound => "OpeningNotFound",
            Self::RequestHeaderDropped => "RequestHeaderDropped",
            Self::ResponseHeaderDropped => "ResponseHeaderDropped",
            Self::NotFoundForLiveSession => "NotFoundForLiveSession",
            Self::Unreachable => "Unreachable",
        }
    }

    /// Who was wrong.
    pub const fn party(self) -> Party {
        match self {
            Self::Misreported
            | Self::UncanonicalNotFound
            | Self::UnrecognizedRefusal
            | Self::ReplacementRefused
            | Self::IllFormedSessionId
            | Self::SessionIdOnError
            | Self::StreamNotOfferedAsNotFound => Party::Server,
            Self::ModernOnlyServer
            | Self::KeptDeadId
            | Self::ReplayedToDeadSession
            | Self::NoInitialize
            | Self::InitializeWithId
            | Self::LostHeader
            | Self::OpeningNotFound => Party::Client,
            Self::RequestHeaderDropped
            | Self::ResponseHeaderDropped
            | Self::NotFoundForLiveSession
            | Self::Unreachable => Party::Gateway,
        }
    }

    /// What was wrong, in one sentence.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Misreported => {
                "The session is terminated, and the server does not say so by 404."
            }
            Self::UncanonicalNotFound => {
                "404 is right, but its body leaves some clients hanging: not `application/json` with code -32001 and the id of the request."
            }
            Self::UnrecognizedRefusal => {
                "The server speaks of the session and answers neither 404 nor a text that is known. If the session is terminated, no client can tell."
            }
            Self::ReplacementRefused => {
                "The session is terminated, and the server refuses the `initialize` that asks for a new one. It may have room for one session only."
            }
            Self::IllFormedSessionId => {
                "The session ID that the server gave out has characters that it must not have."
            }
            Self::SessionIdOnError => {
                "The answer is no success and bears a session ID. A client may take it for its session."
            }
            Self::StreamNotOfferedAsNotFound => {
                "404 to a GET, and the session is alive: the server has no stream to offer, which is said by 405."
            }
            Self::ModernOnlyServer => {
                "The server no longer speaks a version that has sessions. A new `initialize` fails the same way."
            }
            Self::KeptDeadId => {
                "The session is terminated, and the client goes on sending its ID: every such request fails."
            }
            Self::ReplayedToDeadSession => {
                "The request was refused because its session is terminated, and was sent again in that session."
            }
            Self::NoInitialize => {
                "The session is terminated, and no `initialize` follows in this recording."
            }
            Self::InitializeWithId => {
                "`initialize` bears a session ID. Many servers look the ID up, and refuse."
            }
            Self::LostHeader => {
                "The session is alive, and the request does not bear its ID. If the client attached it, something before this recording drops the header."
            }
            Self::OpeningNotFound => {
                "404 to the first `initialize`: the URL is wrong, or the server has the older HTTP+SSE transport."
            }
            Self::RequestHeaderDropped => {
                "The request bears a session ID, and the server says that there is none: something between the two drops the header."
            }
            Self::ResponseHeaderDropped => {
                "The server wants a session ID, and none came with its `InitializeResult`: something between the two drops the header."
            }
            Self::NotFoundForLiveSession => {
                "The session was called terminated and then served a request: a gateway, or a replica that does not hold the session, answered for the server."
            }
            Self::Unreachable => {
                "A gateway answered because it reached no server. That says nothing of the session, whose ID stays."
            }
        }
    }

    /// The sentence of the specification that the claim rests on.
    pub const fn sentence(self) -> Sentence {
        let row = match self {
            Self::StreamNotOfferedAsNotFound => return NO_STREAM,
            Self::Misreported | Self::UnrecognizedRefusal | Self::Unreachable => {
                Rule::NotTermination
            }
            Self::UncanonicalNotFound => Rule::UncanonicalNotFound,
            Self::IllFormedSessionId => Rule::IllFormedSessionId,
            Self::SessionIdOnError => Rule::SessionIdOnError,
            Self::ModernOnlyServer => Rule::ModernOnlyServer,
            Self::OpeningNotFound => Rule::OpeningNotFound,
            Self::KeptDeadId
            | Self::ReplayedToDeadSession
            | Self::NoInitialize
            | Self::ReplacementRefused => Rule::TerminatedPost,
            Self::InitializeWithId => Rule::InitializeAdmitted,
            Self::LostHeader | Self::RequestHeaderDropped => Rule::SessionKnown,
            Self::ResponseHeaderDropped => Rule::SessionAssigned,
            Self::NotFoundForLiveSession => Rule::SessionTableUnavailable,
        };
        Sentence { quote: row.quote(), url: row.url(), revision: row.revision() }
    }
}

const NO_STREAM: Sentence = Sentence {
    quote: "The server **MUST** either return `Content-Type: text/event-stream` in response to this HTTP GET, or else return HTTP 405 Method Not Allowed, indicating that the server does not offer an SSE stream at this endpoint.",
    url: "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server",
    revision: "2025-11-25",
};
