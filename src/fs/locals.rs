//! Drafts and scratch files in use: finding them by inode, making and forgetting them.

use std::sync::Arc;

use tokio::time::timeout;

use super::{Attr, Caller, Filesystem, FsError, FsResult, join, process_of};
use crate::catalog::{DraftRow, DraftState, Entry, Kind, NewEntry, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::known::{Known, Origin};
use crate::types::{Clock, DraftId, ETag, Ino, ObjectKey};

/// A draft or scratch file that is about to be made.
pub(super) struct NewLocal<'a> {
    pub caller: Caller,
    pub parent: Ino,
    pub dir: &'a str,
    /// The name it gets.
    pub name: String,
    /// The path that was asked for.
    pub wanted: String,
    pub scratch: bool,
    /// The object beside which it is written, or which it covers as a scratch file (semantics 6.4).
    pub beside: Option<(ObjectKey, ETag)>,
    pub origin: Origin,
}

impl Filesystem {
    /// Returns the draft or scratch file `ino`, taken up from the catalog where this run has not used it yet; `None` for
    /// an inode that is an object, also one that became it with handles still open.
    pub(super) fn local(&self, ino: Ino) -> FsResult<Option<Arc<Draft>>> {
        if let Some(used) = self.used_local(ino) {
            return Ok(used);
        }
        let Some(entry) = self.catalog.entry(ino)? else { return Ok(None) };
        self.local_of(&entry)
    }

    /// Returns the same of an entry that has just been read.
    pub(super) fn local_of(&self, entry: &Entry) -> FsResult<Option<Arc<Draft>>> {
        if let Some(used) = self.used_local(entry.ino) {
            return Ok(used);
        }
        if !entry.kind.is_local() {
            return Ok(None);
        }
        let Some(record) = self.catalog.draft_of(entry.row)? else { return Ok(None) };
        let draft = Arc::new(self.take_up(entry, &record)?);
        Ok(Some(Arc::clone(self.locals.lock().entry(entry.ino).or_insert(draft))))
    }

    /// Returns what this run has used as `ino`: a draft, or one that is an object by now.
    fn used_local(&self, ino: Ino) -> Option<Option<Arc<Draft>>> {
        self.locals.lock().get(&ino).map(|d| (!d.state.lock().published).then(|| Arc::clone(d)))
    }

    /// Builds the in-memory side of a draft that the catalog knows.
    fn take_up(&self, entry: &Entry, record: &DraftRow) -> FsResult<Draft> {
        let size = std::fs::metadata(self.staging.path(&record.id))?.len();
        let owner = entry.uid.unwrap_or(self.options.ownership.uid);
        let mut known = Known::new(record.id.clone(), entry.row, record.maker, owner, record.made_at);
        if size > 0 {
            known.note_origin_copied(); // the bytes did not pass here: the digest is taken from the file
        }
        known.scratch = entry.kind == Kind::Scratch;
        known.beside = record.base.clone();
        known.listed = entry.shown == Shown::Listed;
        known.size = size;
        known.wrote = size > 0;
        // A scratch file that covers an object is more than an unused draft beside one.
        known.changed = (size > 0 && entry.kind == Kind::Draft) || (known.scratch && known.beside.is_some());
        known.saved = record.saved_at.is_some();
        known.closed_at = record.saved_at.unwrap_or(record.made_at);
        known.queued = record.state == DraftState::Queued;
        known.mtime = record.mtime_set.unwrap_or(entry.mtime);
        known.mtime_set = record.mtime_set.is_some();
        known.set_aside = matches!(record.state, DraftState::Failed | DraftState::Interrupted);
        Ok(Draft::new(entry.ino, Arc::clone(&self.staging), None, known))
    }

