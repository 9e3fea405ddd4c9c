//! Renaming objects: a copy under the new name, then a delete of the old one; and names that programs move an object
//! away to while they save (semantics 5.4, 5.5).

use std::sync::Arc;

use crate::catalog::{Entry, Kind, PendingDelete, Shown};
use crate::drafts::facts::{content_type, facts};
use crate::drafts::known::Origin;
use crate::drafts::seal::free_alternative;
use crate::fs::locals::NewLocal;
use crate::fs::{Caller, Filesystem, FsError, FsResult, deleter, join, process_of};
use crate::layout::{DeletePolicy, FilePlacement};
use crate::store::{StoreError, retry};
use crate::types::{Clock, FileName, ObjectKey};

/// CopyObject takes at most this (S3 API reference, CopyObject).
const MAX_COPY_BYTES: u64 = 5 << 30;

/// Names that are tried at the destination.
const MAX_NAMES: usize = 100;

impl Filesystem {
    /// Renames the object `source`.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`] where the policy or the new place refuses; [`FsError::CrossDevice`] for what the store cannot
    /// copy, so that tools copy by themselves.
    pub(super) async fn rename_object(
        self: &Arc<Self>,
        caller: Caller,
        source: &Entry,
        target: Option<Entry>,
        to_dir: &Entry,
        to_path: &str,
        new_name: &FileName,
    ) -> FsResult<()> {
        let from = self.key_of(source)?;
        let wanted = join(to_path, new_name.as_str());
        match self.layout.place_file(&wanted) {
            FilePlacement::Refused(refusal) => return Err(self.refused(&wanted, &refusal)),
            FilePlacement::Scratch { .. } => {
                return self.move_away(caller, source, &from, target, to_dir, to_path, new_name).await;
            }
            FilePlacement::Document { .. } => {}
        }
        let own_save = self.published_by(source.row, caller);
        if !own_save && self.delete_policy(from.as_str()) == DeletePolicy::Refuse {
            self.catalog.event(
                Clock.now(),
                "refused",
                from.as_str(),
                "objects of this domain are not renamed",
            );
            return Err(FsError::NotAllowed);
        }
        if source.size > MAX_COPY_BYTES || !self.capabilities.atomic_copy {
            return Err(FsError::CrossDevice);
        }
        if !self.redirects.begin_move(caller.tid, source.row) {
            return Err(FsError::Stale); // the kernel walks the path again, and asks us again
        }
        self.redirects.end_move(caller.tid, source.row);
        let put_back = self.put_back_for(caller, &wanted).await?;
        let mut name = new_name.as_str().to_owned();
        if put_back || target.is_some() {
            match target.filter(|t| t.kind.is_local()) {
                Some(empty) if self.is_placeholder(&empty)? => self.unlink_entry(&empty)?,
                _ => name = free_alternative(&self.catalog, &self.layout, to_dir.ino, &wanted)?,
            }
        }
        let (name, facts) = self.copy_under_free_name(source, &from, to_dir, to_path, name, &wanted).await?;
        self.notices.entry_changed(to_dir.ino, new_name.as_str());
        let saved = ObjectKey::new(join(to_path, &name)).map_err(|_| FsError::NameTooLong)?;
        self.finish_rename(caller, source, &from, to_dir, name, facts)?;
        self.saved_as.note(caller.uid, &wanted, &saved);
        if saved.as_str() != wanted {
            self.announce(saved.as_str());
        }
        Ok(())
    }

