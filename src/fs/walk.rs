//! Who opens the files of a directory one after the other is likely to open the next: which those are. Pure but for the
//! table of directories; `ahead` makes them ready.
//!
//! Order is that of the directory's rows, in which they are listed: programs that copy, search or scan a tree go by it,
//! and so do, where the store lists names in their order, those that sort them.
//!
//! # Limits
//! What was made ready in vain stays in proportion to what was opened: two files after the second, then twice as many
//! each time.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::types::{Ino, Timestamp};

/// Rows this close to each other follow one another: something else may have been listed between them, and several threads
/// may open them out of order.
const NEAR: i64 = 8;

/// Who has opened so many files in order walks.
const WALKS: u32 = 2;

/// The most files that are ready ahead of a walk, and the most bytes of them.
const MOST_FILES: usize = 16;
const MOST_BYTES: u64 = 16 << 20;

/// So many directories are watched; those that nothing was opened in for longest are forgotten.
const DIRECTORIES: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// All directories in which files were opened lately.
#[derive(Debug)]
pub(super) struct Walks(LruCache<Ino, Walk>);

/// What was opened in one directory.
#[derive(Debug, Default)]
struct Walk {
    /// The furthest row of this run.
    last: i64,
    /// So many were opened in order.
    run: u32,
    /// What lies ahead and was made ready, or is about to be.
    ahead: VecDeque<Ahead>,
    /// Up to this row all was looked at.
    until: i64,
    /// The last file that was read was read to its end.
    to_end: bool,
}

#[derive(Debug)]
struct Ahead {
    row: i64,
    bytes: u64,
    /// When the store said that this is the version it has.
    confirmed_at: Option<Timestamp>,
}

/// Which files are to be made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// Those behind this row,
    pub after: i64,
    /// so many,
    pub files: usize,
    /// with so many bytes in all,
    pub bytes: u64,
    /// and of each of them the first so many, or its readers' first request.
    pub to_end: bool,
}

impl Default for Walks {
    fn default() -> Self {
        Self(LruCache::new(DIRECTORIES))
    }
}

impl Walks {
    /// Takes note that `row` in `dir` is being opened. Returns what is to be made ready.
    pub(super) fn opened(&mut self, dir: Ino, row: i64) -> Option<Next> {
        self.0.get_or_insert_mut(dir, Walk::default).opened(row)
    }

    /// Takes note that what comes next in `dir` was looked at: `found` are rows, with what is made ready of each, and `until`
    /// the last that was looked at. Returns the row behind which nobody else has looked: only those are to be made ready.
    pub(super) fn looked(&mut self, dir: Ino, found: &[(i64, u64)], until: i64) -> i64 {
        let Some(walk) = self.0.peek_mut(&dir) else { return until };
        let from = walk.until;
        walk.until = from.max(until);
        let new = found.iter().filter(|(row, _)| *row > from);
        walk.ahead.extend(new.map(|(row, bytes)| Ahead { row: *row, bytes: *bytes, confirmed_at: None }));
        from
    }

    /// Returns whether `row` still lies ahead of a walk.
    pub(super) fn is_ahead(&self, dir: Ino, row: i64) -> bool {
        self.0.peek(&dir).is_some_and(|walk| walk.ahead.iter().any(|a| a.row == row))
    }

    /// Takes note that the store had the version of `row`, which lies ahead, at `at`.
    pub(super) fn confirmed(&mut self, dir: Ino, row: i64, at: Timestamp) {
        let walk = self.0.peek_mut(&dir);
        if let Some(ahead) = walk.and_then(|w| w.ahead.iter_mut().find(|a| a.row == row)) {
            ahead.confirmed_at = Some(at);
        }
    }

    /// Returns when the store last confirmed the version of `row` for a walk.
    pub(super) fn confirmed_at(&self, dir: Ino, row: i64) -> Option<Timestamp> {
        self.0.peek(&dir)?.ahead.iter().find(|a| a.row == row)?.confirmed_at
    }

    /// Takes note that a file of `dir` was read, `to_end` or not.
    pub(super) fn read(&mut self, dir: Ino, to_end: bool) {
        if let Some(walk) = self.0.peek_mut(&dir) {
            walk.to_end = to_end;
        }
    }
}

