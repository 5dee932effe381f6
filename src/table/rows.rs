//! The rows of the tables.
//!
//! Rule 1: everything that decides what an exchange means for a session stands in this
//! file, and in `misreports.rs`, once. Python, the command line and the adapters ask it.
//!
//! Rule 2: every row quotes the sentence of the specification it implements, so that this
//! file can be held next to the specification and compared line by line.
//!
//! Rule 3: rows do not overlap. Each can be read, and be wrong, on its own; their order
//! never matters. `tests/table.rs` proves it by exhausting them.
//!
//! Rule 4: the decision looks at what the *request* carried, never at what is stored now,
//! and at a JSON-RPC code or message only where a row says so:
//!
//! > Apart from `-32002` [...], receivers **MUST NOT** assume any specific meaning for these
//! > codes.
//! >
//! > <https://modelcontextprotocol.io/specification/2026-07-28/basic/index#error-codes>

use super::columns::{Admission, Attachment, Columns, Lookup, RequestKind, ResponseSessionId};
use super::misreports::Misreport;
use super::response_body::ResponseKind;
use crate::exchange::Side;

/// What to do. An imperative to whoever looks.
///
/// Exhaustive on purpose: whoever acts has to act on a further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hand the response on as it is.
    PassThrough,
    /// Attach [`Verdict::session_id`](crate::Verdict::session_id) to every request from now on.
    AdoptSession,
    /// Forget the ID that was attached and `initialize` anew, without an ID.
    ClearAndReinit,
    /// Forget the ID that was attached.
    Clear,
    /// Answer 404, with [`Verdict::response`](crate::Verdict::response).
    NotFoundResponse,
    /// Answer 400, with [`Verdict::response`](crate::Verdict::response).
    BadRequestResponse,
    /// Answer 503, with [`Verdict::response`](crate::Verdict::response).
    UnavailableResponse,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PassThrough,
        Self::AdoptSession,
        Self::ClearAndReinit,
        Self::Clear,
        Self::NotFoundResponse,
        Self::BadRequestResponse,
        Self::UnavailableResponse,
    ];

    /// Whether an answer of our own is to be given.
    const fn is_response(self) -> bool {
        match self {
            Self::NotFoundResponse | Self::BadRequestResponse | Self::UnavailableResponse => true,
            Self::PassThrough | Self::AdoptSession | Self::ClearAndReinit | Self::Clear => false,
        }
    }
}

/// Whether a server or proxy passes a session header on.
///
/// Exhaustive on purpose: a header goes on or it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionHeader {
    /// It goes on as it is, if there is one.
    Forward,
    /// It does not go on, because of this row.
    Withhold(Rule),
}

impl SessionHeader {
    /// Whether it goes on.
    pub const fn is_forwarded(self) -> bool {
        self.withheld_by().is_none()
    }

    /// The row that withholds it, if one does.
    ///
    /// ```
    /// use http::StatusCode;
    /// use mcp_session_core::{Method, Request, Response, Rule, Side, classify};
    ///
    /// let minted = Response { session_id: Some(b"889dd8e2"), ..Response::new(StatusCode::BAD_REQUEST) };
    ///
    /// let verdict = classify(Side::Server, &Request::new(Method::Post), &minted);
    ///
    /// assert_eq!(verdict.session_header().withheld_by(), Some(Rule::SessionIdOnError));
    /// ```
    pub const fn withheld_by(self) -> Option<Rule> {
        match self {
            Self::Forward => None,
            Self::Withhold(rule) => Some(rule),
        }
    }
}

impl Rule {
    /// Whether a server or proxy changes an answer because of this row: the whole of it, or
    /// by its session header alone.
    ///
    /// ```
    /// use mcp_session_core::Rule;
    ///
    /// assert!(Rule::UncanonicalNotFound.corrects());
    /// assert!(Rule::SessionIdOnError.corrects());
    /// assert!(!Rule::TerminatedPost.corrects());
    /// ```
    pub const fn corrects(self) -> bool {
        matches!(self, Self::SessionIdOnError) || self.replaces_answer()
    }
}

