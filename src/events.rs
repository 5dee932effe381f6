//! Server-sent events out of bytes that come in any pieces.
//!
//! This is the HTML standard's [interpretation of an event stream][standard], without the
//! connection around it. Any bytes may come in, and they mean the same however they are
//! cut: **the same bytes give the same events, the same last event ID and the same
//! reconnection time, whether they come whole, one by one or cut anywhere else.**
//!
//! Memory is bounded by a small multiple of the limit, whatever comes in. Time is linear in
//! the bytes read: none is looked at again when more come.
//!
//! # Rulings
//!
//! Where the standard leaves something open, or has no limit, this is what holds here.
//!
//! | input | ruling | reason |
//! |---|---|---|
//! | data, type or ID beyond the limit | [`Event::TooLong`] | nobody waits for it unawares |
//! | an ID beyond the limit | the last event ID stays | resuming too early loses nothing |
//! | data or type beyond the limit | the ID counts | resuming does not meet it again |
//! | anything beyond the limit, but no data | no event | as within the limit |
//! | a comment or an unknown field | any length is read | nothing of it is kept |
//! | `retry` without digits | ignored | it is no number |
//! | `retry` beyond 2^64-1 | 2^64-1 | the nearest there is |
//!
//! The limit counts bytes as they came; an invalid byte is up to three in the text.
//!
//! [standard]: https://html.spec.whatwg.org/#event-stream-interpretation

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{fmt, mem};

/// Reads server-sent events from bytes that come in any pieces.
///
/// A reader reads one stream: the body of one response. An event that the stream leaves
/// unfinished is none, so there is nothing to be done at its end.
///
/// ```
/// use mcp_session_core::events::{Event, EventReader};
/// use mcp_session_core::{Kind, peek};
///
/// let mut reader = EventReader::default();
/// assert_eq!(reader.read(b"id: 4\r\ndata: {\"id\":7,").count(), 0);
///
/// for event in reader.read(b"\"result\":{}}\r\n\r\n: bye\r\n") {
///     match event {
///         Event::Message { data, .. } => assert_eq!(peek(data.as_bytes()).kind(), Kind::Response),
///         other => panic!("a message, not {other:?}"),
///     }
/// }
/// assert_eq!(reader.last_event_id(), "4");
/// ```
pub struct EventReader {
    limit: usize,
    /// Whether a byte order mark may still come.
    at_start: bool,
    /// Whether a line feed would belong to the line end before it.
    after_return: bool,
    line: Line,
    /// What there is of the name of the current line's field.
    name: Vec<u8>,
    /// `None` without a `data` field; no line feed behind the last one.
    data: Option<Buffer>,
    event: Buffer,
    /// `None` without an `id` field that counts.
    id: Option<Buffer>,
    last_event_id: Arc<str>,
    retry: Option<u64>,
}

impl EventReader {
    /// The limit of the [default](Self::default) reader, in bytes: 4 MiB.
    pub const DEFAULT_LIMIT: usize = 4 * 1024 * 1024;

