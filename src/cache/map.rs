//! The chunk map of a cached version: its form on disk and in memory.
//!
//! Beside the sparse host file with the content stands a map file:
//!
//! | bytes | what |
//! |---|---|
//! | 0 .. 8 | `cairnmap` |
//! | 8 .. 12 | format, 1 |
//! | 12 .. 16 | bytes of a chunk |
//! | 16 .. 24 | size of the object |
//! | 24 .. 28 | bytes of the key, bytes of the ETag (two each) |
//! | 28 .. 4032 | key, ETag, zeros |
//! | 4032 .. 4096 | the seal: epoch (8), SHA-256 of the whole content or zeros (32), CRC-32 of those 40 bytes (4), zeros |
//! | 4096 .. | for each chunk the CRC-32 of its bytes; 0: not here |
//!
//! Numbers are little-endian. A checksum that is 0 by nature is kept as `0xffff_ffff`.
//!
//! # Crash safety
//! A chunk's content is written before its checksum, so an entry never speaks of bytes that were not written. What a
//! power cut leaves of either is held against the other before it is used.

use std::ops::Range;

use super::chunks::{CHUNK, chunk_count, on_disk, to_usize};
use super::version::Version;
use crate::types::{ETag, ObjectKey, Sha256Hex};

/// Bytes before the first entry.
pub(super) const HEADER_BYTES: usize = 4096;
/// Where the seal stands.
pub(super) const SEAL_AT: usize = 4032;
/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 4;
const NAMES_AT: usize = 28;
const SEAL_BYTES: usize = 44;
const FORMAT: u32 = 1;

/// Returns how many bytes the map of an object of `size` bytes takes on disk, once all of it is here.
pub(super) fn bytes_on_disk(size: u64) -> u64 {
    on_disk(HEADER_BYTES as u64 + chunk_count(size) * ENTRY_BYTES as u64)
}

/// Returns the CRC-32 of `bytes` as the map keeps it: never 0.
pub fn checksum(bytes: &[u8]) -> u32 {
    never_zero(crc32fast::hash(bytes))
}

/// Computes [`checksum`] over bytes that come in pieces.
#[derive(Debug, Default)]
pub struct ChunkHasher(crc32fast::Hasher);

impl ChunkHasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the checksum of all bytes so far and begins anew.
    pub fn finish(&mut self) -> u32 {
        never_zero(std::mem::take(&mut self.0).finalize())
    }
}

/// Returns `crc` as the map keeps it.
const fn never_zero(crc: u32) -> u32 {
    if crc == 0 { u32::MAX } else { crc }
}

/// Returns the header of `version` without a seal; `None` where key and ETag do not fit (an ETag of over 2,900 bytes),
/// so that this version cannot be kept on disk.
pub(super) fn header(version: &Version) -> Option<Vec<u8>> {
    let (key, etag) = (version.key.as_str().as_bytes(), version.etag.as_str().as_bytes());
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend_from_slice(b"cairnmap");
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&u32::try_from(CHUNK).ok()?.to_le_bytes());
    out.extend_from_slice(&version.size.to_le_bytes());
    out.extend_from_slice(&u16::try_from(key.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&u16::try_from(etag.len()).ok()?.to_le_bytes());
    debug_assert_eq!(out.len(), NAMES_AT);
    out.extend_from_slice(key);
    out.extend_from_slice(etag);
    if out.len() > SEAL_AT {
        return None;
    }
    out.resize(HEADER_BYTES, 0);
    Some(out)
}

/// Returns the version that [`header`] was made of; `None` for anything else.
pub(super) fn version(bytes: &[u8]) -> Option<Version> {
    let number = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let size = u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
    let (key, etag) = (number(24)?, number(26)?);
    let names = bytes.get(NAMES_AT..)?;
    let text = |range: Range<usize>| std::str::from_utf8(names.get(range)?).ok();
    let key_text = text(0..key)?;
    let version =
        Version { key: ObjectKey::new(key_text).ok()?, etag: ETag::new(text(key..key + etag)?), size };
    // whatever else stands there must be as we would have written it
    let ours = header(&version)?;
    (bytes.get(..SEAL_AT) == ours.get(..SEAL_AT)).then_some(version)
}

