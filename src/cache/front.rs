//! The memory front: byte ranges that are in memory, least recently used first out.
//!
//! It holds what has just arrived, above all what has been fetched ahead of a reader and what waits to be written to
//! disk. What is on disk need not stay: the kernel's page cache has it. Pure bookkeeping: the bytes' own buffers carry
//! the budget (see [`super::memory`]).
//!
//! # Invariants
//! * An extent lies inside one block. Extents of one version may overlap (they hold equal bytes) but rarely do.
//! * *Dirty* extents (on their way to disk) are never evicted: that would free nothing, the writer holds them.
//! * *Unread* extents (fetched ahead, not yet read) are evicted only for a reader who waits.

use bytes::Bytes;
use lru::LruCache;

use super::chunks::{BLOCK, slice_of};
use super::version::FileId;
use crate::types::ByteRange;

/// Bytes of an object and where they begin in it.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Offset of the first byte in the object.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Extent {
    /// Returns the range that the bytes cover.
    pub fn range(&self) -> ByteRange {
        ByteRange::at(self.offset, self.bytes.len() as u64)
    }
}

/// Who is to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evict {
    /// Leave what is fetched ahead of readers alone.
    Polite,
    /// A reader waits: whatever can go, goes.
    Anything,
}

#[derive(Debug)]
struct Held {
    extent: Extent,
    dirty: bool,
    unread: bool,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Front {
    blocks: LruCache<(FileId, u64), Vec<Held>>,
}

impl Front {
    pub(super) fn new() -> Self {
        Self { blocks: LruCache::unbounded() }
    }

    /// Takes in `extent`, as the most recently used.
    pub(super) fn insert(&mut self, file: FileId, extent: Extent, dirty: bool, unread: bool) {
        debug_assert!(extent.bytes.is_empty() || extent.offset / BLOCK == (extent.range().end - 1) / BLOCK);
        let key = (file, extent.offset / BLOCK);
        let held = Held { extent, dirty, unread };
        match self.blocks.get_mut(&key) {
            Some(block) => {
                // the same range again (fetched anew after damage on disk): the newer one stands
                block.retain(|h| h.extent.range() != held.extent.range() || h.dirty);
                block.push(held);
            }
            None => {
                self.blocks.put(key, vec![held]);
            }
        }
    }

    /// Returns the bytes from `offset` to the end of the extent that holds it, cut at `end`. It becomes the most
    /// recently used where `touch` says so.
    pub(super) fn get(&mut self, file: FileId, offset: u64, end: u64, touch: bool) -> Option<Bytes> {
        let key = (file, offset / BLOCK);
        let block = if touch { self.blocks.get(&key) } else { self.blocks.peek(&key) }?;
        let wanted = ByteRange { start: offset, end };
        let held = block.iter().find(|h| h.extent.offset <= offset && offset < h.extent.range().end)?;
        slice_of(held.extent.offset, &held.extent.bytes, wanted)
    }

    /// Returns the end of the extent that holds `offset`, `None` where no extent does.
    pub(super) fn extent_end(&self, file: FileId, offset: u64) -> Option<u64> {
        self.end_of(file, offset, |_| true)
    }

    /// The same for extents that are on their way to disk.
    pub(super) fn dirty_extent_end(&self, file: FileId, offset: u64) -> Option<u64> {
        self.end_of(file, offset, |h| h.dirty)
    }

    fn end_of(&self, file: FileId, offset: u64, which: impl Fn(&Held) -> bool) -> Option<u64> {
        let block = self.blocks.peek(&(file, offset / BLOCK))?;
        let mut ranges = block.iter().filter(|h| which(h)).map(|h| h.extent.range());
        ranges.find(|r| r.start <= offset && offset < r.end).map(|r| r.end)
    }

    /// Notes that the writer is done with `range`.
    pub(super) fn set_clean(&mut self, file: FileId, range: ByteRange) {
        self.each(file, range, |h| h.dirty = false);
    }

    /// Notes that nobody is expected to read `range` soon (read already, or its reader went elsewhere).
    pub(super) fn set_read(&mut self, file: FileId, range: ByteRange) {
        self.each(file, range, |h| h.unread = false);
    }

    /// Notes that a sequential reader has left `range` behind: clean extents go where `drop` says so (they are on
    /// disk), all others become the first to be evicted. Returns what was let go, to be dropped without the lock.
    #[must_use]
    pub(super) fn pass(&mut self, file: FileId, range: ByteRange, drop: bool) -> Vec<Bytes> {
        let mut gone = Vec::new();
        for block in super::chunks::pieces(range, BLOCK).map(|p| p.start / BLOCK) {
            let key = (file, block);
            let Some(held) = self.blocks.peek_mut(&key) else { continue };
            for h in held.iter_mut() {
                h.unread = false;
            }
            if drop {
                gone.extend(held.extract_if(.., |h| !h.dirty).map(|h| h.extent.bytes));
            }
            if held.is_empty() {
                self.blocks.pop(&key);
            } else {
                self.blocks.demote(&key);
            }
        }
        gone
    }

