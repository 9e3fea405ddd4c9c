//! Publishing: a draft becomes an object under a name that the store says is free.
//!
//! # Invariants
//! * Only [`ObjectStore::create`] writes, so nothing is ever replaced.
//! * Before a request is sent, the catalog holds the attempt's number, key and digest; the object carries draft id, key
//!   and attempt. A taken key is our own earlier success exactly when all three agree (semantics 4.3).
//! * Every further name is drawn from the name that was asked for, not from the last try (Django's rule).

use std::sync::Arc;
use std::time::Duration;

use super::create::{Created, Creator, SameBytes, WeakStore, has_same_bytes, is_ours};
use super::deletes::Deletes;
use super::draft::Draft;
use super::facts::{content_type, facts};
use super::guard::Guard;
use super::staging::Staging;
use crate::cache::{Cache, Version};
use crate::catalog::{Catalog, CatalogError, DraftRow, Entry, Shown};
use crate::layout::{Layout, random_suffix};
use crate::store::{ObjectInfo, ObjectMeta, ObjectStore, StoreError, UploadBody, retry};
use crate::types::{Clock, DraftId, Ino, ObjectKey, Sha256Hex, Timestamp};

/// Names that are tried before giving up: with 62^7 suffixes a second collision is already an accident.
const MAX_NAMES: u32 = 100;

/// Below this size the content is read into memory and sent as one signed body.
const IN_MEMORY_BYTES: u64 = 1024 * 1024;

/// Why a draft could not be published. The draft is kept in every case.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// The store refused, or could not be reached in the time given.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every name that the template and the limits allow is taken.
    #[error("'{0}' is taken and its name can take no suffix")]
    NoName(String),
    /// The staging file or the catalog failed.
    #[error("{0}")]
    Local(String),
}

impl From<CatalogError> for SealError {
    fn from(e: CatalogError) -> Self {
        Self::Local(e.to_string())
    }
}

/// Makes sure that the staging file has all of the content: an object is never short, whatever has happened to the disk.
fn check_size(draft: &Draft, size: u64) -> Result<(), SealError> {
    let there = draft.file().and_then(|file| file.metadata());
    match there.map(|file| file.len()) {
        Ok(there) if there == size => Ok(()),
        Ok(there) => Err(SealError::Local(format!("the staging file has {there} bytes, of {size}"))),
        Err(e) => Err(unreadable(&e)),
    }
}

fn unreadable(e: &std::io::Error) -> SealError {
    StoreError::io("the staging file cannot be read", e).into()
}

/// What a publish came to.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The entry, now an object.
    pub entry: Entry,
    /// The path that was asked for.
    pub wanted: String,
    /// The key that it really got; of another object where that has the same bytes.
    pub key: ObjectKey,
}

/// Publishes drafts.
pub struct Sealer {
    /// The store that decides.
    pub store: Arc<dyn ObjectStore>,
    /// Where attempts and results are recorded.
    pub catalog: Arc<Catalog>,
    /// Knows suffixes and domains.
    pub layout: Arc<Layout>,
    /// Takes over the content, so that it is read locally at once.
    pub cache: Arc<Cache>,
    /// Where the content is.
    pub staging: Arc<Staging>,
    /// Keeps the content for a while.
    pub guard: Arc<Guard>,
    /// Carried out before their key is created again.
    pub deletes: Arc<Deletes>,
    /// How long transient failures of the store are ridden out.
    pub patience: Duration,
    /// What to do where the store does not decide who wins a race; `None` where it does.
    pub weak_store: Option<WeakStore>,
    /// Whether bytes that are there already are stored again.
    pub same_bytes: SameBytes,
}

/// What a draft holds.
#[derive(Debug, Clone, Copy)]
struct Content {
    size: u64,
    sha256: Sha256Hex,
}

