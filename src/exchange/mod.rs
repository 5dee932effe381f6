//! What HTTP said, as far as the decision looks at it.

mod era;
mod headers;
mod method;
mod misreports;
mod normal_form;
mod request;
mod response;
mod session_id;
mod side;

pub use era::{Era, LEGACY_VERSIONS};
#[cfg(feature = "wire")]
pub(crate) use headers::sole_value;
pub use headers::{PROTOCOL_VERSION_HEADER, SESSION_ID_HEADER};
pub use method::Method;
pub use misreports::{MisreportError, Misreports};
pub(crate) use normal_form::{may_become, normal_form};
pub use request::{Request, query_session_id};
pub use response::Response;
pub(crate) use response::is_outage;
pub use session_id::SessionId;
pub use side::{Quirks, Side};

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::jsonrpc::peek;

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
    fn the_facts_of_listed_headers_are_those_of_http_parts() {
        let (request, ()) = http::Request::post("/mcp?sessionId=q")
            .header("Mcp-Session-Id", " x")
            .header("MCP-Protocol-Version", "2025-06-18")
            .body(())
            .unwrap()
            .into_parts();
        let (response, ()) = http::Response::builder()
            .status(401)
            .header("MCP-Session-ID", "y ")
            .header("content-type", "a/b")
            .header("Content-Encoding", "br")
            .header("www-authenticate", "Bearer")
            .body(())
            .unwrap()
            .into_parts();
        let listed = |headers: &http::HeaderMap| {
            let lines = headers.iter().map(|(name, value)| {
                (name.as_str().to_ascii_uppercase(), value.as_bytes().to_vec())
            });
            lines.collect::<alloc::vec::Vec<_>>()
        };
        let (sent, came) = (listed(&request.headers), listed(&response.headers));
        let sent: alloc::vec::Vec<_> = sent.iter().map(|(n, v)| (n.as_str(), &v[..])).collect();
        let came: alloc::vec::Vec<_> = came.iter().map(|(n, v)| (n.as_str(), &v[..])).collect();

        let (expected, one) = (
            Request::from_parts(&request, None),
            Request::from_headers("POST", "sessionId=q", &sent, None),
        );
        assert_eq!(expected.method, one.method);
        assert_eq!(expected.session_id, one.session_id);
        assert_eq!(expected.query_session_id, one.query_session_id);
        assert_eq!(expected.protocol_version, one.protocol_version);
        let (expected, one) = (
            Response::from_parts(&response, None),
            Response::from_headers(StatusCode::UNAUTHORIZED, &came, None),
        );
        assert_eq!(expected.session_id, one.session_id);
        assert_eq!(expected.content_type, one.content_type);
        assert_eq!(expected.content_encoding, one.content_encoding);
        assert_eq!(expected.www_authenticate, one.www_authenticate);
        let twice = [("mcp-session-id", &b"x"[..]), ("Mcp-Session-Id", b"x")];
        let id = Request::from_headers("GET", "", &twice, None).session_id.unwrap();
        assert!(SessionId::parse(id).is_none());
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
}
