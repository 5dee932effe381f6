//! Reads single exchanges of a recording, and their order in time.

use alloc::string::String;
use alloc::vec::Vec;

use http::StatusCode;

use super::{Claim, Recorded};
use crate::exchange::{Method, Quirks, Response, SessionId, Side, is_outage};
use crate::jsonrpc::{Kind, RequestId, peek};
use crate::table::{Columns, RequestKind, Rule, classify, error_code};

/// A client as this project's are: it acts on misreports too.
pub(super) const CLIENT: Side = Side::Client(Quirks::Recognize);

/// Longer refusals are pages, not sentences about a session.
const REFUSAL_LIMIT: usize = 4096;

/// One half of an exchange.
///
/// Clocks tick too slowly to tell which of two halves came first. Of those at one time, a
/// request goes before the answers, so that nobody is said to have sent it in their knowledge;
/// but an `initialize` goes behind them, as the answer to one that ended its session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    time: u64,
    pub(super) part: Part,
    pub(super) exchange: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Sent,
    Answered,
    SentInitialize,
}

pub(super) fn moments(recorded: &[Recorded<'_>]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::with_capacity(recorded.len().saturating_mul(2));
    for (exchange, it) in recorded.iter().enumerate() {
        let (part, earliest) = match columns(it).request_kind {
            RequestKind::Initialize => (Part::SentInitialize, it.sent.saturating_add(1)),
            RequestKind::Modern
            | RequestKind::Post
            | RequestKind::Get
            | RequestKind::Delete
            | RequestKind::OtherMethod => (Part::Sent, it.sent),
        };
        moments.push(Moment { time: it.sent, part, exchange });
        let time = it.answered.max(earliest);
        moments.push(Moment { time, part: Part::Answered, exchange });
    }
    moments.sort_unstable();
    moments
}

/// A POST whose body was not recorded, and whose answer brings an ID, was an `initialize`:
/// an ID comes with no other.
pub(super) fn completed(mut it: Recorded<'_>) -> Recorded<'_> {
    it.endpoint = it.endpoint.trim_end_matches('/');
    let assigns = |response: &Response<'_>| {
        response.status.is_success() && response.session_id.and_then(SessionId::parse).is_some()
    };
    let is_unknown = it.request.method == Method::Post && it.request.message.is_none();
    if is_unknown
        && it.request.attached_id(CLIENT).is_none()
        && it.response.as_ref().is_some_and(assigns)
    {
        it.request.message = Some(peek(br#"{"id":0,"method":"initialize"}"#));
    }
    it
}

/// The ID that the answer to an `initialize` brings.
pub(super) fn assigned_id<'a>(it: &Recorded<'a>) -> Option<&'a [u8]> {
    let response = it.response?;
    let verdict = classify(CLIENT, &it.request, &response);
    verdict.session_id().and(response.session_id)
}

/// The columns of an exchange; of one without an answer, those of its request count alone.
pub(super) fn columns(it: &Recorded<'_>) -> Columns {
    let none = Response::new(StatusCode::OK);
    Columns::of(CLIENT, &it.request, it.response.as_ref().unwrap_or(&none))
}

/// What tells whether a request was sent before: its method and id.
pub(super) fn call<'a>(it: &Recorded<'a>) -> Option<(String, &'a str)> {
    let message = it.request.message.filter(|message| message.kind() == Kind::Request)?;
    Some((message.method()?.into_owned(), message.id().map(RequestId::as_str)?))
}

/// Whether a body is there that is not the one that every client understands. What the id of
/// the request was must be known, to be missed.
pub(super) fn is_uncanonical(it: &Recorded<'_>, response: &Response<'_>) -> bool {
    let is_known = it.request.method != Method::Post || it.request.message.is_some();
    let rule = classify(Side::Server, &it.request, response).rule();
    is_known && response.body.is_some() && rule == Rule::UncanonicalNotFound
}

/// Whether a server may correct what no client may act on.
pub(super) fn is_misreport_to_servers(it: &Recorded<'_>, response: &Response<'_>) -> bool {
    is_misreport(classify(Side::Server, &it.request, response).rule())
}

pub(super) fn is_misreport(rule: Rule) -> bool {
    rule.source().is_some()
}

/// A server that is shown an ID and says that there is none was not shown it.
pub(super) fn misreport(rule: Rule) -> Claim {
    if rule == Rule::MisreportSessionIdRequired {
        Claim::RequestHeaderDropped
    } else {
        Claim::Misreported
    }
}

/// Whether a gateway says that there is no server; one that says so by a JSON-RPC error is
/// the server itself.
pub(super) fn is_unreachable(response: &Response<'_>) -> bool {
    is_outage(response.status) && response.body.and_then(error_code).is_none()
}

/// Whether a POST or DELETE is refused in a sentence about a session.
///
/// A 401 with a challenge and a 403 are about who asks. A GET is answered 409 where its
/// session has a stream.
pub(super) fn is_unrecognized(it: &Recorded<'_>, response: &Response<'_>) -> bool {
    let is_about_requests = match it.request.method {
        Method::Post | Method::Delete => true,
        Method::Get | Method::Other => false,
    };
    let status = response.status.as_u16();
    let is_challenge = status == 401 && response.www_authenticate.is_some();
    let body = response.body.unwrap_or_default();
    is_about_requests
        && (400..600).contains(&status)
        && status != 403
        && !is_challenge
        && response.content_encoding.is_none()
        && body.len() <= REFUSAL_LIMIT
        && body.windows(7).any(|word| word.eq_ignore_ascii_case(b"session"))
}
