//! The decision tables.
//!
//! Rule 1: everything that decides what an exchange means for a session stands in this
//! file, once. Python, the command line and the adapters ask it.
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

use crate::answer::Answer;
use crate::cell::{Admission, Attachment, Cell, Lookup, Reply, ResponseId, Sent};
use crate::facts::{Request, Response};
use crate::message::Message;
use crate::reply;
use crate::session_id::SessionId;

/// Whose eyes an exchange is looked at with.
///
/// Exhaustive on purpose: there is no third side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A client, looking at what came back.
    Client(Quirks),
    /// A server or proxy, looking at what its handler or upstream answered. It recognizes
    /// misreports always, because it corrects them.
    Server,
}

/// Whether a client acts on terminated sessions that are reported in other words than the
/// specification's.
///
/// Exhaustive on purpose: a further choice would be a further question to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quirks {
    /// Only on what the specification says.
    Ignore,
    /// Also on the misreports that have a row here.
    Recognize,
}

/// What to do. An imperative to whoever looks.
///
/// Exhaustive on purpose: whoever acts has to act on a further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hand the response on as it is.
    PassThrough,
    /// Attach [`Verdict::session_id`] to every request from now on.
    AdoptSession,
    /// Forget the ID that was attached and `initialize` anew, without an ID.
    ClearAndReinit,
    /// Forget the ID that was attached.
    Clear,
    /// Answer 404, with [`Verdict::answer`].
    NotFoundResponse,
    /// Answer 400, with [`Verdict::answer`].
    BadRequestResponse,
    /// Answer 503, with [`Verdict::answer`].
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
}

/// What to do, and the row that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict is to be acted upon"]
pub struct Verdict<'a> {
    action: Action,
    rule: Rule,
    forwards_session_id: bool,
    session_id: Option<SessionId<'a>>,
    answer: Option<Answer<'a>>,
}

impl<'a> Verdict<'a> {
    /// What to do.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The row that says so.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The ID to adopt; with [`Action::AdoptSession`] only.
    pub fn session_id(&self) -> Option<SessionId<'a>> {
        self.session_id
    }

    /// Whether a server or proxy passes the session header on: from [`admit`] the
    /// request's, from [`classify`] the response's.
    pub fn forwards_session_id(&self) -> bool {
        self.forwards_session_id
    }

    /// The answer to give; with the three `*Response` actions only.
    pub fn answer(&self) -> Option<Answer<'a>> {
        self.answer
    }

    #[inline]
    fn new((rule, action): (Rule, Action), request: &Request<'a>) -> Self {
        let id = || request.posted().and_then(Message::echoed_id);
        let answer = match action {
            Action::NotFoundResponse => Some(Answer::not_found(id())),
            Action::BadRequestResponse => Some(Answer::bad_request(id())),
            Action::UnavailableResponse => Some(Answer::unavailable(id())),
            Action::PassThrough | Action::AdoptSession | Action::ClearAndReinit | Action::Clear => {
                None
            }
        };
        Self { action, rule, forwards_session_id: true, session_id: None, answer }
    }
}

/// Decides what one exchange means for the session attached to its request.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::{Action, Method, Quirks, Request, Response, Rule, Side, classify};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let response = Response::new(StatusCode::NOT_FOUND);
///
/// let verdict = classify(Side::Client(Quirks::Ignore), &request, &response);
///
/// assert_eq!(verdict.action(), Action::ClearAndReinit);
/// assert_eq!(verdict.rule(), Rule::TerminatedPost);
/// ```
#[inline]
pub fn classify<'a>(side: Side, request: &Request<'a>, response: &Response<'a>) -> Verdict<'a> {
    let cell = Cell::of(side, request, response);
    let decided = decide(&cell);
    let mut verdict = Verdict::new(decided, request);
    verdict.forwards_session_id = cell.forwards_session_id();
    verdict.session_id = match decided.1 {
        Action::AdoptSession => response.session_id.and_then(SessionId::parse),
        Action::PassThrough
        | Action::ClearAndReinit
        | Action::Clear
        | Action::NotFoundResponse
        | Action::BadRequestResponse
        | Action::UnavailableResponse => None,
    };
    verdict
}

