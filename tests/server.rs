//! The server machine: its laws under every order of what can happen, and by chance.

#![allow(clippy::indexing_slicing, reason = "a test that fails in its own set-up says where")]

use mcp_session_core::http::StatusCode;
use mcp_session_core::server::{
    EchoId, Effect, Exchange, Options, Outcome, Policy, RequestHead, ResponseHead, Rest, Step,
};
use mcp_session_core::{Method, Rule};
use mcp_session_testing::cases;
use mcp_session_testing::server::world::{Answered, Asked, Event, World};
use proptest::prelude::*;
use proptest::test_runner::Config;

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#;
const CANONICAL: &[u8] =
    br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}"#;

const ASKED: [Asked; 7] = [
    Asked { method: Method::Post, session_ids: &["abc"], query: "", version: None },
    Asked { method: Method::Post, session_ids: &["abc"], query: "", version: Some("2026-07-28") },
    Asked { method: Method::Post, session_ids: &[], query: "session_id=abc", version: None },
    Asked { method: Method::Post, session_ids: &[], query: "", version: None },
    Asked { method: Method::Get, session_ids: &["abc"], query: "", version: None },
    Asked { method: Method::Get, session_ids: &[], query: "session_id=abc", version: None },
    Asked { method: Method::Other, session_ids: &["abc", "abd"], query: "", version: None },
];

fn heads() -> Vec<Event> {
    let mut heads = Vec::new();
    for status in [200, 400, 404, 500] {
        for session_id in [None, Some("fresh")] {
            heads.push(Event::Head(Answered { status, session_id, is_json: status == 404 }));
        }
    }
    heads
}

fn parts() -> Vec<Event> {
    let mut parts = heads();
    for body in [CALL, INITIALIZE] {
        parts.push(Event::RequestPiece(body.to_vec(), Rest::Ended));
    }
    for rest in [Rest::Follows, Rest::Ended] {
        parts.push(Event::RequestPiece(CALL[..9].to_vec(), rest));
        parts.push(Event::Piece(b"unknown session".to_vec(), rest));
        parts.push(Event::Piece(CANONICAL.to_vec(), rest));
        parts.push(Event::Piece(Vec::new(), rest));
    }
    parts.extend([
        Event::Ask,
        Event::WaitOver,
        Event::RequestCut,
        Event::RequestPiece(CALL[9..].to_vec(), Rest::Ended),
        Event::Other,
        Event::Trailers,
    ]);
    parts
}

fn options() -> [Options; 4] {
    let small = Options { max_request_bytes: 600, max_response_bytes: 130, ..Options::default() };
    [
        Options::default(),
        Options { effect: Effect::Report, ..small.clone() },
        Options {
            request_id: EchoId::LeaveOut,
            disabled_rules: vec![Rule::SessionIdOnError],
            ..small.clone()
        },
        Options { disabled_rules: vec![Rule::UncanonicalNotFound], ..small },
    ]
}

#[test]
fn the_laws_hold_in_every_order_of_three_events() {
    let parts = parts();
    let mut events = Vec::new();
    for options in options() {
        for asked in ASKED {
            every(&parts, 3, &mut events, &mut |events| {
                World::new(options.clone(), asked).run(events);
            });
        }
    }
}

fn every(parts: &[Event], left: usize, events: &mut Vec<Event>, run: &mut impl FnMut(&[Event])) {
    // What is begun with a head is an exchange; what has none is not answered.
    if left == 0 {
        run(events);
        return;
    }
    for part in parts {
        events.push(part.clone());
        every(parts, left - 1, events, run);
        events.pop();
    }
}