/// What is known of a host file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seal {
    /// Every chunk in the file was written or held against its checksum in this epoch (see [`super::dir`]).
    pub epoch: u64,
    /// The whole content has this digest.
    pub sha256: Option<Sha256Hex>,
}

impl Seal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEAL_BYTES);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.sha256.map_or([0; 32], |sha| *sha.as_bytes()));
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads a seal; one that is torn or was never written seals nothing.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self::try_decode(bytes).unwrap_or_default()
    }

    fn try_decode(bytes: &[u8]) -> Option<Self> {
        let (body, rest) = bytes.split_at_checked(40)?;
        let crc = u32::from_le_bytes(*rest.first_chunk()?);
        if crc != crc32fast::hash(body) {
            return None;
        }
        let (epoch, sha) = body.split_first_chunk::<8>()?;
        let sha: [u8; 32] = sha.try_into().ok()?;
        let sha256 = (sha != [0; 32]).then(|| Sha256Hex::from_bytes(sha));
        Some(Self { epoch: u64::from_le_bytes(*epoch), sha256 })
    }
}

const PAGE_CHUNKS: u64 = 1024;
const PAGE_LEN: usize = 1024;

#[derive(Debug, Clone)]
struct Page {
    checksums: [u32; PAGE_LEN],
    verified: [bool; PAGE_LEN],
}

/// The map in memory: which chunks are here, with what checksum, and which of those were held against it.
///
/// Takes 5 bytes for a chunk that is here, in pages of 1,024 chunks; the disk budget bounds how many those are.
#[derive(Debug)]
pub(super) struct ChunkTable {
    count: u64,
    present: u64,
    pages: Vec<Option<Box<Page>>>,
}

