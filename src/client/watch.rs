//! A stream of events on its way to its reader.
//!
//! Each event is told to the session, and goes out with the bytes it came in. A stream that
//! is cut ends as if the server had ended it: the SDKs then open the next. One that ends
//! without the answers it was for ends on a JSON-RPC error for each, unless it can be
//! resumed: mcp 1.x waits for such an answer for ever.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::awaited::{Awaited, Fate};
use super::followed::FollowedSession;
use super::interrupted::{Interrupted, Poll, Resumptions};
use super::large_event::LargeEvent;
use super::local_answer::{CallError, event};
use super::registry::Slot;
use super::server_message::{PendingAnswers, unanswered};
use super::{Client, Shield};
use crate::session::{Generation, Stream};
use crate::sse::{self, BYTE_ORDER_MARK, EndSeen, EventReader, EventView};

/// An event that is longer than this goes out as its bytes come in.
const HELD_BACK: usize = 64 * 1024;

/// The same while a question may have to be shown under another id: servers write it last.
const HELD_BACK_FOR_ITS_ID: usize = EventReader::DEFAULT_LIMIT;

/// How a stream ended.
#[derive(Clone, Copy, Debug)]
pub enum StreamEnd<'a> {
    /// The server ended it.
    Clean,
    /// It was cut, or could not be decoded: the type of the error.
    Cut(&'a str),
    /// We ended it: another session stands in place of the one it was of.
    Outlived,
}

/// A stream of events on its way to its reader.
#[must_use = "its stream goes through it"]
pub struct Watch {
    slot: Slot,
    /// Keeps its session, forgotten or not.
    _alive: Option<Arc<()>>,
    stream: Stream,
    guard: Shield,
    source: Source,
    reader: EventReader,
    awaited: Awaited,
    /// The ID of the last event, or the one that the stream was resumed with.
    last_event_id: Option<Arc<str>>,
    /// Those of its requests before it ended, this one included if it is one.
    resumptions: Resumptions,
    /// Whether an event with an ID of its own has come in.
    has_progressed: bool,
    /// Whether anything has come in.
    has_begun: bool,
    /// What the stream may begin with still, of a byte order mark. The SDKs take it for a part of
    /// the first field's name.
    mark: &'static [u8],
    /// The beginning of an event that is not whole yet, and has not gone out.
    held_back: Vec<u8>,
    /// What became of the beginning of the current event.
    beginning: Beginning,
    large: LargeEvent,
}

/// What became of the beginning of an event that is not whole yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// It is held back, if there is one.
    HeldBack,
    /// It has gone out.
    Sent,
    /// It is left out.
    LeftOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Answer,
    Standalone,
    Resumption,
}

impl Watch {
    pub(super) fn of_answer(
        slot: Slot,
        alive: Option<Arc<()>>,
        stream: Stream,
        pending: PendingAnswers,
        guard: Shield,
    ) -> Self {
        Self {
            slot,
            _alive: alive,
            stream,
            guard,
            source: Source::Answer,
            reader: EventReader::default(),
            awaited: Awaited::new(pending, guard),
            last_event_id: None,
            resumptions: Resumptions::default(),
            has_progressed: true,
            has_begun: false,
            mark: match guard {
                Shield::Up => BYTE_ORDER_MARK,
                Shield::Down => &[],
            },
            held_back: Vec::new(),
            beginning: Beginning::HeldBack,
            large: LargeEvent::default(),
        }
    }

    /// `resumed` is what the stream is to bring the answers to, and the event ID it starts from.
    pub(super) fn of_get(
        slot: Slot,
        alive: Option<Arc<()>>,
        stream: Stream,
        resumed: Option<(Interrupted, String)>,
        guard: Shield,
    ) -> Self {
        let watch = Self::of_answer(slot, alive, stream, PendingAnswers::default(), guard);
        match resumed {
            None => Self { source: Source::Standalone, ..watch },
            Some((interrupted, event_id)) => Self {
                source: Source::Resumption,
                awaited: Awaited::new(PendingAnswers::of(&interrupted.ids), guard),
                last_event_id: Some(event_id.into()),
                has_progressed: false,
                resumptions: interrupted.resumptions.once_more(),
                ..watch
            },
        }
    }

