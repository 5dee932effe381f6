//! The heads of an exchange: what counts of the headers, read once, pair by pair.
//!
//! Names count in any case, values without the white space around them. A header that is
//! repeated counts as its values joined with ", ", as HTTP joins them; the session header
//! counts once where all its values are the same, because a proxy that doubles a header
//! takes nobody's session away.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use crate::exchange::{Method, Request, Response, Side, query_session_id};
use crate::jsonrpc::Message;

/// The head of a request, as a server, proxy or gateway has it.
///
/// ```
/// use mcp_session_core::Method;
/// use mcp_session_core::server::RequestHead;
///
/// let mut head = RequestHead::new(Method::Post, b"");
/// head.add_header(b"Mcp-Session-Id", b" 1868a90c ");
///
/// assert_eq!(head.attached_id(), Some(&b"1868a90c"[..]));
/// assert_eq!(format!("{head:?}"), "RequestHead { method: Post, attached: true, .. }");
/// ```
#[derive(Clone)]
pub struct RequestHead {
    method: Method,
    session_id: Repeatable,
    query_session_id: Option<Box<[u8]>>,
    protocol_version: Repeatable,
    content_length: Option<u64>,
    is_of_a_browser: bool,
    /// The handler does not get the session header, so it decides nothing.
    withholds_session_header: bool,
}

impl RequestHead {
    /// A head without headers. The query, as it stands, names the session of an HTTP+SSE
    /// endpoint (see [`query_session_id`]).
    pub fn new(method: Method, query: &[u8]) -> Self {
        Self {
            method,
            session_id: Repeatable::ABSENT,
            query_session_id: query_session_id(&String::from_utf8_lossy(query)).map(Box::from),
            protocol_version: Repeatable::ABSENT,
            content_length: None,
            is_of_a_browser: false,
            withholds_session_header: false,
        }
    }

    /// Takes a header down if it counts.
    #[inline]
    pub fn add_header(&mut self, name: &[u8], value: &[u8]) {
        // Of most headers the length says that they do not count.
        match name.len() {
            6 => self.is_of_a_browser |= name.eq_ignore_ascii_case(b"origin"),
            14 if name.eq_ignore_ascii_case(SESSION_ID) => self.session_id.add_distinct(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length =
                    core::str::from_utf8(trimmed(value)).ok().and_then(|it| it.parse().ok());
            }
            20 if name.eq_ignore_ascii_case(b"mcp-protocol-version") => {
                self.protocol_version.add(value);
            }
            _ => {}
        }
    }

    /// The HTTP method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The ID that counts as attached to what the handler gets, well-formed or not: the
    /// header's, or of an HTTP+SSE POST without one, the query's.
    pub fn attached_id(&self) -> Option<&[u8]> {
        self.request(None).attached_id(Side::Server)
    }

    /// Every ID that came with the request, attached or not: what must not be shown.
    pub fn known_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.session_id.parts().chain(self.query_session_id.as_deref())
    }

    /// Whether the handler gets an ID in the session header.
    pub(crate) fn bears_session_header(&self) -> bool {
        self.forwarded_id().is_some_and(|id| !id.is_empty())
    }

    pub(super) fn withhold_session_header(&mut self) {
        self.withholds_session_header = true;
    }

    pub(super) fn withholds_session_header(&self) -> bool {
        self.withholds_session_header
    }

    fn forwarded_id(&self) -> Option<&[u8]> {
        self.session_id.value().filter(|_| !self.withholds_session_header)
    }

    pub(super) fn has_conflicting_ids(&self) -> bool {
        self.session_id.is_joined
    }

    pub(super) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    pub(super) fn is_of_a_browser(&self) -> bool {
        self.is_of_a_browser
    }

    /// The facts that the rows look at.
    pub(crate) fn request<'a>(&'a self, message: Option<Message<'a>>) -> Request<'a> {
        Request {
            session_id: self.forwarded_id(),
            query_session_id: self.query_session_id.as_deref(),
            protocol_version: self.protocol_version.value(),
            message,
            ..Request::new(self.method)
        }
    }
}

/// No ID is shown: they are credentials.
impl fmt::Debug for RequestHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RequestHead")
            .field("method", &self.method)
            .field("attached", &self.attached_id().is_some())
            .finish_non_exhaustive()
    }
}

