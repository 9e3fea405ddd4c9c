//! The guard: bytes of what was published a moment ago, kept here against clients that overwrite without asking
//! (semantics 4.6).
//!
//! # Invariants
//! A kept file has no writer: it is linked when the last descriptor of its draft is gone.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::{Catalog, CatalogError, Guarded};
use crate::types::{Clock, DraftId, ETag, ObjectKey, Timestamp};

/// See the module documentation.
pub struct Guard {
    dir: PathBuf,
    catalog: Arc<Catalog>,
    keep: Duration,
    held: Mutex<HashMap<ObjectKey, Guarded>>,
}

impl Guard {
    /// Opens or makes the directory, and takes up what an earlier run kept. Bytes are kept for `keep`; zero keeps none.
    ///
    /// # Errors
    /// What the host file system or the catalog says.
    pub fn open(dir: &Path, catalog: Arc<Catalog>, keep: Duration) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let known = catalog.guards().map_err(io::Error::other)?;
        let held: HashMap<_, _> = known.into_iter().map(|g| (g.key.clone(), g)).collect();
        for file in std::fs::read_dir(dir)? {
            let file = file?;
            let name = file.file_name();
            if !held.values().any(|g| name.to_str() == Some(g.id.as_str())) {
                std::fs::remove_file(file.path())?;
            }
        }
        Ok(Self { dir: dir.to_owned(), catalog, keep, held: Mutex::new(held) })
    }

    /// Keeps the content of `file`, which became the version `etag` of `key`. Nobody may write to that file any more. Where
    /// it cannot be kept, the object is not guarded: it is in the store all the same.
    pub fn keep(&self, id: &DraftId, key: &ObjectKey, etag: &ETag, file: &Path) {
        if self.keep.is_zero() {
            return;
        }
        let until = Clock.now().plus(self.keep);
        let guarded = Guarded { id: id.clone(), key: key.clone(), etag: etag.clone(), until };
        let kept = std::fs::hard_link(file, self.path(id))
            .map_err(|e| e.to_string())
            .and_then(|()| self.catalog.guard(guarded.clone()).map_err(|e| e.to_string()));
        if let Err(e) = kept {
            tracing::debug!("{key}: not guarded: {e}");
            return;
        }
        let before = self.held.lock().insert(key.clone(), guarded);
        if let Some(before) = before {
            self.drop_files(&[before]);
        }
    }

    /// Returns where the content is.
    pub fn path(&self, id: &DraftId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Returns what is kept of `key`, if the version `found` there is not the one that we published.
    pub fn overwritten(&self, key: &ObjectKey, found: &ETag) -> Option<Guarded> {
        let now = Clock.now();
        self.held.lock().get(key).filter(|g| g.etag != *found && g.until >= now).cloned()
    }

    /// Keeps nothing of `key` any more: it was deleted or renamed here, or put back.
    pub fn forget(&self, key: &ObjectKey) {
        let gone = self.held.lock().remove(key);
        self.drop_files(gone.as_slice());
    }

    /// Drops what is kept longer than it should be, and, while `tight`, the oldest half.
    pub fn expire(&self, now: Timestamp, tight: bool) {
        let gone: Vec<Guarded> = {
            let mut held = self.held.lock();
            let mut untils: Vec<Timestamp> = held.values().map(|g| g.until).collect();
            untils.sort_unstable();
            let limit = untils.get(untils.len() / 2).copied().filter(|_| tight).unwrap_or(now);
            held.extract_if(|_, g| g.until < now || (tight && g.until <= limit)).map(|(_, g)| g).collect()
        };
        self.drop_files(&gone);
    }

    /// Returns the bytes that are kept.
    pub fn used(&self) -> u64 {
        let held = self.held.lock();
        held.values().filter_map(|g| std::fs::metadata(self.path(&g.id)).ok()).map(|m| m.len()).sum()
    }

    fn drop_files(&self, gone: &[Guarded]) {
        for guarded in gone {
            let dropped = std::fs::remove_file(self.path(&guarded.id))
                .map_err(|e| e.to_string())
                .and_then(|()| self.catalog.unguard(&guarded.id).map_err(|e: CatalogError| e.to_string()));
            if let Err(e) = dropped {
                tracing::debug!("{}: what was kept of it could not be dropped: {e}", guarded.key);
            }
        }
    }
}
