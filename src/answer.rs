//! The canonical answers: what a server or proxy says about a session.

use alloc::string::String;
use alloc::vec::Vec;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode, response};

use crate::jsonrpc::RequestId;

/// An answer made here, with the id of the request it answers, if there is one to repeat.
///
/// The body is compact JSON: clients in the field search a 404 for `"code":-32001`. The id
/// is repeated exactly as it stood, and is left out, never `null`, where there is none: a
/// client that cannot correlate an error waits for ever, and the schema of the
/// specification has no null id.
///
/// ```
/// use http::Response;
/// use mcp_session_core::{Answer, peek};
///
/// let request = peek(br#"{"jsonrpc":"2.0","id":"abc-1","method":"tools/call"}"#);
/// let response = Response::<Vec<u8>>::from(Answer::not_found(request.echoed_id()));
///
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.headers()["content-type"], "application/json");
/// assert_eq!(
///     response.body(),
///     br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":"abc-1"}"#,
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Answer<'a> {
    occasion: Occasion,
    id: Option<RequestId<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Occasion {
    SessionNotFound,
    SessionIdMissing,
    LookupFailed,
    OwnerLost,
    Unanswered,
    NoUpstream,
    UpstreamLost,
}

impl<'a> Answer<'a> {
    /// 404: the session is terminated or was never known.
    ///
    /// > The server **MAY** terminate the session at any time, after which it **MUST**
    /// > respond to requests containing that session ID with HTTP 404 Not Found.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>
    ///
    /// Pass no id to leave it out on purpose, for peers that read a 404 with an id as the
    /// failure of one call: the Go SDK's main branch does since August 2026. With the id,
    /// rmcp and others end the call with an error instead of waiting for ever.
    pub fn not_found(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::SessionNotFound, id)
    }

    /// 400: a session is required and no ID was attached.
    ///
    /// > Servers that require a session ID **SHOULD** respond to requests without an
    /// > `MCP-Session-Id` header (other than initialization) with HTTP 400 Bad Request.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>
    pub fn bad_request(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::SessionIdMissing, id)
    }

    /// 503: nobody could be asked whether the session is known. Never 404, which would
    /// make the client throw a live session away.
    pub fn unavailable(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::LookupFailed, id)
    }

    /// 502: the process that held the session ended, or was cut off, while the request may
    /// have run there. It is not to be run again by anyone but who sent it.
    pub fn owner_lost(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::OwnerLost, id)
    }

    /// The stream that was to bring the response has ended without it, and cannot be resumed.
    /// Like [`owner_lost`](Self::owner_lost), it says nothing of whether the request has run.
    pub fn unanswered(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::Unanswered, id)
    }

    /// 503: no server behind a gateway can be reached, and nothing was sent to one. Never 404:
    /// the session may be alive, and would be thrown away.
    pub fn no_upstream(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::NoUpstream, id)
    }

    /// 502: a server behind a gateway ended before it answered, or does not speak HTTP. The
    /// request may have run, so nothing says when to send it again.
    pub fn upstream_lost(id: Option<RequestId<'a>>) -> Self {
        Self::new(Occasion::UpstreamLost, id)
    }

    fn new(occasion: Occasion, id: Option<RequestId<'a>>) -> Self {
        Self { occasion, id: id.filter(|id| id.as_str().len() <= RequestId::ECHO_LIMIT) }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self.occasion {
            Occasion::SessionNotFound => StatusCode::NOT_FOUND,
            Occasion::SessionIdMissing => StatusCode::BAD_REQUEST,
            Occasion::LookupFailed | Occasion::NoUpstream => StatusCode::SERVICE_UNAVAILABLE,
            Occasion::OwnerLost | Occasion::Unanswered | Occasion::UpstreamLost => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The body of the response: one JSON-RPC error.
    pub fn body(&self) -> String {
        self.body_parts().concat()
    }

    /// The body in pieces, for whoever puts it into a buffer of their own.
    ///
    /// ```
    /// use mcp_session_core::Answer;
    ///
    /// let answer = Answer::not_found(None);
    ///
    /// assert_eq!(answer.body_parts().concat(), answer.body());
    /// ```
    pub fn body_parts(&self) -> [&str; 5] {
        let error = match self.occasion {
            Occasion::SessionNotFound => r#"{"code":-32001,"message":"Session not found"}"#,
            Occasion::SessionIdMissing => {
                r#"{"code":-32600,"message":"Bad Request: Mcp-Session-Id header is required"}"#
            }
            Occasion::LookupFailed => r#"{"code":-32603,"message":"Session lookup failed"}"#,
            Occasion::OwnerLost => {
                r#"{"code":-32603,"message":"Session owner lost; the request may have run"}"#
            }
            Occasion::Unanswered => {
                r#"{"code":-32603,"message":"No answer came; the request may have run"}"#
            }
            Occasion::NoUpstream => r#"{"code":-32603,"message":"No upstream can be reached"}"#,
            Occasion::UpstreamLost => {
                r#"{"code":-32603,"message":"Upstream lost; the request may have run"}"#
            }
        };
        let (name, id) = self.id.map_or(("", ""), |id| (r#","id":"#, id.as_str()));
        [r#"{"jsonrpc":"2.0","error":"#, error, name, id, "}"]
    }

    /// The headers of the response, for those who have them in another shape than the `http`
    /// crate's.
    ///
    /// ```
    /// use mcp_session_core::Answer;
    /// use mcp_session_core::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
    ///
    /// let headers: Vec<_> = Answer::not_found(None).headers().collect();
    ///
    /// assert_eq!(headers[0], (CONTENT_TYPE, "application/json".parse().unwrap()));
    /// assert_eq!(headers[1], (CONTENT_LENGTH, "71".parse().unwrap()));
    /// assert_eq!(headers.len(), 2);
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let length: usize = self.body_parts().iter().map(|part| part.len()).sum();
        let retry_after = match self.occasion {
            Occasion::SessionNotFound
            | Occasion::SessionIdMissing
            | Occasion::OwnerLost
            | Occasion::Unanswered
            | Occasion::UpstreamLost => None,
            Occasion::LookupFailed | Occasion::NoUpstream => {
                Some((RETRY_AFTER, HeaderValue::from_static("1")))
            }
        };
        [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_LENGTH, HeaderValue::from(length)),
        ]
        .into_iter()
        .chain(retry_after)
    }

    /// The same answer with no id in it, which borrows from no request.
    pub fn without_id(self) -> Answer<'static> {
        Answer { occasion: self.occasion, id: None }
    }

    /// Puts this answer in the place of one that an upstream gave.
    ///
    /// The upstream's other headers stay (CORS, `Vary`, cookies, tracing); those that
    /// described its body, its challenge or its session go.
    ///
    /// ```
    /// use http::Response;
    /// use mcp_session_core::Answer;
    ///
    /// let (upstream, _) = Response::builder()
    ///     .status(400)
    ///     .header("vary", "origin")
    ///     .header("content-type", "text/plain")
    ///     .header("mcp-session-id", "1868a90c")
    ///     .body("unknown session")?
    ///     .into_parts();
    /// let response = Answer::not_found(None).replacing(upstream);
    ///
    /// assert_eq!(response.status(), 404);
    /// assert_eq!(response.headers()["vary"], "origin");
    /// assert_eq!(response.headers()["content-type"], "application/json");
    /// assert!(!response.headers().contains_key("mcp-session-id"));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn replacing(self, mut upstream: response::Parts) -> Response<Vec<u8>> {
        let replaced: Vec<HeaderName> = upstream
            .headers
            .keys()
            .filter(|name| Self::replaces_header(name.as_str().as_bytes()))
            .cloned()
            .collect();
        for name in replaced {
            upstream.headers.remove(name);
        }
        upstream.status = self.status();
        for (name, value) in self.headers() {
            upstream.headers.insert(name, value);
        }
        Response::from_parts(upstream, self.body().into_bytes())
    }

    /// Whether a header of an upstream's answer goes with the answer, for those who have
    /// headers in another shape than the `http` crate's.
    ///
    /// ```
    /// use mcp_session_core::Answer;
    ///
    /// assert!(Answer::replaces_header(b"Content-Encoding"));
    /// assert!(Answer::replaces_header(b"mcp-session-id"));
    /// assert!(!Answer::replaces_header(b"Set-Cookie"));
    /// ```
    pub fn replaces_header(name: &[u8]) -> bool {
        const DESCRIBES_BODY: &[u8] = b"content-";
        // With what a proxy would send a file by, in the place of any body.
        const OTHERS: [&[u8]; 13] = [
            b"transfer-encoding",
            b"etag",
            b"last-modified",
            b"accept-ranges",
            b"digest",
            b"repr-digest",
            b"signature",
            b"signature-input",
            b"x-accel-redirect",
            b"x-sendfile",
            b"trailer",
            b"www-authenticate",
            b"mcp-session-id",
        ];
        name.get(..DESCRIBES_BODY.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(DESCRIBES_BODY))
            || OTHERS.iter().any(|replaced| name.eq_ignore_ascii_case(replaced))
    }
}

