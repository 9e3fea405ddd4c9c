//! Taking names away: unlink and rmdir.

use std::sync::Arc;

use crate::catalog::{Entry, Kind, PendingDelete, Shown};
use crate::drafts::draft::Draft;
use crate::fs::{Caller, Filesystem, FsError, FsResult, deleter, join};
use crate::layout::{DeletePolicy, DirKind, DirPlacement};
use crate::types::{Clock, FileName, Ino, ObjectKey};

impl Filesystem {
    /// Removes a file: drafts and scratch files freely, objects by the domain's policy and later.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`] where the policy refuses.
    pub async fn unlink(&self, caller: Caller, parent: Ino, name: &[u8]) -> FsResult<()> {
        let (dir, path, name) = self.dir_for_change(caller, parent, name)?;
        let entry = self.listed_child(&dir, &path, &name).await?;
        if entry.kind == Kind::Dir {
            return Err(FsError::IsDirectory);
        }
        if let Some(draft) = self.local(entry.ino)?
            && self.unlink_draft(caller, &join(&path, name.as_str()), &entry, &draft).await?
        {
            return Ok(());
        }
        let entry = self.object_of(entry.ino, &dir, &path, &name).await?;
        self.unlink_object(caller, &dir, self.key_of(&entry)?.as_str(), &entry)
    }

    /// Takes the name of a draft away. Returns whether that is done; `false` where a close of it, which was under way, has made it
    /// an object.
    async fn unlink_draft(&self, caller: Caller, path: &str, entry: &Entry, draft: &Draft) -> FsResult<bool> {
        loop {
            self.end_of_publish(draft).await?;
            if draft.state.lock().published {
                return Ok(false);
            }
            if self.is_anothers_content(draft, caller) {
                self.unlink_content(caller, path, entry, draft)?;
                return self.stays_deleted(entry.row, draft).await;
            }
            let _names = self.namespace.lock();
            if draft.state.lock().begin_unlink() {
                self.unlink_local(draft)?;
                return Ok(true);
            }
        }
    }

    /// Returns the object that `ino`, which was `name`, is by now: it may have got another name when it was published. Where it
    /// was not stored, since an object has its bytes, that is under its name.
    ///
    /// # Errors
    /// [`FsError::NotFound`]; [`FsError::Stale`] where the name means something else by now: the kernel asks again.
    pub(super) async fn object_of(
        &self,
        ino: Ino,
        dir: &Entry,
        path: &str,
        name: &FileName,
    ) -> FsResult<Entry> {
        match self.catalog.entry(ino)? {
            Some(entry) if entry.kind == Kind::Object && entry.shown == Shown::Listed => Ok(entry),
            _ => {
                let found = self.listed_child(dir, path, name).await?;
                if found.kind == Kind::Object { Ok(found) } else { Err(FsError::Stale) }
            }
        }
    }

    fn unlink_object(&self, caller: Caller, dir: &Entry, path: &str, entry: &Entry) -> FsResult<()> {
        if !self.may_delete(path) {
            self.catalog.event(Clock.now(), "refused", path, "objects of this domain are not deleted");
            return Err(FsError::NotAllowed);
        }
        let trash = self.delete_policy(path) == DeletePolicy::Trash;
        let key = ObjectKey::new(path).map_err(|_| FsError::NameTooLong)?;
        let now = Clock.now();
        let trash_key = trash.then(|| self.trash_key(&key)).transpose()?;
        let _names = self.namespace.lock();
        self.catalog.defer_delete(PendingDelete {
            row: entry.row,
            key,
            etag: entry.etag.clone().ok_or(FsError::Stale)?,
            trash_key,
            copied: false,
            hidden_only: false,
            maker: deleter(caller),
            asked_at: now,
            due_at: now.plus(self.options.delete_after),
        })?;
        // The directory stays although its last object goes: whoever emptied it may go on using it.
        if !dir.made {
            self.catalog.set_made(dir.row, now)?;
        }
        Ok(())
    }

    /// The policy of the domain; older data, which does not fit template and extensions, is never deleted.
    pub(in crate::fs) fn delete_policy(&self, path: &str) -> DeletePolicy {
        let owner = self.layout.owner(path).filter(|o| o.fields.is_some());
        let domain = owner.and_then(|o| self.layout.domains().get(o.domain));
        let name = path.rsplit('/').next().unwrap_or(path);
        domain
            .filter(|d| d.spec().writable && d.allows_extension(name))
            .map_or(DeletePolicy::Refuse, |d| d.spec().delete)
    }

