//! The requests that wait for another process.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use super::key::SessionKey;
use super::step::RunNumber;
use crate::exchange::Method;

/// How many sessions of one owner are looked up in a round.
const LOOKED_UP_TOGETHER: usize = 8;

/// The requests that were forwarded and are not answered to their end, and which of them nothing
/// can come of any more.
#[derive(Default)]
pub(super) struct Forwards {
    sessions: BTreeMap<SessionKey, BTreeMap<RunNumber, Forwarded>>,
    owners: BTreeMap<Box<str>, Owner>,
    rounds: u64,
}

struct Forwarded {
    owner: Box<str>,
    claim: u64,
    method: Method,
}

/// Another process that is waited for.
#[derive(Default)]
struct Owner {
    /// How many requests of each session wait for it.
    waiting: BTreeMap<SessionKey, usize>,
    /// The session that was looked up last.
    last: Option<SessionKey>,
    /// The round in which its lease was missing.
    missed_in: Option<u64>,
}

impl Forwards {
    pub(super) fn begin(
        &mut self,
        key: SessionKey,
        run: RunNumber,
        owner: &str,
        claim: u64,
        method: Method,
    ) {
        self.end(&key, run);
        let forwarded = Forwarded { owner: owner.into(), claim, method };
        self.sessions.entry(key).or_default().insert(run, forwarded);
        *self.owners.entry(owner.into()).or_default().waiting.entry(key).or_default() += 1;
    }

    pub(super) fn end(&mut self, key: &SessionKey, run: RunNumber) {
        let Some(runs) = self.sessions.get_mut(key) else { return };
        let Some(ended) = runs.remove(&run) else { return };
        if runs.is_empty() {
            self.sessions.remove(key);
        }
        let Some(owner) = self.owners.get_mut(&ended.owner) else { return };
        if let Some(count) = owner.waiting.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                owner.waiting.remove(key);
            }
        }
        if owner.waiting.is_empty() {
            self.owners.remove(&ended.owner);
        }
    }

    pub(super) fn has(&self, key: &SessionKey, run: RunNumber) -> bool {
        self.sessions.get(key).is_some_and(|runs| runs.contains_key(&run))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The streams that another process serves through this one.
    pub(super) fn streams(&self) -> impl Iterator<Item = RunNumber> {
        let runs = self.sessions.values().flatten();
        runs.filter(|(_, forwarded)| forwarded.method == Method::Get).map(|(run, _)| *run)
    }

    /// Which wait for an owner that has lost the session: the table has a newer claim, of
    /// another.
    pub(super) fn outdated(&self, key: &SessionKey, owner: &str, claim: u64) -> Vec<RunNumber> {
        let runs = self.sessions.get(key).into_iter().flatten();
        let is_outdated = |it: &Forwarded| it.claim < claim && *it.owner != *owner;
        runs.filter(|(_, forwarded)| is_outdated(forwarded)).map(|(run, _)| *run).collect()
    }

    /// Begins a round: the sessions to look up, some of each owner that is waited for, in turn.
    pub(super) fn round(&mut self) -> Vec<SessionKey> {
        self.rounds += 1;
        let mut keys = Vec::new();
        for owner in self.owners.values_mut() {
            let after = owner.last.map_or(Bound::Unbounded, Bound::Excluded);
            let rest = owner.waiting.range((after, Bound::Unbounded));
            let turn = rest.chain(&owner.waiting).map(|(key, _)| *key);
            let most = LOOKED_UP_TOGETHER.min(owner.waiting.len());
            let begun = keys.len();
            keys.extend(turn.take(most));
            if keys.len() > begun {
                owner.last = keys.last().copied();
            }
        }
        keys
    }

    /// Takes whether the lease of an owner stands. Which runs have waited in vain: all that wait
    /// for it, once it was missing in two rounds. A table that has begun anew knows no lease for
    /// a moment.
    pub(super) fn saw_lease(&mut self, owner: &str, lease: OwnersLease) -> Vec<RunNumber> {
        let round = self.rounds;
        let Some(seen) = self.owners.get_mut(owner) else { return Vec::new() };
        match (lease, seen.missed_in) {
            (OwnersLease::Stands, _) => {
                seen.missed_in = None;
                Vec::new()
            }
            (OwnersLease::Missing, Some(missed_in)) if missed_in < round => {
                let keys = seen.waiting.keys();
                let runs = keys.filter_map(|key| self.sessions.get(key)).flatten();
                runs.filter(|(_, it)| *it.owner == *owner).map(|(run, _)| *run).collect()
            }
            (OwnersLease::Missing, Some(_)) => Vec::new(),
            (OwnersLease::Missing, None) => {
                seen.missed_in = Some(round);
                Vec::new()
            }
        }
    }
}