    async fn copy_under_free_name(
        &self,
        source: &Entry,
        from: &ObjectKey,
        to_dir: &Entry,
        to_path: &str,
        mut name: String,
        wanted: &str,
    ) -> FsResult<(String, crate::catalog::ObjectFacts)> {
        let etag = source.etag.clone().ok_or(FsError::Stale)?;
        let patience = self.options.deadline / 2;
        let mut meta = retry::retry(patience, || self.store.head(from)).await?.meta.unwrap_or_default();
        for _ in 0..MAX_NAMES {
            let key = ObjectKey::new(join(to_path, &name)).map_err(|_| FsError::NameTooLong)?;
            // The copy is not the attempt that wrote the original (4.3).
            meta.written_for = Some(key.clone());
            meta.attempt = None;
            meta.content_type = Some(content_type(&name));
            self.deletes.settle(&key).await; // a name that another process deleted is free (5.2)
            match retry::retry(patience, || self.store.copy(from, &etag, &key, &meta)).await {
                Ok(info) => return Ok((name, facts(&self.layout, &info, Some(Clock.now())))),
                Err(StoreError::AlreadyExists(_)) => {
                    name = free_alternative(&self.catalog, &self.layout, to_dir.ino, wanted)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Err(FsError::Exists)
    }

    /// Moves the inode to the new name and leaves the old key to a delete that waits for the handles which read it.
    fn finish_rename(
        &self,
        caller: Caller,
        source: &Entry,
        from: &ObjectKey,
        to_dir: &Entry,
        name: String,
        mut facts: crate::catalog::ObjectFacts,
    ) -> FsResult<()> {
        let to = self.dir(to_dir.ino).map(|(_, dir)| ObjectKey::new(join(&dir, &name)))?;
        let (to, was) = (to.map_err(|_| FsError::NameTooLong)?, source.etag.clone().ok_or(FsError::Stale)?);
        self.guard.follow(from, &was, &to, &facts.etag);
        facts.detail.title = self.catalog.object_detail(source.row)?.and_then(|d| d.title);
        let now = Clock.now();
        let _names = self.namespace.lock();
        let merged = self.catalog.merge_object(to_dir.ino, &name, Some(facts), now)?;
        let new = self
            .catalog
            .child(to_dir.ino, &name)?
            .filter(|e| e.kind == Kind::Object)
            .ok_or(FsError::Stale)?;
        self.catalog.defer_delete(PendingDelete {
            row: source.row,
            key: from.clone(),
            etag: was,
            trash_key: None,
            copied: false,
            hidden_only: false,
            maker: crate::types::ProcessId::default(), // nobody's to put back: the content has moved, not gone
            asked_at: now,
            due_at: now,
        })?;
        self.catalog.swap_inos(source.row, new.row)?;
        // The directory stays although its last object went: whoever emptied it may go on using it.
        let (from_dir, _) = self.dir(source.parent)?;
        if !from_dir.made {
            self.catalog.set_made(from_dir.row, now)?;
        }
        self.remember_publisher(new.row, process_of(caller));
        self.tell(to_dir.ino, &merged);
        self.notices.entry_changed(source.parent, &source.name);
        self.notices.entry_changed(to_dir.ino, &name);
        Ok(())
    }

    /// A program moves an object out of the way to save over it (Word, qpdf, `NAME~`). The scratch name becomes a local
    /// copy; the object keeps its place in the store and only its name is hidden for `delete_after`.
    #[expect(clippy::too_many_arguments, reason = "both names, as a rename has them")]
    async fn move_away(
        self: &Arc<Self>,
        caller: Caller,
        source: &Entry,
        from: &ObjectKey,
        target: Option<Entry>,
        to_dir: &Entry,
        to_path: &str,
        new_name: &FileName,
    ) -> FsResult<()> {
        let wanted = join(to_path, new_name.as_str());
        let beside = match target {
            None => None,
            Some(target) if target.kind.is_local() => {
                let covered = self.covered_by(&target)?;
                self.unlink_entry(&target)?;
                covered
            }
            // An object whose name is scratch is covered (semantics 6.4).
            Some(target) => {
                let key = ObjectKey::new(wanted.clone()).map_err(|_| FsError::NameTooLong)?;
                Some((key, target.etag.ok_or(FsError::Stale)?))
            }
        };
        let etag = source.etag.clone().ok_or(FsError::Stale)?;
        let (_, draft) = self.make_local(NewLocal {
            caller,
            parent: to_dir.ino,
            dir: to_path,
            name: new_name.as_str().to_owned(),
            wanted,
            scratch: true,
            beside,
            origin: Origin::Object { key: from.clone(), etag: etag.clone(), size: source.size },
        })?;
        if let Err(e) = self.copy_origin(&draft).await {
            self.forget_local(&draft)?;
            return Err(e);
        }
        draft.state.lock().note_copied(source.size, Clock.now());
        self.save(&draft).await?;
        let now = Clock.now();
        self.catalog.defer_delete(PendingDelete {
            row: source.row,
            key: from.clone(),
            etag,
            trash_key: None,
            copied: false,
            hidden_only: true,
            maker: deleter(caller),
            asked_at: now,
            due_at: now.plus(self.options.delete_after),
        })?;
        self.notices.entry_changed(source.parent, &source.name);
        Ok(())
    }

    fn is_placeholder(&self, entry: &Entry) -> FsResult<bool> {
        let Some(draft) = self.local(entry.ino)? else { return Ok(false) };
        let known = draft.state.lock();
        Ok(known.size == 0 && !known.saved && entry.shown == Shown::Listed)
    }

    fn unlink_entry(&self, entry: &Entry) -> FsResult<()> {
        match self.local(entry.ino)? {
            Some(draft) => self.unlink_local(&draft),
            None => Ok(()),
        }
    }
}
