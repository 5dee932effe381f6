//! What goes out to the client: an answer that ends before its time.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::replica::Replica;
use super::super::step::{BrokenOff, Step};
use super::Run;
use super::awaited::{Outgoing, Waiting};
use super::reading::is_event_stream;
use super::state::State;
use crate::answer::Answer;
use crate::exchange::Method;
use crate::jsonrpc::{Kind, Message};
use crate::server::ResponseHead;

/// How many requests of a batch are looked after.
const MOST_REQUESTS: usize = 1024;

impl Run {
    /// Takes the head of the response that goes out to the client. Returns whether its body is
    /// to be told of.
    #[must_use]
    pub fn head_goes_out(&mut self, head: &ResponseHead) -> bool {
        if !is_event_stream(head) || head.response(None).content_encoding.is_some() {
            return false;
        }
        let ids = self.request_ids();
        if ids.is_empty() {
            self.outgoing = Outgoing::Stream;
            return false;
        }
        self.outgoing = Outgoing::Waiting(Box::new(Waiting::for_answers(&ids)));
        true
    }

    /// Takes a piece of that body. Returns whether what follows is to be told of.
    #[must_use]
    pub fn piece_goes_out(&mut self, piece: &[u8]) -> bool {
        let Outgoing::Waiting(waiting) = &mut self.outgoing else { return false };
        waiting.add(piece);
        if waiting.has_all() {
            self.outgoing = Outgoing::Answered;
            return false;
        }
        true
    }

    /// What goes out before the end of a body that the application has ended: an event with an
    /// error for each request that was not answered, so that nobody waits for a response that
    /// will not come.
    ///
    /// `None` where nothing is added: all came, or the client can go on reading where it was.
    ///
    /// > The server **MAY** close the *connection* (without terminating the *SSE stream*) at any
    /// > time [...] after it has sent an SSE event with an event ID.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server>
    ///
    /// A process that drains serves no such stream any more.
    pub fn body_ended(&self, replica: &Replica) -> Option<Vec<u8>> {
        let Outgoing::Waiting(waiting) = &self.outgoing else { return None };
        let is_resumable = waiting.has_event_id() && !replica.is_draining;
        let is_another_s =
            self.attached.is_some_and(|it| replica.forwards.has(&it.key, self.number));
        (!is_resumable && !is_another_s).then(|| waiting.end(|id| Answer::unanswered(id)))
    }

    /// What goes out at the end of a body that broke off, was left without an end, or is ended
    /// from outside: an event as in [`body_ended`](Self::body_ended); nothing where all answers
    /// have come, or nobody waits for one.
    ///
    /// `None` where nothing can make it whole: it is no stream of events.
    pub fn body_broke_off(&self, at: BrokenOff) -> Option<Vec<u8>> {
        match &self.outgoing {
            Outgoing::Waiting(waiting) => Some(match at {
                BrokenOff::Owner => waiting.end(|id| Answer::owner_lost(id)),
                BrokenOff::Upstream => waiting.end(|id| Answer::upstream_lost(id)),
            }),
            Outgoing::Stream | Outgoing::Answered => Some(Vec::new()),
            Outgoing::Other => None,
        }
    }

    /// Takes that the request is ended from outside before anything of its answer went out: its
    /// session was lost to another process, or this one shuts down.
    ///
    /// The end may come late, when the request has learned by itself that its owner is gone, and
    /// is on its way elsewhere: what was not given to anybody looks again where the session is.
    pub fn interrupted(&mut self, replica: &mut Replica) -> Step {
        if self.is_on_its_way() && !replica.is_draining {
            return self.look(replica);
        }
        let is_forwarding = matches!(self.state, State::Forwarding(_));
        let was_passed = matches!(self.state, State::Passed);
        match self.method() {
            Method::Post if is_forwarding || was_passed || self.ran_in.is_some() => {
                self.reply(|id| Answer::owner_lost(id))
            }
            // To open a stream or to end a session twice is to do it once.
            Method::Get | Method::Delete if is_forwarding && !replica.is_draining => {
                self.wait(replica)
            }
            Method::Post | Method::Get | Method::Delete | Method::Other => self.unavailable(),
        }
    }