impl ChunkTable {
    /// Makes the empty table of an object of `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        let count = chunk_count(size);
        let pages = vec![None; to_usize(count.div_ceil(PAGE_CHUNKS))];
        Self { count, present: 0, pages }
    }

    /// Returns how many chunks are here.
    pub(super) const fn present(&self) -> u64 {
        self.present
    }

    /// Returns whether all chunks are here.
    pub(super) const fn is_complete(&self) -> bool {
        self.present == self.count
    }

    /// Returns the checksum of a chunk that is here, and whether it was verified.
    pub(super) fn get(&self, chunk: u64) -> Option<(u32, bool)> {
        let page = self.pages.get(to_usize(chunk / PAGE_CHUNKS))?.as_ref()?;
        let at = to_usize(chunk % PAGE_CHUNKS);
        let checksum = *page.checksums.get(at)?;
        (checksum != 0).then(|| (checksum, page.verified.get(at).copied().unwrap_or(false)))
    }

    /// Notes that `chunk` is here; `checksum` 0 that it is not.
    pub(super) fn set(&mut self, chunk: u64, checksum: u32, verified: bool) {
        if chunk >= self.count {
            return;
        }
        let Some(slot) = self.pages.get_mut(to_usize(chunk / PAGE_CHUNKS)) else { return };
        if slot.is_none() && checksum == 0 {
            return;
        }
        let page = slot
            .get_or_insert_with(|| Box::new(Page { checksums: [0; PAGE_LEN], verified: [false; PAGE_LEN] }));
        let at = to_usize(chunk % PAGE_CHUNKS);
        if let (Some(c), Some(v)) = (page.checksums.get_mut(at), page.verified.get_mut(at)) {
            self.present = self.present + u64::from(checksum != 0) - u64::from(*c != 0);
            (*c, *v) = (checksum, verified && checksum != 0);
        }
    }

    /// Notes that a chunk that is here has the bytes of its checksum, if the checksum is still `checksum`.
    pub(super) fn set_verified(&mut self, chunk: u64, checksum: u32) {
        if self.get(chunk).is_some_and(|(c, _)| c == checksum) {
            self.set(chunk, checksum, true);
        }
    }

    /// Takes in entries read from disk, from chunk `first` on.
    pub(super) fn load(&mut self, first: u64, entries: &[u8], verified: bool) {
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        for (chunk, entry) in (first..).zip(entries) {
            self.set(chunk, u32::from_le_bytes(*entry), verified);
        }
    }

    /// Returns the entries of `chunks` as they stand on disk.
    pub(super) fn entries(&self, chunks: Range<u64>) -> Vec<u8> {
        chunks.flat_map(|c| self.get(c).map_or(0, |(checksum, _)| checksum).to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ETag, ObjectKey};

    fn version(key: &str, etag: &str) -> Version {
        Version { key: ObjectKey::new(key).unwrap(), etag: ETag::new(etag), size: 5 * CHUNK + 1 }
    }

    #[test]
    fn header_differs_for_every_version_and_has_one_length() {
        let one = header(&version("documents/a.pdf", "e1")).unwrap();
        assert_eq!(one.len(), HEADER_BYTES);
        assert_ne!(one, header(&version("documents/a.pdf", "e2")).unwrap());
        assert_ne!(one, header(&version("documents/b.pdf", "e1")).unwrap());
        assert_eq!(one, header(&version("documents/a.pdf", "e1")).unwrap());
    }

    #[test]
    fn header_of_names_that_do_not_fit_is_none() {
        assert!(header(&version(&"k".repeat(1024), &"e".repeat(2900))).is_some());
        assert!(header(&version(&"k".repeat(1024), &"e".repeat(2981))).is_none());
    }

    #[test]
    fn seal_survives_disk_and_a_torn_one_seals_nothing() {
        let seal = Seal { epoch: 77, sha256: Some(Sha256Hex::from_bytes([9; 32])) };
        let bytes = seal.encode();
        assert_eq!(Seal::decode(&bytes), seal);
        for torn in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[torn] ^= 1;
            assert_eq!(Seal::decode(&bad), Seal::default(), "byte {torn}");
        }
        assert_eq!(Seal::decode(&[0; SEAL_BYTES]), Seal::default());
        assert_eq!(Seal::decode(&[]), Seal::default());
    }

    #[test]
    fn checksum_of_bytes_whose_crc_is_zero_is_not_zero() {
        // these four bytes have the CRC-32 0
        let bytes = [0x9d, 0x0a, 0xd9, 0x6d];
        assert_eq!(crc32fast::hash(&bytes), 0);
        assert_ne!(checksum(&bytes), 0);
    }

    #[test]
    fn table_counts_what_is_present() {
        let mut table = ChunkTable::new(3000 * CHUNK + 1);
        assert!(!table.is_complete());
        for chunk in 0..3001 {
            table.set(chunk, 5, true);
            table.set(chunk, 6, false);
        }
        table.set(3001, 5, true);
        assert!(table.is_complete());
        assert_eq!(table.get(3000), Some((6, false)));
        table.set_verified(3000, 5);
        assert_eq!(table.get(3000), Some((6, false)));
        table.set_verified(3000, 6);
        assert_eq!(table.get(3000), Some((6, true)));
        table.set(7, 0, true);
        assert_eq!(table.present(), 3000);
        assert_eq!(table.get(7), None);
    }

    #[test]
    fn table_survives_its_entries() {
        let mut table = ChunkTable::new(10 * CHUNK);
        table.set(3, 33, true);
        table.set(9, 99, true);
        let mut again = ChunkTable::new(10 * CHUNK);
        again.load(2, &table.entries(2..10), false);
        assert_eq!(again.get(3), Some((33, false)));
        assert_eq!(again.get(9), Some((99, false)));
        assert_eq!(again.present(), 2);
    }

    #[test]
    fn table_of_an_empty_object_is_complete() {
        assert!(ChunkTable::new(0).is_complete());
    }
}
