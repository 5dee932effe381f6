//! What befalls the processes: their leases, their upkeep, their ends.

use mcp_session_core::sessions::{
    Durability, Options, OwnersLease, Renewal, Replica, Run, RunNumber, Step,
};

use super::super::operations::{Place, What, Who};
use super::super::truth::{App, Reply, Session, State};
use super::{LONGEST_SILENCE, OpenRun, Process, Setting, World};

impl World {
    // ---- The table

    /// Nobody can tell IDs apart that are given out twice, once they are lost.
    pub(super) fn may_lose(&self) -> bool {
        self.setting.durability == Durability::Forgetful && !self.setting.counts_ids
    }

    pub(super) fn forget_what_was_certain(&mut self, is_lost: impl Fn(&Session) -> bool) {
        for session in self.sessions.iter_mut().filter(|it| is_lost(it)) {
            session.level = None;
            if session.state == State::Terminated {
                session.state = State::Uncertain;
            }
        }
    }

    pub(super) fn touch(&mut self, place: Place) -> bool {
        self.tell_the_time(place);
        let replica = &mut self.processes[place].replica;
        let used = replica.take_used();
        let missing = used.iter().filter(|key| !self.table.entries.contains_key(key)).copied();
        replica.missing(missing);
        !used.is_empty()
    }

    pub(super) fn look_after(&mut self, place: Place) -> bool {
        self.tell_the_time(place);
        let replica = &mut self.processes[place].replica;
        let keys = replica.look_after();
        for key in &keys {
            if let Reply::Found(Some((entry, addresses))) = self.table.find(key) {
                let stands = addresses.is_some();
                let lease = if stands { OwnersLease::Stands } else { OwnersLease::Missing };
                replica.looked_after(key, &entry.owner, entry.claim, lease);
            }
        }
        !keys.is_empty()
    }

    /// Ends the requests that have to end, as the driver does.
    pub(super) fn end_fenced(&mut self) {
        for place in 0..self.processes.len() {
            let fenced = self.processes[place].replica.take_fenced();
            for number in fenced {
                self.end_fenced_run(place, number);
            }
        }
    }

    pub(super) fn end_fenced_run(&mut self, place: Place, number: RunNumber) {
        let identity = &self.processes[place].identity;
        let is_it = |it: &OpenRun| it.identity == *identity && it.run.number() == number;
        let Some((number, open)) = self.runs.iter().find(|(_, it)| is_it(it)) else { return };
        if open.ended.is_some() {
            return;
        }
        if let (Step::Forward(forward), Some(session)) = (&open.step, open.session) {
            let truth = &self.sessions[session];
            let entry = self.table.entries.get(&truth.key);
            let is_owner = entry.is_some_and(|(entry, _)| entry.owner == forward.owner);
            let may_answer = is_owner && self.table.leases.contains_key(&*forward.owner);
            if may_answer && self.table.losses == 0 {
                self.fail("a request is ended that its owner may still answer");
            }
        }
        let (number, child) = (*number, open.child);
        if let Some(child) = child {
            self.close(child);
        }
        let open = self.open(number);
        open.child = None;
        open.reply = None;
        self.tell(number, |run, replica| Ok(run.interrupted(replica)));
    }

    // ---- Processes

    pub(super) fn born(&mut self, place: Place) -> Process {
        self.incarnations += 1;
        let identity = format!("process {}", self.incarnations);
        let Setting { restore, durability, .. } = self.setting;
        let options = Options { restore, durability, ..Options::default() };
        let mut replica = Replica::new(&identity, self.key.clone(), options);
        let lapsed = self.table.renew(&identity, place);
        assert!(lapsed, "its identity is its own");
        replica.renewed(Renewal::Lapsed);
        Process {
            identity,
            replica,
            app: App::default(),
            opened: 0,
            is_over: false,
            may_end: false,
            pauses: 0,
            lapses: 0,
            losses: self.table.losses,
            is_draining: false,
        }
    }

    pub(super) fn tell_the_time(&mut self, place: Place) {
        let process = &mut self.processes[place];
        if process.is_over {
            process.replica.lease_over();
        }
    }

    pub(super) fn is_renewing(&self, place: Place) -> bool {
        let identity = &self.processes[place].identity;
        let is_renewal = |it: &OpenRun| matches!(it.reply, Some(Reply::Renewed(..)));
        self.runs.values().any(|it| it.identity == *identity && is_renewal(it))
    }

    pub(super) fn renew(&mut self, place: Place, is_answered: bool) -> bool {
        if self.is_renewing(place) {
            return false;
        }
        self.tell_the_time(place);
        let process = &mut self.processes[place];
        if process.is_draining && process.replica.can_withdraw() {
            return false;
        }
        let lapsed = self.table.renew(&process.identity, place);
        process.may_end = false;
        if is_answered {
            for session in &mut self.sessions {
                let missed = session.missed.entry(place).or_default();
                *missed += 1;
                let is_stored = self.table.entries.contains_key(&session.key);
                if session.state == State::Live && !is_stored && *missed >= LONGEST_SILENCE {
                    // Its owner has been silent for longer than its lease.
                    session.state = State::Uncertain;
                }
            }
            process.is_over = false;
            process.losses = self.table.losses;
            process.replica.renewed(if lapsed { Renewal::Lapsed } else { Renewal::Stood });
        } else {
            process.replica.renewal_failed();
        }
        true
    }

    pub(super) fn end_dead_leases(&mut self) -> bool {
        let before = self.table.leases.len();
        let processes = &self.processes;
        self.table.leases.retain(|it, _| processes.iter().any(|process| process.identity == *it));
        before != self.table.leases.len()
    }

    pub(super) fn begin_upkeep(&mut self, place: Place) -> bool {
        self.tell_the_time(place);
        let process = &mut self.processes[place];
        let Some((run, step)) = Run::upkeep(&mut process.replica) else { return false };
        let identity = process.identity.clone();
        self.add(place, identity, run, step, What::Call, Who::Owner, None, None);
        true
    }

    /// Which sessions nobody can know any more.
    pub(super) fn note_losses(&mut self) {
        for session in &mut self.sessions {
            let is_stored = self.table.entries.contains_key(&session.key);
            if is_stored {
                session.missed.clear();
            }
            let mut holders = self.processes.iter().filter(|it| it.replica.owns(&session.key));
            let holder = holders.next();
            let is_held = holder.is_some();
            let entry = self.table.entries.get(&session.key);
            session.is_evicted &= match (holder, holders.next(), entry) {
                (Some(holder), None, Some((entry, _))) => *entry.owner != *holder.identity,
                _ => true,
            };
            if session.state == State::Live && !is_stored && !is_held {
                session.state = State::Uncertain;
            }
        }
    }
}