    /// Keeps at most `limit` bytes of one event's data, and as many of its type and of its
    /// ID.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            at_start: true,
            after_return: false,
            line: Line::Name,
            name: Vec::new(),
            data: None,
            event: Buffer::EMPTY,
            id: None,
            last_event_id: Arc::default(),
            retry: None,
        }
    }

    /// Takes the next bytes and hands out the events they complete, in order.
    pub fn read<'r>(&'r mut self, bytes: &'r [u8]) -> Events<'r> {
        Events { reader: self, bytes }
    }

    /// The ID of the last event that bore one, even without data; empty at first, and
    /// again after an empty ID.
    ///
    /// It is what `Last-Event-ID` asks to resume from. An event changes it when it is
    /// complete and not before. An ID that holds a NUL is ignored.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The time to wait before connecting anew, in milliseconds, if a `retry` field gave
    /// one.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Takes bytes of the current line.
    fn read_piece(&mut self, mut piece: &[u8]) {
        self.after_return &= piece.is_empty();
        if matches!(self.line, Line::Name) {
            piece = self.read_name(piece);
        }
        if piece.is_empty() {
            return;
        }
        self.line = match mem::replace(&mut self.line, Line::Ignored) {
            Line::Colon(value) => value.with(piece.strip_prefix(b" ").unwrap_or(piece), self.limit),
            Line::Value(value) => value.with(piece, self.limit),
            line @ (Line::Name | Line::Ignored) => line,
        };
    }

    /// Gives back what stands behind the colon.
    fn read_name<'p>(&mut self, mut piece: &'p [u8]) -> &'p [u8] {
        while let Some((byte, rest)) = piece.split_first() {
            piece = rest;
            if *byte == b':' {
                self.line = self.begin_value().map_or(Line::Ignored, Line::Colon);
                break;
            }
            self.name.push(*byte);
            if self.at_start && self.name == BYTE_ORDER_MARK {
                self.at_start = false;
                self.name.clear();
            }
            if self.name.len() > LONGEST_NAME {
                self.name.clear();
                self.line = Line::Ignored;
                break;
            }
        }
        piece
    }

    /// `None` if the name is unknown, or none because the line is a comment.
    fn begin_value(&mut self) -> Option<Value> {
        let value = match self.name.as_slice() {
            b"event" => Some(Value::Event(Buffer::EMPTY)),
            b"data" => Some(Value::Data(match self.data.take() {
                Some(data) => data.with(b"\n", self.limit),
                None => Buffer::EMPTY,
            })),
            b"id" => Some(Value::Id(Buffer::EMPTY)),
            b"retry" => Some(Value::Retry(None)),
            _ => None,
        };
        self.name.clear();
        value
    }

    /// Takes a carriage return or a line feed.
    fn end_line(&mut self, end: u8) -> Option<Event> {
        self.at_start = false;
        let after_return = mem::replace(&mut self.after_return, end == b'\r');
        let value = match mem::replace(&mut self.line, Line::Name) {
            Line::Name if after_return && end == b'\n' => None,
            Line::Name if self.name.is_empty() => return self.dispatch(),
            Line::Name => self.begin_value(),
            Line::Colon(value) | Line::Value(value) => Some(value),
            Line::Ignored => None,
        };
        if let Some(value) = value {
            self.end_value(value);
        }
        None
    }

    fn end_value(&mut self, value: Value) {
        match value {
            Value::Event(event) => self.event = event,
            Value::Data(data) => self.data = Some(data),
            Value::Id(id) => self.id = Some(id),
            Value::Retry(Some(retry)) => self.retry = Some(retry),
            Value::Retry(None) => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = mem::replace(&mut self.event, Buffer::EMPTY).into_text();
        let id = match self.id.take() {
            Some(id) => id.into_text().map(Arc::from),
            None => Some(Arc::clone(&self.last_event_id)),
        };
        if let Some(id) = &id {
            self.last_event_id = Arc::clone(id);
        }
        let (Some(mut event), Some(data), Some(id)) = (event, self.data.take()?.into_text(), id)
        else {
            return Some(Event::TooLong);
        };
        if event.is_empty() {
            event.push_str("message");
        }
        Some(Event::Message { event, data, id })
    }
}

/// A reader with a limit of [4 MiB](Self::DEFAULT_LIMIT).
impl Default for EventReader {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl fmt::Debug for EventReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest is what users say to tools; it is nobody's to log.
        formatter
            .debug_struct("EventReader")
            .field("limit", &self.limit)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The events that some bytes complete, as [`EventReader::read`] hands them out.
///
/// Dropping it reads the bytes that are left; their events are lost, and nothing else.
#[must_use = "events that are not taken are lost"]
pub struct Events<'r> {
    reader: &'r mut EventReader,
    bytes: &'r [u8],
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let length = self.bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let Some((piece, [end, rest @ ..])) =
                length.and_then(|length| self.bytes.split_at_checked(length))
            else {
                self.reader.read_piece(mem::take(&mut self.bytes));
                return None;
            };
            self.bytes = rest;
            self.reader.read_piece(piece);
            if let Some(event) = self.reader.end_line(*end) {
                return Some(event);
            }
        }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// What a stream holds.
