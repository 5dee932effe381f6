//! The facts of an exchange that the decision looks at.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, WWW_AUTHENTICATE};
use http::{StatusCode, request, response};

use crate::answer::SESSION_ID_HEADER;
use crate::message::{Message, peek};
use crate::table::Side;

/// The header that names the protocol version of a request.
pub const PROTOCOL_VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What a repeated header counts as.
///
/// HTTP joins the values with ", ". No fact is well-formed with that in it, whatever the
/// values are, so the join need not be made.
const REPEATED: &[u8] = b", ";

/// The HTTP methods of MCP, and all the others. Case-sensitive, as HTTP has it.
///
/// Exhaustive on purpose: MCP uses no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Sends a message.
    Post,
    /// Opens a stream.
    Get,
    /// Terminates a session.
    Delete,
    /// Anything that MCP does not use.
    Other,
}

impl From<&str> for Method {
    fn from(method: &str) -> Self {
        match method {
            "POST" => Self::Post,
            "GET" => Self::Get,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

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

/// What came back.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::Response;
///
/// let response = Response {
///     content_type: Some(b"text/plain"),
///     body: Some(b"Session not found"),
///     ..Response::new(StatusCode::NOT_FOUND)
/// };
/// # let _ = response;
/// ```
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The HTTP status, 100 to 999.
    pub status: StatusCode,
    /// The value of `Mcp-Session-Id`; an empty one counts as none.
    pub session_id: Option<&'a [u8]>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The value of `Content-Encoding`. A body that is encoded is not looked into.
    pub content_encoding: Option<&'a [u8]>,
    /// The value of `WWW-Authenticate`.
    pub www_authenticate: Option<&'a [u8]>,
    /// The body; `None` if it is not known, or not whole.
    pub body: Option<&'a [u8]>,
}

impl<'a> Response<'a> {
    /// A response without headers, of which the body is not known.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            session_id: None,
            content_type: None,
            content_encoding: None,
            www_authenticate: None,
            body: None,
        }
    }

    /// The facts of a response as the `http` crate has it; `body` is `None` if not known.
    pub fn from_parts(parts: &'a response::Parts, body: Option<&'a [u8]>) -> Self {
        let header = |name| sole_value(values(&parts.headers, name));
        Self {
            status: parts.status,
            session_id: header(SESSION_ID_HEADER),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            www_authenticate: header(WWW_AUTHENTICATE),
            body,
        }
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

/// The value of a header that may be repeated.
pub(crate) fn sole_value<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let first = values.next()?;
    Some(if values.next().is_some() { REPEATED } else { first })
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().map(|value| value.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_id::SessionId;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::Post, Method::from("POST"));
        assert_eq!(Method::Get, Method::from("GET"));
        assert_eq!(Method::Delete, Method::from("DELETE"));
        for method in ["post", "Get", "PUT", "OPTIONS", "HEAD", "PATCH", ""] {
            assert_eq!(Method::Other, Method::from(method));
        }
    }

    #[test]
    fn the_facts_of_http_parts_are_those_of_their_headers() {
        let (parts, ()) = http::Request::post("/messages/?sessionId=q")
            .header("Mcp-Session-Id", "\tx ")
            .header("MCP-Protocol-Version", "2025-06-18")
            .body(())
            .unwrap()
            .into_parts();

        let request = Request::from_parts(&parts, Some(br#"{"method":"m"}"#));

        assert_eq!(Method::Post, request.method);
        assert_eq!(Some(&b"x"[..]), request.session_id);
        assert_eq!(Some(&b"q"[..]), request.query_session_id);
        assert_eq!(Some(&b"2025-06-18"[..]), request.protocol_version);
        assert_eq!(Some(peek(br#"{"method":"m"}"#)), request.message);

        let (parts, ()) = http::Response::builder()
            .status(401)
            .header("mcp-session-id", "y")
            .header("content-type", "text/plain")
            .header("content-encoding", "br")
            .header("www-authenticate", "Bearer")
            .body(())
            .unwrap()
            .into_parts();

        let response = Response::from_parts(&parts, None);

        assert_eq!(StatusCode::UNAUTHORIZED, response.status);
        assert_eq!(Some(&b"y"[..]), response.session_id);
        assert_eq!(Some(&b"text/plain"[..]), response.content_type);
        assert_eq!(Some(&b"br"[..]), response.content_encoding);
        assert_eq!(Some(&b"Bearer"[..]), response.www_authenticate);
        assert_eq!(None, response.body);
    }

    #[test]
    fn a_repeated_header_counts_as_an_ill_formed_value() {
        let (parts, ()) = http::Request::get("/")
            .header("mcp-session-id", "x")
            .header("mcp-session-id", "x")
            .body(())
            .unwrap()
            .into_parts();

        let id = Request::from_parts(&parts, None).session_id.unwrap();

        assert!(!id.is_empty());
        assert!(SessionId::parse(id).is_none());
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
