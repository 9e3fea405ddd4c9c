//! What is known of a draft or scratch file: how it was written, by whom, and what became of it. Pure.

use sha2::{Digest, Sha256};

use crate::types::{ByteRange, DraftId, ETag, Ino, ObjectKey, ProcessId, Sha256Hex, Timestamp};

/// Where the first content comes from when a draft is made beside an object without O_TRUNC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The staging file is all there is.
    Own,
    /// The object's content is still to be copied: at the first read or write.
    Object {
        /// Its key.
        key: ObjectKey,
        /// Its version.
        etag: ETag,
        /// Its size in bytes.
        size: u64,
    },
}

/// What is known of a draft.
#[derive(Debug)]
pub struct Known {
    /// Identity in the catalog and name of the staging file.
    pub id: DraftId,
    /// The row of its entry.
    pub row: i64,
    /// It has a scratch name.
    pub scratch: bool,
    /// The object beside which it is written.
    pub beside: Option<(ObjectKey, ETag)>,
    /// The inode number of that object, which `fstat` shows to the writer (vim and others compare it with what `stat`
    /// said before the open).
    pub beside_ino: Option<Ino>,
    /// It has taken over the inode of that object, for a writer that has no path to walk: nobody else may open it.
    pub swapped: bool,
    /// Its entry is listed (a draft beside an object is, from its first change on).
    pub listed: bool,
    /// Where the first content comes from.
    pub origin: Origin,
    /// Size in bytes, [`Origin`] taken into account.
    pub size: u64,
    /// Modification time: of the last change, or as set by utimens.
    pub mtime: Timestamp,
    /// utimens set `mtime`.
    pub mtime_set: bool,
    /// Changed since it was made or last published.
    pub changed: bool,
    /// Changed since it was last made durable.
    pub unsaved: bool,
    /// Bytes were written (not only a size set).
    pub wrote: bool,
    /// A close that wrote to it has returned 0.
    pub saved: bool,
    /// When it was last made durable: its place in the queue.
    pub closed_at: Timestamp,
    /// The store did not answer: it waits for it.
    pub queued: bool,
    /// The user who made it.
    pub owner: u32,
    /// The user who gave it its name: by making it, or by a rename.
    pub asked_by: u32,
    /// The path that was asked for when it was last published.
    pub asked: Option<String>,
    /// A write failed.
    pub write_error: bool,
    /// The last process to close it, of those that had made or changed it, was killed.
    pub killed: bool,
    /// Who made it or changed it, by a handle that he opened, and has it open for writing.
    pub hands: Vec<ProcessId>,
    /// It is being published: writers wait until that has ended.
    pub publishing: bool,
    /// It is an object now; the staging file stays while descriptors are open.
    pub published: bool,
    /// Set aside as failed or interrupted.
    pub set_aside: bool,
    /// The process that made it.
    pub maker: ProcessId,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who opened it for writing, one for each open handle.
    pub writers: Vec<ProcessId>,
    /// Open handles of every kind.
    pub handles: u32,
    /// It has lost its name (unlinked while open).
    pub unlinked: bool,
    hash: RunningHash,
    presized: Presized,
}

/// SHA-256 taken while the bytes pass, as long as they come in order.
#[derive(Debug)]
struct RunningHash {
    next: u64,
    digest: Option<Sha256>,
}

/// A size that was set before the data came, and what has been written of it since.
#[derive(Debug, Default)]
struct Presized {
    size: u64,
    written: Vec<ByteRange>,
    /// It was set by the name alone, and since then nobody who had made or changed the file by a handle has closed it.
    since_close: bool,
}

/// Above this many separate ranges a presized file counts as filled: the bookkeeping is bounded.
const MAX_RANGES: usize = 4096;

impl Presized {
    fn note(&mut self, range: ByteRange) {
        self.since_close = false;
        if self.size == 0 || range.is_empty() || self.written.len() >= MAX_RANGES {
            return;
        }
        if range.end > self.size {
            // then it was not the size of the whole file but where its data begins: a hole that is meant (dd seek=)
            *self = Self::default();
            return;
        }
        let at = self.written.partition_point(|r| r.end < range.start);
        let mut merged = range;
        while let Some(r) = self.written.get(at).copied().filter(|r| r.start <= merged.end) {
            merged = ByteRange { start: merged.start.min(r.start), end: merged.end.max(r.end) };
            self.written.remove(at);
        }
        self.written.insert(at, merged);
    }

    fn unfilled(&self) -> bool {
        let whole = |r: &ByteRange| r.start == 0 && r.end >= self.size;
        self.size > 0 && self.written.len() < MAX_RANGES && !self.written.first().is_some_and(whole)
    }
}