///
/// Exhaustive on purpose: an event is whole or it is not.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// An event, whole.
    Message {
        /// Its type, which is `message` unless it says otherwise.
        event: String,
        /// Its data. MCP has one JSON-RPC message in it, or nothing at all.
        data: String,
        /// The last event ID as of this event, whether it bore one or not.
        ///
        /// Shared, so that a long one does not cost its length with every event after it.
        id: Arc<str>,
    },
    /// An event of which the data, the type or the ID is longer than the limit. None of
    /// them was kept.
    TooLong,
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The data is what users say to tools, and an ID may tell of a session.
            Self::Message { event, data, id: _ } => formatter
                .debug_struct("Message")
                .field("event", event)
                .field("data", &format_args!("{} bytes", data.len()))
                .finish_non_exhaustive(),
            Self::TooLong => formatter.write_str("TooLong"),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The length of `event` and of `retry`.
const LONGEST_NAME: usize = 5;

/// Where in its line the next byte stands.
enum Line {
    /// In the name of a field.
    Name,
    /// Right behind the colon, where a space does not belong to the value.
    Colon(Value),
    Value(Value),
    /// In what does not count: a comment, an unknown field, a value that is of no use.
    Ignored,
}

/// What there is of the value of a field.
enum Value {
    Event(Buffer),
    /// That of the fields before it included.
    Data(Buffer),
    Id(Buffer),
    /// `None` before the first digit.
    Retry(Option<u64>),
}

impl Value {
    fn with(self, bytes: &[u8], limit: usize) -> Line {
        match self {
            Self::Event(event) => Line::Value(Self::Event(event.with(bytes, limit))),
            Self::Data(data) => Line::Value(Self::Data(data.with(bytes, limit))),
            Self::Id(_) if bytes.contains(&0) => Line::Ignored,
            Self::Id(id) => Line::Value(Self::Id(id.with(bytes, limit))),
            Self::Retry(retry) => bytes
                .iter()
                .try_fold(retry, |retry, byte| {
                    let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
                    Some(Some(retry.unwrap_or(0).saturating_mul(10).saturating_add(digit)))
                })
                .map_or(Line::Ignored, |retry| Line::Value(Self::Retry(retry))),
        }
    }
}

/// Bytes up to a limit, or none at all.
enum Buffer {
    Kept(Vec<u8>),
    TooLong,
}

impl Buffer {
    const EMPTY: Self = Self::Kept(Vec::new());

    fn with(self, bytes: &[u8], limit: usize) -> Self {
        match self {
            Self::Kept(mut kept) if bytes.len() <= limit.saturating_sub(kept.len()) => {
                kept.extend_from_slice(bytes);
                Self::Kept(kept)
            }
            Self::Kept(_) | Self::TooLong => Self::TooLong,
        }
    }

