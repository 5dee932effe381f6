//! A world of processes, driven by operations, in which the laws are looked at as it goes.

use std::collections::BTreeMap;

use http::StatusCode;
use mcp_session_core::Method;
use mcp_session_core::server::{ResponseHead, Rest};
use mcp_session_core::sessions::{
    Caller, Durability, Forward, ForwardFailure, HOP_HEADER, HandlerHeader, Lifetime, Misuse,
    Options, OwnersLease, Renewal, Replica, RequestHead, Restore, Run, RunNumber, SessionKey, Step,
    Swap, TableKey, Watch, Won,
};

use super::operations::{Operation, Place, What, Which, Who};
use super::truth::{App, AppSession, Reply, Session, State, Table};

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

    /// Lets everything go well, then asks every process for every session: what is alive is
    /// served, once.
    ///
    /// # Panics
    ///
    /// A law does not hold: a finding.
    pub fn check_ended(&mut self) {
        for place in 0..self.processes.len() {
            if self.processes[place].is_draining {
                self.attempt(Operation::Kill(place));
            }
            self.processes[place].app.refuses = false;
        }
        self.settle();
        for _renewal in 0..8 {
            for place in 0..self.processes.len() {
                self.renew(place, true);
                while self.begin_upkeep(place) {
                    self.settle();
                }
            }
        }
        self.end_dead_leases();
        self.note_losses();
        self.find_what_was_evicted();
        for session in 0..self.sessions.len() {
            for place in (0..self.processes.len()).rev() {
                if self.sessions[session].state != State::Live {
                    continue;
                }
                let who = self.sessions[session].who;
                let number = self.begin(place, What::Call, who, Some(session), None, None);
                self.finish(number);
                let executions = self.executions.get(&number).copied().unwrap_or(0);
                let truth = &self.sessions[session];
                let is_live = truth.state == State::Live && !truth.is_evicted;
                if is_live && executions != 1 {
                    self.fail(&format!("a live session's call ran {executions} times"));
                }
            }
        }
    }

    /// Lets each that holds a session whose entry was thrown away run a request of it, and hear
    /// from the table that it is missing.
    fn find_what_was_evicted(&mut self) {
        for session in 0..self.sessions.len() {
            let Session { is_evicted, state, key, who, .. } = self.sessions[session];
            if !is_evicted || state != State::Live {
                continue;
            }
            for place in 0..self.processes.len() {
                if self.processes[place].replica.owns(&key) {
                    let number = self.begin(place, What::Call, who, Some(session), None, None);
                    self.finish(number);
                }
                self.touch(place);
            }
            for place in 0..self.processes.len() {
                while self.begin_upkeep(place) {
                    self.settle();
                }
            }
            let owners = self.processes.iter().filter(|it| it.replica.owns(&key)).count();
            let is_stored = self.table.entries.contains_key(&key);
            if owners == 1 && !is_stored {
                self.fail("what the table has thrown away its owner does not write again");
            }
            self.note_losses();
        }
    }

    /// Lets a request, and what it waits for, go on to its end.
    fn finish(&mut self, number: u64) {
        for _step in 0..PATIENCE {
            let Some(run) = self.runs.get(&number) else { break };
            if let Some(child) = run.child {
                self.go(child);
            }
            self.go(number);
            self.end_fenced();
        }
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

    // ---- The table

    /// Nobody can tell IDs apart that are given out twice, once they are lost.
    fn may_lose(&self) -> bool {
        self.setting.durability == Durability::Forgetful && !self.setting.counts_ids
    }

    fn forget_what_was_certain(&mut self, is_lost: impl Fn(&Session) -> bool) {
        for session in self.sessions.iter_mut().filter(|it| is_lost(it)) {
            session.level = None;
            if session.state == State::Terminated {
                session.state = State::Uncertain;
            }
        }
    }

    /// A table that lacks writes is not believed before all that live have renewed their leases
    /// with it; whose own lease is over runs nothing.
    fn is_settled(&self) -> bool {
        self.processes.iter().all(|it| it.is_over || self.table.has_seen(&it.identity))
    }

    fn touch(&mut self, place: Place) -> bool {
        self.tell_the_time(place);
        let replica = &mut self.processes[place].replica;
        let used = replica.take_used();
        let missing = used.iter().filter(|key| !self.table.entries.contains_key(key)).copied();
        replica.missing(missing);
        !used.is_empty()
    }

    fn look_after(&mut self, place: Place) -> bool {
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
    fn end_fenced(&mut self) {
        for place in 0..self.processes.len() {
            let fenced = self.processes[place].replica.take_fenced();
            for number in fenced {
                self.end_fenced_run(place, number);
            }
        }
    }

    fn end_fenced_run(&mut self, place: Place, number: RunNumber) {
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

    fn born(&mut self, place: Place) -> Process {
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

    fn tell_the_time(&mut self, place: Place) {
        let process = &mut self.processes[place];
        if process.is_over {
            process.replica.lease_over();
        }
    }

    fn is_renewing(&self, place: Place) -> bool {
        let identity = &self.processes[place].identity;
        let is_renewal = |it: &OpenRun| matches!(it.reply, Some(Reply::Renewed(..)));
        self.runs.values().any(|it| it.identity == *identity && is_renewal(it))
    }

    fn renew(&mut self, place: Place, is_answered: bool) -> bool {
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

    fn end_dead_leases(&mut self) -> bool {
        let before = self.table.leases.len();
        let processes = &self.processes;
        self.table.leases.retain(|it, _| processes.iter().any(|process| process.identity == *it));
        before != self.table.leases.len()
    }

    fn begin_upkeep(&mut self, place: Place) -> bool {
        self.tell_the_time(place);
        let process = &mut self.processes[place];
        let Some((run, step)) = Run::upkeep(&mut process.replica) else { return false };
        let identity = process.identity.clone();
        self.add(place, identity, run, step, What::Call, Who::Owner, None, None);
        true
    }

    /// Which sessions nobody can know any more.
    fn note_losses(&mut self) {
        for session in &mut self.sessions {
            let is_stored = self.table.entries.contains_key(&session.key);
            if is_stored {
                session.missed.clear();
            }
            let mut holders = self.processes.iter().filter(|it| it.replica.owns(&session.key));
            let holder = holders.next();
            let is_held = holder.is_some();
            if let (Some(holder), None, Some((entry, _))) =
                (holder, holders.next(), self.table.entries.get(&session.key))
                && *entry.owner == *holder.identity
            {
                session.is_evicted = false;
            }
            if session.state == State::Live && !is_stored && !is_held {
                session.state = State::Uncertain;
            }
        }
    }

    // ---- Requests

    fn nth(&self, which: Which) -> Option<u64> {
        self.runs.keys().nth(which).copied()
    }

    fn begin(
        &mut self,
        place: Place,
        what: What,
        who: Who,
        session: Option<usize>,
        hop: Option<String>,
        parent: Option<u64>,
    ) -> u64 {
        self.tell_the_time(place);
        let method = match what {
            What::Get => Method::Get,
            What::Delete => Method::Delete,
            What::Initialize
            | What::Initialized
            | What::Call
            | What::SetLevel(_)
            | What::ForgedHop => Method::Post,
        };
        let mut head = RequestHead::new(method, b"");
        if let Some(session) = session {
            head.add_header(b"mcp-session-id", &self.sessions[session].id);
        }
        let forged = "1-9-0000000000000000000000000000000000000000000000000000000000000000";
        let hop = hop.or_else(|| (what == What::ForgedHop).then(|| forged.to_owned()));
        if let Some(hop) = hop {
            head.add_header(HOP_HEADER.as_bytes(), hop.as_bytes());
        }
        let user: &[u8] = match who {
            Who::Owner => b"owner",
            Who::Thief => b"thief",
        };
        let caller = Caller { user: Some(user), ..Caller::default() };
        let process = &mut self.processes[place];
        let (run, step) = Run::begin(&mut process.replica, head, caller);
        let identity = process.identity.clone();
        self.add(place, identity, run, step, what, who, session, parent)
    }

    #[expect(clippy::too_many_arguments, reason = "what a request is")]
    fn add(
        &mut self,
        place: Place,
        identity: String,
        run: Run,
        step: Step,
        what: What,
        who: Who,
        session: Option<usize>,
        parent: Option<u64>,
    ) -> u64 {
        self.begun += 1;
        let number = self.begun;
        let open = OpenRun {
            place,
            identity,
            run,
            step: Step::Done,
            what,
            who,
            session,
            reply: None,
            table_failed: false,
            missed_entry: false,
            was_written: false,
            parent,
            child: None,
            ended: None,
            is_misdirected: false,
            runs_in: None,
            restoring: None,
        };
        self.runs.insert(number, open);
        self.arrive(number, step);
        number
    }

    /// Goes one step on, as it does where nothing fails.
    fn go(&mut self, number: u64) -> bool {
        let Some(open) = self.runs.get(&number) else { return false };
        if open.ended.is_some() {
            // It waits for the one that has forwarded it.
            return false;
        }
        let place = open.place;
        if let Some(reply) = open.reply.clone() {
            return self.deliver(number, reply);
        }
        match &open.step {
            Step::Read { .. } => {
                let body = body(open.what);
                self.tell(number, |run, replica| run.body_read(replica, Some(&body)))
            }
            // One renewal at a time.
            Step::Renew if self.is_renewing(place) => false,
            Step::Find(key) if !self.is_settled() && self.is_missing(key) => false,
            Step::Swap(Swap { expected: Some(_), .. }) if !self.is_settled() => false,
            Step::Find(_) | Step::Renew | Step::Swap(_) => {
                let reply = self.ask_table(number);
                self.open(number).reply = Some(reply);
                true
            }
            Step::Forward(forward) => {
                let forward = forward.clone();
                self.forward(number, &forward)
            }
            Step::Hold(other) => {
                let identity = &open.identity;
                let is_taking = self.runs.values().any(|it| {
                    it.identity == *identity
                        && it.run.number() == *other
                        && it.run.is_taking(&self.processes[place].replica)
                });
                !is_taking && self.tell(number, Run::hold_over)
            }
            Step::Wait(_) => self.tell(number, Run::wait_over),
            Step::Restore(_) => self.restore(number),
            Step::Announce(_) => self.tell(number, Run::announced),
            Step::EndInApp(inner) => {
                let inner = inner.as_bytes().to_vec();
                self.processes[place].app.sessions.remove(&inner);
                self.tell(number, Run::ended_in_app)
            }
            Step::RunApp(_) => self.answer(number),
            Step::Reply(_)
            | Step::RelayRestored
            | Step::Relay
            | Step::Pass(_)
            | Step::KeepBack
            | Step::Done => false,
        }
    }

    /// Whether the table has no entry, or none of a process whose lease stands.
    fn is_missing(&self, key: &SessionKey) -> bool {
        self.table.entries.get(key).is_none_or(|(entry, _)| {
            !entry.owner.is_empty() && !self.table.leases.contains_key(&*entry.owner)
        })
    }

    fn ask_table(&mut self, number: u64) -> Reply {
        let open = self.runs.get_mut(&number).expect("it is open");
        if let (Step::Find(_), Some(session)) = (&open.step, open.session) {
            open.missed_entry |= self.sessions[session].is_evicted;
        }
        let open = &self.runs[&number];
        match &open.step {
            Step::Find(key) => self.table.find(key),
            Step::Renew => {
                self.processes[open.place].may_end = false;
                let (place, pauses) = (open.place, self.processes[open.place].pauses);
                Reply::Renewed(self.table.renew(&open.identity, place), pauses, self.table.losses)
            }
            Step::Swap(swap) => {
                let swap = swap.clone();
                let won = self.table.swap(&swap);
                if won && swap.lifetime == Lifetime::Tombstone {
                    self.note_terminated(number, State::Terminated);
                }
                Reply::Swapped(won)
            }
            other => unreachable!("the table was not asked: {other:?}"),
        }
    }

    fn deliver(&mut self, number: u64, reply: Reply) -> bool {
        self.open(number).reply = None;
        let place = self.runs[&number].place;
        match reply {
            Reply::Found(found) => self.tell(number, |run, replica| run.found(replica, found)),
            Reply::Renewed(lapsed, pauses, losses) if pauses == self.processes[place].pauses => {
                self.processes[place].is_over = false;
                self.processes[place].losses = losses;
                let renewal = if lapsed { Renewal::Lapsed } else { Renewal::Stood };
                self.tell(number, |run, replica| run.renewed(replica, renewal))
            }
            // It came too late by the clock of the process.
            Reply::Renewed(..) => self.table_fails(number, false),
            Reply::Swapped(won) => {
                self.open(number).was_written = won;
                let won = if won { Won::Yes } else { Won::No };
                self.tell(number, |run, replica| run.swapped(replica, won))
            }
        }
    }

    fn table_fails(&mut self, number: u64, is_done: bool) -> bool {
        let Some(open) = self.runs.get(&number) else { return false };
        if !matches!(open.step, Step::Find(_) | Step::Renew | Step::Swap(_)) {
            return false;
        }
        if is_done && open.reply.is_none() {
            self.ask_table(number);
        }
        let open = self.open(number);
        open.reply = None;
        open.was_written = false;
        open.table_failed = true;
        self.tell_failing(number)
    }

    fn tell_failing(&mut self, number: u64) -> bool {
        let place = self.runs[&number].place;
        self.tell_the_time(place);
        let open = self.runs.get_mut(&number).expect("it is open");
        let step = open.run.table_failed(&mut self.processes[place].replica);
        let step = step.unwrap_or_else(|Misuse| panic!("misuse: {:?}", self.past));
        self.arrive(number, step);
        true
    }

    fn tell(
        &mut self,
        number: u64,
        tell: impl FnOnce(&mut Run, &mut Replica) -> Result<Step, Misuse>,
    ) -> bool {
        let place = self.runs[&number].place;
        self.tell_the_time(place);
        let open = self.runs.get_mut(&number).expect("it is open");
        open.table_failed = false;
        let step = tell(&mut open.run, &mut self.processes[place].replica);
        let step = step.unwrap_or_else(|Misuse| panic!("misuse: {:?}", self.past));
        self.arrive(number, step);
        if let Some(open) = self.runs.get_mut(&number) {
            open.was_written = false;
        }
        true
    }

    fn forward(&mut self, number: u64, forward: &Forward) -> bool {
        let open = &self.runs[&number];
        if let Some(child) = open.child {
            return match self.runs.get(&child).map(|it| it.ended.clone()) {
                // The owner was killed while it had the request.
                None => self.forward_fails(number, ForwardFailure::InDoubt),
                Some(None) => false,
                Some(Some(ended)) => {
                    self.runs.remove(&child);
                    self.open(number).child = None;
                    let (status, hop) = match ended {
                        Ended::Reply(status, hop) => (status, hop),
                        Ended::Answered => (200, None),
                    };
                    let status = StatusCode::from_u16(status).expect("a status");
                    self.tell(number, |run, replica| {
                        run.forward_answered(replica, status, hop.as_deref())
                    })
                }
            };
        }
        let place = core::str::from_utf8(&forward.addresses).expect("it is a number");
        let place: Place = place.parse().expect("it is a number");
        let is_there = self.processes[place].identity == *forward.owner;
        if !is_there && !self.setting.reuses_addresses {
            return self.forward_fails(number, ForwardFailure::Refused);
        }
        let (what, who, session) = (open.what, open.who, open.session);
        let hop = Some(forward.hop.clone());
        let child = self.begin(place, what, who, session, hop, Some(number));
        self.open(number).child = Some(child);
        self.open(child).is_misdirected = !is_there;
        true
    }

    fn forward_fails(&mut self, number: u64, how: ForwardFailure) -> bool {
        let Some(open) = self.runs.get(&number) else { return false };
        if !matches!(open.step, Step::Forward(_)) {
            return false;
        }
        match (how, open.child) {
            // What has arrived may have run.
            (ForwardFailure::Unreachable, Some(_)) => return false,
            (ForwardFailure::InDoubt, Some(child)) => {
                self.close(child);
            }
            (_, _) => {}
        }
        self.open(number).child = None;
        self.tell(number, |run, replica| run.forward_failed(replica, how))
    }

    /// The client is gone, and with it the request wherever it is.
    fn close(&mut self, number: u64) {
        let Some(mut open) = self.runs.remove(&number) else { return };
        open.run.finish(&mut self.processes[open.place].replica);
        if let Some(child) = open.child {
            self.close(child);
        }
    }

    fn open(&mut self, number: u64) -> &mut OpenRun {
        self.runs.get_mut(&number).expect("it is open")
    }

    // ---- The application

    fn restore(&mut self, number: u64) -> bool {
        let open = &self.runs[&number];
        let (place, session) = (open.place, open.session);
        let Step::Restore(message) = &open.step else { unreachable!("it restores") };
        let body = String::from_utf8(message.body.to_vec()).expect("JSON is text");
        let inner = message.session_id.as_ref().map(|id| id.as_bytes().to_vec());
        if body.contains("initialize\"") {
            if self.processes[place].app.refuses {
                self.was_refused = true;
                let mut head = ResponseHead::new(StatusCode::BAD_REQUEST);
                head.add_header(b"content-type", b"application/json");
                let refusal = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;
                return self
                    .tell(number, |run, replica| run.restore_answered(replica, &head, refusal));
            }
            let id = self.app_opens(place, session);
            self.open(number).restoring = Some(id.clone());
            let head = json_head(Some(&id));
            let result = initialize_result();
            return self.tell(number, |run, replica| {
                run.restore_answered(replica, &head, result.as_bytes())
            });
        }
        let app = &mut self.processes[place].app;
        let Some(known) = inner.and_then(|inner| app.sessions.get_mut(&inner)) else {
            let head = ResponseHead::new(StatusCode::NOT_FOUND);
            return self.tell(number, |run, replica| run.restore_answered(replica, &head, b""));
        };
        if body.contains("notifications/initialized") {
            known.is_initialized = true;
            let head = ResponseHead::new(StatusCode::ACCEPTED);
            return self.tell(number, |run, replica| run.restore_answered(replica, &head, b""));
        }
        known.level = (0..4).find(|level| body.contains(&format!("\"level{level}\"")));
        assert!(known.level.is_some(), "what was told is told again: {body}");
        let head = json_head(None);
        let result = r#"{"jsonrpc":"2.0","id":"restore","result":{}}"#;
        self.tell(number, |run, replica| run.restore_answered(replica, &head, result.as_bytes()))
    }

    fn app_opens(&mut self, place: Place, session: Option<usize>) -> Vec<u8> {
        let process = &mut self.processes[place];
        process.opened += 1;
        let id = if self.setting.counts_ids {
            format!("session-{}", process.opened)
        } else {
            format!("{}-{}", process.identity.replace(' ', "-"), process.opened)
        };
        let id = id.into_bytes();
        let opened = AppSession { session, level: None, is_initialized: false };
        process.app.sessions.insert(id.clone(), opened);
        id
    }

    /// The application answers what it runs.
    fn answer(&mut self, number: u64) -> bool {
        let open = &self.runs[&number];
        let Step::RunApp(run_app) = &open.step else { unreachable!("it runs") };
        let (place, what, is_watched) = (open.place, open.what, run_app.watch == Watch::Answer);
        if what == What::Initialize {
            if self.processes[place].app.refuses {
                let head = ResponseHead::new(StatusCode::BAD_REQUEST);
                return self.tell(number, |run, replica| run.answer_head(replica, head));
            }
            let id = self.app_opens(place, None);
            self.open(number).restoring = Some(id.clone());
            self.tell(number, |run, replica| run.answer_head(replica, json_head(Some(&id))));
            let result = initialize_result();
            return self.tell(number, |run, replica| {
                run.answer_piece(replica, result.as_bytes(), Rest::Ended)
            });
        }
        let HandlerHeader::Inner(inner) = &run_app.header else {
            self.fail("a request of a session runs without its ID")
        };
        let inner = inner.as_bytes().to_vec();
        let app = &mut self.processes[place].app;
        let Some(known) = app.sessions.get_mut(&inner) else {
            let request = self.runs[&number].parent.unwrap_or(number);
            if self.open(number).runs_in.take().is_some() {
                // It has forgotten in between: it did not run it after all.
                *self.executions.entry(request).or_default() -= 1;
            }
            let forgotten = self.forgotten.entry(request).or_default();
            *forgotten += 1;
            let session = self.runs[&number].session;
            if let (true, Some(session)) = (*forgotten > 1, session) {
                // To its client it is as if it were over.
                self.sessions[session].state = State::Uncertain;
            }
            return self.tell(number, Run::app_forgot);
        };
        match what {
            What::Initialized => known.is_initialized = true,
            What::SetLevel(level) => {
                known.level = Some(level);
                if let Some(session) = known.session {
                    self.sessions[session].level = None;
                }
            }
            What::Delete => {
                let removed = app.sessions.remove(&inner);
                if let Some(session) = removed.and_then(|it| it.session) {
                    self.sessions[session].state = State::Uncertain;
                }
            }
            What::Initialize | What::Call | What::Get | What::ForgedHop => {}
        }
        if !is_watched {
            self.end(number, Ended::Answered);
            return true;
        }
        self.tell(number, |run, replica| run.answer_head(replica, json_head(None)));
        if matches!(self.runs.get(&number).map(|it| &it.step), Some(Step::KeepBack)) {
            let result = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
            self.tell(number, |run, replica| {
                run.answer_piece(replica, result.as_bytes(), Rest::Ended)
            });
        }
        true
    }

    // ---- The laws

    /// A step has come: it is looked at, and stands as what is to be done.
    fn arrive(&mut self, number: u64, step: Step) {
        self.check_secrets(number, &step);
        match &step {
            Step::RunApp(run_app) => {
                let header = run_app.header.clone();
                self.check_execution(number, &header);
            }
            Step::Forward(forward) => {
                let open = &self.runs[&number];
                if open.parent.is_some() {
                    self.fail("a request is forwarded twice");
                }
                if *forward.owner == *open.identity {
                    self.fail("a request is forwarded to the process that has it");
                }
            }
            Step::Announce(_) | Step::EndInApp(_) => {}
            Step::Reply(reply) => {
                self.check_left_behind(number);
                let mark = reply.headers.iter().find(|(name, _)| name.as_str() == HOP_HEADER);
                let mark = mark.map(|(_, value)| value.as_bytes().to_vec());
                self.check_reply(number, reply.status.as_u16(), &reply.body);
                self.end(number, Ended::Reply(reply.status.as_u16(), mark));
                return;
            }
            Step::Pass(id) => {
                let id = id.as_ref().map(|id| id.as_bytes().to_vec());
                self.note_passed(number, id);
                self.end(number, Ended::Answered);
                return;
            }
            Step::RelayRestored | Step::Relay | Step::Done => {
                self.end(number, Ended::Answered);
                return;
            }
            Step::Read { .. }
            | Step::Find(_)
            | Step::Renew
            | Step::Swap(_)
            | Step::Hold(_)
            | Step::Wait(_)
            | Step::Restore(_)
            | Step::KeepBack => {}
        }
        let ended = match &step {
            Step::Swap(swap) if swap.lifetime == Lifetime::Tombstone => Some(swap.key),
            _ => None,
        };
        let open = self.open(number);
        open.step = step;
        // Its owner serves it no more, whether the table knows or not.
        let place = open.place;
        if ended.is_some_and(|key| self.processes[place].replica.owns(&key)) {
            self.note_terminated(number, State::Uncertain);
        }
    }

    fn end(&mut self, number: u64, ended: Ended) {
        let open = self.runs.get_mut(&number).expect("it is open");
        open.run.finish(&mut self.processes[open.place].replica);
        if open.parent.is_some_and(|parent| self.runs.contains_key(&parent)) {
            let open = self.open(number);
            open.ended = Some(ended);
            open.step = Step::Done;
        } else {
            self.runs.remove(&number);
        }
    }

    /// Laws 1, 6 and 7: who runs a request, how often, and for whom.
    fn check_execution(&mut self, number: u64, header: &HandlerHeader) {
        let open = &self.runs[&number];
        let Some(session) = open.session else { return };
        let HandlerHeader::Inner(inner) = header else {
            self.fail("a request of a session runs without its ID")
        };
        if open.who != self.sessions[session].who {
            self.fail("a request runs in the session of somebody else");
        }
        let inner = inner.as_bytes().to_vec();
        let process = &self.processes[open.place];
        let (identity, place, lapses) = (open.identity.clone(), open.place, process.lapses);
        let truth = &self.sessions[session];
        let knows = process.losses == self.table.losses && !open.table_failed && !truth.is_evicted;
        if open.is_misdirected {
            self.fail("a request runs at another process than the one that it was forwarded to");
        }
        let entry = self.table.entries.get(&truth.key);
        if knows && entry.is_none_or(|(entry, _)| *entry.owner != *identity) {
            self.fail("a request runs where its session is not owned");
        }
        let Some(known) = process.app.sessions.get(&inner) else {
            // It will say so.
            self.open(number).runs_in = None;
            return;
        };
        if known.session.is_some_and(|it| it != session) {
            self.fail("a request runs in another session");
        }
        let is_certain = !open.table_failed && !truth.is_evicted;
        if truth.level.is_some() && known.level != truth.level && is_certain {
            self.fail("a session was not told again what it had been told");
        }
        if open.what == What::Call && truth.state == State::Terminated && knows {
            self.fail("a request runs in a session that was terminated");
        }
        let overlaps = self.runs.values().find(|other| {
            let owner = &self.processes[other.place];
            let is_elsewhere = other.place != place && owner.identity == other.identity;
            let now = Known { lapses: owner.lapses, losses: self.table.losses };
            let runs = other.runs_in.as_ref().is_some_and(|it| it.known == Some(now));
            other.session == Some(session)
                && other.ended.is_none()
                && matches!(other.step, Step::RunApp(_))
                && is_elsewhere
                && runs
                && owner.losses == self.table.losses
        });
        if knows && overlaps.is_some() {
            self.fail("two processes run requests of one session");
        }
        let known = Known { lapses, losses: self.table.losses };
        let open = self.open(number);
        let known = (!open.table_failed).then_some(known);
        open.runs_in = Some(RunsIn { inner, known });
        let what = open.what;
        let request = open.parent.unwrap_or(number);
        let executions = self.executions.entry(request).or_default();
        *executions += 1;
        let executions = *executions;
        if matches!(what, What::Call | What::SetLevel(_) | What::ForgedHop) && executions > 1 {
            self.fail("a request runs twice");
        }
    }

    /// Laws 5 and 7: who is told that a session is over.
    fn check_reply(&self, number: u64, status: u16, body: &str) {
        let open = &self.runs[&number];
        let not_found = r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}"#;
        match (status, open.session) {
            (404, Some(session)) => {
                let truth = &self.sessions[session];
                let is_live = truth.state == State::Live && !open.missed_entry;
                if open.who == self.sessions[session].who && is_live {
                    self.fail("404 for a live session");
                }
                if !body.starts_with(not_found) {
                    self.fail("a 404 that is not the canonical one");
                }
            }
            (421, Some(_)) if open.parent.is_some() || open.what == What::ForgedHop => {
                if open.what == What::ForgedHop && open.parent.is_none() {
                    self.fail("a client has made up a hop");
                }
            }
            (502 | 503, _) => {}
            (status, _) => self.fail(&format!("an answer {status} that nobody waits for")),
        }
    }

    /// Law 9: an `initialize` that is refused leaves no session in the application.
    fn check_left_behind(&self, number: u64) {
        let open = &self.runs[&number];
        let app = &self.processes[open.place].app;
        let opened = open.restoring.as_ref().filter(|_| open.what == What::Initialize);
        if opened.is_some_and(|inner| app.sessions.contains_key(inner)) {
            self.fail("an initialize that was refused leaves a session in the application");
        }
    }

    /// Law 13: what must not be seen.
    fn check_secrets(&self, number: u64, step: &Step) {
        let open = &self.runs[&number];
        let Step::Swap(swap) = step else { return };
        let shown = format!("{:?} {:?} {step:?}", open.run, self.processes[open.place].replica);
        let ids = self.sessions.iter().map(|it| &it.id);
        let inner = self.processes.iter().flat_map(|it| it.app.sessions.keys());
        for id in ids.chain(inner) {
            let is_in_value = swap.entry.value.windows(id.len()).any(|part| part == &id[..]);
            if is_in_value || shown.contains(&String::from_utf8_lossy(id)[..]) {
                self.fail("an ID is shown");
            }
        }
    }

    /// An answer of the application goes out.
    fn note_passed(&mut self, number: u64, id: Option<Vec<u8>>) {
        let open = &self.runs[&number];
        let (what, who, session, place) = (open.what, open.who, open.session, open.place);
        let runs_in = open.runs_in.as_ref().map(|it| it.inner.clone());
        let is_certain = open.was_written && !open.table_failed;
        match (what, session) {
            (What::Initialize, _) => {
                let Some(inner) = open.restoring.clone() else { return };
                let id = id.unwrap_or_else(|| inner.clone());
                if self.sessions.iter().any(|it| it.id == id) {
                    self.fail("two clients have one ID");
                }
                let key = self.key.session_key(&id);
                let number = self.sessions.len();
                self.sessions.push(Session {
                    id,
                    key,
                    who,
                    state: State::Live,
                    level: None,
                    is_evicted: false,
                    missed: BTreeMap::new(),
                });
                if let Some(opened) = self.processes[place].app.sessions.get_mut(&inner) {
                    opened.session = Some(number);
                }
            }
            (What::SetLevel(level), Some(session)) => {
                // Another may have been taken since.
                let app = &self.processes[place].app;
                let kept = runs_in.and_then(|inner| app.sessions.get(&inner)?.level);
                self.sessions[session].level = (is_certain && kept == Some(level)).then_some(level);
            }
            (What::Delete | What::Initialized | What::Call | What::Get | What::ForgedHop, _)
            | (_, None) => {}
        }
    }

    /// A session is terminated: only if its client has ended it, or if nobody will restore it.
    fn note_terminated(&mut self, number: u64, state: State) {
        let open = &self.runs[&number];
        let Step::Swap(swap) = &open.step else { return };
        let key = swap.key;
        let may_end = open.what == What::Delete
            || self.was_refused
            || self.setting.restore == Restore::Refused;
        let truth = self.sessions.iter_mut().find(|it| it.key == key);
        let was_live =
            truth.is_some_and(|it| core::mem::replace(&mut it.state, state) == State::Live);
        if was_live && !may_end {
            self.fail("a live session is terminated");
        }
    }

    fn fail(&self, law: &str) -> ! {
        let stand: Vec<String> = self
            .runs
            .iter()
            .map(|(number, it)| format!("{number}: {:?} at {} {:?}", it.what, it.identity, it.step))
            .collect();
        panic!("{law}\nin {:?}\nafter {:?}\nwith {stand:#?}", self.setting, self.past);
    }
}

fn body(what: What) -> Vec<u8> {
    let body = match what {
        What::Initialize => {
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#.to_owned()
        }
        What::Initialized => r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        What::SetLevel(level) => format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{{"level":"level{level}"}}}}"#
        ),
        What::Call | What::Get | What::Delete | What::ForgedHop => {
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#.to_owned()
        }
    };
    body.into_bytes()
}

fn initialize_result() -> String {
    r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#.to_owned()
}

fn json_head(session_id: Option<&[u8]>) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.add_header(b"content-type", b"application/json");
    if let Some(id) = session_id {
        head.add_header(b"mcp-session-id", id);
    }
    head
}
