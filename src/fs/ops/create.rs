//! Making files: create, mknod.

use std::sync::Arc;

use tokio::time::timeout;

use super::open::{Mode, Opened};
use crate::catalog::{CatalogError, Entry, Kind, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::known::Origin;
use crate::fs::locals::NewLocal;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Looked, join, process_of};
use crate::layout::FilePlacement;
use crate::types::{Clock, FileName, Ino, ObjectKey, ProcessId};

/// A name that is to be made, checked against the layout.
struct NewFile<'a> {
    caller: Caller,
    parent: Ino,
    dir: &'a str,
    name: &'a FileName,
    path: String,
    scratch: bool,
    put_back: bool,
    flags: i32,
}

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
        let open_mode = Mode::from_flags(flags);
        let new = self.new_file(caller, parent, &dir, &name, flags).await?;
        let (draft, opened) = {
            let _names = self.namespace.lock();
            let draft = self.make_file(new)?;
            let made = open_mode.write && draft.state.lock().note_made(process_of(caller));
            // before anybody can think that nobody wants it
            let opened = self.attach(&draft, caller, open_mode, made)?;
            (draft, opened)
        };
        let unanswered = self.unanswered(&opened);
        let looked = self.looked_at_new(caller, &draft, open_mode.truncate).await;
        unanswered.answer(looked).await.map(|looked| (looked, opened))
    }

    async fn looked_at_new(&self, caller: Caller, draft: &Arc<Draft>, truncate: bool) -> FsResult<Looked> {
        if truncate {
            self.truncate_at_open(draft, caller).await?;
        }
        let entry = self.catalog.entry(draft.ino)?.ok_or(FsError::Stale)?;
        self.looked(&entry)
    }

    /// Makes what an open with O_TRUNC of `name` opens, for a writer who is about to be sent there.
    pub(in crate::fs) async fn make_for_redirect(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
    ) -> FsResult<Arc<Draft>> {
        let (_, dir, name) = self.dir_for_change(caller, parent, name)?;
        let new = self.new_file(caller, parent, &dir, &name, libc::O_TRUNC).await?;
        let _names = self.namespace.lock();
        self.make_file(new)
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
        let new = self.new_file(caller, parent, &dir, &name, libc::O_EXCL).await?;
        let draft = {
            let _names = self.namespace.lock();
            self.make_file(new)?
        };
        draft.rest();
        let entry = self.catalog.entry(draft.ino)?.ok_or(FsError::Stale)?;
        self.looked(&entry)
    }

    /// Checks a name that is to be made.
    async fn new_file<'a>(
        &self,
        caller: Caller,
        parent: Ino,
        dir: &'a str,
        name: &'a FileName,
        flags: i32,
    ) -> FsResult<NewFile<'a>> {
        let path = join(dir, name.as_str());
        let scratch = match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => false,
            FilePlacement::Scratch { .. } => true,
            FilePlacement::Refused(refusal) => return Err(self.refused(&path, &refusal)),
        };
        // A name that was put back is not "there" for the process that unlinked it a moment ago.
        let put_back = self.put_back_for(caller, &path).await?;
        Ok(NewFile { caller, parent, dir, name, path, scratch, put_back, flags })
    }

    /// Makes the draft or scratch file, or finds the one that the name stands for. Called with `namespace` locked.
    fn make_file(&self, new: NewFile<'_>) -> FsResult<Arc<Draft>> {
        let NewFile { caller, parent, dir, name, path, scratch, put_back, flags } = new;
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
            // What was unlinked and is made again is a new file: nothing of the old one, or of a draft beside it, is in it.
            if put_back && existing.kind == Kind::Object && !scratch {
                return self.new_beside_object(caller, &existing, dir, true);
            }
            let flags = if put_back { flags | libc::O_TRUNC } else { flags };
            if scratch && existing.kind == Kind::Object {
                let empty = flags & (libc::O_TRUNC | libc::O_EXCL) != 0;
                let cover = self.cover_object(caller, &existing, dir, empty)?;
                cover.state.lock().changed = empty; // or a close without a write would uncover the object
                return Ok(cover);
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
                let expected = self.redirects.leads_another_to(caller.tid, draft.ino);
                let mine = {
                    let known = draft.state.lock();
                    let me = process_of(caller);
                    let free = known.writers.iter().all(|w| *w == me) && !known.saved;
                    known.scratch || free && !(expected && known.maker != me)
                };
                let mine = mine || self.waits_for(&draft, caller);
                if mine || !truncate { Ok(draft) } else { self.beside_draft(caller, existing, dir) }
            }
        }
    }

    /// Puts an object back whose delete this very process (or a file server, for anyone) asked for: making the name again is
    /// an overwrite in disguise (semantics 5.2). Returns whether it did. Not where the delete is under way and does not end in
    /// time: then the name is free, as it is for everybody else.
    pub(in crate::fs) async fn put_back_for(&self, caller: Caller, path: &str) -> FsResult<bool> {
        let Ok(key) = ObjectKey::new(path) else { return Ok(false) };
        let Some(delete) = self.catalog.delete_of(&key)? else { return Ok(false) };
        if delete.maker != ProcessId::ANYONE && delete.maker != process_of(caller) {
            return Ok(false);
        }
        let back = match timeout(self.options.patience(), self.deletes.put_back(delete.row)).await {
            // another process has made the name meanwhile, or it is too late
            Ok(Err(CatalogError::NameTaken)) | Err(_) => false,
            Ok(other) => other?,
        };
        if back {
            self.catalog.event(
                Clock.now(),
                "put-back",
                path,
                "deleted and made again by the same process: the object stays, the new file gets a suffix",
            );
            if let Some(entry) = self.catalog.entry_by_row(delete.row)? {
                if let Some(draft) = self.local(entry.ino)? {
                    self.enqueue(&draft, Clock.now());
                }
                self.notices.entry_changed(entry.parent, &entry.name);
            }
        }
        Ok(back)
    }
}
