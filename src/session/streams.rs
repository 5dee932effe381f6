//! What came in on which generation's streams: event IDs, and requests of the server.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::resend::for_each_member;
use crate::message::{Kind, Message, RequestId, peek};

/// At most this many of each are remembered; the oldest go first. A request of the server
/// that is forgotten is answered as one that was never seen: only in a first generation.
const LIMIT: usize = 1024;

/// What is longer than this, in bytes, is not remembered.
const LENGTH_LIMIT: usize = 1024;

/// Where messages and event IDs of one response belong.
///
/// Comes with [`After::Deliver`](super::After::Deliver).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    pub(super) generation: u64,
    pub(super) origin: EventOrigin,
}

/// What an event ID resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventOrigin {
    Post,
    Standalone,
}

#[derive(Default)]
pub(super) struct Streams {
    /// The generations in which a stream was opened by GET.
    opened: Vec<u64>,
    /// The event IDs of each stream. Not only the last: a client asks for what comes after
    /// the last one it has dealt with.
    event_ids: Vec<(Stream, Box<str>)>,
    /// The ids of the server's requests that are open, as JSON text, each with the generation
    /// that asked; `None` once a reply to one of its namesakes was dropped, and nobody can say
    /// to which.
    requests: Vec<(Option<u64>, Box<str>)>,
}

impl Streams {
    pub(super) fn opened_in(&mut self, generation: u64) {
        if !self.were_open_in(generation) {
            remember(&mut self.opened, generation);
        }
    }

    pub(super) fn were_open_in(&self, generation: u64) -> bool {
        self.opened.contains(&generation)
    }

    pub(super) fn saw_event_id(&mut self, stream: Stream, event_id: &str) {
        if event_id.len() <= LENGTH_LIMIT {
            remember(&mut self.event_ids, (stream, event_id.into()));
        }
    }

    /// The newest stream that bore this event ID: its generation, and what it resumes.
    pub(super) fn origin_of(&self, event_id: &str) -> Option<(u64, EventOrigin)> {
        let (stream, _) = self.event_ids.iter().rev().find(|(_, seen)| **seen == *event_id)?;
        Some((stream.generation, stream.origin))
    }

    pub(super) fn saw_message(&mut self, stream: Stream, data: &[u8]) {
        let message = peek(data);
        match message.kind() {
            Kind::Batch => for_each_member(data, |member| self.saw_single(stream, member)),
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                self.saw_single(stream, &message);
            }
        }
    }

    fn saw_single(&mut self, stream: Stream, message: &Message<'_>) {
        match message.kind() {
            Kind::Request => {
                if let Some(id) = message.id().filter(|id| id.as_str().len() <= LENGTH_LIMIT) {
                    // A stream that is resumed may ask again.
                    self.close(id, stream.generation);
                    remember(&mut self.requests, (Some(stream.generation), id.as_str().into()));
                }
            }
            Kind::Notification => {
                if let Some(id) = message.cancelled_id() {
                    self.close(id, stream.generation);
                }
            }
            Kind::Response | Kind::Batch | Kind::Malformed => {}
        }
    }

    /// Whether a reply, or every one of a batch, goes to the generation that asked for it.
    /// Whatever they answer is no longer open: the caller replies once.
    pub(super) fn may_reply(&mut self, body: &[u8], live: Option<u64>) -> bool {
        let mut ids = Vec::new();
        let message = peek(body);
        match message.kind() {
            Kind::Batch => for_each_member(body, |member| ids.extend(replied_to(member))),
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                ids.extend(replied_to(&message));
            }
        }
        let goes_to = live.filter(|live| ids.iter().all(|id| self.is_open_only_in(*id, *live)));
        for id in ids {
            match goes_to {
                Some(generation) => self.close(id, generation),
                None => self.drop_reply(id, live),
            }
        }
        goes_to.is_some()
    }

    fn is_open_only_in(&self, id: RequestId<'_>, generation: u64) -> bool {
        let mut asking = self
            .requests
            .iter()
            .filter(|(_, open)| RequestId::from_json(open).is_some_and(|it| it.is_same_value(id)))
            .map(|(generation, _)| *generation)
            .peekable();
        if asking.peek().is_none() {
            // Nobody was seen to ask. It can be meant for no other generation only if there
            // was none.
            return generation <= 1;
        }
        asking.all(|asking| asking == Some(generation))
    }

    /// One of those who asked has got its reply, and it was not sent. Who it was can be told
    /// only if all are dead; otherwise the live one is not told from them from now on.
    fn drop_reply(&mut self, id: RequestId<'_>, live: Option<u64>) {
        let mut namesakes: Vec<_> = self
            .requests
            .iter_mut()
            .enumerate()
            .filter(|(_, (_, open))| {
                RequestId::from_json(open).is_some_and(|it| it.is_same_value(id))
            })
            .map(|(index, (generation, _))| (index, generation))
            .collect();
        if live.is_some() && namesakes.iter().any(|(_, asking)| **asking == live) {
            for (_, asking) in &mut namesakes {
                **asking = None;
            }
        }
        let answered = namesakes.into_iter().min_by_key(|(_, asking)| **asking);
        if let Some(index) = answered.map(|(index, _)| index) {
            self.requests.remove(index);
        }
    }

    fn close(&mut self, id: RequestId<'_>, generation: u64) {
        self.requests.retain(|(asking, open)| {
            *asking != Some(generation)
                || !RequestId::from_json(open).is_some_and(|it| it.is_same_value(id))
        });
    }
}

