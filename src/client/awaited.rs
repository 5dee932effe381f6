//! The answers that a stream is to bring, and what each of its messages is to them.

use alloc::string::String;
use alloc::vec::Vec;

use super::Shield;
use super::followed::FollowedSession;
use super::large_event::LargeEvent;
use super::local_answer::{CallError, event};
use super::server_message::{Heard, PendingAnswers, said, unanswered};
use crate::session::Stream;
use crate::sse::message_event;

/// The answers that a stream is to bring.
///
/// The SDKs take whatever answer comes first in the stream of a call for its own: mcp 1.x stops
/// reading there, mcp 2.x puts the call's id on it. So an answer to another request is left out
/// while the call's own is waited for, and an error that names no request ends the call.
pub(super) struct Awaited {
    guard: Shield,
    pub(super) pending: PendingAnswers,
    /// What the server said in place of them, fit to be shown.
    said: Option<String>,
    /// Whether the requests have ended on an error before the stream did.
    has_failed: bool,
}

/// What becomes of an event.
pub(super) enum Fate {
    GoesOut,
    /// With other data.
    GoesOutAs(Vec<u8>),
    /// With the answer as its data, without which its reader does not find it; before it go out
    /// these messages, an event for each.
    Answers {
        others: Vec<Vec<u8>>,
        answer: Vec<u8>,
    },
    /// Its data does not; these events do.
    Replaced {
        /// What else stood in the same batch, an event for each.
        others: Vec<u8>,
        /// What ends the requests that wait.
        errors: Vec<u8>,
    },
}

impl Awaited {
    pub(super) fn new(pending: PendingAnswers, guard: Shield) -> Self {
        Self { guard, pending, said: None, has_failed: false }
    }

    /// Takes the data of an event.
    pub(super) fn saw(
        &mut self,
        followed: &mut FollowedSession,
        stream: Stream,
        data: &[u8],
    ) -> Fate {
        let leaves_out = self.leaves_out();
        let (heard, readable) = self.pending.saw(data);
        if let Some(own) = readable.filter(|_| self.guard == Shield::Up) {
            let mut seen = |it: Vec<u8>| followed.saw_message(stream, &it).unwrap_or(it);
            let others = own.others.into_iter().map(&mut seen).collect();
            return Fate::Answers { others, answer: seen(own.answer) };
        }
        match heard {
            Heard::OthersAnswer | Heard::ErrorOfNone if leaves_out => {}
            Heard::Answer | Heard::OthersAnswer | Heard::ErrorOfNone | Heard::NoAnswer => {
                let seen = followed.saw_message(stream, data);
                return seen.map_or(Fate::GoesOut, Fate::GoesOutAs);
            }
        }
        if self.said.is_none() {
            self.said = said(data).map(|text| followed.shown(&text));
        }
        let others = self.pending.others_in(data).into_iter().flat_map(|other| {
            let seen = followed.saw_message(stream, other.as_bytes());
            message_event(seen.as_deref().unwrap_or(other.as_bytes()))
        });
        let others = others.collect();
        let mut errors = Vec::new();
        if heard == Heard::ErrorOfNone && !self.has_failed {
            self.has_failed = true;
            let pending = core::mem::take(&mut self.pending);
            let said = self.said.as_deref().unwrap_or("an error that names no request");
            let error = CallError::connection_closed(unanswered(said));
            errors = pending.unanswered().flat_map(|id| event(&error, id)).collect();
        }
        Fate::Replaced { others, errors }
    }

    /// Whether an event that is too long to be held back is to be left out, by its beginning.
    pub(super) fn leaves_out_large(&self, event: &LargeEvent) -> bool {
        self.leaves_out() && event.begins_answer_to_another(&self.pending)
    }

    /// Whether nobody has to be told that no answer came.
    pub(super) fn is_over(&self) -> bool {
        self.guard == Shield::Down || self.pending.is_empty()
    }

    /// What the server said in place of the answers.
    pub(super) fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    fn leaves_out(&self) -> bool {
        self.guard == Shield::Up && (self.has_failed || !self.pending.is_empty())
    }
}
