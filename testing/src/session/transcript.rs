//! A history as it shows on the wire, for judges that know no steps; and histories with a fault.
//!
//! `python/mcp_session/testing/guarantees.py` judges the clients of others by what they send. It
//! must say of every history here what the predicates of [`guarantees`](super::guarantees) say.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_session_core::session::{Options, Reason};
use serde::Serialize;

use super::guarantees;
use super::past::{request_of, step_of};
use super::words::{Answer, Sending, Step, What, has_an_id, is_one_way, is_reply};
use super::world::Happened;

/// What can be seen of a client from outside, as `guarantees.py` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Seen {
    Began {
        request: usize,
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cancels: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        asked_in: Option<String>,
    },
    Sent {
        wire: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<usize>,
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<usize>,
    },
    Answered {
        wire: usize,
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        is_accepted: bool,
    },
    Lost {
        wire: usize,
        by_client: bool,
    },
    EventSeen {
        event_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
    },
    Ended {
        request: usize,
        status: Option<u16>,
    },
    Cancelled {
        request: usize,
    },
    Passed {
        seconds: u32,
    },
    Rested,
}

/// A history as a judge from outside sees it: for each event of ours, what showed of it.
pub struct Transcript {
    seen: Vec<Vec<Seen>>,
    wires: usize,
    /// What each request has on the wire.
    flights: BTreeMap<usize, usize>,
    whats: BTreeMap<usize, What>,
    statuses: BTreeMap<usize, u16>,
    leader: Option<(usize, Option<usize>)>,
    /// The ID of each generation.
    ids: Vec<Option<String>>,
    welcomed: Option<String>,
    asked: BTreeMap<String, usize>,
    last_issued: Option<usize>,
    closed: bool,
}

impl Transcript {
    pub fn of(history: &[Happened]) -> Vec<Vec<Seen>> {
        let mut transcript = Self {
            seen: Vec::new(),
            wires: 0,
            flights: BTreeMap::new(),
            whats: BTreeMap::new(),
            statuses: BTreeMap::new(),
            leader: None,
            ids: vec![None],
            welcomed: None,
            asked: BTreeMap::new(),
            last_issued: None,
            closed: false,
        };
        for event in history {
            transcript.seen.push(Vec::new());
            transcript.note(event);
        }
        transcript.seen.push(vec![Seen::Rested]);
        transcript.seen
    }

    fn show(&mut self, seen: Seen) {
        self.seen.last_mut().unwrap().push(seen);
    }

    fn note(&mut self, event: &Happened) {
        match event {
            Happened::Began { request, what, reply, .. } => self.began(*request, *what, reply),
            Happened::Answered { request, answer, .. } => self.answered(*request, answer),
            Happened::Abandoned { request } => {
                if let Some(wire) = self.flights.remove(request) {
                    self.show(Seen::Lost { wire, by_client: true });
                }
                self.show(Seen::Cancelled { request: *request });
            }
            Happened::Initialized { id } => {
                let (wire, cause) = self.leader.take().unwrap();
                self.show(Seen::Answered {
                    wire,
                    status: 200,
                    session_id: id.clone(),
                    is_accepted: true,
                });
                self.welcomed.clone_from(id);
                self.leads(cause, "initialized", id.clone());
            }
            Happened::Stands { restores } => {
                let (_, cause) = self.leader_is_answered(202, true);
                let id = self.welcomed.take();
                self.ids.push(id.clone());
                if restores.is_some() {
                    self.leads(cause, "other", id);
                }
            }
            Happened::Restored { next } => {
                let (_, cause) = self.leader_is_answered(200, true);
                if next.is_some() {
                    let id = self.ids.last().unwrap().clone();
                    self.leads(cause, "other", id);
                }
            }
            Happened::Failed { reason, issued_id, .. } => match reason {
                // What came after the DELETE was an answer as good as any.
                Reason::Closed => self.leader_is_answered_too_late(issued_id.clone()),
                Reason::InitializeRefused
                | Reason::IllFormedSessionId
                | Reason::ModernOnlyServer
                | Reason::InitializedRefused => {
                    self.leader_is_answered(200, false);
                }
                _ => self.leader_is_lost(false),
            },
            Happened::LeaderDropped => self.leader_is_lost(true),
            Happened::CooldownOver => self.show(Seen::Passed { seconds: 60 }),
            Happened::ServerAsked { generation, shown, .. } => {
                self.asked.insert(shown.clone(), *generation);
            }
            Happened::EventSeen { generation, event } => {
                let session_id = self.ids[*generation].clone();
                self.show(Seen::EventSeen { event_id: format!("event-{event}"), session_id });
            }
            _ => {}
        }
        if let (Some(request), Some(step)) = (request_of(event), step_of(event)) {
            self.step(request, step);
        }
    }

