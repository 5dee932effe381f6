//! Reads what came back, as far as the rows distinguish it.

use http::StatusCode;

use crate::cell::Reply;
use crate::facts::{Method, Request, Response};
use crate::json::{self, Member};
use crate::message::{Kind, RequestId};
use crate::table::{Misreport, Quirks, Side};

/// A body longer than this is none of the short texts that the rows name.
const TEXT_LIMIT: usize = 4096;

pub(crate) const UNSUPPORTED_PROTOCOL_VERSION: &str = "-32022";
const SESSION_NOT_FOUND: &str = "-32001";

/// How rmcp begins each 500 about a session that it could not resume.
const RESUME_ERROR: &[u8] = b"Encounter an error when resume session: ";
const SESSION_NOT_FOUND_CAUSE: &[u8] = b"Session not found: ";
const SERVICE_TERMINATED_CAUSE: &[u8] = b"Session error: Session service terminated";

/// What came back, its body included if that is known.
#[inline]
pub(crate) fn read(side: Side, request: &Request<'_>, response: &Response<'_>) -> Reply {
    response
        .body
        .and_then(|body| in_body(side, request, response, body))
        .unwrap_or_else(|| by_status(response.status))
}

/// What the body says beyond the status. Never inlined: most responses are decided without it.
#[inline(never)]
fn in_body(
    side: Side,
    request: &Request<'_>,
    response: &Response<'_>,
    body: &[u8],
) -> Option<Reply> {
    let mut readings = readings(side, request, response).peekable();
    // Under most heads the status says it all, and the body is not read.
    readings.peek()?;
    let short = if body.len() <= TEXT_LIMIT { body.trim_ascii() } else { b"" };
    let error = JsonRpcError::read(body);
    readings.find(|reply| is_read(*reply, short, error, side, request))
}

/// Every reading, beyond that of the status, which some body would have under this head.
pub(crate) fn readings(
    side: Side,
    request: &Request<'_>,
    response: &Response<'_>,
) -> impl Iterator<Item = Reply> {
    let status = response.status.as_u16();
    let encoded = response.content_encoding.is_some();
    let challenged = response.www_authenticate.is_some();
    let json = is_json(response.content_type);

    let misreports: &[Misreport] = match (side, request.method) {
        _ if encoded => &[],
        (_, Method::Other) | (Side::Client(Quirks::Ignore), _) => &[],
        (
            Side::Client(Quirks::Recognize) | Side::Server,
            Method::Post | Method::Get | Method::Delete,
        ) => Misreport::ALL,
    };
    let misreports = misreports
        .iter()
        .filter(move |misreport| misreport.status() == status)
        .filter(move |misreport| !(misreport.status() == 401 && challenged))
        .map(|misreport| Reply::Misreported(*misreport));

    let others: &[Reply] = match (side, status) {
        _ if encoded => &[],
        (_, 400) => &[Reply::ModernOnly],
        (Side::Server, 404) if json => &[Reply::CanonicalNotFound],
        (Side::Server, 500) => &[Reply::ResumeSessionNotFound, Reply::ResumeServiceTerminated],
        _ => &[],
    };
    // A misreport goes first: its text says what is meant, whatever code stands beside it.
    misreports.chain(others.iter().copied())
}

/// The code of a JSON-RPC error, as it stands in the body.
pub(crate) fn error_code(body: &[u8]) -> Option<&str> {
    JsonRpcError::read(body)?.code
}

fn is_read(
    reply: Reply,
    short: &[u8],
    error: Option<JsonRpcError<'_>>,
    side: Side,
    request: &Request<'_>,
) -> bool {
    match reply {
        Reply::Misreported(misreport) => {
            let text = misreport.text();
            let is_message = |error: JsonRpcError<'_>| {
                error.message.is_some_and(|message| json::string_is(message, text))
            };
            short == text.as_bytes() || (!short.is_empty() && error.is_some_and(is_message))
        }
        Reply::ModernOnly => {
            !short.is_empty()
                && error.is_some_and(|error| error.code == Some(UNSUPPORTED_PROTOCOL_VERSION))
        }
        Reply::CanonicalNotFound => error.is_some_and(|error| error.is_canonical_for(request)),
        Reply::ResumeSessionNotFound => {
            let id = short
                .strip_prefix(RESUME_ERROR)
                .and_then(|cause| cause.strip_prefix(SESSION_NOT_FOUND_CAUSE));
            id.is_some() && id == request.attached_id(side)
        }
        Reply::ResumeServiceTerminated => {
            short.strip_prefix(RESUME_ERROR).is_some_and(|cause| cause == SERVICE_TERMINATED_CAUSE)
        }
        Reply::Success
        | Reply::BadRequest
        | Reply::Unauthorized
        | Reply::Forbidden
        | Reply::NotFound
        | Reply::MethodNotAllowed
        | Reply::OtherStatus => false,
    }
}

