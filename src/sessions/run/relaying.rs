//! An answer that ends before its time.

use alloc::format;
use alloc::string::String;

use super::super::step::Step;
use super::{Run, State};
use crate::answer::Answer;
use crate::exchange::Method;
use crate::jsonrpc::{Message, RequestId};
use crate::server::ResponseHead;

impl Run {
    /// What ends an answer of the owner's that broke off while it was relayed: an event with an
    /// error for the request, so that its caller does not wait for a response that nobody will
    /// send. `tail` is how that ended which was sent of the body; its last four bytes are enough.
    ///
    /// A stream that a GET opened ends in order, with nothing added: its client opens another.
    ///
    /// > The server **MAY** close the SSE stream at any time.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#listening-for-messages-from-the-server>
    ///
    /// `None` where nothing can be added: the answer is no stream of events, it broke off within
    /// an event, or the request has no response. Its connection has to be cut, so that it does not
    /// look whole.
    pub fn relay_cut(&self, head: &ResponseHead, tail: &[u8]) -> Option<String> {
        self.end_of_cut(head, tail, Answer::owner_lost)
    }

    /// The same for an answer that the application itself has from elsewhere, as a gateway has.
    pub fn upstream_cut(&self, head: &ResponseHead, tail: &[u8]) -> Option<String> {
        self.end_of_cut(head, tail, Answer::upstream_lost)
    }

    /// What a request is answered that is ended from outside, before anything of its answer went
    /// out: its session was lost to another process, or this one shuts down.
    pub fn interrupted(&mut self) -> Step {
        let may_have_run =
            self.ran_in.is_some() || matches!(self.state, State::Forwarding(_) | State::Passed);
        let waits = self.message().as_ref().and_then(Message::echoed_id).is_some();
        if may_have_run && waits && self.method() == Method::Post {
            self.reply(|id| Answer::owner_lost(id))
        } else {
            self.unavailable()
        }
    }

    fn end_of_cut<'a>(
        &'a self,
        head: &ResponseHead,
        tail: &[u8],
        error: impl FnOnce(Option<RequestId<'a>>) -> Answer<'a>,
    ) -> Option<String> {
        let response = head.response(None);
        let media_type = response.content_type.unwrap_or_default();
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_stream = media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
            && response.content_encoding.is_none();
        if is_stream && self.method() == Method::Get {
            // A reader forgets an event that is not whole.
            return Some(String::new());
        }
        let ends = [b"\n\n".as_slice(), b"\r\r", b"\r\n\r\n"];
        let is_between = tail.is_empty() || ends.iter().any(|end| tail.ends_with(end));
        let message = self.message()?;
        let id = message.echoed_id().filter(|_| is_stream && is_between)?;
        Some(format!("event: message\ndata: {}\n\n", error(Some(id)).body()))
    }
}

#[cfg(test)]
mod tests {

    use http::StatusCode;

    use super::super::super::{Caller, Options, Replica, RequestHead, Sessionless, TableKey};
    use super::*;

    const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":7.0,"method":"tools/call"}"#;
    const REPLY: &[u8] = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream; charset=utf-8")];

    #[test]
    fn a_cut_stream_ends_with_an_error_for_its_request() {
        for tail in [b"".as_slice(), b"x\n\n", b"\r\n\r\n", b"x\r\r"] {
            let end = cut(Method::Post, CALL, EVENTS, tail).unwrap();
            let message = end.strip_prefix("event: message\ndata: ").unwrap();
            let message = message.strip_suffix("\n\n").unwrap();
            assert!(message.contains(r#""code":-32603"#) && message.ends_with(r#""id":7.0}"#));
        }
    }

    #[test]
    fn a_stream_that_a_get_opened_ends_in_order_wherever_it_broke_off() {
        let encoded = &[("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        for tail in [b"".as_slice(), b"x\n\n", b"data: {\n"] {
            assert_eq!(cut(Method::Get, b"", EVENTS, tail).as_deref(), Some(""));
            assert_eq!(cut(Method::Get, b"", encoded, tail), None);
            assert_eq!(cut(Method::Get, b"", &[], tail), None);
        }
    }

    #[test]
    fn what_an_application_has_from_elsewhere_ends_with_an_error_that_says_so() {
        let run = run(Method::Post, CALL).0;
        let end = run.upstream_cut(&response(EVENTS), b"\n\n").unwrap();
        assert!(end.contains("Upstream lost") && end.contains(r#""id":7.0}"#));
        assert_eq!(run.upstream_cut(&response(EVENTS), b"data: {"), None);
    }

    #[test]
    fn what_is_no_stream_or_stands_within_an_event_or_waits_for_nothing_is_left_as_it_is() {
        let json = &[("content-type", "application/json")];
        let encoded = &[("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        assert_eq!(cut(Method::Post, CALL, json, b""), None);
        assert_eq!(cut(Method::Post, CALL, &[], b""), None);
        assert_eq!(cut(Method::Post, CALL, encoded, b""), None);
        assert_eq!(cut(Method::Post, CALL, EVENTS, b"data: {\n"), None);
        assert_eq!(cut(Method::Post, REPLY, EVENTS, b""), None);
        assert_eq!(cut(Method::Post, NOTIFICATION, EVENTS, b""), None);
    }

    #[test]
    fn what_has_not_run_may_be_asked_again() {
        let (mut run, _replica) = run(Method::Post, CALL);
        let Step::Reply(reply) = run.interrupted() else { panic!("an answer") };
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn what_was_given_to_the_application_without_a_session_may_have_run() {
        let (mut run, _replica) = sessionless(b"", CALL);
        let Step::Reply(reply) = run.interrupted() else { panic!("an answer") };
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn what_an_application_says_of_a_session_in_the_query_becomes_canonical() {
        let (mut run, mut replica) = sessionless(b"session_id=1868a90c", CALL);
        let Step::Reply(reply) = run.app_forgot(&mut replica).unwrap() else { panic!("an answer") };
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert!(reply.body.ends_with(r#""id":7.0}"#));
    }

    fn cut(method: Method, body: &[u8], headers: &[(&str, &str)], tail: &[u8]) -> Option<String> {
        run(method, body).0.relay_cut(&response(headers), tail)
    }

    fn response(headers: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(StatusCode::OK);
        for (name, value) in headers {
            head.add_header(name.as_bytes(), value.as_bytes());
        }
        head
    }

    fn sessionless(query: &[u8], body: &[u8]) -> (Run, Replica) {
        let key = TableKey::new(b"sixteen bytes or more").unwrap();
        let options = Options { sessionless: Sessionless::Pass, ..Options::default() };
        let mut replica = Replica::new("replica", key, options);
        let head = RequestHead::new(Method::Post, query);
        let (mut run, _read) = Run::begin(&mut replica, head, Caller::default());
        let step = run.body_read(&mut replica, Some(body)).unwrap();
        assert!(matches!(step, Step::RunApp(_)));
        (run, replica)
    }

    fn run(method: Method, body: &[u8]) -> (Run, Replica) {
        let key = TableKey::new(b"sixteen bytes or more").unwrap();
        let mut replica = Replica::new("replica", key, Options::default());
        let mut head = RequestHead::new(method, b"");
        head.add_header(b"mcp-session-id", b"1868a90c");
        let (mut run, step) = Run::begin(&mut replica, head, Caller::default());
        if let Step::Read { .. } = step {
            let _ = run.body_read(&mut replica, Some(body)).unwrap();
        }
        (run, replica)
    }
}
