//! Which requests of a body still wait for their answers.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Kind, Message, RequestId, RequestIdKey, peek};

/// The requests of one POST that wait for their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingAnswers {
    waiting: BTreeSet<RequestIdKey>,
    /// As they stood, in order.
    ids: Vec<String>,
}

impl PendingAnswers {
    pub(crate) fn of(ids: &[String]) -> Self {
        let keys = ids.iter().filter_map(|id| RequestId::from_json(id)).filter_map(RequestId::key);
        Self { waiting: keys.collect(), ids: ids.to_vec() }
    }

    /// Takes a message that came in; says what it is to them.
    ///
    /// A message answers a request only if its id is the request's, as a JSON value, alone or
    /// in a batch.
    pub(crate) fn saw(&mut self, body: &[u8]) -> Heard {
        let message = peek(body);
        match message.kind() {
            Kind::Batch => message
                .members()
                .map(|member| self.saw_single(&member))
                .reduce(Heard::and)
                .unwrap_or(Heard::NoAnswer),
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                self.saw_single(&message)
            }
        }
    }

    fn saw_single(&mut self, message: &Message<'_>) -> Heard {
        match (message.kind(), message.id()) {
            (Kind::Response, Some(id)) if self.answered(id) => Heard::Answer,
            // Too long to be remembered: nobody knows whether it is waited for.
            (Kind::Response, Some(id)) if id.key().is_none() => Heard::NoAnswer,
            (Kind::Response, None) if !message.is_result() => Heard::ErrorOfNone,
            (Kind::Response, _) => Heard::OthersAnswer,
            (Kind::Request | Kind::Notification | Kind::Batch | Kind::Malformed, _) => {
                Heard::NoAnswer
            }
        }
    }

    pub(crate) fn answered(&mut self, id: RequestId<'_>) -> bool {
        id.key().is_some_and(|key| self.waiting.remove(&key))
    }

    #[cfg(feature = "client")]
    pub(crate) fn is_waiting(&self, id: RequestId<'_>) -> bool {
        id.key().is_none_or(|key| self.waiting.contains(&key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ids that still wait, as they stood.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str).filter(|id| {
            RequestId::from_json(id)
                .and_then(RequestId::key)
                .is_some_and(|key| self.waiting.contains(&key))
        })
    }
}

/// What a message is to the requests that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It answers one of them.
    Answer,
    /// It answers, but none of them.
    OthersAnswer,
    /// It is an error that names no request.
    ErrorOfNone,
    /// It is no answer.
    NoAnswer,
}

impl Heard {
    /// What two members of a batch are together: others' answers only if both are.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Answer, _) | (_, Self::Answer) => Self::Answer,
            (Self::NoAnswer, _) | (_, Self::NoAnswer) => Self::NoAnswer,
            (Self::ErrorOfNone, _) | (_, Self::ErrorOfNone) => Self::ErrorOfNone,
            (Self::OthersAnswer, Self::OthersAnswer) => Self::OthersAnswer,
        }
    }
}