    /// Lets go of everything held of `file`.
    #[must_use]
    pub(super) fn forget(&mut self, file: FileId) -> Vec<Bytes> {
        let mut gone = Vec::new();
        self.blocks.retain(|(f, _), held| {
            if *f == file {
                gone.extend(held.drain(..).map(|h| h.extent.bytes));
            }
            *f != file
        });
        gone
    }

    /// Lets go of least recently used extents until `bytes` are gone or no more may go.
    #[must_use]
    pub(super) fn evict(&mut self, how: Evict, bytes: u64) -> Vec<Bytes> {
        let may_go = |h: &Held| !h.dirty && (how == Evict::Anything || !h.unread);
        let mut freed = 0;
        let mut keys = Vec::new();
        for (key, held) in self.blocks.iter().rev() {
            if freed >= bytes {
                break;
            }
            let here: u64 = held.iter().filter(|h| may_go(h)).map(|h| h.extent.bytes.len() as u64).sum();
            if here > 0 {
                freed += here;
                keys.push(*key);
            }
        }
        let mut gone = Vec::new();
        for key in keys {
            if let Some(held) = self.blocks.peek_mut(&key) {
                gone.extend(held.extract_if(.., |h| may_go(h)).map(|h| h.extent.bytes));
                if held.is_empty() {
                    self.blocks.pop(&key);
                }
            }
        }
        gone
    }

    /// Returns how many bytes are held.
    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.blocks.iter().flat_map(|(_, held)| held).map(|h| h.extent.bytes.len() as u64).sum()
    }

    fn each(&mut self, file: FileId, range: ByteRange, change: impl Fn(&mut Held)) {
        for piece in super::chunks::pieces(range, BLOCK) {
            if let Some(held) = self.blocks.peek_mut(&(file, piece.start / BLOCK)) {
                let inside =
                    |h: &&mut Held| piece.start < h.extent.range().end && h.extent.offset < piece.end;
                held.iter_mut().filter(inside).for_each(&change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId::from_byte(1);

    fn extent(offset: u64, len: usize) -> Extent {
        Extent { offset, bytes: Bytes::from(vec![7; len]) }
    }

    #[test]
    fn get_inside_an_extent_returns_the_rest_of_it_cut_at_the_end() {
        let mut front = Front::new();
        front.insert(FILE, extent(100, 50), false, false);
        assert_eq!(front.get(FILE, 120, 1000, true).unwrap().len(), 30);
        assert_eq!(front.get(FILE, 120, 125, true).unwrap().len(), 5);
        assert_eq!(front.get(FILE, 150, 1000, true), None);
        assert_eq!(front.get(FileId::from_byte(2), 120, 1000, true), None);
    }

    #[test]
    fn evict_takes_the_least_recently_used_first() {
        let mut front = Front::new();
        for block in 0..3 {
            front.insert(FILE, extent(block * BLOCK, 10), false, false);
        }
        front.get(FILE, 0, 10, true);
        assert_eq!(front.evict(Evict::Polite, 1).len(), 1);
        assert!(front.extent_end(FILE, 0).is_some());
        assert!(front.extent_end(FILE, BLOCK).is_none());
        assert!(front.extent_end(FILE, 2 * BLOCK).is_some());
    }

    #[test]
    fn evict_leaves_dirty_always_and_unread_when_polite() {
        let mut front = Front::new();
        front.insert(FILE, extent(0, 10), true, false);
        front.insert(FILE, extent(BLOCK, 10), false, true);
        assert!(front.evict(Evict::Polite, 100).is_empty());
        assert_eq!(front.evict(Evict::Anything, 100).len(), 1);
        assert_eq!(front.bytes(), 10);
        assert_eq!(front.dirty_extent_end(FILE, 0), Some(10));
        front.set_clean(FILE, ByteRange { start: 0, end: 10 });
        assert_eq!((front.dirty_extent_end(FILE, 0), front.extent_end(FILE, 0)), (None, Some(10)));
        assert_eq!(front.evict(Evict::Polite, 100).len(), 1);
        assert_eq!(front.bytes(), 0);
    }

    #[test]
    fn pass_drops_clean_extents_or_makes_them_first_to_go() {
        let mut front = Front::new();
        for block in 0..2 {
            front.insert(FILE, extent(block * BLOCK, 10), false, true);
        }
        assert!(front.pass(FILE, ByteRange { start: BLOCK, end: BLOCK + 10 }, false).is_empty());
        assert_eq!(front.evict(Evict::Polite, 1).len(), 1);
        assert!(front.extent_end(FILE, 0).is_some());
        assert_eq!(front.pass(FILE, ByteRange { start: 0, end: 10 }, true).len(), 1);
        assert_eq!(front.bytes(), 0);
    }

    #[test]
    fn forget_lets_go_of_one_file_only() {
        let mut front = Front::new();
        front.insert(FILE, extent(0, 10), true, false);
        front.insert(FileId::from_byte(2), extent(0, 10), false, false);
        assert_eq!(front.forget(FILE).len(), 1);
        assert_eq!(front.bytes(), 10);
    }
}
