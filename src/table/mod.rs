//! The decision tables: the rows, the columns they are written over, and what is asked of them.
//!
//! Each file knows only those before it:
//!
//! ```text
//! misreports      the wordings, as data
//! response_body   what came back, read as far as the rows distinguish it
//! columns         the facts of an exchange, as the rows see them
//! rows            THE rows, each beside the sentence it implements
//! verdict         what comes of them
//! ```

#[macro_use]
mod misreports;
#[macro_use]
mod row_macro;

mod columns;
mod response_body;
mod rows;
mod verdict;

pub(crate) use response_body::{UNSUPPORTED_PROTOCOL_VERSION, error_code, is_json};

use crate::exchange::{Request, Response, Side};
pub use columns::{Admission, Attachment, Columns, Lookup, RequestKind, ResponseSessionId};
pub use misreports::{Matcher, Misreport, Readers, Wording};
pub use response_body::ResponseKind;
pub use rows::{Action, Rule, SessionHeader};
use rows::{decide, decide_admission};
pub use verdict::Verdict;

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
    let columns = Columns::of(side, request, response);
    Verdict::new(decide(&columns), columns.session_header(), request, response.session_id)
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
/// let answer = verdict.response().map(|answer| answer.body());
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
    of_head(side, request, response, |_, _| ()).is_none()
}

/// The verdict by the head alone, where [`needs_more_body`] says no: the facts are read once for
/// both.
pub(crate) fn classify_head<'a>(
    side: Side,
    request: &Request<'a>,
    response: &Response<'a>,
) -> Option<Verdict<'a>> {
    of_head(side, request, response, |columns, decided| {
        Verdict::new(decided, columns.session_header(), request, response.session_id)
    })
}

/// What is made of what the head alone decides, if the body cannot change that.
#[inline]
fn of_head<T>(
    side: Side,
    request: &Request<'_>,
    response: &Response<'_>,
    make: impl FnOnce(&Columns, (Rule, Action)) -> T,
) -> Option<T> {
    let unread = Columns::of(side, request, &Response { body: None, ..*response });
    let decided = decide(&unread);
    let so_far = response.body.unwrap_or_default();
    let needs_more = response_body::readings(side, request, response)
        .filter(|response_kind| {
            response_body::may_be_read(*response_kind, so_far, side, request, response)
        })
        .any(|response_kind| decide(&Columns { response_kind, ..unread }).1 != decided.1);
    (!needs_more).then(|| make(&unread, decided))
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
    let unread = Columns::of(side, &request, &Response { body: None, ..*response });
    let action = |columns: &Columns| decide(columns).1;
    let response_kinds =
        || response_body::readings(side, &request, response).chain([unread.response_kind]);
    RequestKind::possible(&request).iter().any(|request_kind| {
        response_kinds().any(|response_kind| {
            let unsent = Columns { response_kind, ..unread };
            let sent = Columns { request_kind: *request_kind, ..unsent };
            action(&sent) != action(&unsent) || matches!(action(&sent), Action::NotFoundResponse)
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
    Verdict::new(decide_admission(&admission), admission.session_header(), request, None)
}

impl Columns {
    /// The one row that matches.
    pub(crate) fn decide(&self) -> (Rule, Action) {
        decide(self)
    }
}
