//! The caller's requests that are open, by their ids: those that it may cancel.

use alloc::sync::{Arc, Weak};

use super::bounded::Bounded;
use super::identity::{Generation, Ticket};
use crate::jsonrpc::RequestIdKey;

/// What the ids of all that are remembered take together, in bytes: those of 100,000 requests
/// with ids as the SDKs make them. The caller has as many requests open itself, each of them
/// larger.
const REMEMBERED: usize = 8 * 1024 * 1024;

/// What an entry takes beside its id.
const ENTRY: usize = 64;

/// Requests that wait, or whose response has not been looked at.
///
/// Past the bound the oldest are not remembered: they go on, and a `notifications/cancelled` for
/// one of them goes to the server.
#[derive(Default)]
pub(super) struct OpenRequests {
    by_id: Bounded<RequestIdKey, (Weak<Ticket>, Place), { usize::MAX }>,
    /// What they take together.
    bytes: usize,
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
        self.forget(id);
        self.by_id.insert(id.clone(), (Arc::downgrade(ticket), place));
        self.bytes += size_of_entry(id);
        // Whenever there are twice as many, so that each costs a few look-ups.
        if self.by_id.len() > 2 * self.swept_at + 16 {
            self.by_id.retain(|(ticket, _)| ticket.strong_count() > 0);
            self.swept_at = self.by_id.len();
            self.bytes = self.by_id.keys().map(size_of_entry).sum();
        }
        while self.bytes > REMEMBERED {
            let Some((oldest, _)) = self.by_id.pop_oldest() else { return };
            self.bytes = self.bytes.saturating_sub(size_of_entry(&oldest));
        }
    }

    pub(super) fn ended(&mut self, id: &RequestIdKey, ticket: &Arc<Ticket>) {
        let is_its =
            |(open, _): &(Weak<Ticket>, Place)| core::ptr::eq(open.as_ptr(), Arc::as_ptr(ticket));
        if self.by_id.get(id).is_some_and(is_its) {
            self.forget(id);
        }
    }

    /// Ends the request of this id; says where it is.
    pub(super) fn cancel(&self, id: &RequestIdKey) -> Option<Place> {
        let (ticket, place) = self.by_id.get(id)?;
        let ticket = ticket.upgrade()?;
        ticket.cancel();
        Some(if ticket.is_kept_back() { Place::Held } else { *place })
    }

    pub(super) fn contains(&self, id: &RequestIdKey) -> bool {
        self.by_id.get(id).is_some_and(|(ticket, _)| ticket.strong_count() > 0)
    }

    fn forget(&mut self, id: &RequestIdKey) {
        if self.by_id.remove(id).is_some() {
            self.bytes = self.bytes.saturating_sub(size_of_entry(id));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

fn size_of_entry(id: &RequestIdKey) -> usize {
    ENTRY + id.as_bytes().len()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use std::format;

    use super::super::identity::Owner;
    use super::*;
    use crate::jsonrpc::RequestId;

    fn key(id: &str) -> RequestIdKey {
        RequestId::from_json(id).and_then(RequestId::key).unwrap()
    }

    fn tickets(count: usize) -> Vec<Arc<Ticket>> {
        let owner = Arc::new(Owner);
        (0..count).map(|_| Arc::new(Ticket::new(&owner))).collect()
    }

    #[test]
    fn each_of_ten_thousand_requests_that_are_held_can_be_ended() {
        let mut open = OpenRequests::default();
        let tickets = tickets(10_000);
        for (number, ticket) in tickets.iter().enumerate() {
            open.moved(&key(&format!("{number}")), ticket, Place::Held);
        }

        for (number, ticket) in tickets.iter().enumerate() {
            assert_eq!(Some(Place::Held), open.cancel(&key(&format!("{number}"))));
            assert!(ticket.is_cancelled());
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_in_all_and_the_oldest_is_forgotten_first() {
        let mut open = OpenRequests::default();
        let tickets = tickets(10_000);
        let id = |number: usize| key(&format!(r#""{number:01000}""#));
        for (number, ticket) in tickets.iter().enumerate() {
            open.moved(&id(number), ticket, Place::Held);
            assert!(open.bytes <= REMEMBERED);
        }

        assert!(open.len() < tickets.len() && open.len() > 7_000, "{}", open.len());
        assert_eq!(None, open.cancel(&id(0)));
        assert_eq!(Some(Place::Held), open.cancel(&id(9_999)));
        for (number, ticket) in tickets.iter().enumerate() {
            open.ended(&id(number), ticket);
        }
        assert_eq!((0, 0), (open.len(), open.bytes));
    }

    #[test]
    fn those_that_were_abandoned_are_swept_out() {
        let mut open = OpenRequests::default();
        for number in 0..10_000 {
            let ticket = tickets(1).remove(0);
            open.moved(&key(&format!("{number}")), &ticket, Place::Held);
        }

        assert!(open.len() <= 17, "{}", open.len());
        assert_eq!(open.bytes, open.by_id.keys().map(size_of_entry).sum::<usize>());
    }
}
