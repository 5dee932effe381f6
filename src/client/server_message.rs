//! What a server said: the error in it.

use alloc::string::String;

use crate::jsonrpc::JsonRpcError;
pub(super) use crate::jsonrpc::PendingAnswers;

/// As much of a server's text is read as may be shown, and more.
const QUOTED_BYTES: usize = 4096;

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
