//! Server-sent events out of bytes that come in any pieces.
//!
//! This is the HTML standard's [interpretation of an event stream][standard], without the
//! connection around it. Any bytes may come in, and they mean the same however they are
//! cut: **the same bytes give the same events, the same last event ID and the same
//! reconnection time, whether they come whole, one by one or cut anywhere else.**
//!
//! Memory is bounded by a small multiple of the limit, whatever comes in: events are handed out
//! one by one, and share the last event ID. Time is linear in the bytes read: none is looked at
//! more than twice.
//!
//! # Rulings
//!
//! Where the standard leaves something open, or has no limit, this is what holds here.
//!
//! | input | ruling | reason |
//! |---|---|---|
//! | data or type beyond the limit | [`Event::TooLong`] | nobody waits for it unawares |
//! | the same, but no data | no event | as within the limit |
//! | the same, with an ID | the ID counts | resuming does not meet it again |
//! | an ID beyond 1,024 bytes or the limit | ignored, as one with a NUL is: the last event ID stays | every event after it would hold it, and so would who remembers the stream; resuming too early loses nothing |
//! | a comment or an unknown field | any length is read | nothing of it is kept |
//! | `retry` without digits | ignored | it is no number |
//! | `retry` beyond 2^64-1 | 2^64-1 | the nearest there is |
//!
//! The limit counts bytes as they came; an invalid byte is up to three in the text.
//!
//! [standard]: https://html.spec.whatwg.org/#event-stream-interpretation

mod line;
mod plain;
#[cfg(any(feature = "client", feature = "sessions"))]
mod write;

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::{fmt, mem};

use line::{Buffer, Line, Value};
use plain::{PlainEvent, line_length};
#[cfg(feature = "client")]
pub(crate) use write::data_lines;
#[cfg(any(feature = "client", feature = "sessions"))]
pub(crate) use write::{end_of_event_cut_short, message_event};

/// Reads server-sent events from bytes that come in any pieces.
///
/// A reader reads one stream: the body of one response. An event that the stream leaves
/// unfinished is none, so there is nothing to be done at its end.
///
/// ```
/// use mcp_session_core::sse::{Event, EventReader};
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
    id: Option<Vec<u8>>,
    last_event_id: Arc<str>,
    retry: Option<u64>,
}

impl EventReader {
    /// The limit of the [default](Self::default) reader, in bytes: 4 MiB.
    pub const DEFAULT_LIMIT: usize = 4 * 1024 * 1024;

    /// The longest ID that counts, in bytes.
    pub const ID_LIMIT: usize = 1024;

