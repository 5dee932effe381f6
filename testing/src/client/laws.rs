//! The laws as predicates over what happened, each without the model: they look at the
//! machine's own answers only, and at what the world's servers have said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use super::words::{Sending, Step, What};
use super::world::{CREDENTIAL, HOST, PATH};

/// What is kept of a request.
struct Entry {
    what: What,
    endpoint: u8,
    credentials: u8,
    bears: Option<String>,
    sendings: u32,
    waits: u32,
    outcome: Option<Outcome>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Delivered,
    /// With a success whose answers are still to come.
    Streamed,
    Answered,
    Raised,
    /// Its caller went away.
    Dropped,
}

/// How one call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallEnd {
    Answer,
    Error,
}

/// The history, as far as the laws speak of it.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    calls: BTreeMap<String, Vec<CallEnd>>,
    /// Who may act under an ID: whoever opened its session, or was let in by its server.
    owners: BTreeMap<(u8, String), BTreeSet<u8>>,
}

impl Ledger {
    pub fn began(&mut self, what: What, endpoint: u8, credentials: u8, bears: Option<&str>) {
        let bears = bears.map(str::to_owned);
        let entry =
            Entry { what, endpoint, credentials, bears, sendings: 0, waits: 0, outcome: None };
        self.entries.push(entry);
    }

    /// Law 2: nothing goes out under an ID that its caller neither bore nor owns.
    pub fn transmitted(&mut self, request: usize, sending: &Sending, told: &str) {
        let it = &mut self.entries[request];
        it.sendings += 1;
        assert!(
            it.what.is_get() || it.sendings <= 2,
            "law 3: {:?} goes out for the third time",
            it.what
        );
        let Some(id) = sending.id.as_ref().filter(|id| it.bears.as_ref() != Some(id)) else {
            return;
        };
        let owners = self.owners.get(&(it.endpoint, id.clone()));
        assert!(
            owners.is_some_and(|it_is| it_is.contains(&it.credentials)),
            "law 2: {:?} of {} goes out in a session of {owners:?} after {told}",
            it.what,
            it.credentials
        );
    }

    /// The server has opened a session for a request, or in place of one that it has opened.
    pub fn replaced(&mut self, opener: usize, id: &str) {
        let it = &self.entries[opener];
        let (endpoint, credentials) = (it.endpoint, it.credentials);
        let mut of_opener: BTreeSet<u8> = [credentials].into();
        for ((at, _), owners) in &self.owners {
            if *at == endpoint && owners.contains(&credentials) {
                of_opener.extend(owners);
            }
        }
        self.owners.entry((endpoint, id.to_owned())).or_default().extend(of_opener);
    }

    /// The server has let a request in, with the ID that it bore.
    pub fn let_in(&mut self, request: usize) {
        let it = &self.entries[request];
        let Some(id) = it.bears.clone() else { return };
        if let Some(owners) = self.owners.get_mut(&(it.endpoint, id)) {
            owners.insert(it.credentials);
        }
    }

    /// Law 8: waits are bounded, each and in their number for one that resumes.
    pub fn waited(&mut self, request: usize, wait: Duration, resumes: bool) {
        let it = &mut self.entries[request];
        it.waits += 1;
        assert!(wait <= Duration::from_secs(60), "law 8: it waits for {wait:?}");
        assert!(it.what.is_get(), "law 3: {:?} waits for a server that is not there", it.what);
        assert!(!resumes || it.waits < 10, "law 8: a stream is asked for in vain for ever");
    }

    /// Law 3: it ends once.
    pub fn ended(&mut self, request: usize, outcome: Outcome) {
        let before = self.entries[request].outcome.replace(outcome);
        assert_eq!(None, before, "law 3: request {request} ends twice");
    }

    pub fn has_ended(&self, request: usize) -> bool {
        self.entries[request].outcome.is_some()
    }

    /// Law 4: an answer to a call, or an error for it, and no second end.
    pub fn call_answered(&mut self, id: &str) {
        self.call_ended(id, CallEnd::Answer);
    }

    pub fn call_failed(&mut self, id: &str) {
        self.call_ended(id, CallEnd::Error);
    }

    /// How many calls have ended in an error of ours.
    pub fn failed_calls(&self) -> usize {
        self.calls.values().flatten().filter(|it| **it == CallEnd::Error).count()
    }

    fn call_ended(&mut self, id: &str, end: CallEnd) {
        let ends = self.calls.entry(id.to_owned()).or_default();
        ends.push(end);
        assert!(ends.len() == 1, "law 4: the call {id} ends as {ends:?}");
    }

    /// Laws 3 and 4, once nothing is left to do: every request has ended, and every call that
    /// got a success. `excused` are those whose reader can know of no end.
    pub fn everything_has_ended(
        &self,
        ids: &[Vec<String>],
        excused: &BTreeSet<String>,
        told: &str,
    ) {
        for (request, entry) in self.entries.iter().enumerate() {
            let outcome = entry.outcome;
            assert!(
                outcome.is_some(),
                "law 3: request {request}, {:?}, never ends after {told}",
                entry.what
            );
            let waits_for_answers = match outcome {
                Some(Outcome::Streamed | Outcome::Answered) => entry.what != What::Initialize,
                Some(Outcome::Passed | Outcome::Delivered | Outcome::Raised | Outcome::Dropped)
                | None => false,
            };
            for id in ids[request].iter().filter(|id| waits_for_answers && !excused.contains(*id)) {
                assert!(
                    self.calls.contains_key(id),
                    "law 4: the call {id} waits for ever after {told}"
                );
            }
        }
    }
}

/// Law 7, and what is a credential: nothing that is shown names one, or where it went.
pub fn shows_no_secret(shown: &impl Debug) {
    says_no_secret(&format!("{shown:?}"));
}

pub fn says_no_secret(text: &str) {
    for secret in [CREDENTIAL, HOST, PATH] {
        assert!(!text.contains(secret), "law 7: {text}");
    }
}

/// Law 7: a text that is made here is short, and has no control characters.
pub fn is_a_text_of_ours(text: &str) {
    says_no_secret(text);
    assert!(!text.chars().any(char::is_control), "law 7: {text:?}");
    assert!(text.chars().count() <= 800, "law 7: {text}");
}

/// Whether a step ends a request.
pub fn ends(step: &Step) -> bool {
    matches!(step, Step::Pass | Step::Deliver(_) | Step::Answer(_) | Step::Raise)
}