/// The head of a response, as a server, proxy or gateway has it of its handler or upstream.
///
/// ```
/// use mcp_session_core::http::StatusCode;
/// use mcp_session_core::server::ResponseHead;
///
/// let mut head = ResponseHead::new(StatusCode::NOT_FOUND);
/// head.add_header(b"mcp-session-id", b"1868a90c");
///
/// assert_eq!(head.session_id(), Some(&b"1868a90c"[..]));
/// assert_eq!(format!("{head:?}"), "ResponseHead { status: 404, .. }");
/// ```
#[derive(Clone)]
pub struct ResponseHead {
    status: StatusCode,
    session_id: Repeatable,
    content_type: Repeatable,
    content_encoding: Repeatable,
    www_authenticate: Repeatable,
    exposes_session_id: bool,
}

impl ResponseHead {
    /// A head without headers.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            session_id: Repeatable::ABSENT,
            content_type: Repeatable::ABSENT,
            content_encoding: Repeatable::ABSENT,
            www_authenticate: Repeatable::ABSENT,
            exposes_session_id: false,
        }
    }

    /// Takes a header down if it counts.
    #[inline]
    pub fn add_header(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            12 if name.eq_ignore_ascii_case(b"content-type") => self.content_type.add(value),
            14 if name.eq_ignore_ascii_case(SESSION_ID) => self.session_id.add_distinct(value),
            16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.content_encoding.add(value);
            }
            16 if name.eq_ignore_ascii_case(b"www-authenticate") => {
                self.www_authenticate.add(value);
            }
            29 if name.eq_ignore_ascii_case(b"access-control-expose-headers") => {
                self.exposes_session_id |= value.split(|byte| *byte == b',').any(|exposed| {
                    let exposed = trimmed(exposed);
                    exposed == b"*" || exposed.eq_ignore_ascii_case(SESSION_ID)
                });
            }
            _ => {}
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What stands in the session header, if it is not empty.
    pub fn session_id(&self) -> Option<&[u8]> {
        self.session_id.value().filter(|id| !id.is_empty())
    }

    /// Every ID that the response bears: what must not be shown.
    pub fn known_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.session_id.parts()
    }

    pub(super) fn has_conflicting_ids(&self) -> bool {
        self.session_id.is_joined
    }

    pub(super) fn exposes_session_id(&self) -> bool {
        self.exposes_session_id
    }

    /// The facts that the rows look at.
    pub(crate) fn response<'a>(&'a self, body: Option<&'a [u8]>) -> Response<'a> {
        Response {
            session_id: self.session_id.value(),
            content_type: self.content_type.value(),
            content_encoding: self.content_encoding.value(),
            www_authenticate: self.www_authenticate.value(),
            body,
            ..Response::new(self.status)
        }
    }
}

/// No ID is shown: they are credentials.
impl fmt::Debug for ResponseHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResponseHead")
            .field("status", &self.status.as_u16())
            .finish_non_exhaustive()
    }
}

const SESSION_ID: &[u8] = b"mcp-session-id";

/// Whether a header of this name bears a session ID, for whoever has to leave it out.
///
/// ```
/// use mcp_session_core::server::is_session_header;
///
/// assert!(is_session_header(b"Mcp-Session-Id"));
/// assert!(!is_session_header(b"Mcp-Session"));
/// ```
pub fn is_session_header(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(SESSION_ID)
}

/// The value of a header that may be repeated.
#[derive(Clone)]
struct Repeatable {
    value: Option<Vec<u8>>,
    is_joined: bool,
}

impl Repeatable {
    const ABSENT: Self = Self { value: None, is_joined: false };

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn add(&mut self, value: &[u8]) {
        let value = trimmed(value);
        match &mut self.value {
            Some(joined) => {
                joined.extend_from_slice(b", ");
                joined.extend_from_slice(value);
                self.is_joined = true;
            }
            None => self.value = Some(value.to_vec()),
        }
    }

    /// Takes a value down unless it repeats what is there.
    fn add_distinct(&mut self, value: &[u8]) {
        // Once two differ there is no ID any more that a further value could repeat.
        if self.is_joined || self.value() != Some(trimmed(value)) {
            self.add(value);
        }
    }

    /// The whole, and each part of it between commas.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.value().unwrap_or_default();
        let parts = whole.split(|byte| *byte == b',').map(trimmed);
        [whole].into_iter().chain(parts).filter(|part| !part.is_empty())
    }
}

/// Without the white space around it; a vertical tab is some, as it is to the Python servers.
fn trimmed(value: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r');
    let start = value.iter().position(is_kept).unwrap_or(value.len());
    let end = value.iter().rposition(is_kept).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
