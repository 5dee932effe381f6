//! What one process knows: its lease, and the sessions that it owns.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use super::entry::LiveRecord;
use super::forwards::{Forwards, OwnersLease};
use super::key::{Domain, SessionKey, TableKey, hex};
use super::options::{Durability, Options};
use super::step::{HiddenId, RunNumber};
use crate::exchange::Method;

/// How many renewals of the heartbeat pass before a table that lost its entries counts as
/// having them again. Each process renews several times in the time of a lease.
const SETTLING: u32 = 6;

/// How many bits of a claim say which process made it.
const WRITER_BITS: u32 = 20;
/// The highest count that the rest of a claim holds: tables store 63 bits.
const HIGHEST_COUNT: u64 = (1 << (63 - WRITER_BITS)) - 1;

/// How many keys are handed out at once.
const USED_AT_ONCE: usize = 1000;

/// Of how many runs it is known that they could not restore a session.
const MOST_FAILED: usize = 1024;

/// What one process knows of the sessions of an application. See the [module](super) for what
/// it guarantees.
pub struct Replica {
    pub(super) identity: Box<str>,
    pub(super) key: TableKey,
    /// What the claims of this process end with.
    writer: u64,
    pub(super) options: Options,
    pub(super) lease: Lease,
    pub(super) owned: OwnedSessions,
    pub(super) forwards: Forwards,
    /// Which run is about to claim, restore or write a session: one at a time.
    busy: BTreeMap<SessionKey, RunNumber>,
    /// The runs that could not restore a session now: who waited for one shares its failure.
    failed: BTreeSet<RunNumber>,
    /// Lost, by the runs whose streams have to end.
    fenced: Vec<RunNumber>,
    used: BTreeSet<SessionKey>,
    /// What has to be written, or confirmed.
    pending: BTreeSet<SessionKey>,
    /// The table failed when it was last written to by upkeep.
    rests_from_upkeep: bool,
    pub(super) is_draining: bool,
    runs: u64,
    generations: u64,
    minted: u64,
}

impl Replica {
    /// A process that has just begun, without a lease.
    ///
    /// `identity` is one that no other process has or had: random, and long enough for that.
    pub fn new(identity: &str, key: TableKey, options: Options) -> Self {
        let [first, second, third, ..] = key.hash(Domain::Writer, &[identity.as_bytes()]);
        let writer = u64::from_le_bytes([first, second, third, 0, 0, 0, 0, 0]);
        Self {
            identity: identity.into(),
            writer: writer & ((1 << WRITER_BITS) - 1),
            key,
            lease: Lease::default(),
            owned: OwnedSessions::new(&options),
            forwards: Forwards::default(),
            options,
            busy: BTreeMap::new(),
            failed: BTreeSet::new(),
            fenced: Vec::new(),
            used: BTreeSet::new(),
            pending: BTreeSet::new(),
            rests_from_upkeep: false,
            is_draining: false,
            runs: 0,
            generations: 0,
            minted: 0,
        }
    }

    /// The identity of this process.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Takes that the table has answered a renewal, in time by the clock of this process from
    /// before it was sent.
    pub fn renewed(&mut self, renewal: Renewal) {
        self.rests_from_upkeep = false;
        self.lease.settling = self.lease.settling.saturating_sub(1);
        self.note_renewal(renewal);
    }

    /// Takes that a renewal was not answered, or too late.
    pub fn renewal_failed(&mut self) {
        self.lease.is_doubtful = true;
    }

    /// Takes that the lease is over by the clock of this process, less a margin. A driver looks
    /// at its clock before each call of the replica and of a run: a process that was paused
    /// wakes anywhere.
    pub fn lease_over(&mut self) {
        self.lease.is_fresh = false;
        self.lease.is_doubtful = true;
    }

    /// Whether the lease stands, as far as this process knows.
    pub fn lease_is_fresh(&self) -> bool {
        self.lease.is_fresh
    }

    /// Takes the keys of the sessions that were used since this was last asked: their entries
    /// are to live on.
    pub fn take_used(&mut self) -> Vec<SessionKey> {
        let rest = self.used.iter().nth(USED_AT_ONCE).copied();
        let rest = rest.map_or_else(BTreeSet::new, |first| self.used.split_off(&first));
        core::mem::replace(&mut self.used, rest).into_iter().collect()
    }

    /// Takes that the entries of sessions in use are to live on: of which something runs counts as
    /// used. Before each [`take_used`](Self::take_used) of which it is time for.
    pub fn note_running(&mut self) {
        self.used.extend(self.owned.running());
    }