impl Sealer {
    /// Publishes `draft` and returns when the object exists and the catalog says so. Its content must be complete in
    /// the staging file. A draft that is already published, or that was deleted before this began, is left alone.
    ///
    /// # Errors
    /// [`SealError`]; the draft is unchanged but for the name it last tried.
    pub async fn publish(&self, draft: &Arc<Draft>) -> Result<Option<Sealed>, SealError> {
        let _busy = draft.busy.lock().await;
        let row = {
            let mut known = draft.state.lock();
            if known.published || known.unlinked {
                return Ok(None);
            }
            known.publishing = true;
            known.row
        };
        drop(draft.writing.write()); // changes that were under way belong to it
        // Who hides the name looks after that whether it is being published.
        let result = match self.catalog.entry_by_row(row) {
            Ok(Some(entry)) if entry.shown == Shown::Hidden => Ok(None),
            Ok(_) => self.publish_busy(draft).await.map(Some),
            Err(e) => Err(e.into()),
        };
        let mut known = draft.state.lock();
        known.publishing = false;
        if matches!(result, Ok(Some(_))) {
            known.published = true;
            known.changed = false;
            known.unsaved = false;
        }
        drop(known);
        result
    }

    async fn publish_busy(&self, draft: &Arc<Draft>) -> Result<Sealed, SealError> {
        let (id, row, size, mtime, beside) = {
            let k = draft.state.lock();
            (k.id.clone(), k.row, k.size, k.mtime_set.then_some(k.mtime), k.beside.clone())
        };
        check_size(draft, size)?;
        let sha256 = self.digest(draft).await?;
        let body = self.body(draft, &id, size).await?;
        let record =
            self.catalog.draft_of(row)?.ok_or_else(|| SealError::Local(format!("draft {id} is unknown")))?;
        if let Some(sealed) = self.claim_earlier_attempt(draft, &record, sha256).await? {
            return Ok(sealed);
        }
        let content = Content { size, sha256 };
        if let Some((key, _)) = &beside
            && let Some(twin) = self.twin(row, key.as_str(), content).await?
        {
            return self.drop_for(draft, &record, twin);
        }
        let creator = Creator {
            store: &*self.store,
            patience: self.patience,
            look: self.weak_store == Some(WeakStore::Check),
        };
        if self.weak_store == Some(WeakStore::Suffix) && self.key_of(row)?.as_str() == record.wanted {
            self.take_next_name(&id, row, &record.wanted)?;
        }
        let mut attempt = record.attempt;
        for _ in 0..MAX_NAMES {
            let key = self.key_of(row)?;
            attempt += 1;
            self.deletes.settle(&key).await;
            self.catalog.begin_attempt(&id, attempt, &key, sha256)?;
            let meta = ObjectMeta {
                mtime,
                content_type: Some(content_type(key.file_name())),
                supersedes: beside.as_ref().map(|b| b.0.clone()),
                ..attempt_meta(&id, &key, attempt, sha256)
            };
            match creator.create(&key, &body, &meta).await? {
                Created::Ours(info) => return self.record(draft, &id, &record.wanted, *info, sha256).await,
                Created::Taken => {
                    if key.as_str() == record.wanted
                        && let Some(twin) = self.twin(row, &record.wanted, content).await?
                    {
                        return self.drop_for(draft, &record, twin);
                    }
                    self.take_next_name(&id, row, &record.wanted)?;
                }
            }
        }
        Err(SealError::NoName(record.wanted))
    }

