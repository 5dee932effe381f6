//! Which of the bodies that are being read gives way where there is no room for another.

use alloc::collections::BTreeSet;

/// The bodies that have begun and not ended, in the order in which they began.
///
/// Whoever sends a request sends its body at once, as a rule. One that has been coming for the
/// longest time is of a client that is slow, or that never ends it; so it is the first to give way.
///
/// ```
/// use mcp_session_core::server::UnfinishedBodies;
///
/// let mut unfinished = UnfinishedBodies::default();
/// let (first, second) = (unfinished.begin(), unfinished.begin());
///
/// assert_eq!(unfinished.give_way(Some(second)), Some(first));
/// assert_eq!(unfinished.give_way(Some(second)), None);
/// ```
#[derive(Debug, Default)]
pub struct UnfinishedBodies {
    bodies: BTreeSet<BodyNumber>,
    begun: u64,
}

/// Which body it is; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyNumber(u64);

impl From<BodyNumber> for u64 {
    fn from(number: BodyNumber) -> Self {
        number.0
    }
}

impl UnfinishedBodies {
    /// Takes that a body has begun.
    pub fn begin(&mut self) -> BodyNumber {
        self.begun += 1;
        let number = BodyNumber(self.begun);
        self.bodies.insert(number);
        number
    }

    /// Takes that it has ended, however that came.
    pub fn end(&mut self, number: BodyNumber) {
        self.bodies.remove(&number);
    }

    /// Takes the one that gives way for that one, or for one that is none of them: the oldest of
    /// the others. `None` where there is none.
    pub fn give_way(&mut self, to: Option<BodyNumber>) -> Option<BodyNumber> {
        let oldest = self.bodies.iter().find(|number| Some(**number) != to).copied()?;
        self.bodies.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_none_twice_and_none_for_itself() {
        let mut unfinished = UnfinishedBodies::default();
        let numbers: [BodyNumber; 4] = core::array::from_fn(|_| unfinished.begin());

        unfinished.end(numbers[1]);
        let gave_way: [_; 3] = core::array::from_fn(|_| unfinished.give_way(Some(numbers[0])));

        assert_eq!([Some(numbers[2]), Some(numbers[3]), None], gave_way);
        assert_eq!(Some(numbers[0]), unfinished.give_way(None));
        assert_eq!(None, unfinished.give_way(None));
    }
}
