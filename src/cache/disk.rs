//! The disk side of the cache: the directory, its budget, and what happens when the disk fails.
//!
//! The disk is a convenience. Whatever it refuses (full, broken, read-only, gone) costs speed, never a read: writing
//! pauses for [`PAUSE`], one warning is logged, and reads go to the store meanwhile.
//!
//! # Locking
//! The index lock covers the quick part of a deletion (taking the files out of their place), so that nobody can put
//! the same version back in between; the slow part happens after it is released.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::chunks::on_disk;
use super::dir::{CacheDir, Discarded};
use super::error::CacheError;
use super::host_file::{HostFile, HostPaths, Via};
use super::index::{Grow, Index};
use super::map::{self, HEADER_BYTES, Seal};
use super::run::Run;
use super::stats::Counters;
use super::version::{FileId, Version};
use crate::types::{OnDamage, Sha256Hex};

/// How long nothing is written after the disk has refused something.
const PAUSE: Duration = Duration::from_secs(30);

/// How much is evicted when the disk is full before the budget is.
const FULL_EVICTS: u64 = 256 * 1024 * 1024;

/// So many versions are deleted under one lock: whoever opens a file waits for it.
const AT_A_TIME: usize = 64;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Disk {
    dir: CacheDir,
    budget: u64,
    index: Mutex<Index>,
    paused_until: Mutex<Option<Instant>>,
}

/// Files of a version, complete, on their way into the cache. What is still there is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct Prepared {
    place: HostPaths,
    /// What they take on disk.
    bytes: u64,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for path in [&self.place.data, &self.place.map] {
            if let Err(e) = std::fs::remove_file(path)
                && e.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!("cannot delete '{}': {e}", path.display());
            }
        }
    }
}

impl Disk {
    pub(super) fn open(dir: CacheDir, budget: u64, counters: &Counters) -> Self {
        let mut index = Index::new(budget);
        for found in dir.scan() {
            index.add(found.id, found.bytes);
        }
        let disk = Self { dir, budget, index: Mutex::new(index), paused_until: Mutex::new(None) };
        disk.evict(counters, |index| index.over_budget());
        disk
    }

    pub(super) const fn budget(&self) -> u64 {
        self.budget
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.dir.epoch()
    }