    /// Takes the keys of used sessions of which the table has no entry.
    ///
    /// It has lost them, evicted or with a write that did not last. For what is under way that
    /// is a doubt and no more: nobody can claim what is not there. The sessions are confirmed
    /// anew before anything else of them runs, and by [`upkeep`](super::Run::upkeep) if nothing
    /// does; whoever has lost one meanwhile finds out by that. Such a table may have lost
    /// others', too, so it is not believed for a while where it knows nothing.
    pub fn missing(&mut self, keys: impl IntoIterator<Item = SessionKey>) {
        for key in keys {
            let Some(owned) = self.owned.get_mut(&key) else { continue };
            owned.confirmed = None;
            self.pending.insert(key);
            if self.options.durability == Durability::Forgetful {
                self.lease.settling = SETTLING;
            }
        }
    }

    /// Begins a round of looks at those that requests of this process wait for: the sessions to
    /// look up now. Each is told by [`looked_after`](Self::looked_after). Between two rounds
    /// there is about half the time of a lease.
    ///
    /// A process that was killed ends its connections. One that hangs, or whose host is gone,
    /// does not: its lease says so.
    pub fn look_after(&mut self) -> Vec<SessionKey> {
        self.forwards.round()
    }

    /// Takes what the table has of such a session: the owner, its claim, and whether its lease
    /// stands. Those that wait in vain are [fenced](Self::take_fenced). A table that does not
    /// answer, or has no entry, says nothing.
    pub fn looked_after(&mut self, key: &SessionKey, owner: &str, claim: u64, lease: OwnersLease) {
        self.saw_claim(key, owner, claim);
        let in_vain = self.forwards.saw_lease(owner, lease);
        self.fenced.extend(in_vain);
    }

    /// Takes the runs that have to end: of a session that was lost to another process, or
    /// forwarded to one that is gone, or has lost the session. Of each is to be told that it was
    /// [`interrupted`](super::Run::interrupted), or that its body
    /// [broke off](super::Run::body_broke_off).
    pub fn take_fenced(&mut self) -> Vec<RunNumber> {
        core::mem::take(&mut self.fenced)
    }

    /// Opens and claims no session from now on, and serves none that is idle. Returns the runs
    /// of streams (GET), those included that another process serves through this one. They are
    /// to be ended: nothing else would end them.
    pub fn drain(&mut self) -> Vec<RunNumber> {
        self.is_draining = true;
        self.owned.streams().chain(self.forwards.streams()).collect()
    }

    /// Whether the lease may be given up: it drains, nothing runs any more, and the table knows
    /// all that it is to know.
    pub fn can_withdraw(&self) -> bool {
        let is_unwritten = |owned: &Owned| owned.is_unwritten() || owned.is_terminated;
        let mut pending = self.pending.iter().filter_map(|key| self.owned.get(key));
        self.is_draining
            && self.busy.is_empty()
            && !self.owned.any_runs()
            && self.forwards.is_empty()
            && !pending.any(is_unwritten)
    }

    /// How many sessions it owns.
    pub fn owned_sessions(&self) -> usize {
        self.owned.sessions.len()
    }

    /// Whether it holds the session, confirmed or not.
    pub fn owns(&self, key: &SessionKey) -> bool {
        self.owned.get(key).is_some()
    }

    pub(super) fn note_renewal(&mut self, renewal: Renewal) {
        let may_have_lapsed =
            renewal == Renewal::Lapsed || self.lease.is_doubtful || self.lease.epoch == 0;
        if may_have_lapsed {
            self.lease.epoch += 1;
            self.pending.extend(self.owned.sessions.keys().copied());
            // A file that does not know a lease that stands was replaced.
            let was_replaced = renewal == Renewal::Lapsed && self.lease.is_fresh;
            if was_replaced || self.options.durability == Durability::Forgetful {
                // What others own may be missing until they have written it again.
                self.lease.settling = SETTLING;
            }
        }
        self.lease.is_fresh = true;
        self.lease.is_doubtful = false;
    }

    pub(super) fn next_run(&mut self) -> RunNumber {
        self.runs += 1;
        RunNumber(self.runs)
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.generations += 1;
        self.generations
    }

    /// A claim above another, which no other process makes: a table that went back to what it was
    /// would else take a late write of one for that of another.
    pub(super) fn claim_above(&self, claim: u64) -> u64 {
        let count = (claim >> WRITER_BITS).saturating_add(1).min(HIGHEST_COUNT);
        count << WRITER_BITS | self.writer
    }

