//! What a server said: whether it answers a request, and the error in it.

use alloc::collections::BTreeSet;
use alloc::string::String;

use crate::jsonrpc::{JsonRpcError, RequestId, RequestIdKey};
use crate::session::Incoming;

/// As much of a server's text is read as may be shown, and more.
const QUOTED_BYTES: usize = 4096;

/// The requests of one POST that wait for their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PendingAnswers {
    waiting: BTreeSet<RequestIdKey>,
    /// As they stood, in order.
    ids: alloc::vec::Vec<String>,
}

impl PendingAnswers {
    pub(super) fn of(ids: &[String]) -> Self {
        let keys = ids.iter().filter_map(|id| RequestId::from_json(id)).filter_map(RequestId::key);
        Self { waiting: keys.collect(), ids: ids.to_vec() }
    }

    /// Takes a message that came in; whether it answers one of them.
    ///
    /// A message answers a request only if its id is the request's, as a JSON value, alone or
    /// in a batch.
    pub(super) fn saw(&mut self, message: &Incoming<'_>) -> bool {
        message.answered().fold(false, |seen, id| seen | self.answered(id))
    }

    pub(super) fn answered(&mut self, id: RequestId<'_>) -> bool {
        id.key().is_some_and(|key| self.waiting.remove(&key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ids that still wait, as they stood.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str).filter(|id| {
            RequestId::from_json(id)
                .and_then(RequestId::key)
                .is_some_and(|key| self.waiting.contains(&key))
        })
    }
}

/// Whatever a body says of a failure: a JSON-RPC error's message, or its own text.
pub(super) fn said(body: &[u8]) -> Option<String> {
    JsonRpcError::read(body)?.message_text(QUOTED_BYTES).filter(|it| !it.is_empty())
}

/// A JSON string for a text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                quoted.push_str(&alloc::format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