impl Known {
    /// Returns what is known of a draft that was just made, empty.
    pub fn new(id: DraftId, row: i64, maker: ProcessId, owner: u32, at: Timestamp) -> Self {
        Self {
            id,
            row,
            scratch: false,
            beside: None,
            beside_ino: None,
            swapped: false,
            listed: true,
            origin: Origin::Own,
            size: 0,
            mtime: at,
            mtime_set: false,
            changed: false,
            unsaved: false,
            wrote: false,
            saved: false,
            closed_at: at,
            queued: false,
            owner,
            asked_by: owner,
            asked: None,
            write_error: false,
            killed: false,
            hands: Vec::new(),
            publishing: false,
            published: false,
            set_aside: false,
            maker,
            made_at: at,
            writers: Vec::new(),
            handles: 0,
            unlinked: false,
            hash: RunningHash { next: 0, digest: Some(Sha256::new()) },
            presized: Presized::default(),
        }
    }

    /// Notes that `opener` made or changed it, or somebody by his handle.
    pub fn note_hand(&mut self, opener: ProcessId) {
        if !self.hands.contains(&opener) {
            self.hands.push(opener);
        }
    }

    /// Notes that `opener` is about to have a file that he has just made; returns whether that is so.
    pub fn note_made(&mut self, opener: ProcessId) -> bool {
        let made = self.maker == opener && self.handles == 0 && !self.changed && self.beside.is_none();
        if made {
            self.note_hand(opener);
        }
        made
    }

    /// Notes that `opener` has one handle for writing less.
    pub fn note_end(&mut self, opener: ProcessId) {
        if let Some(at) = self.writers.iter().position(|w| *w == opener) {
            self.writers.swap_remove(at);
        }
        if !self.writers.contains(&opener) {
            self.hands.retain(|hand| *hand != opener);
        }
    }

    /// Returns whether a size was set before the data and parts of it were never written.
    pub fn unfilled(&self) -> bool {
        self.presized.unfilled()
    }

    /// Returns whether that size was set by the name alone after the last close of one who made or changed it: no close has it to judge.
    pub const fn sized_since_close(&self) -> bool {
        self.presized.since_close
    }

    /// Notes that a descriptor with which the file was made or changed is being closed.
    pub const fn note_close(&mut self) {
        self.presized.since_close = false;
    }

    /// Notes that its name is being taken away; `false` where it is on its way to the store, or an object by now.
    pub const fn begin_unlink(&mut self) -> bool {
        self.unlinked |= !self.publishing && !self.published;
        self.unlinked
    }

    /// Notes that it was given another name as what it is: a size set since the last close is not to be filled any more.
    pub fn note_rename(&mut self) {
        if self.presized.since_close {
            self.presized = Presized::default();
        }
    }

    /// Notes that `data` was written at `offset`.
    pub fn note_write(&mut self, offset: u64, data: &[u8], at: Timestamp) {
        let end = offset.saturating_add(data.len() as u64);
        if offset == self.hash.next {
            if let Some(digest) = &mut self.hash.digest {
                digest.update(data);
            }
            self.hash.next = end;
        } else {
            self.hash.digest = None;
        }
        self.presized.note(ByteRange { start: offset, end });
        self.size = self.size.max(end);
        self.wrote = true;
        self.note_change(at);
    }

    /// Notes that the size was set to `size`, by a handle or `by_name` alone.
    pub fn note_truncate(&mut self, size: u64, by_name: bool, at: Timestamp) {
        if size == 0 {
            self.hash = RunningHash { next: 0, digest: Some(Sha256::new()) };
            self.presized = Presized::default();
            self.wrote = false;
        } else if size > self.size && !self.wrote && (self.size == 0 || self.presized.size > 0) {
            // Not where it begins with the content of an object: the data was there before the size.
            let unjudged = self.presized.size == 0 || self.presized.since_close;
            self.presized = Presized { size, written: Vec::new(), since_close: unjudged };
        } else if size < self.hash.next {
            self.hash.digest = None;
        }
        if size > 0 && size < self.size {
            self.presized.size = self.presized.size.min(size);
        }
        self.presized.since_close &= by_name;
        self.size = size;
        self.note_change(at);
    }

    /// Notes that the content of the origin is in the staging file now.
    pub fn note_origin_copied(&mut self) {
        self.origin = Origin::Own;
        self.hash.digest = None;
    }

    /// Notes that the staging file was filled with `size` bytes at one go.
    pub fn note_copied(&mut self, size: u64, at: Timestamp) {
        self.hash.digest = None;
        self.size = size;
        self.wrote = size > 0;
        self.note_change(at);
    }

