//! What came in on which generation's streams: event IDs, and whether there was one.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::bounded::{Bounded, LIMIT};
use super::identity::Generation;

/// An event ID that is longer than this, in bytes, is not remembered.
const LENGTH_LIMIT: usize = 1024;

/// Where messages and event IDs of one response belong.
///
/// Comes with a [`Delivery`](super::Delivery).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    pub(super) generation: Generation,
    pub(super) origin: EventOrigin,
}

impl Stream {
    /// The generation it belongs to.
    pub fn generation(self) -> Generation {
        self.generation
    }
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
    opened: BTreeSet<Generation>,
    /// The event IDs of each stream. Not only the last: a client asks for what comes after
    /// the last one it has dealt with.
    event_ids: Bounded<Arc<str>, Stream>,
}

impl Streams {
    pub(super) fn opened_in(&mut self, generation: Generation) {
        self.opened.insert(generation);
        if self.opened.len() > LIMIT {
            self.opened.pop_first();
        }
    }

    pub(super) fn were_open_in(&self, generation: Generation) -> bool {
        self.opened.contains(&generation)
    }

    pub(super) fn saw_event_id(&mut self, stream: Stream, event_id: &str) {
        if event_id.len() <= LENGTH_LIMIT {
            self.event_ids.insert(event_id.into(), stream);
        }
    }

    /// The newest stream that bore this event ID: its generation, and what it resumes.
    pub(super) fn origin_of(&self, event_id: &str) -> Option<(Generation, EventOrigin)> {
        let stream = self.event_ids.get(event_id)?;
        Some((stream.generation, stream.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let mut streams = Streams::default();
        let stream = Stream { generation: Generation(2), origin: EventOrigin::Standalone };
        for number in 0..=LIMIT {
            streams.saw_event_id(stream, &std::format!("{number}"));
        }
        streams.saw_event_id(stream, &"x".repeat(LENGTH_LIMIT));
        streams.saw_event_id(stream, &"y".repeat(LENGTH_LIMIT + 1));

        assert_eq!(LIMIT, streams.event_ids.len());
        assert_eq!(None, streams.origin_of("1"));
        let origin = Some((Generation(2), EventOrigin::Standalone));
        assert_eq!(origin, streams.origin_of("2"));
        assert_eq!(origin, streams.origin_of(&"x".repeat(LENGTH_LIMIT)));
        assert_eq!(None, streams.origin_of(&"y".repeat(LENGTH_LIMIT + 1)));
    }

    #[test]
    fn of_the_generations_with_a_stream_the_latest_are_remembered() {
        let mut streams = Streams::default();
        for number in 0..=1024 {
            streams.opened_in(Generation(number));
        }

        assert!(!streams.were_open_in(Generation(0)));
        assert!(streams.were_open_in(Generation(1)) && streams.were_open_in(Generation(1024)));
    }
}
