//! An answer that ends before its time.

use alloc::format;
use alloc::string::String;

use super::super::step::Step;
use super::{Run, State};
use crate::answer::Answer;
use crate::exchange::Method;
use crate::jsonrpc::Message;
use crate::server::ResponseHead;

impl Run {
    /// What ends a relayed answer that broke off: an event with an error for the request, so
    /// that its caller does not wait for a response that nobody will send. `tail` is how that
    /// ended which was sent of the body; its last four bytes are enough.
    ///
    /// `None` where nothing can be added: the answer is no stream of events, it broke off within
    /// one, or the request has no response.
    pub fn relay_cut(&self, head: &ResponseHead, tail: &[u8]) -> Option<String> {
        let response = head.response(None);
        let media_type = response.content_type.unwrap_or_default();
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_stream = media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
            && response.content_encoding.is_none();
        let ends = [b"\n\n".as_slice(), b"\r\r", b"\r\n\r\n"];
        let is_between = tail.is_empty() || ends.iter().any(|end| tail.ends_with(end));
        let message = self.message()?;
        let id = message.echoed_id().filter(|_| is_stream && is_between)?;
        Some(format!("event: message\ndata: {}\n\n", Answer::owner_lost(Some(id)).body()))
    }

    /// What a request is answered that is ended from outside, before anything of its answer went
    /// out: its session was lost to another process, or this one shuts down.
    pub fn interrupted(&mut self) -> Step {
        let may_have_run = self.ran_in.is_some() || matches!(self.state, State::Forwarding(_));
        let waits = self.message().as_ref().and_then(Message::echoed_id).is_some();
        if may_have_run && waits && self.method() == Method::Post {
            self.reply(|id| Answer::owner_lost(id))
        } else {
            self.unavailable()
        }
    }
}

#[cfg(test)]
mod tests {

    use http::StatusCode;

    use super::super::super::{Caller, Options, Replica, RequestHead, TableKey};
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
    fn what_is_no_stream_or_stands_within_an_event_or_waits_for_nothing_is_left_as_it_is() {
        let json = &[("content-type", "application/json")];
        let encoded = &[("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        assert_eq!(cut(Method::Post, CALL, json, b""), None);
        assert_eq!(cut(Method::Post, CALL, &[], b""), None);
        assert_eq!(cut(Method::Post, CALL, encoded, b""), None);
        assert_eq!(cut(Method::Post, CALL, EVENTS, b"data: {\n"), None);
        assert_eq!(cut(Method::Post, REPLY, EVENTS, b""), None);
        assert_eq!(cut(Method::Post, NOTIFICATION, EVENTS, b""), None);
        assert_eq!(cut(Method::Get, CALL, EVENTS, b""), None);
    }

    #[test]
    fn what_has_not_run_may_be_asked_again() {
        let (mut run, _replica) = run(Method::Post, CALL);
        let Step::Reply(reply) = run.interrupted() else { panic!("an answer") };
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    fn cut(method: Method, body: &[u8], headers: &[(&str, &str)], tail: &[u8]) -> Option<String> {
        let mut head = ResponseHead::new(StatusCode::OK);
        for (name, value) in headers {
            head.add_header(name.as_bytes(), value.as_bytes());
        }
        run(method, body).0.relay_cut(&head, tail)
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
