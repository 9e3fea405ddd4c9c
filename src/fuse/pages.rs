//! Which objects the kernel has in its page cache, as far as the daemon can tell.
//!
//! What is read through the daemon for the first time stays there, and a look at it again should find it there, at the speed
//! of memory. Read past the daemon it would come from the disk, since the cache's file has no pages yet
//! (`cache/direct_io.rs`). The kernel does not say what it drops; but it asks again for what it misses, and forgets an inode
//! together with its pages.
//!
//! After a look at it again the cache's file is brought into memory, too ([`super::page_in`]). Once it is there, and nobody has
//! the object open, the pages from the daemon are of no more use.

use std::collections::HashMap;

/// The part of an object that the kernel may miss, one of so many, before it counts as short of memory. Some hosts have it drop
/// what is cold although there is plenty (`pageout` of DAMON), and a few pages beside that.
const FEW: u64 = 64;

/// Smaller objects are as fast from either pages: what counts is to open them.
pub(super) const SMALLEST: u64 = 8 * 1024 * 1024;

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Pages(HashMap<u64, Kept>);

/// What the kernel was given of one object, in bytes.
#[derive(Debug, Default)]
struct Kept {
    given: u64,
    /// Of that, what it has asked for once more.
    missed: u64,
    file: FilePages,
}

/// What the page cache has of the cache's file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum FilePages {
    /// Nothing that we know of.
    #[default]
    Absent,
    Coming,
    Here,
}

impl Pages {
    /// Notes that the kernel was given `bytes` of the object of `node` for the first time.
    pub(super) fn given(&mut self, node: u64, bytes: u64) {
        let kept = self.0.entry(node).or_default();
        kept.given = kept.given.saturating_add(bytes);
    }

    /// Notes that it was to have `bytes` of `node`, and had not.
    pub(super) fn missed(&mut self, node: u64, bytes: u64) {
        if let Some(kept) = self.0.get_mut(&node) {
            kept.missed = kept.missed.saturating_add(bytes);
        }
    }

    /// Returns whether the file of the object of `node`, of `size` bytes, is to be brought into memory now: the kernel has all of
    /// the object, nobody has asked for the file before, and it is worth it.
    pub(super) fn page_in(&mut self, node: u64, size: u64) -> bool {
        if size < SMALLEST || !self.has_all(node, size) {
            return false;
        }
        let Some(kept) = self.0.get_mut(&node).filter(|kept| kept.file == FilePages::Absent) else {
            return false;
        };
        kept.file = FilePages::Coming;
        true
    }

    /// Returns whether that is still so, once its turn has come: the kernel may have turned out to be short of memory.
    pub(super) fn is_due(&self, node: u64, size: u64) -> bool {
        self.file(node) == FilePages::Coming && self.has_all(node, size)
    }

    /// Notes that the file of `node` is in memory, or is not.
    pub(super) fn page_in_ended(&mut self, node: u64, is_there: bool) {
        if let Some(kept) = self.0.get_mut(&node) {
            kept.file = if is_there { FilePages::Here } else { FilePages::Absent };
        }
    }

    /// Returns whether the file of `node` is in memory too, as far as is known.
    pub(super) fn are_in_file(&self, node: u64) -> bool {
        self.file(node) == FilePages::Here
    }

    fn file(&self, node: u64) -> FilePages {
        self.0.get(&node).map(|kept| kept.file).unwrap_or_default()
    }

    /// Notes that it has nothing of `node`.
    pub(super) fn forgotten(&mut self, node: u64) {
        self.0.remove(&node);
    }

    /// Returns whether it should have all of the object of `node`, of `size` bytes, or nearly. It has not where it was given
    /// some of it twice while it was read for the first time; then it asks, and the next answer is right.
    pub(super) fn has_all(&self, node: u64, size: u64) -> bool {
        self.0.get(&node).is_some_and(|kept| kept.given >= size && kept.missed <= size / FEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_all_once_all_was_given_until_more_than_a_few_are_missed() {
        let mut pages = Pages::default();
        assert!(!pages.has_all(2, 0));
        pages.given(2, 600);
        assert!(!pages.has_all(2, 640));
        pages.given(2, 40);
        assert!(pages.has_all(2, 640) && !pages.has_all(3, 640));
        pages.missed(2, 10);
        assert!(pages.has_all(2, 640));
        pages.missed(2, 1);
        assert!(!pages.has_all(2, 640));
    }

    #[test]
    fn page_in_is_due_once_for_what_the_kernel_has_and_again_where_it_came_to_nothing() {
        let mut pages = Pages::default();
        pages.given(2, SMALLEST - 1);
        assert!(!pages.page_in(2, SMALLEST) && !pages.page_in(2, SMALLEST - 1));
        pages.given(2, 1);
        assert!(!pages.is_due(2, SMALLEST));
        for is_there in [false, true] {
            assert!(pages.page_in(2, SMALLEST) && !pages.page_in(2, SMALLEST));
            assert!(pages.is_due(2, SMALLEST) && !pages.are_in_file(2));
            pages.page_in_ended(2, is_there);
            assert_eq!(pages.are_in_file(2), is_there);
        }
        assert!(!pages.page_in(2, SMALLEST) && !pages.is_due(2, SMALLEST));
        pages.page_in_ended(3, true);
        assert!(!pages.are_in_file(3));
    }

    #[test]
    fn page_in_is_not_due_any_more_where_pages_are_missed() {
        let mut pages = Pages::default();
        pages.given(2, SMALLEST);
        assert!(pages.page_in(2, SMALLEST));
        pages.missed(2, SMALLEST / FEW + 1);
        assert!(!pages.is_due(2, SMALLEST));
        pages.forgotten(2);
        pages.page_in_ended(2, true);
        assert!(!pages.are_in_file(2));
    }

    #[test]
    fn forgotten_leaves_nothing() {
        let mut pages = Pages::default();
        pages.given(2, 640);
        pages.forgotten(2);
        assert!(!pages.has_all(2, 640));
        pages.given(2, 640);
        assert!(pages.has_all(2, 640));
    }
}