    /// Only here, where the value is whole, are characters made of the bytes. The line ends
    /// and the colon around it are ASCII, which never stands within a character.
    fn into_text(self) -> Option<String> {
        match self {
            Self::Kept(bytes) => Some(
                String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
            Self::TooLong => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::{format, vec};

    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const LINE_ENDS: [&str; 3] = ["\n", "\r", "\r\n"];

    /// Type, data and ID of a message; `None` where an event was too long.
    type Seen = Option<(String, String, String)>;

    fn seen(event: Event) -> Seen {
        match event {
            Event::Message { event, data, id } => Some((event, data, (*id).to_owned())),
            Event::TooLong => None,
        }
    }

    fn message(event: &str, data: &str, id: &str) -> Seen {
        Some((event.to_owned(), data.to_owned(), id.to_owned()))
    }

    /// Everything that is to be known of a stream.
    #[derive(Debug, PartialEq, Eq)]
    struct Outcome {
        events: Vec<Seen>,
        last_event_id: String,
        retry: Option<u64>,
    }

    fn read<'p>(limit: usize, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
        let mut reader = EventReader::new(limit);
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(reader.read(piece).map(seen));
        }
        Outcome { events, last_event_id: reader.last_event_id().to_owned(), retry: reader.retry }
    }

    fn read_whole(stream: impl AsRef<[u8]>) -> Outcome {
        read(usize::MAX, [stream.as_ref()])
    }

    #[track_caller]
    fn assert_events(stream: impl AsRef<[u8]>, expected: &[Seen]) {
        assert_eq!(expected, read_whole(stream).events);
    }

    #[track_caller]
    fn assert_data(stream: impl AsRef<[u8]>, expected: &[&str]) {
        let expected: Vec<Seen> =
            expected.iter().map(|data| message("message", data, "")).collect();
        assert_events(stream, &expected);
    }

    #[test]
    fn the_examples_of_the_standard_read_as_it_says() {
        assert_data(
            "data: This is the first message.\n\n\
             data: This is the second message, it\ndata: has two lines.\n\n\
             data: This is the third message.\n\n",
            &[
                "This is the first message.",
                "This is the second message, it\nhas two lines.",
                "This is the third message.",
            ],
        );
        assert_events(
            "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n\
             event: add\ndata: 113411\n\n",
            &[
                message("add", "73857293", ""),
                message("remove", "2153", ""),
                message("add", "113411", ""),
            ],
        );
        assert_data("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"]);
        assert_events(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
             data:  third event\n\n",
            &[
                message("message", "first event", "1"),
                message("message", "second event", ""),
                message("message", " third event", ""),
            ],
        );
        assert_data("data\n\ndata\ndata\n\ndata:", &["", "\n"]);
        assert_data("data:test\n\ndata: test\n\n", &["test", "test"]);
    }

    #[test]
    fn all_line_ends_end_a_line_alike() {
        for first in LINE_ENDS {
            for second in LINE_ENDS {
                for third in LINE_ENDS {
                    let stream = format!("data:a{first}data:b{second}{third}data:c\n\n");
                    // A return and a line feed are one line end, wherever they come from.
                    let ended = second != "\r" || third != "\n";

                    let expected: &[&str] = if ended { &["a\nb", "c"] } else { &["a\nb\nc"] };
                    assert_data(stream, expected);
                }
            }
        }
    }

    #[test]
    fn an_event_is_handed_out_with_the_return_of_its_last_line_end() {
        let mut reader = EventReader::default();

        assert_eq!(1, reader.read(b"data: a\r\n\r").count());
        assert_eq!(0, reader.read(b"").count());
        assert_eq!(0, reader.read(b"\n").count());
        assert_eq!(1, reader.read(b"data\n\n").count());
    }

    #[test]
    fn one_byte_order_mark_is_passed_over_and_only_at_the_start() {
        assert_data("\u{feff}data: a\n\n", &["a"]);
        assert_data("\u{feff}:\ndata: a\n\n", &["a"]);
        assert_data("\u{feff}\ndata: a\n\n", &["a"]);
        assert_data("\u{feff}\u{feff}data: a\n\n", &[]);
        assert_data("\n\u{feff}data: a\n\n", &[]);
        assert_data("da\u{feff}ta: a\n\n", &[]);
        assert_data("data: \u{feff}a\n\n", &["\u{feff}a"]);
        assert_data(b"\xEF\xBBdata: a\n\n", &[]);
        assert_data(b"\xEF\xBB\n\xBFdata: a\n\ndata: b\n\n", &["b"]);
    }