use Attachment::{Attached, NotAttached};
use Lookup::{Known, Unavailable, Unknown};
use RequestKind::{Delete, Get, Initialize, Modern, OtherMethod, Post};
use ResponseKind::{
    BadRequest, CanonicalNotFound, Forbidden, MethodNotAllowed, Misreported, ModernOnly, NotFound,
    OtherStatus, Success, Unauthorized,
};
use ResponseSessionId::{Absent, IllFormed, WellFormed};
use Side::{Client, Server};

// A row: the revision and the URL of a sentence, the sentence, what the row makes of it,
// and the exchanges it covers: (side, what was sent, whether an ID was attached, what came
// back, the session header of the response) => action.
//
// `Post`, `Get`, `Delete` and `OtherMethod` are legacy requests other than `initialize`.
with_misreports! { rows! {
    exchanges {
        // ---- Client: C1

        ModernExchange {
            "2026-07-28" "https://modelcontextprotocol.io/specification/2026-07-28/changelog"
            "Remove protocol-level sessions and the `Mcp-Session-Id` header from the Streamable HTTP transport."
            "A modern request: there are no sessions, and a 404 may mean \"method not found\"."
            (Client(_), Modern, _, _, _) => PassThrough;
        }

        // ---- Client: C2, C3, and an `initialize` that brought no session

        SessionAssigned {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "A server using the Streamable HTTP transport **MAY** assign a session ID at initialization time, by including it in an `MCP-Session-Id` header on the HTTP response containing the `InitializeResult`."
            "A successful `initialize` brought a session ID: the only exchange one is ever taken from."
            (Client(_), Initialize, _, Success, WellFormed) => AdoptSession;
        }

        IllFormedSessionId {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The session ID **MUST** only contain visible ASCII characters (ranging from 0x21 to 0x7E)."
            "A successful `initialize` brought an ill-formed session ID, which is not adopted."
            (Client(_), Initialize, _, Success, IllFormed) => PassThrough;
        }

        NoSessionAssigned {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "A server using the Streamable HTTP transport **MAY** assign a session ID at initialization time"
            "A successful `initialize` brought no session ID: the server keeps no session."
            (Client(_), Initialize, _, Success, Absent) => PassThrough;
        }

        // ---- Client: C4

        OpeningNotFound {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#backwards-compatibility"
            "If it fails with the following HTTP status codes \"400 Bad Request\", \"404 Not Found\" or \"405 Method Not Allowed\": Issue a GET request to the server URL, expecting that this will open an SSE stream and return an `endpoint` event as the first event."
            "404 to the opening `initialize`: a wrong URL, or a server of the older HTTP+SSE transport."
            (Client(_), Initialize, NotAttached, NotFound | CanonicalNotFound, _) => PassThrough;
        }

        NothingAttached {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached."
            "No session ID was attached, so no session can have been terminated."
            (
                Client(_), Initialize, NotAttached,
                BadRequest | ModernOnly | Unauthorized | Forbidden | MethodNotAllowed | Misreported(_)
                    | OtherStatus,
                _,
            ) => PassThrough;
            (Client(_), Post | Get | Delete | OtherMethod, NotAttached, _, _) => PassThrough;
        }

        // ---- Client: C5, C6. Any body: a code of -32601 in it changes nothing, because
        // "method not found" is a 404 in modern exchanges only.

        TerminatedPost {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached."
            "404 to a POST with a session ID attached: the session is terminated, whatever the body says."
            (Client(_), Initialize | Post, Attached, NotFound | CanonicalNotFound, _) => ClearAndReinit;
        }

        TerminatedGet {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached."
            "404 to a GET with a session ID attached: the session is terminated. Acting on it without memory loops for ever against servers that answer 404, not 405, because they offer no stream: act only if a stream had been open in this session."
            (Client(_), Get, Attached, NotFound | CanonicalNotFound, _) => ClearAndReinit;
        }

        // ---- Client: C7, C8

        DeleteAcknowledged {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "Clients that no longer need a particular session (e.g., because the user is leaving the client application) **SHOULD** send an HTTP DELETE to the MCP endpoint with the `MCP-Session-Id` header, to explicitly terminate the session."
            "The client wanted the session gone, and it is."
            (Client(_), Delete, Attached, Success | NotFound | CanonicalNotFound, _) => Clear;
        }

        DeleteNotOffered {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** respond to this request with HTTP 405 Method Not Allowed, indicating that the server does not allow clients to terminate sessions."
            "The server does not let clients terminate sessions; the client is done with it all the same."
            (Client(_), Delete, Attached, MethodNotAllowed, _) => Clear;
        }

        // ---- Client: C9, C10

        Authorization {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization#error-handling"
            "Servers **MUST** return appropriate HTTP status codes for authorization errors"
            "401 or 403: the request was not authorized; the session may be alive."
            (Client(_), Initialize | Post | Get | Delete | OtherMethod, Attached, Unauthorized | Forbidden, _) => PassThrough;
        }

        ModernOnlyServer {
            "2026-07-28" "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#backward-compatibility"
            "If the body contains a recognized modern JSON-RPC error, the server speaks a modern version of MCP — retry using the advertised `supported` versions or correct the request, rather than falling back."
            "400 with code -32022: the server no longer speaks a version that has sessions. A new `initialize` would fail the same way."
            (Client(_), Initialize | Post | Get | Delete | OtherMethod, Attached, ModernOnly, _) => PassThrough;
        }

        NotTermination {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "Any other status: not the one that says the session is terminated."
            (
                Client(_), Initialize, Attached,
                BadRequest | MethodNotAllowed | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), Post | Get, Attached,
                Success | BadRequest | MethodNotAllowed | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), Delete, Attached,
                BadRequest | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), OtherMethod, Attached,
                Success | BadRequest | NotFound | CanonicalNotFound | MethodNotAllowed | Misreported(_)
                    | OtherStatus,
                _,
            ) => PassThrough;
        }

        // ---- Server: U1

        ModernAnswer {
            "2026-07-28" "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#earlier-streamable-http-revisions"
            "An `Mcp-Session-Id` header on a request: ignore it, and do not mint or echo session IDs."
            "The answer to a modern request: no session was the matter."
            (Server, Modern, _, _, _) => PassThrough;
        }

        // ---- Server: U2, U3

        CanonicalNotFound {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "The handler answered the 404 of a terminated session as it should be."
            (Server, Initialize | Post | Get | Delete, Attached, CanonicalNotFound, Absent) => PassThrough;
        }

        UncanonicalNotFound {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "The handler answered 404 to a session ID, but in a form that leaves some clients hanging or blind."
            (Server, Initialize | Post | Get | Delete, Attached, NotFound, _) => NotFoundResponse;
            (Server, Initialize | Post | Get | Delete, Attached, CanonicalNotFound, WellFormed | IllFormed) => NotFoundResponse;
        }

        // ---- Server: U6 where nothing else applies; see also `Columns::session_header`

        SessionIdOnError {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "A server using the Streamable HTTP transport **MAY** assign a session ID at initialization time, by including it in an `MCP-Session-Id` header on the HTTP response containing the `InitializeResult`."
            "The answer is no success and yet bears a session ID, freshly minted or even live: the ID does not go out."
            (
                Server, Initialize | Post | Get | Delete, Attached,
                BadRequest | ModernOnly | Unauthorized | Forbidden | MethodNotAllowed | OtherStatus,
                WellFormed | IllFormed,
            ) => PassThrough;
            (
                Server, Initialize | Post | Get | Delete, NotAttached,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | OtherStatus,
                WellFormed | IllFormed,
            ) => PassThrough;
            (
                Server, OtherMethod, _,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | OtherStatus,
                WellFormed | IllFormed,
            ) => PassThrough;
        }

        // ---- Server: U5

        NothingToCorrect {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "No terminated session was reported."
            (Server, Initialize | Post | Get | Delete | OtherMethod, _, Success, _) => PassThrough;
            (
                Server, Initialize | Post | Get | Delete, Attached,
                BadRequest | ModernOnly | Unauthorized | Forbidden | MethodNotAllowed | OtherStatus,
                Absent,
            ) => PassThrough;
            (
                Server, Initialize | Post | Get | Delete, NotAttached,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | OtherStatus,
                Absent,
            ) => PassThrough;
            (
                Server, OtherMethod, _,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | OtherStatus,
                Absent,
            ) => PassThrough;
        }
    }

    // ---- Client: the quirks. Server: U4. The texts stand in `misreports.rs`.

    misreports as misreport {
        "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
        "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
        MisreportOfCaller { "A terminated session, misreported in words that the caller knows." }

        (Client(_), Initialize | Post | Get, Attached, Misreported(misreport), _) => ClearAndReinit;
        (Client(_), Delete, Attached, Misreported(misreport), _) => Clear;
        (Server, Initialize | Post | Get | Delete, Attached, Misreported(misreport), _) => NotFoundResponse;
    }

    // (what was sent, whether an ID was attached, what the table of sessions says) => action
    admissions {
        // ---- A1

        ModernRequest {
            "2026-07-28" "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#earlier-streamable-http-revisions"
            "An `Mcp-Session-Id` header on a request: ignore it, and do not mint or echo session IDs."
            "A modern request. An attached ID is neither looked up nor forwarded, so that a forged version smuggles none past the table."
            (Modern, _, _) => PassThrough;
        }

        // ---- A2

        InitializeAdmitted {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached."
            "`initialize` starts a new session. An ID attached to it is not forwarded, so that a client that never clears its ID gets a new session, not a wall."
            (Initialize, _, _) => PassThrough;
        }

        // ---- A3

        SessionIdMissing {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "Servers that require a session ID **SHOULD** respond to requests without an `MCP-Session-Id` header (other than initialization) with HTTP 400 Bad Request."
            "No session ID is attached where one is required."
            (Post | Get | Delete, NotAttached, _) => BadRequestResponse;
        }

        // ---- A4

        SessionKnown {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "If an `MCP-Session-Id` is returned by the server during initialization, clients using the Streamable HTTP transport **MUST** include it in the `MCP-Session-Id` header on all of their subsequent HTTP requests."
            "The session is known."
            (Post | Get | Delete, Attached, Known) => PassThrough;
        }

        // ---- A5

        SessionUnknown {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "The session is terminated, or was never known."
            (Post | Get | Delete, Attached, Unknown) => NotFoundResponse;
        }

        // ---- A6

        SessionTableUnavailable {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "When a client receives HTTP 404 in response to a request containing an `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID attached."
            "Nobody could be asked whether the session is known. Never 404: the client would throw a live session away."
            (Post | Get | Delete, Attached, Unavailable) => UnavailableResponse;
        }

        // ---- A7

        OtherMethod {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http"
            "The server **MUST** provide a single HTTP endpoint path (hereafter referred to as the **MCP endpoint**) that supports both POST and GET methods."
            "An HTTP method that MCP does not use, a preflight for one: not a matter of sessions."
            (OtherMethod, _, _) => PassThrough;
        }
    }
} }

impl Columns {
    /// U6: whether a server lets the session header of the response out, whatever the request
    /// says of itself.
    ///
    /// > A server using the Streamable HTTP transport **MAY** assign a session ID at
    /// > initialization time, by including it in an `MCP-Session-Id` header on the HTTP
    /// > response containing the `InitializeResult`.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>
    ///
    /// So none belongs on anything but a success. Python's servers mint one on a 400;
    /// Swift's puts the live one on its 404.
    pub(super) fn session_header(&self) -> SessionHeader {
        match (self.side, self.response_kind, self.response_session_id) {
            (Client(_), _, _) | (Server, Success, _) | (Server, _, Absent) => {
                SessionHeader::Forward
            }
            (Server, _, WellFormed | IllFormed) => SessionHeader::Withhold(Rule::SessionIdOnError),
        }
    }
}

impl Admission {
    /// A1 and A2: whether a server lets the session header of the request in.
    pub(super) fn session_header(&self) -> SessionHeader {
        match self.request_kind {
            Modern => SessionHeader::Withhold(Rule::ModernRequest),
            Initialize => SessionHeader::Withhold(Rule::InitializeAdmitted),
            Post | Get | Delete | OtherMethod => SessionHeader::Forward,
        }
    }
}
