//! The canonical answers to any request body: what is on the wire, what each half makes of it,
//! and what happens to what is sent next.

use mcp_session_core::http::Response as HttpResponse;
use mcp_session_core::wire::{RawRequest, RawResponse};
use mcp_session_core::{Action, Answer, Era, Lookup, Quirks, Rule, Side, admit, classify, peek};
use serde_json::Value;

use crate::independent_reader::{Json, json};
use crate::peek::{Reading, reading};

/// Asserts the invariant of the target `answer` for one request body.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(body: &[u8]) {
    let id = peek(body).echoed_id();
    assert_begun_anew();
    for (answer, status, code) in [
        (Answer::not_found(id), 404, -32001),
        (Answer::bad_request(id), 400, -32600),
        (Answer::unavailable(id), 503, -32603),
    ] {
        assert_message(answer, status, code, body);
    }
    for (answer, status, code) in [
        (Answer::not_found(None), 404, -32001),
        (Answer::bad_request(None), 400, -32600),
        (Answer::unavailable(None), 503, -32603),
    ] {
        assert_message(answer, status, code, b"");
    }
    // What nests too deeply for the yardstick is left to the target `peek`.
    if let Some(reading) = reading(body) {
        assert_admitted(&reading, body);
        assert_halves_agree(&reading, body);
    }
    assert_halves_agree_on_other_methods(body);
}

const CLIENTS: [Side; 2] = [Side::Client(Quirks::Ignore), Side::Client(Quirks::Recognize)];

// ---- What is on the wire

/// The answer, read back by others than its writer.
fn assert_message(answer: Answer<'_>, status: u16, code: i64, request_body: &[u8]) {
    let raw = written(answer);
    let mut headers = [httparse::EMPTY_HEADER; 4];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(&raw).expect("a head").unwrap();
    let body = &raw[length..];

    assert_eq!(Some(status), head.code);
    let mut expected = vec![
        ("content-length".to_owned(), body.len().to_string()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    expected.extend((status == 503).then(|| ("retry-after".to_owned(), "1".to_owned())));
    let mut sent: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|it| (it.name.to_owned(), String::from_utf8_lossy(it.value).into_owned()))
        .collect();
    sent.sort();
    assert_eq!(expected, sent);
    assert_json_rpc(body, code, request_body);
}

/// One JSON-RPC error with nothing else in it, and the id of the request as that spelled it.
fn assert_json_rpc(body: &[u8], code: i64, request_body: &[u8]) {
    let request = peek(request_body);
    let id = request.echoed_id();
    let spelled = id.map_or_else(String::new, |id| format!(",\"id\":{}}}", id.as_str()));
    assert!(body.ends_with(if id.is_some() { spelled.as_bytes() } else { b"\"}}" }));
    // Clients in the field look for these bytes.
    let code_spelled = format!("\"code\":{code}");
    assert!(body.windows(code_spelled.len()).any(|it| it == code_spelled.as_bytes()));

    if let Json::Read(value) = json(body) {
        let error = value.sole("error").expect("one error");
        assert!(value.sole("jsonrpc").is_some_and(|version| version.is_text("2.0")));
        assert!(error.sole("code").is_some_and(|it| it.is_integer(code)));
        assert!(error.sole("message").is_some_and(|message| message.is_any_text()));
        assert_eq!(usize::from(id.is_some()), value.count("id"));
        assert_eq!(0, value.count("method") + value.count("result"));
    } else {
        assert!(matches!(json(request_body), Json::Differs), "an answer that is no JSON");
    }
    // Numbers and surrogates that `Value` does not read are the reader's matter, not ours.
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let members: Vec<&String> = value.as_object().expect("an object").keys().collect();
        assert_eq!(2 + usize::from(id.is_some()), members.len(), "{members:?}");
        if let Some(id) = id {
            let requested = serde_json::from_str(id.as_str()).ok();
            assert_eq!(requested.as_ref(), value.get("id"));
            assert!(request_body.len() >= id.as_str().len());
        }
    }
}

// ---- What each half makes of it

