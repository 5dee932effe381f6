//! Which request an event answers that is too long to be kept.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::server_message::PendingAnswers;
use crate::jsonrpc::RequestId;

/// How much of both ends is kept.
const KEPT: usize = 1024;

/// The two ends of an event beyond the reader's limit.
///
/// An answer's `id` stands before its result or behind it. Whatever stands between is not
/// looked at: what is found here is a member of the message itself only because nothing but
/// scalars lies between it and the brace.
#[derive(Default)]
pub(super) struct LargeEvent {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl LargeEvent {
    pub(super) fn begin(held_back: &[u8], piece: &[u8]) -> Self {
        let head = held_back.iter().chain(piece).take(KEPT).copied().collect();
        let mut event = Self { head, tail: Vec::new() };
        event.go_on(held_back);
        event.go_on(piece);
        event
    }

    pub(super) fn go_on(&mut self, piece: &[u8]) {
        let (_, last) = piece.split_at(piece.len().saturating_sub(KEPT));
        self.tail.extend_from_slice(last);
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
    }

    /// Whether it begins as the answer to another request than those that wait.
    pub(super) fn begins_answer_to_another(&self, pending: &PendingAnswers) -> bool {
        let head = core::str::from_utf8(scalar_text(&self.head)).unwrap_or_default();
        let members = first_members(head);
        members.has_result && members.id.is_some_and(|id| !pending.is_waiting(id))
    }

    /// Takes the end of the event; the request that it answers waits no longer. If it is a
    /// question itself, gives one that is like it, as far as it is known.
    pub(super) fn end(
        &mut self,
        held_back: &[u8],
        piece: &[u8],
        pending: &mut PendingAnswers,
    ) -> Option<String> {
        if self.head.is_empty() {
            *self = Self::begin(held_back, piece);
        } else {
            self.go_on(piece);
        }
        let head = core::str::from_utf8(scalar_text(&self.head)).unwrap_or_default();
        let tail = core::str::from_utf8(last_line(&self.tail)).unwrap_or_default();
        let ids = [first_members(head), last_members(tail)];
        let mut found = ids.iter().filter_map(|members| members.id);
        if ids.iter().any(|members| members.has_method) {
            let id = found.next()?.as_str();
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":""}}"#));
        }
        for id in found {
            pending.answered(id);
        }
        None
    }
}

#[derive(Default)]
struct Scalars<'a> {
    id: Option<RequestId<'a>>,
    has_method: bool,
    has_result: bool,
}

impl<'a> Scalars<'a> {
    fn take(&mut self, name: &str, value: &'a str) {
        match name {
            "id" => self.id = RequestId::from_json(value),
            "method" => self.has_method = true,
            "result" | "error" => self.has_result = true,
            _ => {}
        }
    }
}

/// The scalars with which the object that `text` begins begins.
fn first_members(text: &str) -> Scalars<'_> {
    let mut members = Scalars::default();
    let Some(mut rest) = text.trim_start().strip_prefix('{') else { return members };
    loop {
        let Some((name, behind)) = first_string(rest) else { return members };
        let Some(value) = behind.trim_start().strip_prefix(':').map(str::trim_start) else {
            return members;
        };
        let length = match first_string(value) {
            Some((inner, _)) => inner.len() + 2,
            None => value.bytes().take_while(|byte| is_of_scalar(*byte)).count(),
        };
        let (value, behind) = value.split_at(length);
        // A value that is no scalar: the name alone says something.
        let Some(next) = behind.trim_start().strip_prefix(',').filter(|_| length > 0) else {
            members.take(name, "");
            return members;
        };
        members.take(name, value);
        rest = next;
    }
}