    /// Looks whether an earlier attempt, of which nobody knows how it ended, did create its object, and records it if so.
    async fn claim_earlier_attempt(
        &self,
        draft: &Arc<Draft>,
        record: &DraftRow,
        sha256: Sha256Hex,
    ) -> Result<Option<Sealed>, SealError> {
        let Some(key) = record.attempt_key.as_ref().filter(|_| record.sha256 == Some(sha256)) else {
            return Ok(None);
        };
        match retry::retry(self.patience, || self.store.head(key)).await {
            Ok(info) if is_ours(&info, &attempt_meta(&record.id, key, record.attempt, sha256)) => {
                Ok(Some(self.record(draft, &record.id, &record.wanted, info, sha256).await?))
            }
            Err(e) if e.is_transient() => Err(e.into()),
            // Whether it exists or may not be asked: the create decides, under a suffix if need be.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Gives the staging file of a published draft, which has no writer any more, to the cache.
    pub async fn put_away(&self, id: &DraftId, object: Option<(Version, Option<Sha256Hex>)>) {
        let path = self.staging.path(id);
        if let Some((version, sha256)) = object {
            let cache = Arc::clone(&self.cache);
            // it is read from beginning to end: not on a thread that others wait for
            let adopt = tokio::task::spawn_blocking(move || {
                if path.exists()
                    && let Err(e) = cache.adopt(&version, &path, sha256)
                {
                    tracing::debug!("{}: not taken into the cache: {e}", version.key);
                }
            });
            let _ = adopt.await; // fails at shutdown only
        }
        self.staging.remove(id);
    }

    /// Looks for an object that holds the draft's bytes already: the one of the name `wanted`, or its newest suffixed version
    /// (semantics 4.7).
    async fn twin(&self, row: i64, wanted: &str, content: Content) -> Result<Option<ObjectKey>, SealError> {
        if self.same_bytes == SameBytes::Keep {
            return Ok(None);
        }
        let Some(entry) = self.catalog.entry_by_row(row)? else { return Ok(None) };
        let newest = self.newest_alternative(entry.parent, wanted, content.size)?;
        for path in std::iter::once(wanted.to_owned()).chain(newest) {
            let Ok(key) = ObjectKey::new(path) else { continue };
            // What is about to be deleted, and waits for its readers to close it, is not there for this file.
            let going = self.catalog.delete_of(&key)?.is_some();
            if !going
                && has_same_bytes(&*self.store, self.patience, &key, content.size, content.sha256).await?
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Returns the path of the newest suffixed version of `wanted`, where it has this size.
    fn newest_alternative(&self, parent: Ino, wanted: &str, size: u64) -> Result<Option<String>, SealError> {
        let (dir, _) = wanted.rsplit_once('/').unwrap_or_default();
        let named = self.catalog.objects_starting(parent, &self.layout.alternative_start(wanted))?;
        let newest = named
            .into_iter()
            .filter(|e| self.layout.is_alternative(&format!("{dir}/{}", e.name), wanted))
            .max_by_key(|e| e.mtime);
        Ok(newest.filter(|n| n.size == size).map(|n| format!("{dir}/{}", n.name)))
    }

    /// Drops a draft whose bytes the object `twin` has already.
    fn drop_for(&self, draft: &Arc<Draft>, record: &DraftRow, twin: ObjectKey) -> Result<Sealed, SealError> {
        let told = format!("not stored again: {twin} has the same bytes");
        self.catalog.event(now(), "same-bytes", &record.wanted, &told);
        let entry = self
            .catalog
            .entry_by_row(record.row)?
            .ok_or_else(|| SealError::Local("the draft lost its entry".into()))?;
        let (open, size, mtime) = {
            let k = draft.state.lock();
            (k.handles > 0, k.size, k.mtime)
        };
        if open {
            // Who has it open goes on reading it, and may write to it again.
            self.catalog.drop_draft(&record.id, size, mtime)?;
        } else {
            self.catalog.remove_draft(&record.id, now())?;
            self.staging.remove(&record.id);
        }
        self.deletes.notices.entry_changed(entry.parent, &entry.name);
        Ok(Sealed { entry, wanted: record.wanted.clone(), key: twin })
    }

    async fn digest(&self, draft: &Arc<Draft>) -> Result<Sha256Hex, SealError> {
        if let Some(digest) = draft.state.lock().running_digest() {
            return Ok(digest);
        }
        let draft = Arc::clone(draft);
        tokio::task::spawn_blocking(move || draft.digest())
            .await
            .map_err(|e| SealError::Local(e.to_string()))?
            .map_err(|e| unreadable(&e))
    }

    async fn body(&self, draft: &Arc<Draft>, id: &DraftId, size: u64) -> Result<UploadBody, SealError> {
        if size > IN_MEMORY_BYTES {
            return Ok(UploadBody::File { path: self.staging.path(id), size });
        }
        let draft = Arc::clone(draft);
        let len = usize::try_from(size).map_err(|e| SealError::Local(e.to_string()))?;
        let bytes = tokio::task::spawn_blocking(move || draft.read(0, len))
            .await
            .map_err(|e| SealError::Local(e.to_string()))?
            .map_err(|e| unreadable(&e))?;
        Ok(UploadBody::Bytes(bytes.into()))
    }

    fn key_of(&self, row: i64) -> Result<ObjectKey, SealError> {
        let entry = self
            .catalog
            .entry_by_row(row)?
            .ok_or_else(|| SealError::Local("the draft lost its entry".into()))?;
        let dir = self.catalog.dir_path(entry.parent)?.unwrap_or_default();
        let path = if dir.is_empty() { entry.name } else { format!("{dir}/{}", entry.name) };
        ObjectKey::new(path).map_err(|e| SealError::Local(e.to_string()))
    }

    fn take_next_name(&self, id: &DraftId, row: i64, wanted: &str) -> Result<(), SealError> {
        let entry = self
            .catalog
            .entry_by_row(row)?
            .ok_or_else(|| SealError::Local("the draft lost its entry".into()))?;
        let name = free_alternative(&self.catalog, &self.layout, entry.parent, wanted)?;
        self.catalog.rename_draft_entry(id, &name, now())?;
        self.deletes.notices.entry_changed(entry.parent, &entry.name);
        self.deletes.notices.entry_changed(entry.parent, &name);
        Ok(())
    }

    async fn record(
        &self,
        draft: &Arc<Draft>,
        id: &DraftId,
        wanted: &str,
        info: ObjectInfo,
        sha256: Sha256Hex,
    ) -> Result<Sealed, SealError> {
        let at = now();
        let mut facts = facts(&self.layout, &info, Some(at));
        facts.detail.sha256 = Some(sha256);
        let guarded = self.guard.keep(id, &info.key, &info.etag, sha256, &self.staging.path(id));
        let published = self.catalog.publish_draft(id, facts, guarded, at);
        let entry = published.inspect_err(|_| self.guard.forget(&info.key))?;
        if info.key.as_str() != wanted {
            self.catalog.event(at, "suffixed", wanted, &format!("the name is taken: saved as {}", info.key));
        }
        self.deletes.notices.entry_changed(entry.parent, &entry.name);
        // A staging file that nobody can write any more becomes the cached copy; otherwise it stays until the last close.
        let quiet = draft.state.lock().writers.is_empty();
        if quiet {
            let version = Version { key: info.key.clone(), etag: info.etag.clone(), size: info.size };
            self.put_away(id, Some((version, Some(sha256)))).await;
        }
        Ok(Sealed { entry, wanted: wanted.to_owned(), key: info.key })
    }
}

/// Returns an alternative of `wanted` (a whole path) that no entry of `parent` holds.
///
/// # Errors
/// [`SealError::NoName`] where the template can take no suffix or the limits leave no root.
pub fn free_alternative(
    catalog: &Catalog,
    layout: &Layout,
    parent: crate::types::Ino,
    wanted: &str,
) -> Result<String, SealError> {
    for _ in 0..MAX_NAMES {
        let path = layout
            .alternative(wanted, &random_suffix())
            .ok_or_else(|| SealError::NoName(wanted.to_owned()))?;
        let name = path.rsplit_once('/').map_or(path.as_str(), |(_, n)| n);
        if catalog.child(parent, name)?.is_none() {
            return Ok(name.to_owned());
        }
    }
    Err(SealError::NoName(wanted.to_owned()))
}

/// The metadata by which an attempt is known again (semantics 4.3).
fn attempt_meta(id: &DraftId, key: &ObjectKey, attempt: u32, sha256: Sha256Hex) -> ObjectMeta {
    ObjectMeta {
        draft_id: Some(id.clone()),
        written_for: Some(key.clone()),
        attempt: Some(attempt),
        sha256: Some(sha256),
        ..ObjectMeta::default()
    }
}

fn now() -> Timestamp {
    Clock.now()
}