impl From<Answer<'_>> for Response<Vec<u8>> {
    fn from(answer: Answer<'_>) -> Self {
        let (nothing, ()) = Response::new(()).into_parts();
        answer.replacing(nothing)
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::jsonrpc::peek;

    #[track_caller]
    fn assert_response(answer: Answer<'_>, status: u16, headers: &[(&str, &str)], body: &str) {
        let response = Response::from(answer);

        let mut actual: Vec<(&str, &str)> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        actual.sort_unstable();
        assert_eq!(status, response.status().as_u16());
        assert_eq!(headers, actual);
        assert_eq!(body, core::str::from_utf8(response.body()).unwrap());
    }

    #[test]
    fn not_found_is_404_with_minus_32001_and_the_id_as_it_stood() {
        let json = ("content-type", "application/json");

        assert_response(
            Answer::not_found(RequestId::from_json("7.0")),
            404,
            &[("content-length", "80"), json],
            r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7.0}"#,
        );
        assert_response(
            Answer::not_found(None),
            404,
            &[("content-length", "71"), json],
            r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}"#,
        );
    }

    #[test]
    fn bad_request_is_400_with_minus_32600() {
        assert_response(
            Answer::bad_request(RequestId::from_json(r#""\u0061""#)),
            400,
            &[("content-length", "114"), ("content-type", "application/json")],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Bad Request: Mcp-Session-Id header is required"},"id":"\u0061"}"#,
        );
    }

    #[test]
    fn unavailable_is_503_to_be_tried_again_in_a_second() {
        assert_response(
            Answer::unavailable(RequestId::from_json("1")),
            503,
            &[("content-length", "82"), ("content-type", "application/json"), ("retry-after", "1")],
            r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"Session lookup failed"},"id":1}"#,
        );
    }

    #[test]
    fn owner_lost_is_502_and_says_that_the_request_may_have_run() {
        assert_response(
            Answer::owner_lost(RequestId::from_json("1")),
            502,
            &[("content-length", "105"), ("content-type", "application/json")],
            r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"Session owner lost; the request may have run"},"id":1}"#,
        );
    }

    #[test]
    fn no_upstream_is_503_with_retry_after() {
        assert_response(
            Answer::no_upstream(RequestId::from_json("1")),
            503,
            &[("content-length", "87"), ("content-type", "application/json"), ("retry-after", "1")],
            r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"No upstream can be reached"},"id":1}"#,
        );
    }

    #[test]
    fn upstream_lost_is_502_and_says_that_the_request_may_have_run() {
        assert_response(
            Answer::upstream_lost(RequestId::from_json("1")),
            502,
            &[("content-length", "100"), ("content-type", "application/json")],
            r#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"Upstream lost; the request may have run"},"id":1}"#,
        );
    }

    #[test]
    fn an_id_too_long_to_echo_is_left_out() {
        let long = format!("\"{}\"", "x".repeat(RequestId::ECHO_LIMIT));

        assert_eq!(Answer::not_found(None), Answer::not_found(RequestId::from_json(&long)));
    }

    #[test]
    fn without_its_id_an_answer_is_the_one_that_had_none() {
        let answer = Answer::unavailable(RequestId::from_json("7"));

        assert_eq!(Answer::unavailable(None), answer.without_id());
        assert_ne!(answer, answer.without_id());
    }

    #[test]
    fn the_body_is_json_with_the_id_of_the_request() {
        for id in ["7", "-0", "1e2", r#""a\"b\\""#, r#""é""#, "18446744073709551615"] {
            let body = format!(r#"{{"id":{id},"method":"m"}}"#);

            let answer = Answer::not_found(peek(body.as_bytes()).echoed_id()).body();

            let value: serde_json::Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(id).unwrap(), value["id"]);
        }
    }

    #[test]
    fn of_an_upstreams_headers_those_of_its_body_challenge_and_session_go() {
        let (upstream, ()) = Response::builder()
            .status(401)
            .header("access-control-allow-origin", "*")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("content-type", "text/html")
            .header("content-encoding", "gzip")
            .header("content-language", "en")
            .header("content-length", "5")
            .header("transfer-encoding", "chunked")
            .header("etag", "x")
            .header("digest", "x")
            .header("content-digest", "x")
            .header("repr-digest", "x")
            .header("last-modified", "x")
            .header("accept-ranges", "bytes")
            .header("signature", "x")
            .header("signature-input", "x")
            .header("trailer", "x-digest")
            .header("x-accel-redirect", "/file")
            .header("x-sendfile", "/file")
            .header("www-authenticate", "Bearer")
            .header("mcp-session-id", "x")
            .body(())
            .unwrap()
            .into_parts();

        let response = Answer::not_found(None).replacing(upstream);

        let mut names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let kept = ["access-control-allow-origin", "content-length", "content-type", "set-cookie"];
        assert_eq!(kept.as_slice(), names);
        assert_eq!(2, response.headers().get_all("set-cookie").iter().count());
    }
}
