//! What a server's answer has to become, said in another way than the table says it: by the
//! rulings in docs/verdicts.md, over plain text and another reader of JSON.

use std::str;

use mcp_session_core::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One exchange, as far as it was known when it was decided.
pub struct Known<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Whether the handler received a session ID in the header.
    pub has_header_id: bool,
    /// Whether the query has one, as that of a POST over HTTP+SSE.
    pub has_query_id: bool,
    /// The value of `MCP-Protocol-Version`.
    pub version: Option<&'a str>,
    /// The body of the request, if it is known whole.
    pub request: Option<&'a [u8]>,
    /// The status of the answer.
    pub status: u16,
    /// Whether the answer bears a session header.
    pub bears_session_id: bool,
    /// Whether the answer says that it is JSON.
    pub is_json: bool,
    /// The body of the answer, if it is known whole.
    pub answer: Option<&'a [u8]>,
}

/// What has to become of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// The canonical answer that takes its place.
    pub replaced_by: Option<String>,
    /// Whether its session header does not go out.
    pub withholds: bool,
}

/// Says what has to become of the answer; nothing for bodies that it does not read: those with
/// escapes, repeated members, or more than ASCII, about which the fuzz target `peek` asks.
pub fn due(known: &Known<'_>) -> Option<Due> {
    let request = known.request.map(Asked::of).transpose().ok()?;
    let is_modern = known.version.is_some_and(|version| !LEGACY.contains(&version))
        && !request.as_ref().is_some_and(|it| it.is_initialize);
    let is_posted_over_sse = known.has_query_id && known.method == Method::Post;
    let is_attached = known.has_header_id || is_posted_over_sse;
    let is_of_a_session = is_attached && known.method != Method::Other && !is_modern;
    let is_lost = is_of_a_session
        && match known.status {
            404 => !is_canonical(known, request.as_ref())?,
            400 => says(known.answer, &MISREPORTS_400)?,
            401 => says(known.answer, &MISREPORTS_401)?,
            500 => says(known.answer, &[])?,
            _ => false,
        };
    let id = request.and_then(|it| it.id).map(|id| format!(r#","id":{id}"#)).unwrap_or_default();
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}"#;
    Some(Due {
        replaced_by: is_lost.then(|| format!("{error}{id}}}")),
        withholds: known.bears_session_id && !(200..300).contains(&known.status),
    })
}

const LEGACY: [&str; 5] = ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// With 401.
pub const MISREPORTS_401: [&str; 2] = ["session not found", "no transport found for sessionid"];

/// The misreports of the rulings, written once more: with 400, in normal form.
pub const MISREPORTS_400: [&str; 23] = [
    "no valid session id provided",
    "no valid session id provided for non-initialize request",
    "no valid session id provided or not an initialization request",
    "no valid session id provided or not an initialize request",
    "no valid session id or not an initialize request",
    "no valid session id",
    "invalid or missing session id",
    "missing or invalid session id",
    "invalid session id",
    "unknown session",
    "unknown session id",
    "unknown mcp-session-id header",
    "session not found",
    "session id not found",
    "session expired",
    "session has expired",
    "session terminated",
    "mcp-session-id header is required",
    "server not initialized",
    "get request requires a valid session id",
    "delete request requires a valid session id",
    "mcp: invalid session id header",
    "no transport found for sessionid",
];

/// Why a body is not judged here.
struct Unread;

struct Asked {
    is_initialize: bool,
    /// As it stands, if an answer repeats it.
    id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
}

impl Asked {
    fn of(body: &[u8]) -> Result<Self, Unread> {
        let nothing = Self { is_initialize: false, id: None };
        let text = plain(body)?;
        if text.contains("_meta") {
            return Err(Unread);
        }
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return Ok(nothing) };
        let Some(method) = members.method.and_then(string) else { return Ok(nothing) };
        let id = members.id.map(RawValue::get).filter(|id| is_id(id));
        Ok(Self { is_initialize: id.is_some() && method == "initialize", id: id.map(Into::into) })
    }
}

/// Whether a 404 is as it should be.
fn is_canonical(known: &Known<'_>, request: Option<&Asked>) -> Option<bool> {
    let Some(answer) = known.answer else { return Some(false) };
    if !known.is_json || known.bears_session_id {
        return Some(false);
    }
    let text = plain(answer).ok()?;
    if text.contains(r#""method""#) || text.contains(r#""result""#) {
        return None;
    }
    let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return Some(false) };
    let error = members.error.and_then(|it| serde_json::from_str::<Members<'_>>(it.get()).ok());
    let code = error.and_then(|it| it.code).map(RawValue::get);
    let is_right = match (members.id.map(RawValue::get), request, known.method) {
        (None, _, _) => !text.contains(r#""id""#),
        (Some(id), None, Method::Post) => is_id(id),
        (Some(id), Some(Asked { id: Some(own), .. }), _) => value(id) == value(own),
        (Some(_), _, _) => false,
    };
    Some(code == Some("-32001") && is_right)
}

/// Whether a refusal says one of these.
fn says(answer: Option<&[u8]>, texts: &[&str]) -> Option<bool> {
    let Some(answer) = answer else { return Some(false) };
    let text = plain(answer).ok()?;
    if text.len() > 4096 || text.contains("Encounter") {
        return None;
    }
    let members = serde_json::from_str::<Members<'_>>(text).unwrap_or_default();
    let nested = members.error.and_then(|it| serde_json::from_str::<Members<'_>>(it.get()).ok());
    let said = [
        Some(text),
        members.message.and_then(string),
        members.error.and_then(string),
        nested.and_then(|it| it.message).and_then(string),
    ];
    Some(said.into_iter().flatten().map(normal_form).any(|said| texts.contains(&said.as_str())))
}

fn normal_form(text: &str) -> String {
    let words: Vec<String> = text.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    let joined = words.join(" ");
    let said = joined.strip_suffix('.').unwrap_or(&joined);
    ["bad request: ", "invalid request: ", "unauthorized: "]
        .iter()
        .find_map(|prefix| said.strip_prefix(prefix))
        .unwrap_or(said)
        .to_owned()
}

/// A body in which text is what it looks like, and no member stands twice.
fn plain(body: &[u8]) -> Result<&str, Unread> {
    let text = str::from_utf8(body).map_err(|_| Unread)?;
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    let is_twice = |name: &str| text.matches(name).count() > 1;
    let repeats = [r#""id""#, r#""method""#, r#""error""#, r#""message""#, r#""code""#];
    // `null` is no string and no object, and the reader here takes it for a missing member.
    let is_read = is_plain
        && !text.contains('\\')
        && !text.contains("null")
        && !repeats.into_iter().any(is_twice);
    if is_read { Ok(text) } else { Err(Unread) }
}

fn string(value: &RawValue) -> Option<&str> {
    serde_json::from_str(value.get()).ok()
}

fn value(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

fn is_id(text: &str) -> bool {
    text.len() <= 256 && text.starts_with(|it: char| it == '"' || it == '-' || it.is_ascii_digit())
}
