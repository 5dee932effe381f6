//! What a server said: whether it answers a request, and the error in it.

use alloc::format;
use alloc::string::String;

use super::shown::READ_BYTES;
pub(super) use crate::jsonrpc::{Heard, PendingAnswers, Readable};
use crate::jsonrpc::{JsonRpcError, json};

/// Whatever a body says of a failure: a JSON-RPC error's message, or its own text.
pub(super) fn said(body: &[u8]) -> Option<String> {
    let text = match JsonRpcError::read(body) {
        Some(error) => error.message_text(READ_BYTES),
        // Not by the book: the error is its text.
        None => {
            let [error] = json::members(json::text(body)?, ["error"])?;
            json::string_beginning(error.once()?, READ_BYTES)
        }
    };
    text.filter(|it| !it.is_empty())
}

/// What is said of an answer that answers nothing; `said` is fit to be shown.
pub(super) fn unanswered(said: &str) -> String {
    format!("the server did not answer the request: {said}")
}

/// A JSON string for a text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