    /// The generation whose stream it is.
    pub fn generation(&self) -> Generation {
        self.stream.generation()
    }

    /// Whether the session of its stream has been replaced: its reader is to open the next.
    pub fn is_outlived(&self, client: &mut Client) -> bool {
        let is_ended_by_us = match self.source {
            Source::Standalone | Source::Resumption => self.guard == Shield::Up,
            Source::Answer => false,
        };
        is_ended_by_us
            && client.registry.session(self.slot).is_some_and(|followed| {
                followed.session.is_live() && followed.session.generation() != self.generation()
            })
    }

    /// Takes what came in, decoded; gives what goes out, in the same order.
    ///
    /// What goes out may be empty: the beginning of an event that is not whole waits for its
    /// end, up to 64 KiB of it, or 4 MiB while a question of another session is open.
    pub fn piece<'p>(&mut self, client: &mut Client, piece: &'p [u8]) -> Cow<'p, [u8]> {
        let Some(followed) = client.registry.session(self.slot) else {
            return Cow::Borrowed(piece);
        };
        self.has_begun |= !piece.is_empty();
        let mut output = Output { piece, sent: 0, made: Vec::new() };
        let mut start = 0;
        if self.beginning == Beginning::HeldBack && self.held_back.is_empty() {
            let notices = followed.take_notices();
            if !notices.is_empty() && piece.starts_with(b"\n") {
                // It may end the line of which the carriage return went out.
                output.push(b"\n");
                output.skip_until(1);
                start = 1;
            }
            for notice in notices {
                output.push(&sse::message_event(&notice));
            }
        }
        if !self.mark.is_empty() {
            start = start.max(self.leave_out_mark(&mut output));
        }
        let mut last_event_id = Arc::clone(self.reader.shared_last_event_id());
        let Self { reader, stream, awaited, held_back, beginning, large, .. } = self;
        let mut events = reader.read_in_place(piece);
        while let Some(EndSeen { end, event, event_id }) = events.next_end() {
            let raw = piece.get(start..end).unwrap_or_default();
            if !Arc::ptr_eq(event_id, &last_event_id) {
                self.has_progressed = true;
                self.last_event_id = (!event_id.is_empty()).then(|| Arc::clone(event_id));
                if !event_id.is_empty() {
                    followed.session.saw_event_id(*stream, event_id);
                }
                last_event_id = Arc::clone(event_id);
            }
            let fate = match event {
                Some(EventView::Message { event: "message", data, .. }) => {
                    awaited.saw(followed, *stream, data.as_bytes())
                }
                Some(EventView::TooLong) => {
                    if let Some(question) = large.end(held_back, raw, &mut awaited.pending) {
                        // It goes out under its own id, whatever else is open.
                        let _seen = followed.saw_message(*stream, question.as_bytes());
                    }
                    Fate::GoesOut
                }
                // No message: the SDKs read no event of another type.
                Some(EventView::Message { .. }) | None => Fate::GoesOut,
            };
            let mut before = Vec::new();
            let (data, behind) = match fate {
                Fate::Answers { others, answer } => {
                    before = others.iter().flat_map(|it| sse::message_event(it)).collect();
                    if *beginning == Beginning::Sent {
                        // It went out as it came, and answers nobody who cannot read that.
                        before.extend(sse::message_event(&answer));
                        (None, Some(core::mem::take(&mut before)))
                    } else {
                        (Some(answer), None)
                    }
                }
                Fate::GoesOut => (None, None),
                Fate::GoesOutAs(data) => (Some(data), None),
                Fate::Replaced { errors, .. } if *beginning == Beginning::Sent => {
                    (None, Some(errors))
                }
                Fate::Replaced { others, errors } => (None, Some([others, errors].concat())),
            };
            let changes = data.is_some() || behind.is_some();
            match beginning {
                Beginning::HeldBack if changes => {
                    output.send_until(start);
                    held_back.extend_from_slice(raw);
                    let (comments, fields) = behind_comments(held_back);
                    output.push(comments);
                    output.push(&before);
                    output.push(&with_data(fields, data.as_deref()));
                    output.push(&behind.unwrap_or_default());
                    output.skip_until(end);
                }
                Beginning::LeftOut => {
                    output.send_until(start);
                    output.push(&behind.unwrap_or_default());
                    output.skip_until(end);
                }
                Beginning::HeldBack | Beginning::Sent => {
                    output.push_first(held_back);
                    if let Some(behind) = behind {
                        output.copy_until(end);
                        output.push(&behind);
                    }
                }
            }
            held_back.clear();
            *beginning = Beginning::HeldBack;
            *large = LargeEvent::default();
            start = end;
        }
        drop(events);
        let limit =
            if followed.session.asks_elsewhere(*stream) { HELD_BACK_FOR_ITS_ID } else { HELD_BACK };
        self.hold_back(&mut output, start, limit);
        output.into_bytes()
    }

    /// Takes the end of the stream, which was open for so long; gives the last that goes out.
    pub fn end(&mut self, client: &mut Client, end: StreamEnd<'_>, lived: Duration) -> Vec<u8> {
        let held_back = core::mem::take(&mut self.held_back);
        let Some(followed) = client.registry.session(self.slot) else { return held_back };
        if self.source == Source::Standalone && !matches!(end, StreamEnd::Outlived) {
            followed.standalone.ended(lived);
        }
        let notices: Vec<u8> =
            followed.take_notices().iter().flat_map(|it| sse::message_event(it)).collect();
        if self.awaited.is_over() || self.is_to_be_resumed(followed, end) {
            return match end {
                StreamEnd::Clean if notices.is_empty() => held_back,
                StreamEnd::Clean | StreamEnd::Cut(_) | StreamEnd::Outlived => {
                    [self.end_of_event(), notices].concat()
                }
            };
        }
        let detail = match end {
            StreamEnd::Clean => match self.awaited.said() {
                Some(said) => unanswered(said),
                None => "no answer came: its stream ended".into(),
            },
            StreamEnd::Cut(kind) => format!("no answer came: its stream was cut ({kind})"),
            StreamEnd::Outlived => "no answer came: its session has ended".into(),
        };
        let error = CallError::connection_closed(detail);
        let mut last = [self.end_of_event(), notices].concat();
        last.extend(self.awaited.pending.unanswered().flat_map(|id| event(&error, id)));
        last
    }

    /// Remembers the requests that wait, if the SDK can resume their stream.
    fn is_to_be_resumed(&self, followed: &mut FollowedSession, end: StreamEnd<'_>) -> bool {
        let Some(event_id) = &self.last_event_id else { return false };
        let resumptions = self.resumptions_by(end);
        let ids = self.awaited.pending.unanswered().map(Into::into).collect();
        !resumptions.are_over()
            && followed
                .interrupted
                .note(event_id, Interrupted { stream: self.stream, ids, resumptions })
                .is_ok()
    }

    /// How the resumptions of this stream go, this one included.
    fn resumptions_by(&self, end: StreamEnd<'_>) -> Resumptions {
        let Self { resumptions, reader, has_progressed, has_begun, .. } = self;
        let before = match reader.retry() {
            Some(_) => resumptions.invited(),
            None => *resumptions,
        };
        match end {
            StreamEnd::Clean | StreamEnd::Cut(_) | StreamEnd::Outlived if *has_progressed => {
                before.progressed()
            }
            StreamEnd::Clean if *has_begun => before.ended(Poll::Alive),
            StreamEnd::Clean => before.ended(Poll::Empty),
            StreamEnd::Cut(_) | StreamEnd::Outlived => before.broke_off(),
        }
    }

    fn end_of_event(&self) -> Vec<u8> {
        match self.beginning {
            Beginning::Sent => {
                sse::end_of_event_cut_short(self.last_event_id.as_deref().unwrap_or_default())
            }
            Beginning::HeldBack | Beginning::LeftOut => Vec::new(),
        }
    }

    /// Leaves out a byte order mark, or as much of one as this piece has; says how long that is.
    fn leave_out_mark(&mut self, output: &mut Output<'_>) -> usize {
        let (piece, mark) = (output.piece, self.mark);
        if piece.is_empty() {
            return 0;
        }
        let length = mark.len().min(piece.len());
        self.mark = &[];
        if piece.get(..length) != mark.get(..length) {
            // What looked like the beginning of one was none.
            let begun = BYTE_ORDER_MARK.strip_suffix(mark).unwrap_or_default();
            self.held_back.extend_from_slice(begun);
            return 0;
        }
        self.mark = mark.get(length..).unwrap_or_default();
        output.skip_until(length);
        length
    }

    /// Keeps the beginning of an event that is not whole, unless it is long.
    fn hold_back(&mut self, output: &mut Output<'_>, start: usize, limit: usize) {
        let tail = output.piece.get(start..).unwrap_or_default();
        if self.beginning == Beginning::LeftOut {
            output.send_until(start);
            output.skip_until(output.piece.len());
        } else if self.beginning == Beginning::Sent {
            self.large.go_on(tail);
        } else if self.reader.is_between_events() {
            // Comments, and fields without data: nothing in them waits for more.
            output.push_first(&self.held_back);
            self.held_back.clear();
        } else if self.held_back.len() + tail.len() <= limit {
            output.send_until(start);
            output.skip_until(output.piece.len());
            self.held_back.extend_from_slice(tail);
        } else {
            self.large = LargeEvent::begin(&self.held_back, tail);
            let is_left_out = self.awaited.leaves_out_large(&self.large);
            if is_left_out {
                output.send_until(start);
                output.skip_until(output.piece.len());
                self.beginning = Beginning::LeftOut;
            } else {
                output.push_first(&self.held_back);
                self.beginning = Beginning::Sent;
            }
            self.held_back.clear();
        }
        output.send_until(output.piece.len());
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What goes out of one piece: it itself, as long as nothing in it changes.
struct Output<'p> {
    piece: &'p [u8],
    /// How far the piece has gone out, or is not to.
    sent: usize,
    made: Vec<u8>,
}