    /// Keeps at most `limit` bytes of one event's data, and as many of its type.
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
        Events(self.read_in_place(bytes))
    }

    /// Takes the next bytes and shows the events they complete, in order, where they lie.
    ///
    /// An event is copied only if it came in more than one piece, has several lines of data or
    /// is no UTF-8. For who passes the bytes on, and wants to know what is in them.
    ///
    /// ```
    /// use mcp_session_core::sse::{EventReader, EventView};
    ///
    /// let piece = b": hello\ndata: {}\n\ndata: [";
    /// let mut reader = EventReader::default();
    ///
    /// let mut events = reader.read_in_place(piece);
    /// let seen = events.next_event().expect("an event");
    /// assert!(matches!(seen.event, EventView::Message { data: "{}", .. }));
    /// assert_eq!(&piece[seen.range], b": hello\ndata: {}\n\n");
    /// assert!(events.next_event().is_none());
    ///
    /// drop(events);
    /// assert!(!reader.is_between_events());
    /// ```
    pub fn read_in_place<'r>(&'r mut self, piece: &'r [u8]) -> EventsInPlace<'r> {
        EventsInPlace { reader: self, piece, at: 0, looked_at: 0, held: None }
    }

    /// The ID of the last event that bore one, even without data; empty at first, and
    /// again after an empty ID.
    ///
    /// It is what `Last-Event-ID` asks to resume from. An event changes it when it is
    /// complete and not before. An ID that holds a NUL, or is longer than
    /// [`ID_LIMIT`](Self::ID_LIMIT), is ignored.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// [`last_event_id`](Self::last_event_id), shared with the events that have it.
    pub fn shared_last_event_id(&self) -> &Arc<str> {
        &self.last_event_id
    }

    /// The time to wait before connecting anew, in milliseconds, if a `retry` field gave
    /// one.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Whether the bytes so far end behind an event, or behind whole comments.
    ///
    /// An event that is put behind them then is one of its own; else it would become part of
    /// the one that was begun.
    pub fn is_between_events(&self) -> bool {
        matches!(self.line, Line::Name)
            && self.name.is_empty()
            && self.data.is_none()
            && self.event.is_empty()
            && self.id.is_none()
    }

    fn id_limit(&self) -> usize {
        self.limit.min(Self::ID_LIMIT)
    }

    /// Whether these bytes may begin with an event that can be read where it lies.
    fn is_apart(&self, bytes: &[u8]) -> bool {
        let Some(first) = bytes.first() else { return false };
        self.is_between_events()
            && !(self.after_return && *first == b'\n')
            && !(self.at_start && BYTE_ORDER_MARK.starts_with(&[*first]))
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
        let (limit, id_limit) = (self.limit, self.id_limit());
        self.line = match mem::replace(&mut self.line, Line::Ignored) {
            Line::Colon(value) => {
                value.with(piece.strip_prefix(b" ").unwrap_or(piece), limit, id_limit)
            }
            Line::Value(value) => value.with(piece, limit, id_limit),
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
            b"id" => Some(Value::Id(Vec::new())),
            b"retry" => Some(Value::Retry(None)),
            _ => None,
        };
        self.name.clear();
        value
    }

    /// Takes a carriage return or a line feed. Returns whether it ends an event, or none.
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
        if let Some(id) = self.id.take() {
            self.remember(&line::text(id));
        }
        let (Some(mut event), Some(data)) = (event, self.data.take()?.into_text()) else {
            return Some(Event::TooLong);
        };
        if event.is_empty() {
            event.push_str(DEFAULT_TYPE);
        }
        Some(Event::Message { event, data, id: Arc::clone(&self.last_event_id) })
    }

    fn remember(&mut self, id: &str) {
        if *self.last_event_id != *id {
            self.last_event_id = Arc::from(id);
        }
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
#[derive(Debug)]
pub struct Events<'r>(EventsInPlace<'r>);

impl Events<'_> {
    /// How many bytes are left to be read.
    pub fn bytes_left(&self) -> usize {
        self.0.bytes_left()
    }

    /// Leaves the bytes that are left unread, to be read some other time.
    pub fn pause(mut self) {
        self.0.piece = &[];
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        Some(match self.0.find()? {
            Found::Whole(event) => event,
            Found::InPlace { event, data } => Event::Message {
                event: event.to_owned(),
                data: data.to_owned(),
                id: Arc::clone(&self.0.reader.last_event_id),
            },
        })
    }
}

/// The events that some bytes complete, as [`EventReader::read_in_place`] shows them.
///
/// Dropping it reads the bytes that are left; their events are lost, and nothing else.
#[must_use = "events that are not looked at are lost"]
pub struct EventsInPlace<'r> {
    reader: &'r mut EventReader,
    piece: &'r [u8],
    /// What is before this has been read.
    at: usize,
    /// Before this no event ends that can be read where it lies. It was looked for once: to look
    /// again from each comment on would take the square of their number.
    looked_at: usize,
    /// The event that was shown last, if it did not lie in the piece as it was shown.
    held: Option<Event>,
}