/// Decides what one exchange means, as the `http` crate has it. A body is `None` where it
/// is not known.
///
/// ```
/// use mcp_session_core::{Action, Side, classify_parts};
///
/// let (request, ()) = http::Request::post("/mcp")
///     .header("mcp-session-id", "1868a90c")
///     .body(())?
///     .into_parts();
/// let (response, ()) = http::Response::builder().status(404).body(())?.into_parts();
/// let request_body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
///
/// let verdict = classify_parts(Side::Server, &request, Some(request_body), &response, None);
///
/// assert_eq!(verdict.action(), Action::NotFoundResponse);
/// let answer = verdict.answer().map(|answer| answer.body());
/// assert!(answer.is_some_and(|body| body.ends_with(r#""id":7}"#)));
/// # Ok::<(), http::Error>(())
/// ```
pub fn classify_parts<'a>(
    side: Side,
    request: &'a http::request::Parts,
    request_body: Option<&'a [u8]>,
    response: &'a http::response::Parts,
    response_body: Option<&'a [u8]>,
) -> Verdict<'a> {
    let request = Request::from_parts(request, request_body);
    classify(side, &request, &Response::from_parts(response, response_body))
}

/// Whether the body of the response can change what has to be done.
///
/// Call it with the head; where it says no, the body need not be read, and `response.body`
/// is not looked at. True exactly where two bodies lead to different actions. (Where a
/// body is known all the same, it may lead to a more telling row for the same action:
/// [`Rule::ModernOnlyServer`].)
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::{Method, Quirks, Request, Response, Side, needs_body};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let bad_request = Response::new(StatusCode::BAD_REQUEST);
///
/// assert!(!needs_body(Side::Client(Quirks::Ignore), &request, &bad_request));
/// assert!(needs_body(Side::Client(Quirks::Recognize), &request, &bad_request));
/// ```
pub fn needs_body(side: Side, request: &Request<'_>, response: &Response<'_>) -> bool {
    needs_more_body(side, request, &Response { body: None, ..*response })
}

/// Whether the rest of a body can still change what has to be done, after what has come in
/// of it so far: `response.body`.
///
/// For whoever has to hold a response back until it is decided. No body that matters is
/// missed; one may be waited for that in the end does not, as long as it is JSON so far.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::{Method, Request, Response, Side, needs_more_body};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let head = Response::new(StatusCode::BAD_REQUEST);
/// let so_far = |body| Response { body: Some(body), ..head };
///
/// assert!(needs_more_body(Side::Server, &request, &so_far(b"unkno")));
/// assert!(!needs_more_body(Side::Server, &request, &so_far(b"unknown tool")));
/// ```
pub fn needs_more_body(side: Side, request: &Request<'_>, response: &Response<'_>) -> bool {
    let unread = Cell::of(side, request, &Response { body: None, ..*response });
    let (_, action) = decide(&unread);
    let so_far = response.body.unwrap_or_default();
    reply::readings(side, request, response)
        .filter(|reply| reply::may_be_read(*reply, so_far, side, request))
        .any(|reply| decide(&Cell { reply, ..unread }).1 != action)
}

/// Whether the body of the request can change what has to be done, its id in an answer
/// included.
///
/// Call it with the head of the response, where reading the request costs something:
/// where it says no, `request.message` may be left out, and is not looked at.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::{Method, Request, Response, Side, needs_request_body};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let needed = |status| needs_request_body(Side::Server, &request, &Response::new(status));
///
/// assert!(!needed(StatusCode::OK));
/// assert!(needed(StatusCode::NOT_FOUND));
/// ```
pub fn needs_request_body(side: Side, request: &Request<'_>, response: &Response<'_>) -> bool {
    let request = Request { message: None, ..*request };
    let unread = Cell::of(side, &request, &Response { body: None, ..*response });
    let says = |cell: &Cell| (decide(cell).1, cell.forwards_session_id());
    let replies = || reply::readings(side, &request, response).chain([unread.reply]);
    Sent::possible(&request).iter().any(|sent| {
        replies().any(|reply| {
            let cell = Cell { sent: *sent, reply, ..unread };
            says(&cell) != says(&Cell { sent: unread.sent, ..cell })
                || matches!(says(&cell).0, Action::NotFoundResponse)
        })
    })
}