/// Whether some body that begins with `so_far` has this reading.
///
/// It may say so of a beginning that none has, as long as that is JSON.
pub(crate) fn may_be_read(reply: Reply, so_far: &[u8], side: Side, request: &Request<'_>) -> bool {
    let is_short = so_far.len() <= TEXT_LIMIT;
    let start = so_far.trim_ascii_start();
    let begins = |parts: [&[u8]; 3]| is_short && begins_text(start, parts);
    let may_be_error = || start.is_empty() || json::begins_object(start);
    match reply {
        Reply::Misreported(misreport) => {
            begins([misreport.text().as_bytes(), b"", b""]) || (is_short && may_be_error())
        }
        Reply::ModernOnly => is_short && may_be_error(),
        Reply::CanonicalNotFound => may_be_error(),
        Reply::ResumeSessionNotFound => request
            .attached_id(side)
            .is_some_and(|id| begins([RESUME_ERROR, SESSION_NOT_FOUND_CAUSE, id])),
        Reply::ResumeServiceTerminated => begins([RESUME_ERROR, SERVICE_TERMINATED_CAUSE, b""]),
        Reply::Success
        | Reply::BadRequest
        | Reply::Unauthorized
        | Reply::Forbidden
        | Reply::NotFound
        | Reply::MethodNotAllowed
        | Reply::OtherStatus => false,
    }
}

/// Whether `start` can go on to be the text that these parts make up, and white space.
fn begins_text(start: &[u8], parts: [&[u8]; 3]) -> bool {
    let mut rest = start;
    for part in parts {
        match rest.strip_prefix(part) {
            Some(behind) => rest = behind,
            None => return part.starts_with(rest),
        }
    }
    rest.trim_ascii().is_empty()
}

#[inline]
fn by_status(status: StatusCode) -> Reply {
    match status.as_u16() {
        200..=299 => Reply::Success,
        400 => Reply::BadRequest,
        401 => Reply::Unauthorized,
        403 => Reply::Forbidden,
        404 => Reply::NotFound,
        405 => Reply::MethodNotAllowed,
        _ => Reply::OtherStatus,
    }
}

/// Whether a media type is `application/json`, parameters aside.
fn is_json(content_type: Option<&[u8]>) -> bool {
    content_type
        .and_then(|value| value.split(|byte| *byte == b';').next())
        .is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// The members of a JSON-RPC error response, each as it stands in the body.
///
/// A member that is repeated counts as missing: two readers would not agree on it.
#[derive(Clone, Copy)]
struct JsonRpcError<'a> {
    version: Option<&'a str>,
    id: Member<'a>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    has_other_kind: bool,
}

impl<'a> JsonRpcError<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let names = ["jsonrpc", "id", "error", "method", "result"];
        let [version, id, error, method, result] = json::members(json::text(body)?, names)?;
        let [code, message] = json::members(error.once()?, ["code", "message"])?;
        Some(Self {
            version: version.once(),
            id,
            code: code.once(),
            message: message.once(),
            has_other_kind: (method, result) != (Member::Absent, Member::Absent),
        })
    }

    /// Whether this is what a server should say of a terminated session: any client can
    /// read it, and it ends the call that it answers.
    fn is_canonical_for(&self, request: &Request<'_>) -> bool {
        self.version == Some("\"2.0\"")
            && self.code == Some(SESSION_NOT_FOUND)
            && self.message.is_some_and(|message| message.starts_with('"'))
            && !self.has_other_kind
            && self.id_is_right_for(request)
    }

    fn id_is_right_for(&self, request: &Request<'_>) -> bool {
        let id = match self.id {
            Member::Absent => return true,
            Member::Repeated(_) => return false,
            Member::Once(value) => RequestId::from_json(value),
        };
        match (request.method, request.message) {
            (Method::Post, None) => id.is_some(),
            (Method::Post, Some(message)) => match message.kind() {
                Kind::Request => message
                    .id()
                    .is_some_and(|requested| id.is_some_and(|id| id.is_same_value(requested))),
                Kind::Notification | Kind::Response | Kind::Batch | Kind::Malformed => false,
            },
            (Method::Get | Method::Delete | Method::Other, _) => false,
        }
    }
}
