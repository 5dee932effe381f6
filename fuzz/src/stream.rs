//! The reader of server-sent events: any bytes cut anywhere give the same events, and those are
//! the ones that a reader of whole streams sees.

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
    assert_eq!(whole, read_at_once(stream), "by the standard");
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

/// What the standard makes of a whole stream, line by line.
///
/// > The stream must then be parsed by reading everything line by line, with a U+000D CARRIAGE
/// > RETURN U+000A LINE FEED (CRLF) character pair, a single U+000A LINE FEED (LF) character not
/// > preceded by a U+000D CARRIAGE RETURN (CR) character, and a single U+000D CARRIAGE RETURN (CR)
/// > character not followed by a U+000A LINE FEED (LF) character being the ways in which a line
/// > can end.
/// >
/// > <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>
fn read_at_once(stream: &[u8]) -> Reading {
    let (mut events, mut last_event_id, mut retry) = (Vec::new(), String::new(), None);
    let (mut event, mut data, mut id) = (Vec::new(), None::<Vec<u8>>, None::<Vec<u8>>);
    for line in lines(stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream)) {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => event = value.to_vec(),
            b"data" => match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            },
            b"id" if !value.contains(&0) => id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // More digits than a number holds are the largest one.
                retry = Some(text(value).parse().unwrap_or(u64::MAX));
            }
            b"" if line.is_empty() => {
                let (event, id) = (std::mem::take(&mut event), id.take());
                let is_too_long = |value: &[u8]| value.len() > LIMIT;
                let kept = id.as_deref().filter(|id| !is_too_long(id));
                last_event_id = kept.map_or(last_event_id, text);
                let Some(data) = data.take() else { continue };
                let parts = [Some(&event), Some(&data), id.as_ref()];
                events.push(if parts.into_iter().flatten().any(|it| is_too_long(it)) {
                    Event::TooLong
                } else {
                    Event::Message {
                        event: if event.is_empty() { "message".to_owned() } else { text(&event) },
                        data: text(&data),
                        id: last_event_id.as_str().into(),
                    }
                });
            }
            _ => {}
        }
    }
    (events, last_event_id, retry)
}

/// The lines that are ended.
fn lines(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = stream.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        lines.push(&stream[..end]);
        let length = if stream[end..].starts_with(b"\r\n") { 2 } else { 1 };
        stream = &stream[end + length..];
    }
    lines
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
