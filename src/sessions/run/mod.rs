//! One request, from its head to the end of its answer.

mod answering;
mod awaited;
mod forwarding;
mod opening;
mod outgoing;
mod reading;

mod restoring;
mod state;
mod taking;

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::caller::{Caller, Principal};
use super::entry::{Entry, Record};
use super::head::RequestHead;
use super::hop;
use super::options::{Durability, Sessionless};
use super::replica::{Renewal, Replica};
use super::step::{
    Forward, HandlerHeader, Misuse, Origin, Patience, Reply, RunApp, RunNumber, Step, Watch,
};
use crate::answer::Answer;
use crate::exchange::{Method, Request, SessionId};
use crate::jsonrpc::{Kind, Message, RequestId, peek};
use crate::server::{EchoId, Options as ServerOptions};
use crate::table::{Lookup, SessionHeader, admit};
use awaited::Outgoing;
use state::{AfterHold, AfterRenewal, Attached, Ending, Forwarding, Held, State};

/// How often a request looks its session up before it is told to come again.
const MOST_LOOKS: u32 = 24;
/// One request of an application of several processes. See the [module](crate::sessions) for
/// what it guarantees.
///
/// Each method takes what came of the last [`Step`], and answers with the next. A run that is
/// over, however it ended, is to be [finished](Self::finish).
pub struct Run {
    number: RunNumber,
    head: RequestHead,
    principal: Principal,
    /// The session that is attached.
    attached: Option<Attached>,
    /// The answer to a hop that was meant for the process that had this one's address.
    misdirected: Option<String>,
    /// The body, where it was read whole.
    body: Option<Box<[u8]>>,
    state: State,
    outgoing: Outgoing,
    looks: u32,
    waits: u32,
    /// Which of the application's sessions the request was given to, if it was.
    ran_in: Option<u64>,
    /// Whether it was sent to another process.
    was_forwarded: bool,
    /// Whether the session was restored for this request.
    origin: Origin,
    /// Whether it was restored because the application had forgotten it.
    was_forgotten: bool,
    request_id: EchoId,
    is_upkeep: bool,
}

impl Run {
    /// Begins with the head of a request.
    pub fn begin(replica: &mut Replica, head: RequestHead, caller: Caller<'_>) -> (Self, Step) {
        let principal = head.caller(caller).principal(&replica.key);
        let id = head.head.attached_id().and_then(SessionId::parse);
        let key = id.map(|id| replica.key.session_key(id.as_str().as_bytes()));
        let hop = key.and_then(|key| hop::read(head.hop()?, &replica.key, &key));
        let hop_here = hop.filter(|hop| *hop.to == *replica.identity).map(|hop| hop.claim);
        let attached = key.map(|key| Attached { key, hop: hop_here });
        let misdirected = key.zip(hop.filter(|_| hop_here.is_none()));
        let misdirected = misdirected
            .map(|(key, hop)| hop::refusal(&replica.key, hop::Refusal::NotHere, &key, hop));
        let mut run = Self {
            number: replica.next_run(),
            principal,
            attached,
            misdirected,
            body: None,
            state: State::Reading,
            outgoing: Outgoing::default(),
            looks: 0,
            waits: 0,
            ran_in: None,
            was_forwarded: false,
            origin: Origin::Own,
            was_forgotten: false,
            request_id: replica.options.request_id,
            is_upkeep: false,
            head,
        };
        let step = match run.method() {
            Method::Post => Step::Read {
                at_most: ServerOptions::MAX_REQUEST_BYTES,
                // It may be an `initialize`; until that is known, nothing can be done with it.
                patience: if run.head.head.bears_session_header() {
                    Patience::Short
                } else {
                    Patience::Long
                },
            },
            Method::Get | Method::Delete | Method::Other => run.decide(replica),
        };
        (run, step)
    }

    /// Begins with a session that has to be confirmed or written, if there is one: after the
    /// lease had lapsed, after a table has lost its entries, after a write that failed. It is
    /// driven as any other, to [`Step::Done`].
    pub fn upkeep(replica: &mut Replica) -> Option<(Self, Step)> {
        let key = replica.take_pending()?;
        let principal = replica.owned.get(&key)?.record.principal;
        let mut run = Self {
            number: replica.next_run(),
            head: RequestHead::new(Method::Other, b""),
            principal,
            attached: Some(Attached { key, hop: None }),
            misdirected: None,
            body: None,
            state: State::Ended,
            outgoing: Outgoing::default(),
            looks: 0,
            waits: 0,
            ran_in: None,
            was_forwarded: false,
            origin: Origin::Own,
            was_forgotten: false,
            request_id: replica.options.request_id,
            is_upkeep: true,
        };
        let step = run.confirm(replica, key);
        Some((run, step))
    }