impl Walk {
    fn opened(&mut self, row: i64) -> Option<Next> {
        let step = row.saturating_sub(self.last);
        if step.abs() > NEAR {
            *self = Self { last: row, run: 1, until: row, ..Self::default() };
            return None;
        }
        if step <= 0 {
            return None;
        }
        self.run = self.run.saturating_add(1);
        self.last = row;
        self.until = self.until.max(row);
        self.ahead.retain(|ahead| ahead.row > row);
        self.next()
    }

    fn next(&self) -> Option<Next> {
        let doubled = self.run.checked_sub(WALKS)?.min(MOST_FILES.ilog2());
        let most = (2_usize << doubled).min(MOST_FILES);
        // by halves, so that the catalog is not asked at each open
        if self.ahead.len() > most / 2 {
            return None;
        }
        let bytes = MOST_BYTES.saturating_sub(self.ahead.iter().map(|ahead| ahead.bytes).sum());
        Some(Next { after: self.until, files: most - self.ahead.len(), bytes, to_end: self.to_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: Ino = Ino(7);

    /// Opens `row` and makes all ready that is asked for. Returns the rows.
    fn open(walks: &mut Walks, row: i64) -> Vec<i64> {
        let Some(next) = walks.opened(DIR, row) else { return Vec::new() };
        let rows: Vec<i64> = (next.after + 1..).take(next.files).collect();
        let found: Vec<_> = rows.iter().map(|row| (*row, 1000)).collect();
        walks.looked(DIR, &found, *rows.last().unwrap());
        rows
    }

    #[test]
    fn each_file_behind_a_walk_is_made_ready_once_and_ever_more_of_them() {
        let mut walks = Walks::default();
        assert!(open(&mut walks, 101).is_empty());
        assert_eq!(open(&mut walks, 102), [103, 104]);
        assert_eq!(open(&mut walks, 103), [105, 106, 107]);
        let mut all = Vec::new();
        for row in 104..200 {
            all.extend(open(&mut walks, row));
        }
        let furthest = *all.last().unwrap();
        assert!(furthest <= 199 + 16 && furthest > 199 + 8, "{furthest}");
        assert!(all.iter().copied().eq(108..=furthest), "{all:?}");
    }

    #[test]
    fn scattered_opens_make_nothing_ready() {
        let mut walks = Walks::default();
        for row in [500, 100, 300, 120, 310, 301, 90] {
            assert!(open(&mut walks, row).is_empty(), "{row}");
        }
    }

    #[test]
    fn walk_of_several_threads_goes_on_out_of_order_and_one_that_opens_again_is_none() {
        let mut walks = Walks::default();
        for _ in 0..5 {
            assert!(open(&mut walks, 10).is_empty());
        }
        assert!(!open(&mut walks, 12).is_empty());
        assert!(open(&mut walks, 11).is_empty());
        assert!(!open(&mut walks, 14).is_empty());
    }

    #[test]
    fn walk_that_goes_elsewhere_begins_anew() {
        let mut walks = Walks::default();
        for row in 1..50 {
            open(&mut walks, row);
        }
        assert!(open(&mut walks, 1000).is_empty());
        assert_eq!(open(&mut walks, 1001), [1002, 1003]);
    }

    #[test]
    fn walk_goes_ahead_only_as_far_as_the_bytes_go() {
        let mut walks = Walks::default();
        walks.opened(DIR, 1);
        let next = walks.opened(DIR, 2).unwrap();
        assert_eq!(next, Next { after: 2, files: 2, bytes: MOST_BYTES, to_end: false });
        walks.looked(DIR, &[(3, 5), (4, MOST_BYTES - 7)], 4);
        walks.read(DIR, true);
        let next = walks.opened(DIR, 3).unwrap();
        assert_eq!(next, Next { after: 4, files: 3, bytes: 7, to_end: true });
    }

    #[test]
    fn what_the_store_said_of_a_version_counts_until_it_is_passed() {
        let mut walks = Walks::default();
        open(&mut walks, 1);
        open(&mut walks, 2);
        walks.confirmed(DIR, 3, Timestamp(9));
        assert_eq!((walks.confirmed_at(DIR, 3), walks.confirmed_at(DIR, 4)), (Some(Timestamp(9)), None));
        open(&mut walks, 4);
        assert_eq!(walks.confirmed_at(DIR, 3), None);
    }
}