fn event() -> impl Strategy<Value = Event> {
    let piece = || {
        prop_oneof![
            Just(Vec::new()),
            Just(CANONICAL.to_vec()),
            Just(CANONICAL[..40].to_vec()),
            Just(CANONICAL[40..].to_vec()),
            Just(b"unknown ".to_vec()),
            Just(b"session".to_vec()),
            Just(br#"{"error":{"message":""#.to_vec()),
            proptest::collection::vec(any::<u8>(), 0..80),
        ]
    };
    let rest = || prop_oneof![4 => Just(Rest::Follows), 1 => Just(Rest::Ended)];
    prop_oneof![
        2 => proptest::sample::select(heads()),
        4 => (piece(), rest()).prop_map(|(piece, rest)| Event::Piece(piece, rest)),
        2 => (piece(), rest()).prop_map(|(piece, rest)| Event::RequestPiece(piece, rest)),
        3 => proptest::sample::select(parts()),
    ]
}

const CASES: u32 = 10_000;

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(cases(CASES)) })]

    #[test]
    fn the_laws_hold_by_chance(
        options in proptest::sample::select(options().to_vec()),
        asked in proptest::sample::select(ASKED.to_vec()),
        events in proptest::collection::vec(event(), 0..24),
    ) {
        World::new(options, asked).run(&events);
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_takes_linear_time() {
    // Were each byte a look at all before it, this would be 10 to the 11th.
    let options = Options { max_response_bytes: usize::MAX, ..Options::default() };
    let mut head = RequestHead::new(Method::Post, b"");
    head.add_header(b"mcp-session-id", b"abc");
    let mut exchange = Exchange::new(&Policy::new(options), head);
    exchange.request_piece(CALL, Rest::Ended);
    let mut told = ResponseHead::new(StatusCode::NOT_FOUND);
    told.add_header(b"content-type", b"application/json");
    assert_eq!(Step::Hold, exchange.response_head(told));
    assert_eq!(Step::Hold, exchange.response_piece(br#"{"error":{"message":""#, Rest::Follows));

    for _ in 0..500_000 {
        assert_eq!(Step::Hold, exchange.response_piece(b"x", Rest::Follows));
    }

    assert!(matches!(exchange.response_piece(br#""}}"#, Rest::Ended), Step::Decided(_)));
}

#[test]
fn a_request_that_begins_with_white_space_byte_by_byte_takes_linear_time() {
    // Were each byte a look at all before it, this would be 10 to the 11th.
    let options = Options {
        max_request_bytes: usize::MAX,
        max_remembered_bytes: usize::MAX,
        ..Options::default()
    };
    let mut head = RequestHead::new(Method::Post, b"");
    head.add_header(b"mcp-session-id", b"abc");
    let mut exchange = Exchange::new(&Policy::new(options), head);

    for _ in 0..500_000 {
        exchange.request_piece(b" ", Rest::Follows);
    }

    assert!(exchange.remembers_request());
    exchange.request_piece(b"[", Rest::Follows);
    assert!(!exchange.remembers_request());
}

#[test]
fn all_exchanges_of_a_policy_together_remember_no_more_than_it_says() {
    let options =
        Options { max_request_bytes: 4096, max_remembered_bytes: 2 * 4096, ..Options::default() };
    let policy = Policy::new(options);
    let padded = |size: usize| {
        let text = "x".repeat(size - 60);
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"a","params":{{"a":"{text}"}}}}"#)
    };
    let begun = |body: &str| {
        let mut head = RequestHead::new(Method::Post, b"");
        head.add_header(b"mcp-session-id", b"abc");
        let mut exchange = Exchange::new(&policy, head);
        exchange.request_piece(body.as_bytes(), Rest::Ended);
        exchange
    };
    let answered = |exchange: &mut Exchange| {
        let mut told = ResponseHead::new(StatusCode::NOT_FOUND);
        told.add_header(b"content-type", b"text/plain");
        let Step::Decided(decision) = exchange.response_head(told) else { panic!("no body") };
        let Outcome::Replace(answer) = decision.outcome else { panic!("{decision:?}") };
        answer.body().ends_with(r#""id":7}"#)
    };

    let mut first = begun(&padded(4000));
    let mut second = begun(&padded(4000));
    let mut beyond = begun(&padded(4000));
    assert!(policy.remembered_bytes() <= 2 * 4096);
    assert_eq!((true, false), (answered(&mut first), answered(&mut beyond)));
    // What was decided is remembered no more, so there is room again.
    assert!(answered(&mut begun(&padded(4000))));
    assert!(answered(&mut second));
    drop(beyond);
    assert_eq!(0, policy.remembered_bytes());
}

#[test]
fn what_is_remembered_is_given_back_however_an_exchange_ends() {
    let policy = Policy::new(Options::default());
    let begun = |pieces: &[&[u8]]| {
        let mut head = RequestHead::new(Method::Post, b"");
        head.add_header(b"mcp-session-id", b"abc");
        let mut exchange = Exchange::new(&policy, head);
        for piece in pieces {
            exchange.request_piece(piece, Rest::Follows);
        }
        exchange
    };

    let left = begun(&[b"{", b"\"a\":1"]);
    assert_eq!(2 * 512, policy.remembered_bytes());
    drop(left);
    assert_eq!(0, policy.remembered_bytes());
    let mut cut = begun(&[b"{"]);
    cut.request_cut();
    assert_eq!(0, policy.remembered_bytes());
    let _no_object = begun(&[b"["]);
    assert_eq!(0, policy.remembered_bytes());
}