    /// An ID that nobody has and nobody can guess.
    pub(super) fn mint_id(&mut self) -> HiddenId {
        self.minted += 1;
        let parts = [self.identity.as_bytes(), &self.minted.to_le_bytes()];
        let hash = self.key.hash(Domain::MintedId, &parts);
        HiddenId(hex(&hash).into_bytes().into())
    }

    /// Who else takes or writes the session.
    pub(super) fn busy(&self, key: &SessionKey, but: RunNumber) -> Option<RunNumber> {
        self.busy.get(key).copied().filter(|run| *run != but)
    }

    pub(super) fn is_busy_by(&self, key: &SessionKey, run: RunNumber) -> bool {
        self.busy.get(key) == Some(&run)
    }

    pub(super) fn make_busy(&mut self, key: SessionKey, run: RunNumber) {
        self.busy.insert(key, run);
    }

    pub(super) fn release(&mut self, key: &SessionKey, run: RunNumber) {
        if self.is_busy_by(key, run) {
            self.busy.remove(key);
        }
    }

    pub(super) fn note_failed(&mut self, run: RunNumber) {
        self.failed.insert(run);
        if self.failed.len() > MOST_FAILED {
            self.failed.pop_first();
        }
    }

    pub(super) fn has_failed(&self, run: RunNumber) -> bool {
        self.failed.contains(&run)
    }

    /// Whether this process may run requests of the session without asking anybody.
    pub(super) fn confirms(&self, owned: &Owned) -> bool {
        self.lease.is_fresh && owned.confirmed == Some(self.lease.epoch)
    }

    /// Takes a session as owned. Where the lease was in doubt meanwhile, it is confirmed yet.
    pub(super) fn own(&mut self, key: SessionKey, owned: Owned) {
        self.owned.insert(key, owned);
        self.pending.insert(key);
    }

    /// What waits for an owner of an older claim waits in vain.
    pub(super) fn saw_claim(&mut self, key: &SessionKey, owner: &str, claim: u64) {
        self.fenced.extend(self.forwards.outdated(key, owner, claim));
    }

    /// A session is another process's, or terminated.
    pub(super) fn lose(&mut self, key: &SessionKey) {
        if let Some(lost) = self.owned.remove(key) {
            self.fenced.extend(lost.runs.keys());
        }
        self.used.remove(key);
        self.pending.remove(key);
    }

    pub(super) fn note_used(&mut self, key: SessionKey) {
        self.used.insert(key);
        self.owned.touch(&key);
    }

    /// There is something to be written, or confirmed.
    pub(super) fn note_pending(&mut self, key: SessionKey) {
        if self.owned.get(&key).is_some() {
            self.pending.insert(key);
        }
    }

    pub(super) fn rest_from_upkeep(&mut self) {
        self.rests_from_upkeep = true;
    }

    /// The next session that has to be written or confirmed, and that nobody writes now.
    pub(super) fn take_pending(&mut self) -> Option<SessionKey> {
        if self.rests_from_upkeep || !self.lease.is_fresh {
            return None;
        }
        loop {
            let key = self.pending.iter().find(|key| !self.busy.contains_key(*key)).copied()?;
            self.pending.remove(&key);
            let needs_it = |owned: &Owned| {
                owned.is_unwritten()
                    || owned.is_terminated
                    || (!self.is_draining && !self.confirms(owned))
            };
            if self.owned.get(&key).is_some_and(needs_it) {
                return Some(key);
            }
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Replica")
            .field("identity", &self.identity)
            .field("lease_is_fresh", &self.lease.is_fresh)
            .field("owned_sessions", &self.owned_sessions())
            .field("is_draining", &self.is_draining)
            .finish_non_exhaustive()
    }
}

/// What a table says of a lease that it has renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// It stood.
    Stood,
    /// It had been over, or was not there: others may have claimed what this process owns.
    Lapsed,
}

/// What this process knows of its lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub(super) is_fresh: bool,
    /// Grows whenever it may have been over in between.
    pub(super) epoch: u64,
    /// Whether it may have been over, or renewed, without this process having been told.
    is_doubtful: bool,
    settling: u32,
}

impl Lease {
    /// Whether what the table does not know may be known to it soon.
    pub(super) fn is_settling(&self) -> bool {
        self.settling > 0
    }
}

