//! Directories: mkdir, opendir, readdir.

use crate::catalog::{Kind, NewEntry, Shown};
use crate::fs::attr::check_access;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Looked, Want, join};
use crate::types::{Clock, Ino};

/// One name in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: String,
    /// Its inode and attributes.
    pub looked: Looked,
    /// Hand this back to go on behind this name.
    pub cookie: u64,
}

/// How many rows are read at a time.
const PAGE: u32 = 512;

impl Filesystem {
    /// Makes a directory where the template has a field.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`] elsewhere; [`FsError::Exists`].
    pub async fn mkdir(&self, caller: Caller, parent: Ino, name: &[u8]) -> FsResult<Looked> {
        let (dir, path, name) = self.dir_for_change(caller, parent, name)?;
        let full = join(&path, name.as_str());
        if let Err(refusal) = self.layout.may_mkdir(&full) {
            return Err(self.refused(&full, &refusal));
        }
        if self.listed_child(&dir, &path, &name).await.is_ok() {
            return Err(FsError::Exists);
        }
        let _names = self.namespace.lock();
        let entry = self.catalog.insert(NewEntry {
            parent,
            name: name.as_str().to_owned(),
            kind: Kind::Dir,
            shown: Shown::Listed,
            path: Some(full),
            made: true,
            size: 0,
            mtime: Clock.now(),
            owner: None,
        })?;
        self.misses.lock().remove(&(parent, entry.name.clone()));
        self.looked(&entry)
    }

    /// Checks that a directory may be read, and makes sure its listing is fresh. Returns the listing's version.
    ///
    /// # Errors
    /// [`FsError::Io`] where it was never listed and the store cannot be reached.
    pub async fn opendir(&self, caller: Caller, ino: Ino) -> FsResult<u64> {
        let (dir, _) = self.dir(ino)?;
        check_access(caller, &self.options.ownership.attr(&dir), Want::READ)?;
        self.ensure_listed(&dir).await?;
        Ok(self.listing_version(ino))
    }

    /// Returns a number that is another one after every change of a name in the directory `ino`, whoever made it.
    pub fn listing_version(&self, ino: Ino) -> u64 {
        self.catalog.listing_version(ino)
    }

    /// Returns the next names behind `cookie` (0 = from the begin; `.` and `..` are not among them), none at the end.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn readdir(&self, ino: Ino, cookie: u64) -> FsResult<Vec<DirEntry>> {
        let after = i64::try_from(cookie).map_err(|_| FsError::Invalid)?;
        let mut names = Vec::new();
        for entry in self.catalog.children(ino, after, PAGE)? {
            // An entry that cannot be looked at (its staging file is gone) does not hide the others.
            match self.looked(&entry) {
                Ok(looked) => {
                    names.push(DirEntry { name: entry.name, looked, cookie: entry.row.cast_unsigned() })
                }
                Err(e) => tracing::warn!("{}: left out of a listing: {e}", entry.name),
            }
        }
        Ok(names)
    }

    /// Returns the directory that holds the directory `ino`.
    ///
    /// # Errors
    /// [`FsError::Stale`].
    pub fn parent_of(&self, ino: Ino) -> FsResult<Ino> {
        Ok(self.dir(ino)?.0.parent)
    }
}
