//! Which session a request belongs to: by scheme, host, path, ID and credentials.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
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
    /// Apart: the nodes of a map have room for more than they hold.
    sessions: BTreeMap<Slot, Box<Entry>>,
    by_name: BTreeMap<Name, Slot>,
    by_use: BTreeMap<Use, Slot>,
    /// Those that have no name yet: nobody but their opening request knows them.
    unnamed: Vec<Slot>,
    /// The body that opened the session which came last.
    initialize: Option<Arc<[u8]>>,
    answered: BTreeMap<Name, u64>,
    answered_by_use: BTreeMap<u64, Name>,
    clock: u64,
    remembered: usize,
    /// What makes an alias unlike any ID of a server's.
    seed: u64,
}

struct Entry {
    session: FollowedSession,
    /// The ID that its caller stamps on requests.
    callers: Option<Name>,
    /// Its other IDs, the oldest first.
    others: Vec<Name>,
    used: Use,
    /// Each request that is under way holds one more.
    alive: Arc<()>,
}

/// An endpoint and an ID, as one key, which its session shares.
type Name = Arc<str>;

/// When a session was used last. The least is forgotten first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    standing: Standing,
    at: u64,
}

/// Of two that may go, the one that is closed goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Closed,
    Open,
}

impl Registry {
    pub(super) fn new(seed: u64, remembered: usize) -> Self {
        Self {
            sessions: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_use: BTreeMap::new(),
            unnamed: Vec::new(),
            initialize: None,
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
        let used = Use { standing: Standing::Open, at: slot.0 };
        let entry =
            Entry { session, callers: None, others: Vec::new(), used, alive: Arc::clone(&alive) };
        self.sessions.insert(slot, Box::new(entry));
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

    /// Takes that a session stands.
    pub(super) fn opened(&mut self, slot: Slot) {
        if let Some(entry) = self.sessions.get_mut(&slot) {
            entry.session.session.share_initialize(&mut self.initialize);
        }
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
            self.add_name(slot, key.into(), Whose::Callers);
            return id.to_owned();
        }
        let (seed, number) = (self.seed, self.tick());
        let alias = format!("{id}-{seed:016x}{number:x}");
        self.add_name(slot, name(endpoint, &alias).into(), Whose::Callers);
        alias
    }

    /// Lets a session be named by the newest ID of its server too, unless another is.
    pub(super) fn also_named(&mut self, slot: Slot, endpoint: Endpoint<'_>, id: &str) {
        let key = name(endpoint, id);
        if !self.by_name.contains_key(&*key) {
            self.add_name(slot, key.into(), Whose::Servers);
        }
    }

    /// Forgets a session that has come to its end; requests under way go on.
    pub(super) fn forget(&mut self, slot: Slot) {
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        let callers = entry.callers.take();
        for name in callers.into_iter().chain(core::mem::take(&mut entry.others)) {
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
        if self.answered_by_use.last_key_value().is_some_and(|(_, newest)| **newest == *key) {
            return;
        }
        let (now, key) = (self.tick(), Name::from(key));
        if let Some(before) = self.answered.insert(Arc::clone(&key), now) {
            self.answered_by_use.remove(&before);
        }
        self.answered_by_use.insert(now, key);
        if self.answered.len() > ENDPOINTS {
            if let Some((_, oldest)) = self.answered_by_use.pop_first() {
                self.answered.remove(&oldest);
            }
        }
    }

    /// Notes that a session was used, or closed.
    pub(super) fn touch(&mut self, slot: Slot) {
        let at = self.tick();
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        let newest = self.by_use.last_key_value();
        if newest.is_some_and(|(used, it)| *it == slot && used.standing == entry.standing()) {
            return;
        }
        if self.by_use.remove(&entry.used).is_some() {
            entry.used = Use { standing: entry.standing(), at };
            self.by_use.insert(entry.used, slot);
        }
    }

    fn add_name(&mut self, slot: Slot, key: Name, whose: Whose) {
        if let Some(other) = self.by_name.insert(Arc::clone(&key), slot) {
            if other != slot {
                self.lose_name(other, &key);
            }
        }
        let at = self.tick();
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        if !entry.is_named() {
            self.unnamed.retain(|unnamed| *unnamed != slot);
            entry.used = Use { standing: entry.standing(), at };
            self.by_use.insert(entry.used, slot);
        }
        entry.lose(&key);
        match whose {
            Whose::Callers => entry.others.extend(entry.callers.replace(key)),
            Whose::Servers => entry.others.push(key),
        }
        if entry.others.len() >= NAMES {
            // Not the caller's, who stamps it on every request.
            let oldest = entry.others.remove(0);
            self.by_name.remove(&oldest);
        }
        self.forget_least_used();
    }

    fn lose_name(&mut self, slot: Slot, key: &str) {
        let Some(entry) = self.sessions.get_mut(&slot) else { return };
        entry.lose(key);
        if !entry.is_named() {
            self.forget(slot);
        }
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

/// Who names a session by an ID.
#[derive(Clone, Copy)]
enum Whose {
    Callers,
    Servers,
}

impl Entry {
    fn is_named(&self) -> bool {
        self.callers.is_some() || !self.others.is_empty()
    }

    fn lose(&mut self, key: &str) {
        self.others.retain(|other| **other != *key);
        self.callers.take_if(|callers| **callers == *key);
    }

    fn standing(&self) -> Standing {
        if self.session.is_closed() { Standing::Closed } else { Standing::Open }
    }
}

fn name(endpoint: Endpoint<'_>, id: &str) -> String {
    let path = endpoint.path.strip_suffix('/').unwrap_or(endpoint.path);
    // None of the parts has a line feed in it.
    [endpoint.scheme, endpoint.host, path, id].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;
    use crate::exchange::SessionId;
    use crate::session::{self, Outgoing, Session};

    const ENDPOINT: Endpoint<'_> = Endpoint { scheme: "https", host: "mcp.example", path: "/mcp" };

    #[test]
    fn the_callers_newest_id_is_kept_however_many_its_server_gives() {
        let mut registry = Registry::new(7, REMEMBERED);
        let (slot, _alive) = opened(&mut registry, "first");
        registry.name_for_caller(slot, ENDPOINT, "callers");
        for number in 0..3 * NAMES {
            registry.also_named(slot, ENDPOINT, &format!("servers-{number}"));
        }

        assert_eq!(Some(slot), registry.find(ENDPOINT, "callers"));
        assert_eq!(None, registry.find(ENDPOINT, "first"));
        assert_eq!(Some(slot), registry.find(ENDPOINT, &format!("servers-{}", 3 * NAMES - 1)));
        assert_eq!(NAMES, registry.by_name.len());
    }

    #[test]
    fn an_id_that_is_given_again_is_one_name() {
        let mut registry = Registry::new(7, REMEMBERED);
        let (slot, _alive) = opened(&mut registry, "same");
        registry.name_for_caller(slot, ENDPOINT, "same");
        registry.also_named(slot, ENDPOINT, "same");

        let entry = &registry.sessions[&slot];
        assert!(entry.callers.is_some() && entry.others.is_empty());
    }

    #[test]
    fn the_session_that_was_used_longest_ago_is_forgotten() {
        let mut registry = Registry::new(7, 2);
        for id in ["first", "second"] {
            opened(&mut registry, id);
        }
        assert!(registry.find(ENDPOINT, "first").is_some());
        opened(&mut registry, "third");

        let found = ["first", "second", "third"].map(|id| registry.find(ENDPOINT, id).is_some());
        assert_eq!([true, false, true], found);
    }

    #[test]
    fn a_closed_session_is_forgotten_before_an_open_one() {
        let mut registry = Registry::new(7, 2);
        opened(&mut registry, "open");
        let (closed, _alive) = opened(&mut registry, "closed");
        let closing = registry.session(closed).unwrap();
        let _sent = closing.session.before_request(Outgoing::<&[u8]>::delete());
        registry.touch(closed);
        assert!(registry.find(ENDPOINT, "closed").is_some());
        opened(&mut registry, "another");

        let found = ["open", "closed", "another"].map(|id| registry.find(ENDPOINT, id).is_some());
        assert_eq!([true, false, true], found);
    }

    #[test]
    fn what_has_neither_a_name_nor_a_request_is_dropped() {
        let mut registry = Registry::new(7, 1);
        let (first, alive) = opened(&mut registry, "first");
        let (second, _) = opened(&mut registry, "second");
        assert!(registry.session(first).is_some(), "a request is under way");
        drop(alive);
        opened(&mut registry, "third");

        assert!(registry.session(first).is_none() && registry.session(second).is_none());
        assert_eq!((1, 1), (registry.by_use.len(), registry.by_name.len()));
        assert!(registry.unnamed.is_empty());
    }

    #[test]
    fn of_endpoints_that_answered_the_latest_are_remembered() {
        let mut registry = Registry::new(7, 1);
        let hosts: Vec<String> = (0..=ENDPOINTS).map(|it| format!("{it}.example")).collect();
        for host in &hosts {
            registry.note_answered(Endpoint { host, ..ENDPOINT });
        }

        let known =
            hosts.iter().filter(|host| registry.has_answered(Endpoint { host, ..ENDPOINT }));
        assert_eq!(ENDPOINTS, known.count());
        assert!(!registry.has_answered(Endpoint { host: &hosts[0], ..ENDPOINT }));
    }

    fn opened(registry: &mut Registry, id: &str) -> (Slot, Arc<()>) {
        let live = SessionId::parse(id.as_bytes()).unwrap();
        let session = Session::resumed(live, session::Options::default());
        let followed = FollowedSession::new(session, ENDPOINT, Credentials::OfClient);
        let (slot, alive) = registry.open(followed);
        registry.name_for_caller(slot, ENDPOINT, id);
        (slot, alive)
    }
}
