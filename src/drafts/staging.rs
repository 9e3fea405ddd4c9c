//! Staging files: where content lives on this host until it is an object.
//!
//! One file a draft, named by its id, in `<state>/staging`. Nothing else is kept there.
//!
//! # Limits
//! New bytes are refused (ENOSPC) while the host file system has less than `free_floor` left, so that a full disk
//! shows at the write and never as a short object (semantics 3.13).

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
    /// Bytes that may be written before the free space is looked at again.
    allowance: AtomicI64,
}

impl Staging {
    /// Opens or makes the directory. `free_floor` is in bytes.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn open(dir: &Path, free_floor: u64) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Self { dir: dir.to_owned(), free_floor, allowance: AtomicI64::new(0) })
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
        self.reserve(0)?;
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

    /// Asks for `bytes` more.
    ///
    /// # Errors
    /// `StorageFull` where the host file system is at its floor.
    pub fn reserve(&self, bytes: u64) -> io::Result<()> {
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

    /// Returns the bytes that the host file system has left for this user.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn free(&self) -> io::Result<u64> {
        let s = rustix::fs::statvfs(&self.dir)?;
        Ok(s.f_bavail.saturating_mul(s.f_frsize))
    }

    /// Returns whether more may be written.
    pub fn above_floor(&self) -> bool {
        self.free().is_ok_and(|free| free >= self.free_floor)
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