/// With an ID attached: the 404 begins anew at the client, and is right to the server; the 400
/// and the 503 change nothing, with nothing attached or with a table that cannot be asked.
fn assert_halves_agree(reading: &Reading, body: &[u8]) {
    let is_modern = reading.era() == Era::Modern;
    for id in [peek(body).echoed_id(), None] {
        let raw = written(Answer::not_found(id));
        let (client, server) = verdicts("POST", Some("1868a90c"), body, &raw);
        let (action, rule) = if is_modern {
            (Action::PassThrough, Rule::ModernExchange)
        } else {
            (Action::ClearAndReinit, Rule::TerminatedPost)
        };
        assert_eq!([(action, rule); 2], client);
        let rule = if is_modern { Rule::ModernAnswer } else { Rule::CanonicalNotFound };
        assert_eq!((Action::PassThrough, rule), server);
    }

    let id = peek(body).echoed_id();
    let passed = [Action::PassThrough; 2];
    let (client, server) = verdicts("POST", None, body, &written(Answer::bad_request(id)));
    assert_eq!((passed, Action::PassThrough), (client.map(|it| it.0), server.0));
    let unavailable = written(Answer::unavailable(id));
    let (client, server) = verdicts("POST", Some("1868a90c"), body, &unavailable);
    assert_eq!((passed, Action::PassThrough), (client.map(|it| it.0), server.0));
}

/// A GET or DELETE bears no message, so its answer repeats no id, whatever its body is.
fn assert_halves_agree_on_other_methods(body: &[u8]) {
    for (method, action) in [("GET", Action::ClearAndReinit), ("DELETE", Action::Clear)] {
        let raw = request_bytes(method, Some("1868a90c"), body);
        let request = RawRequest::parse(&raw).expect("a request written here");
        let answer = admit(&request.facts(), Lookup::Unknown).response().expect("a 404");
        assert_eq!(Answer::not_found(None), answer);

        let (client, server) = verdicts(method, Some("1868a90c"), body, &written(answer));
        assert_eq!([action; 2], client.map(|it| it.0));
        assert_eq!((Action::PassThrough, Rule::CanonicalNotFound), server);
    }
}

fn verdicts(
    method: &str,
    session_id: Option<&str>,
    body: &[u8],
    response: &[u8],
) -> ([(Action, Rule); 2], (Action, Rule)) {
    let raw = request_bytes(method, session_id, body);
    let request = RawRequest::parse(&raw).expect("a request written here");
    let response = RawResponse::parse(response, &request).expect("an answer written here");
    assert!(response.remarks().is_empty());
    let decide = |side| {
        let verdict = classify(side, &request.facts(), &response.facts());
        (verdict.action(), verdict.rule())
    };
    (CLIENTS.map(decide), decide(Side::Server))
}

// ---- What is sent next

/// The 404 is what `admit` gives; then the client's `initialize` gets in, whatever the table
/// says, and the same message under the new ID does.
fn assert_admitted(reading: &Reading, body: &[u8]) {
    let is_exempt = reading.is_initialize() || reading.era() == Era::Modern;
    let id = peek(body).echoed_id();
    for (session_id, lookup, action, answer) in [
        (Some("dead"), Lookup::Unknown, Action::NotFoundResponse, Some(Answer::not_found(id))),
        (
            Some("dead"),
            Lookup::Unavailable,
            Action::UnavailableResponse,
            Some(Answer::unavailable(id)),
        ),
        (None, Lookup::Known, Action::BadRequestResponse, Some(Answer::bad_request(id))),
        (None, Lookup::Unknown, Action::BadRequestResponse, Some(Answer::bad_request(id))),
        (Some("new"), Lookup::Known, Action::PassThrough, None),
    ] {
        let raw = request_bytes("POST", session_id, body);
        let request = RawRequest::parse(&raw).expect("a request written here");
        let verdict = admit(&request.facts(), lookup);
        if is_exempt {
            assert_eq!((Action::PassThrough, None), (verdict.action(), verdict.response()));
            assert!(!verdict.session_header().is_forwarded());
        } else {
            assert_eq!((action, answer), (verdict.action(), verdict.response()));
            assert!(verdict.session_header().is_forwarded());
        }
    }
}

fn assert_begun_anew() {
    let initialize = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    for lookup in [Lookup::Known, Lookup::Unknown, Lookup::Unavailable] {
        let raw = request_bytes("POST", None, initialize);
        let request = RawRequest::parse(&raw).expect("a request written here");
        let verdict = admit(&request.facts(), lookup);
        assert_eq!(
            (Action::PassThrough, Rule::InitializeAdmitted),
            (verdict.action(), verdict.rule())
        );
    }
}

// ---- Bytes

fn written(answer: Answer<'_>) -> Vec<u8> {
    let (parts, body) = HttpResponse::<Vec<u8>>::from(answer).into_parts();
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    [&bytes[..], b"\r\n", &body].concat()
}

fn request_bytes(method: &str, session_id: Option<&str>, body: &[u8]) -> Vec<u8> {
    let session_id = session_id.map_or_else(String::new, |id| format!("Mcp-Session-Id: {id}\r\n"));
    let length = body.len();
    let head = format!("{method} /mcp HTTP/1.1\r\n{session_id}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
