//! Requests whose stream has ended before their answers, and how long it is asked for.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use crate::session::Stream;

/// How many streams that can be resumed are remembered, and of how long event IDs.
const INTERRUPTED: usize = 1024;
const EVENT_ID_BYTES: usize = 1024;

/// How often in a row the stream of an unanswered request is refused, out of reach or cut until
/// its caller is told that no answer will come. The SDKs themselves would ask twice.
pub(super) const FAILURES: u32 = 3;

/// How often it is resumed in all. The SDKs call themselves for each resumption within the one
/// before, and at some 960 Python's recursion limit ends not the call but the client: sooner
/// where the event loop itself runs deep in a program.
const RESUMPTIONS: u32 = 750;

/// How often in a row it is polled where its server never said when to ask again, and nothing
/// comes. It may not know the stream any more; or it takes the connection that has broken for
/// open, until a message of its own finds that out, which servers send each quarter of a minute.
const EMPTY_POLLS: u32 = 60;

/// How the resumptions of one stream went.
///
/// Revision 2025-11-25 lets a server close a stream before the answer is there, for its client
/// to poll. So a resumption that its server gives and ends in order is no failure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resumptions {
    all: u32,
    /// Those in a row that broke off, without a new event ID.
    failures: u32,
    /// Those in a row that had nothing in them, as long as there is no invitation.
    empty: u32,
    invitation: Invitation,
}

/// Whether a server has said, by the field `retry`, when it is to be asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Invitation {
    #[default]
    None,
    Given,
}

/// What was in a stream that has ended in order, without a new event ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// Not one byte.
    Empty,
    /// A sign of life.
    Alive,
}

impl Resumptions {
    /// Takes that there is one more.
    pub(super) fn once_more(self) -> Self {
        Self { all: self.all.saturating_add(1), ..self }
    }

    /// Takes that its server has said when to ask again.
    pub(super) fn invited(self) -> Self {
        Self { empty: 0, invitation: Invitation::Given, ..self }
    }

    /// Takes a new event ID.
    pub(super) fn progressed(self) -> Self {
        Self { failures: 0, empty: 0, ..self }
    }

    /// Takes one that was cut, or that we have ended.
    pub(super) fn broke_off(self) -> Self {
        Self { failures: self.failures.saturating_add(1), ..self }
    }

    /// Whether the last one broke off.
    pub(super) fn has_failed(self) -> bool {
        self.failures > 0
    }

    /// Takes one that its server has ended.
    pub(super) fn ended(self, poll: Poll) -> Self {
        let empty = match (poll, self.invitation) {
            (Poll::Empty, Invitation::None) => self.empty.saturating_add(1),
            (Poll::Empty, Invitation::Given)
            | (Poll::Alive, Invitation::None | Invitation::Given) => 0,
        };
        Self { failures: 0, empty, ..self }
    }

    /// Whether it is asked for no more.
    pub(super) fn are_over(self) -> bool {
        self.failures >= FAILURES || self.all >= RESUMPTIONS || self.empty >= EMPTY_POLLS
    }
}

/// Requests whose stream was cut and can be resumed, by the ID of the last event.
///
/// Two streams cut after the same event ID are two requests: each resumption is for one.
#[derive(Default)]
pub(super) struct InterruptedRequests {
    by_event: BTreeMap<Box<str>, VecDeque<(u64, Interrupted)>>,
    by_age: BTreeMap<u64, Box<str>>,
    noted: u64,
}

/// The requests of one stream, and how it went since its last event with an ID.
#[derive(Clone, Debug)]
pub(super) struct Interrupted {
    pub(super) stream: Stream,
    pub(super) ids: Vec<String>,
    pub(super) resumptions: Resumptions,
}

impl InterruptedRequests {
    /// Remembers requests whose stream ended after an event; hands them back if its ID is too
    /// long to be remembered.
    pub(super) fn note(
        &mut self,
        event_id: &str,
        interrupted: Interrupted,
    ) -> Result<(), Interrupted> {
        if event_id.len() > EVENT_ID_BYTES {
            return Err(interrupted);
        }
        while self.by_age.len() >= INTERRUPTED {
            self.forget_oldest();
        }
        self.noted += 1;
        self.by_age.insert(self.noted, event_id.into());
        self.by_event.entry(event_id.into()).or_default().push_back((self.noted, interrupted));
        Ok(())
    }

    /// Takes the requests that a GET with this event ID is to resume.
    pub(super) fn take(&mut self, event_id: &str) -> Option<Interrupted> {
        let waiting = self.by_event.get_mut(event_id)?;
        let (noted, taken) = waiting.pop_front()?;
        if waiting.is_empty() {
            self.by_event.remove(event_id);
        }
        self.by_age.remove(&noted);
        Some(taken)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, event_id)) = self.by_age.pop_first() {
            // The oldest of all is the oldest of its event ID.
            if let Some(waiting) = self.by_event.get_mut(&event_id) {
                waiting.pop_front();
                if waiting.is_empty() {
                    self.by_event.remove(&event_id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use std::format;

    use super::*;

    fn interrupted(id: &str) -> Interrupted {
        let ids = [id.to_owned()].into();
        Interrupted { stream: Stream::OF_A_CALL, ids, resumptions: Resumptions::default() }
    }

    fn taken(requests: &mut InterruptedRequests, event_id: &str) -> Option<Vec<String>> {
        requests.take(event_id).map(|taken| taken.ids)
    }

    #[test]
    fn of_the_streams_that_could_be_resumed_the_latest_are_remembered() {
        let mut requests = InterruptedRequests::default();
        for number in 0..=INTERRUPTED {
            let noted =
                requests.note(&format!("event-{number}"), interrupted(&format!("{number}")));
            assert!(noted.is_ok());
        }

        assert_eq!(None, taken(&mut requests, "event-0"));
        for number in 1..=INTERRUPTED {
            let found = taken(&mut requests, &format!("event-{number}"));
            assert_eq!(Some([format!("{number}")].into()), found);
        }
        assert!(requests.by_event.is_empty() && requests.by_age.is_empty());
    }

    #[test]
    fn two_streams_cut_after_the_same_event_are_two_requests() {
        let mut requests = InterruptedRequests::default();
        for id in ["1", "2"] {
            assert!(requests.note("event", interrupted(id)).is_ok());
        }

        assert_eq!(Some(["1".to_owned()].into()), taken(&mut requests, "event"));
        assert_eq!(Some(["2".to_owned()].into()), taken(&mut requests, "event"));
        assert_eq!(None, taken(&mut requests, "event"));
    }

    #[test]
    fn an_event_id_that_is_too_long_is_not_remembered() {
        let mut requests = InterruptedRequests::default();
        let longest = "x".repeat(EVENT_ID_BYTES);

        assert!(requests.note(&longest, interrupted("1")).is_ok());
        assert!(requests.note(&format!("{longest}x"), interrupted("2")).is_err());
    }
}
