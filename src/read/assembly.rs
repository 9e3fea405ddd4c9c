//! Bytes on their way in: pieces as the network cuts them become extents as the cache keeps them.
//!
//! This is the one copy that bytes make between the connection and the reader, and their checksums are computed in the
//! same pass, while they are in the processor's cache.

use crate::cache::{BLOCK, Buffer, CHUNK, ChunkHasher, Extent, Reservation};
use crate::types::ByteRange;

/// An extent with the checksums of its chunks.
#[derive(Debug)]
pub(super) struct Filled {
    pub extent: Extent,
    pub checksums: Vec<u32>,
}

/// More bytes came than the range has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Collects the bytes of one range of whole chunks.
#[derive(Debug)]
pub(super) struct Assembly {
    range: ByteRange,
    /// The next byte to come.
    at: u64,
    /// Everything below was taken.
    taken: u64,
    room: Reservation,
    filling: Option<Filling>,
    done: Vec<Filled>,
}

#[derive(Debug)]
struct Filling {
    offset: u64,
    buffer: Buffer,
    hasher: ChunkHasher,
    checksums: Vec<u32>,
}

impl Assembly {
    /// Begins with nothing of `range`. `room` is for all of it.
    pub(super) fn new(range: ByteRange, room: Reservation) -> Self {
        Self { range, at: range.start, taken: range.start, room, filling: None, done: Vec::new() }
    }

    /// Returns what is still to come.
    pub(super) fn rest(&self) -> ByteRange {
        ByteRange { start: self.at, end: self.range.end }
    }

    /// Returns all of the range.
    pub(super) const fn range(&self) -> ByteRange {
        self.range
    }

    /// Takes in the next bytes.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), TooMany> {
        while !piece.is_empty() {
            if self.at >= self.range.end {
                return Err(TooMany);
            }
            let chunk_end = (self.at - self.at % CHUNK + CHUNK).min(self.range.end);
            let filling = self.filling.get_or_insert_with(|| {
                let end = (self.at - self.at % BLOCK + BLOCK).min(self.range.end);
                Filling {
                    offset: self.at,
                    buffer: self.room.buffer(end - self.at),
                    hasher: ChunkHasher::default(),
                    checksums: Vec::new(),
                }
            });
            let wanted = crate::cache::to_usize(chunk_end - self.at).min(piece.len());
            let (now, later) = piece.split_at_checked(wanted).unwrap_or((piece, &[]));
            filling.hasher.update(now);
            filling.buffer.push(now);
            self.at += now.len() as u64;
            piece = later;
            if self.at == chunk_end {
                filling.checksums.push(filling.hasher.finish());
            }
            if filling.buffer.is_full()
                && let Some(Filling { offset, buffer, checksums, .. }) = self.filling.take()
            {
                self.done.push(Filled { extent: Extent { offset, bytes: buffer.freeze() }, checksums });
            }
        }
        Ok(())
    }

    /// Throws away what was not taken, to be collected again.
    pub(super) fn restart(&mut self) {
        self.at = self.taken;
        self.filling = None;
        self.done.clear();
    }

    /// Returns the extents that are full.
    pub(super) fn filled(&self) -> &[Filled] {
        &self.done
    }

    /// Returns the extents that are full and were not taken before.
    pub(super) fn take_filled(&mut self) -> impl Iterator<Item = Filled> {
        if let Some(last) = self.done.last() {
            self.taken = last.extent.range().end;
        }
        self.done.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, Version, checksum, to_usize};
    use crate::types::{ETag, ObjectKey};

    fn room(bytes: u64) -> Reservation {
        let version = Version { key: ObjectKey::new("k").unwrap(), etag: ETag::new("e"), size: 0 };
        Cache::in_memory(64 * BLOCK).open_version(&version).memory().try_reserve(bytes).unwrap()
    }

    #[test]
    fn pieces_of_any_size_become_extents_that_end_at_blocks_with_checksums() {
        let range = ByteRange { start: BLOCK - CHUNK, end: 2 * BLOCK + 100 };
        let content: Vec<u8> = (0..range.len()).map(|i| (i % 251) as u8).collect();
        for piece in [1000, 65_536, 100_000, 5_000_000] {
            let mut assembly = Assembly::new(range, room(range.len() + 4096));
            for piece in content.chunks(piece) {
                assembly.push(piece).unwrap();
            }
            assert!(assembly.rest().is_empty());
            let done: Vec<_> = assembly.take_filled().collect();
            let ranges: Vec<_> = done.iter().map(|f| f.extent.range()).collect();
            let cuts = [(range.start, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, range.end)];
            assert_eq!(ranges, cuts.map(|(start, end)| ByteRange { start, end }));
            for filled in done {
                let from = to_usize(filled.extent.offset - range.start);
                assert_eq!(filled.extent.bytes, content[from..from + filled.extent.bytes.len()]);
                let sums: Vec<_> = filled.extent.bytes.chunks(to_usize(CHUNK)).map(checksum).collect();
                assert_eq!(filled.checksums, sums);
            }
        }
    }

    #[test]
    fn push_beyond_the_range_is_refused() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: 10 }, room(10));
        assert_eq!(assembly.push(&[0; 11]), Err(TooMany));
    }

    #[test]
    fn restart_begins_anew() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: 10 }, room(10));
        assembly.push(&[1; 7]).unwrap();
        assembly.restart();
        assert_eq!(assembly.rest().start, 0);
        assembly.push(&[2; 10]).unwrap();
        assert_eq!(assembly.take_filled().next().unwrap().extent.bytes, vec![2; 10]);
    }

    #[test]
    fn restart_keeps_what_was_taken() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: BLOCK + 10 }, room(2 * BLOCK));
        assembly.push(&vec![1; to_usize(BLOCK) + 5]).unwrap();
        assert_eq!(assembly.take_filled().count(), 1);
        assembly.restart();
        assert_eq!(assembly.rest(), ByteRange { start: BLOCK, end: BLOCK + 10 });
    }
}
