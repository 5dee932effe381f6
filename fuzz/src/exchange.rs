//! `wire`, `classify`, `needs_body` and `admit`, held against laws that no row may break.

use mcp_session_core::http::{self, StatusCode};
use mcp_session_core::internals::{Admission, Columns};
use mcp_session_core::wire::{
    HEAD_LIMIT, HEADER_LIMIT, HeadError, RawRequest, RawResponse, Remark,
};
use mcp_session_core::{
    Action, Era, LEGACY_VERSIONS, Lookup, Message, Method, Quirks, Request, RequestId, Response,
    Rule, Side, Verdict, admit, classify, classify_parts, needs_body, peek,
};

/// What stands between the request and the response in an input.
///
/// Without it, all of the input is the request, and the response is empty.
pub const SEPARATOR: &[u8] = b"\n=====\n";

/// Asserts the invariant of the target `exchange` for one input.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(input: &[u8]) {
    let (raw_request, raw_response) = split(input);
    let request = match RawRequest::parse(raw_request) {
        Ok(request) => request,
        Err(error) => return assert_request_error(raw_request, &error),
    };
    assert_remarks_read(request.remarks());
    assert_admitted(&request.facts());
    let response = match RawResponse::parse(raw_response, &request) {
        Ok(response) => response,
        Err(error) => return assert_response_error(raw_response, &request, &error),
    };
    assert_remarks_read(response.remarks());
    for side in SIDES {
        assert_classified(side, &request.facts(), &response.facts());
    }
    assert_quirks_are_misreports(&request.facts(), &response.facts());
    assert_framing_is_no_matter(&request, &response.facts());
    assert_spelling_is_no_matter(raw_request, raw_response);
    assert_as_parts(raw_request, &request.facts(), raw_response, &response.facts());
}

/// The rows that decide about an input: on each side, and for each lookup.
pub fn rules(input: &[u8]) -> Vec<Rule> {
    let (request, response) = split(input);
    let Ok(request) = RawRequest::parse(request) else { return Vec::new() };
    let mut rules: Vec<Rule> =
        LOOKUPS.iter().map(|lookup| admit(&request.facts(), *lookup).rule()).collect();
    if let Ok(response) = RawResponse::parse(response, &request) {
        let rule = |side: &Side| classify(*side, &request.facts(), &response.facts()).rule();
        rules.extend(SIDES.iter().map(rule));
    }
    rules
}

const SIDES: [Side; 3] =
    [Side::Client(Quirks::Ignore), Side::Client(Quirks::Recognize), Side::Server];
const LOOKUPS: [Lookup; 3] = [Lookup::Known, Lookup::Unknown, Lookup::Unavailable];

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    input
        .windows(SEPARATOR.len())
        .position(|window| window == SEPARATOR)
        .map_or((input, b""), |place| (&input[..place], &input[place + SEPARATOR.len()..]))
}

fn assert_remarks_read(remarks: &[Remark]) {
    assert!(remarks.iter().all(|remark| !remark.to_string().is_empty()));
}

// ---- Heads

fn assert_request_error(bytes: &[u8], error: &HeadError) {
    let error_in = |length: usize| RawRequest::parse(&bytes[..length]).err();
    assert_offset(bytes.len(), error, error_in);
    // There is nothing before a request that could be whole where the request is not.
    assert!(error_in(error.offset()).is_some(), "{error}");
}

fn assert_response_error(bytes: &[u8], request: &RawRequest<'_>, error: &HeadError) {
    let error_in = |length: usize| RawResponse::parse(&bytes[..length], request).err();
    assert_offset(bytes.len(), error, error_in);
    if is_status_error(error) {
        let status = bytes.get(error.offset()..error.offset() + 3);
        assert!(matches!(status, Some([b'0', b'0'..=b'9', b'0'..=b'9'])), "{error}: {status:?}");
    }
}

/// Up to the offset of an error, the head is merely cut off, or else (of a response) an
/// interim one is whole there; and the byte at the offset is what makes it an error.
///
/// `error_in` gives the error in as many bytes of the input.
fn assert_offset(length: usize, error: &HeadError, error_in: impl Fn(usize) -> Option<HeadError>) {
    let offset = error.offset();
    assert!(offset <= length, "{error}");
    assert!(offset < length || is_cut_off(error), "{error}");
    for shorter in [offset, offset.saturating_sub(1), offset / 2] {
        if let Some(earlier) = error_in(shorter) {
            assert_eq!(shorter, earlier.offset(), "{error}, but before it: {earlier}");
            assert!(is_cut_off(&earlier), "{error}, but before it: {earlier}");
        }
    }
    // A status is refused as a whole, not at its first digit.
    if offset < length && !is_status_error(error) {
        assert_eq!(Some(offset), error_in(offset + 1).map(|it| it.offset()), "{error}");
    }
}

