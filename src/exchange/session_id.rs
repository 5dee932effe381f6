//! Session IDs: visible ASCII only, and never shown.

use core::fmt;

/// A well-formed session ID, borrowed from the header that bore it.
///
/// > The session ID **MUST** only contain visible ASCII characters (ranging from 0x21 to
/// > 0x7E).
/// >
/// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>
///
/// An ID is a credential, so `Debug` does not show it and there is no `Display`: whoever
/// needs the text asks for it by [`as_str`](Self::as_str).
///
/// ```
/// use mcp_session_core::SessionId;
///
/// let id = SessionId::parse(b"1868a90c").expect("visible ASCII");
/// assert_eq!(id.as_str(), "1868a90c");
/// assert_eq!(format!("{id:?}"), "SessionId(redacted)");
/// assert!(SessionId::parse(b"two words").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId<'a>(&'a str);

impl<'a> SessionId<'a> {
    /// Reads a header value; `None` if it is empty or holds anything but 0x21-0x7E.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        if value.is_empty() || !value.iter().all(|byte| matches!(byte, 0x21..=0x7E)) {
            return None;
        }
        core::str::from_utf8(value).ok().map(Self)
    }

    /// The ID as it goes into a `Mcp-Session-Id` header. Keep it out of logs.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for SessionId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_accepted_exactly_if_it_is_visible_ascii() {
        for byte in 0..=u8::MAX {
            let accepted = SessionId::parse(&[byte]).is_some();

            assert_eq!((0x21..=0x7E).contains(&byte), accepted, "byte {byte:#04x}");
        }
    }

    #[test]
    fn one_bad_byte_anywhere_makes_an_id_ill_formed() {
        for value in [&b" abc"[..], b"a bc", b"abc ", b"abc\n", b"a, b", b"abc\x7F", b"ab\xC3\xA9"]
        {
            assert!(SessionId::parse(value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn an_empty_value_is_no_id() {
        assert!(SessionId::parse(b"").is_none());
    }
}
