//! Kept drafts: content that was not published and stays on this host until somebody decides (semantics 3.14).
//!
//! # Locking
//! Whether a draft is still kept is decided under `namespace`, by [`Known::set_aside`](crate::drafts::draft::Known), so
//! that a retry and a discard of one draft cannot both go ahead.

use std::fs::File;
use std::sync::Arc;

use super::{Filesystem, FsError, FsResult, join};
use crate::catalog::{CatalogError, DraftRow, DraftState, Entry, Kind, NewPlace, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::seal::free_alternative;
use crate::layout::{FilePlacement, Refusal};
use crate::store::retry;
use crate::types::{Clock, DraftId, ETag, Ino, ObjectKey, Sha256Hex, Timestamp};

/// A draft that is failed or interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDraft {
    /// Its identity, and the name of its staging file.
    pub id: DraftId,
    /// [`DraftState::Failed`] or [`DraftState::Interrupted`].
    pub state: DraftState,
    /// The path that was asked for.
    pub wanted: String,
    /// The path under which it shows: drafts that were acknowledged before they failed do.
    pub shown_as: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When its content was last written.
    pub written_at: Timestamp,
    /// Why it was not published.
    pub reason: String,
}

/// Why a kept draft could not be dealt with: one line for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// No such draft, or it is no longer kept.
    #[error("{0}: no failed or interrupted draft has this id; 'cairnfs drafts list' shows them")]
    Unknown(String),
    /// Several ids begin so.
    #[error("{0}: several drafts have ids that begin so; give more of it")]
    Ambiguous(String),
    /// It would change while it is being published.
    #[error("{0}: a program still has it open for writing; try again when that has closed it")]
    InUse(DraftId),
    /// Nothing can be written on this mount.
    #[error("{0}: the mount takes no new files: {1}")]
    ReadOnly(DraftId, &'static str),
    /// The rules do not allow its name any more.
    #[error("{0}: {1}; 'cairnfs drafts save' copies it elsewhere")]
    Refused(DraftId, Refusal),
    /// Its name is held, and can take no suffix.
    #[error("{0}: the name '{1}' is taken and can take no suffix; 'cairnfs drafts save' copies it elsewhere")]
    Taken(DraftId, String),
    /// The catalog or the disk failed.
    #[error("{0}: {1}")]
    Failed(String, FsError),
}

/// The result of dealing with a kept draft.
pub type KeptResult<T> = Result<T, KeptError>;

/// What a retry has begun.
enum Shows {
    /// It shows again and is to be published.
    Draft(String),
    /// It shows again as the scratch file that it was.
    Scratch(String),
}

const fn is_kept(state: DraftState) -> bool {
    matches!(state, DraftState::Failed | DraftState::Interrupted)
}

