//! The laws, looked at as the world goes, and what has to be known for that.

use std::collections::BTreeMap;

use mcp_session_core::sessions::{HandlerHeader, Restore, Step};

use super::super::operations::{Operation, What};
use super::super::truth::{Session, State};
use super::{Known, PATIENCE, RunsIn, World};

impl World {
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
        for place in 0..self.processes.len() {
            self.renew(place, true);
        }
        // Before its owner has been silent for as long as it takes to be unknown.
        self.find_what_was_evicted();
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
    pub(super) fn find_what_was_evicted(&mut self) {
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
    pub(super) fn finish(&mut self, number: u64) {
        for _step in 0..PATIENCE {
            let Some(run) = self.runs.get(&number) else { break };
            if let Some(child) = run.child {
                self.go(child);
            }
            self.go(number);
            self.end_fenced();
        }
    }

    /// Laws 1, 6 and 7: who runs a request, how often, and for whom.
    pub(super) fn check_execution(&mut self, number: u64, header: &HandlerHeader) {
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
        // A former owner that was cut off has served a DELETE, and written that over this claim.
        let was_ended_elsewhere = truth.ended_by.as_ref().is_some_and(|it| *it != identity)
            && process.replica.owns(&truth.key);
        let knows = knows && !was_ended_elsewhere;
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
    pub(super) fn check_reply(&self, number: u64, status: u16, body: &str) {
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

    /// Law 7: whom a session is not for disturbs nobody with its ID.
    pub(super) fn check_whom(&self, number: u64, step: &Step) {
        let open = &self.runs[&number];
        let is_for = open.session.map(|session| self.sessions[session].who);
        let disturbs = matches!(step, Step::Forward(_) | Step::Swap(_) | Step::Restore(_));
        if disturbs && is_for.is_some_and(|who| who != open.who) {
            self.fail("a session is touched for somebody else");
        }
    }

    /// Law 9: an `initialize` that is refused leaves no session in the application.
    pub(super) fn check_left_behind(&self, number: u64) {
        let open = &self.runs[&number];
        let app = &self.processes[open.place].app;
        let opened = open.restoring.as_ref().filter(|_| open.what == What::Initialize);
        if opened.is_some_and(|inner| app.sessions.contains_key(inner)) {
            self.fail("an initialize that was refused leaves a session in the application");
        }
    }

    /// Law 13: what must not be seen.
    pub(super) fn check_secrets(&self, number: u64, step: &Step) {
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
    pub(super) fn note_passed(&mut self, number: u64, id: Option<Vec<u8>>) {
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
                    ended_by: None,
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
    pub(super) fn note_terminated(&mut self, number: u64, state: State) {
        let open = &self.runs[&number];
        let Step::Swap(swap) = &open.step else { return };
        let (key, ended_by) = (swap.key, open.identity.clone());
        let may_end = open.what == What::Delete
            || self.was_refused
            || self.setting.restore == Restore::Refused;
        let truth = self.sessions.iter_mut().find(|it| it.key == key);
        let was_live = truth.is_some_and(|it| {
            it.ended_by = Some(ended_by);
            core::mem::replace(&mut it.state, state) == State::Live
        });
        if was_live && !may_end {
            self.fail("a live session is terminated");
        }
    }

    pub(super) fn fail(&self, law: &str) -> ! {
        let stand: Vec<String> = self
            .runs
            .iter()
            .map(|(number, it)| format!("{number}: {:?} at {} {:?}", it.what, it.identity, it.step))
            .collect();
        panic!("{law}\nin {:?}\nafter {:?}\nwith {stand:#?}", self.setting, self.past);
    }
}
