//! Reads what came back, as far as the rows distinguish it.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use http::StatusCode;

use super::misreports::{Matcher, Misreport, Readers, Wording};
use crate::exchange::{
    Method, Misreports, Quirks, Request, Response, Side, may_become, normal_form,
};
use crate::jsonrpc::json::{self, Member};
use crate::jsonrpc::{Kind, RequestId};

/// What came back: the status, and the body where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseKind {
    /// 200 to 299.
    Success,
    /// 400, other than those below.
    BadRequest,
    /// 400 with the JSON-RPC code -32022, `UnsupportedProtocolVersion`.
    ModernOnly,
    /// 401, other than those below.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404, other than the next.
    NotFound,
    /// 404 with the body that a server should send; read on the server side only.
    CanonicalNotFound,
    /// 405.
    MethodNotAllowed,
    /// A known misreport; read on the server side, and on the client side with quirks.
    Misreported(Misreport),
    /// Any other status.
    OtherStatus,
}

/// A body longer than this is none of the short texts that the rows name.
const TEXT_LIMIT: usize = 4096;

/// So much of a normal form is kept: a byte more than any has that it is compared with.
const FORM_LIMIT: usize = Misreports::TEXT_LIMIT + 1;

pub(crate) const UNSUPPORTED_PROTOCOL_VERSION: &str = "-32022";
const SESSION_NOT_FOUND: &str = "-32001";

/// What came back, its body included if that is known.
#[inline]
pub(crate) fn read(side: Side, request: &Request<'_>, response: &Response<'_>) -> ResponseKind {
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
) -> Option<ResponseKind> {
    let mut readings = readings(side, request, response).peekable();
    // Under most heads the status says it all, and the body is not read.
    readings.peek()?;
    let body = ReadBody::of(body);
    readings.find(|reply| body.is(*reply, side, request, response))
}

/// Every reading, beyond that of the status, which some body would have under this head.
pub(crate) fn readings(
    side: Side,
    request: &Request<'_>,
    response: &Response<'_>,
) -> impl Iterator<Item = ResponseKind> {
    let status = response.status.as_u16();
    let encoded = response.content_encoding.is_some();
    let challenged = response.www_authenticate.is_some();
    let json = is_json(response.content_type);

    let can_be_misreport = !encoded
        && status >= 400
        && !(matches!(status, 401 | 403) && challenged)
        && request.method != Method::Other;
    let listed = Misreport::LISTED
        .iter()
        .filter(move |_| can_be_misreport)
        .filter(move |misreport| {
            let of_status = misreport.wording().filter(|wording| wording.status == status);
            of_status.is_some_and(|wording| is_read_by(side, wording.readers))
        })
        .copied();
    let has_own = can_be_misreport && response.misreports.texts(response.status).next().is_some();
    let misreports = listed
        .chain(has_own.then_some(Misreport::MisreportOfCaller))
        .map(ResponseKind::Misreported);

    let others: &[ResponseKind] = match (side, status) {
        _ if encoded => &[],
        (_, 400) => &[ResponseKind::ModernOnly],
        (Side::Server, 404) if json => &[ResponseKind::CanonicalNotFound],
        _ => &[],
    };
    // A misreport goes first: its text says what is meant, whatever code stands beside it.
    misreports.chain(others.iter().copied())
}

/// Whether some body that begins with `so_far` has this reading.
///
/// It may say so of a beginning that none has, as long as that is JSON.
pub(crate) fn may_be_read(
    reply: ResponseKind,
    so_far: &[u8],
    side: Side,
    request: &Request<'_>,
    response: &Response<'_>,
) -> bool {
    let is_short = so_far.len() <= TEXT_LIMIT;
    let start = so_far.trim_ascii_start();
    let may_be_object = || start.is_empty() || json::begins_object(start);
    match reply {
        ResponseKind::Misreported(misreport) => {
            let becomes = |normal: &str| may_become(start, normal.as_bytes());
            is_short
                && match misreport.wording() {
                    None => {
                        response.misreports.texts(response.status).any(becomes) || may_be_object()
                    }
                    Some(Wording { matcher, text, .. }) => match matcher {
                        Matcher::Text => becomes(text) || may_be_object(),
                        Matcher::Body => begins_text(start, [text.as_bytes(), b""]),
                        Matcher::BodyAndSessionId => request
                            .attached_id(side)
                            .is_some_and(|id| begins_text(start, [text.as_bytes(), id])),
                    },
                }
        }
        ResponseKind::ModernOnly => is_short && may_be_object(),
        ResponseKind::CanonicalNotFound => may_be_object(),
        ResponseKind::Success
        | ResponseKind::BadRequest
        | ResponseKind::Unauthorized
        | ResponseKind::Forbidden
        | ResponseKind::NotFound
        | ResponseKind::MethodNotAllowed
        | ResponseKind::OtherStatus => false,
    }
}

/// The code of a JSON-RPC error, as it stands in the body.
pub(crate) fn error_code(body: &[u8]) -> Option<&str> {
    Refusal::read(body)?.code
}

/// Whether `start` can go on to be the text that these parts make up, and white space.
fn begins_text(start: &[u8], parts: [&[u8]; 2]) -> bool {
    let mut rest = start;
    for part in parts {
        match rest.strip_prefix(part) {
            Some(behind) => rest = behind,
            None => return part.starts_with(rest),
        }
    }
    rest.trim_ascii().is_empty()
}

