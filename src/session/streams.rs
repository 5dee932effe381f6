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
    #[cfg(test)]
    pub(crate) const OF_A_CALL: Self =
        Self { generation: Generation(1), origin: EventOrigin::Post };

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
    event_ids: Bounded<Arc<str>, Bearers>,
    /// The last generation in which a standalone stream was opened.
    standalone: Option<Generation>,
}

/// The streams that bore an event ID: servers may count anew in each session.
#[derive(Clone, Copy)]
struct Bearers {
    newest: Stream,
    /// The last generation whose standalone stream bore it.
    standalone: Option<Generation>,
}

impl Streams {
    pub(super) fn opened(&mut self, stream: Stream) {
        let Stream { generation, origin } = stream;
        self.opened.insert(generation);
        if origin == EventOrigin::Standalone {
            self.standalone = self.standalone.max(Some(generation));
        }
        if self.opened.len() > LIMIT {
            self.opened.pop_first();
        }
    }

    pub(super) fn were_open_in(&self, generation: Generation) -> bool {
        self.opened.contains(&generation)
    }

    pub(super) fn saw_event_id(&mut self, stream: Stream, event_id: &str) {
        if event_id.len() <= LENGTH_LIMIT {
            let standalone = match stream.origin {
                EventOrigin::Standalone => Some(stream.generation),
                EventOrigin::Post => self.event_ids.get(event_id).and_then(|it| it.standalone),
            };
            self.event_ids.insert(event_id.into(), Bearers { newest: stream, standalone });
        }
    }

    /// The stream that this event ID resumes in a generation.
    ///
    /// It is the newest that bore it; but as long as no standalone stream was opened in this
    /// generation, the reader of the one before it may be the one that asks.
    pub(super) fn resumed_by(&self, event_id: &str, generation: Generation) -> Option<Stream> {
        let Bearers { newest, standalone } = *self.event_ids.get(event_id)?;
        let is_reopened = self.standalone == Some(generation);
        let dead = standalone.filter(|it| *it != generation && !is_reopened);
        Some(match dead {
            Some(dead) if newest.generation == generation => {
                Stream { generation: dead, origin: EventOrigin::Standalone }
            }
            Some(_) | None => newest,
        })
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
        let resumed = |event_id: &str| streams.resumed_by(event_id, Generation(2));
        assert_eq!(None, resumed("1"));
        assert_eq!(Some(stream), resumed("2"));
        assert_eq!(Some(stream), resumed(&"x".repeat(LENGTH_LIMIT)));
        assert_eq!(None, resumed(&"y".repeat(LENGTH_LIMIT + 1)));
    }

    #[test]
    fn of_the_generations_with_a_stream_the_latest_are_remembered() {
        let mut streams = Streams::default();
        for number in 0..=1024 {
            let generation = Generation(number);
            streams.opened(Stream { generation, origin: EventOrigin::Standalone });
        }

        assert!(!streams.were_open_in(Generation(0)));
        assert!(streams.were_open_in(Generation(1)) && streams.were_open_in(Generation(1024)));
    }
}
