//! Keeps a server that forgets every session from being asked for one session after another.

use core::time::Duration;

use super::reason::Cooldown;

/// The longest time without a new session.
const LONGEST: Duration = Duration::from_secs(60);

/// A circuit breaker: generations that die before one success, and failed replacements, open it.
pub(super) struct Circuit {
    bound: u32,
    /// Those that were counted since the last success.
    strikes: u32,
    /// How often it was opened since the last success.
    openings: u32,
    /// The number of the last cooldown.
    cooldowns: u64,
    state: State,
}

enum State {
    Closed,
    /// No new session is made.
    Open(Cooldown),
    /// The time is over: one is tried.
    Trying,
}

impl Circuit {
    pub(super) fn new(bound: u32) -> Self {
        Self { bound, strikes: 0, openings: 0, cooldowns: 0, state: State::Closed }
    }

    /// A generation has ended, of which nothing is counted if it ever succeeded.
    pub(super) fn generation_ended(&mut self, proven: Proven) {
        match proven {
            Proven::Yes => self.open_at_bound(),
            Proven::No => self.strike(),
        }
    }

    /// A generation has ended before one success, or a replacement failed.
    pub(super) fn strike(&mut self) {
        self.strikes = self.strikes.saturating_add(1);
        self.open_at_bound();
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self { cooldowns: self.cooldowns, ..Self::new(self.bound) };
    }

    pub(super) fn cooldown_over(&mut self, over: Cooldown) {
        if self.cooldown() == Some(over) {
            self.state = State::Trying;
        }
    }

    /// The time that has to pass before a new session is made.
    pub(super) fn cooldown(&self) -> Option<Cooldown> {
        match self.state {
            State::Open(cooldown) => Some(cooldown),
            State::Closed | State::Trying => None,
        }
    }

    /// Whether no request is sent into another session.
    pub(super) fn is_at_bound(&self) -> bool {
        self.strikes >= self.bound
    }

    fn open_at_bound(&mut self) {
        if !self.is_at_bound() {
            return;
        }
        let doubled = 1_u64.checked_shl(self.openings).map(Duration::from_secs);
        let duration = doubled.map_or(LONGEST, |doubled| doubled.min(LONGEST));
        self.openings = self.openings.saturating_add(1);
        self.cooldowns += 1;
        self.state = State::Open(Cooldown { number: self.cooldowns, duration });
    }
}

/// Whether a generation has had a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proven {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn each_cooldown_is_twice_as_long_as_the_one_before_up_to_a_minute() {
        let mut circuit = Circuit::new(1);
        let mut opened = || {
            circuit.strike();
            circuit.cooldown().unwrap().duration().as_secs()
        };

        let seconds: Vec<u64> = (0..100).map(|_| opened()).collect();

        assert_eq!([1, 2, 4, 8, 16, 32, 60, 60], seconds[..8]);
        assert!(seconds[8..].iter().all(|it| *it == 60));
    }

    #[test]
    fn a_success_closes_it_and_the_next_cooldown_is_short_again_and_another() {
        let mut circuit = Circuit::new(2);
        circuit.strike();
        assert!(circuit.cooldown().is_none() && !circuit.is_at_bound());
        circuit.strike();
        let first = circuit.cooldown().unwrap();

        circuit.succeeded();

        assert!(circuit.cooldown().is_none() && !circuit.is_at_bound());
        circuit.strike();
        circuit.strike();
        let second = circuit.cooldown().unwrap();
        assert_eq!(first.duration(), second.duration());
        assert_ne!(first.number(), second.number());
    }

    #[test]
    fn only_the_cooldown_that_stands_can_be_over() {
        let mut circuit = Circuit::new(1);
        circuit.strike();
        let first = circuit.cooldown().unwrap();
        circuit.strike();
        let second = circuit.cooldown().unwrap();

        circuit.cooldown_over(first);
        assert_eq!(Some(second), circuit.cooldown());

        circuit.cooldown_over(second);
        assert_eq!(None, circuit.cooldown());
        assert!(circuit.is_at_bound());
    }

    #[test]
    fn with_a_bound_of_zero_even_a_generation_that_succeeded_opens_it() {
        for (bound, opens) in [(0, true), (1, false)] {
            let mut circuit = Circuit::new(bound);
            circuit.generation_ended(Proven::Yes);
            assert_eq!(opens, circuit.cooldown().is_some(), "{bound}");
        }
    }
}