    /// Whether it is between the table and whoever runs it, and nobody has.
    fn is_on_its_way(&self) -> bool {
        match &self.state {
            State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_) => self.ran_in.is_none() && self.attached.is_some(),
            State::Reading
            | State::Forwarding(_)
            | State::Opening(_)
            | State::Ending
            | State::Answering(_)
            | State::Passed
            | State::Ended => false,
        }
    }

    /// The ids of the requests in the body, as they stand.
    fn request_ids(&self) -> Vec<String> {
        let Some(message) = self.message() else { return Vec::new() };
        let id_of = |message: &Message<'_>| message.echoed_id().map(|id| String::from(id.as_str()));
        match message.kind() {
            Kind::Request => id_of(&message).into_iter().collect(),
            Kind::Batch => {
                message.members().filter_map(|it| id_of(&it)).take(MOST_REQUESTS).collect()
            }
            Kind::Notification | Kind::Response | Kind::Malformed => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use http::StatusCode;

    use super::super::super::entry::{LiveRecord, Record};
    use super::super::super::{
        Caller, Entry, ForwardFailure, Options, Renewal, Replica, RequestHead, Sessionless,
        TableKey,
    };
    use super::super::awaited::LONGEST_EVENT;
    use super::*;
    use crate::session::Kept;
    use crate::sse::EventReader;

    const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":7.0,"method":"tools/call"}"#;
    const BATCH: &[u8] = br#"[{"id":1,"method":"a"},{"method":"b"},{"id":"2","method":"c"}]"#;
    const REPLY: &[u8] = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream; charset=utf-8")];

    #[test]
    fn a_stream_that_ends_without_the_answer_ends_with_an_error_for_the_request() {
        for body in ["", ": ping\n\n", "data: {\"method\":\"notifications/progress\"}\n\n"] {
            let end = ended(Method::Post, CALL, EVENTS, body).unwrap();
            let message = end.strip_prefix("event: message\ndata: ").unwrap();
            let message = message.strip_suffix("\n\n").unwrap();
            assert!(message.contains(r#""code":-32603"#) && message.ends_with(r#""id":7.0}"#));
        }
    }

    #[test]
    fn a_stream_that_has_brought_the_answer_ends_as_it_does() {
        for body in [
            "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n",
            "event: message\r\ndata: [{\"jsonrpc\":\"2.0\",\"id\":70e-1,\"result\":{}}]\r\n\r\n\
             : bye\n\n",
        ] {
            assert_eq!(ended(Method::Post, CALL, EVENTS, body), None);
            assert_eq!(broken_off(Method::Post, CALL, EVENTS, body).as_deref(), Some(""));
        }
        let other = "data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n";
        assert!(ended(Method::Post, CALL, EVENTS, other).is_some());
        // What is too long to be read may be the answer.
        let long = std::format!("data: {}\n\n", "x".repeat(LONGEST_EVENT + 1));
        assert_eq!(ended(Method::Post, CALL, EVENTS, &long), None);
    }

    #[test]
    fn of_a_batch_each_request_that_was_not_answered_gets_an_error() {
        let first = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
        let end = ended(Method::Post, BATCH, EVENTS, first).unwrap();
        assert!(end.contains(r#""id":"2"}"#) && !end.contains(r#""id":1}"#));
        assert_eq!(end.matches("event: message").count(), 1);
        let end = ended(Method::Post, BATCH, EVENTS, "").unwrap();
        assert_eq!(end.matches("event: message").count(), 2);
    }

    #[test]
    fn an_event_that_was_begun_ends_before_the_error() {
        for body in ["data: {\n", "data: {", "event: mess", "data: {}\n\nid: 4\n"] {
            let end = broken_off(Method::Post, CALL, EVENTS, body).unwrap();
            let whole = std::format!("{body}{end}");
            let mut reader = EventReader::default();
            let events: Vec<_> = reader.read(whole.as_bytes()).collect();
            let Some(crate::sse::Event::Message { event, data, .. }) = events.last() else {
                panic!("{events:?}")
            };
            assert_eq!(&**event, "message", "{body:?}");
            assert!(data.contains("-32603"), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_stream_or_waits_for_nothing_is_left_as_it_is() {
        let json = &[("content-type", "application/json")];
        let encoded = &[("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        for (method, body, headers) in [
            (Method::Post, CALL, json.as_slice()),
            (Method::Post, CALL, &[]),
            (Method::Post, CALL, encoded),
        ] {
            assert_eq!(ended(method, body, headers, ""), None);
            assert_eq!(broken_off(method, body, headers, ""), None);
        }
        for (method, body) in
            [(Method::Post, REPLY), (Method::Post, NOTIFICATION), (Method::Get, CALL)]
        {
            assert_eq!(ended(method, body, EVENTS, ""), None);
            assert_eq!(broken_off(method, body, EVENTS, "").as_deref(), Some(""));
        }
    }

    #[test]
    fn a_stream_that_can_be_resumed_is_left_to_its_client_until_the_process_drains() {
        let (mut run, mut replica) = run(Method::Post, CALL);
        assert!(run.head_goes_out(&head(EVENTS)) && run.piece_goes_out(b"id: 1\ndata:\n\n"));
        assert_eq!(run.body_ended(&replica), None);
        // The process that had it is gone: nobody goes on with it.
        assert!(run.body_broke_off(BrokenOff::Owner).is_some());
        let _ = replica.drain();
        assert!(run.body_ended(&replica).is_some());
    }

    #[test]
    fn what_another_process_has_ended_that_has_decided() {
        let (mut run, replica) = forwarded(Method::Post, CALL);
        assert!(run.head_goes_out(&head(EVENTS)));
        assert_eq!(run.body_ended(&replica), None);
        assert!(run.body_broke_off(BrokenOff::Owner).is_some());
    }

    #[test]
    fn what_an_application_has_from_elsewhere_ends_with_an_error_that_says_so() {
        let (run, _replica) = sent(Method::Post, CALL, EVENTS, "data: {");
        let end = run.body_broke_off(BrokenOff::Upstream).map(text).unwrap();
        assert!(end.contains("Upstream lost") && end.ends_with("\"id\":7.0}\n\n"));
    }

    #[test]
    fn what_was_given_to_the_application_without_a_session_may_have_run() {
        let (mut run, mut replica) = sessionless(b"", CALL);
        assert_eq!(status(&run.interrupted(&mut replica)), StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn what_an_application_says_of_a_session_in_the_query_becomes_canonical() {
        let (mut run, mut replica) = sessionless(b"session_id=1868a90c", CALL);
        let Step::Reply(reply) = run.app_forgot(&mut replica).unwrap() else { panic!("an answer") };
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert!(reply.body.ends_with(r#""id":7.0}"#));
    }

    #[test]
    fn a_body_that_gave_way_is_to_be_sent_again_whatever_session_it_names() {
        for name in [None, Some(b"1868a90c")] {
            let (_, mut replica) = run(Method::Post, CALL);
            let mut head = RequestHead::new(Method::Post, b"");
            if let Some(name) = name {
                head.add_header(b"mcp-session-id", name);
            }
            let (mut run, _read) = Run::begin(&mut replica, head, Caller::default());
            let step = run.body_gave_way(&mut replica).unwrap();
            assert_eq!(status(&step), StatusCode::SERVICE_UNAVAILABLE);
            assert!(run.body_gave_way(&mut replica).is_err());
        }
    }

    #[test]
    fn what_has_not_run_may_be_asked_again_and_what_may_have_may_not() {
        let (mut run, mut replica) = run(Method::Post, CALL);
        let _ = replica.drain();
        assert_eq!(status(&run.interrupted(&mut replica)), StatusCode::SERVICE_UNAVAILABLE);
        for body in [CALL, NOTIFICATION, REPLY] {
            let (mut run, mut replica) = forwarded(Method::Post, body);
            assert_eq!(status(&run.interrupted(&mut replica)), StatusCode::BAD_GATEWAY);
        }
    }

    #[test]
    fn an_end_that_comes_after_the_owner_was_seen_to_be_gone_ends_nothing() {
        for method in [Method::Post, Method::Get, Method::Delete] {
            // It claims the session.
            let (mut run, mut replica) = forwarded(method, CALL);
            let step = run.forward_failed(&mut replica, ForwardFailure::Refused).unwrap();
            assert!(matches!(step, Step::Swap(_)), "{step:?}");
            assert!(matches!(run.interrupted(&mut replica), Step::Find(_)));

            // Another run of this process claims it.
            let (mut run, mut replica) = forwarded(method, CALL);
            let (mut other, _find) = begun(&mut replica, Method::Get, b"");
            let step = found(&mut other, &mut replica, None);
            assert!(matches!(step, Step::Swap(_)), "{step:?}");
            let step = run.forward_failed(&mut replica, ForwardFailure::Refused).unwrap();
            assert!(matches!(step, Step::Hold(_)), "{step:?}");
            assert!(matches!(run.interrupted(&mut replica), Step::Hold(_)));
        }
    }

    #[test]
    fn a_stream_or_an_end_that_was_forwarded_in_vain_is_asked_for_again() {
        for method in [Method::Get, Method::Delete] {
            let (mut run, mut replica) = forwarded(method, b"");
            assert!(matches!(run.interrupted(&mut replica), Step::Wait(_)));
            assert!(replica.forwards.is_empty());
            let (mut run, mut replica) = forwarded(method, b"");
            assert_eq!(replica.drain().len(), usize::from(method == Method::Get));
            assert!(!replica.can_withdraw());
            assert_eq!(status(&run.interrupted(&mut replica)), StatusCode::SERVICE_UNAVAILABLE);
            run.finish(&mut replica);
            assert!(replica.can_withdraw());
        }
    }

    #[track_caller]
    fn status(step: &Step) -> StatusCode {
        let Step::Reply(reply) = step else { panic!("an answer, not {step:?}") };
        reply.status
    }

    fn ended(method: Method, body: &[u8], headers: &[(&str, &str)], out: &str) -> Option<String> {
        let (run, replica) = sent(method, body, headers, out);
        run.body_ended(&replica).map(text)
    }

    fn broken_off(
        method: Method,
        body: &[u8],
        headers: &[(&str, &str)],
        out: &str,
    ) -> Option<String> {
        sent(method, body, headers, out).0.body_broke_off(BrokenOff::Owner).map(text)
    }

    fn text(end: Vec<u8>) -> String {
        String::from_utf8(end).unwrap()
    }

    /// A request of which so much went out.
    fn sent(method: Method, body: &[u8], headers: &[(&str, &str)], out: &str) -> (Run, Replica) {
        let (mut run, replica) = run(method, body);
        if run.head_goes_out(&head(headers)) {
            let _goes_on = run.piece_goes_out(out.as_bytes());
        }
        (run, replica)
    }

    fn head(headers: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(StatusCode::OK);
        for (name, value) in headers {
            head.add_header(name.as_bytes(), value.as_bytes());
        }
        head
    }

    fn run(method: Method, body: &[u8]) -> (Run, Replica) {
        let key = TableKey::new(b"sixteen bytes or more").unwrap();
        let mut replica = Replica::new("replica", key, Options::default());
        replica.renewed(Renewal::Lapsed);
        let (run, _find) = begun(&mut replica, method, body);
        (run, replica)
    }

    fn begun(replica: &mut Replica, method: Method, body: &[u8]) -> (Run, Step) {
        let mut head = RequestHead::new(method, b"");
        head.add_header(b"mcp-session-id", b"1868a90c");
        let (mut run, mut step) = Run::begin(replica, head, Caller::default());
        if let Step::Read { .. } = step {
            step = run.body_read(replica, Some(body)).unwrap();
        }
        (run, step)
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

    fn forwarded(method: Method, body: &[u8]) -> (Run, Replica) {
        let (mut run, mut replica) = run(method, body);
        let step = found(&mut run, &mut replica, Some(vec![].into()));
        assert!(matches!(step, Step::Forward(_)), "{step:?}");
        (run, replica)
    }

    /// Another owns it, who is alive if there are addresses.
    fn found(run: &mut Run, replica: &mut Replica, addresses: Option<Box<[u8]>>) -> Step {
        let record = LiveRecord {
            principal: run.principal,
            version: None,
            initialize: b"{}".as_slice().into(),
            initialized: None,
            kept: Kept::default(),
        };
        let value = Record::Live(record).encode();
        let entry = Entry { claim: 1, owner: "owner".into(), value };
        run.found(replica, Some((entry, addresses))).unwrap()
    }
}
