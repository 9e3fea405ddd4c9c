//! Deleting drafts that were acknowledged but are not published: as with objects, the name vanishes at once and the content
//! later, so that a program that unlinks and makes anew loses nobody's content (semantics 3.4, 5.2).

use super::{Caller, Filesystem, FsError, FsResult, deleter, process_of};
use crate::catalog::{CatalogError, DraftState, Entry, PendingDelete};
use crate::drafts::draft::Draft;
use crate::layout::DeletePolicy;
use crate::types::{Clock, ETag, ObjectKey};

impl Filesystem {
    /// Returns whether a draft is content that a program has finished and that is not the caller's to take back.
    pub(super) fn is_anothers_content(&self, draft: &Draft, caller: Caller) -> bool {
        if self.waits_for(draft, caller) {
            return false;
        }
        let me = process_of(caller);
        let known = draft.state.lock();
        known.saved && known.size > 0 && !known.scratch && known.maker != me
    }

    /// Takes the name of such a draft away, by the policy of its domain, and its content when that is due.
    pub(super) fn unlink_content(
        &self,
        caller: Caller,
        path: &str,
        entry: &Entry,
        draft: &Draft,
    ) -> FsResult<()> {
        if self.delete_policy(path) == DeletePolicy::Refuse {
            self.catalog.event(Clock.now(), "refused", path, "files of this domain are not deleted");
            return Err(FsError::NotAllowed);
        }
        let now = Clock.now();
        let row = draft.state.lock().row;
        let _names = self.namespace.lock();
        self.queue.lock().remove(row);
        self.catalog.defer_delete(PendingDelete {
            row,
            key: ObjectKey::new(path).map_err(|_| FsError::NameTooLong)?,
            etag: ETag::new(""), // there is no object yet
            trash_key: None,
            copied: false,
            hidden_only: false,
            maker: deleter(caller),
            asked_at: now,
            due_at: now.plus(self.options.delete_after),
        })?;
        self.notices.entry_changed(entry.parent, &entry.name);
        Ok(())
    }

    /// Returns whether that is all; `false` where a close had begun to publish the draft before its name was hidden: as an
    /// object it is deleted in another way.
    pub(super) async fn stays_deleted(&self, row: i64, draft: &Draft) -> FsResult<bool> {
        self.end_of_publish(draft).await?;
        if !draft.state.lock().published {
            return Ok(true);
        }
        match self.catalog.end_delete(row, true, Clock.now()) {
            Ok(()) => Ok(false),
            // the name is somebody else's by now, and a listing shows the object
            Err(CatalogError::NameTaken) => {
                self.catalog.end_delete(row, false, Clock.now())?;
                Ok(true)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Carries out the deletes of drafts that are `due`. Under the policy `trash` the content is kept, as
    /// interrupted; under `allow` it is gone.
    pub(super) fn delete_unsent(&self, due: impl Fn(&PendingDelete) -> bool) -> FsResult<()> {
        for delete in self.catalog.deletes()? {
            if !due(&delete) {
                continue;
            }
            let Some(entry) = self.catalog.entry_by_row(delete.row)?.filter(|e| e.kind.is_local()) else {
                continue;
            };
            let Some(draft) = self.local(entry.ino)? else { continue };
            let _names = self.namespace.lock();
            if draft.state.lock().handles > 0 || self.catalog.delete_of(&delete.key)?.is_none() {
                continue; // in use, or put back a moment ago
            }
            self.catalog.call_off_delete(delete.row)?;
            if self.delete_policy(delete.key.as_str()) == DeletePolicy::Allow {
                self.forget_local(&draft)?;
            } else {
                self.set_aside(&draft, DraftState::Interrupted, "it was deleted before it was published")?;
                self.locals.lock().remove(&draft.ino);
            }
        }
        Ok(())
    }
}
