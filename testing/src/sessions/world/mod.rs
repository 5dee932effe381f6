//! A world of processes, driven by operations, in which the laws are looked at as it goes.

mod laws;
mod processes;
mod requests;

use std::collections::BTreeMap;

use mcp_session_core::sessions::{
    Durability, ForwardFailure, Replica, Restore, Run, Step, TableKey,
};

use super::operations::{Operation, Place, What, Who};
use super::truth::{App, Reply, Session, State, Table};

const SECRET: &[u8] = b"the secret of the table";
/// What a request takes at most, with all that it waits for.
const PATIENCE: usize = 500;
/// How often a process renews its lease in the time of one.
const LONGEST_SILENCE: u32 = 5;

/// What does not change in a world.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many processes there are.
    pub processes: usize,
    /// Whether sessions are restored.
    pub restore: Restore,
    /// Whether the table can lose what it has.
    pub durability: Durability,
    /// Whether the application of each process counts its sessions, so that IDs of different
    /// processes are the same.
    pub counts_ids: bool,
    /// Whether a process has the address of the one that it takes the place of, as where that is
    /// a port; else an address is never used again, as the path of a socket.
    pub reuses_addresses: bool,
}

impl Setting {
    /// So many processes that restore sessions.
    pub fn of(processes: usize) -> Self {
        Self {
            processes,
            restore: Restore::Allowed,
            durability: Durability::Forgetful,
            counts_ids: false,
            reuses_addresses: true,
        }
    }
}

/// The processes, the table, and what is true.
pub struct World {
    setting: Setting,
    key: TableKey,
    table: Table,
    processes: Vec<Process>,
    runs: BTreeMap<u64, OpenRun>,
    sessions: Vec<Session>,
    begun: u64,
    incarnations: u32,
    past: Vec<Operation>,
    /// How often each request of a client was run.
    executions: BTreeMap<u64, u32>,
    /// How often the application did not know the session of a request.
    forgotten: BTreeMap<u64, u32>,
    /// Whether an application has refused to restore a session.
    was_refused: bool,
}

struct Process {
    identity: String,
    replica: Replica,
    app: App,
    opened: u32,
    /// Its clock says that its lease is over.
    is_over: bool,
    /// It said so after the last renewal that the table has done.
    may_end: bool,
    /// How often it said so.
    pauses: u32,
    /// How often its lease has ended in the table.
    lapses: u32,
    /// How many losses of the table it has been told of.
    losses: u32,
    is_draining: bool,
}

struct OpenRun {
    place: Place,
    identity: String,
    run: Run,
    step: Step,
    what: What,
    who: Who,
    session: Option<usize>,
    /// The answer of the table that is on its way.
    reply: Option<Reply>,
    /// The last that was told is that the table failed.
    table_failed: bool,
    /// It was told that the table has no entry, when that was thrown away.
    missed_entry: bool,
    was_written: bool,
    parent: Option<u64>,
    child: Option<u64>,
    /// How it ended, for the one that forwarded it.
    ended: Option<Ended>,
    /// It has come to another process than the one that it was forwarded to.
    is_misdirected: bool,
    /// The application's session that runs it.
    runs_in: Option<RunsIn>,
    /// Which of the application's sessions is being restored.
    restoring: Option<Vec<u8>>,
}

/// Where a request runs, and what of its process had come to pass when it began to.
struct RunsIn {
    inner: Vec<u8>,
    /// `None` where nobody can know that it runs there: the table is silent.
    known: Option<Known>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    lapses: u32,
    losses: u32,
}

#[derive(Clone, Debug)]
enum Ended {
    Reply(u16, Option<Vec<u8>>),
    Answered,
}

impl World {
    /// A world in which nothing has happened yet but that each process has its lease.
    pub fn new(setting: Setting) -> Self {
        let key = TableKey::new(SECRET).expect("it is long enough");
        let mut world = Self {
            setting,
            key,
            table: Table::default(),
            processes: Vec::new(),
            runs: BTreeMap::new(),
            sessions: Vec::new(),
            begun: 0,
            incarnations: 0,
            past: Vec::new(),
            executions: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            was_refused: false,
        };
        for place in 0..setting.processes {
            let process = world.born(place);
            world.processes.push(process);
        }
        world
    }

    /// The same, with a session that was opened at the first process.
    pub fn opened(setting: Setting) -> Self {
        let mut world = Self::new(setting);
        world.execute(Operation::Begin(0, What::Initialize, Who::Owner, 0));
        world.settle();
        assert_eq!(1, world.sessions.len(), "a session was opened");
        world
    }

