//! Tables that remember the latest so many of a kind.

use alloc::collections::BTreeMap;
use core::borrow::Borrow;

/// At most this many of each kind are remembered; the oldest go first.
pub(super) const LIMIT: usize = 1024;

/// The latest `CAPACITY` entries. Each operation takes a few look-ups, whatever it holds.
///
/// Ordered, not hashed: no choice of keys makes it slow.
#[derive(Clone)]
pub(super) struct Bounded<K, V, const CAPACITY: usize = LIMIT> {
    entries: BTreeMap<K, (u64, V)>,
    /// The keys by age.
    ages: BTreeMap<u64, K>,
    newest: u64,
}

impl<K, V, const CAPACITY: usize> Default for Bounded<K, V, CAPACITY> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), ages: BTreeMap::new(), newest: 0 }
    }
}

impl<K: Ord + Clone, V, const CAPACITY: usize> Bounded<K, V, CAPACITY> {
    /// Remembers an entry, in place of one with the same key; returns the one that had to go.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.remove(&key);
        let oldest = if self.entries.len() >= CAPACITY { self.pop_oldest() } else { None };
        self.newest += 1;
        self.ages.insert(self.newest, key.clone());
        self.entries.insert(key, (self.newest, value));
        oldest
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (age, value) = self.entries.remove(key)?;
        self.ages.remove(&age);
        Some(value)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        let ages = &mut self.ages;
        self.entries.retain(|_, (age, value)| {
            let keeps = keep(value);
            if !keeps {
                ages.remove(age);
            }
            keeps
        });
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// From the oldest to the newest.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.ages.values().filter_map(|key| self.get(key))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut().map(|(_, value)| value)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.keys()
    }

    pub(super) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.ages.pop_first()?;
        let (_, value) = self.entries.remove(&key)?;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room_and_an_entry_that_comes_again_is_the_newest() {
        let mut table: Bounded<u8, char, 3> = Bounded::default();
        for (key, value) in [(1, 'a'), (2, 'b'), (3, 'c'), (1, 'd')] {
            assert_eq!(None, table.insert(key, value));
        }

        assert_eq!(Some((2, 'b')), table.insert(4, 'e'));

        assert_eq!("cde", table.values().collect::<alloc::string::String>());
        assert_eq!((3, None, Some(&'d')), (table.len(), table.get(&2), table.get(&1)));
    }

    #[test]
    fn what_is_removed_makes_room() {
        let mut table: Bounded<u8, char, 2> = Bounded::default();
        let _ = (table.insert(1, 'a'), table.insert(2, 'b'));
        assert_eq!((Some('a'), None), (table.remove(&1), table.remove(&1)));
        assert_eq!(None, table.insert(3, 'c'));

        table.retain(|value| *value == 'c');

        assert_eq!((1, 1), (table.len(), table.ages.len()));
        assert!(!table.is_empty());
    }
}
