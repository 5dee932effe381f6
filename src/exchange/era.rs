//! Protocol versions, and the two eras they fall into.

use crate::jsonrpc::json::string_is;
use crate::jsonrpc::{Kind, Message};

/// The revisions with an `initialize` handshake, and so with sessions.
///
/// A closed set: every revision to come is modern. Versions are compared for equality
/// only, never ordered; the specification does not promise that they stay date-shaped.
pub const LEGACY_VERSIONS: [&str; 5] =
    ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Whether a request belongs to the revisions that know sessions.
///
/// Exhaustive on purpose: a third era would have to be ruled by every caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// 2024-10-07 to 2025-11-25: `initialize`, sessions.
    Legacy,
    /// 2026-07-28 on: every request stands alone, there are no sessions.
    Modern,
}

impl Era {
    /// The era of one request.
    ///
    /// `initialize` is legacy always: it exists in no modern revision. Otherwise a
    /// non-empty `MCP-Protocol-Version` header decides. Without one, a single message
    /// that names a version in its `_meta` is modern unless that version is legacy:
    ///
    /// > Every request now carries its protocol version and client capabilities in `_meta`
    /// > (`io.modelcontextprotocol/protocolVersion`,
    /// > `io.modelcontextprotocol/clientCapabilities`).
    /// >
    /// > <https://modelcontextprotocol.io/specification/2026-07-28/changelog>
    ///
    /// What names no version at all is legacy:
    ///
    /// > if the server does _not_ receive an `MCP-Protocol-Version` header [...] the server
    /// > **SHOULD** assume protocol version `2025-03-26`.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#protocol-version-header>
    ///
    /// ```
    /// use mcp_session_core::{Era, peek};
    ///
    /// assert_eq!(Era::of(Some(b"2025-06-18"), None), Era::Legacy);
    /// assert_eq!(Era::of(Some(b"2026-07-28"), None), Era::Modern);
    /// assert_eq!(Era::of(None, None), Era::Legacy);
    ///
    /// let initialize = peek(br#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#);
    /// assert_eq!(Era::of(Some(b"2026-07-28"), Some(&initialize)), Era::Legacy);
    /// ```
    pub fn of(protocol_version: Option<&[u8]>, message: Option<&Message<'_>>) -> Self {
        if message.is_some_and(Message::is_initialize) {
            return Self::Legacy;
        }
        match protocol_version {
            Some(version) if !version.is_empty() => Self::of_version(version),
            Some(_) | None => message.map_or(Self::Legacy, Self::named_by),
        }
    }

    fn named_by(message: &Message<'_>) -> Self {
        match message.kind() {
            Kind::Request | Kind::Notification => {
                message.meta_protocol_version().map_or(Self::Legacy, Self::of_json_version)
            }
            Kind::Response | Kind::Batch | Kind::Malformed => Self::Legacy,
        }
    }

    fn of_json_version(value: &str) -> Self {
        let names_a_version = value.starts_with('"') && value != "\"\"";
        if names_a_version && !LEGACY_VERSIONS.iter().any(|legacy| string_is(value, legacy)) {
            Self::Modern
        } else {
            Self::Legacy
        }
    }

    fn of_version(version: &[u8]) -> Self {
        if LEGACY_VERSIONS.iter().any(|legacy| legacy.as_bytes() == version) {
            Self::Legacy
        } else {
            Self::Modern
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::peek;

    #[test]
    fn the_five_handshake_versions_are_legacy_and_no_other_string_is() {
        for version in LEGACY_VERSIONS {
            assert_eq!(Era::Legacy, Era::of(Some(version.as_bytes()), None));
        }
        for version in ["2026-07-28", "1999-01-01", "DRAFT-2026-v1", "2025-06-18 ", "2025-06-18, x"]
        {
            assert_eq!(Era::Modern, Era::of(Some(version.as_bytes()), None), "{version:?}");
        }
    }

    #[test]
    fn the_header_outranks_the_meta_version() {
        let modern = peek(
            br#"{"id":1,"method":"tools/list",
            "params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );

        assert_eq!(Era::Modern, Era::of(None, Some(&modern)));
        assert_eq!(Era::Modern, Era::of(Some(b""), Some(&modern)));
        assert_eq!(Era::Legacy, Era::of(Some(b"2025-11-25"), Some(&modern)));
    }

    #[test]
    fn a_meta_version_counts_only_as_a_non_empty_string_in_a_single_call() {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion""#;
        for (body, era) in [
            (r#"{"id":1,"method":"m","params":{META:"2026-07-28"}}}"#, Era::Modern),
            (r#"{"method":"m","params":{META:"2026-07-28"}}}"#, Era::Modern),
            (r#"{"id":1,"method":"m","params":{META:"2025-11-25"}}}"#, Era::Legacy),
            (r#"{"id":1,"method":"m","params":{META:""}}}"#, Era::Legacy),
            (r#"{"id":1,"method":"m","params":{META:20260728}}}"#, Era::Legacy),
            (r#"{"id":1,"method":"m","params":[{META:"2026-07-28"}}]}"#, Era::Legacy),
            (r#"{"id":1,"method":"m","result":{META:"2026-07-28"}}}"#, Era::Legacy),
            (r#"[{"id":1,"method":"m","params":{META:"2026-07-28"}}}]"#, Era::Legacy),
            (r#"{"id":1,"id":1,"method":"m","params":{META:"2026-07-28"}}}"#, Era::Legacy),
            (r#"{"id":1,"method":"initialize","params":{META:"2026-07-28"}}}"#, Era::Legacy),
        ] {
            let body = body.replace("META", meta);

            assert_eq!(era, Era::of(None, Some(&peek(body.as_bytes()))), "{body}");
        }
    }

    #[test]
    fn of_a_repeated_member_the_last_one_names_the_version_as_in_other_readers() {
        let version = r#""io.modelcontextprotocol/protocolVersion""#;
        for (params, era) in [
            (r#"{"_meta":{VERSION:"2025-11-25",VERSION:"2026-07-28"}}"#, Era::Modern),
            (r#"{"_meta":{VERSION:"2026-07-28",VERSION:"2025-11-25"}}"#, Era::Legacy),
            (r#"{"_meta":{VERSION:"2026-07-28"},"_meta":{}}"#, Era::Legacy),
            (r#"{"_meta":{VERSION:"2026-07-28"}},"params":{}"#, Era::Legacy),
            (r#"{},"params":{"_meta":{VERSION:"2026-07-28"}}"#, Era::Modern),
            (r#"{"_met\u0061":{VERSION:"2026\u002d07-28"}}"#, Era::Modern),
        ] {
            let body = std::format!(r#"{{"id":1,"method":"m","params":{params}}}"#)
                .replace("VERSION", version);

            assert_eq!(era, Era::of(None, Some(&peek(body.as_bytes()))), "{body}");
        }
    }
}
