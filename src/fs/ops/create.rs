//! Making files: create, mknod.

use std::sync::Arc;

use super::open::{Mode, Opened};
use crate::catalog::{Entry, Kind, Shown};
use crate::drafts::draft::{Draft, Origin};
use crate::fs::locals::NewLocal;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Looked, join, process_of};
use crate::layout::FilePlacement;
use crate::types::{FileName, Ino, ObjectKey};

impl Filesystem {
    /// Makes and opens a file, or opens what has taken the name meanwhile.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`] for a name that its domain does not take; [`FsError::Exists`] with O_EXCL.
    pub async fn create(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        flags: i32,
    ) -> FsResult<(Looked, Opened)> {
        let (_, dir, name) = self.dir_for_change(caller, parent, name)?;
        let open_mode = Mode { write: true, ..Mode::from_flags(flags) };
        let draft = self.make_file(caller, parent, &dir, &name, flags).await?;
        let opened = self.attach(&draft, caller, open_mode);
        if open_mode.truncate && draft.state.lock().size > 0 {
            self.truncate_local(&draft, 0).await?;
        }
        let entry = self.catalog.entry(draft.ino)?.ok_or(FsError::Stale)?;
        Ok((self.looked(&entry)?, opened))
    }

    /// Makes an empty regular file without opening it.
    ///
    /// # Errors
    /// As [`Filesystem::create`].
    pub async fn mknod(&self, caller: Caller, parent: Ino, name: &[u8], mode: u32) -> FsResult<Looked> {
        if mode & libc::S_IFMT != libc::S_IFREG && mode & libc::S_IFMT != 0 {
            return Err(FsError::NotPermitted);
        }
        let (_, dir, name) = self.dir_for_change(caller, parent, name)?;
        let draft = self.make_file(caller, parent, &dir, &name, libc::O_EXCL).await?;
        let entry = self.catalog.entry(draft.ino)?.ok_or(FsError::Stale)?;
        self.looked(&entry)
    }

    async fn make_file(
        &self,
        caller: Caller,
        parent: Ino,
        dir: &str,
        name: &FileName,
        flags: i32,
    ) -> FsResult<Arc<Draft>> {
        let path = join(dir, name.as_str());
        let scratch = match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => false,
            FilePlacement::Scratch { .. } => true,
            FilePlacement::Refused(refusal) => return Err(self.refused(&path, &refusal)),
        };
        // A name that was put back is not "there" for the process that unlinked it a moment ago.
        let put_back = !scratch && self.put_back_for(caller, &path).await?;
        let _names = self.namespace.lock();
        if let Some(existing) = self.catalog.child(parent, name.as_str())? {
            if existing.kind == Kind::Dir {
                return Err(FsError::IsDirectory);
            }
            if existing.shown != Shown::Listed {
                return Err(FsError::Exists); // kept for somebody's draft that has not changed yet
            }
            if flags & libc::O_EXCL != 0 && !put_back {
                return Err(FsError::Exists);
            }
            return self.draft_for_existing(caller, &existing, dir, flags);
        }
        let new = NewLocal {
            caller,
            parent,
            dir,
            name: name.as_str().to_owned(),
            wanted: path,
            scratch,
            beside: None,
            origin: Origin::Own,
        };
        Ok(self.make_local(new)?.1)
    }

    /// The draft for a create that finds its name taken (the kernel did not know yet).
    fn draft_for_existing(
        &self,
        caller: Caller,
        existing: &Entry,
        dir: &str,
        flags: i32,
    ) -> FsResult<Arc<Draft>> {
        let truncate = flags & libc::O_TRUNC != 0;
        match self.local(existing.ino)? {
            None => self.beside_object(caller, existing, dir, truncate || flags & libc::O_EXCL != 0),
            Some(draft) => {
                let mine = {
                    let known = draft.state.lock();
                    let me = process_of(caller);
                    known.scratch || known.writers.iter().all(|w| *w == me) && !known.saved
                };
                if mine || !truncate { Ok(draft) } else { self.beside_draft(caller, existing, dir) }
            }
        }
    }

    /// Puts an object back whose delete this very process asked for: making the name again is an overwrite in disguise
    /// (semantics 5.2). Returns whether it did.
    pub(in crate::fs) async fn put_back_for(&self, caller: Caller, path: &str) -> FsResult<bool> {
        let Ok(key) = ObjectKey::new(path) else { return Ok(false) };
        let Some(delete) = self.catalog.delete_of(&key)? else { return Ok(false) };
        if delete.maker != process_of(caller) {
            return Ok(false);
        }
        let back = self.deletes.put_back(delete.row).await?;
        if back {
            self.catalog.event(
                crate::types::Clock.now(),
                "put-back",
                path,
                "deleted and made again by the same process: the object stays, the new file gets a suffix",
            );
            if let Some(entry) = self.catalog.entry_by_row(delete.row)? {
                self.notices.entry_changed(entry.parent, &entry.name);
            }
        }
        Ok(back)
    }
}