fn is_cut_off(error: &HeadError) -> bool {
    error.to_string().ends_with("the head ends before its empty line")
}

fn is_status_error(error: &HeadError) -> bool {
    error.to_string().ends_with("a status outside 100-999")
}

// ---- Verdicts

fn assert_classified(side: Side, request: &Request<'_>, response: &Response<'_>) {
    let verdict = classify(side, request, response);
    let cell = Columns::of(side, request, response);
    let covering: Vec<Rule> = Rule::ALL.iter().copied().filter(|it| it.covers(&cell)).collect();
    assert_eq!(vec![verdict.rule()], covering, "{cell:?}");

    if !needs_body(side, request, response) {
        let unread = Response { body: None, ..*response };
        assert_eq!(verdict.action(), classify(side, request, &unread).action(), "{cell:?}");
    }
    assert_answer(&verdict, request);
    assert_adoption(side, &verdict, request, response);
    match side {
        Side::Client(quirks) => assert_client(quirks, &verdict, request, response),
        Side::Server => assert_server(&verdict, request, response),
    }
    if is_modern(request) {
        assert_eq!(Action::PassThrough, verdict.action(), "{cell:?}");
    }
}

/// An answer is there exactly if one is to be given; it has the status that the action
/// names, and the id of the request.
fn assert_answer(verdict: &Verdict<'_>, request: &Request<'_>) {
    let status = match verdict.action() {
        Action::NotFoundResponse => Some(StatusCode::NOT_FOUND),
        Action::BadRequestResponse => Some(StatusCode::BAD_REQUEST),
        Action::UnavailableResponse => Some(StatusCode::SERVICE_UNAVAILABLE),
        Action::PassThrough | Action::AdoptSession | Action::ClearAndReinit | Action::Clear => None,
    };
    assert_eq!(status, verdict.response().map(|answer| answer.status()));

    if let Some(answer) = verdict.response() {
        let id = message_that_counts(request).and_then(|message| message.echoed_id());
        let body = answer.body();
        let answered = peek(body.as_bytes()).id();
        assert_eq!(id.map(RequestId::as_str), answered.map(RequestId::as_str), "{body}");
    }
}

/// A client adopts an ID that is well-formed, from the success of an `initialize`, and no
/// other.
fn assert_adoption(
    side: Side,
    verdict: &Verdict<'_>,
    request: &Request<'_>,
    response: &Response<'_>,
) {
    let adopts = side != Side::Server && is_initialize(request) && response.status.is_success();
    let is_well_formed =
        |id: &&[u8]| !id.is_empty() && id.iter().all(|byte| matches!(byte, 0x21..=0x7E));
    let expected = response.session_id.filter(is_well_formed).filter(|_| adopts);

    assert_eq!(expected, verdict.session_id().map(|id| id.as_str().as_bytes()));
    assert_eq!(expected.is_some(), verdict.action() == Action::AdoptSession);
}

fn assert_client(
    quirks: Quirks,
    verdict: &Verdict<'_>,
    request: &Request<'_>,
    response: &Response<'_>,
) {
    let attached = is_attached(Side::Client(quirks), request);
    let (status, method) = (response.status.as_u16(), request.method);
    assert!(verdict.session_header().is_forwarded());
    match verdict.action() {
        Action::PassThrough | Action::AdoptSession => {}
        Action::ClearAndReinit => {
            assert!(attached && matches!(method, Method::Post | Method::Get));
            assert!(status == 404 || (quirks == Quirks::Recognize && is_misreporting(status)));
        }
        Action::Clear => {
            assert!(attached && method == Method::Delete);
            assert!(
                matches!(status, 200..=299 | 404 | 405)
                    || (quirks == Quirks::Recognize && is_misreporting(status))
            );
        }
        action @ (Action::NotFoundResponse
        | Action::BadRequestResponse
        | Action::UnavailableResponse) => panic!("{action:?} on the client side"),
    }
}

fn assert_server(verdict: &Verdict<'_>, request: &Request<'_>, response: &Response<'_>) {
    let has_id = response.session_id.is_some_and(|id| !id.is_empty());
    let withholds = has_id && !response.status.is_success();
    assert_eq!(withholds, !verdict.session_header().is_forwarded());
    match verdict.action() {
        Action::PassThrough => {}
        Action::NotFoundResponse => {
            assert!(is_attached(Side::Server, request));
            assert!(!response.status.is_success());
            assert_corrected_once(verdict, request);
        }
        action @ (Action::AdoptSession
        | Action::ClearAndReinit
        | Action::Clear
        | Action::BadRequestResponse
        | Action::UnavailableResponse) => panic!("{action:?} on the server side"),
    }
}

