//! The answers that are awaited in a stream of events.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::answer::Answer;
use crate::jsonrpc::{PendingAnswers, RequestId};
use crate::sse::{self, EventReader, EventView};

/// An event that is longer counts as the answer: nothing is put behind it.
pub(super) const LONGEST_EVENT: usize = 1024 * 1024;
/// What is known of the body that goes out.
#[derive(Default)]
pub(super) enum Outgoing {
    /// No stream of events, or one that cannot be read.
    #[default]
    Other,
    /// A stream in which nobody waits for an answer.
    Stream,
    /// A stream in which answers are to come.
    Waiting(Box<Waiting>),
    /// One in which all of them have come.
    Answered,
}

/// A stream, and who waits in it.
pub(super) struct Waiting {
    reader: EventReader,
    pending: PendingAnswers,
}

impl Waiting {
    pub(super) fn for_answers(ids: &[String]) -> Self {
        Self { reader: EventReader::new(LONGEST_EVENT), pending: PendingAnswers::of(ids) }
    }

    /// Whether all answers have come.
    pub(super) fn has_all(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether its client can go on reading elsewhere.
    pub(super) fn has_event_id(&self) -> bool {
        !self.reader.last_event_id().is_empty()
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        let Self { reader, pending } = self;
        let mut events = reader.read_in_place(piece);
        while let Some(seen) = events.next_event() {
            match seen.event {
                EventView::Message { data, .. } => {
                    let _answers = pending.saw(data.as_bytes());
                }
                EventView::TooLong => *pending = PendingAnswers::default(),
            }
        }
    }

    /// An event for each request that waits, behind one that was begun.
    pub(super) fn end(
        &self,
        answer: impl for<'a> Fn(Option<RequestId<'a>>) -> Answer<'a>,
    ) -> Vec<u8> {
        let mut end = Vec::new();
        if !self.reader.is_between_events() {
            end.extend(sse::end_of_event_cut_short(self.reader.last_event_id()));
        }
        let answers = self.pending.unanswered().map(|id| answer(RequestId::from_json(id)));
        end.extend(answers.flat_map(|answer| sse::message_event(answer.body().as_bytes())));
        end
    }
}
