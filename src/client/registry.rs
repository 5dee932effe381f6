//! Which session a request belongs to: by scheme, host, path, ID and credentials.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::followed::FollowedSession;
use super::head::Endpoint;

/// How many sessions one client remembers. Those that were used longest ago are forgotten,
/// the closed ones first, and their requests pass as they are.
pub(super) const REMEMBERED: usize = 4096;

/// How many endpoints are remembered as having answered.
const ENDPOINTS: usize = 4096;

/// How many IDs name one session: its caller's, and the newest.
const NAMES: usize = 8;

/// The number of a followed session, which is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u64);

impl Slot {
    pub(super) fn of(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// A session is kept as long as it has a name or a request of its own is under way.
pub(super) struct Registry {
    sessions: BTreeMap<Slot, Entry>,
    by_name: BTreeMap<Name, Slot>,
    by_use: BTreeMap<u64, Slot>,
    /// Those that have no name yet: nobody but their opening request knows them.
    unnamed: Vec<Slot>,
    answered: BTreeMap<Box<str>, u64>,
    answered_by_use: BTreeMap<u64, Box<str>>,
    clock: u64,
    remembered: usize,
    /// What makes an alias unlike any ID of a server's.
    seed: u64,
}

struct Entry {
    session: FollowedSession,
    names: VecDeque<Name>,
    used: u64,
    /// Each request that is under way holds one more.
    alive: Arc<()>,
}

/// An endpoint and an ID, as one key.
type Name = Box<str>;

impl Registry {
    pub(super) fn new(seed: u64, remembered: usize) -> Self {
        Self {
            sessions: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_use: BTreeMap::new(),
            unnamed: Vec::new(),
            answered: BTreeMap::new(),
            answered_by_use: BTreeMap::new(),
            clock: 0,
            remembered,
            seed,
        }
    }

    /// As many sessions as are remembered.
    pub(super) fn remembering(self, remembered: usize) -> Self {
        Self { remembered, ..self }
    }

    /// Takes in a session before the `initialize` that opens it.
    pub(super) fn open(&mut self, session: FollowedSession) -> (Slot, Arc<()>) {
        self.forget_abandoned();
        let slot = Slot(self.tick());
        let alive = Arc::new(());
        let entry =
            Entry { session, names: VecDeque::new(), used: slot.0, alive: Arc::clone(&alive) };
        self.sessions.insert(slot, entry);
        self.unnamed.push(slot);
        (slot, alive)
    }

    pub(super) fn find(&mut self, endpoint: Endpoint<'_>, id: &str) -> Option<Slot> {
        let slot = *self.by_name.get(&*name(endpoint, id))?;
        self.touch(slot);
        Some(slot)
    }

    pub(super) fn hold(&self, slot: Slot) -> Option<Arc<()>> {
        self.sessions.get(&slot).map(|entry| Arc::clone(&entry.alive))
    }

    pub(super) fn session(&mut self, slot: Slot) -> Option<&mut FollowedSession> {
        self.sessions.get_mut(&slot).map(|entry| &mut entry.session)
    }

    /// Makes the ID by which the caller of a new session will name it.
    ///
    /// It is another than the server's own if a session that is open goes by it already: the
    /// server has given it out twice.
    pub(super) fn name_for_caller(
        &mut self,
        slot: Slot,
        endpoint: Endpoint<'_>,
        id: &str,
    ) -> String {
        let key = name(endpoint, id);
        let is_taken = self.by_name.get(&*key).is_some_and(|other| {
            *other != slot && self.sessions.get(other).is_some_and(|it| !it.session.is_closed())
        });
        if !is_taken {
            self.add_name(slot, key);
            return id.to_owned();
        }
        let (seed, number) = (self.seed, self.tick());
        let alias = format!("{id}-{seed:016x}{number:x}");
        self.add_name(slot, name(endpoint, &alias));
        alias
    }

    /// Lets a session be named by the newest ID of its server too, unless another is.
    pub(super) fn also_named(&mut self, slot: Slot, endpoint: Endpoint<'_>, id: &str) {
        let key = name(endpoint, id);
        if !self.by_name.contains_key(&*key) {
            self.add_name(slot, key);
        }
    }

    /// Forgets a session that has come to its end; requests under way go on.
    pub(super) fn forget(&mut self, slot: Slot) {
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        for name in core::mem::take(&mut entry.names) {
            if self.by_name.get(&name) == Some(&slot) {
                self.by_name.remove(&name);
            }
        }
        self.by_use.remove(&entry.used);
        self.unnamed.push(slot);
    }

    /// Whether this endpoint has answered a message before.
    pub(super) fn has_answered(&self, endpoint: Endpoint<'_>) -> bool {
        self.answered.contains_key(&*name(endpoint, ""))
    }

    pub(super) fn note_answered(&mut self, endpoint: Endpoint<'_>) {
        let key = name(endpoint, "");
        let now = self.tick();
        if let Some(before) = self.answered.insert(key.clone(), now) {
            self.answered_by_use.remove(&before);
        }
        self.answered_by_use.insert(now, key);
        if self.answered.len() > ENDPOINTS {
            if let Some((_, oldest)) = self.answered_by_use.pop_first() {
                self.answered.remove(&oldest);
            }
        }
    }

    fn add_name(&mut self, slot: Slot, key: Name) {
        if let Some(other) = self.by_name.insert(key.clone(), slot) {
            if other != slot {
                self.lose_name(other, &key);
            }
        }
        let now = self.tick();
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        if entry.names.is_empty() {
            self.unnamed.retain(|unnamed| *unnamed != slot);
            entry.used = now;
            self.by_use.insert(now, slot);
        }
        if !entry.names.contains(&key) {
            entry.names.push_back(key);
        }
        if entry.names.len() > NAMES {
            // The first is the caller's, who stamps it for ever.
            if let Some(old) = entry.names.remove(1) {
                self.by_name.remove(&old);
            }
        }
        self.forget_least_used();
    }

    fn lose_name(&mut self, slot: Slot, key: &str) {
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        entry.names.retain(|name| **name != *key);
        if entry.names.is_empty() {
            self.forget(slot);
        }
    }

    fn touch(&mut self, slot: Slot) {
        let now = self.tick();
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        self.by_use.remove(&entry.used);
        // Of two that may go, the one that is closed goes first.
        entry.used = now;
        self.by_use.insert(now, slot);
    }

    fn forget_least_used(&mut self) {
        while self.by_use.len() > self.remembered {
            let Some((_, slot)) = self.by_use.pop_first() else { return };
            self.forget(slot);
        }
        self.forget_abandoned();
    }

    /// Drops what has no name and no request under way.
    fn forget_abandoned(&mut self) {
        let sessions = &mut self.sessions;
        self.unnamed.retain(|slot| {
            let is_held = sessions.get(slot).is_some_and(|it| Arc::strong_count(&it.alive) > 1);
            if !is_held {
                sessions.remove(slot);
            }
            is_held
        });
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

fn name(endpoint: Endpoint<'_>, id: &str) -> Name {
    let path = endpoint.path.strip_suffix('/').unwrap_or(endpoint.path);
    // None of the parts has a line feed in it.
    format!("{}\n{}\n{path}\n{id}", endpoint.scheme, endpoint.host).into()
}