impl<'p> Output<'p> {
    fn push(&mut self, bytes: &[u8]) {
        self.made.extend_from_slice(bytes);
    }

    /// Puts out what was held back of the pieces before, before anything of this one.
    fn push_first(&mut self, held_back: &[u8]) {
        self.made.extend_from_slice(held_back);
    }

    fn send_until(&mut self, end: usize) {
        if self.made.is_empty() && self.sent == 0 && end == self.piece.len() {
            return;
        }
        self.copy_until(end);
    }

    fn copy_until(&mut self, end: usize) {
        self.made.extend_from_slice(self.piece.get(self.sent..end).unwrap_or_default());
        self.sent = end;
    }

    fn skip_until(&mut self, end: usize) {
        self.sent = end;
    }

    fn into_bytes(self) -> Cow<'p, [u8]> {
        if self.made.is_empty() && self.sent == 0 {
            Cow::Borrowed(self.piece)
        } else {
            Cow::Owned(self.made)
        }
    }
}

/// Tells the comments before an event's first field, which are no part of it, from the event.
fn behind_comments(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut fields = raw;
    loop {
        fields = match fields {
            [b'\r' | b'\n', behind @ ..] => behind,
            [b':', ..] => {
                let length = fields.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                fields.get(length.unwrap_or(fields.len())..).unwrap_or_default()
            }
            [..] => return raw.split_at(raw.len() - fields.len()),
        };
    }
}

/// The same event with other data, or with none; its ID, its retry time and the comments in it stay.
fn with_data(raw: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let mut event = Vec::with_capacity(raw.len());
    for line in raw.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let is_field = |name: &[u8]| {
            line.strip_prefix(name).is_some_and(|rest| matches!(rest, [] | [b':', ..]))
        };
        let is_of_data = is_field(b"data") || (data.is_none() && is_field(b"event"));
        if !line.is_empty() && !is_of_data {
            event.extend_from_slice(line);
            event.push(b'\n');
        }
    }
    if let Some(data) = data {
        event.extend(sse::data_lines(data));
    }
    if !event.is_empty() {
        event.push(b'\n');
    }
    event
}