impl Filesystem {
    /// Returns every failed or interrupted draft, the oldest first.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn kept_drafts(&self) -> FsResult<Vec<KeptDraft>> {
        let records = self.catalog.drafts()?;
        records.into_iter().filter(|r| is_kept(r.state)).map(|r| self.kept(r)).collect()
    }

    fn kept(&self, record: DraftRow) -> FsResult<KeptDraft> {
        let entry = self.catalog.entry_by_row(record.row)?;
        let shown_as = entry.filter(|e| e.shown == Shown::Listed).map(|e| self.path_of(e.parent, &e.name));
        let meta = std::fs::metadata(self.staging.path(&record.id)).ok();
        let written_at = meta.as_ref().and_then(|m| m.modified().ok()).map(Timestamp::from);
        Ok(KeptDraft {
            id: record.id,
            state: record.state,
            wanted: record.wanted,
            shown_as,
            size: meta.map_or(0, |m| m.len()),
            written_at: written_at.unwrap_or(record.made_at),
            reason: record.reason.unwrap_or_default(),
        })
    }

    /// Opens the content of a kept draft for reading. `asked` is its id, or a beginning that no other one has.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn kept_content(&self, asked: &str) -> KeptResult<File> {
        let id = self.find_kept(asked)?.id;
        File::open(self.staging.path(&id)).map_err(|e| KeptError::Failed(id.to_string(), e.into()))
    }

    /// Shows a kept draft again, under its name or, where that is held by now, an alternative; makes it durable and
    /// acknowledged, and publishes it in the background. Returns the path under which it shows. Where an earlier attempt
    /// has made the object after all, nothing is made again and the object's key is returned.
    ///
    /// # Errors
    /// [`KeptError`]; the draft is kept as it was.
    pub async fn retry_kept(self: &Arc<Self>, asked: &str) -> KeptResult<String> {
        let record = self.find_kept(asked)?;
        let failed = |e: FsError| KeptError::Failed(record.id.to_string(), e);
        if self.writable().is_err() {
            let why = self.read_only().unwrap_or("it is being unmounted");
            return Err(KeptError::ReadOnly(record.id, why));
        }
        let (_, draft) = self.taken_up(&record)?;
        if let Some((key, etag, sha256)) = self.earlier_success(&record, &draft).await {
            let _names = self.namespace.lock();
            self.still_kept(&record, &draft)?;
            let kept = self.guard.keep(&record.id, &key, &etag, sha256, &self.staging.path(&record.id));
            kept.map_or(Ok(()), |kept| self.catalog.guard(kept)).map_err(|e| failed(e.into()))?;
            self.unlink_local(&draft).map_err(failed)?;
            let told = format!("an earlier attempt did store it; draft {} is dropped", record.id);
            self.catalog.event(Clock.now(), "published", key.as_str(), &told);
            return Ok(key.to_string());
        }
        let shows = {
            let _names = self.namespace.lock();
            self.show_again(&record, &draft)?
        };
        if let Err(e) = self.save(&draft).await {
            draft.state.lock().set_aside = true;
            return Err(failed(e));
        }
        let (path, scratch) = match shows {
            Shows::Draft(path) => (path, false),
            Shows::Scratch(path) => (path, true),
        };
        self.catalog.event(Clock.now(), "retried", &record.wanted, &format!("shows as {path}"));
        if !scratch {
            self.enqueue(&draft, Clock.now());
        }
        Ok(path)
    }

    /// Removes a kept draft and its content for good.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn discard_kept(&self, asked: &str) -> KeptResult<DraftId> {
        let record = self.find_kept(asked)?;
        let failed = |e: FsError| KeptError::Failed(record.id.to_string(), e);
        let (entry, draft) = self.taken_up(&record)?;
        {
            let _names = self.namespace.lock();
            self.still_kept(&record, &draft)?;
            self.unlink_local(&draft).map_err(failed)?;
        }
        self.catalog.event(
            Clock.now(),
            "discarded",
            &record.wanted,
            &format!("draft {} was discarded", record.id),
        );
        self.notices.entry_changed(entry.parent, &entry.name);
        Ok(record.id)
    }

    /// Returns the kept draft whose id is, or alone begins with, `asked`.
    fn find_kept(&self, asked: &str) -> KeptResult<DraftRow> {
        let records = self.catalog.drafts().map_err(|e| KeptError::Failed(asked.to_owned(), e.into()))?;
        let begins = |r: &DraftRow| is_kept(r.state) && !asked.is_empty() && r.id.as_str().starts_with(asked);
        let mut found = records.into_iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(KeptError::Unknown(asked.to_owned())),
            (Some(_), Some(_)) => Err(KeptError::Ambiguous(asked.to_owned())),
        }
    }

    /// Returns the entry of a kept draft and the draft in use.
    fn taken_up(&self, record: &DraftRow) -> KeptResult<(Entry, Arc<Draft>)> {
        let taken = || -> FsResult<Option<(Entry, Arc<Draft>)>> {
            let Some(entry) = self.catalog.entry_by_row(record.row)? else { return Ok(None) };
            let draft = self.local(entry.ino)?;
            Ok(draft.map(|draft| (entry, draft)))
        };
        match taken() {
            Ok(Some(taken)) => Ok(taken),
            Ok(None) => Err(KeptError::Unknown(record.id.to_string())),
            Err(e) => Err(KeptError::Failed(record.id.to_string(), e)),
        }
    }

    /// Makes sure that nobody has dealt with the draft meanwhile. Called with `namespace` locked.
    fn still_kept(&self, record: &DraftRow, draft: &Draft) -> KeptResult<()> {
        let known = draft.state.lock();
        if known.set_aside && !known.unlinked && known.id == record.id {
            Ok(())
        } else {
            Err(KeptError::Unknown(record.id.to_string()))
        }
    }

    /// Returns key, version and digest of the object that the newest attempt made although it was told otherwise (an answer
    /// that was lost or wrong), if its content is what the draft holds now.
    async fn earlier_success(
        &self,
        record: &DraftRow,
        draft: &Arc<Draft>,
    ) -> Option<(ObjectKey, ETag, Sha256Hex)> {
        let (key, sha256) = (record.attempt_key.clone()?, record.sha256?);
        let info = retry::retry(self.options.deadline / 2, || self.store.head(&key)).await.ok()?;
        let meta = info.meta?;
        let ours = meta.draft_id.as_ref() == Some(&record.id)
            && meta.written_for.as_ref() == Some(&key)
            && meta.attempt == Some(record.attempt)
            && meta.sha256 == Some(sha256);
        let content = Arc::clone(draft);
        let digest = tokio::task::spawn_blocking(move || content.digest()).await.ok()?.ok()?;
        (ours && digest == sha256).then_some((key, info.etag, sha256))
    }

    /// Gives a kept draft a name and lists it. Called with `namespace` locked.
    fn show_again(&self, record: &DraftRow, draft: &Draft) -> KeptResult<Shows> {
        self.still_kept(record, draft)?;
        let id = || record.id.clone();
        if !draft.state.lock().writers.is_empty() {
            return Err(KeptError::InUse(id()));
        }
        let failed = |e: FsError| KeptError::Failed(record.id.to_string(), e);
        let entry = self
            .catalog
            .entry_by_row(record.row)
            .map_err(|e| failed(e.into()))?
            .ok_or_else(|| KeptError::Unknown(record.id.to_string()))?;
        let (parent, dir) = self.directory_for(&entry, record).map_err(failed)?;
        let path = join(&dir, &entry.name);
        let scratch = match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => false,
            FilePlacement::Scratch { .. } => true,
            FilePlacement::Refused(refusal) => return Err(KeptError::Refused(id(), refusal)),
        };
        // What was asked for, in the directory as it is called now.
        let name_asked = record.wanted.rsplit_once('/').map_or(record.wanted.as_str(), |(_, name)| name);
        let wanted = if scratch { path.clone() } else { join(&dir, name_asked) };
        let name = if entry.shown == Shown::Listed {
            entry.name.clone()
        } else {
            self.list_under_free_name(record, &entry, parent, &wanted, scratch)?
        };
        {
            let mut known = draft.state.lock();
            known.scratch = scratch;
            known.listed = true;
            known.forgive();
        }
        Self::note_use(draft); // or an old scratch file would be kept aside again at once
        self.misses.lock().remove(&(parent, name.clone()));
        self.notices.entry_changed(parent, &name);
        let path = join(&dir, &name);
        Ok(if scratch { Shows::Scratch(path) } else { Shows::Draft(path) })
    }

    fn list_under_free_name(
        &self,
        record: &DraftRow,
        entry: &Entry,
        parent: Ino,
        wanted: &str,
        scratch: bool,
    ) -> KeptResult<String> {
        let failed = |e: CatalogError| KeptError::Failed(record.id.to_string(), e.into());
        let taken = || KeptError::Taken(record.id.clone(), wanted.to_owned());
        let kind = if scratch { Kind::Scratch } else { Kind::Draft };
        let mut name = entry.name.clone();
        loop {
            let held = self.catalog.child(parent, &name).map_err(failed)?;
            // A scratch file may cover an object (semantics 6.4).
            let covered = held.as_ref().filter(|e| scratch && e.kind == Kind::Object);
            if held.is_none() || covered.is_some() {
                let covers = covered.and_then(|e| self.key_of(e).ok().zip(e.etag.clone()));
                let (wanted, base) = (wanted.to_owned(), if scratch { covers } else { record.base.clone() });
                let place = NewPlace { parent, name: name.clone(), kind, wanted, base };
                let now = Clock.now();
                let listed = self
                    .catalog
                    .rename_draft(&record.id, place, now)
                    .and_then(|()| self.catalog.set_shown(entry.row, Shown::Listed, now));
                match listed {
                    Ok(()) => return Ok(name),
                    Err(CatalogError::NameTaken) => {} // a listing brought an object of that name in this moment
                    Err(e) => return Err(failed(e)),
                }
            }
            name = free_alternative(&self.catalog, &self.layout, parent, wanted).map_err(|_| taken())?;
        }
    }

    /// Returns the directory of a kept draft, made anew where it has been removed meanwhile.
    fn directory_for(&self, entry: &Entry, record: &DraftRow) -> FsResult<(Ino, String)> {
        match self.dir(entry.parent) {
            Ok((dir, path)) => return Ok((dir.ino, path)),
            Err(FsError::Stale) => {}
            Err(e) => return Err(e),
        }
        let dir = record.wanted.rsplit_once('/').map_or("", |(dir, _)| dir);
        self.made_dir(dir)
    }

    /// Returns the directory `dir`, made anew as far as it has been removed.
    pub(super) fn made_dir(&self, dir: &str) -> FsResult<(Ino, String)> {
        let (mut parent, mut path) = (Ino::ROOT, String::new());
        for segment in dir.split('/') {
            path = join(&path, segment);
            let made = self.catalog.ensure_dir(parent, segment, &path, Clock.now())?;
            if !made.made {
                self.catalog.set_made(made.row, Clock.now())?;
            }
            self.notices.entry_changed(parent, segment);
            parent = made.ino;
        }
        Ok((parent, path))
    }
}
