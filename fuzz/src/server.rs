//! The server machine, held against its laws in any order of what can happen.

use arbitrary::{Result, Unstructured};
use mcp_session_core::server::{EchoId, Effect, Options, Rest};
use mcp_session_core::{Method, Rule};
use mcp_session_testing::server::world::{Answered, Asked, Event, World};

/// Sequences longer than this find nothing that shorter ones do not.
const LONGEST: usize = 40;

const BODIES: [&[u8]; 6] = [
    br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
    br#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#,
    br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}"#,
    b"unknown session",
    b"Unauthorized: Session not found",
    br#"{"error":{"message":"unknown session"}}"#,
];

/// Asserts the invariant of the target `server` for the events these bytes spell.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    // Bytes that spell no event end the sequence.
    let _end = run(&mut Unstructured::new(data));
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let options = Options {
        effect: *input.choose(&[Effect::Correct, Effect::Correct, Effect::Report])?,
        request_id: *input.choose(&[EchoId::Repeat, EchoId::LeaveOut])?,
        max_request_bytes: *input.choose(&[4096, 600, 46])?,
        max_response_bytes: *input.choose(&[4096, 130, 0])?,
        disabled_rules: input
            .choose(&[vec![], vec![Rule::SessionIdOnError], vec![Rule::UncanonicalNotFound]])?
            .clone(),
        ..Options::default()
    };
    let asked = Asked {
        method: *input.choose(&[Method::Post, Method::Post, Method::Get, Method::Other])?,
        session_ids: input.choose(&[&["abc"][..], &["abc", "abc"], &["abc", "abd"], &[], &[""]])?,
        query: input.choose(&["", "", "session_id=abc"])?,
        version: *input.choose(&[None, Some("2025-11-25"), Some("2026-07-28")])?,
    };
    let mut events = Vec::new();
    while events.len() < LONGEST && !input.is_empty() {
        events.push(event(input)?);
    }
    World::new(options, asked).run(&events);
    Ok(())
}

fn event(input: &mut Unstructured<'_>) -> Result<Event> {
    Ok(match input.int_in_range(0..=15_u8)? {
        0 => Event::Ask,
        1 => Event::WaitOver,
        2 => Event::RequestCut,
        3..=5 => Event::RequestPiece(piece(input)?, rest(input)?),
        6..=8 => Event::Head(Answered {
            status: *input.choose(&[400, 404, 401, 500, 200, 202, 304])?,
            session_id: *input.choose(&[None, Some("fresh"), Some("two words")])?,
            is_json: input.arbitrary()?,
        }),
        9..=13 => Event::Piece(piece(input)?, rest(input)?),
        14 => Event::Other,
        15.. => Event::Trailers,
    })
}

fn rest(input: &mut Unstructured<'_>) -> Result<Rest> {
    Ok(*input.choose(&[Rest::Follows, Rest::Ended])?)
}

/// A part of a body that matters, or any bytes.
fn piece(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if input.int_in_range(0..=7_u8)? == 0 {
        let length = input.int_in_range(0..=16)?;
        return Ok(input.bytes(length)?.to_vec());
    }
    let body = *input.choose(&BODIES)?;
    let start = input.int_in_range(0..=3_usize)? * body.len() / 4;
    let end = input.int_in_range(0..=3_usize)? * body.len() / 4;
    Ok(body.get(start..body.len() - end).unwrap_or_default().to_vec())
}