    /// Runs `look` on the index, for statistics.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.lock())
    }

    pub(super) fn leave(&self) -> io::Result<()> {
        self.dir.leave()
    }

    /// Returns whether writing makes sense at present.
    pub(super) fn is_usable(&self) -> bool {
        let mut paused = self.paused_until.lock();
        if paused.is_some_and(|until| Instant::now() >= until) {
            *paused = None;
        }
        paused.is_none() && self.dir.is_ours()
    }

    /// Returns whether there is room for all of the pinned version `id`, of `size` bytes, beside what else is open.
    pub(super) fn has_room(&self, id: FileId, size: u64) -> bool {
        self.look(|index| index.has_room(id, on_disk(size).saturating_add(map::bytes_on_disk(size))))
    }

    pub(super) fn pin(&self, id: FileId) {
        self.index.lock().pin(id);
    }

    pub(super) fn unpin(&self, id: FileId, counters: &Counters) {
        self.evict(counters, |index| index.unpin(id));
    }

    /// Opens what is on disk of `version`, which is pinned. What turns out not to be its files is deleted.
    ///
    /// # Errors
    /// Where something may be there, but cannot be opened now: too many open files, for one.
    pub(super) fn open_file(
        &self,
        id: FileId,
        version: &Version,
        on_damage: &OnDamage,
    ) -> io::Result<Option<HostFile>> {
        if !self.index.lock().has(id) {
            return Ok(None);
        }
        match HostFile::open(&self.dir.paths(id), version, self.dir.epoch()) {
            Ok(Some(file)) => {
                if let Err(e) = file.touch() {
                    tracing::debug!("cannot note the use of a cached file: {e}");
                }
                return Ok(Some(file));
            }
            Ok(None) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        on_damage
            .tell(&version.key, "a file of the cache is not what it should be: dropped, and fetched again");
        self.remove(id);
        Ok(None)
    }

    /// Opens what is on disk under `id` without using it: it is neither pinned nor marked as used. `None` where it is not
    /// what it should be.
    pub(super) fn open_unused(&self, id: FileId) -> io::Result<Option<(Version, HostFile)>> {
        let paths = self.dir.paths(id);
        let mut header = vec![0; HEADER_BYTES];
        match File::open(&paths.map)?.read_exact_at(&mut header, 0) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let Some(version) = map::version(&header).filter(|version| version.id() == id) else {
            return Ok(None);
        };
        let file = HostFile::open(&paths, &version, self.dir.epoch())?;
        Ok(file.map(|file| (version, file)))
    }

    /// Deletes what is on disk of `id`, unless somebody has opened it.
    pub(super) fn remove_idle(&self, id: FileId) {
        let gone = {
            let mut index = self.index.lock();
            if !index.is_idle(id) {
                return;
            }
            index.forget(id);
            self.dir.discard(id)
        };
        gone.delete();
    }

    /// Creates the host file of `version`, which is pinned. `None` where the disk refuses or there is no room.
    pub(super) fn create_file(&self, id: FileId, version: &Version, counters: &Counters) -> Option<HostFile> {
        if !self.is_usable() || !self.grow(id, map::bytes_on_disk(version.size), counters) {
            return None;
        }
        match HostFile::create(&self.dir.paths(id), version, self.dir.epoch()) {
            Ok(Some(file)) => Some(file),
            Ok(None) => {
                self.index.lock().forget(id);
                None
            }
            Err(e) => {
                self.remove(id);
                self.refused(&e, counters);
                None
            }
        }
    }

    /// Writes `run` of the pinned version `id`. Returns whether it is on disk now.
    pub(super) fn write(
        &self,
        id: FileId,
        file: &HostFile,
        run: &Run,
        via: Via,
        counters: &Counters,
    ) -> bool {
        let new = file.absent_bytes(run.range());
        if new == 0 {
            return true; // taken in meanwhile from a file of this host, which is not written to
        }
        if !self.is_usable() || !self.grow(id, new, counters) {
            return false;
        }
        if let Err(e) = file.write(run, via) {
            self.index.lock().shrink(id, new);
            self.refused(&e, counters);
            return false;
        }
        true
    }

    /// Deletes what is on disk of `id`, also while it is pinned. Who has the file open keeps it.
    pub(super) fn remove(&self, id: FileId) {
        let gone = {
            let mut index = self.index.lock();
            index.forget(id);
            self.dir.discard(id)
        };
        gone.delete();
    }

    /// Deletes everything that is not open. Returns how many versions and bytes that were.
    pub(super) fn clear(&self, counters: &Counters) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        loop {
            let mut named = 0;
            files += self.evict(counters, |index| {
                let before = index.used();
                let ids = index.evict(u64::MAX, AT_A_TIME);
                bytes += before - index.used();
                named = ids.len();
                ids
            });
            if named < AT_A_TIME {
                return (files, bytes);
            }
        }
    }

    /// Makes files of `version` out of the complete content at `host_file`, which is read once; see
    /// [`super::Cache::adopt`]. `None` where they cannot be kept.
    pub(super) fn prepare(
        &self,
        version: &Version,
        host_file: &Path,
        sha256: Option<Sha256Hex>,
    ) -> Result<Option<Prepared>, CacheError> {
        if version.size.saturating_add(self.look(Index::pinned_bytes)) > self.budget || !self.is_usable() {
            return Ok(None);
        }
        let bytes = on_disk(version.size).saturating_add(map::bytes_on_disk(version.size));
        let prepared = Prepared { place: self.dir.workplace(), bytes };
        let place = &prepared.place;
        match std::fs::hard_link(host_file, &place.data) {
            // another file system, or one without links
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                std::fs::copy(host_file, &place.data)
                    .map_err(CacheError::io("cannot copy into the cache", host_file))?;
            }
            linked => linked.map_err(CacheError::io("cannot link into the cache", host_file))?,
        }
        let found =
            std::fs::metadata(&place.data).map_err(CacheError::io("cannot look at", &place.data))?.len();
        if found != version.size {
            return Err(CacheError::WrongSize { path: host_file.to_owned(), found, expected: version.size });
        }
        let seal = Seal { epoch: self.dir.epoch(), sha256 };
        let adopted =
            HostFile::adopt(place, version, seal).map_err(CacheError::io("cannot read", host_file))?;
        Ok(adopted.map(|()| prepared))
    }

    /// Puts `prepared` into the place of what is on disk of `id`.
    pub(super) fn install(
        &self,
        id: FileId,
        prepared: Prepared,
        counters: &Counters,
    ) -> Result<(), CacheError> {
        let (replaced, installed, gone) = {
            let mut index = self.index.lock();
            let replaced = index.has(id).then(|| self.dir.discard(id));
            if replaced.is_some() {
                index.forget(id);
            }
            let installed = self.dir.install(&prepared.place, id);
            if installed.is_ok() {
                index.add(id, prepared.bytes);
            }
            (replaced, installed, self.discard_all(index.over_budget()))
        };
        if let Some(replaced) = replaced {
            replaced.delete();
        }
        Self::delete_all(gone, counters);
        installed.map_err(CacheError::io("cannot move into the cache", &prepared.place.data))
    }

    /// Takes `bytes` of the budget for `id`, evicting others. `false` where there is no room.
    fn grow(&self, id: FileId, bytes: u64, counters: &Counters) -> bool {
        let gone = {
            let mut index = self.index.lock();
            match index.grow(id, bytes) {
                Grow::Fits(ids) => self.discard_all(ids),
                Grow::Full => return false,
            }
        };
        Self::delete_all(gone, counters);
        true
    }

    fn evict(&self, counters: &Counters, which: impl FnOnce(&mut Index) -> Vec<FileId>) -> u64 {
        let gone = {
            let mut index = self.index.lock();
            let ids = which(&mut index);
            self.discard_all(ids)
        };
        Self::delete_all(gone, counters)
    }

    fn discard_all(&self, ids: Vec<FileId>) -> Vec<Discarded> {
        ids.into_iter().map(|id| self.dir.discard(id)).collect()
    }

    fn delete_all(gone: Vec<Discarded>, counters: &Counters) -> u64 {
        let n = gone.iter().filter(|g| g.is_some()).count() as u64;
        counters.evicted_files.add(n);
        gone.into_iter().for_each(Discarded::delete);
        n
    }

    fn refused(&self, e: &io::Error, counters: &Counters) {
        counters.disk_errors.add(1);
        if e.kind() == io::ErrorKind::StorageFull {
            let target = self.look(Index::used).saturating_sub(FULL_EVICTS);
            let some = |index: &mut Index| index.evict(index.used().saturating_sub(target), AT_A_TIME);
            while self.evict(counters, some) > 0 {}
        }
        let mut paused = self.paused_until.lock();
        if paused.replace(Instant::now() + PAUSE).is_none() {
            tracing::warn!(
                "cannot write to the cache directory: {e}; reading goes on without it for {} s",
                PAUSE.as_secs()
            );
        }
    }
}
