//! What is written to the table: claims, confirmations, records, tombstones.

use alloc::boxed::Box;

use super::super::entry::{Entry, Lifetime, LiveRecord, Record};
use super::super::key::SessionKey;
use super::super::options::Restore;
use super::super::replica::{Owned, Replica};
use super::super::step::{HiddenId, Misuse, Step, Swap, Won};
use super::Run;
use super::state::{
    AfterHold, AfterRenewal, Attached, Ending, Forwarding, Purpose, State, Writing,
};

impl Run {
    /// Takes whether the entry was written.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn swapped(&mut self, replica: &mut Replica, won: Won) -> Result<Step, Misuse> {
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Writing(writing) => Ok(match won {
                Won::Yes => self.written(replica, writing),
                Won::No => self.outrun(replica, writing),
            }),
            other @ (State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Forwarding(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Opening(_)
            | State::Ending
            | State::Answering(_)
            | State::Passed
            | State::Ended) => {
                self.state = other;
                Err(Misuse)
            }
        }
    }

    /// Claims a session whose owner is gone, and restores it.
    pub(super) fn take(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        claim: u64,
        record: LiveRecord,
    ) -> Step {
        if replica.is_draining {
            return match self.attached.and_then(|it| it.hop) {
                Some(asked) => self.not_mine(replica, key, asked),
                None => self.unavailable(),
            };
        }
        if self.is_body_gone() {
            return self.unavailable();
        }
        if let Some(other) = replica.busy(&key, self.number) {
            return self.hold(other, AfterHold::Look);
        }
        if !replica.lease.is_fresh {
            return self.renew(AfterRenewal::Look);
        }
        if replica.options.restore == Restore::Refused || !record.is_restorable() {
            return self.terminate(replica, key, claim, Ending::Lost);
        }
        if !replica.owned.has_room() {
            return self.unavailable();
        }
        let value = record.encode();
        let purpose = Purpose::Claim(Box::new(record));
        self.write(replica, key, Some(claim), claim, value, purpose)
    }

    /// As [`take`](Self::take), after the owner that the request was forwarded to was seen to
    /// be gone.
    pub(super) fn take_over(&mut self, replica: &mut Replica, key: SessionKey) -> Step {
        replica.forwards.end(&key, self.number);
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Forwarding(Forwarding { claim, record, owner: _ }) => {
                self.take(replica, key, claim, record)
            }
            State::Reading
            | State::Finding
            | State::Renewing(_)
            | State::Writing(_)
            | State::Held(_)
            | State::Waiting
            | State::Restoring(_)
            | State::Opening(_)
            | State::Ending
            | State::Answering(_)
            | State::Passed
            | State::Ended => self.find(),
        }
    }

    /// Claims anew what is owned, so that nobody's older claim can succeed any more.
    pub(super) fn confirm(&mut self, replica: &mut Replica, key: SessionKey) -> Step {
        let Some(owned) = replica.owned.get(&key) else { return self.end() };
        let claim = owned.claim;
        self.write_anew(replica, key, Some(claim))
    }

    /// Writes what is owned over a claim that stands in the table; over nothing if it has
    /// lost the entry.
    pub(super) fn write_anew(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        expected: Option<u64>,
    ) -> Step {
        if let Some(other) = replica.busy(&key, self.number) {
            if self.is_upkeep {
                replica.note_pending(key);
            }
            return self.hold(other, AfterHold::Look);
        }
        if !replica.lease.is_fresh {
            return self.renew(AfterRenewal::Look);
        }
        let Some(owned) = replica.owned.get(&key) else { return self.find() };
        if owned.is_terminated {
            return self.terminate_over(replica, key, expected, Ending::Late);
        }
        let (value, changes) = (owned.record.encode(), owned.changes());
        let over = owned.claim.max(expected.unwrap_or(0));
        self.write(replica, key, expected, over, value, Purpose::Confirm { changes })
    }

    /// Writes what has changed, before the answer goes out. Where somebody writes already, and
    /// where the table fails, upkeep writes it later.
    pub(super) fn record(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        then: Option<HiddenId>,
    ) -> Step {
        replica.owned.note_change(&key);
        let is_free = replica.busy(&key, self.number).is_none();
        match replica.owned.get(&key).filter(|owned| is_free && replica.confirms(owned)) {
            Some(owned) => {
                let (claim, changes) = (owned.claim, owned.changes());
                let value = owned.record.encode();
                let purpose = Purpose::Record { changes, then };
                // A claim of its own, so that nobody can claim with what they read before.
                self.write(replica, key, Some(claim), claim, value, purpose)
            }
            None => {
                replica.note_pending(key);
                self.end_passing(then)
            }
        }
    }

    /// Writes that a session is over.
    pub(super) fn terminate(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        claim: u64,
        ending: Ending,
    ) -> Step {
        // Nobody is served any more, whether the table knows or not.
        if let Some(owned) = replica.owned.get_mut(&key) {
            owned.is_terminated = true;
        }
        self.terminate_over(replica, key, Some(claim), ending)
    }

    pub(super) fn write_failed(&mut self, replica: &mut Replica, writing: Writing) -> Step {
        let Writing { purpose, key, .. } = writing;
        replica.release(&key, self.number);
        match purpose {
            Purpose::Claim(_) => self.unavailable(),
            Purpose::Open(opened) => self.not_opened(opened.inner),
            Purpose::Confirm { .. } => self.serve_or(replica, Self::unavailable),
            Purpose::Record { then, .. } => {
                replica.note_pending(key);
                self.end_passing(then)
            }
            Purpose::Terminate(Ending::Deleted(then)) => {
                terminate_later(replica, key);
                self.end_passing(then)
            }
            Purpose::Terminate(Ending::Lost) => {
                replica.note_pending(key);
                self.unavailable()
            }
            Purpose::Terminate(Ending::Late) => self.serve_or(replica, Self::unavailable),
        }
    }

    fn terminate_over(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        expected: Option<u64>,
        ending: Ending,
    ) -> Step {
        let over = expected.unwrap_or(0);
        let value = Record::Terminated.encode();
        self.write(replica, key, expected, over, value, Purpose::Terminate(ending))
    }

    pub(super) fn write(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        expected: Option<u64>,
        over: u64,
        value: Box<[u8]>,
        purpose: Purpose,
    ) -> Step {
        let claim = replica.claim_above(over);
        replica.make_busy(key, self.number);
        let (owner, lifetime) = match purpose {
            Purpose::Terminate(_) => (Box::default(), Lifetime::Tombstone),
            Purpose::Claim(_)
            | Purpose::Confirm { .. }
            | Purpose::Record { .. }
            | Purpose::Open(_) => (replica.identity.clone(), Lifetime::Live),
        };
        let epoch = replica.lease.epoch;
        self.state = State::Writing(Writing { purpose, key, claim, epoch });
        Step::Swap(Swap { key, expected, entry: Entry { claim, owner, value }, lifetime })
    }

    fn written(&mut self, replica: &mut Replica, writing: Writing) -> Step {
        let confirmed = writing.confirmed(replica);
        let Writing { purpose, key, claim, .. } = writing;
        match purpose {
            Purpose::Claim(record) => {
                let identity = replica.identity.clone();
                replica.saw_claim(&key, &identity, claim);
                // Others wait until it is restored.
                self.restore(replica, key, claim, confirmed, *record)
            }
            Purpose::Confirm { changes } => {
                replica.release(&key, self.number);
                if let Some(owned) = replica.owned.get_mut(&key) {
                    owned.claim = claim;
                    owned.confirmed = confirmed;
                    owned.note_written(changes);
                }
                if self.is_upkeep { self.end() } else { self.look(replica) }
            }
            Purpose::Record { changes, then } => {
                replica.release(&key, self.number);
                if let Some(owned) = replica.owned.get_mut(&key) {
                    owned.claim = claim;
                    owned.note_written(changes);
                    if owned.is_unwritten() {
                        replica.note_pending(key);
                    }
                }
                self.end_passing(then)
            }
            Purpose::Terminate(ending) => {
                replica.release(&key, self.number);
                // Its streams end, but not the answer at hand.
                if let Some(owned) = replica.owned.get_mut(&key) {
                    owned.runs.remove(&self.number);
                }
                replica.lose(&key);
                match ending {
                    Ending::Deleted(then) => self.end_passing(then),
                    Ending::Lost => self.unknown(),
                    Ending::Late => self.end(),
                }
            }
            Purpose::Open(opened) => self.opened(replica, key, claim, confirmed, *opened),
        }
    }

    /// Another claim stands there than the one that was expected.
    fn outrun(&mut self, replica: &mut Replica, writing: Writing) -> Step {
        let Writing { purpose, key, .. } = writing;
        if let Purpose::Confirm { .. } | Purpose::Terminate(Ending::Late) = purpose {
            // It writes again once it knows over what, and nobody else before.
            return self.find();
        }
        replica.release(&key, self.number);
        match purpose {
            Purpose::Claim(_)
            | Purpose::Confirm { .. }
            | Purpose::Terminate(Ending::Lost | Ending::Late) => self.find(),
            Purpose::Record { then, .. } => {
                doubt(replica, key);
                self.end_passing(then)
            }
            Purpose::Terminate(Ending::Deleted(then)) => {
                terminate_later(replica, key);
                self.end_passing(then)
            }
            Purpose::Open(opened) => self.open_under_another(replica, *opened),
        }
    }

    /// Serves what is owned where the table cannot be asked, as nothing else is known.
    pub(super) fn serve_or(
        &mut self,
        replica: &mut Replica,
        otherwise: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        let Some(Attached { key, .. }) = self.attached else { return otherwise(self) };
        if self.is_upkeep {
            replica.rest_from_upkeep();
            replica.note_pending(key);
            return self.end();
        }
        let may_run = |owned: &&Owned| {
            owned.record.principal == self.principal
                && !owned.is_terminated
                && !(replica.is_draining && owned.runs.is_empty())
        };
        if replica.owned.get(&key).filter(may_run).is_some() {
            self.serve(replica, key)
        } else {
            otherwise(self)
        }
    }
}

impl Writing {
    /// The epoch that a claim is confirmed in: the one it was sent in, if the lease has stood
    /// all the while.
    fn confirmed(&self, replica: &Replica) -> Option<u64> {
        (replica.lease.is_fresh && replica.lease.epoch == self.epoch).then_some(self.epoch)
    }
}

/// It is terminated here, and the table is told by upkeep.
pub(super) fn terminate_later(replica: &mut Replica, key: SessionKey) {
    if let Some(owned) = replica.owned.get_mut(&key) {
        owned.is_terminated = true;
    }
    doubt(replica, key);
}

fn doubt(replica: &mut Replica, key: SessionKey) {
    if let Some(owned) = replica.owned.get_mut(&key) {
        owned.confirmed = None;
    }
    replica.note_pending(key);
}
