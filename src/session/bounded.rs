//! Tables that remember the latest so many of a kind.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::borrow::Borrow;

/// At most this many of each kind are remembered; the oldest go first.
pub(super) const LIMIT: usize = 1024;

/// So many are looked through one by one: that takes less time than a tree, and less room.
const FEW: usize = 8;

/// The latest `CAPACITY` entries. Each operation takes a few look-ups on average, and never more
/// than a walk over twice the capacity.
///
/// Ordered, not hashed: no choice of keys makes it slow.
#[derive(Clone)]
pub(super) struct Bounded<K, V, const CAPACITY: usize = LIMIT> {
    /// The oldest first. Empty as long as there are many.
    few: Vec<(K, V)>,
    many: Option<Box<Many<K, V>>>,
}

impl<K, V, const CAPACITY: usize> Default for Bounded<K, V, CAPACITY> {
    fn default() -> Self {
        Self { few: Vec::new(), many: None }
    }
}

impl<K: Ord + Clone, V, const CAPACITY: usize> Bounded<K, V, CAPACITY> {
    /// Remembers an entry, in place of one with the same key; returns the one that had to go.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if let Some(many) = &mut self.many {
            many.insert(key, value);
            return if many.entries.len() > CAPACITY { many.pop_oldest() } else { None };
        }
        self.remove(&key);
        if self.few.len() == FEW && CAPACITY > FEW {
            let mut many = Box::new(Many::default());
            for (key, value) in self.few.drain(..) {
                many.insert(key, value);
            }
            many.insert(key, value);
            self.few = Vec::new();
            self.many = Some(many);
            return None;
        }
        if self.few.is_empty() {
            // Most tables never have a second entry.
            self.few.reserve_exact(1);
        }
        let is_full = self.few.len() == CAPACITY;
        let oldest = is_full.then(|| self.few.remove(0));
        self.few.push((key, value));
        oldest
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match &self.many {
            Some(many) => many.entries.get(key).map(|(_, value)| value),
            None => self.few.iter().find(|(it, _)| it.borrow() == key).map(|(_, value)| value),
        }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match &mut self.many {
            Some(many) => many.entries.get_mut(key).map(|(_, value)| value),
            None => self.few.iter_mut().find(|(it, _)| it == key).map(|(_, value)| value),
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let Some(many) = &mut self.many else {
            let place = self.few.iter().position(|(it, _)| it == key)?;
            return Some(self.few.remove(place).1);
        };
        let (_, value) = many.entries.remove(key)?;
        self.give_back();
        Some(value)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.few.retain(|(_, value)| keep(value));
        if let Some(many) = &mut self.many {
            many.entries.retain(|_, (_, value)| keep(value));
        }
        self.give_back();
    }

    pub(super) fn len(&self) -> usize {
        self.many.as_ref().map_or(self.few.len(), |many| many.entries.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From the oldest to the newest.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        let of_many = self.many.iter().flat_map(|many| many.values());
        self.few.iter().map(|(_, value)| value).chain(of_many)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let of_many = self.many.iter_mut().flat_map(|many| many.entries.values_mut());
        self.few.iter_mut().map(|(_, value)| value).chain(of_many.map(|(_, value)| value))
    }

    /// In no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        let of_many = self.many.iter().flat_map(|many| many.entries.keys());
        self.few.iter().map(|(key, _)| key).chain(of_many)
    }

    pub(super) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let oldest = match &mut self.many {
            Some(many) => many.pop_oldest(),
            None => (!self.few.is_empty()).then(|| self.few.remove(0)),
        };
        self.give_back();
        oldest
    }

    /// A table that was full once and is empty now takes no room.
    fn give_back(&mut self) {
        if self.many.as_ref().is_some_and(|many| many.entries.is_empty()) {
            self.many = None;
        }
    }
}

#[derive(Clone)]
struct Many<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    /// The keys by age, the oldest first. Of an entry that was removed or has come again, the age
    /// stands here until there are as many of those as of the others.
    ages: VecDeque<(u64, K)>,
    newest: u64,
}

impl<K, V> Default for Many<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), ages: VecDeque::new(), newest: 0 }
    }
}

impl<K: Ord + Clone, V> Many<K, V> {
    fn insert(&mut self, key: K, value: V) {
        self.newest += 1;
        self.forget_ages();
        self.ages.push_back((self.newest, key.clone()));
        self.entries.insert(key, (self.newest, value));
    }

    fn values(&self) -> impl Iterator<Item = &V> {
        self.ages.iter().filter_map(|(age, key)| {
            self.entries.get(key).filter(|(newest, _)| newest == age).map(|(_, value)| value)
        })
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        while let Some((age, key)) = self.ages.pop_front() {
            if self.entries.get(&key).is_some_and(|(newest, _)| *newest == age) {
                let (_, value) = self.entries.remove(&key)?;
                return Some((key, value));
            }
        }
        None
    }

    /// Drops the ages that stand for nothing, if there are too many.
    fn forget_ages(&mut self) {
        if self.ages.len() < 2 * self.entries.len() + FEW {
            return;
        }
        let entries = &self.entries;
        self.ages.retain(|(age, key)| entries.get(key).is_some_and(|(newest, _)| newest == age));
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

        assert_eq!((1, "c"), (table.len(), &*table.values().collect::<alloc::string::String>()));
        assert!(!table.is_empty());
    }

    /// Every table of these must be one to whoever uses it, few or many.
    #[test]
    fn it_is_a_list_of_the_latest_whatever_comes_and_goes() {
        let mut table: Bounded<u32, u32, 20> = Bounded::default();
        let mut list: Vec<(u32, u32)> = Vec::new();
        let mut random = 1_u32;
        for step in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (random >> 16) % 32;
            // It fills up, and is emptied, again and again.
            let removes = (random >> 24) % 100 < if step % 1000 < 500 { 30 } else { 70 };
            let known = list.iter().position(|(it, _)| *it == key).map(|at| list.remove(at));
            if removes {
                assert_eq!(known.map(|(_, value)| value), table.remove(&key));
            } else {
                let oldest = (list.len() == 20).then(|| list.remove(0));
                list.push((key, step));
                assert_eq!(oldest, table.insert(key, step));
            }
            assert!(list.iter().map(|(_, value)| value).eq(table.values()), "{step}");
            assert_eq!((list.len(), list.is_empty()), (table.len(), table.is_empty()));
            assert_eq!(
                list.last().map(|(_, value)| value),
                list.last().and_then(|it| table.get(&it.0))
            );
            let ages = table.many.as_ref().map_or(0, |many| many.ages.len());
            assert!(ages <= 2 * 20 + FEW + 1, "{ages}");
        }
        table.retain(|_| false);
        assert!(table.is_empty() && table.many.is_none());
    }

    #[test]
    fn an_entry_that_was_removed_and_comes_again_is_the_newest() {
        let mut table: Bounded<u8, char, 3> = Bounded::default();
        for (key, value) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            let _ = table.insert(key, value);
        }
        assert_eq!(Some('a'), table.remove(&1));
        assert_eq!(None, table.insert(1, 'd'));

        assert_eq!(Some((2, 'b')), table.insert(4, 'e'));

        assert_eq!("cde", table.values().collect::<alloc::string::String>());
    }
}