    fn began(&mut self, request: usize, what: What, reply: &Option<String>) {
        self.whats.insert(request, what);
        self.closed |= what == What::Delete;
        let cancels = match what {
            What::Cancelled(named) => Some(named).filter(|it| self.can_be_cancelled(*it)),
            _ => None,
        };
        let asked = reply.as_ref().and_then(|it| self.asked.get(it));
        let asked_in = asked.and_then(|it| self.ids[*it].clone());
        self.show(Seen::Began { request, kind: kind_of(what), cancels, asked_in });
    }

    fn can_be_cancelled(&self, named: usize) -> bool {
        self.whats.get(&named).is_some_and(|it| has_an_id(*it))
    }

    fn answered(&mut self, request: usize, answer: &Answer) {
        let wire = self.flights.remove(&request).unwrap();
        let is_accepted = answer.is_success() && !answer.has_ill_formed_id;
        self.statuses.insert(request, answer.status);
        let session_id = answer.id.clone();
        self.show(Seen::Answered { wire, status: answer.status, session_id, is_accepted });
        let is_initialize = self.whats[&request] == What::Initialize;
        if is_initialize && is_accepted && !self.closed && self.last_issued == Some(wire) {
            self.ids.push(answer.id.clone());
        }
    }

    fn step(&mut self, request: usize, step: &Step) {
        match step {
            Step::Send(sending) | Step::Resend(sending) => self.sends(request, sending),
            Step::Lead => self.leads(Some(request), "initialize", None),
            Step::Hold => {}
            Step::Drop => self.show(Seen::Ended { request, status: Some(202) }),
            Step::GiveUp(..) => self.show(Seen::Ended { request, status: None }),
            Step::Deliver(_) => {
                let status = self.statuses.get(&request).copied();
                self.show(Seen::Ended { request, status });
            }
        }
    }

    fn sends(&mut self, request: usize, sending: &Sending) {
        let wire = self.next_wire();
        self.flights.insert(request, wire);
        let what = self.whats[&request];
        if what == What::Initialize && !self.closed {
            self.last_issued = Some(wire);
        }
        let last_event_id = match what {
            What::Resume(event) if sending.keeps_event_id => Some(format!("event-{event}")),
            _ => None,
        };
        self.show(Seen::Sent {
            wire,
            request: Some(request),
            kind: kind_of(what),
            session_id: sending.id.clone(),
            last_event_id,
            cause: Some(request),
        });
    }

    fn leads(&mut self, cause: Option<usize>, kind: &'static str, session_id: Option<String>) {
        let wire = self.next_wire();
        if kind == "initialize" {
            self.last_issued = Some(wire);
        }
        self.leader = Some((wire, cause));
        self.show(Seen::Sent { wire, request: None, kind, session_id, last_event_id: None, cause });
    }

    fn leader_is_answered(&mut self, status: u16, is_accepted: bool) -> (usize, Option<usize>) {
        let (wire, cause) = self.leader.take().unwrap();
        self.show(Seen::Answered { wire, status, session_id: None, is_accepted });
        (wire, cause)
    }

    fn leader_is_answered_too_late(&mut self, session_id: Option<String>) {
        if let Some((wire, _)) = self.leader.take() {
            self.show(Seen::Answered { wire, status: 200, session_id, is_accepted: true });
        }
    }

    fn leader_is_lost(&mut self, by_client: bool) {
        if let Some((wire, _)) = self.leader.take() {
            self.show(Seen::Lost { wire, by_client });
        }
    }

    fn next_wire(&mut self) -> usize {
        self.wires += 1;
        self.wires - 1
    }
}

fn kind_of(what: What) -> &'static str {
    match what {
        What::Initialize => "initialize",
        What::Get | What::Resume(_) => "get",
        What::Delete => "delete",
        What::Cursor | What::BatchWithCursor => "cursor",
        _ if is_reply(what) => "reply",
        _ if is_one_way(what) => "notification",
        _ => "call",
    }
}

