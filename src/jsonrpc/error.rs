//! The error responses of JSON-RPC, as far as a decision looks at them.

use alloc::string::String;
use core::fmt;

use super::id::RequestId;
use super::json::{self, Member};

/// The members of a JSON-RPC error response, each as it stands in the body.
///
/// Nothing is copied. A member that is repeated counts as missing: two readers would not agree
/// on it.
///
/// ```
/// use mcp_session_core::JsonRpcError;
///
/// let body = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32050,"message":"quota \u0065xceeded"}}"#;
/// let error = JsonRpcError::read(body).expect("an error");
///
/// assert_eq!(error.code(), Some("-32050"));
/// assert_eq!(error.message_text(5).as_deref(), Some("quota"));
/// assert_eq!(error.data(), None);
/// ```
#[derive(Clone, Copy)]
pub struct JsonRpcError<'a> {
    version: Option<&'a str>,
    id: Member<'a>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    data: Option<&'a str>,
    has_other_kind: bool,
}

impl<'a> JsonRpcError<'a> {
    /// Reads a body whole. `None` unless it is one object whose `error` is an object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let names = ["jsonrpc", "id", "error", "method", "result"];
        let [version, id, error, method, result] = json::members(json::text(body)?, names)?;
        let [code, message, data] = json::members(error.once()?, ["code", "message", "data"])?;
        Some(Self {
            version: version.once(),
            id,
            code: code.once(),
            message: message.once(),
            data: data.once(),
            has_other_kind: (method, result) != (Member::Absent, Member::Absent),
        })
    }

    /// Its `jsonrpc`, as JSON.
    pub fn version(&self) -> Option<&'a str> {
        self.version
    }

    /// The id of the request that it is about; `None` for `null` and for none.
    pub fn id(&self) -> Option<RequestId<'a>> {
        self.id.once().and_then(RequestId::from_json)
    }

    /// Whether it has a member `id`, whatever that is.
    pub fn has_id(&self) -> bool {
        self.id != Member::Absent
    }

    /// Its `code`, as JSON.
    pub fn code(&self) -> Option<&'a str> {
        self.code
    }

    /// Its `message`, as JSON: with quotes and escapes, if it is a string.
    pub fn message(&self) -> Option<&'a str> {
        self.message
    }

    /// The first characters of its `message`, at most so many bytes of UTF-8, control characters
    /// included. `None` if it is no string.
    pub fn message_text(&self, limit: usize) -> Option<String> {
        json::string_beginning(self.message?, limit)
    }

    /// Its `data`, as JSON.
    pub fn data(&self) -> Option<&'a str> {
        self.data
    }

    /// Whether it is a call or a result as well, and so no error to everyone.
    pub fn has_other_kind(&self) -> bool {
        self.has_other_kind
    }
}

impl fmt::Debug for JsonRpcError<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages quote what users say to tools, and session IDs.
        formatter
            .debug_struct("JsonRpcError")
            .field("id", &self.id())
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn the_members_of_an_error_are_handed_out_as_they_stand() {
        let body = br#"{"jsonrpc":"2.0","id":7.0,"error":{"data":[ 1],"message":"a\n","code":-1}}"#;

        let error = JsonRpcError::read(body).unwrap();

        assert_eq!(Some("\"2.0\""), error.version());
        assert_eq!(Some("7.0"), error.id().map(RequestId::as_str));
        assert_eq!(Some("-1"), error.code());
        assert_eq!(Some(r#""a\n""#), error.message());
        assert_eq!(Some("a\n"), error.message_text(100).as_deref());
        assert_eq!(Some("[ 1]"), error.data());
        assert!(error.has_id() && !error.has_other_kind());
    }

    #[test]
    fn what_has_no_error_object_is_no_error() {
        for body in [r#"{"id":1,"result":{}}"#, r#"{"error":null}"#, r#"{"error":"x"}"#, "[]", "{"]
        {
            assert!(JsonRpcError::read(body.as_bytes()).is_none(), "{body}");
        }
        assert!(JsonRpcError::read(br#"{"error":{},"error":{}}"#).is_none());
    }

    #[test]
    fn a_member_that_is_repeated_counts_as_missing() {
        let body = br#"{"id":1,"id":1,"result":1,"error":{"code":1,"code":1,"message":null}}"#;

        let error = JsonRpcError::read(body).unwrap();

        assert_eq!((None, None), (error.id(), error.code()));
        assert!(error.has_id() && error.has_other_kind());
        assert_eq!((Some("null"), None), (error.message(), error.message_text(9)));
    }

    #[test]
    fn a_message_is_cut_at_a_character() {
        let text = |message: &str, limit| {
            let body = format!(r#"{{"error":{{"message":"{message}"}}}}"#);
            JsonRpcError::read(body.as_bytes()).unwrap().message_text(limit)
        };
        for spelled in ["a\u{e9}b", r"a\u00e9b", r"\u0061\u00e9\u0062"] {
            for (limit, beginning) in [(0, ""), (1, "a"), (2, "a"), (3, "a\u{e9}"), (9, "a\u{e9}b")]
            {
                assert_eq!(Some(beginning), text(spelled, limit).as_deref(), "{spelled} {limit}");
            }
        }
        assert_eq!(Some("\u{fffd}\u{fffd}"), text(r"\ud800", 8).as_deref());
    }

    #[test]
    fn debug_shows_no_message() {
        let error = JsonRpcError::read(br#"{"id":1,"error":{"code":2,"message":"secret"}}"#);

        assert_eq!(
            r#"Some(JsonRpcError { id: Some(1), code: Some("2"), .. })"#,
            format!("{error:?}"),
        );
    }
}