/// What a table says of the lease of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnersLease {
    /// It stands.
    Stands,
    /// It is over, or was given up.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::super::key::TableKey;
    use super::*;

    #[test]
    fn a_lease_that_is_missing_once_ends_nobody_who_waits() {
        let mut forwards = Forwards::default();
        forwards.begin(key(1), RunNumber(1), "owner", 1, Method::Post);

        assert_eq!(forwards.round(), [key(1)]);
        assert!(forwards.saw_lease("owner", OwnersLease::Missing).is_empty());
        // Another session of it, looked up in the same round.
        assert!(forwards.saw_lease("owner", OwnersLease::Missing).is_empty());
        let _ = forwards.round();
        assert!(forwards.saw_lease("owner", OwnersLease::Stands).is_empty());
        let _ = forwards.round();
        assert!(forwards.saw_lease("owner", OwnersLease::Missing).is_empty());
        let _ = forwards.round();
        assert_eq!(forwards.saw_lease("owner", OwnersLease::Missing), [RunNumber(1)]);
    }

    #[test]
    fn who_waits_for_another_owner_goes_on_waiting() {
        let mut forwards = Forwards::default();
        forwards.begin(key(1), RunNumber(1), "gone", 1, Method::Post);
        forwards.begin(key(1), RunNumber(2), "new", 2, Method::Get);
        for _round in 0..2 {
            let _ = forwards.round();
            assert!(forwards.saw_lease("nobody", OwnersLease::Missing).is_empty());
        }
        assert_eq!(forwards.outdated(&key(1), "new", 2), [RunNumber(1)]);
        // The same owner has only written it again; an older entry comes from a late answer.
        assert!(forwards.outdated(&key(1), "gone", 1).is_empty());
        assert!(forwards.outdated(&key(2), "new", 9).is_empty());
        assert_eq!(forwards.streams().collect::<Vec<_>>(), [RunNumber(2)]);
    }

    #[test]
    fn sessions_are_looked_up_in_turn_and_a_few_at_once() {
        let mut forwards = Forwards::default();
        for number in 0..20 {
            forwards.begin(key(number), RunNumber(number.into()), "owner", 1, Method::Post);
        }
        let rounds: Vec<Vec<SessionKey>> = (0..5).map(|_| forwards.round()).collect();

        assert!(rounds.iter().all(|round| round.len() == LOOKED_UP_TOGETHER));
        for number in 0..20 {
            let times = rounds.concat().iter().filter(|it| **it == key(number)).count();
            assert_eq!(times, 2, "40 looks at 20 sessions");
        }
    }

    #[test]
    fn what_has_ended_leaves_nothing_behind() {
        let mut forwards = Forwards::default();
        for number in 1..=3 {
            forwards.begin(key(1), RunNumber(number), "owner", 1, Method::Post);
        }
        forwards.begin(key(1), RunNumber(3), "another", 2, Method::Post);
        for number in 1..=4 {
            forwards.end(&key(1), RunNumber(number));
            assert!(!forwards.has(&key(1), RunNumber(number)));
        }
        assert!(forwards.is_empty() && forwards.owners.is_empty() && forwards.round().is_empty());
    }

    fn key(number: u8) -> SessionKey {
        TableKey::new(b"sixteen bytes or more").unwrap().session_key(&[number])
    }
}
