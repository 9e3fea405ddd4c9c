//! Bytes on their way in: pieces as the network cuts them become extents as the cache keeps them.
//!
//! Bytes go from the connection to where they stay, and their checksums are computed while they are still in the
//! processor's cache.

use crate::cache::{BLOCK, Buffer, CHUNK, ChunkHasher, Extent, Reservation, to_usize};
use crate::store::{Body, StoreResult};
use crate::types::ByteRange;

/// An extent with the checksums of its chunks.
#[derive(Debug)]
pub(super) struct Filled {
    pub extent: Extent,
    pub checksums: Vec<u32>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// Bytes.
    Some,
    /// There are no more.
    End,
    /// More bytes than the range has.
    TooMany,
}

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

impl Filling {
    /// Takes the bytes from `at` of the object on into the checksums. `end` is where the last chunk ends.
    fn hash_from(&mut self, mut at: u64, end: u64) {
        let mut new = self.buffer.filled().get(to_usize(at - self.offset)..).unwrap_or_default();
        while !new.is_empty() {
            let chunk_end = (at - at % CHUNK + CHUNK).min(end);
            let (now, later) = new.split_at_checked(to_usize(chunk_end - at)).unwrap_or((new, &[]));
            self.hasher.update(now);
            at += now.len() as u64;
            new = later;
            if at == chunk_end {
                self.checksums.push(self.hasher.finish());
            }
        }
    }
}

impl Assembly {
    /// Begins with nothing of `range`. `room` is for all of it, or for its beginning.
    pub(super) fn new(range: ByteRange, room: Reservation) -> Self {
        Self { range, at: range.start, taken: range.start, room, filling: None, done: Vec::new() }
    }

    /// Returns what is still to come.
    pub(super) fn rest(&self) -> ByteRange {
        ByteRange { start: self.at, end: self.range.end }
    }

    /// Returns the bytes of the next extent where there is no room for it: that is to be set before it is taken in.
    pub(super) fn lacks_room(&self) -> Option<u64> {
        let next = self.next_end() - self.at;
        (self.filling.is_none() && !self.room.holds(next)).then_some(next)
    }

    /// Sets the room for what is still to come.
    pub(super) fn set_room(&mut self, room: Reservation) {
        self.room = room;
    }

    /// Returns where the extent ends that the next byte belongs to.
    fn next_end(&self) -> u64 {
        (self.at - self.at % BLOCK + BLOCK).min(self.range.end)
    }

    /// Returns all of the range.
    pub(super) const fn range(&self) -> ByteRange {
        self.range
    }

    /// Takes in what comes next from `bytes`, straight to where it stays. Dropped before it is done, it has taken nothing.
    ///
    /// # Errors
    /// Those of `bytes`.
    pub(super) async fn take_from(&mut self, bytes: &mut Body) -> StoreResult<Took> {
        if self.at >= self.range.end {
            let more = bytes.read(&mut [0].as_mut_slice()).await?;
            return Ok(if more == 0 { Took::End } else { Took::TooMany });
        }
        let (at, end) = (self.at, self.next_end());
        let filling = self.filling.get_or_insert_with(|| Filling {
            offset: at,
            buffer: self.room.buffer(end - at),
            hasher: ChunkHasher::default(),
            checksums: Vec::new(),
        });
        let took = bytes.read(&mut filling.buffer.room()).await?;
        if took == 0 {
            return Ok(Took::End);
        }
        self.at += took as u64;
        filling.hash_from(at, self.range.end);
        if filling.buffer.is_full()
            && let Some(Filling { offset, buffer, checksums, .. }) = self.filling.take()
        {
            self.done.push(Filled { extent: Extent { offset, bytes: buffer.freeze() }, checksums });
        }
        Ok(Took::Some)
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
    use bytes::Bytes;

    use crate::cache::{Cache, Version, checksum};
    use crate::types::{ETag, ObjectKey};

    fn room(bytes: u64) -> Reservation {
        let version = Version { key: ObjectKey::new("k").unwrap(), etag: ETag::new("e"), size: 0 };
        Cache::in_memory(64 * BLOCK).open_version(&version).memory().try_reserve(bytes).unwrap()
    }

    /// Puts `content` in, which comes in pieces of `piece` bytes, and returns what was last said.
    async fn put(assembly: &mut Assembly, content: &[u8], piece: usize) -> Took {
        let pieces: Vec<_> = content.chunks(piece).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
        let mut body = Body::of_stream(futures_util::stream::iter(pieces));
        loop {
            let took = assembly.take_from(&mut body).await.unwrap();
            if took != Took::Some {
                return took;
            }
        }
    }

    #[tokio::test]
    async fn pieces_of_any_size_become_extents_that_end_at_blocks_with_checksums() {
        let range = ByteRange { start: BLOCK - CHUNK, end: 2 * BLOCK + 100 };
        let content: Vec<u8> = (0..range.len()).map(|i| (i % 251) as u8).collect();
        for piece in [1000, 65_536, 100_000, 5_000_000] {
            let mut assembly = Assembly::new(range, room(range.len() + 4096));
            assert_eq!(put(&mut assembly, &content, piece).await, Took::End);
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

    #[tokio::test]
    async fn more_than_the_range_is_refused() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: 10 }, room(10));
        assert_eq!(put(&mut assembly, &[0; 11], 11).await, Took::TooMany);
    }

    #[tokio::test]
    async fn restart_begins_anew() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: 10 }, room(10));
        put(&mut assembly, &[1; 7], 7).await;
        assembly.restart();
        assert_eq!(assembly.rest().start, 0);
        put(&mut assembly, &[2; 10], 10).await;
        assert_eq!(assembly.take_filled().next().unwrap().extent.bytes, vec![2; 10]);
    }

    #[tokio::test]
    async fn restart_keeps_what_was_taken() {
        let mut assembly = Assembly::new(ByteRange { start: 0, end: BLOCK + 10 }, room(2 * BLOCK));
        put(&mut assembly, &vec![1; to_usize(BLOCK) + 5], 5000).await;
        assert_eq!(assembly.take_filled().count(), 1);
        assembly.restart();
        assert_eq!(assembly.rest(), ByteRange { start: BLOCK, end: BLOCK + 10 });
    }
}