fn replied_to<'a>(reply: &Message<'a>) -> Option<RequestId<'a>> {
    match reply.kind() {
        Kind::Response => reply.id(),
        Kind::Request | Kind::Notification | Kind::Batch | Kind::Malformed => None,
    }
}

fn remember<T>(seen: &mut Vec<T>, latest: T) {
    if seen.len() >= LIMIT {
        seen.remove(0);
    }
    seen.push(latest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: u64 = 2;
    const LIVE_STREAM: Stream = Stream { generation: LIVE, origin: EventOrigin::Post };

    fn asked(requests: &[(u64, &str)]) -> Streams {
        let mut streams = Streams::default();
        for (generation, id) in requests {
            let stream = Stream { generation: *generation, origin: EventOrigin::Post };
            let request = std::format!(r#"{{"id":{id},"method":"sampling/createMessage"}}"#);
            streams.saw_message(stream, request.as_bytes());
        }
        streams
    }

    #[track_caller]
    fn assert_replies(streams: &mut Streams, expected: bool, body: &str) {
        assert_eq!(expected, streams.may_reply(body.as_bytes(), Some(LIVE)), "{body}");
    }

    #[test]
    fn a_reply_goes_once_to_the_live_generation_that_asked() {
        let mut streams = asked(&[(LIVE, "7"), (LIVE, r#""a""#), (1, "8")]);

        assert_replies(&mut streams, true, r#"{"id":7.0,"result":{}}"#);
        assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);
        assert_replies(&mut streams, true, r#"{"id":"\u0061","error":{}}"#);
        assert_replies(&mut streams, false, r#"{"id":8,"result":{}}"#);
        assert_replies(&mut streams, false, r#"{"id":9,"result":{}}"#);
    }

    #[test]
    fn a_reply_whose_id_is_open_in_both_generations_is_never_sent() {
        let mut streams = asked(&[(1, "7"), (LIVE, "7")]);

        for _ in 0..3 {
            assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);
        }
    }

    #[test]
    fn a_dead_generation_that_got_its_reply_is_in_nobodys_way() {
        let mut streams = asked(&[(1, "7")]);
        assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);
        assert!(!streams.may_reply(br#"{"id":7,"result":{}}"#, None));

        streams.saw_message(LIVE_STREAM, br#"{"id":7,"method":"elicitation/create"}"#);

        assert_replies(&mut streams, true, r#"{"id":7,"result":{}}"#);
    }

    #[test]
    fn as_many_replies_are_dropped_as_there_were_requests_of_one_id() {
        let mut streams = asked(&[(0, "7"), (1, "7"), (LIVE, "7")]);
        for open in [2, 1, 0] {
            assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);
            assert_eq!(open, streams.requests.len());
        }

        streams.saw_message(LIVE_STREAM, br#"{"id":7,"method":"elicitation/create"}"#);

        assert_replies(&mut streams, true, r#"{"id":7,"result":{}}"#);
    }

    #[test]
    fn of_dead_generations_it_is_known_who_still_asks() {
        for live in [Some(LIVE), None] {
            let mut streams = asked(&[(0, "7"), (1, "7")]);
            assert!(!streams.may_reply(br#"{"id":7,"result":{}}"#, live));

            let cancelled = br#"{"method":"notifications/cancelled","params":{"requestId":7}}"#;
            streams.saw_message(Stream { generation: 1, origin: EventOrigin::Post }, cancelled);

            assert!(streams.requests.is_empty(), "{live:?}");
        }
    }

    #[test]
    fn a_request_that_comes_again_on_a_resumed_stream_is_one_request() {
        let mut streams = asked(&[(1, "7"), (1, "7")]);

        assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);

        assert!(streams.requests.is_empty());
    }

    #[test]
    fn a_batch_of_replies_goes_whole_or_not_at_all() {
        let mut streams = asked(&[(LIVE, "1"), (LIVE, "2"), (1, "3")]);

        assert_replies(&mut streams, true, r#"[{"method":"n"},{"id":2,"result":{}}]"#);
        assert_replies(&mut streams, false, r#"{"id":2,"result":{}}"#);
        assert_replies(&mut streams, false, r#"[{"id":1,"result":{}},{"id":3,"result":{}}]"#);
        assert!(streams.requests.is_empty());
    }

    #[test]
    fn a_request_that_the_server_cancels_is_no_longer_open_in_its_generation() {
        let mut streams = asked(&[(1, "7"), (LIVE, "7"), (LIVE, "8")]);
        let cancelled = br#"[{"method":"notifications/cancelled","params":{"requestId":7}}]"#;
        streams.saw_message(Stream { generation: 1, origin: EventOrigin::Post }, cancelled);

        assert_replies(&mut streams, true, r#"{"id":7,"result":{}}"#);
        assert_replies(&mut streams, true, r#"{"id":8,"result":{}}"#);
    }

    #[test]
    fn a_response_of_the_server_asks_for_nothing() {
        let mut streams = Streams::default();
        let stream = Stream { generation: LIVE, origin: EventOrigin::Post };

        streams.saw_message(stream, br#"{"id":7,"result":{}}"#);
        streams.saw_message(stream, b"{");

        assert_replies(&mut streams, false, r#"{"id":7,"result":{}}"#);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let mut streams = Streams::default();
        let stream = Stream { generation: LIVE, origin: EventOrigin::Standalone };
        for number in 0..=LIMIT {
            streams.saw_event_id(stream, &std::format!("{number}"));
        }
        streams.saw_event_id(stream, &"x".repeat(LENGTH_LIMIT));
        streams.saw_event_id(stream, &"y".repeat(LENGTH_LIMIT + 1));

        assert_eq!(LIMIT, streams.event_ids.len());
        assert_eq!(None, streams.origin_of("1"));
        let origin = Some((LIVE, EventOrigin::Standalone));
        assert_eq!(origin, streams.origin_of("2"));
        assert_eq!(origin, streams.origin_of(&"x".repeat(LENGTH_LIMIT)));
        assert_eq!(None, streams.origin_of(&"y".repeat(LENGTH_LIMIT + 1)));
    }

    #[test]
    fn a_request_with_an_id_too_long_to_remember_counts_as_never_seen() {
        let longest = std::format!("\"{}\"", "x".repeat(LENGTH_LIMIT - 2));
        let longer = std::format!("\"{}\"", "x".repeat(LENGTH_LIMIT - 1));
        let mut streams = asked(&[(LIVE, &longest), (LIVE, &longer)]);

        assert_replies(&mut streams, true, &std::format!(r#"{{"id":{longest},"result":{{}}}}"#));
        assert_replies(&mut streams, false, &std::format!(r#"{{"id":{longer},"result":{{}}}}"#));
    }
}