/// A fault that a history can be given, so that it breaks a guarantee.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A request that waits leads, though another does or nothing has ended.
    HolderLeads,
    /// What is sent goes by an ID that nobody gave.
    StrangeId,
    /// What is sent bears no ID, or an `initialize` does.
    NoId,
    /// What was delivered is sent again.
    SendsAgain,
    /// What was delivered makes a new session.
    DeliveredLeads,
    /// What was dropped is sent.
    DroppedIsSent,
    /// What was given up makes a new session.
    GivenUpLeads,
    /// A DELETE is held back.
    DeleteWaits,
    /// Somebody waits for ever.
    Wedges,
}

pub const FAULTS: [Fault; 9] = [
    Fault::HolderLeads,
    Fault::StrangeId,
    Fault::NoId,
    Fault::SendsAgain,
    Fault::DeliveredLeads,
    Fault::DroppedIsSent,
    Fault::GivenUpLeads,
    Fault::DeleteWaits,
    Fault::Wedges,
];

/// The history up to its `which`th event that the fault fits, with the fault in it.
pub fn faulty(history: &[Happened], fault: Fault, which: usize) -> Option<Vec<Happened>> {
    let fitting: Vec<(usize, Happened)> = history
        .iter()
        .enumerate()
        .filter_map(|(at, event)| Some((at, spoiled(event, &history[..at], fault)?)))
        .collect();
    let (at, event) = fitting.get(which.checked_rem(fitting.len())?)?;
    let mut faulty = history[..*at].to_vec();
    faulty.push(event.clone());
    Some(faulty)
}

fn spoiled(event: &Happened, before: &[Happened], fault: Fault) -> Option<Happened> {
    let step = step_of(event)?;
    let request = request_of(event)?;
    let what = before.iter().chain([event]).find_map(|it| match it {
        Happened::Began { request: began, what, .. } if *began == request => Some(*what),
        _ => None,
    })?;
    let sends = before.iter().filter(|it| request_of(it) == Some(request));
    let last = sends.rev().find_map(|it| match step_of(it) {
        Some(Step::Send(sending) | Step::Resend(sending)) => Some(sending.clone()),
        _ => None,
    });
    let new = match (fault, step) {
        (Fault::HolderLeads, Step::Hold) => Step::Lead,
        (Fault::StrangeId, Step::Send(sending)) if what != What::Initialize => {
            Step::Send(Sending { id: Some("credential-strange".to_owned()), ..sending.clone() })
        }
        (Fault::NoId, Step::Send(sending)) if what == What::Initialize => {
            Step::Send(Sending { id: Some("credential-1".to_owned()), ..sending.clone() })
        }
        (Fault::NoId, Step::Send(sending)) if sending.id.is_some() => {
            Step::Send(Sending { id: None, ..sending.clone() })
        }
        (Fault::SendsAgain, Step::Deliver(_) | Step::Drop | Step::GiveUp(..)) => {
            Step::Resend(last?)
        }
        (Fault::DeliveredLeads, Step::Deliver(_)) if what != What::Initialize => Step::Lead,
        (Fault::DroppedIsSent, Step::Drop) => Step::Send(last?),
        (Fault::GivenUpLeads, Step::GiveUp(..)) => Step::Lead,
        (Fault::DeleteWaits, Step::Send(sending))
            if what == What::Delete && sending.id.is_some() =>
        {
            Step::Hold
        }
        (Fault::Wedges, Step::Hold) => Step::Hold,
        _ => return None,
    };
    let mut spoiled = event.clone();
    match &mut spoiled {
        Happened::Began { step, .. }
        | Happened::Asked { step, .. }
        | Happened::Answered { step, .. } => *step = new,
        _ => return None,
    }
    Some(spoiled)
}

/// The guarantees that the predicates find broken, and by which event; none: all hold.
pub fn verdict(history: &[Happened], options: &Options) -> Option<(usize, BTreeSet<u8>)> {
    if let Some(found) = guarantees::first_broken(history, options, None) {
        return Some(found);
    }
    let ends = || guarantees::everything_has_ended(history, options, None);
    let is_wedged = catch_unwind(AssertUnwindSafe(ends)).is_err();
    is_wedged.then(|| (history.len(), BTreeSet::from([3, 4])))
}