    #[test]
    fn invalid_bytes_read_as_the_replacement_character() {
        assert_data(b"data: \xFF\n\n", &["\u{fffd}"]);
        assert_data(b"data: \xE2\x82\ndata: \xAC\n\n", &["\u{fffd}\n\u{fffd}"]);
        assert_data(b"data: \xF0\x9F\x98a\xED\xA0\x80\n\n", &["\u{fffd}a\u{fffd}\u{fffd}\u{fffd}"]);
        assert_eq!("\u{fffd}", read_whole(b"id: \xC3\n\n").last_event_id);
        assert_data(b"d\xFFata: a\n\n", &[]);
    }

    #[test]
    fn a_colon_divides_and_one_space_behind_it_goes() {
        for (line, data) in [
            ("data", ""),
            ("data:", ""),
            ("data: ", ""),
            ("data:  ", " "),
            ("data::", ":"),
            ("data: :", ":"),
            ("data:a: b", "a: b"),
            ("data:\ta", "\ta"),
            ("data: a ", "a "),
        ] {
            assert_data(format!("{line}\n\n"), &[data]);
        }
    }

    #[test]
    fn comments_and_unknown_fields_are_passed_over() {
        for line in [
            ":",
            ": data: b",
            "::",
            " data: b",
            "data : b",
            "Data: b",
            "dat: b",
            "dataa: b",
            "dat",
            "retryy: 1",
            "events: b",
            "i: b",
            "\0: b",
            "\u{e9}: b",
        ] {
            assert_events(format!("{line}\ndata: a\n\n"), &[message("message", "a", "")]);
            assert_data(format!("data: a\n{line}\ndata: c\n\n"), &["a\nc"]);
        }
    }

    #[test]
    fn the_last_event_field_gives_the_type_of_its_event_only() {
        assert_events(
            "event: a\nevent: b\ndata\n\ndata\n\nevent: c\nevent\ndata\n\nevent: d\n\ndata\n\n",
            &[
                message("b", "", ""),
                message("message", "", ""),
                message("message", "", ""),
                message("message", "", ""),
            ],
        );
    }

    #[test]
    fn an_id_stays_until_another_event_bears_one() {
        assert_events(
            "id: 1\ndata\n\ndata\n\nid: 2\n\ndata\n\nid: 3\nid: 4\ndata\n\nid\ndata\n\n",
            &["1", "1", "2", "4", ""].map(|id| message("message", "", id)),
        );
    }

    #[test]
    fn an_id_counts_from_the_end_of_its_event() {
        let mut reader = EventReader::default();
        for (bytes, id) in
            [("id: 1\n\nid: 2\n", "1"), ("data", "1"), ("\n", "1"), ("\n", "2"), ("id: 3", "2")]
        {
            assert!(reader.read(bytes.as_bytes()).count() < 2);

            assert_eq!(id, reader.last_event_id(), "{bytes:?}");
        }
    }

    #[test]
    fn an_id_with_nul_is_ignored() {
        for id in ["\0", "a\0", "\0a", "a\0b"] {
            let outcome = read_whole(format!("id: 1\n\nid: {id}\ndata\n\n"));

            assert_eq!([message("message", "", "1")].as_slice(), outcome.events);
            assert_eq!("2", read_whole(format!("id: 2\nid: {id}\n\n")).last_event_id);
        }
        assert_events("event: \0\ndata: \0\n\n", &[message("\0", "\0", "")]);
    }

    #[test]
    fn events_without_an_id_share_the_one_before() {
        let ids: Vec<Arc<str>> = EventReader::default()
            .read(b"id: 1\ndata\n\ndata\n\n")
            .map(|event| {
                let Event::Message { id, .. } = event else { panic!("{event:?}") };
                id
            })
            .collect();

        assert!(Arc::ptr_eq(&ids[0], &ids[1]));
    }