    /// Executes operations; those that find nothing to do are left out.
    pub fn run(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.execute(*operation);
        }
    }

    /// Executes one. Returns whether it found something to do.
    ///
    /// # Panics
    ///
    /// A law does not hold: a finding.
    pub fn execute(&mut self, operation: Operation) -> bool {
        self.past.push(operation);
        let was_done = self.attempt(operation);
        if !was_done {
            self.past.pop();
        }
        self.end_fenced();
        self.note_losses();
        was_done
    }

    /// Lets everything go well from now on, until nothing is open.
    ///
    /// # Panics
    ///
    /// A request does not come to an end.
    pub fn settle(&mut self) {
        for _round in 0..PATIENCE {
            if self.runs.is_empty() {
                return;
            }
            for place in 0..self.processes.len() {
                self.renew(place, true);
                self.begin_upkeep(place);
                self.look_after(place);
            }
            self.end_dead_leases();
            let open: Vec<u64> = self.runs.keys().copied().collect();
            for number in open {
                self.go(number);
                self.end_fenced();
            }
            self.note_losses();
        }
        self.fail("a request does not come to an end");
    }

    fn attempt(&mut self, operation: Operation) -> bool {
        match operation {
            Operation::Begin(place, what, who, session) => {
                let session = (what != What::Initialize).then_some(session);
                if session.is_some_and(|it| it >= self.sessions.len()) {
                    return false;
                }
                self.begin(place, what, who, session, None, None);
                true
            }
            Operation::Go(which) => self.nth(which).is_some_and(|number| self.go(number)),
            Operation::TableFails(which) => {
                self.nth(which).is_some_and(|number| self.table_fails(number, false))
            }
            Operation::AnswerLost(which) => {
                self.nth(which).is_some_and(|number| self.table_fails(number, true))
            }
            Operation::Unreachable(which) => self
                .nth(which)
                .is_some_and(|number| self.forward_fails(number, ForwardFailure::Unreachable)),
            Operation::InDoubt(which) => self
                .nth(which)
                .is_some_and(|number| self.forward_fails(number, ForwardFailure::InDoubt)),
            Operation::Abandon(which) => {
                let Some(number) = self.nth(which) else { return false };
                self.close(number);
                true
            }
            Operation::Renew(place) => self.renew(place, true),
            Operation::RenewalLost(place) => self.renew(place, false),
            Operation::Deadline(place) => {
                let process = &mut self.processes[place];
                process.pauses += 1;
                process.may_end = true;
                !core::mem::replace(&mut process.is_over, true)
            }
            Operation::LeaseEnds(place) => {
                let process = &mut self.processes[place];
                let ended =
                    process.may_end && self.table.leases.remove(&process.identity).is_some();
                process.lapses += u32::from(ended);
                ended
            }
            Operation::DeadLeasesEnd => self.end_dead_leases(),
            Operation::Kill(place) => {
                let identity = self.processes[place].identity.clone();
                let killed: Vec<u64> = self
                    .runs
                    .iter()
                    .filter(|(_, it)| it.identity == identity)
                    .map(|it| *it.0)
                    .collect();
                for number in killed {
                    // What it has forwarded breaks off there.
                    let child = self.runs.remove(&number).and_then(|it| it.child);
                    if let Some(child) = child {
                        self.close(child);
                    }
                }
                self.processes[place] = self.born(place);
                true
            }
            Operation::Drain(place) => {
                self.tell_the_time(place);
                let process = &mut self.processes[place];
                if !process.is_draining {
                    process.is_draining = true;
                    let streams = process.replica.drain();
                    assert!(streams.len() <= self.runs.len(), "{:?}", self.past);
                    let identity = process.identity.clone();
                    let streams: Vec<u64> = self
                        .runs
                        .iter()
                        .filter(|(_, it)| {
                            it.identity == identity && streams.contains(&it.run.number())
                        })
                        .map(|it| *it.0)
                        .collect();
                    for number in streams {
                        self.close(number);
                    }
                    return true;
                }
                let process = &mut self.processes[place];
                if !process.replica.can_withdraw()
                    || self.table.leases.remove(&process.identity).is_none()
                {
                    return false;
                }
                process.is_over = true;
                let identity = process.identity.clone();
                let waits = |it: &OpenRun| matches!(it.step, Step::Forward(_) | Step::RunApp(_));
                if self
                    .runs
                    .values()
                    .any(|it| it.identity == identity && waits(it) && it.session.is_some())
                {
                    self.fail("a process lets its lease go while something of a session runs");
                }
                true
            }
            Operation::Upkeep(place) => self.begin_upkeep(place),
            Operation::Forget(place) => {
                let app = &mut self.processes[place].app;
                !core::mem::take(&mut app.sessions).is_empty()
            }
            Operation::Refuse(place) => {
                !core::mem::replace(&mut self.processes[place].app.refuses, true)
            }
            Operation::Flush => {
                if self.table.entries.is_empty() || !self.may_lose() {
                    return false;
                }
                self.table.flush();
                self.forget_what_was_certain(|_| true);
                true
            }
            Operation::RollBack(writes) => {
                if !self.may_lose() {
                    return false;
                }
                let undone = self.table.roll_back(writes.into());
                if undone.is_empty() {
                    return false;
                }
                self.table.losses += 1;
                self.forget_what_was_certain(|session| undone.contains(&session.key));
                true
            }
            Operation::Evict(session) => {
                let Some(truth) = self.sessions.get_mut(session) else { return false };
                if self.setting.durability != Durability::Forgetful
                    || self.setting.counts_ids
                    || self.table.entries.remove(&truth.key).is_none()
                {
                    return false;
                }
                truth.is_evicted = true;
                truth.level = None;
                if truth.state == State::Terminated {
                    truth.state = State::Uncertain;
                }
                true
            }
            Operation::Touch(place) => self.touch(place),
            Operation::LookAfter(place) => self.look_after(place),
        }
    }

    /// A table that lacks writes is not believed before all that live have renewed their leases
    /// with it; whose own lease is over runs nothing.
    fn is_settled(&self) -> bool {
        self.processes.iter().all(|it| it.is_over || self.table.has_seen(&it.identity))
    }
}