/// What a server puts in the place of a wrong answer is not corrected by the next one.
fn assert_corrected_once(verdict: &Verdict<'_>, request: &Request<'_>) {
    let answer = verdict.response().expect("the answer to give");
    let (parts, body) = http::Response::<Vec<u8>>::from(answer).into_parts();

    let again = classify(Side::Server, request, &Response::from_parts(&parts, Some(&body)));

    assert_eq!((Action::PassThrough, Rule::CanonicalNotFound), (again.action(), again.rule()));
}

/// Recognizing quirks changes a verdict only where a misreport has the status.
fn assert_quirks_are_misreports(request: &Request<'_>, response: &Response<'_>) {
    let verdict = |quirks| classify(Side::Client(quirks), request, response);
    if verdict(Quirks::Ignore) != verdict(Quirks::Recognize) {
        assert!(is_misreporting(response.status.as_u16()), "{}", response.status);
        assert!(needs_body(Side::Client(Quirks::Recognize), request, response));
    }
}

/// The statuses under which some text says that the session is gone.
fn is_misreporting(status: u16) -> bool {
    matches!(status, 400 | 401)
}

// What the tables are asked about a request, worked out once more.

fn is_attached(side: Side, request: &Request<'_>) -> bool {
    let has_value = |id: Option<&[u8]>| id.is_some_and(|id| !id.is_empty());
    let reads_query = side == Side::Server && request.method == Method::Post;
    has_value(request.session_id) || (reads_query && has_value(request.query_session_id))
}

fn is_initialize(request: &Request<'_>) -> bool {
    message_that_counts(request).is_some_and(|message| message.is_initialize())
}

fn is_modern(request: &Request<'_>) -> bool {
    match (request.protocol_version, message_that_counts(request)) {
        _ if is_initialize(request) => false,
        (None | Some(b""), message) => Era::of(None, message.as_ref()) == Era::Modern,
        (Some(version), _) => !LEGACY_VERSIONS.iter().any(|legacy| legacy.as_bytes() == version),
    }
}

/// Only a POST's message is looked at.
fn message_that_counts<'a>(request: &Request<'a>) -> Option<Message<'a>> {
    request.message.filter(|_| request.method == Method::Post)
}

// ---- Admissions

fn assert_admitted(request: &Request<'_>) {
    for lookup in LOOKUPS {
        let verdict = admit(request, lookup);
        let admission = Admission::of(request, lookup);
        let covering: Vec<Rule> =
            Rule::ALL.iter().copied().filter(|it| it.covers_admission(&admission)).collect();
        assert_eq!(vec![verdict.rule()], covering, "{admission:?}");
        assert_eq!(None, verdict.session_id());
        assert_answer(&verdict, request);
        assert_eq!(expected_admission(request, lookup), verdict.action(), "{admission:?}");

        let forwards = !is_initialize(request) && !is_modern(request);
        assert_eq!(forwards, verdict.session_header().is_forwarded());
    }
}

fn expected_admission(request: &Request<'_>, lookup: Lookup) -> Action {
    let is_exempt = request.method == Method::Other || is_modern(request) || is_initialize(request);
    match (is_attached(Side::Server, request), lookup) {
        _ if is_exempt => Action::PassThrough,
        (false, _) => Action::BadRequestResponse,
        (true, Lookup::Known) => Action::PassThrough,
        (true, Lookup::Unknown) => Action::NotFoundResponse,
        (true, Lookup::Unavailable) => Action::UnavailableResponse,
    }
}

// ---- The same response, as other bytes

/// A body is the same, and means the same, whichever way its end is told.
///
/// Behind an interim response, any byte would belong to the next one.
fn assert_framing_is_no_matter(request: &RawRequest<'_>, response: &Response<'_>) {
    let head = head(response);
    if is_interim(response.status) || head.len() > HEAD_LIMIT / 2 {
        return;
    }
    for bytes in framed(&head, response.body) {
        let again = RawResponse::parse(&bytes, request).expect("a response written here");
        assert_eq!(response.body, again.facts().body);
        for side in SIDES {
            assert_eq!(
                classify(side, &request.facts(), response),
                classify(side, &request.facts(), &again.facts()),
                "{side:?}"
            );
        }
    }
}

