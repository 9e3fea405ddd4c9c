//! The cache: bytes of object versions, in memory and on this host's disk, each under a budget.
//!
//! It knows nothing of stores: [`read`](crate::read) fetches and puts in. Everything is keyed by [`Version`], so bytes
//! of two versions never mix. A version is one sparse host file plus a map of its chunks with their checksums
//! (`map`); memory holds what has just arrived (`front`).
//!
//! # Invariants
//! * What comes out is what was put in: held against its checksum on first use, unless it was written in this epoch
//!   (`dir`), and once a day (`scrub`). What is wrong or torn is thrown away and missing again.
//! * The disk budget holds, and what is open is never evicted (`index`). What does not fit beside it is not kept.
//! * The disk never makes a reader fail or wait (`disk`, `writer`).
//!
//! # Locking
//! open objects → an object's host → index → directory; memory front → chunk table, the disk's pause. No other lock is
//! taken inside those on the right.

mod chunks;
mod dir;
mod direct_io;
mod disk;
mod error;
mod front;
mod host_file;
mod index;
mod map;
mod memory;
mod object;
mod room;
mod run;
mod scrub;
mod stats;
mod version;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

pub use chunks::{BLOCK, CHUNK, chunk_numbers, cover, pieces, to_usize};
pub use error::CacheError;
pub use front::Extent;
pub use map::{ChunkHasher, checksum};
pub use memory::{Buffer, Memory, Reservation};
pub use object::{CachedObject, Reader};
pub use scrub::Scrubbed;
pub use stats::CacheStats;
pub use version::{FileId, Version};

use crate::types::{OnDamage, Sha256Hex};
use dir::CacheDir;
use disk::Disk;
use scrub::Scrubber;
use stats::Counters;
use writer::{Workers, Write};

/// How a cache is set up.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// Where the files are. Nobody else may use the directory; it is created if need be.
    pub dir: PathBuf,
    /// The most that files may take on disk, in bytes.
    pub disk_budget: u64,
    /// The most memory that object bytes may take, in bytes: cached, on their way in, and fetched ahead.
    pub memory_budget: u64,
    /// Hears of content that does not match its checksum.
    pub on_damage: OnDamage,
}

impl CacheOptions {
    /// Returns the defaults for a cache in `dir`: 10 GiB on disk, 64 MiB in memory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            disk_budget: 10 << 30,
            memory_budget: 64 << 20,
            on_damage: OnDamage::default(),
        }
    }
}

/// See the module documentation.
#[derive(Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    scrubber: Option<Scrubber>,
}

/// What the cache, its open objects and its threads have in common.
#[derive(Debug)]
struct Shared {
    memory: Memory,
    disk: Option<Disk>,
    workers: Option<Workers>,
    open: Mutex<HashMap<FileId, Weak<CachedObject>>>,
    counters: Counters,
    on_damage: OnDamage,
}

impl Cache {
    /// Opens the cache in `options.dir` with what earlier runs left there.
    ///
    /// # Errors
    /// [`CacheError`] where the directory cannot be made or another process uses it. Later trouble with the disk only
    /// shows in [`Self::stats`].
    pub fn open(options: CacheOptions) -> Result<Self, CacheError> {
        let counters = Counters::default();
        let disk = Disk::open(CacheDir::open(&options.dir)?, options.disk_budget, &counters);
        let memory = Memory::new(options.memory_budget);
        let workers = Workers::start(memory.budget() / 2).map_err(CacheError::Thread)?;
        let mut cache = Self::with(memory, Some(disk), Some(workers), counters, options.on_damage);
        let scrubber = Scrubber::start(Arc::downgrade(&cache.shared)).map_err(CacheError::Thread)?;
        cache.scrubber = Some(scrubber);
        Ok(cache)
    }

    /// Makes a cache without a disk.
    pub fn in_memory(memory_budget: u64) -> Self {
        Self::with(Memory::new(memory_budget), None, None, Counters::default(), OnDamage::default())
    }

    fn with(
        memory: Memory,
        disk: Option<Disk>,
        workers: Option<Workers>,
        counters: Counters,
        on_damage: OnDamage,
    ) -> Self {
        let open = Mutex::new(HashMap::new());
        let shared = Arc::new(Shared { memory, disk, workers, open, counters, on_damage });
        Self { shared, scrubber: None }
    }

    /// Returns who hears of content that does not match its checksum.
    pub fn on_damage(&self) -> &OnDamage {
        &self.shared.on_damage
    }

    /// Opens `version`: pins what is on disk of it for as long as the result exists. All who have it open share one.
    pub fn open_version(&self, version: &Version) -> Arc<CachedObject> {
        let id = version.id();
        let mut open = self.shared.open.lock();
        if let Some(object) = open.get(&id).and_then(Weak::upgrade) {
            return object;
        }
        open.retain(|_, object| object.strong_count() > 0);
        let object = Arc::new(CachedObject::new(Arc::clone(&self.shared), version.clone(), id));
        open.insert(id, Arc::downgrade(&object));
        object
    }

    /// Returns whether any of `version` is on disk, or its beginning in memory. Opens nothing.
    pub fn has_some_of(&self, version: &Version) -> bool {
        let id = version.id();
        self.shared.disk.as_ref().is_some_and(|disk| disk.look(|index| index.has(id)))
            || self.shared.memory.front().extent_end(id, 0).is_some()
    }

