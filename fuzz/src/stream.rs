//! The reader of server-sent events: any bytes cut anywhere give the same events.

use mcp_session_core::events::{Event, EventReader};

/// Small, so that what is beyond it is within a fuzzer's reach.
const LIMIT: usize = 64;

/// Asserts the invariant of the target `stream`: of each pair of bytes that `data` begins with
/// as many cuts as its first byte says, the rest is the stream.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let (cuts, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));

    let whole = read([stream]);

    assert_eq!(whole, read(stream.chunks(1)), "byte by byte");
    assert_eq!(whole, read(pieces(stream, cuts)), "cut at {cuts:?}");
    for event in &whole.0 {
        assert_bounded(event);
    }
}

/// What a reader makes of a stream: its events, its last event ID, its reconnection time.
type Reading = (Vec<Event>, String, Option<u64>);

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut reader = EventReader::new(LIMIT);
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(reader.read(piece));
    }
    (events, reader.last_event_id().to_owned(), reader.retry())
}

/// The stream in pieces of these lengths, over and over.
fn pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = stream.split_at(usize::from(*length).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

/// The limit counts bytes as they came; an invalid one is up to three in the text.
fn assert_bounded(event: &Event) {
    match event {
        Event::Message { event, data, id } => {
            for text in [event.as_str(), data, id] {
                assert!(text.len() <= 3 * LIMIT.max("message".len()), "{} bytes", text.len());
            }
        }
        Event::TooLong => {}
    }
}
