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

/// How often a request waits for the lease of an owner that cannot be reached.
const MOST_WAITS: u32 = 10;
/// How long each time, whatever a lease is: at most 10 s together. No client waits longer.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What the waits together are longer than a lease that was renewed when the first began.
const PAST_LEASE: Duration = Duration::from_millis(500);

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
        Step::Wait(wait_for(replica.options.lease))
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

/// So that all waits of a request are past the end of a lease: else it would be answered 503
/// though its owner is gone, and a moment later the next one be served.
fn wait_for(lease: Duration) -> Duration {
    let each = lease.saturating_add(PAST_LEASE) / MOST_WAITS;
    each.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_past_the_end_of_a_lease_and_never_for_more_than_ten_seconds() {
        for tenths in 0..=95 {
            let lease = Duration::from_millis(100 * tenths);
            assert!(wait_for(lease) * MOST_WAITS >= lease + PAST_LEASE, "{lease:?}");
        }
        for lease in [Duration::from_secs(10), Duration::from_secs(86_400), Duration::MAX] {
            assert_eq!(wait_for(lease) * MOST_WAITS, Duration::from_secs(10));
        }
    }
}
