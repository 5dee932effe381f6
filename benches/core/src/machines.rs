//! The machines of a client, a server and a process of several, each asked what an ordinary
//! request asks.

use std::hint::black_box;

use mcp_session_core::Method;
use mcp_session_core::client::{
    Begin, Client, Credentials, Endpoint, Options, RequestHead, RequestRun, ResponseHead, Step,
};
use mcp_session_core::http::StatusCode;
use mcp_session_core::server::{self, Exchange, Policy, Rest};
use mcp_session_core::sessions::{self, Caller, Renewal, Replica, Run, TableKey, Won};

use crate::bodies::CALL;
use crate::cases::{Case, case};

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}"#;
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"bench","version":"0"}}}"#;
const RESULT: &[u8] = br#"{"jsonrpc":"2.0","id":42,"result":{"content":[{"type":"text","text":"hello"}],"isError":false}}"#;
const ATTACHED: &str = "1868a90c4d4b4f0f8a2f0e9a6a0a7a11";

/// Each of them.
pub fn all() -> Vec<Case> {
    let mut client = Client::new(Options::default(), 7);
    open_session(&mut client, ATTACHED);
    let policy = Policy::new(server::Options::default());
    let mut replica = replica();
    own_session(&mut replica, ATTACHED);
    let mut strange = self::replica();
    vec![
        case("client: a call and its JSON", move || call(&mut client, ATTACHED)),
        case("server: a call and its JSON", move || serve(&policy)),
        case("sessions: a call of what is owned", move || run_owned(&mut replica)),
        case("sessions: a look-up of what is unknown", move || look_up(&mut strange)),
    ]
}

/// A request by that session of a client.
fn head(session_id: Option<&str>) -> RequestHead<'_> {
    RequestHead {
        method: Method::Post,
        endpoint: Endpoint { scheme: "https", host: "mcp.example", path: "/mcp" },
        credentials: Credentials::OfClient,
        session_id,
        protocol_version: Some("2025-11-25"),
        last_event_id: None,
        content_type: Some("application/json"),
    }
}

/// Opens a session through a client.
pub fn open_session(client: &mut Client, id: &str) {
    let head = RequestHead { protocol_version: None, ..head(None) };
    let Begin::Run(mut run, _) = client.begin(&head, head.outgoing(INITIALIZE)) else { return };
    let answer = ResponseHead {
        session_id: Some(id),
        content_type: Some("application/json"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let step = run.response(client, &answer).ok();
    drop(ended(client, &mut run, step, INITIALIZED));
}

/// A call of a session, answered in JSON.
pub fn call(client: &mut Client, id: &str) -> Option<Step> {
    let head = head(Some(black_box(id)));
    let Begin::Run(mut run, _) = client.begin(&head, head.outgoing(CALL)) else { return None };
    let answer = ResponseHead {
        content_type: Some("application/json"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let step = run.response(client, black_box(&answer)).ok();
    ended(client, &mut run, step, RESULT)
}

fn ended<B: AsRef<[u8]>>(
    client: &mut Client,
    run: &mut RequestRun<B>,
    step: Option<Step>,
    body: &[u8],
) -> Option<Step> {
    match step? {
        Step::ReadAnswer => run.body_read(client, Some(black_box(body))).ok(),
        step => Some(step),
    }
}

fn serve(policy: &Policy) -> bool {
    let mut head = server::RequestHead::new(Method::Post, b"");
    for (name, value) in REQUEST_HEADERS {
        head.add_header(black_box(name), black_box(value));
    }
    let mut exchange = Exchange::new(policy, head);
    let _read = exchange.before_handler();
    exchange.request_piece(black_box(CALL), Rest::Ended);
    let _run = exchange.before_handler();
    let mut head = server::ResponseHead::new(StatusCode::OK);
    head.add_header(b"content-type", b"application/json");
    let step = exchange.response_head(head);
    black_box(step) == server::Step::Pass
}

/// A process of several, whose lease stands.
fn replica() -> Replica {
    let secret = b"0123456789abcdef0123456789abcdef";
    let Some(key) = TableKey::new(secret) else { std::process::abort() };
    let mut replica = Replica::new("0123456789abcdef", key, sessions::Options::default());
    replica.renewed(Renewal::Stood);
    replica
}

/// Opens a session in a process of several, so that it owns it.
fn own_session(replica: &mut Replica, id: &str) {
    let head = sessions::RequestHead::new(Method::Post, b"");
    let (mut run, _read) = Run::begin(replica, head, Caller::default());
    let _run_app = run.body_read(replica, Some(INITIALIZE));
    let mut head = server::ResponseHead::new(StatusCode::OK);
    head.add_header(b"content-type", b"application/json");
    head.add_header(b"mcp-session-id", id.as_bytes());
    let _keep_back = run.answer_head(replica, head);
    let _swap = run.answer_piece(replica, INITIALIZED, Rest::Ended);
    let _pass = run.swapped(replica, Won::Yes);
    run.finish(replica);
    assert_eq!(1, replica.owned_sessions());
}

fn begun(replica: &mut Replica) -> (Run, sessions::Step) {
    let mut head = sessions::RequestHead::new(Method::Post, b"");
    for (name, value) in REQUEST_HEADERS {
        head.add_header(black_box(name), black_box(value));
    }
    Run::begin(replica, head, Caller::default())
}

fn run_owned(replica: &mut Replica) -> bool {
    let (mut run, step) = begun(replica);
    let step = match step {
        sessions::Step::Read { .. } => run.body_read(replica, Some(black_box(CALL))).ok(),
        step => Some(step),
    };
    let runs = matches!(black_box(&step), Some(sessions::Step::RunApp(_)));
    run.finish(replica);
    assert!(runs, "it is owned");
    runs
}

fn look_up(replica: &mut Replica) -> bool {
    let (mut run, step) = begun(replica);
    let step = match step {
        sessions::Step::Read { .. } => run.body_read(replica, Some(black_box(CALL))).ok(),
        step => Some(step),
    };
    let step = match step {
        Some(sessions::Step::Find(_)) => run.found(replica, None).ok(),
        step => step,
    };
    let replies = matches!(black_box(&step), Some(sessions::Step::Reply(_)));
    run.finish(replica);
    assert!(replies, "nobody knows it");
    replies
}

const REQUEST_HEADERS: [(&[u8], &[u8]); 7] = [
    (b"host", b"127.0.0.1:8000"),
    (b"accept", b"application/json, text/event-stream"),
    (b"content-type", b"application/json"),
    (b"content-length", b"130"),
    (b"mcp-protocol-version", b"2025-11-25"),
    (b"mcp-session-id", ATTACHED.as_bytes()),
    (b"user-agent", b"bench"),
];