/// The scalars with which the object that `text` ends ends.
fn last_members(text: &str) -> Scalars<'_> {
    let mut members = Scalars::default();
    let Some(mut rest) = text.trim_end().strip_suffix('}') else { return members };
    loop {
        let trimmed = rest.trim_end();
        let length = match last_string(trimmed) {
            Some((_, inner)) => inner.len() + 2,
            None => trimmed.bytes().rev().take_while(|byte| is_of_scalar(*byte)).count(),
        };
        let (before, value) = trimmed.split_at(trimmed.len() - length);
        let named = before.trim_end().strip_suffix(':').and_then(|it| last_string(it.trim_end()));
        let Some((before, name)) = named.filter(|_| length > 0) else { return members };
        // Behind a comma stands a member; what stands behind a brace may be deeper.
        let Some(previous) = before.trim_end().strip_suffix(',') else { return members };
        members.take(name, value);
        rest = previous;
    }
}

/// The string that `text` begins with, if it has no escapes, and what comes behind it.
fn first_string(text: &str) -> Option<(&str, &str)> {
    let (inner, behind) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    (!inner.contains('\\')).then_some((inner, behind))
}

/// What comes before the string that `text` ends with, if it has no escapes, and that.
fn last_string(text: &str) -> Option<(&str, &str)> {
    let (before, inner) = text.strip_suffix('"')?.rsplit_once('"')?;
    (!inner.contains('\\') && !before.ends_with('\\')).then_some((before, inner))
}

fn is_of_scalar(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')
}

/// What stands behind the first `data:`, as far as it is text.
fn scalar_text(head: &[u8]) -> &[u8] {
    const NAME: &[u8] = b"data:";
    let start =
        head.windows(NAME.len()).position(|it| it == NAME).map_or(head.len(), |at| at + NAME.len());
    let (_, data) = head.split_at(start);
    let valid = core::str::from_utf8(data).map_or_else(|error| error.valid_up_to(), str::len);
    data.get(..valid).unwrap_or_default()
}

/// The last line, as far as it is text.
fn last_line(tail: &[u8]) -> &[u8] {
    let tail = tail.trim_ascii_end();
    let start = tail.iter().position(|byte| byte.is_ascii()).unwrap_or(tail.len());
    let (_, text) = tail.split_at(start);
    let broken = text.iter().rposition(|byte| !byte.is_ascii()).map_or(0, |at| at + 1);
    text.get(broken..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_answers(expected: bool, data: &str) {
        let mut pending = PendingAnswers::of(&["7".into()]);
        let raw = format!("event: message\ndata: {data}\n\n");
        LargeEvent::default().end(b"", raw.as_bytes(), &mut pending);
        assert_eq!(expected, pending.is_empty(), "{data:.40}");

        let mut pending = PendingAnswers::of(&["7".into()]);
        let (first, rest) = raw.as_bytes().split_at(raw.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        let mut event = LargeEvent::begin(first, second);
        event.end(b"", third, &mut pending);
        assert_eq!(expected, pending.is_empty(), "in pieces: {data:.40}");
    }

    #[test]
    fn an_answer_is_known_by_an_id_before_its_result_or_behind_it() {
        let long = "é".repeat(4000);
        for (expected, data) in [
            (true, format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"text":"{long}"}}}}"#)),
            (true, format!(r#"{{"jsonrpc": "2.0", "id": 7.0, "error": {{"message":"{long}"}}}}"#)),
            (true, format!(r#"{{"result":{{"text":"{long}"}},"jsonrpc":"2.0","id":7}}"#)),
            (true, format!(r#"{{"result":{{"text":"{long}"}} , "id" : 7 , "jsonrpc" : "2.0"}}"#)),
            (false, format!(r#"{{"jsonrpc":"2.0","id":8,"result":{{"text":"{long}"}}}}"#)),
            (false, format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":["{long}"]}}"#)),
            (
                false,
                format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"t":"{long}","id":7}}}}"#),
            ),
            (false, format!(r#"{{"method":"m","params":{{"t":"{long}"}},"id":7}}"#)),
            (false, format!(r#"{{"result":{{"text":"{long}","id":7}}}}"#)),
            (false, long.clone()),
        ] {
            assert_answers(expected, &data);
        }
    }
}
