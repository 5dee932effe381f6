//! The reader of server-sent events: any bytes cut anywhere give the same events, and those are
//! the ones that a reader of whole streams sees.

use allocation_counter::measure;
use mcp_session_core::sse::{Event, EventReader, EventView, SeenEvent};

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
    assert_eq!(whole.0, seen_in_place(&[stream]), "in place");
    assert_eq!(whole.0, seen_in_place(&pieces(stream, cuts)), "in place, cut at {cuts:?}");
    assert_bounded_memory(stream);
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

/// The events as they are shown in place. The bytes that they take leave nothing out, and each
/// event is what its own bytes make.
fn seen_in_place(pieces: &[&[u8]]) -> Vec<Event> {
    let mut reader = EventReader::new(LIMIT);
    let mut apart = EventReader::new(LIMIT);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut taken = 0;
        let mut events = reader.read_in_place(piece);
        while let Some(SeenEvent { range, event, .. }) = events.next_event() {
            assert_eq!(taken, range.start, "what is between two events");
            taken = range.end;
            let event = owned(event);
            let own: Vec<Event> = apart.read(&piece[range]).collect();
            assert_eq!([&event], own.iter().collect::<Vec<_>>().as_slice(), "its own bytes");
            assert!(apart.is_between_events(), "an event ends where its bytes do");
            seen.push(event);
        }
        drop(events);
        assert_eq!(0, apart.read(&piece[taken..]).count(), "behind the last event");
        assert_eq!(reader.is_between_events(), apart.is_between_events());
    }
    if reader.is_between_events() {
        let added: Vec<Event> = reader.read(b"data: added\n\n").collect();
        assert!(matches!(&*added, [Event::Message { data, .. }] if data == "added"), "{added:?}");
    }
    seen
}

fn owned(event: EventView<'_>) -> Event {
    match event {
        EventView::Message { event, data, id } => {
            Event::Message { event: event.to_owned(), data: data.to_owned(), id: id.clone() }
        }
        EventView::TooLong => Event::TooLong,
    }
}

/// Whatever comes in and however much of it: a reader takes a multiple of the limit, be its events
/// taken one by one, looked at in place, or dropped.
fn assert_bounded_memory(stream: &[u8]) {
    /// Four texts in vectors that double, and are copied while they do; three bytes for each that
    /// is no UTF-8.
    const ALLOWED: u64 = 32 * LIMIT as u64;

    let taken = measure(|| EventReader::new(LIMIT).read(stream).for_each(drop));
    let in_place = measure(|| {
        let mut reader = EventReader::new(LIMIT);
        let mut events = reader.read_in_place(stream);
        while events.next_event().is_some() {}
    });
    let dropped = measure(|| drop(EventReader::new(LIMIT).read(stream)));
    for spent in [taken, in_place, dropped] {
        assert!(spent.bytes_max <= ALLOWED, "{} bytes for {}", spent.bytes_max, stream.len());
    }
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
            // The limit of an ID is less only where that of the reader is more.
            b"id" if !value.contains(&0) && value.len() <= LIMIT => id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // More digits than a number holds are the largest one.
                retry = Some(text(value).parse().unwrap_or(u64::MAX));
            }
            b"" if line.is_empty() => {
                let (event, id) = (std::mem::take(&mut event), id.take());
                let is_too_long = |value: &[u8]| value.len() > LIMIT;
                last_event_id = id.as_deref().map_or(last_event_id, text);
                let Some(data) = data.take() else { continue };
                let parts = [&event, &data];
                events.push(if parts.into_iter().any(|it| is_too_long(it)) {
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

/// The stream in pieces of these lengths, and what is left of it.
pub(crate) fn pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
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
