//! What a step costs when there are many: requests that wait, questions that are open, sessions
//! that are followed.

use std::fmt::Display;
use std::hint::black_box;
use std::time::Instant;

use mcp_session_core::Response;
use mcp_session_core::client::{Client, Options as ClientOptions};
use mcp_session_core::http::StatusCode;
use mcp_session_core::session::{
    AfterStep, Before, Hold, InitializeAnswer, Lead, Options, Outgoing, Session, Stream,
};

use crate::machines::{call, open_session};

/// How many there are of each.
const COUNTS: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];

type Request = Outgoing<Vec<u8>>;

/// Prints for each what it is, how many there are, and nanoseconds, or bytes, for each of them.
pub fn print() -> Option<()> {
    for count in COUNTS {
        let (held, released) = released(count)?;
        show("held", count, held);
        show("released", count, released);
        show("cancelled", count, cancelled(count)?);
        let (asked, answered) = questions(count)?;
        show("asked", count, asked);
        show("answered", count, answered);
        let (opened, called) = followed(count);
        show("opened", count, opened);
        show("called", count, called);
    }
    for count in COUNTS {
        show("bytes of a followed session", count, bytes_of_followed(count));
    }
    Some(())
}

fn show(name: &str, count: usize, ns: f64) {
    println!("{name}\t{count}\t{ns}");
}

/// Requests that wait for a new session, and go out when it stands.
fn released(count: usize) -> Option<(f64, f64)> {
    let (mut session, lead, first) = lost()?;
    let (holds, held) = hold(&mut session, count)?;
    replace(&mut session, lead)?;
    drop(session.after_recovery(first).ok()?);
    let mut sent = Vec::with_capacity(count);
    let released = each(count, || {
        for hold in holds {
            sent.push(session.after_recovery(hold).ok());
        }
    });
    assert!(sent.iter().all(|it| matches!(it, Some(Before::Transmit(_)))));
    Some((held, released))
}

/// Requests that wait, and are called off one by one.
fn cancelled(count: usize) -> Option<f64> {
    let (mut session, _lead, _first) = lost()?;
    let (_holds, _) = hold(&mut session, count)?;
    let cancellations: Vec<Request> = (0..count)
        .map(|number| {
            post(format_args!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number}}}}}"#
            ))
        })
        .collect();
    Some(each(count, || {
        for cancellation in cancellations {
            drop(black_box(session.before_request(cancellation)));
        }
    }))
}

/// Questions that the server asks, and the replies to them.
fn questions(count: usize) -> Option<(f64, f64)> {
    let (mut session, stream) = open()?;
    let asked: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"roots/list"}}"#).into_bytes()
        })
        .collect();
    let replies: Vec<Request> = (0..count)
        .map(|number| post(format_args!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#)))
        .collect();
    let asking = each(count, || {
        for question in &asked {
            let _unchanged = black_box(session.saw_message(stream, question.as_slice()));
        }
    });
    let answering = each(count, || {
        for reply in replies {
            drop(black_box(session.before_request(reply)));
        }
    });
    Some((asking, answering))
}

/// Sessions of one client, each of them called once.
fn followed(count: usize) -> (f64, f64) {
    let mut client = Client::new(ClientOptions::default(), 7).remembering(count);
    let ids: Vec<String> = (0..count).map(|number| format!("session-{number}")).collect();
    let opened = each(count, || ids.iter().for_each(|id| open_session(&mut client, id)));
    let called = each(count, || {
        for id in &ids {
            drop(black_box(call(&mut client, id)));
        }
    });
    (opened, called)
}

/// What one of so many sessions keeps allocated when nobody uses it any more.
fn bytes_of_followed(count: usize) -> f64 {
    let ids: Vec<String> = (0..count).map(|number| format!("session-{number:032}")).collect();
    let mut client = Client::new(ClientOptions::default(), 7).remembering(count);
    let allocated = allocation_counter::measure(|| {
        ids.iter().for_each(|id| open_session(&mut client, id));
    });
    allocated.bytes_current as f64 / count as f64
}

fn each(count: usize, run: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    run();
    begun.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn post(body: impl Display) -> Request {
    Outgoing::post(body.to_string().into_bytes())
}

fn open() -> Option<(Session, Stream)> {
    let mut session = Session::new(Options::default());
    let initialize = post(r#"{"id":0,"method":"initialize"}"#);
    let Before::Transmit(sent) = session.before_request(initialize) else { return None };
    let response = Response { session_id: Some(b"1868a90c"), ..Response::new(StatusCode::OK) };
    let after = session.after_response(sent.exchange, &response).ok()?;
    let AfterStep::Deliver(delivery) = after.step else { return None };
    Some((session, delivery.stream))
}

/// A session that has ended, whoever makes the next one, and the request that met the 404.
fn lost() -> Option<(Session, Lead, Hold<Vec<u8>>)> {
    let (mut session, _) = open()?;
    let call = post(r#"{"jsonrpc":"2.0","id":"first","method":"tools/list"}"#);
    let Before::Transmit(sent) = session.before_request(call) else { return None };
    let not_found = Response::new(StatusCode::NOT_FOUND);
    let after = session.after_response(sent.exchange, &not_found).ok()?;
    let AfterStep::Lead(lead, hold) = after.step else { return None };
    Some((session, lead, hold))
}

fn hold(session: &mut Session, count: usize) -> Option<(Vec<Hold<Vec<u8>>>, f64)> {
    let calls: Vec<Request> = (0..count)
        .map(|number| {
            post(format_args!(r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/list"}}"#))
        })
        .collect();
    let mut before = Vec::with_capacity(count);
    let ns = each(count, || {
        before.extend(calls.into_iter().map(|call| session.before_request(call)));
    });
    let holds: Option<Vec<_>> = before
        .into_iter()
        .map(|step| match step {
            Before::Hold(hold) => Some(hold),
            _ => None,
        })
        .collect();
    Some((holds?, ns))
}

fn replace(session: &mut Session, lead: Lead) -> Option<()> {
    let answer = Response { session_id: Some(b"second"), ..Response::new(StatusCode::OK) };
    let result = br#"{"id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
    let answer = InitializeAnswer::new(&answer, Some(result));
    let initialized = session.initialize_answered(lead, &answer).ok()?.ok()?;
    let replaced = session.initialized_answered(initialized, StatusCode::ACCEPTED).ok()?.ok();
    replaced.map(drop)
}
