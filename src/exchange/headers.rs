//! The headers of MCP, and what a header that is repeated counts as.

use http::header::{HeaderMap, HeaderName};

/// The header that bears a session ID, in lower case as HTTP/2 and ASGI write it.
pub const SESSION_ID_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// The header that names the protocol version of a request.
pub const PROTOCOL_VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The value of a header that may be repeated.
pub(crate) fn sole_value<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let first = values.next()?;
    Some(if values.next().is_some() { REPEATED } else { first })
}

pub(crate) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().map(|value| value.as_bytes().trim_ascii())
}

pub(crate) fn named<'a>(
    headers: &[(&str, &'a [u8])],
    name: HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |(it, _)| it.eq_ignore_ascii_case(name.as_str()))
        .map(|(_, value)| value.trim_ascii())
}

/// What a repeated header counts as.
///
/// HTTP joins the values with ", ". No fact is well-formed with that in it, whatever the
/// values are, so the join need not be made.
const REPEATED: &[u8] = b", ";
