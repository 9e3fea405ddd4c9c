//! Room for a host file, found on ext4 before it is written to.
//!
//! By itself ext4 keeps account of each 4 KiB of a buffered write until it knows where that goes (delayed allocation): longer
//! than copying the bytes took. Asked with fallocate(2), it finds room for megabytes at once. That waits for its journal, and
//! the writer with it, so it is done rarely and for much at a time.

use std::fs::File;

use rustix::fs::FallocateFlags;

use super::chunks::BLOCK;
use crate::types::ByteRange;

/// ext4, as statfs(2) names it.
const EXT4: u64 = 0xEF53;

/// The most that is asked for at a time.
const MOST: u64 = 32 * BLOCK;

/// What has been asked for so far.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The end of the last of it.
    until: u64,
    /// All of it.
    bytes: u64,
    /// It need not, or cannot, be found.
    off: bool,
}

impl Room {
    /// Finds room in `file`, of `size` bytes with `present` of them here, for `range`, which is about to be written.
    pub(super) fn find(&mut self, file: &File, range: ByteRange, present: u64, size: u64) {
        let Some(wanted) = self.next(range, present, size) else { return };
        let is_ext4 = rustix::fs::fstatfs(file).is_ok_and(|s| u64::try_from(s.f_type) == Ok(EXT4));
        // where it fails, the write asks for room itself, and says so where there is none
        self.off = !is_ext4
            || rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, wanted.start, wanted.len()).is_err();
    }

    /// Returns what to ask for, and takes it as asked for: what is likely to be read after `range`, and what is on its way
    /// before it, each at most a quarter of what is here. Who reads here and there leaves no more than that unused.
    fn next(&mut self, range: ByteRange, present: u64, size: u64) -> Option<ByteRange> {
        let some = (present / 4).min(MOST);
        let is_used = self.bytes <= present.saturating_add(some);
        if self.off || range.len() < BLOCK || range.end <= self.until || some < BLOCK || !is_used {
            return None;
        }
        let start = range.start.saturating_sub(some).max(self.until);
        let wanted = ByteRange { start, end: range.end.saturating_add(some) }.clamp_to(size);
        self.until = wanted.end;
        self.bytes = self.bytes.saturating_add(wanted.len());
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1024 * BLOCK;

    /// Writes blocks at `numbers` one after the other. Returns how often and how much was asked for.
    fn ask(numbers: impl Iterator<Item = u64>) -> (u64, u64) {
        let (mut room, mut times) = (Room::default(), 0);
        for (written, block) in (0..).zip(numbers) {
            let range = ByteRange::at(block * BLOCK, BLOCK);
            let until = room.until;
            if let Some(wanted) = room.next(range, written * BLOCK, SIZE) {
                assert!(wanted.start >= until && wanted.end <= SIZE, "{wanted:?}");
                times += 1;
            }
        }
        (times, room.bytes / BLOCK)
    }

    #[test]
    fn next_of_a_file_read_through_is_nearly_all_of_it_in_few_steps() {
        let (times, blocks) = ask(0..1024);
        assert!(times < 60, "{times}");
        assert!(blocks > 1010, "{blocks}");
    }

    #[test]
    fn next_where_blocks_come_in_another_order_is_nearly_all_of_it_too() {
        let swapped = (0..1024).map(|n| n ^ 7);
        let (times, blocks) = ask(swapped);
        assert!(times < 60, "{times}");
        assert!(blocks > 1000, "{blocks}");
    }

    #[test]
    fn next_of_a_file_that_is_read_here_and_there_is_little_more_than_what_is_read() {
        let (_, blocks) = ask((0..1024).step_by(16));
        assert!(blocks <= 64 + 64 * 3 / 4, "{blocks}");
    }

    #[test]
    fn next_is_nothing_for_less_than_a_block_or_at_the_beginning() {
        let mut room = Room::default();
        assert_eq!(room.next(ByteRange::at(64 * BLOCK, BLOCK / 8), 64 * BLOCK, SIZE), None);
        assert_eq!(room.next(ByteRange::at(0, BLOCK), 0, SIZE), None);
    }
}