fn is_read_by(side: Side, readers: Readers) -> bool {
    match (side, readers) {
        (Side::Server, Readers::EverySide | Readers::ServerOnly)
        | (Side::Client(Quirks::Recognize), Readers::EverySide) => true,
        (Side::Client(Quirks::Recognize), Readers::ServerOnly)
        | (Side::Client(Quirks::Ignore), Readers::EverySide | Readers::ServerOnly) => false,
    }
}

#[inline]
fn by_status(status: StatusCode) -> ResponseKind {
    match status.as_u16() {
        200..=299 => ResponseKind::Success,
        400 => ResponseKind::BadRequest,
        401 => ResponseKind::Unauthorized,
        403 => ResponseKind::Forbidden,
        404 => ResponseKind::NotFound,
        405 => ResponseKind::MethodNotAllowed,
        _ => ResponseKind::OtherStatus,
    }
}

/// Whether a media type is `application/json`, parameters aside.
pub(crate) fn is_json(content_type: Option<&[u8]>) -> bool {
    content_type
        .and_then(|value| value.split(|byte| *byte == b';').next())
        .is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// A body, read as far as some row asks.
struct ReadBody<'a> {
    /// The whole, trimmed, if it is short enough for the texts that the rows name.
    short: Option<&'a [u8]>,
    /// The normal forms of what may be one of those texts: the body itself, or a string in it.
    forms: [Option<Vec<u8>>; 4],
    refusal: Option<Refusal<'a>>,
}

impl<'a> ReadBody<'a> {
    fn of(body: &'a [u8]) -> Self {
        let short = (body.len() <= TEXT_LIMIT).then(|| body.trim_ascii());
        let refusal = Refusal::read(body);
        let strings = refusal
            .filter(|_| short.is_some())
            .map_or([None; 3], |refusal| [refusal.error_message, refusal.error, refusal.message]);
        let [error_message, error, message] = strings.map(|string| string.and_then(decoded));
        let texts = [short.map(Cow::Borrowed), error_message, error, message];
        let forms =
            texts.map(|text| text.map(|text| normal_form(&text).take(FORM_LIMIT).collect()));
        Self { short, forms, refusal }
    }

    fn is(
        &self,
        reply: ResponseKind,
        side: Side,
        request: &Request<'_>,
        response: &Response<'_>,
    ) -> bool {
        match reply {
            ResponseKind::Misreported(misreport) => match misreport.wording() {
                None => response.misreports.texts(response.status).any(|own| self.says(own)),
                Some(Wording { matcher, text, .. }) => match matcher {
                    Matcher::Text => self.says(text),
                    Matcher::Body => self.short == Some(text.as_bytes()),
                    Matcher::BodyAndSessionId => {
                        let id = self.short.and_then(|it| it.strip_prefix(text.as_bytes()));
                        id.is_some() && id == request.attached_id(side)
                    }
                },
            },
            ResponseKind::ModernOnly => {
                self.short.is_some()
                    && self.refusal.is_some_and(|it| it.code == Some(UNSUPPORTED_PROTOCOL_VERSION))
            }
            ResponseKind::CanonicalNotFound => {
                self.refusal.is_some_and(|it| it.is_canonical_for(request))
            }
            ResponseKind::Success
            | ResponseKind::BadRequest
            | ResponseKind::Unauthorized
            | ResponseKind::Forbidden
            | ResponseKind::NotFound
            | ResponseKind::MethodNotAllowed
            | ResponseKind::OtherStatus => false,
        }
    }

    /// Whether one of the texts of the body has this normal form.
    fn says(&self, normal: &str) -> bool {
        self.forms.iter().flatten().any(|form| form == normal.as_bytes())
    }
}

/// The bytes that a JSON string stands for; `None` if `value` is no string.
fn decoded(value: &str) -> Option<Cow<'_, [u8]>> {
    if value.contains('\\') {
        return json::string_bytes(value).map(Cow::Owned);
    }
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(Cow::Borrowed(inner.as_bytes()))
}

/// The members of a JSON object that says why a request was refused, each as it stands in the
/// body.
///
/// A member that is repeated counts as missing: two readers would not agree on it.
#[derive(Clone, Copy)]
struct Refusal<'a> {
    version: Option<&'a str>,
    id: Member<'a>,
    error: Option<&'a str>,
    code: Option<&'a str>,
    error_message: Option<&'a str>,
    message: Option<&'a str>,
    has_other_kind: bool,
}

impl<'a> Refusal<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let names = ["jsonrpc", "id", "error", "method", "result", "message"];
        let [version, id, error, method, result, message] =
            json::members(json::text(body)?, names)?;
        let error = error.once();
        let inner = error.and_then(|error| json::members(error, ["code", "message"]));
        let [code, error_message] = inner.map_or([None; 2], |inner| inner.map(Member::once));
        Some(Self {
            version: version.once(),
            id,
            error,
            code,
            error_message,
            message: message.once(),
            has_other_kind: (method, result) != (Member::Absent, Member::Absent),
        })
    }

    /// Whether this is what a server should say of a terminated session: any client can
    /// read it, and it ends the call that it answers.
    fn is_canonical_for(&self, request: &Request<'_>) -> bool {
        self.version == Some("\"2.0\"")
            && self.code == Some(SESSION_NOT_FOUND)
            && self.error_message.is_some_and(|message| message.starts_with('"'))
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
