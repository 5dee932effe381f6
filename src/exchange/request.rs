//! What was sent, as far as the decision looks at it.

use alloc::string::String;
use core::fmt;

use http::header::HeaderName;
use http::request;

use super::headers::{PROTOCOL_VERSION_HEADER, SESSION_ID_HEADER, named, sole_value, values};
use super::method::Method;
use super::side::Side;
use crate::jsonrpc::{Message, peek};

/// What was sent.
///
/// ```
/// use mcp_session_core::{Method, Request, peek};
///
/// let request = Request {
///     session_id: Some(b"1868a90c"),
///     message: Some(peek(br#"{"id":1,"method":"tools/list"}"#)),
///     ..Request::new(Method::Post)
/// };
/// # let _ = request;
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The value of `Mcp-Session-Id`; an empty one counts as none.
    pub session_id: Option<&'a [u8]>,
    /// The session named by the query of an HTTP+SSE endpoint. It counts on the server
    /// side, for a POST that bears no header. See [`query_session_id`].
    pub query_session_id: Option<&'a [u8]>,
    /// The value of `MCP-Protocol-Version`; an empty one counts as none.
    pub protocol_version: Option<&'a [u8]>,
    /// The body, by [`peek`]; `None` if it is not known. Only a POST's is looked at.
    pub message: Option<Message<'a>>,
}

impl<'a> Request<'a> {
    /// A request with nothing attached, of which the body is not known.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            session_id: None,
            query_session_id: None,
            protocol_version: None,
            message: None,
        }
    }

    /// The facts of a request as the `http` crate has it; `body` is `None` if not known.
    pub fn from_parts(parts: &'a request::Parts, body: Option<&'a [u8]>) -> Self {
        let header = |name| sole_value(values(&parts.headers, name));
        Self {
            method: parts.method.as_str().into(),
            session_id: header(SESSION_ID_HEADER),
            query_session_id: query_session_id(parts.uri.query().unwrap_or("")),
            protocol_version: header(PROTOCOL_VERSION_HEADER),
            message: body.map(peek),
        }
    }

    /// The facts of a request from all its headers, in any case and order; `body` is `None`
    /// if not known.
    pub fn from_headers(
        method: &str,
        query: &'a str,
        headers: &[(&str, &'a [u8])],
        body: Option<&'a [u8]>,
    ) -> Self {
        let header = |name: HeaderName| sole_value(named(headers, name));
        Self {
            method: method.into(),
            session_id: header(SESSION_ID_HEADER),
            query_session_id: query_session_id(query),
            protocol_version: header(PROTOCOL_VERSION_HEADER),
            message: body.map(peek),
        }
    }

    /// The message that was posted: the body of another method means nothing, so it is
    /// nobody's `initialize` and has no id to repeat.
    pub(crate) fn posted(&self) -> Option<&Message<'a>> {
        match self.method {
            Method::Post => self.message.as_ref(),
            Method::Get | Method::Delete | Method::Other => None,
        }
    }

    /// The value that counts as attached, well-formed or not, if it is not empty: the
    /// header's, or for a server looking at an HTTP+SSE POST without one, the query's.
    ///
    /// A client does not count its query: over HTTP+SSE a lost session comes back by a new
    /// GET, not by a new `initialize` alone.
    ///
    /// ```
    /// use mcp_session_core::{Method, Quirks, Request, Side};
    ///
    /// let request =
    ///     Request { query_session_id: Some(b"889dd8e2"), ..Request::new(Method::Post) };
    ///
    /// assert_eq!(request.attached_id(Side::Server), Some(&b"889dd8e2"[..]));
    /// assert_eq!(request.attached_id(Side::Client(Quirks::Ignore)), None);
    /// ```
    pub fn attached_id(&self, side: Side) -> Option<&'a [u8]> {
        let query = match (side, self.method) {
            (Side::Server, Method::Post) => self.query_session_id,
            (Side::Server, Method::Get | Method::Delete | Method::Other) | (Side::Client(_), _) => {
                None
            }
        };
        let present = |id: &&[u8]| !id.is_empty();
        self.session_id.filter(present).or_else(|| query.filter(present))
    }
}

/// Without the IDs: they are credentials.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |id: Option<&[u8]>| id.map(|_| format_args!("(redacted)"));
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("session_id", &redacted(self.session_id))
            .field("query_session_id", &redacted(self.query_session_id))
            .field("protocol_version", &self.protocol_version.map(String::from_utf8_lossy))
            .field("message", &self.message)
            .finish()
    }
}

/// The session ID in the query of an HTTP+SSE endpoint (2024-11-05), if it is not empty.
///
/// That revision leaves the name to the server. In the field it is `session_id` (Python),
/// `sessionId` (TypeScript) or `sessionid` (Go); the first of them that has a value counts,
/// as it stands, percent-encoding included.
///
/// ```
/// use mcp_session_core::query_session_id;
///
/// assert_eq!(query_session_id("a=1&session_id=889dd8e2"), Some(&b"889dd8e2"[..]));
/// assert_eq!(query_session_id("session_id="), None);
/// ```
pub fn query_session_id(query: &str) -> Option<&[u8]> {
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, value)| {
            matches!(*name, "session_id" | "sessionId" | "sessionid") && !value.is_empty()
        })
        .map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn debug_shows_neither_the_id_in_the_header_nor_the_one_in_the_query() {
        let request = Request {
            session_id: Some(b"secret"),
            query_session_id: Some(b"secret"),
            protocol_version: Some(b"2025-11-25"),
            ..Request::new(Method::Post)
        };

        let shown = format!("{request:?}");

        assert!(!shown.contains("secret") && shown.contains("2025-11-25"), "{shown}");
        assert!(shown.contains("session_id: Some((redacted))"), "{shown}");
    }

    #[test]
    fn the_first_query_parameter_with_a_value_names_the_session() {
        for (query, expected) in [
            ("", None),
            ("session_id", None),
            ("sessionID=x", None),
            ("xsession_id=x", None),
            ("session_id=x", Some("x")),
            ("sessionId=x", Some("x")),
            ("sessionid=x", Some("x")),
            ("a=b&sessionId=&session_id=y&sessionid=z", Some("y")),
            ("session_id=a%2Fb=", Some("a%2Fb=")),
        ] {
            assert_eq!(expected.map(str::as_bytes), query_session_id(query), "{query:?}");
        }
    }
}