/// The response by its length, by its chunks, and by the end of the connection; a body that
/// is not known, as one that is cut off.
fn framed(head: &[u8], body: Option<&[u8]>) -> Vec<Vec<u8>> {
    let with = |header: &[u8], body: &[u8]| [head, header, b"\r\n", body].concat();
    let Some(body) = body else {
        return vec![
            with(b"Content-Length: 1\r\n", b""),
            with(b"Transfer-Encoding: chunked\r\n", b"0\r\n"),
        ];
    };
    let mut framed =
        vec![with(format!("Content-Length: {}\r\n", body.len()).as_bytes(), body), with(b"", body)];
    framed.extend(chunked(body).iter().map(|it| with(b"Transfer-Encoding: chunked\r\n", it)));
    framed
}

/// The body in chunks that end where its own bytes say, in halves, and byte by byte.
fn chunked(body: &[u8]) -> Vec<Vec<u8>> {
    const BYTE_BY_BYTE: usize = 512;

    let half = body.len().div_ceil(2).max(1);
    let mut ways = vec![body.chunks(half).collect(), pieces(body)];
    ways.extend((body.len() <= BYTE_BY_BYTE).then(|| body.chunks(1).collect::<Vec<_>>()));
    ways.iter()
        .map(|parts| {
            let mut chunks = Vec::new();
            for part in parts {
                chunks.extend(format!("{:X}\r\n", part.len()).as_bytes());
                chunks.extend(*part);
                chunks.extend(b"\r\n");
            }
            chunks.extend(b"0\r\n\r\n");
            chunks
        })
        .collect()
}

/// Pieces of up to 16 bytes, each as long as its first byte says.
fn pieces(mut body: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(first) = body.first() {
        let (piece, rest) = body.split_at(usize::from(first % 16 + 1).min(body.len()));
        pieces.push(piece);
        body = rest;
    }
    pieces
}

