//! What the cache counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// How the cache stands and what it has done since it was opened. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Taken of the memory budget.
    pub memory_used: u64,
    /// The memory budget.
    pub memory_budget: u64,
    /// Taken of the disk budget.
    pub disk_used: u64,
    /// The part of that which is open and so cannot be evicted.
    pub disk_pinned: u64,
    /// The disk budget; 0 for a cache in memory only.
    pub disk_budget: u64,
    /// Versions with bytes on disk.
    pub files: u64,
    /// Whether new bytes go to disk at present.
    pub disk_usable: bool,
    /// Read from memory.
    pub memory_hit_bytes: u64,
    /// Read from disk.
    pub disk_hit_bytes: u64,
    /// Taken in.
    pub inserted_bytes: u64,
    /// Taken in, but never written to disk: no room, no disk, or the disk could not follow.
    pub unwritten_bytes: u64,
    /// Taken in and on their way to disk.
    pub waiting_bytes: u64,
    /// Versions deleted to make room.
    pub evicted_files: u64,
    /// Chunks on disk that were not what had arrived.
    pub damaged_chunks: u64,
    /// Whole files that did not have the SHA-256 they should have.
    pub rejected_files: u64,
    /// Writes that the disk refused.
    pub disk_errors: u64,
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub memory_hit_bytes: Counter,
    pub disk_hit_bytes: Counter,
    pub inserted_bytes: Counter,
    pub unwritten_bytes: Counter,
    pub evicted_files: Counter,
    pub damaged_chunks: Counter,
    pub rejected_files: Counter,
    pub disk_errors: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