/// Decides what to do with a request before anything runs, by whoever owns the table of
/// sessions.
///
/// For servers that require a session: a stateless one has nothing to admit. It is no
/// access control: an ID is no proof of who asks.
///
/// ```
/// use mcp_session_core::{Action, Lookup, Method, Request, admit};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
///
/// assert_eq!(admit(&request, Lookup::Known).action(), Action::PassThrough);
/// assert_eq!(admit(&request, Lookup::Unknown).action(), Action::NotFoundResponse);
/// assert_eq!(admit(&request, Lookup::Unavailable).action(), Action::UnavailableResponse);
/// ```
pub fn admit<'a>(request: &Request<'a>, lookup: Lookup) -> Verdict<'a> {
    let admission = Admission::of(request, lookup);
    Verdict {
        forwards_session_id: admission.forwards_session_id(),
        ..Verdict::new(decide_admission(&admission), request)
    }
}

use Attachment::{Attached, NotAttached};
use Lookup::{Known, Unavailable, Unknown};
use Reply::{
    BadRequest, CanonicalNotFound, Forbidden, MethodNotAllowed, Misreported, ModernOnly, NotFound,
    OtherStatus, ResumeServiceTerminated, ResumeSessionNotFound, Success, Unauthorized,
};
use ResponseId::{Absent, IllFormed, WellFormed};
use Sent::{Delete, Get, Initialize, Modern, OtherMethod, Post};
use Side::{Client, Server};