    /// Takes in the complete content of `version` from `host_file`: a hard link where both are on one file system,
    /// otherwise a copy. From now on **nobody may write to that file**, by whatever name. `sha256` is its digest, where
    /// the caller has computed it. Does nothing where the version is cached already, or where there is no room.
    /// Reads the whole file once: not for a thread that must not block.
    ///
    /// # Errors
    /// [`CacheError`] where the file cannot be read or linked or has another size.
    pub fn adopt(
        &self,
        version: &Version,
        host_file: &Path,
        sha256: Option<Sha256Hex>,
    ) -> Result<(), CacheError> {
        let Some(disk) = &self.shared.disk else { return Ok(()) };
        // held open, so that whoever opens it meanwhile shares it, and can wait for the files
        let object = self.open_version(version);
        if object.is_complete() {
            return Ok(());
        }
        let _coming = object.coming();
        match disk.prepare(version, host_file, sha256)? {
            Some(prepared) => object.replace(|| disk.install(object.id(), prepared, &self.shared.counters)),
            None => Ok(()),
        }
    }

    /// Deletes everything that is not open from disk, and from memory what no reader is about to read. Returns how many versions, and how many bytes of
    /// the disk, that were.
    pub fn clear(&self) -> (u64, u64) {
        let cleared = self.shared.disk.as_ref().map(|disk| disk.clear(&self.shared.counters));
        self.shared.memory.evict_all();
        cleared.unwrap_or_default()
    }

    /// Holds everything on disk that is not open against its checksums, as it is done by itself once a day, but without the
    /// pauses. Blocks.
    pub fn scrub(&self) -> Scrubbed {
        scrub::scrub(&self.shared, &|| true)
    }

    fn stop_scrubber(&self) {
        if let Some(scrubber) = &self.scrubber {
            scrubber.stop();
        }
    }

    /// Returns how the cache stands.
    pub fn stats(&self) -> CacheStats {
        let shared = &self.shared;
        let counters = &shared.counters;
        let (disk_used, disk_pinned, files) = shared
            .disk
            .as_ref()
            .map(|d| d.look(|index| (index.used(), index.pinned_bytes(), index.files() as u64)))
            .unwrap_or_default();
        CacheStats {
            memory_used: shared.memory.used(),
            memory_budget: shared.memory.budget(),
            disk_used,
            disk_pinned,
            disk_budget: shared.disk.as_ref().map_or(0, Disk::budget),
            files,
            disk_usable: shared.disk.as_ref().is_some_and(Disk::is_usable),
            memory_hit_bytes: counters.memory_hit_bytes.get(),
            disk_hit_bytes: counters.disk_hit_bytes.get(),
            inserted_bytes: counters.inserted_bytes.get(),
            unwritten_bytes: counters.unwritten_bytes.get(),
            waiting_bytes: shared.workers.as_ref().map_or(0, Workers::waiting_bytes),
            evicted_files: counters.evicted_files.get(),
            damaged_chunks: counters.damaged_chunks.get(),
            rejected_files: counters.rejected_files.get(),
            disk_errors: counters.disk_errors.get(),
        }
    }

    /// Waits until what was put in so far is on disk and verified where that is due. Blocks.
    pub fn flush(&self) {
        if let Some(workers) = &self.shared.workers {
            workers.flush();
        }
    }

    /// Waits until what was put in so far is on disk or cannot be.
    pub async fn written_out(&self) {
        if let Some(workers) = &self.shared.workers {
            workers.written_out().await;
        }
    }

    /// Stops in order: writes what is queued, leaves the mark that spares the next start the verification, and lets
    /// another process use the directory. Reading goes on; nothing is put on disk any more. Blocks.
    pub fn shutdown(&self) {
        self.stop_scrubber();
        if let Some(workers) = &self.shared.workers {
            workers.stop();
        }
        if let Some(disk) = &self.shared.disk
            && let Err(e) = disk.leave()
        {
            tracing::warn!("cannot mark the cache directory as left in order: {e}");
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.stop_scrubber();
        if let Some(workers) = &self.shared.workers {
            workers.stop();
        }
    }
}

impl Shared {
    /// Queues `write` for the disk. `false` where it will not get there.
    fn queue_write(&self, write: Write) -> bool {
        let bytes = write.run.range().len();
        let queued = match (&self.disk, &self.workers) {
            (Some(disk), Some(workers)) => disk.is_usable() && workers.write(write),
            _ => false,
        };
        if !queued {
            self.counters.unwritten_bytes.add(bytes);
        }
        queued
    }

    /// Queues a verification of `object` where it is complete and not verified, once.
    fn verify_if_due(&self, object: &CachedObject) {
        let Some(workers) = &self.workers else { return };
        let Some(host) = object.host().filter(|h| h.is_complete()) else { return };
        if object.is_verified(&host) || object.verifying.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = self.open.lock().get(&object.id()).and_then(Weak::upgrade);
        let queued = shared.is_some_and(|object| workers.verify(object));
        if !queued {
            object.verifying.store(false, Ordering::Release);
        }
    }
}