    /// Makes a draft or scratch file.
    ///
    /// # Errors
    /// [`FsError::Exists`] where the name is held by now.
    pub(super) fn make_local(&self, new: NewLocal<'_>) -> FsResult<(Entry, Arc<Draft>)> {
        let (now, id, maker) = (Clock.now(), DraftId::random(), process_of(new.caller));
        let file = self.staging.create(&id)?;
        let listed = new.beside.is_none() || new.scratch;
        let size = match &new.origin {
            Origin::Own => 0,
            Origin::Object { size, .. } => *size,
        };
        let kind = if new.scratch { Kind::Scratch } else { Kind::Draft };
        let entry = NewEntry {
            parent: new.parent,
            name: new.name,
            kind,
            shown: if listed { Shown::Listed } else { Shown::Reserved },
            path: None,
            made: false,
            size: 0,
            mtime: now,
            owner: Some((new.caller.uid, new.caller.gid)),
        };
        let record = DraftRow {
            id: id.clone(),
            row: 0,
            state: if new.scratch { DraftState::Scratch } else { DraftState::Open },
            wanted: new.wanted,
            base: new.beside.clone(),
            attempt: 0,
            attempt_key: None,
            sha256: None,
            maker,
            made_at: now,
            saved_at: None,
            mtime_set: None,
            reason: None,
        };
        let (entry, record) =
            self.catalog.insert_draft(entry, record).inspect_err(|_| self.staging.remove(&id))?;
        let mut known = Known::new(id, record.row, maker, new.caller.uid, now);
        known.scratch = new.scratch;
        known.beside = new.beside;
        known.listed = listed;
        known.origin = new.origin;
        known.size = size;
        let draft = Arc::new(Draft::new(entry.ino, Arc::clone(&self.staging), Some(file), known));
        self.locals.lock().insert(entry.ino, Arc::clone(&draft));
        self.misses.lock().remove(&(new.parent, entry.name.clone()));
        tracing::debug!(
            "new {} {}",
            if new.scratch { "scratch file" } else { "draft" },
            join(new.dir, &entry.name)
        );
        Ok((entry, draft))
    }

    /// Makes a draft under an alternative name of `wanted`, beside what holds that name.
    pub(super) fn make_beside(&self, new: NewLocal<'_>) -> FsResult<(Entry, Arc<Draft>)> {
        let NewLocal { caller, parent, dir, wanted, scratch, beside, origin, .. } = new;
        loop {
            let name = crate::drafts::seal::free_alternative(&self.catalog, &self.layout, parent, &wanted)?;
            let attempt = NewLocal {
                caller,
                parent,
                dir,
                name,
                wanted: wanted.clone(),
                scratch,
                beside: beside.clone(),
                origin: origin.clone(),
            };
            match self.make_local(attempt) {
                Err(FsError::Exists) => {} // another took that very suffix in this moment
                other => return other,
            }
        }
    }

    /// Returns whether a closed draft is left to its maker, the caller's user, for a while (semantics 3.6): he may do with
    /// it what he likes.
    pub(super) fn waits_for(&self, draft: &Draft, caller: Caller) -> bool {
        let known = draft.state.lock();
        !self.options.publish_after.is_zero()
            && known.saved
            && known.owner == caller.uid
            && known.writers.is_empty()
            && !known.publishing
            && !known.queued
            && !known.published
            && !known.set_aside
    }

    /// Returns an unpublished draft that the caller's process has beside the object `key`, or the user's where drafts are
    /// left to their makers for a while.
    pub(super) fn draft_beside(&self, key: &ObjectKey, caller: Caller) -> Option<Arc<Draft>> {
        let maker = process_of(caller);
        let patient = !self.options.publish_after.is_zero();
        let locals = self.locals.lock();
        locals
            .values()
            .find(|d| {
                let k = d.state.lock();
                !k.published
                    && !k.publishing
                    && !k.set_aside
                    && !k.unlinked
                    && (k.maker == maker || (patient && k.owner == caller.uid))
                    && k.beside.as_ref().is_some_and(|b| b.0 == *key)
            })
            .cloned()
    }