    #[test]
    fn retry_is_digits_only() {
        for (line, retry) in [
            ("retry: 0", Some(0)),
            ("retry:0003000", Some(3000)),
            ("retry: 18446744073709551615", Some(u64::MAX)),
            ("retry: 18446744073709551616", Some(u64::MAX)),
            ("retry: 99999999999999999999999999", Some(u64::MAX)),
            ("retry: 7\nretry: 8", Some(8)),
            ("retry: 7\nretry: x", Some(7)),
            ("retry: 7\nretry", Some(7)),
            ("retry", None),
            ("retry:", None),
            ("retry: ", None),
            ("retry:  1", None),
            ("retry: 1 ", None),
            ("retry: -1", None),
            ("retry: +1", None),
            ("retry: 1.0", None),
            ("retry: 1e3", None),
            ("retry: 0x1", None),
            ("retry: \u{661}", None),
        ] {
            assert_eq!(None, read_whole(line.rsplit('\n').next().unwrap()).retry, "{line:?}");
            assert_eq!(retry, read_whole(format!("{line}\n")).retry, "{line:?}");
        }
    }

    #[test]
    fn what_is_unfinished_at_the_end_is_no_event() {
        for stream in
            ["data: a", "data: a\n", "data: a\n:", "data: a\n\ndata: b\r\ndata", "\u{feff}"]
        {
            let finished = usize::from(stream.contains("\n\n"));

            assert_eq!(finished, read_whole(stream).events.len(), "{stream:?}");
        }
    }

    #[test]
    fn an_event_of_the_limit_is_kept_and_a_byte_more_is_too_long() {
        for (line, within) in [
            ("data: 1234", true),
            ("data: 12345", false),
            ("data:1\ndata:23", true),
            ("data:1\ndata:234", false),
            ("data\ndata\ndata\ndata\ndata", true),
            ("data\ndata\ndata\ndata\ndata\ndata", false),
            ("data: \u{e9}\u{e9}", true),
            ("data: \u{e9}\u{e9}1", false),
            ("data\nevent: 1234", true),
            ("data\nevent: 12345", false),
            ("data\nevent: 12345\nevent: 1", true),
            ("data\nid: 1234", true),
            ("data\nid: 12345", false),
            ("data\nid: 12345\nid: 1", true),
            ("data\nid: 1234567\0", true),
            ("data\nretry: 0000000001", true),
            ("data\n: 123456789", true),
            ("data\nunknown: 123456789", true),
        ] {
            let stream = format!("{line}\n\n");

            let events = read(4, [stream.as_bytes()]).events;

            let kept: Vec<bool> = events.iter().map(Option::is_some).collect();
            assert_eq!([within].as_slice(), kept, "{line:?}");
        }
    }

    #[test]
    fn events_after_one_too_long_are_read() {
        for field in ["data", "event", "id"] {
            let long = "x".repeat(9);
            let stream = format!(
                "id: 1\ndata: a\n\ndata: c\n{field}: {long}\ndata: b\n\ndata: b\n\n{field}: {long}"
            );

            assert_eq!(
                [message("message", "a", "1"), None, message("message", "b", "1")].as_slice(),
                read(4, [stream.as_bytes()]).events,
            );
        }
    }

    #[test]
    fn an_event_too_long_sets_the_last_event_id_unless_it_is_the_id_that_is() {
        assert_eq!("2", read(4, [&b"id: 1\n\nid: 2\ndata: 12345\n\n"[..]]).last_event_id);
        assert_eq!("1", read(4, [&b"id: 1\n\nid: 12345\ndata\n\n"[..]]).last_event_id);
    }

    #[test]
    fn an_event_too_long_without_data_is_none() {
        let outcome = read(4, [&b"id: 1\n\nid: 12345\nevent: 12345\n\n"[..]]);

        assert_eq!(Outcome { events: vec![], last_event_id: "1".to_owned(), retry: None }, outcome);
    }

