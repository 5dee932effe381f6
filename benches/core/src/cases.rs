//! What is measured: each case is one thing that the core is asked for.

use std::hint::black_box;

use mcp_session_core::http::StatusCode;
use mcp_session_core::session::{AfterStep, Before, InitializeAnswer, Options, Outgoing, Session};
use mcp_session_core::sse::EventReader;
use mcp_session_core::wire::{RawRequest, RawResponse};
use mcp_session_core::{
    Answer, Lookup, Method, Quirks, Request, Response, Side, admit, classify, needs_body, peek,
};

use crate::bodies::{Aligned, CALL, body};

/// One thing to be measured.
pub struct Case {
    pub name: &'static str,
    /// Runs it so many times.
    pub run: Box<dyn FnMut(u64)>,
}

/// Each of them.
pub fn all() -> Vec<Case> {
    let attached = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
    let reply = |status: u16| Response::new(StatusCode::from_u16(status).unwrap_or_default());
    let (ok, not_found) = (reply(200), reply(404));
    let client = Side::Client(Quirks::Ignore);
    let quirky = Side::Client(Quirks::Recognize);
    let opening = &OPENING.0;
    let mut cases = vec![
        case("classify: 404 to a POST", move || {
            classify(black_box(client), black_box(&attached), black_box(&not_found)).action()
        }),
        case("classify: 200 to a POST", move || {
            classify(black_box(client), black_box(&attached), black_box(&ok)).action()
        }),
        case("classify: 200 to initialize, with an ID", move || {
            let request = Request { message: Some(peek(opening)), ..Request::new(Method::Post) };
            let response = Response { session_id: Some(b"1868a90c"), ..reply(200) };
            classify(black_box(client), black_box(&request), black_box(&response)).action()
        }),
        case("classify: a misreport", move || {
            let response = Response {
                body: Some(&MISREPORT.0),
                content_type: Some(b"text/plain"),
                ..reply(400)
            };
            classify(black_box(quirky), black_box(&attached), black_box(&response)).action()
        }),
        case("classify: what an upstream answered", move || {
            let request = Request { message: Some(peek(CALL)), ..attached };
            let response = Response {
                body: Some(&ERROR.0),
                content_type: Some(b"application/json"),
                ..reply(404)
            };
            classify(black_box(Side::Server), black_box(&request), black_box(&response)).action()
        }),
        case("needs_body: 200 to a POST", move || {
            needs_body(black_box(quirky), black_box(&attached), black_box(&ok))
        }),
        case("admit: an unknown session", move || {
            let request = Request { message: Some(peek(black_box(CALL))), ..attached };
            admit(black_box(&request), Lookup::Unknown).response().map(|answer| answer.body())
        }),
        case("a body of 130 bytes to the canonical 404", || {
            Answer::not_found(peek(black_box(CALL)).echoed_id()).body()
        }),
        case("peek: 130 bytes", || peek(black_box(CALL)).kind()),
        case("raw heads to a verdict", || {
            let request = RawRequest::parse(black_box(&REQUEST.0)).ok()?;
            let response = RawResponse::parse(black_box(&RESPONSE.0), &request).ok()?;
            Some(classify(Side::Client(Quirks::Ignore), &request.facts(), &response.facts()).rule())
        }),
        session_case(),
        recovery_case(),
        event_case(),
    ];
    for (name, kind, length) in [
        ("peek: 1 KB, dense", "dense", 1000),
        ("peek: 1 KB, one string", "blob", 1000),
        ("peek: 1 KB, text", "text", 1000),
        ("peek: 100 KB, dense", "dense", 100_000),
        ("peek: 100 KB, one string", "blob", 100_000),
        ("peek: 100 KB, text", "text", 100_000),
    ] {
        let body = body(kind, length).unwrap_or_default();
        cases.push(case(name, move || peek(black_box(&body)).kind()));
    }
    cases
}

fn case<R: 'static>(name: &'static str, mut once: impl FnMut() -> R + 'static) -> Case {
    let run = move |count| {
        for _ in 0..count {
            black_box(once());
        }
    };
    Case { name, run: Box::new(run) }
}

/// An ordinary call of a live session.
fn session_case() -> Case {
    let mut session = live();
    case("Session: before and after a call", move || {
        let call = Outgoing::post(black_box(CALL));
        let Before::Transmit(sent) = session.before_request(call) else { return None };
        let ok = Response::new(StatusCode::OK);
        session.after_response(sent.exchange, black_box(&ok)).ok()
    })
}

/// A call that meets 404, up to its answer in the session that replaced the first.
fn recovery_case() -> Case {
    case("Session: from a 404 to the answer", || {
        let mut session = live();
        let call = Outgoing::post(black_box(CALL));
        let Before::Transmit(sent) = session.before_request(call) else { return None };
        let not_found = Response::new(StatusCode::NOT_FOUND);
        let after = session.after_response(sent.exchange, &not_found).ok()?;
        let AfterStep::Lead(lead, hold) = after.step else { return None };
        let answer = Response { session_id: Some(b"second"), ..Response::new(StatusCode::OK) };
        let result = br#"{"id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
        let answer = InitializeAnswer::new(&answer, Some(result));
        let initialized = session.initialize_answered(lead, &answer).ok()?.ok()?;
        let _replaced =
            session.initialized_answered(initialized, StatusCode::ACCEPTED).ok()?.ok()?;
        let Before::Transmit(sent) = session.after_recovery(hold).ok()? else { return None };
        session.after_response(sent.exchange, &Response::new(StatusCode::OK)).ok()
    })
}

fn event_case() -> Case {
    let event = EVENT.as_bytes().to_vec();
    case("events: one of 1 KB", move || {
        let mut reader = EventReader::new(1 << 20);
        reader.read(black_box(&event)).count()
    })
}

/// A session that has begun.
pub fn live() -> Session {
    let mut session = Session::new(Options::default());
    let initialize = Outgoing::post(br#"{"id":0,"method":"initialize"}"#);
    if let Before::Transmit(sent) = session.before_request(initialize) {
        let response = Response { session_id: Some(b"1868a90c"), ..Response::new(StatusCode::OK) };
        drop(session.after_response(sent.exchange, &response));
    }
    session
}

static OPENING: Aligned<30> = Aligned(*br#"{"id":0,"method":"initialize"}"#);

static MISREPORT: Aligned<41> = Aligned(*b"Bad Request: No valid session ID provided");

static ERROR: Aligned<63> =
    Aligned(*br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"x"},"id":42}"#);

static REQUEST: Aligned<243> = Aligned(
    *b"POST /mcp HTTP/1.1\r\n\
    Host: 127.0.0.1:8000\r\n\
    Accept: application/json, text/event-stream\r\n\
    Content-Type: application/json\r\n\
    MCP-Protocol-Version: 2025-11-25\r\n\
    Mcp-Session-Id: 1868a90c4d4b4f0f8a2f0e9a6a0a7a11\r\n\
    User-Agent: bench\r\n\
    Content-Length: 0\r\n\r\n",
);

static RESPONSE: Aligned<131> = Aligned(
    *b"HTTP/1.1 404 Not Found\r\n\
    Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n\
    Server: uvicorn\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 0\r\n\r\n",
);

const EVENT: &str = concat!(
    "event: message\r\nid: 17\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":42,\"result\":{\"text\":\"",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    "\"}}\r\n\r\n",
);
