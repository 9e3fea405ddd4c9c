//! Which versions are on disk, how many bytes each takes, and which goes first when room is needed.
//!
//! Pure bookkeeping: it says what to evict, others delete.
//!
//! # Invariants
//! * [`Index::grow`] never lets the sum of bytes go over the budget: it names what to evict, or refuses.
//! * What is pinned (open) is never named for eviction.

use std::collections::HashMap;

use lru::LruCache;

use super::version::FileId;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Index {
    budget: u64,
    /// Bytes of versions that nobody has open, least recently used last to come out of `iter`.
    idle: LruCache<FileId, u64>,
    idle_bytes: u64,
    pinned: HashMap<FileId, Pinned>,
    pinned_bytes: u64,
}

#[derive(Debug, Default)]
struct Pinned {
    pins: usize,
    bytes: u64,
}

/// The answer to [`Index::grow`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grow {
    /// There is room once these are deleted. The index has forgotten them already.
    Fits(Vec<FileId>),
    /// There is no room beside what is pinned.
    Full,
}

impl Index {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, idle: LruCache::unbounded(), idle_bytes: 0, pinned: HashMap::new(), pinned_bytes: 0 }
    }

    /// Returns the bytes of all versions on disk.
    pub(super) fn used(&self) -> u64 {
        self.idle_bytes + self.pinned_bytes
    }

    /// Returns the bytes of the versions that are open.
    pub(super) fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes
    }

    /// Returns how many versions have bytes on disk.
    pub(super) fn files(&self) -> usize {
        self.idle.len() + self.pinned.values().filter(|p| p.bytes > 0).count()
    }

    /// Returns whether `id` has bytes on disk.
    pub(super) fn has(&self, id: FileId) -> bool {
        self.idle.contains(&id) || self.pinned.get(&id).is_some_and(|p| p.bytes > 0)
    }

    /// Returns the versions that nobody has open, least recently used first.
    pub(super) fn idle(&self) -> Vec<FileId> {
        self.idle.iter().rev().map(|(id, _)| *id).collect()
    }

    /// Returns whether `id` has bytes on disk and nobody has it open.
    pub(super) fn is_idle(&self, id: FileId) -> bool {
        self.idle.contains(&id)
    }

    /// Takes in a version found on disk or put there complete, as the most recently used. Follow with
    /// [`Self::over_budget`].
    pub(super) fn add(&mut self, id: FileId, bytes: u64) {
        if let Some(pinned) = self.pinned.get_mut(&id) {
            self.pinned_bytes = self.pinned_bytes - pinned.bytes + bytes;
            pinned.bytes = bytes;
        } else {
            self.idle_bytes += bytes;
            self.idle_bytes -= self.idle.put(id, bytes).unwrap_or(0);
        }
    }

    /// Pins `id`, which may have no bytes yet. Pins are counted.
    pub(super) fn pin(&mut self, id: FileId) {
        let pinned = self.pinned.entry(id).or_default();
        pinned.pins += 1;
        if let Some(bytes) = self.idle.pop(&id) {
            pinned.bytes = bytes;
            self.idle_bytes -= bytes;
            self.pinned_bytes += bytes;
        }
    }

    /// Takes back one pin. With the last one `id` becomes the most recently used of the idle. Returns what is to be
    /// deleted, where pinned versions were over the budget.
    pub(super) fn unpin(&mut self, id: FileId) -> Vec<FileId> {
        let Some(pinned) = self.pinned.get_mut(&id) else { return Vec::new() };
        pinned.pins = pinned.pins.saturating_sub(1);
        if pinned.pins > 0 {
            return Vec::new();
        }
        let bytes = pinned.bytes;
        self.pinned.remove(&id);
        self.pinned_bytes -= bytes;
        if bytes > 0 {
            self.idle_bytes += bytes;
            self.idle.put(id, bytes);
        }
        self.over_budget()
    }

    /// Returns whether there is room for `bytes` of the pinned version `id` in all, beside what else is pinned.
    pub(super) fn has_room(&self, id: FileId, bytes: u64) -> bool {
        let own = self.pinned.get(&id).map_or(0, |pinned| pinned.bytes);
        (self.pinned_bytes - own).saturating_add(bytes) <= self.budget
    }

    /// Asks for `bytes` more for the pinned version `id`.
    pub(super) fn grow(&mut self, id: FileId, bytes: u64) -> Grow {
        let Some(pinned) = self.pinned.get_mut(&id) else { return Grow::Full };
        if self.pinned_bytes.saturating_add(bytes) > self.budget {
            return Grow::Full;
        }
        pinned.bytes += bytes;
        self.pinned_bytes += bytes;
        Grow::Fits(self.over_budget())
    }

    /// Gives back `bytes` of `id` that did not reach the disk after all.
    pub(super) fn shrink(&mut self, id: FileId, bytes: u64) {
        if let Some(pinned) = self.pinned.get_mut(&id) {
            let bytes = bytes.min(pinned.bytes);
            pinned.bytes -= bytes;
            self.pinned_bytes -= bytes;
        }
    }

    /// Forgets the bytes of `id`. Its pins stay.
    pub(super) fn forget(&mut self, id: FileId) {
        if let Some(bytes) = self.idle.pop(&id) {
            self.idle_bytes -= bytes;
        }
        if let Some(pinned) = self.pinned.get_mut(&id) {
            self.pinned_bytes -= pinned.bytes;
            pinned.bytes = 0;
        }
    }

    /// Forgets the least recently used idle versions until the budget holds and returns them, to be deleted.
    pub(super) fn over_budget(&mut self) -> Vec<FileId> {
        self.evict_down_to(self.budget, usize::MAX)
    }

    /// Forgets least recently used idle versions until `bytes` of them are gone, or `most` of them, and returns them, to be
    /// deleted.
    pub(super) fn evict(&mut self, bytes: u64, most: usize) -> Vec<FileId> {
        self.evict_down_to(self.used().saturating_sub(bytes), most)
    }

    fn evict_down_to(&mut self, target: u64, most: usize) -> Vec<FileId> {
        let mut gone = Vec::new();
        while self.used() > target && gone.len() < most {
            let Some((id, bytes)) = self.idle.pop_lru() else { break };
            self.idle_bytes -= bytes;
            gone.push(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> FileId {
        FileId::from_byte(n)
    }

    #[test]
    fn grow_beyond_the_budget_names_the_least_recently_used() {
        let mut index = Index::new(100);
        index.add(id(1), 40);
        index.add(id(2), 40);
        index.pin(id(1));
        index.unpin(id(1));
        index.pin(id(3));
        assert_eq!(index.grow(id(3), 50), Grow::Fits(vec![id(2)]));
        assert_eq!(index.used(), 90);
    }

    #[test]
    fn grow_beside_pinned_bytes_that_fill_the_budget_is_refused_and_evicts_nothing() {
        let mut index = Index::new(100);
        index.add(id(1), 60);
        index.add(id(2), 30);
        index.pin(id(1));
        index.pin(id(3));
        assert_eq!(index.grow(id(3), 50), Grow::Full);
        assert!(index.has(id(2)));
        assert!(index.has_room(id(3), 40) && !index.has_room(id(3), 41));
        assert!(index.has_room(id(1), 100));
    }

    #[test]
    fn unpin_of_one_of_two_pins_keeps_it_pinned() {
        let mut index = Index::new(10);
        index.add(id(1), 10);
        index.pin(id(1));
        index.pin(id(1));
        index.unpin(id(1));
        assert!(index.evict(10, 9).is_empty());
        index.unpin(id(1));
        assert_eq!(index.evict(10, 9), vec![id(1)]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u8, u64),
        Pin(u8),
        Unpin(u8),
        Grow(u8, u64),
        Shrink(u8, u64),
        Forget(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let file = 0..8_u8;
        prop_oneof![
            (file.clone(), 1..60_u64).prop_map(|(f, b)| Step::Add(f, b)),
            file.clone().prop_map(Step::Pin),
            file.clone().prop_map(Step::Unpin),
            (file.clone(), 1..60_u64).prop_map(|(f, b)| Step::Grow(f, b)),
            (file.clone(), 1..60_u64).prop_map(|(f, b)| Step::Shrink(f, b)),
            file.prop_map(Step::Forget),
        ]
    }

    proptest! {
        /// Held against a plain map of what is on disk: never over budget but for what is pinned, pinned files are
        /// never named for eviction, and the sums are those of the files.
        #[test]
        fn index_under_any_steps_holds_its_budget(steps in proptest::collection::vec(step(), 1..200)) {
            const BUDGET: u64 = 100;
            let mut index = Index::new(BUDGET);
            let mut disk: HashMap<u8, u64> = HashMap::new();
            let mut pins: HashMap<u8, usize> = HashMap::new();
            for step in steps {
                let mut evicted = Vec::new();
                match step {
                    Step::Add(f, bytes) => {
                        index.add(id(f), bytes);
                        disk.insert(f, bytes);
                        evicted = index.over_budget();
                    }
                    Step::Pin(f) => {
                        index.pin(id(f));
                        *pins.entry(f).or_default() += 1;
                    }
                    Step::Unpin(f) => {
                        evicted = index.unpin(id(f));
                        pins.entry(f).and_modify(|n| *n = n.saturating_sub(1));
                    }
                    Step::Grow(f, bytes) => match index.grow(id(f), bytes) {
                        Grow::Fits(gone) => {
                            *disk.entry(f).or_default() += bytes;
                            evicted = gone;
                            prop_assert!(index.used() <= BUDGET || index.used() == index.pinned_bytes());
                        }
                        Grow::Full => {}
                    },
                    Step::Shrink(f, bytes) => {
                        if pins.get(&f).is_some_and(|n| *n > 0) {
                            disk.entry(f).and_modify(|b| *b = b.saturating_sub(bytes));
                        }
                        index.shrink(id(f), bytes);
                    }
                    Step::Forget(f) => {
                        index.forget(id(f));
                        disk.remove(&f);
                    }
                }
                for gone in evicted {
                    let f = (0..8).find(|f| id(*f) == gone).unwrap();
                    prop_assert!(pins.get(&f).is_none_or(|n| *n == 0), "{f} is pinned");
                    disk.remove(&f);
                }
                prop_assert_eq!(index.used(), disk.values().sum::<u64>());
                let pinned: u64 =
                    disk.iter().filter(|(f, _)| pins.get(f).is_some_and(|n| *n > 0)).map(|(_, b)| b).sum();
                prop_assert_eq!(index.pinned_bytes(), pinned);
                prop_assert!(index.used() <= BUDGET.max(pinned));
            }
        }
    }
}
