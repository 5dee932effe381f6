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

    /// Takes a message that came in; whether it answers one of them.
    ///
    /// A message answers a request only if its id is the request's, as a JSON value, alone or
    /// in a batch.
    pub(crate) fn saw(&mut self, body: &[u8]) -> bool {
        let message = peek(body);
        match message.kind() {
            Kind::Batch => {
                message.members().fold(false, |seen, member| seen | self.saw_single(&member))
            }
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                self.saw_single(&message)
            }
        }
    }

    fn saw_single(&mut self, message: &Message<'_>) -> bool {
        match (message.kind(), message.id()) {
            (Kind::Response, Some(id)) => self.answered(id),
            (
                Kind::Request | Kind::Notification | Kind::Response | Kind::Batch | Kind::Malformed,
                _,
            ) => false,
        }
    }

    pub(crate) fn answered(&mut self, id: RequestId<'_>) -> bool {
        id.key().is_some_and(|key| self.waiting.remove(&key))
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