/// A session that this process owns.
pub(super) struct Owned {
    pub(super) claim: u64,
    /// The epoch of the lease in which the claim was written; `None` after a doubt.
    pub(super) confirmed: Option<u64>,
    /// What the application calls it.
    pub(super) inner: HiddenId,
    /// Which of the application's sessions it is by now.
    pub(super) generation: u64,
    pub(super) record: LiveRecord,
    /// Counts what has changed of the record, and what is written of that.
    changes: u64,
    written: u64,
    /// Terminated here; the table does not know yet.
    pub(super) is_terminated: bool,
    pub(super) runs: BTreeMap<RunNumber, Method>,
    age: u64,
    cost: usize,
}

impl Owned {
    pub(super) fn new(
        claim: u64,
        confirmed: Option<u64>,
        inner: HiddenId,
        generation: u64,
        record: LiveRecord,
    ) -> Self {
        Self {
            claim,
            confirmed,
            inner,
            generation,
            cost: record.cost(),
            record,
            changes: 0,
            written: 0,
            is_terminated: false,
            runs: BTreeMap::new(),
            age: 0,
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn note_written(&mut self, changes: u64) {
        self.written = self.written.max(changes);
    }

    pub(super) fn is_unwritten(&self) -> bool {
        self.written != self.changes
    }
}

/// The sessions that this process owns, by their keys.
pub(super) struct OwnedSessions {
    sessions: BTreeMap<SessionKey, Owned>,
    /// The keys by when they were last used.
    ages: BTreeMap<u64, SessionKey>,
    newest: u64,
    cost: usize,
    max_sessions: usize,
    max_cost: usize,
}

impl OwnedSessions {
    fn new(options: &Options) -> Self {
        Self {
            sessions: BTreeMap::new(),
            ages: BTreeMap::new(),
            newest: 0,
            cost: 0,
            max_sessions: options.max_sessions,
            max_cost: options.max_bytes,
        }
    }

    pub(super) fn get(&self, key: &SessionKey) -> Option<&Owned> {
        self.sessions.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &SessionKey) -> Option<&mut Owned> {
        self.sessions.get_mut(key)
    }

    fn insert(&mut self, key: SessionKey, owned: Owned) {
        self.remove(&key);
        self.cost = self.cost.saturating_add(owned.cost);
        self.sessions.insert(key, owned);
        self.touch(&key);
        self.make_room(&key);
    }

    /// Whether there is room for another session, or can be.
    pub(super) fn has_room(&self) -> bool {
        self.sessions.len() < self.max_sessions
            || self.sessions.values().any(|owned| owned.runs.is_empty())
    }

    fn remove(&mut self, key: &SessionKey) -> Option<Owned> {
        let owned = self.sessions.remove(key)?;
        self.ages.remove(&owned.age);
        self.cost = self.cost.saturating_sub(owned.cost);
        Some(owned)
    }

    fn touch(&mut self, key: &SessionKey) {
        let Some(owned) = self.sessions.get_mut(key) else { return };
        self.ages.remove(&owned.age);
        self.newest += 1;
        owned.age = self.newest;
        self.ages.insert(self.newest, *key);
    }

    /// Takes that the record of a session has changed.
    pub(super) fn note_change(&mut self, key: &SessionKey) {
        let Some(owned) = self.sessions.get_mut(key) else { return };
        owned.changes += 1;
        let cost = owned.record.cost();
        self.cost = self.cost.saturating_sub(owned.cost).saturating_add(cost);
        owned.cost = cost;
        self.make_room(key);
    }

    /// Forgets what was not used for the longest time. It stays in the table as this process's,
    /// which restores it when it is used again.
    fn make_room(&mut self, but: &SessionKey) {
        while self.sessions.len() > self.max_sessions || self.cost > self.max_cost {
            let may_go = |key: &&SessionKey| {
                let is_idle = |owned: &Owned| owned.runs.is_empty() && !owned.is_terminated;
                *key != but && self.get(key).is_some_and(is_idle)
            };
            let Some(key) = self.ages.values().find(may_go).copied() else { return };
            self.remove(&key);
        }
    }

    fn streams(&self) -> impl Iterator<Item = RunNumber> {
        let runs = self.sessions.values().flat_map(|owned| &owned.runs);
        runs.filter(|(_, method)| **method == Method::Get).map(|(run, _)| *run)
    }

    fn running(&self) -> impl Iterator<Item = SessionKey> {
        let running = self.sessions.iter().filter(|(_, owned)| !owned.runs.is_empty());
        running.map(|(key, _)| *key)
    }

    fn any_runs(&self) -> bool {
        self.sessions.values().any(|owned| !owned.runs.is_empty())
    }
}
