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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub(super) generation: u64,
    pub(super) origin: EventOrigin,
}

/// What an event ID resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The requests of the server that are open, as JSON text, by generation.
    requests: Vec<(u64, Box<str>)>,
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
                    remember(&mut self.requests, (stream.generation, id.as_str().into()));
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

    /// Whether a reply, or every one of a batch, goes to the generation that asked for it;
    /// those that do are no longer open.
    pub(super) fn may_reply(&mut self, body: &[u8], generation: u64) -> bool {
        let mut ids = Vec::new();
        let message = peek(body);
        match message.kind() {
            Kind::Batch => for_each_member(body, |member| ids.extend(replied_to(member))),
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                ids.extend(replied_to(&message));
            }
        }
        let may = ids.iter().all(|id| self.is_open_only_in(*id, generation));
        if may {
            for id in ids {
                self.close(id, generation);
            }
        }
        may
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
        asking.all(|asking| asking == generation)
    }

    fn close(&mut self, id: RequestId<'_>, generation: u64) {
        self.requests.retain(|(asking, open)| {
            *asking != generation
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
