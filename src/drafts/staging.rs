//! Staging files: where content lives on this host until it is an object.
//!
//! One file a draft, named by its id, in `<state>/staging`. Nothing else is kept there.
//!
//! # Limits
//! New bytes are refused (ENOSPC) while the host file system has less than `free_floor` left, and where they would make
//! the staging files larger than `budget` together, so that a full disk shows at the write and never as a short object
//! (semantics 3.13). Both are looked at from time to time and not at every write: in between, [`RECHECK_BYTES`] and what
//! is under way at that moment may go below the floor. The budget is looked at again as soon as what was left of it then
//! is used up, so only what is under way at that moment may go over it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use crate::types::DraftId;

/// How many bytes may be written between two looks at the free space of the host file system.
const RECHECK_BYTES: i64 = 16 * 1024 * 1024;

/// The directory of staging files.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    free_floor: u64,
    budget: Option<u64>,
    /// Bytes that may be written before the free space is looked at again.
    allowance: AtomicI64,
    /// Bytes by which the files may grow before they are counted again.
    growth: AtomicI64,
}

impl Staging {
    /// Opens or makes the directory. `free_floor` and `budget` are in bytes; without a budget only the disk is the limit.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn open(dir: &Path, free_floor: u64, budget: Option<u64>) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let (allowance, growth) = (AtomicI64::new(0), AtomicI64::new(0));
        Ok(Self { dir: dir.to_owned(), free_floor, budget, allowance, growth })
    }

    /// Returns where the content of `id` is.
    pub fn path(&self, id: &DraftId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Makes the empty file of a new draft.
    ///
    /// # Errors
    /// What the host file system says; `StorageFull` below the floor.
    pub fn create(&self, id: &DraftId) -> io::Result<File> {
        self.reserve(0, 0)?;
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.path(id))
    }

    /// Opens the file of a draft that exists.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn reopen(&self, id: &DraftId) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(id))
    }

    /// Gives the file of `from` to `to`.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn rename(&self, from: &DraftId, to: &DraftId) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    /// Removes the file of a draft. A file that is already gone is success.
    pub fn remove(&self, id: &DraftId) {
        if let Err(e) = std::fs::remove_file(self.path(id))
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("staging file {} could not be removed: {e}", self.path(id).display());
        }
    }

    /// Makes the names in the directory durable.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// Asks to write `bytes`, by which a file grows by `growth`.
    ///
    /// # Errors
    /// `StorageFull` where the host file system is at its floor, or the files at their budget.
    pub fn reserve(&self, bytes: u64, growth: u64) -> io::Result<()> {
        self.reserve_growth(growth)?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.allowance.fetch_sub(bytes, Ordering::Relaxed) > bytes {
            return Ok(());
        }
        let free = i64::try_from(self.free()?).unwrap_or(i64::MAX);
        if free.saturating_sub(bytes) < i64::try_from(self.free_floor).unwrap_or(i64::MAX) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.allowance.store(RECHECK_BYTES, Ordering::Relaxed);
        Ok(())
    }

    fn reserve_growth(&self, growth: u64) -> io::Result<()> {
        let Some(budget) = self.budget.filter(|_| growth > 0) else { return Ok(()) };
        let asked = i64::try_from(growth).unwrap_or(i64::MAX);
        if self.growth.fetch_sub(asked, Ordering::Relaxed) >= asked {
            return Ok(());
        }
        // files that were published or removed meanwhile have made room
        let left = budget.checked_sub(self.used()).and_then(|left| left.checked_sub(growth));
        let Some(left) = left else {
            self.growth.store(0, Ordering::Relaxed);
            return Err(io::ErrorKind::StorageFull.into());
        };
        self.growth.store(i64::try_from(left).unwrap_or(i64::MAX).min(RECHECK_BYTES), Ordering::Relaxed);
        Ok(())
    }

    /// Returns the most that the files may take together, in bytes.
    pub const fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// Returns how many bytes more can be taken in.
    pub fn takes(&self) -> u64 {
        let disk = self.free().map_or(0, |free| free.saturating_sub(self.free_floor));
        self.budget.map_or(disk, |budget| disk.min(budget.saturating_sub(self.used())))
    }

    /// Returns the bytes that the host file system has left for this user.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn free(&self) -> io::Result<u64> {
        let s = rustix::fs::statvfs(&self.dir)?;
        Ok(s.f_bavail.saturating_mul(s.f_frsize))
    }

    /// Returns the bytes in all staging files, 0 where they cannot be counted.
    pub fn used(&self) -> u64 {
        let sizes = self
            .list()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|id| std::fs::metadata(self.path(&id)).ok());
        sizes.map(|m| m.len()).sum()
    }

    /// Returns the ids of all staging files.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn list(&self) -> io::Result<Vec<DraftId>> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            if let Some(id) = entry?.file_name().to_str().and_then(DraftId::parse) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staging(budget: u64) -> (tempfile::TempDir, Staging) {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(&dir.path().join("staging"), 0, Some(budget)).unwrap();
        (dir, staging)
    }

    fn grow(staging: &Staging, file: &File, by: u64) -> io::Result<()> {
        staging.reserve(by, by)?;
        file.set_len(file.metadata()?.len() + by)
    }

    #[test]
    fn files_grow_up_to_the_budget_and_not_a_byte_further() {
        let (_dir, staging) = staging(1000);
        let (a, b) = (DraftId::random(), DraftId::random());
        let (file_a, file_b) = (staging.create(&a).unwrap(), staging.create(&b).unwrap());
        for _ in 0..9 {
            grow(&staging, &file_a, 100).unwrap();
        }
        assert_eq!(grow(&staging, &file_b, 101).unwrap_err().kind(), io::ErrorKind::StorageFull);
        grow(&staging, &file_b, 100).unwrap();
        assert_eq!(grow(&staging, &file_a, 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((staging.used(), staging.takes()), (1000, 0));
        // what is there may be written over
        staging.reserve(900, 0).unwrap();
    }

    #[test]
    fn room_of_a_removed_file_is_used_again() {
        let (_dir, staging) = staging(1000);
        let (a, b) = (DraftId::random(), DraftId::random());
        grow(&staging, &staging.create(&a).unwrap(), 1000).unwrap();
        let file_b = staging.create(&b).unwrap();
        assert!(grow(&staging, &file_b, 1).is_err());
        staging.remove(&a);
        grow(&staging, &file_b, 1000).unwrap();
        assert!(grow(&staging, &file_b, u64::MAX).is_err());
    }

    #[test]
    fn files_of_an_earlier_run_count() {
        let (dir, staging) = staging(1000);
        grow(&staging, &staging.create(&DraftId::random()).unwrap(), 600).unwrap();
        let again = Staging::open(&dir.path().join("staging"), 0, Some(1000)).unwrap();
        let file = again.create(&DraftId::random()).unwrap();
        assert!(grow(&again, &file, 500).is_err());
        grow(&again, &file, 400).unwrap();
    }
}