/// Status line and headers, without the empty line.
fn head(response: &Response<'_>) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", response.status.as_str()).into_bytes();
    for (name, value) in [
        ("mcp-session-id", response.session_id),
        ("content-type", response.content_type),
        ("content-encoding", response.content_encoding),
        ("www-authenticate", response.www_authenticate),
    ] {
        // What has white space around it stood in no header: so the facts tell repetition.
        let is_repeated = value.is_some_and(|value| value.trim_ascii() != value);
        let values = if is_repeated { vec![value, value] } else { vec![value] };
        for value in values.into_iter().flatten() {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    head
}

// ---- The same exchange, spelled otherwise

/// The case and the order of headers change nothing, on either message, and neither do the
/// chunks that a request comes in.
fn assert_spelling_is_no_matter(raw_request: &[u8], raw_response: &[u8]) {
    let expected = decisions(raw_request, raw_response);
    let head = Head::of_request(raw_request);
    for request in head.iter().flat_map(Head::spellings) {
        assert_eq!(expected, decisions(&request, raw_response), "another spelling of the request");
    }
    for request in head.iter().flat_map(Head::in_chunks) {
        assert_eq!(expected, decisions(&request, raw_response), "the request in chunks");
    }
    for response in Head::of_response(raw_response).iter().flat_map(Head::spellings) {
        assert_eq!(expected, decisions(raw_request, &response), "another spelling of the response");
    }
}

/// What is decided about two messages, answers included, as text that outlives them.
fn decisions(raw_request: &[u8], raw_response: &[u8]) -> Vec<String> {
    let request = RawRequest::parse(raw_request).expect("a head that was read before");
    let response = RawResponse::parse(raw_response, &request).expect("likewise");
    let told = |verdict: Verdict<'_>| {
        // An ID is not shown, but which one is adopted is part of the decision.
        format!("{verdict:?} {:?}", verdict.session_id().map(|id| id.as_str()))
    };
    SIDES
        .iter()
        .map(|side| told(classify(*side, &request.facts(), &response.facts())))
        .chain(LOOKUPS.iter().map(|lookup| told(admit(&request.facts(), *lookup))))
        .collect()
}

/// The head of a message, taken apart by somebody else.
struct Head<'a> {
    start_line: &'a [u8],
    headers: Vec<(&'a str, &'a [u8])>,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn of_request(raw: &'a [u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let length = httparse::Request::new(&mut headers).parse(raw).ok()?;
        Self::new(raw, length, &headers)
    }

    fn of_response(raw: &'a [u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let length = httparse::Response::new(&mut headers).parse(raw).ok()?;
        Self::new(raw, length, &headers)
    }

    /// `None` without headers, and where other spellings might be longer than a head may be.
    fn new(
        raw: &'a [u8],
        length: httparse::Status<usize>,
        headers: &[httparse::Header<'a>],
    ) -> Option<Self> {
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .filter(|header| !header.name.is_empty())
            .map(|header| (header.name, header.value))
            .collect();
        let httparse::Status::Complete(length) = length else { return None };
        let (first, _) = headers.first().filter(|_| length < HEAD_LIMIT / 2)?;
        let start = first.as_ptr().addr() - raw.as_ptr().addr();
        Some(Self { start_line: &raw[..start], headers, rest: &raw[length..] })
    }

    fn spellings(&self) -> Vec<Vec<u8>> {
        let mut reversed = self.headers.clone();
        reversed.reverse();
        let mut rotated = self.headers.clone();
        rotated.rotate_left(1);
        vec![
            self.written(&self.headers, str::to_ascii_uppercase, self.rest),
            self.written(&reversed, str::to_ascii_lowercase, self.rest),
            self.written(&rotated, swapped, self.rest),
        ]
    }

    /// The message in chunks, if its body has one length that it keeps to.
    fn in_chunks(&self) -> Vec<Vec<u8>> {
        let is_framing = |name: &str| {
            let names = ["content-length", "transfer-encoding"];
            names.iter().any(|framing| name.eq_ignore_ascii_case(framing))
        };
        let framing: Vec<&[u8]> =
            self.headers.iter().filter(|it| is_framing(it.0)).map(|it| it.1).collect();
        let [length] = framing[..] else { return Vec::new() };
        let length = std::str::from_utf8(length).ok().filter(|it| !it.starts_with('+'));
        let body = length.and_then(|it| self.rest.get(..it.parse().ok()?));
        let mut headers: Vec<(&str, &[u8])> =
            self.headers.iter().copied().filter(|(name, _)| !is_framing(name)).collect();
        headers.push(("transfer-encoding", b"chunked"));
        let ways = body.map(chunked).unwrap_or_default();
        ways.iter().map(|it| self.written(&headers, str::to_owned, it)).collect()
    }

    fn written(
        &self,
        headers: &[(&str, &[u8])],
        spelling: impl Fn(&str) -> String,
        rest: &[u8],
    ) -> Vec<u8> {
        let mut bytes = self.start_line.to_vec();
        for (name, value) in headers {
            bytes.extend([spelling(name).as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(rest);
        bytes
    }
}

/// `mCP-sESSION-iD` for `Mcp-Session-Id`: as nobody spells it.
fn swapped(name: &str) -> String {
    let swap = |it: char| {
        if it.is_ascii_uppercase() { it.to_ascii_lowercase() } else { it.to_ascii_uppercase() }
    };
    name.chars().map(swap).collect()
}

// ---- The same exchange, as the `http` crate has it

/// Where `http` can hold the heads, it makes no difference which way the facts are taken.
fn assert_as_parts(
    raw_request: &[u8],
    request: &Request<'_>,
    raw_response: &[u8],
    response: &Response<'_>,
) {
    let (Some(request_parts), Some(response_parts)) =
        (request_parts(raw_request), response_parts(raw_response))
    else {
        return;
    };
    // The wire keeps the body of a request to itself; the message in it is compared below.
    let bodiless = Request { message: None, ..*request };
    let whole = Request { message: request.message, ..Request::from_parts(&request_parts, None) };
    for side in SIDES {
        assert_eq!(
            classify(side, &bodiless, response),
            classify_parts(side, &request_parts, None, &response_parts, response.body)
        );
        assert_eq!(
            classify(side, request, response),
            classify(side, &whole, &Response::from_parts(&response_parts, response.body))
        );
    }
}

fn request_parts(raw: &[u8]) -> Option<http::request::Parts> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut head = httparse::Request::new(&mut headers);
    head.parse(raw).ok()?;
    let builder = http::Request::builder().method(head.method?).uri(head.path?);
    let builder =
        head.headers.iter().fold(builder, |builder, it| builder.header(it.name, it.value));
    Some(builder.body(()).ok()?.into_parts().0)
}

/// `None` also for an interim response, behind which the one that counts would be.
fn response_parts(raw: &[u8]) -> Option<http::response::Parts> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut head = httparse::Response::new(&mut headers);
    head.parse(raw).ok()?;
    let status = StatusCode::from_u16(head.code?).ok()?;
    if is_interim(status) {
        return None;
    }
    let builder = http::Response::builder().status(status);
    let builder =
        head.headers.iter().fold(builder, |builder, it| builder.header(it.name, it.value));
    Some(builder.body(()).ok()?.into_parts().0)
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