// A row: the revision and the URL of a sentence, the sentence, what the row makes of it,
// and the exchanges it covers: (side, what was sent, whether an ID was attached, what came
// back, the session header of the response) => action.
//
// `Post`, `Get`, `Delete` and `OtherMethod` are legacy requests other than `initialize`.
rows! {
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
                    | ResumeSessionNotFound | ResumeServiceTerminated | OtherStatus,
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
                BadRequest | MethodNotAllowed | ResumeSessionNotFound | ResumeServiceTerminated | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), Post | Get, Attached,
                Success | BadRequest | MethodNotAllowed | ResumeSessionNotFound
                    | ResumeServiceTerminated | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), Delete, Attached,
                BadRequest | ResumeSessionNotFound | ResumeServiceTerminated | OtherStatus,
                _,
            ) => PassThrough;
            (
                Client(_), OtherMethod, Attached,
                Success | BadRequest | NotFound | CanonicalNotFound | MethodNotAllowed | Misreported(_)
                    | ResumeSessionNotFound | ResumeServiceTerminated | OtherStatus,
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

        // ---- Server: U4, beyond the misreports below. Its check and restore errors are
        // failures of a store, not terminated sessions.

        MisreportResumeSessionNotFound {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "A terminated session, misreported by rmcp as 500 \"Encounter an error when resume session: Session not found: \" and its ID."
            (Server, Initialize | Post | Get | Delete, Attached, ResumeSessionNotFound, _) => NotFoundResponse;
        }

        MisreportResumeServiceTerminated {
            "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
            "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."
            "A terminated session, misreported by rmcp as 500 \"Encounter an error when resume session: Session error: Session service terminated\"."
            (Server, Initialize | Post | Get | Delete, Attached, ResumeServiceTerminated, _) => NotFoundResponse;
        }

        // ---- Server: U6 where nothing else applies; see also `Cell::forwards_session_id`

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
                    | MethodNotAllowed | Misreported(_) | ResumeSessionNotFound
                    | ResumeServiceTerminated | OtherStatus,
                WellFormed | IllFormed,
            ) => PassThrough;
            (
                Server, OtherMethod, _,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | ResumeSessionNotFound
                    | ResumeServiceTerminated | OtherStatus,
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
                    | MethodNotAllowed | Misreported(_) | ResumeSessionNotFound
                    | ResumeServiceTerminated | OtherStatus,
                Absent,
            ) => PassThrough;
            (
                Server, OtherMethod, _,
                BadRequest | ModernOnly | Unauthorized | Forbidden | NotFound | CanonicalNotFound
                    | MethodNotAllowed | Misreported(_) | ResumeSessionNotFound
                    | ResumeServiceTerminated | OtherStatus,
                Absent,
            ) => PassThrough;
        }
    }

    // ---- Client: the quirks. Server: U4.
    //
    // The text is the whole trimmed body or the whole `error.message`: never a substring,
    // which a tool's argument may contain, and never "any 400".

    misreports as misreport {
        "2025-11-25" "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
        "The server **MAY** terminate the session at any time, after which it **MUST** respond to requests containing that session ID with HTTP 404 Not Found."

        {
            MisreportNoValidSessionId {
                400 "Bad Request: No valid session ID provided"
                "@modelcontextprotocol/server-everything 2026.8.31; servers made from the TypeScript SDK's examples, <https://github.com/cursor/cursor/issues/3640>"
            }
            MisreportNoValidSessionIdForNonInitialize {
                400 "Bad Request: No valid session ID provided for non-initialize request"
                "@mastra/mcp 0.14.5"
            }
            MisreportGetRequiresSessionId {
                400 "Bad Request: GET request requires a valid session ID"
                "@mastra/mcp 0.14.5"
            }
            MisreportDeleteRequiresSessionId {
                400 "Bad Request: DELETE request requires a valid session ID"
                "@mastra/mcp 0.14.5"
            }
            MisreportServerNotInitialized {
                400 "Bad Request: Server not initialized"
                "@modelcontextprotocol/sdk 1.32.2 with a single transport, after a restart"
            }
            MisreportSessionIdRequired {
                400 "Bad Request: Mcp-Session-Id header is required"
                "@modelcontextprotocol/sdk 1.32.2 and @hono/mcp 0.3.2, behind a proxy that drops the header"
            }
            MisreportUnknownSession {
                400 "unknown session"
                "ToolHive's transparent proxy before <https://github.com/stacklok/toolhive/issues/4425>"
            }
            MisreportUnauthorizedSessionNotFound {
                401 "Unauthorized: Session not found"
                "rmcp up to 0.16, <https://github.com/modelcontextprotocol/rust-sdk/issues/689>"
            }
        }
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
}

impl Cell {
    /// U6: whether a server lets the session header of the response out.
    ///
    /// > A server using the Streamable HTTP transport **MAY** assign a session ID at
    /// > initialization time, by including it in an `MCP-Session-Id` header on the HTTP
    /// > response containing the `InitializeResult`.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>
    ///
    /// So none belongs on anything but a success. Python's servers mint one on a 400;
    /// Swift's puts the live one on its 404.
    fn forwards_session_id(&self) -> bool {
        match (self.side, self.sent, self.reply, self.response_id) {
            (Client(_), _, _, _) => true,
            (Server, Modern, _, _) => true,
            (Server, Initialize | Post | Get | Delete | OtherMethod, Success, _) => true,
            (Server, Initialize | Post | Get | Delete | OtherMethod, _, Absent) => true,
            (Server, Initialize | Post | Get | Delete | OtherMethod, _, WellFormed | IllFormed) => {
                false
            }
        }
    }
}

impl Admission {
    /// A1 and A2: whether a server lets the session header of the request in.
    fn forwards_session_id(&self) -> bool {
        match self.sent {
            Modern | Initialize => false,
            Post | Get | Delete | OtherMethod => true,
        }
    }
}