    #[test]
    fn dropping_events_reads_what_is_left() {
        let mut reader = EventReader::default();

        drop(reader.read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c"));

        assert_eq!("2", reader.last_event_id());
        let rest: Vec<Seen> = reader.read(b"d\n\n").map(seen).collect();
        assert_eq!([message("message", "cd", "2")].as_slice(), rest);
    }

    #[test]
    fn a_long_line_costs_linear_time_byte_by_byte() {
        // Looking again at what is there would take hours.
        let mut stream = b"data: ".to_vec();
        stream.resize(EventReader::DEFAULT_LIMIT + stream.len(), b'x');
        stream.extend(b"\n\n");

        let outcome = read(EventReader::DEFAULT_LIMIT, stream.chunks(1));

        let [Some((_, data, _))] = outcome.events.as_slice() else { panic!("one event") };
        assert_eq!(EventReader::DEFAULT_LIMIT, data.len());
    }

    #[test]
    fn debug_shows_neither_data_nor_ids() {
        let mut reader = EventReader::new(64);
        let events: Vec<Event> = reader
            .read(b"event: e\nid: secret\ndata: secret\n\nid: secret\ndata: secret")
            .collect();

        assert_eq!(r#"[Message { event: "e", data: 6 bytes, .. }]"#, format!("{events:?}"));
        assert_eq!("EventReader { limit: 64, retry: None, .. }", format!("{reader:?}"));
        assert_eq!("TooLong", format!("{:?}", Event::TooLong));
    }

    /// The standard word by word: the whole text is decoded, then cut into lines. The
    /// limit is of the text, so it is the reader's for valid UTF-8 only.
    fn reference(limit: usize, stream: &[u8]) -> Outcome {
        let text = String::from_utf8_lossy(stream);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.pop();

        let (mut data, mut event, mut id, mut last_id) = (String::new(), "", "", "");
        let (mut events, mut retry) = (vec![], None);
        for line in lines {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if let Some(data) = data.strip_suffix('\n') {
                        let fits = [data, event, id].iter().all(|text| text.len() <= limit);
                        let event = if event.is_empty() { "message" } else { event };
                        events.push(message(event, data, id).filter(|_| fits));
                    }
                    last_id = if id.len() <= limit { id } else { last_id };
                    (data, event, id) = (String::new(), "", last_id);
                }
                "event" => event = value,
                "data" => data.extend([value, "\n"]),
                "id" if !value.contains('\0') => id = value,
                "retry" if !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit()) => {
                    retry = Some(value.parse().unwrap_or(u64::MAX));
                }
                _ => {}
            }
        }
        Outcome { events, last_event_id: last_id.to_owned(), retry }
    }

    /// Text that is like an event stream in places.
    fn texts() -> impl Strategy<Value = String> {
        let field = (select(vec!["data", "event", "id", "retry"]), select(vec![":", ": ", ":  "]))
            .prop_map(|(name, colon)| format!("{name}{colon}"));
        let part = prop_oneof![
            6 => field,
            6 => select(vec!["\n", "\r", "\r\n"]).prop_map(str::to_owned),
            3 => select(vec!["\n\n", "\r\r", "\r\n\r\n", "\n\r", "data: a\n\n"])
                .prop_map(str::to_owned),
            3 => "[a-z0-9 :]{0,9}",
            2 => "[0-9]{1,21}",
            2 => select(vec!["data", "id", "event", "retry", "dat", "datas", ":", " ", "\0"])
                .prop_map(str::to_owned),
            1 => select(vec!["\u{feff}", "\u{e9}", "\u{20ac}", "\u{1f600}"])
                .prop_map(str::to_owned),
        ];
        (select(vec!["", "", "\u{feff}"]), prop::collection::vec(part, 0..40))
            .prop_map(|(start, parts)| format!("{start}{}", parts.concat()))
    }

    /// Such text with a few bytes broken, and any bytes at all.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let broken = (texts(), prop::collection::vec((any::<Index>(), any::<u8>()), 0..4));
        prop_oneof![
            2 => texts().prop_map(String::into_bytes),
            2 => broken.prop_map(|(text, changes)| {
                let mut bytes = text.into_bytes();
                for (place, byte) in changes {
                    if let Some(place) = (!bytes.is_empty()).then(|| place.index(bytes.len())) {
                        bytes[place] = byte;
                    }
                }
                bytes
            }),
            1 => prop::collection::vec(any::<u8>(), 0..200),
        ]
    }

    fn limits() -> impl Strategy<Value = usize> {
        prop_oneof![0..12_usize, Just(usize::MAX)]
    }

    fn cut<'s>(mut stream: &'s [u8], places: &[Index]) -> Vec<&'s [u8]> {
        let mut places: Vec<usize> =
            places.iter().map(|place| place.index(stream.len() + 1)).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        for place in places.into_iter().rev() {
            let (rest, piece) = stream.split_at(place);
            stream = rest;
            pieces.push(piece);
        }
        pieces.push(stream);
        pieces.reverse();
        pieces
    }

    /// The bytes a reader has memory for.
    fn held(reader: &EventReader) -> usize {
        let capacity = |buffer: &Buffer| match buffer {
            Buffer::Kept(bytes) => bytes.capacity(),
            Buffer::TooLong => 0,
        };
        let line = match &reader.line {
            Line::Colon(value) | Line::Value(value) => match value {
                Value::Event(buffer) | Value::Data(buffer) | Value::Id(buffer) => capacity(buffer),
                Value::Retry(_) => 0,
            },
            Line::Name | Line::Ignored => 0,
        };
        line + reader.name.capacity()
            + capacity(&reader.event)
            + reader.data.as_ref().map_or(0, capacity)
            + reader.id.as_ref().map_or(0, capacity)
            + reader.last_event_id.len()
    }

    /// Four buffers that may have grown to twice what is in them, and an ID of invalid
    /// bytes only; and what the least of buffers take.
    fn held_at_most(limit: usize) -> usize {
        (4 * 2 + 3) * limit + 64
    }

    #[test]
    fn no_endless_stream_takes_more_memory_than_a_multiple_of_the_limit() {
        const LIMIT: usize = 1000;
        for part in
            ["x", "data", "data: ", "data: x\n", "data\n", ":", "\0", "\n", "id: x\n", "retry: 1\n"]
        {
            for start in
                ["", "data:", "event:", "id:", "retry:", ":", "unknown:", "data:x\nid:x\nevent:"]
            {
                let mut reader = EventReader::new(LIMIT);
                assert_eq!(0, reader.read(start.as_bytes()).count());
                for _ in 0..5 * LIMIT {
                    assert!(reader.read(part.as_bytes()).count() <= 1);

                    assert!(held(&reader) <= held_at_most(LIMIT), "{start:?} {part:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn cutting_anywhere_changes_nothing(
            stream in streams(),
            places in prop::collection::vec(any::<Index>(), 0..20),
            limit in limits(),
        ) {
            let whole = read(limit, [stream.as_slice()]);

            prop_assert_eq!(&whole, &read(limit, cut(&stream, &places)));
            prop_assert_eq!(&whole, &read(limit, stream.chunks(1)));
        }

        #[test]
        fn any_bytes_read_as_the_standard_has_it(stream in streams()) {
            prop_assert_eq!(reference(usize::MAX, &stream), read_whole(&stream));
        }

        #[test]
        fn any_text_reads_as_the_standard_has_it_within_the_limit(
            text in texts(),
            limit in limits(),
        ) {
            prop_assert_eq!(reference(limit, text.as_bytes()), read(limit, [text.as_bytes()]));
        }

        #[test]
        fn no_bytes_take_more_memory_than_a_multiple_of_the_limit(
            stream in streams(),
            limit in 0..30_usize,
        ) {
            let mut reader = EventReader::new(limit);
            for byte in stream.chunks(1) {
                for event in reader.read(byte) {
                    if let Event::Message { event, data, id } = event {
                        prop_assert!(event.len() <= limit.max("message".len()) * 3);
                        prop_assert!(data.len() <= limit * 3);
                        prop_assert!(id.len() <= limit * 3);
                    }
                }
                prop_assert!(held(&reader) <= held_at_most(limit));
            }
        }
    }
}