    /// Lists a draft beside an object, from its first change on.
    pub(super) fn list_changed(&self, draft: &Draft) -> FsResult<()> {
        let row = {
            let mut known = draft.state.lock();
            if known.listed || known.unlinked || known.set_aside {
                return Ok(());
            }
            known.listed = true;
            known.row
        };
        self.catalog.set_shown(row, Shown::Listed, Clock.now())?;
        if let Some(entry) = self.catalog.entry_by_row(row)? {
            self.notices.entry_changed(entry.parent, &entry.name);
        }
        Ok(())
    }

    /// Forgets a draft or scratch file and its bytes.
    pub(super) fn forget_local(&self, draft: &Draft) -> FsResult<()> {
        let id = draft.state.lock().id.clone();
        self.catalog.remove_draft(&id, Clock.now())?;
        self.staging.remove(&id);
        self.locals.lock().remove(&draft.ino);
        Ok(())
    }

    /// Takes the name from a draft or scratch file; it goes for good with its last handle.
    pub(super) fn unlink_local(&self, draft: &Draft) -> FsResult<()> {
        let (row, open) = {
            let mut known = draft.state.lock();
            known.unlinked = true;
            known.listed = false;
            (known.row, known.handles > 0)
        };
        if open {
            return Ok(self.catalog.hide_draft(row, Clock.now())?);
        }
        self.forget_local(draft)
    }

    /// Returns the attributes of a draft: size and time are those of the content in use.
    pub(super) fn local_attr(&self, draft: &Draft, entry: &Entry) -> Attr {
        let known = draft.state.lock();
        Attr { ino: draft.ino, size: known.size, mtime: known.mtime, ..self.options.ownership.attr(entry) }
    }

    /// Waits until `draft` is not on its way to the store. It may be an object then, also under another name.
    ///
    /// # Errors
    /// [`FsError::Io`] where that takes longer than a call may (semantics 8.3).
    pub(super) async fn end_of_publish(&self, draft: &Draft) -> FsResult<()> {
        if !draft.state.lock().publishing {
            return Ok(());
        }
        let ended = timeout(self.options.patience(), draft.busy.lock()).await;
        ended.map(drop).map_err(|_| FsError::Io("the file is still on its way to the store".to_owned()))
    }

    /// Copies the content of the object that a draft starts from into its staging file, once.
    pub(super) async fn copy_origin(&self, draft: &Arc<Draft>) -> FsResult<()> {
        if draft.state.lock().origin == Origin::Own {
            return Ok(());
        }
        let _busy = draft.busy.lock().await;
        let origin = draft.state.lock().origin.clone();
        let Origin::Object { key, etag, size } = origin else { return Ok(()) };
        self.staging.reserve(size, size)?;
        let version = crate::cache::Version { key, etag, size };
        self.reader.read_whole_to(&version, None, &*draft.file()?).await?;
        draft.state.lock().note_origin_copied();
        Ok(())
    }

    /// Fills a draft that was just made with all of `from`. Returns the size.
    pub(super) async fn fill(&self, draft: &Draft, from: std::fs::File) -> FsResult<u64> {
        let _busy = draft.busy.lock().await; // half of it is not published
        let to = draft.file()?;
        let size = from.metadata()?.len();
        self.staging.reserve(size, size)?;
        let copied = tokio::task::spawn_blocking(move || copy_whole(&from, &to)).await;
        let size = copied.map_err(|e| FsError::Io(e.to_string()))??;
        draft.state.lock().note_copied(size, Clock.now());
        draft.rest();
        Ok(size)
    }
}

/// Copies all of `from` to the begin of `to`, inside the host's file system where it can. Returns the size. Blocks.
fn copy_whole(from: &std::fs::File, to: &std::fs::File) -> std::io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let (mut from, mut to) = (from, to);
    from.seek(SeekFrom::Start(0))?;
    to.seek(SeekFrom::Start(0))?;
    std::io::copy(&mut from, &mut to)
}
