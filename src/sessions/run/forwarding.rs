//! A request that another process is asked to run.

use core::time::Duration;

use super::super::hop;
use super::super::key::SessionKey;
use super::super::replica::Replica;
use super::super::step::{ForwardFailure, Misuse, Reply, Step};
use super::Run;
use super::state::{Attached, State};
use crate::answer::Answer;
use crate::exchange::Method;

/// How often, and how long, a request waits for the lease of an owner that cannot be reached.
const MOST_WAITS: u32 = 10;
const WAIT: Duration = Duration::from_millis(200);

impl Run {
    /// Takes the head of what the owner has answered.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn forward_answered(
        &mut self,
        replica: &mut Replica,
        status: http::StatusCode,
        hop_header: Option<&[u8]>,
    ) -> Result<Step, Misuse> {
        let (State::Forwarding(forwarding), Some(attached)) = (&self.state, self.attached) else {
            return Err(Misuse);
        };
        let hop = hop::Hop { to: &forwarding.owner, claim: forwarding.claim };
        let refusal = hop_header
            .filter(|_| status == http::StatusCode::MISDIRECTED_REQUEST)
            .and_then(|value| hop::refusal_in(value, &replica.key, &attached.key, hop));
        Ok(match refusal {
            None => {
                self.state = State::Ended;
                Step::Relay
            }
            // It will never run this claim again. Where another has a newer one, the table says
            // so.
            Some(hop::Refusal::NotMine) => self.take_over(replica, attached.key),
            // Nothing was run, and only its lease can tell whether the owner is gone.
            Some(hop::Refusal::NotHere) => self.wait(replica),
        })
    }

    /// Takes that the request did not come to its owner, or that the owner did not answer.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the run does not wait for that.
    pub fn forward_failed(
        &mut self,
        replica: &mut Replica,
        how: ForwardFailure,
    ) -> Result<Step, Misuse> {
        let (State::Forwarding(_), Some(attached)) = (&self.state, self.attached) else {
            return Err(Misuse);
        };
        Ok(match (how, self.method()) {
            (ForwardFailure::Refused, _) => self.take_over(replica, attached.key),
            (ForwardFailure::InDoubt, Method::Post) => {
                replica.forwards.end(&attached.key, self.number);
                self.reply(|id| Answer::owner_lost(id))
            }
            // To open a stream or to end a session twice is to do it once.
            (ForwardFailure::InDoubt, Method::Get | Method::Delete | Method::Other)
            | (ForwardFailure::Unreachable, _) => self.wait(replica),
        })
    }

    pub(super) fn wait(&mut self, replica: &mut Replica) -> Step {
        if let Some(Attached { key, .. }) = self.attached {
            replica.forwards.end(&key, self.number);
        }
        self.waits += 1;
        if self.waits > MOST_WAITS {
            return self.unavailable();
        }
        self.state = State::Waiting;
        Step::Wait(WAIT)
    }

    /// Whether the body was read by whoever had the request before, and cannot be given again.
    pub(super) fn is_body_gone(&self) -> bool {
        let was_given = self.ran_in.is_some() || self.was_forwarded;
        was_given && self.body.is_none() && self.method() == Method::Post
    }

    pub(super) fn not_mine(&mut self, replica: &Replica, key: SessionKey, claim: u64) -> Step {
        self.state = State::Ended;
        let hop = hop::Hop { to: &replica.identity, claim };
        let mark = hop::refusal(&replica.key, hop::Refusal::NotMine, &key, hop);
        Step::Reply(Reply::misdirected(&mark))
    }
}