    /// Returns whether the object `path` may be deleted; where it can get no copy in the trash first, it may not.
    pub(in crate::fs) fn may_delete(&self, path: &str) -> bool {
        match self.delete_policy(path) {
            DeletePolicy::Allow => true,
            DeletePolicy::Trash => self.capabilities.service_prefix,
            DeletePolicy::Refuse => false,
        }
    }

    /// `<service_prefix>trash/<time>-<random>/<key>`: a place that no other delete will use.
    fn trash_key(&self, key: &ObjectKey) -> FsResult<ObjectKey> {
        let place = self.layout.trash_place(Clock.now(), &crate::layout::random_suffix(), key);
        ObjectKey::new(place).map_err(|_| FsError::NameTooLong)
    }

    /// Removes an empty directory that a user may make.
    ///
    /// # Errors
    /// [`FsError::NotEmpty`]; [`FsError::NotAllowed`] for the fixed directories.
    pub async fn rmdir(self: &Arc<Self>, caller: Caller, parent: Ino, name: &[u8]) -> FsResult<()> {
        let (dir, path, name) = self.dir_for_change(caller, parent, name)?;
        let entry = self.listed_child(&dir, &path, &name).await?;
        if entry.kind != Kind::Dir {
            return Err(FsError::NotDirectory);
        }
        let full = join(&path, name.as_str());
        let DirPlacement::Domain { kind: DirKind::Field | DirKind::Scratch, .. } =
            self.layout.place_dir(&full)
        else {
            return Err(FsError::NotAllowed);
        };
        self.ensure_listed(&entry).await?;
        if self.catalog.has_children(entry.ino)? {
            self.drop_closed_beside(entry.ino).await?;
            let _names = self.namespace.lock(); // a RELEASE that is at work has done with its draft
            if self.catalog.has_children(entry.ino)? {
                return Err(FsError::NotEmpty);
            }
        }
        if !self.carry_out_deletes_below(&full).await? {
            return Err(FsError::NotEmpty);
        }
        let _names = self.namespace.lock();
        if self.catalog.has_children(entry.ino)? {
            return Err(FsError::NotEmpty);
        }
        self.catalog.remove_dir(entry.row, entry.ino, Clock.now())?;
        self.remember_removed(full); // some stores go on listing it for a while
        self.remember_miss(dir.ino, name.as_str(), Clock.now());
        Ok(())
    }

    /// Takes the names from drafts beside objects of `dir` that were closed without a change: they go with the RELEASE of
    /// their last descriptor, which the kernel sends after the close has returned.
    async fn drop_closed_beside(&self, dir: Ino) -> FsResult<()> {
        let unlisted = |d: &Draft| {
            let k = d.state.lock();
            k.beside.is_some() && !(k.listed || k.unlinked || k.published || k.set_aside)
        };
        let beside: Vec<Arc<Draft>> =
            self.locals.lock().values().filter(|d| unlisted(d)).map(Arc::clone).collect();
        for draft in beside {
            let here = self.catalog.entry(draft.ino)?.is_some_and(|e| e.parent == dir);
            if here && self.nobody_holds(&draft).await {
                let _names = self.namespace.lock();
                if unlisted(&draft) && !self.redirects.leads_to(draft.ino) {
                    self.unlink_local(&draft)?;
                }
            }
        }
        Ok(())
    }

    /// A directory that goes takes its pending deletes along, or the next listing would show it, and them, again. Returns
    /// whether all could be carried out: what somebody has open keeps its directory.
    pub(super) async fn carry_out_deletes_below(&self, path: &str) -> FsResult<bool> {
        let below = format!("{path}/");
        self.delete_unsent(|d| d.key.as_str().starts_with(&below))?;
        for delete in self.catalog.deletes()? {
            if delete.key.as_str().starts_with(&below) {
                if !self.opens.closed_soon(delete.row).await {
                    return Ok(false);
                }
                self.deletes.settle(&delete.key).await;
            }
        }
        Ok(!self.catalog.deletes()?.iter().any(|d| d.key.as_str().starts_with(&below)))
    }
}