    /// Its number.
    pub fn number(&self) -> RunNumber {
        self.number
    }

    /// The ID that it bears, in the one spelling that is looked up.
    pub fn session_id(&self) -> Option<&[u8]> {
        let id = self.head.head.attached_id().and_then(SessionId::parse)?;
        Some(id.as_str().as_bytes())
    }

    /// Whether it claims, restores or writes its session, so that others have to wait for it.
    pub fn is_taking(&self, replica: &Replica) -> bool {
        self.attached.is_some_and(|it| replica.is_busy_by(&it.key, self.number))
    }

    /// Takes the body of the request; `None` if it was too long, too slow, or broke off.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn body_read(
        &mut self,
        replica: &mut Replica,
        body: Option<&[u8]>,
    ) -> Result<Step, Misuse> {
        let State::Reading = self.state else { return Err(Misuse) };
        self.body = body.map(Box::from);
        Ok(self.decide(replica))
    }

    /// Takes that there was no room for the body of the request, among those of all others. Where
    /// no session is attached it may be an `initialize`, and is to be sent again; any other goes
    /// on without.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn no_room_for_body(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        let State::Reading = self.state else { return Err(Misuse) };
        Ok(if self.attached.is_none() { self.unavailable() } else { self.decide(replica) })
    }

    /// Takes that the body of the request has given way to that of another, and that what was read
    /// of it is gone: nobody can be given the request any more, whatever it names. It is to be sent
    /// again. What an ID that it names is worth is not known before it is there: whoever stalls
    /// would else name one.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn body_gave_way(&mut self, _replica: &mut Replica) -> Result<Step, Misuse> {
        let State::Reading = self.state else { return Err(Misuse) };
        Ok(self.unavailable())
    }

    /// Takes what the table has of the session, and how its owner is reached, if the lease of
    /// that stands.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn found(
        &mut self,
        replica: &mut Replica,
        found: Option<(Entry, Option<Box<[u8]>>)>,
    ) -> Result<Step, Misuse> {
        let (State::Finding, Some(attached)) = (&self.state, self.attached) else {
            return Err(Misuse);
        };
        // Another run has claimed it while the table was asked.
        let owned = replica.owned.get(&attached.key);
        let is_anothers = owned.is_some_and(|owned| owned.record.principal != self.principal);
        let step = match found {
            _ if is_anothers => self.unknown(),
            Some((entry, addresses)) => self.found_entry(replica, attached, entry, addresses),
            None if replica.owned.get(&attached.key).is_some() => {
                self.write_anew(replica, attached.key, None)
            }
            None if replica.lease.is_settling() => self.unavailable(),
            None if replica.options.durability == Durability::Durable => self.unknown(),
            None => self.renew(AfterRenewal::Unknown),
        };
        self.release_unless_taking(replica);
        Ok(step)
    }

    /// Takes that the table has renewed the lease. The replica is told as well.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn renewed(&mut self, replica: &mut Replica, renewal: Renewal) -> Result<Step, Misuse> {
        let State::Renewing(then) = self.state else { return Err(Misuse) };
        replica.note_renewal(renewal);
        Ok(match then {
            AfterRenewal::Look => self.look(replica),
            AfterRenewal::Unknown if replica.lease.is_settling() => self.unavailable(),
            AfterRenewal::Unknown => self.unknown(),
        })
    }

    /// Takes that the table could not be asked.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for the table.
    pub fn table_failed(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        Ok(match core::mem::replace(&mut self.state, State::Ended) {
            State::Finding => {
                self.release_unless_taking(replica);
                self.serve_or(replica, Self::unavailable)
            }
            State::Renewing(then) => {
                replica.renewal_failed();
                match then {
                    AfterRenewal::Look => self.serve_or(replica, Self::unavailable),
                    AfterRenewal::Unknown => self.unavailable(),
                }
            }
            State::Writing(writing) => self.write_failed(replica, writing),
            other @ (State::Reading
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
                return Err(Misuse);
            }
        })
    }

    /// Takes the end of a wait for another run of this process.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn hold_over(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        let State::Held(Held { by, then }) = self.state else { return Err(Misuse) };
        if replica.has_failed(by) {
            // One after the other, they would wait for as long as each of them needs to fail.
            return Ok(self.unavailable());
        }
        Ok(match then {
            AfterHold::Look => self.look(replica),
            AfterHold::Forgotten => self.forgotten(replica),
        })
    }

    /// Takes the end of a wait.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn wait_over(&mut self, replica: &mut Replica) -> Result<Step, Misuse> {
        let State::Waiting = self.state else { return Err(Misuse) };
        Ok(self.look(replica))
    }

    /// Takes that the application was told to end the session that it was not to open, whatever
    /// it has said to that.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn ended_in_app(&mut self, _replica: &mut Replica) -> Result<Step, Misuse> {
        let State::Ending = self.state else { return Err(Misuse) };
        Ok(self.unavailable())
    }

    /// Takes that the request is over, however it ended. What it was about to do to its session
    /// others may do now.
    pub fn finish(&mut self, replica: &mut Replica) {
        self.state = State::Ended;
        let Some(Attached { key, .. }) = self.attached else { return };
        replica.release(&key, self.number);
        replica.forwards.end(&key, self.number);
        if let Some(owned) = replica.owned.get_mut(&key) {
            owned.runs.remove(&self.number);
        }
    }

    fn method(&self) -> Method {
        self.head.head.method()
    }

    fn request(&self) -> Request<'_> {
        self.head.head.request(self.body.as_deref().map(peek))
    }

    fn message(&self) -> Option<Message<'_>> {
        self.body.as_deref().filter(|_| self.method() == Method::Post).map(peek)
    }

    /// What the table of admission says before the session is looked up.
    fn decide(&mut self, replica: &mut Replica) -> Step {
        if let Some(mark) = self.misdirected.take() {
            self.state = State::Ended;
            return Step::Reply(Reply::misdirected(&mark));
        }
        let is_initialize = self.message().is_some_and(|message| message.is_initialize());
        if !self.head.head.bears_session_header()
            && !is_initialize
            && !self.requires_session(replica.options.sessionless)
        {
            return self.pass(HandlerHeader::AsItCame);
        }
        let verdict = admit(&self.request(), Lookup::Known);
        if verdict.response().is_some() {
            return self.refuse(Lookup::Known);
        }
        match (verdict.session_header(), self.method()) {
            (SessionHeader::Withhold(_), _) if is_initialize => self.open(replica),
            (SessionHeader::Withhold(_), _) => self.pass(HandlerHeader::Absent),
            // It is not looked up, so it is not known whose it is.
            (SessionHeader::Forward, Method::Other) => self.pass(HandlerHeader::Absent),
            (SessionHeader::Forward, Method::Post | Method::Get | Method::Delete) => {
                self.look(replica)
            }
        }
    }

    /// Whether a request without a session header is one of those that bear it.
    fn requires_session(&self, sessionless: Sessionless) -> bool {
        match (sessionless, self.method()) {
            // "The client MUST include an `Accept` header, listing `text/event-stream` as a
            // supported content type." Whatever else is asked for is no matter of MCP.
            // https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server
            (Sessionless::Refuse, Method::Get) => self.head.accepts_events(),
            (Sessionless::Refuse, Method::Post) => {
                self.message().is_some_and(|message| message.kind() != Kind::Malformed)
            }
            // What has no session has none to end: the application says so.
            (Sessionless::Refuse, Method::Delete | Method::Other) | (Sessionless::Pass, _) => false,
        }
    }

    /// It is no matter of a session.
    fn pass(&mut self, header: HandlerHeader) -> Step {
        self.attached = None;
        self.state = State::Passed;
        Step::RunApp(RunApp { header, origin: Origin::Own, watch: Watch::Nothing })
    }

    /// Looks where the session is, from the beginning.
    fn look(&mut self, replica: &mut Replica) -> Step {
        let Some(Attached { key, hop }) = self.attached else { return self.unknown() };
        let Some(owned) = replica.owned.get(&key) else {
            if self.is_upkeep {
                return self.end();
            }
            return match replica.busy(&key, self.number) {
                Some(other) => self.hold(other, AfterHold::Look),
                None => self.find(),
            };
        };
        let claim = owned.claim;
        if self.is_upkeep {
            return self.confirm(replica, key);
        }
        if owned.record.principal != self.principal || owned.is_terminated {
            return self.unknown();
        }
        if replica.is_draining && owned.runs.is_empty() {
            // Nothing of it runs here any more, for good.
            return match hop {
                Some(asked) => self.not_mine(replica, key, asked),
                None => self.unavailable(),
            };
        }
        if hop.is_some_and(|asked| asked > claim) {
            return self.find();
        }
        if replica.confirms(owned) { self.serve(replica, key) } else { self.confirm(replica, key) }
    }

    fn find(&mut self) -> Step {
        let Some(Attached { key, .. }) = self.attached else { return self.unknown() };
        self.looks += 1;
        if self.looks > MOST_LOOKS {
            return self.unavailable();
        }
        self.state = State::Finding;
        Step::Find(key)
    }

    fn found_entry(
        &mut self,
        replica: &mut Replica,
        Attached { key, hop }: Attached,
        entry: Entry,
        addresses: Option<Box<[u8]>>,
    ) -> Step {
        let is_mine = entry.owner == replica.identity;
        let record = Record::decode(&entry.value);
        replica.saw_claim(&key, &entry.owner, entry.claim);
        if let Some(owned) = replica.owned.get_mut(&key) {
            if owned.is_terminated && !matches!(record, Some(Record::Terminated)) {
                // It has ended here, whoever has it now.
                return self.terminate(replica, key, entry.claim, Ending::Late);
            }
            if is_mine && entry.claim >= owned.claim {
                // A write of ours of which the answer was lost.
                owned.claim = entry.claim;
                return self.write_anew(replica, key, Some(entry.claim));
            }
            if entry.claim < owned.claim && (is_mine || addresses.is_none()) {
                // The table went back to what it was. An owner whose lease stands may have
                // confirmed that since, and keeps it.
                return self.write_anew(replica, key, Some(entry.claim));
            }
            // Its streams end, but not the request at hand.
            owned.runs.remove(&self.number);
            replica.lose(&key);
        }
        if self.is_upkeep {
            return self.end();
        }
        let record = match record {
            // Of what cannot be read it is not known that it is over.
            None => return self.unavailable(),
            Some(Record::Terminated) => return self.unknown(),
            Some(Record::Live(record)) if record.principal != self.principal => {
                return self.unknown();
            }
            Some(Record::Live(record)) => record,
        };
        let Entry { claim, owner, value: _ } = entry;
        match (addresses, hop) {
            (_, Some(asked)) if !is_mine => self.not_mine(replica, key, asked),
            (Some(_), None) if !is_mine && !owner.is_empty() && self.is_body_gone() => {
                self.unavailable()
            }
            (Some(addresses), None) if !is_mine && !owner.is_empty() => {
                self.was_forwarded = true;
                let hop = hop::mark(&replica.key, &owner, &key, claim);
                replica.forwards.begin(key, self.number, &owner, claim, self.method());
                self.state = State::Forwarding(Forwarding { owner: owner.clone(), claim, record });
                Step::Forward(Forward { owner, addresses, hop })
            }
            (_, _) => self.take(replica, key, claim, record),
        }
    }

    /// Lets others have what it does not write after all.
    fn release_unless_taking(&self, replica: &mut Replica) {
        if let (Some(Attached { key, .. }), false) =
            (self.attached, matches!(self.state, State::Writing(_) | State::Restoring(_)))
        {
            replica.release(&key, self.number);
        }
    }

    fn renew(&mut self, then: AfterRenewal) -> Step {
        if let AfterRenewal::Look = then {
            // A lease that does not come about ends here, too.
            self.looks += 1;
            if self.looks > MOST_LOOKS {
                return self.unavailable();
            }
        }
        self.state = State::Renewing(then);
        Step::Renew
    }

    fn hold(&mut self, other: RunNumber, then: AfterHold) -> Step {
        if self.is_upkeep {
            return self.end();
        }
        self.state = State::Held(Held { by: other, then });
        Step::Hold(other)
    }

    /// 404, by the table of admission.
    fn unknown(&mut self) -> Step {
        self.refuse(Lookup::Unknown)
    }

    /// 503: also for an `initialize`, which that table lets pass.
    fn unavailable(&mut self) -> Step {
        self.reply(|id| Answer::unavailable(id))
    }

    fn refuse(&mut self, lookup: Lookup) -> Step {
        let verdict = admit(&self.request(), lookup);
        let reply = verdict.response().map(|answer| self.reply_of(answer));
        match reply {
            Some(reply) => self.end_with(reply),
            None => self.unavailable(),
        }
    }

    fn reply(&mut self, answer: impl for<'a> FnOnce(Option<RequestId<'a>>) -> Answer<'a>) -> Step {
        let message = self.message();
        let reply = self.reply_of(answer(message.as_ref().and_then(Message::echoed_id)));
        self.end_with(reply)
    }

    fn reply_of(&self, answer: Answer<'_>) -> Reply {
        match self.request_id {
            EchoId::Repeat => answer.into(),
            EchoId::LeaveOut => answer.without_id().into(),
        }
    }

    fn end_with(&mut self, reply: Reply) -> Step {
        self.state = State::Ended;
        if self.is_upkeep { Step::Done } else { Step::Reply(reply) }
    }
}

/// Nothing of the request shows.
impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Run")
            .field("number", &self.number)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
