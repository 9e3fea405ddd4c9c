//! What is written to the disk at once.

use super::chunks::BLOCK;
use super::front::Extent;
use crate::types::ByteRange;

/// The most of a run. The disk of a virtual machine took writes of this size, past the page cache, in two and a half times the time
/// of one of a block; larger ones brought nothing more.
const MOST: u64 = 4 * BLOCK;

/// Extents of one object, each right behind the one before, with the checksums of their chunks.
#[derive(Debug)]
pub(super) struct Run {
    extents: Vec<Extent>,
    checksums: Vec<u32>,
}

impl Run {
    /// Makes a run of `extent` alone, whole chunks with these checksums.
    pub(super) fn new(extent: Extent, checksums: Vec<u32>) -> Self {
        Self { extents: vec![extent], checksums }
    }

    /// Returns the range that it covers.
    pub(super) fn range(&self) -> ByteRange {
        let start = self.extents.first().map_or(0, |e| e.offset);
        ByteRange::at(start, self.extents.iter().map(|e| e.bytes.len() as u64).sum())
    }

    /// Returns its extents, in order.
    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Returns the checksums of its chunks, in order.
    pub(super) fn checksums(&self) -> &[u32] {
        &self.checksums
    }

    /// Returns whether there may be more of it: it is of whole blocks, which go past the page cache, and not too long.
    pub(super) fn can_grow(&self) -> bool {
        let here = self.range();
        here.start.is_multiple_of(BLOCK) && here.end.is_multiple_of(BLOCK) && here.len() < MOST
    }

    /// Returns whether `next` can be written with it: a block that begins where this ends.
    pub(super) fn can_take(&self, next: &Self) -> bool {
        let (here, next) = (self.range(), next.range());
        self.can_grow() && here.end == next.start && next.len() == BLOCK
    }

    /// Puts `next` behind it, which [`Run::can_take`] has agreed to.
    pub(super) fn take(&mut self, next: Self) {
        self.extents.extend(next.extents);
        self.checksums.extend(next.checksums);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cache::chunks::to_usize;

    fn run_of(offset: u64, len: u64) -> Run {
        let bytes = Bytes::from(vec![0; to_usize(len)]);
        Run::new(Extent { offset, bytes }, vec![u32::try_from(offset / BLOCK).unwrap(); 16])
    }

    fn run(block: u64) -> Run {
        run_of(block * BLOCK, BLOCK)
    }

    #[test]
    fn run_is_of_whole_blocks_only() {
        let part = run_of(9 * BLOCK, BLOCK / 2);
        assert!(!run(8).can_take(&part) && !part.can_grow());
        assert!(!run_of(8 * BLOCK + BLOCK / 2, BLOCK / 2).can_take(&run(9)));
    }

    #[test]
    fn run_takes_what_is_right_behind_it_until_it_is_long_enough() {
        let mut whole = run(8);
        assert!(!whole.can_take(&run(7)) && !whole.can_take(&run(8)) && !whole.can_take(&run(10)));
        for block in 9..12 {
            assert!(whole.can_take(&run(block)));
            whole.take(run(block));
        }
        assert!(!whole.can_take(&run(12)));
        assert_eq!(whole.range(), ByteRange::at(8 * BLOCK, 4 * BLOCK));
        assert_eq!(whole.checksums().len(), 64);
        assert_eq!(whole.checksums().last(), Some(&11));
    }
}
