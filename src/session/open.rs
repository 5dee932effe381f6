//! The caller's requests that are open, by their ids: those that it may cancel.

use alloc::sync::{Arc, Weak};

use super::bounded::Bounded;
use super::identity::{Generation, Ticket};
use crate::jsonrpc::RequestIdKey;

/// Requests that wait, or whose response has not been looked at.
#[derive(Default)]
pub(super) struct OpenRequests {
    by_id: Bounded<RequestIdKey, (Weak<Ticket>, Place)>,
    /// How many there were when those that were abandoned were last swept out.
    swept_at: usize,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits.
    Held,
    /// It is on its way, in this generation.
    Sent(Generation),
}

impl OpenRequests {
    pub(super) fn moved(&mut self, id: &RequestIdKey, ticket: &Arc<Ticket>, place: Place) {
        self.by_id.insert(id.clone(), (Arc::downgrade(ticket), place));
        // Whenever there are twice as many, so that each costs a few look-ups.
        if self.by_id.len() > 2 * self.swept_at + 16 {
            self.by_id.retain(|(ticket, _)| ticket.strong_count() > 0);
            self.swept_at = self.by_id.len();
        }
    }

    pub(super) fn ended(&mut self, id: &RequestIdKey, ticket: &Arc<Ticket>) {
        let is_its =
            |(open, _): &(Weak<Ticket>, Place)| core::ptr::eq(open.as_ptr(), Arc::as_ptr(ticket));
        if self.by_id.get(id).is_some_and(is_its) {
            self.by_id.remove(id);
        }
    }

    /// Ends the request of this id; says where it is.
    pub(super) fn cancel(&self, id: &RequestIdKey) -> Option<Place> {
        let (ticket, place) = self.by_id.get(id)?;
        ticket.upgrade()?.cancel();
        Some(*place)
    }

    pub(super) fn contains(&self, id: &RequestIdKey) -> bool {
        self.by_id.get(id).is_some_and(|(ticket, _)| ticket.strong_count() > 0)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