impl<'r> EventsInPlace<'r> {
    /// The next event.
    ///
    /// It lends what it shows until it is asked again, and so is no iterator.
    pub fn next_event(&mut self) -> Option<SeenEvent<'_>> {
        let start = self.at;
        let found = self.find()?;
        let range = start..self.at;
        let event = match found {
            Found::InPlace { event, data } => {
                EventView::Message { event, data, id: &self.reader.last_event_id }
            }
            Found::Whole(event) => match self.held.insert(event) {
                Event::Message { event, data, id } => EventView::Message { event, data, id },
                Event::TooLong => EventView::TooLong,
            },
        };
        Some(SeenEvent { range, event })
    }

    /// How many bytes are left to be read.
    pub fn bytes_left(&self) -> usize {
        self.piece.len().saturating_sub(self.at)
    }

    /// The next place at which no event has begun: of one without data nothing is handed out,
    /// and yet its ID counts.
    pub(crate) fn next_end(&mut self) -> Option<EndSeen<'_>> {
        let found = self.find_end()?;
        let event = match found {
            None => None,
            Some(Found::InPlace { event, data }) => {
                Some(EventView::Message { event, data, id: &self.reader.last_event_id })
            }
            Some(Found::Whole(event)) => Some(match self.held.insert(event) {
                Event::Message { event, data, id } => EventView::Message { event, data, id },
                Event::TooLong => EventView::TooLong,
            }),
        };
        Some(EndSeen { end: self.at, event, event_id: &self.reader.last_event_id })
    }

    fn find(&mut self) -> Option<Found<'r>> {
        loop {
            if let Some(found) = self.find_end()? {
                return Some(found);
            }
        }
    }

    fn find_end(&mut self) -> Option<Option<Found<'r>>> {
        let Some(plain) = self.plain() else {
            return self.end_of_lines().map(|event| event.map(Found::Whole));
        };
        self.at += plain.length;
        self.reader.at_start = false;
        self.reader.after_return = plain.ends_in_return;
        self.reader.retry = plain.retry.or(self.reader.retry);
        if let Some(id) = plain.id {
            self.reader.remember(id);
        }
        let event = if plain.event.is_empty() { DEFAULT_TYPE } else { plain.event };
        Some(match plain.data {
            None => None,
            Some(data) if data.len().max(plain.event.len()) > self.reader.limit => {
                Some(Found::Whole(Event::TooLong))
            }
            Some(data) => Some(Found::InPlace { event, data }),
        })
    }

    /// The next event, if it can be read where it lies.
    fn plain(&mut self) -> Option<PlainEvent<'r>> {
        let rest = self.piece.get(self.at..).unwrap_or_default();
        if self.at < self.looked_at || !self.reader.is_apart(rest) {
            return None;
        }
        let plain = PlainEvent::read(rest, self.reader.id_limit());
        plain.inspect_err(|length| self.looked_at = self.at + length).ok()
    }

    /// The next end of an event, line by line, each line as it comes.
    fn end_of_lines(&mut self) -> Option<Option<Event>> {
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            let (line, behind) = rest.split_at_checked(line_length(rest))?;
            self.reader.read_piece(line);
            self.at += line.len();
            let end = *behind.first()?;
            self.at += 1;
            let event = self.reader.end_line(end);
            if event.is_some() && behind.starts_with(b"\r\n") {
                self.reader.after_return = false;
                self.at += 1;
            }
            if event.is_some() || self.reader.is_between_events() {
                return Some(event);
            }
        }
    }
}

impl Drop for EventsInPlace<'_> {
    fn drop(&mut self) {
        while self.find().is_some() {}
    }
}

impl fmt::Debug for EventsInPlace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EventsInPlace")
            .field("bytes_left", &self.bytes_left())
            .finish_non_exhaustive()
    }
}

/// A place at which no event has begun.
pub(crate) struct EndSeen<'e> {
    /// Where it is in the piece.
    pub(crate) end: usize,
    /// The event that has ended there, if it has data.
    pub(crate) event: Option<EventView<'e>>,
    /// The ID of the last event that bore one: another `Arc` if it has changed.
    pub(crate) event_id: &'e Arc<str>,
}

enum Found<'b> {
    InPlace { event: &'b str, data: &'b str },
    Whole(Event),
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
    /// An event of which the data or the type is longer than the limit. Neither was kept.
    TooLong,
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { event, data, id } => {
                EventView::Message { event, data, id }.fmt(formatter)
            }
            Self::TooLong => EventView::TooLong.fmt(formatter),
        }
    }
}

/// An event, where it lies, as [`EventsInPlace::next_event`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenEvent<'e> {
    /// The bytes of the piece that end with it, and begin where the event before it ended. They
    /// hold its own, but for those that came in earlier pieces, and any comments before it.
    pub range: Range<usize>,
    /// What it says.
    pub event: EventView<'e>,
}

/// What an [`Event`] says, borrowed.
///
/// Exhaustive on purpose, as that is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EventView<'e> {
    /// An event, whole.
    Message {
        /// Its type, which is `message` unless it says otherwise.
        event: &'e str,
        /// Its data. MCP has one JSON-RPC message in it, or nothing at all.
        data: &'e str,
        /// The last event ID as of this event, whether it bore one or not.
        id: &'e Arc<str>,
    },
    /// An event of which the data or the type is longer than the limit.
    TooLong,
}

impl fmt::Debug for EventView<'_> {
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

/// A stream may begin with it.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const DEFAULT_TYPE: &str = "message";

/// The length of `event` and of `retry`.
const LONGEST_NAME: usize = 5;

#[cfg(test)]
mod tests;
