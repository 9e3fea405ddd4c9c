//! Names and attributes: lookup, getattr, access.

use std::time::Duration;

use crate::catalog::{Entry, Shown};
use crate::fs::attr::check_access;
use crate::fs::{Attr, Caller, Filesystem, FsError, FsResult, Looked, Want, process_of};
use crate::types::{FileName, Ino};

/// Attributes of an object hold as long as its inode: another version is another inode.
const OBJECT_ATTR_TTL: Duration = Duration::from_secs(3600);

impl Filesystem {
    /// Finds `name` in `parent`.
    ///
    /// # Errors
    /// [`FsError::NotFound`] and what the store or the rights say.
    pub async fn lookup(&self, caller: Caller, parent: Ino, name: &[u8]) -> FsResult<Looked> {
        let name = FileName::from_bytes(name)?;
        let (dir, path) = self.dir(parent)?;
        check_access(caller, &self.options.ownership.attr(&dir), Want::SEARCH)?;
        if let Some(draft) = self.redirects.follow(caller.tid, parent, name.as_str()) {
            let entry = self.catalog.entry(draft)?.ok_or(FsError::Stale)?;
            return self.looked(&entry);
        }
        if let Some(entry) = self.catalog.child(parent, name.as_str())? {
            if entry.shown == Shown::Listed {
                let draft = entry.kind.is_local().then_some((entry.ino, parent, name.as_str()));
                self.redirects.found(caller.tid, draft);
                let mut looked = self.looked(&entry)?;
                if self.redirects.is_moving(caller.tid, entry.row) {
                    looked.name_ttl = Duration::ZERO;
                }
                return Ok(looked);
            }
            return Err(FsError::NotFound); // reserved for a draft that has not changed yet
        }
        match self.find_in_store(&dir, &path, &name).await? {
            Some(entry) => self.looked(&entry),
            None => Err(FsError::NotFound),
        }
    }

    /// Returns the answer for an entry. What may still change under its name is never remembered by the kernel.
    pub(in crate::fs) fn looked(&self, entry: &Entry) -> FsResult<Looked> {
        let attr = self.attr_of(entry)?;
        let (name_ttl, attr_ttl) = if entry.kind.is_local() {
            (Duration::ZERO, Duration::ZERO)
        } else if attr.directory {
            (self.options.list_ttl, self.options.list_ttl)
        } else {
            (self.options.list_ttl, OBJECT_ATTR_TTL)
        };
        Ok(Looked { attr, name_ttl, attr_ttl })
    }

    pub(in crate::fs) fn attr_of(&self, entry: &Entry) -> FsResult<Attr> {
        if entry.kind.is_local()
            && let Some(draft) = self.local(entry.ino)?
        {
            return Ok(self.local_attr(&draft, entry));
        }
        Ok(self.options.ownership.attr(entry))
    }

    /// Returns the attributes of `ino`, shown or not.
    ///
    /// # Errors
    /// [`FsError::Stale`] where the inode is gone.
    pub fn getattr(&self, ino: Ino) -> FsResult<Looked> {
        let entry = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        self.looked(&entry)
    }

    /// Returns the attributes of `ino` for `fstat`. A process that opened an object and was led to a draft beside it is
    /// shown the object's inode number: vim, among others, takes another number for a file that was exchanged under it.
    ///
    /// # Errors
    /// [`FsError::Stale`] where the inode is gone.
    pub fn getattr_for(&self, caller: Caller, ino: Ino) -> FsResult<Looked> {
        let mut looked = self.getattr(ino)?;
        if let Some(draft) = self.local(ino)? {
            let (maker, shown) = {
                let k = draft.state.lock();
                (k.maker, k.beside_ino)
            };
            if let Some(shown) = shown
                && process_of(caller) == maker
            {
                looked.attr.ino = shown;
            }
        }
        Ok(looked)
    }

    /// Checks whether the caller may do `want`.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`]; [`FsError::ReadOnly`] for writing on a read-only mount.
    pub fn access(&self, caller: Caller, ino: Ino, want: Want) -> FsResult<()> {
        let attr = self.getattr(ino)?.attr;
        if want.0 & Want::WRITE.0 != 0 {
            self.writable()?;
        }
        check_access(caller, &attr, want)
    }
}
