//! What is true, whoever knows of it: the table, the application of each process, the sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::Who;
use mcp_session_core::sessions::{Entry, Lifetime, SessionKey, Swap};

/// The table.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<SessionKey, (Entry, Lifetime)>,
    /// The leases that stand, by the identities of those that have them.
    pub(super) leases: BTreeMap<String, Lease>,
    /// How often it was flushed, or replaced by one that lacked writes.
    pub(super) losses: u32,
    /// What stood there before each write.
    before: Vec<(SessionKey, Option<(Entry, Lifetime)>)>,
}

/// A lease: where its process is, and how much the table had lost when it was granted.
pub(super) struct Lease {
    pub(super) place: usize,
    losses: u32,
}

/// What the table has answered, and nobody has been told yet.
#[derive(Clone)]
pub(super) enum Reply {
    Found(Option<(Entry, Option<Box<[u8]>>)>),
    /// Whether the lease had lapsed; how often its process had been paused, and the table had
    /// lost what it has, when it was renewed.
    Renewed(bool, u32, u32),
    Swapped(bool),
}

impl Table {
    pub(super) fn find(&self, key: &SessionKey) -> Reply {
        Reply::Found(self.entries.get(key).map(|(entry, _)| {
            let lease = self.leases.get(&*entry.owner);
            let addresses = lease.map(|it| it.place.to_string().into_bytes().into());
            (entry.clone(), addresses)
        }))
    }

    /// Whether the process may have lost what it held.
    pub(super) fn renew(&mut self, identity: &str, place: usize) -> bool {
        let lease = Lease { place, losses: self.losses };
        let before = self.leases.insert(identity.to_owned(), lease);
        before.is_none_or(|it| it.losses != self.losses)
    }

    /// Whether a process has renewed its lease since the table lost something.
    pub(super) fn has_seen(&self, identity: &str) -> bool {
        self.leases.get(identity).is_some_and(|it| it.losses == self.losses)
    }

    /// Loses the last writes. Which sessions that concerns.
    pub(super) fn roll_back(&mut self, writes: usize) -> BTreeSet<SessionKey> {
        let kept = self.before.len().saturating_sub(writes);
        let undone: Vec<_> = self.before.drain(kept..).rev().collect();
        for (key, entry) in &undone {
            match entry {
                Some(entry) => self.entries.insert(*key, entry.clone()),
                None => self.entries.remove(key),
            };
        }
        undone.into_iter().map(|(key, _)| key).collect()
    }

    pub(super) fn flush(&mut self) {
        self.entries.clear();
        self.leases.clear();
        self.before.clear();
        self.losses += 1;
    }

    pub(super) fn swap(&mut self, swap: &Swap) -> bool {
        let standing = self.entries.get(&swap.key).map(|(entry, _)| entry.claim);
        if standing != swap.expected {
            return false;
        }
        let before = self.entries.insert(swap.key, (swap.entry.clone(), swap.lifetime));
        self.before.push((swap.key, before));
        true
    }
}

/// The application of one process: its own sessions by their IDs.
#[derive(Default)]
pub(super) struct App {
    pub(super) sessions: BTreeMap<Vec<u8>, AppSession>,
    pub(super) refuses: bool,
}

pub(super) struct AppSession {
    /// Which session of a client it is, once that is known.
    pub(super) session: Option<usize>,
    pub(super) level: Option<u8>,
    pub(super) is_initialized: bool,
}

/// A session as its client has it.
pub(super) struct Session {
    pub(super) id: Vec<u8>,
    pub(super) key: SessionKey,
    /// Whose it is.
    pub(super) who: Who,
    pub(super) state: State,
    /// What its client has told it, where it is certain that it is kept.
    pub(super) level: Option<u8>,
    /// Its entry was thrown away, and those who know of it have not settled since.
    pub(super) is_evicted: bool,
    /// Which process has written last, or was to, that it is over.
    pub(super) ended_by: Option<String>,
    /// How often each process has renewed its lease while the table did not have it.
    pub(super) missed: BTreeMap<usize, u32>,
}

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Its client, or the application, has ended it, and the table knows.
    Terminated,
    /// It may be over and it may not, as far as anybody can know: the table lost it, and so did
    /// whoever held it; or it was being ended.
    Uncertain,
}