    /// Forgets what kept it from being published: its content is taken as complete, still to be saved.
    pub fn forgive(&mut self) {
        self.set_aside = false;
        self.write_error = false;
        self.killed = false;
        self.queued = false;
        self.presized = Presized::default();
        self.changed = true;
        self.unsaved = true;
        self.wrote = self.size > 0;
    }

    fn note_change(&mut self, at: Timestamp) {
        self.changed = true;
        self.unsaved = true;
        if !self.mtime_set {
            self.mtime = at;
        }
    }

    /// Returns the digest if all bytes passed in order and nothing else happened.
    pub fn running_digest(&self) -> Option<Sha256Hex> {
        let digest = self.hash.digest.as_ref().filter(|_| self.hash.next == self.size)?;
        Some(Sha256Hex::from_bytes(digest.clone().finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known::new(DraftId::random(), 1, ProcessId::default(), 0, Timestamp(0))
    }

    #[test]
    fn running_digest_in_order_is_the_digest() {
        let mut k = known();
        k.note_write(0, b"hello ", Timestamp(1));
        k.note_write(6, b"world", Timestamp(2));
        let want = Sha256Hex::from_bytes(Sha256::digest(b"hello world").into());
        assert_eq!(k.running_digest(), Some(want));
    }

    #[test]
    fn running_digest_out_of_order_or_rewritten_is_unknown() {
        let mut k = known();
        k.note_write(5, b"x", Timestamp(1));
        assert_eq!(k.running_digest(), None);
        let mut k = known();
        k.note_write(0, b"abc", Timestamp(1));
        k.note_write(0, b"z", Timestamp(2));
        assert_eq!(k.running_digest(), None);
        let mut k = known();
        k.note_write(0, b"abc", Timestamp(1));
        k.note_truncate(2, false, Timestamp(2));
        assert_eq!(k.running_digest(), None);
    }

    #[test]
    fn running_digest_after_extension_is_unknown() {
        let mut k = known();
        k.note_write(0, b"abc", Timestamp(1));
        k.note_truncate(9, false, Timestamp(2));
        assert_eq!(k.running_digest(), None);
    }

    #[test]
    fn presized_is_unfilled_until_every_byte_came() {
        let mut k = known();
        k.note_truncate(10, false, Timestamp(1));
        assert!(k.unfilled());
        k.note_write(5, b"56789", Timestamp(1));
        assert!(k.unfilled());
        k.note_write(0, b"01234", Timestamp(1));
        assert!(!k.unfilled());
    }

    #[test]
    fn size_set_by_name_is_not_judged_until_a_handle_has_to_do_with_it() {
        let sized = || {
            let mut k = known();
            k.note_made(ProcessId::default());
            k.note_close();
            k.note_truncate(10, true, Timestamp(1));
            k.note_truncate(20, true, Timestamp(1));
            assert!(k.unfilled() && k.sized_since_close());
            k
        };
        let ends: [fn(&mut Known); 3] = [
            Known::note_close,
            |k| k.note_write(0, b"0", Timestamp(2)),
            |k| k.note_truncate(15, false, Timestamp(2)),
        ];
        for end in ends {
            let mut k = sized();
            end(&mut k);
            assert!(k.unfilled() && !k.sized_since_close());
        }
        let mut k = known();
        k.note_truncate(10, false, Timestamp(1));
        k.note_truncate(20, true, Timestamp(1));
        assert!(!k.sized_since_close(), "the size that came by the handle is still to be judged");
    }

    #[test]
    fn presized_and_written_beyond_is_a_file_with_a_hole() {
        let mut k = known();
        k.note_truncate(10, false, Timestamp(1));
        k.note_write(10, b"abc", Timestamp(1));
        assert!(!k.unfilled());
    }

    #[test]
    fn content_of_an_object_that_is_given_a_greater_size_is_not_unfilled() {
        let mut k = known();
        k.size = 10;
        k.origin = Origin::Object { key: ObjectKey::new("a/b").unwrap(), etag: ETag::new("1"), size: 10 };
        k.note_truncate(20, false, Timestamp(1));
        assert!(!k.unfilled());
        k.note_write(15, b"56789", Timestamp(1));
        assert!(!k.unfilled());
    }

    #[test]
    fn truncated_to_zero_then_written_is_filled() {
        let mut k = known();
        k.note_truncate(10, false, Timestamp(1));
        k.note_truncate(0, false, Timestamp(1));
        k.note_write(0, b"abc", Timestamp(1));
        assert!(!k.unfilled());
    }
}
