//! What may be shown of a request in logs and events: nothing that a client chose freely.
//!
//! A path shows its route-like shape. Whatever could be an ID in any spelling is a `*`: an
//! encoding of one has a percent sign, a capital, a digit too many or another byte that no
//! route-like segment has, and the plain ones are known.

use alloc::string::String;
use alloc::vec::Vec;

/// A segment longer than this is no word.
const LONGEST_SEGMENT: usize = 32;
/// As in `v2` or `oauth2`; an ID has more.
const MOST_DIGITS: usize = 1;
/// A path of more segments is cut.
const MOST_SEGMENTS: usize = 8;

/// The shape of a path: its segments of small letters, and `*` for every other. `known` are
/// the IDs of the exchange, in whatever spelling they came.
///
/// ```
/// use mcp_session_core::server::shown_path;
///
/// assert_eq!(shown_path("/api/v1/mcp", [&b"1868a90c"[..]]), "/api/v1/mcp");
/// assert_eq!(shown_path("/sessions/1868A90C/mcp", [&b"1868a90c"[..]]), "/sessions/*/mcp");
/// assert_eq!(shown_path("/sessions/secret", [&b"Secret"[..]]), "/sessions/*");
/// assert_eq!(shown_path("/top/secret", [&b"opsec"[..]]), "/*");
/// assert_eq!(shown_path("/sessions/2f0c/./mcp", [&b"2f0c/."[..]]), "/sessions/*/*/mcp");
/// ```
pub fn shown_path<'a>(path: &str, known: impl IntoIterator<Item = &'a [u8]>) -> String {
    let known: Vec<Vec<u8>> =
        known.into_iter().map(essence).filter(|essence| !essence.is_empty()).collect();
    let mut shown = String::new();
    for (number, segment) in path.split('/').skip(usize::from(path.starts_with('/'))).enumerate() {
        if number == MOST_SEGMENTS {
            shown.push_str("/...");
            break;
        }
        let may_show = segment.is_empty() || (is_route_like(segment) && !is_part(segment, &known));
        shown.push('/');
        shown.push_str(if may_show { segment } else { "*" });
    }
    // An ID of several segments stands in none of them.
    let whole = essence(shown.as_bytes());
    if known.iter().any(|id| contains(&whole, id)) { String::from("/*") } else { shown }
}

/// An HTTP method if it is a registered one, else `*`.
///
/// ```
/// use mcp_session_core::server::shown_method;
///
/// assert_eq!(shown_method("DELETE"), "DELETE");
/// assert_eq!(shown_method("GET-1868a90c"), "*");
/// ```
pub fn shown_method(method: &str) -> &'static str {
    const REGISTERED: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    REGISTERED.into_iter().find(|known| *known == method).unwrap_or("*")
}

fn is_route_like(segment: &str) -> bool {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    segment.len() <= LONGEST_SEGMENT
        && segment.starts_with(|first: char| first.is_ascii_lowercase() || first == '.')
        && segment.bytes().all(is_word)
        // What has no letter is no word, and could be a part of an ID that nothing tells.
        && segment.bytes().any(|byte| byte.is_ascii_lowercase())
        && segment.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS
}

/// Whether a segment is a part of an ID, or has one in it.
fn is_part(segment: &str, known: &[Vec<u8>]) -> bool {
    let segment = essence(segment.as_bytes());
    known.iter().any(|id| contains(id, &segment) || contains(&segment, id))
}

/// The letters and digits, in one case: what spellings have in common.
fn essence(text: &[u8]) -> Vec<u8> {
    text.iter().filter(|it| it.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}
