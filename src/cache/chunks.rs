//! The arithmetic of chunks and blocks.
//!
//! A *chunk* is what the cache knows to have or not to have, with one checksum each. A *block* is the unit of buffers
//! in memory: a whole number of chunks, so that a read as large as the kernel makes them is one slice of one buffer.

use std::ops::Range;

use crate::types::ByteRange;

/// Bytes of a chunk. A 4 KiB read costs at most two of them (where it straddles), which keeps a random reader at no
/// more than 128 KiB a read; the map of a 1 GiB object takes 64 KiB.
pub const CHUNK: u64 = 64 * 1024;

/// Bytes of a block: the largest read that Linux sends to a FUSE daemon (256 pages, `fs.fuse.max_pages_limit`).
pub const BLOCK: u64 = 1024 * 1024;

/// Returns the smallest range of whole chunks that covers `range`, cut at `size`, the object's end.
pub fn cover(range: ByteRange, size: u64) -> ByteRange {
    let range = range.clamp_to(size);
    if range.is_empty() {
        return range;
    }
    let start = range.start - range.start % CHUNK;
    let end = range.end.div_ceil(CHUNK).saturating_mul(CHUNK).min(size);
    ByteRange { start, end }
}

/// Returns the numbers of the chunks that `range` touches.
pub fn chunk_numbers(range: ByteRange) -> Range<u64> {
    if range.is_empty() { 0..0 } else { range.start / CHUNK..range.end.div_ceil(CHUNK) }
}

/// Returns how many chunks an object of `size` bytes has.
pub const fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK)
}

/// Returns the bytes of chunk `number` of an object of `size` bytes; the last one may be short.
pub fn chunk_range(number: u64, size: u64) -> ByteRange {
    ByteRange::at(number.saturating_mul(CHUNK), CHUNK).clamp_to(size)
}

/// Returns what `bytes` of a file take on disk: file systems give out whole blocks, of 4 KiB nearly everywhere.
pub const fn on_disk(bytes: u64) -> u64 {
    bytes.div_ceil(4096).saturating_mul(4096)
}

/// Cuts `range` at the multiples of `step` (not zero) and returns the pieces in order.
pub fn pieces(range: ByteRange, step: u64) -> impl Iterator<Item = ByteRange> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let end = (start - start % step).saturating_add(step).min(range.end);
        let piece = ByteRange { start, end };
        start = end;
        Some(piece)
    })
}

/// Returns `n` as a `usize`, saturating where that has fewer bits.
pub fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Returns the part of `bytes`, which begin at `offset` of the object, that lies in `range`; `None` where none does.
pub fn slice_of(offset: u64, bytes: &bytes::Bytes, range: ByteRange) -> Option<bytes::Bytes> {
    let start = range.start.max(offset);
    let end = range.end.min(offset.saturating_add(bytes.len() as u64));
    (start < end).then(|| bytes.slice(to_usize(start - offset)..to_usize(end - offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn cover_of_a_small_read_is_its_chunks_cut_at_the_end() {
        assert_eq!(cover(range(10, 20), 1 << 30), range(0, CHUNK));
        assert_eq!(cover(range(CHUNK - 1, CHUNK + 1), 1 << 30), range(0, 2 * CHUNK));
        assert_eq!(cover(range(10, 20), 15), range(0, 15));
        assert!(cover(range(20, 30), 15).is_empty());
    }

    #[test]
    fn pieces_cut_at_multiples_and_join_to_the_whole() {
        let cut: Vec<_> = pieces(range(5, 25), 10).collect();
        assert_eq!(cut, vec![range(5, 10), range(10, 20), range(20, 25)]);
        assert_eq!(pieces(range(7, 7), 10).count(), 0);
    }

    #[test]
    fn slice_of_disjoint_ranges_is_none() {
        let bytes = bytes::Bytes::from_static(b"0123456789");
        assert_eq!(slice_of(100, &bytes, range(103, 200)).as_deref(), Some(&b"3456789"[..]));
        assert_eq!(slice_of(100, &bytes, range(0, 100)), None);
        assert_eq!(slice_of(100, &bytes, range(110, 120)), None);
    }
}
