//! What is true, whoever knows of it: the table, the application of each process, the sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::Who;
use mcp_session_core::sessions::{Entry, Lifetime, SessionKey, Swap};

/// The table.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<SessionKey, (Entry, Lifetime)>,
    /// The identities whose lease stands.
    pub(super) leases: BTreeSet<String>,
    pub(super) flushes: u32,
}

/// What the table has answered, and nobody has been told yet.
#[derive(Clone)]
pub(super) enum Reply {
    Found(Option<(Entry, Option<Box<[u8]>>)>),
    /// Whether the lease had lapsed, and how often its process had been paused before it was
    /// sent.
    Renewed(bool, u32),
    Swapped(bool),
}

impl Table {
    pub(super) fn find(&self, key: &SessionKey) -> Reply {
        Reply::Found(self.entries.get(key).map(|(entry, _)| {
            let owner = entry.owner.to_string();
            let addresses = self.leases.contains(&owner).then(|| owner.into_bytes().into());
            (entry.clone(), addresses)
        }))
    }

    pub(super) fn renew(&mut self, identity: &str) -> bool {
        self.leases.insert(identity.to_owned())
    }

    pub(super) fn swap(&mut self, swap: &Swap) -> bool {
        let standing = self.entries.get(&swap.key).map(|(entry, _)| entry.claim);
        if standing != swap.expected {
            return false;
        }
        self.entries.insert(swap.key, (swap.entry.clone(), swap.lifetime));
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
