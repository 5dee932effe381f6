//! Streams of events: how they are written, and how what went out is held against what came in.

use super::words::{Content, EventId, Fate, Frame};
use super::world::answer_to;

/// Of what goes out, this is ours and no server's of the world.
const NOTICE: &str =
    "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"";
/// A notification of a server's.
pub const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
const RETRY: &str = "retry: 50";
/// What is longer is not held back.
const HELD_BACK: usize = 64 * 1024;

/// One event that is on its way, or came in.
pub struct Written {
    pub frame: Frame,
    /// The ids that it answers, as they stood in the request.
    pub answers: Vec<String>,
    /// The id of its question.
    pub asks: Option<String>,
    pub bytes: Vec<u8>,
    /// How many of its bytes have to come in until it counts.
    pub complete_at: usize,
    /// The same, until it has said when to ask again.
    pub retry_at: Option<usize>,
}

impl Written {
    /// Writes an event; `ids` are those that are waited for.
    pub fn new(frame: Frame, ids: &[String], number: usize) -> Self {
        // Every third stream ends its lines otherwise.
        // A comment needs no empty line, and is no part of what follows.
        let is_comment = frame.content == Content::Comment;
        let event_id = if is_comment { EventId::Absent } else { frame.event_id };
        let frame = Frame { event_id, ..frame };
        let end = if number % 3 == 0 { "\r\n" } else { "\n" };
        let one = |which: u8| {
            let id = ids.get(usize::from(which) % ids.len().max(1));
            id.map(|id| vec![id.clone()]).unwrap_or_default()
        };
        let answer = |id: &String| answer_to(id);
        let (data, answers, asks) = match frame.content {
            Content::Answer(which) => {
                let ids = one(which);
                (ids.first().map(answer), ids, None)
            }
            Content::LongAnswer(which) => {
                let ids = one(which);
                let padding = "x".repeat(HELD_BACK + 100);
                let data = ids.first().map(|id| {
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":"{padding}"}}}}"#)
                });
                (data, ids, None)
            }
            Content::Batch | Content::MixedBatch if ids.is_empty() => (None, Vec::new(), None),
            Content::Batch | Content::MixedBatch => {
                let mut all: Vec<String> = ids.iter().map(answer).collect();
                if frame.content == Content::MixedBatch {
                    all.push(NOTIFICATION.to_owned());
                }
                (Some(format!("[{}]", all.join(","))), ids.to_vec(), None)
            }
            Content::OtherAnswer => (Some(answer(&"\"nobody's\"".to_owned())), Vec::new(), None),
            Content::Question(id) => {
                let id = id.to_string();
                let data =
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create"}}"#);
                (Some(data), Vec::new(), Some(id))
            }
            Content::Notification => (Some(NOTIFICATION.to_owned()), Vec::new(), None),
            Content::Garbage => (Some(r#"{"error":"no"}"#.to_owned()), Vec::new(), None),
            Content::Comment | Content::Retry | Content::Nothing => (None, Vec::new(), None),
        };
        let mut text = String::new();
        let mut retry_at = None;
        if frame.content == Content::Comment {
            text += &format!(": still here{end}");
        } else if frame.content == Content::Retry {
            text += RETRY;
            // The carriage return ends the line.
            retry_at = Some(text.len() + 1);
            text += end;
        }
        match frame.event_id {
            EventId::Absent => {}
            EventId::Reset => text += &format!("id:{end}"),
            EventId::Is(event) => text += &format!("id: event-{event}{end}"),
        }
        if let Some(data) = data {
            text += &format!("data: {data}{end}");
        }
        if !is_comment {
            text += end;
        }
        // It ends with the carriage return; the line feed behind it says nothing more.
        let complete_at = text.len() - (end.len() - 1);
        Self { frame, answers, asks, bytes: text.into_bytes(), complete_at, retry_at }
    }
}

/// What went out, event by event.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How far it has been held against what came in.
    checked: usize,
    /// Whether the line feed of a CRLF is still to come.
    owes_line_feed: bool,
}

fn id_line(event_id: EventId) -> String {
    match event_id {
        EventId::Absent => String::new(),
        EventId::Reset => "id:\n".to_owned(),
        EventId::Is(event) => format!("id: event-{event}\n"),
    }
}

/// What was found in what went out.
#[derive(Debug, Default)]
pub struct Found {
    /// The questions that were said to be void, sorted.
    pub notices: Vec<String>,
    /// For each question that went out: its id, and the one it was shown under.
    pub questions: Vec<(String, String)>,
}

impl Output {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Holds what went out against events that have come in whole.
    pub fn take_events(&mut self, events: &[&Written], fates: &[Fate]) -> Found {
        let mut found = Found::default();
        for (event, fate) in events.iter().zip(fates) {
            self.take_notices(&mut found);
            match fate {
                Fate::AsItCame => {}
                Fate::Alone => {
                    self.take_alone(event);
                    continue;
                }
                Fate::LeftOut => {
                    self.take_without_data(event);
                    continue;
                }
                Fate::OthersAlone => {
                    self.take_without_data(event);
                    self.take(&notification_event());
                    continue;
                }
                Fate::Replaced(ids) => {
                    self.take_without_data(event);
                    self.take_errors(ids);
                    continue;
                }
            }
            if event.retry_at.is_some() && self.take_time(event, &mut found) {
                continue;
            }
            let rest = &self.bytes[self.checked..];
            if rest.starts_with(&event.bytes[..event.complete_at]) {
                self.checked += event.complete_at;
                self.owes_line_feed = event.complete_at < event.bytes.len();
                found.questions.extend(event.asks.iter().map(|id| (id.clone(), id.clone())));
                continue;
            }
            let Some(asked) = &event.asks else {
                panic!(
                    "law 6: {:?} came in, and {:?} went out",
                    String::from_utf8_lossy(&event.bytes),
                    String::from_utf8_lossy(&rest[..rest.len().min(500)])
                );
            };
            let (rewritten, length) = event_of(rest);
            let shown = member(&rewritten, "\"id\":").expect("a question without an id");
            let renamed =
                text(event).replacen(&format!(r#""id":{asked},"#), &format!(r#""id":{shown},"#), 1);
            let fields = |text: &str| -> Vec<String> {
                let lines = text.split(['\r', '\n']).filter(|it| !it.is_empty());
                lines.map(str::to_owned).collect()
            };
            assert_eq!(
                fields(&renamed),
                fields(&rewritten),
                "law 6: a question went out as another"
            );
            self.checked += length;
            self.owes_line_feed = event.complete_at < event.bytes.len();
            found.questions.push((asked.clone(), shown));
        }
        self.take_notices(&mut found);
        found.notices.sort();
        found
    }

    /// Of a batch goes out the one answer that it has, with the batch's ID, and before it what
    /// else it has.
    fn take_alone(&mut self, event: &Written) {
        let before = match event.frame.content {
            Content::MixedBatch => notification_event(),
            _ => String::new(),
        };
        let id = id_line(event.frame.event_id);
        let expected = format!("{before}{id}data: {}\n\n", answer_to(&event.answers[0]));
        self.take(&expected);
        self.owes_line_feed = event.complete_at < event.bytes.len();
    }

    /// A time to ask again is no part of an event: notices may stand behind its line.
    fn take_time(&mut self, event: &Written, found: &mut Found) -> bool {
        let (whole, line_feed) = event.bytes.split_at(event.complete_at);
        let (time, behind) = whole.split_at(RETRY.len() + 1 + line_feed.len());
        let begins = |output: &Self, part| output.bytes[output.checked..].starts_with(part);
        if !begins(self, time) {
            return false;
        }
        self.checked += time.len();
        self.take_notices(found);
        let goes_on = begins(self, behind);
        self.checked += behind.len();
        self.owes_line_feed = !line_feed.is_empty();
        goes_on
    }

    fn take(&mut self, expected: &str) {
        let rest = &self.bytes[self.checked..];
        assert!(rest.starts_with(expected.as_bytes()), "law 6: what a batch has is another");
        self.checked += expected.len();
    }

    /// Of an event that is left out, nothing but its ID goes out.
    fn take_without_data(&mut self, event: &Written) {
        if !matches!(event.frame.content, Content::LongAnswer(_)) {
            let id = id_line(event.frame.event_id);
            let kept = if id.is_empty() { id } else { id + "\n" };
            let rest = &self.bytes[self.checked..];
            assert!(rest.starts_with(kept.as_bytes()), "an event that is left out loses its ID");
            self.checked += kept.len();
        }
        self.owes_line_feed = event.complete_at < event.bytes.len();
    }

    /// Errors of ours for these ids, each once.
    fn take_errors(&mut self, ids: &[String]) {
        let mut told = Vec::new();
        for _ in ids {
            let (event, length) = event_of(&self.bytes[self.checked..]);
            let data = event.strip_prefix("event: message\ndata: ").expect("an event of ours");
            let (code, id) = super::world::error_of(data.trim_end().as_bytes());
            assert_eq!(-32000, code);
            told.push(id);
            self.checked += length;
        }
        assert_eq!(ids, told);
    }

    /// Holds the last that went out against the beginning of an event that never came whole;
    /// returns the ids of the errors behind it.
    ///
    /// `last` is the ID of the last event that came whole, which is the last to be seen.
    pub fn take_end(
        &mut self,
        part: &[u8],
        is_clean: bool,
        last: Option<u8>,
    ) -> (Found, Vec<(i64, String)>) {
        let last = last.map(|event| format!("event-{event}")).unwrap_or_default();
        let cut = format!("\nid: {last}\nevent: cut\n\n");
        let mut found = Found::default();
        self.take_notices(&mut found);
        let rest = &self.bytes[self.checked..];
        let common = rest.iter().zip(part).take_while(|(out, came)| out == came).count();
        self.checked += common;
        if common > 0 && self.bytes[self.checked..].starts_with(cut.as_bytes()) {
            self.checked += cut.len();
        } else if common > 0 {
            // An empty line begins nothing, and neither does a comment, or a time.
            let gone = String::from_utf8_lossy(&part[..common]);
            let mut lines = gone.split(['\r', '\n']);
            let begins_nothing = gone.ends_with(['\r', '\n'])
                && lines.all(|it| it.is_empty() || it.starts_with(':') || it == RETRY);
            let is_whole = is_clean && common == part.len() && self.checked == self.bytes.len();
            assert!(begins_nothing || is_whole, "law 6: {gone:?} is left before what is ours");
        }
        self.take_notices(&mut found);
        found.notices.sort();
        let mut errors = Vec::new();
        while self.checked < self.bytes.len() {
            let (event, length) = event_of(&self.bytes[self.checked..]);
            let data = event.strip_prefix("event: message\ndata: ").expect("an event of ours");
            errors.push(super::world::error_of(data.trim_end().as_bytes()));
            self.checked += length;
        }
        (found, errors)
    }

    fn take_notices(&mut self, found: &mut Found) {
        loop {
            if self.owes_line_feed && self.bytes.get(self.checked) == Some(&b'\n') {
                self.checked += 1;
                self.owes_line_feed = false;
            }
            if !self.bytes[self.checked..].starts_with(NOTICE.as_bytes()) {
                return;
            }
            let (event, length) = event_of(&self.bytes[self.checked..]);
            found.notices.push(member(&event, "\"requestId\":").expect("a notice names one"));
            self.checked += length;
        }
    }
}

fn notification_event() -> String {
    format!("event: message\ndata: {NOTIFICATION}\n\n")
}

fn text(event: &Written) -> String {
    String::from_utf8(event.bytes.clone()).unwrap()
}

/// The first event of what is ours to write, and its length.
fn event_of(bytes: &[u8]) -> (String, usize) {
    let end =
        bytes.windows(2).position(|it| it == b"\n\n").unwrap_or_else(|| {
            panic!("an event has no end: {:.300}", String::from_utf8_lossy(bytes))
        }) + 2;
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), end)
}

/// The JSON text of a number or a plain string that is behind a name.
fn member(text: &str, name: &str) -> Option<String> {
    let (_, behind) = text.split_once(name)?;
    let end = behind.find([',', '}'])?;
    Some(behind[..end].to_owned())
}
