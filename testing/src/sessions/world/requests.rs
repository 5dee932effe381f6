//! The requests of clients, from their beginning to their answers.

use http::StatusCode;
use mcp_session_core::Method;
use mcp_session_core::server::{ResponseHead, Rest};
use mcp_session_core::sessions::{
    Caller, Forward, ForwardFailure, HOP_HEADER, HandlerHeader, Lifetime, Misuse, Renewal, Replica,
    RequestHead, Run, SessionKey, Step, Swap, Watch, Won,
};

use super::super::operations::{Place, What, Which, Who};
use super::super::truth::{AppSession, Reply, State};
use super::{Ended, OpenRun, World};

impl World {
    // ---- Requests

    pub(super) fn nth(&self, which: Which) -> Option<u64> {
        self.runs.keys().nth(which).copied()
    }

    pub(super) fn begin(
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
        // Whom a request can be forwarded to nobody has to guess: it stands in the hops.
        let forged = || format!("1-9-{}-{}", "0".repeat(64), self.processes[place].identity);
        let hop = hop.or_else(|| (what == What::ForgedHop).then(forged));
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
    pub(super) fn add(
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
    pub(super) fn go(&mut self, number: u64) -> bool {
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
    pub(super) fn is_missing(&self, key: &SessionKey) -> bool {
        self.table.entries.get(key).is_none_or(|(entry, _)| {
            !entry.owner.is_empty() && !self.table.leases.contains_key(&*entry.owner)
        })
    }

    pub(super) fn ask_table(&mut self, number: u64) -> Reply {
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

    pub(super) fn deliver(&mut self, number: u64, reply: Reply) -> bool {
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
                self.open(number).was_written = won && self.is_kept(number);
                let won = if won { Won::Yes } else { Won::No };
                self.tell(number, |run, replica| run.swapped(replica, won))
            }
        }
    }

    /// Whether the table still has what a request has written: it may have gone back since.
    fn is_kept(&self, number: u64) -> bool {
        let Step::Swap(swap) = &self.runs[&number].step else { return false };
        let entry = self.table.entries.get(&swap.key);
        entry.is_some_and(|(entry, _)| entry.claim >= swap.entry.claim)
    }

    pub(super) fn table_fails(&mut self, number: u64, is_done: bool) -> bool {
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

    pub(super) fn tell_failing(&mut self, number: u64) -> bool {
        let place = self.runs[&number].place;
        self.tell_the_time(place);
        let open = self.runs.get_mut(&number).expect("it is open");
        let step = open.run.table_failed(&mut self.processes[place].replica);
        let step = step.unwrap_or_else(|Misuse| panic!("misuse: {:?}", self.past));
        self.arrive(number, step);
        true
    }

    pub(super) fn tell(
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

    pub(super) fn forward(&mut self, number: u64, forward: &Forward) -> bool {
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

    pub(super) fn forward_fails(&mut self, number: u64, how: ForwardFailure) -> bool {
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
    pub(super) fn close(&mut self, number: u64) {
        let Some(mut open) = self.runs.remove(&number) else { return };
        open.run.finish(&mut self.processes[open.place].replica);
        if let Some(child) = open.child {
            self.close(child);
        }
    }

    pub(super) fn open(&mut self, number: u64) -> &mut OpenRun {
        self.runs.get_mut(&number).expect("it is open")
    }

    // ---- The application

    pub(super) fn restore(&mut self, number: u64) -> bool {
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

    pub(super) fn app_opens(&mut self, place: Place, session: Option<usize>) -> Vec<u8> {
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
    pub(super) fn answer(&mut self, number: u64) -> bool {
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
    pub(super) fn arrive(&mut self, number: u64, step: Step) {
        self.check_secrets(number, &step);
        self.check_whom(number, &step);
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

    pub(super) fn end(&mut self, number: u64, ended: Ended) {
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
