//! Publishing: a draft becomes an object under a name that the store says is free.
//!
//! # Invariants
//! * Only [`ObjectStore::create`] writes, so nothing is ever replaced.
//! * Before a request is sent, the catalog holds the attempt's number, key and digest; the object carries draft id, key
//!   and attempt. A taken key is our own earlier success exactly when all three agree (semantics 4.3).
//! * Every further name is drawn from the name that was asked for, not from the last try (Django's rule).

use std::sync::Arc;
use std::time::Duration;

use super::deletes::Deletes;
use super::draft::Draft;
use super::facts::{content_type, facts};
use super::staging::Staging;
use crate::cache::{Cache, Version};
use crate::catalog::{Catalog, CatalogError, Entry};
use crate::layout::{Layout, random_suffix};
use crate::store::{ObjectInfo, ObjectMeta, ObjectStore, StoreError, UploadBody, retry};
use crate::types::{Clock, DraftId, ObjectKey, Sha256Hex, Timestamp};

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

/// What a publish came to.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The entry, now an object.
    pub entry: Entry,
    /// The key that it really got.
    pub key: ObjectKey,
    /// It is not the name that was asked for.
    pub suffixed: bool,
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
    /// Carried out before their key is created again.
    pub deletes: Arc<Deletes>,
    /// How long transient failures of the store are ridden out.
    pub patience: Duration,
}

enum Outcome {
    Ours(ObjectInfo),
    Taken,
}

impl Sealer {
    /// Publishes `draft` and returns when the object exists and the catalog says so. Its content must be complete in
    /// the staging file. A draft that is already published is left alone.
    ///
    /// # Errors
    /// [`SealError`]; the draft is unchanged but for the name it last tried.
    pub async fn publish(&self, draft: &Arc<Draft>) -> Result<Option<Sealed>, SealError> {
        let _busy = draft.busy.lock().await;
        {
            let mut known = draft.state.lock();
            if known.published {
                return Ok(None);
            }
            known.publishing = true;
        }
        let result = self.publish_busy(draft).await;
        let mut known = draft.state.lock();
        known.publishing = false;
        if result.is_ok() {
            known.published = true;
            known.changed = false;
            known.unsaved = false;
        }
        drop(known);
        result.map(Some)
    }

    async fn publish_busy(&self, draft: &Arc<Draft>) -> Result<Sealed, SealError> {
        let (id, row, size, mtime, beside) = {
            let k = draft.state.lock();
            (k.id.clone(), k.row, k.size, k.mtime_set.then_some(k.mtime), k.beside.clone())
        };
        let sha256 = self.digest(draft).await?;
        let body = self.body(draft, &id, size).await?;
        let record =
            self.catalog.draft_of(row)?.ok_or_else(|| SealError::Local(format!("draft {id} is unknown")))?;
        let mut attempt = record.attempt;
        for _ in 0..MAX_NAMES {
            let key = self.key_of(row)?;
            attempt += 1;
            self.deletes.settle(&key).await;
            self.catalog.begin_attempt(&id, attempt, &key, sha256)?;
            let meta = ObjectMeta {
                draft_id: Some(id.clone()),
                written_for: Some(key.clone()),
                attempt: Some(attempt),
                sha256: Some(sha256),
                mtime,
                content_type: Some(content_type(key.file_name())),
                supersedes: beside.as_ref().map(|b| b.0.clone()),
                other: std::collections::BTreeMap::new(),
            };
            match self.create(&key, &body, &meta).await? {
                Outcome::Ours(info) => return self.record(draft, &id, &record.wanted, info, sha256),
                Outcome::Taken => self.take_next_name(&id, row, &record.wanted)?,
            }
        }
        Err(SealError::NoName(record.wanted))
    }

    /// Looks whether an attempt of an earlier run did create its object, and records it if so.
    ///
    /// # Errors
    /// [`SealError`] where the store cannot say.
    pub async fn claim_earlier_attempt(&self, draft: &Arc<Draft>) -> Result<Option<Sealed>, SealError> {
        let (id, row) = {
            let k = draft.state.lock();
            (k.id.clone(), k.row)
        };
        let Some(record) = self.catalog.draft_of(row)? else { return Ok(None) };
        let (Some(key), Some(sha256)) = (record.attempt_key, record.sha256) else { return Ok(None) };
        let found = retry::retry(self.patience, || self.store.head(&key)).await;
        match found {
            Ok(info) if is_ours(&info, &id, &key, record.attempt) => {
                let sealed = self.record(draft, &id, &record.wanted, info, sha256)?;
                let mut known = draft.state.lock();
                known.published = true;
                known.changed = false;
                drop(known);
                Ok(Some(sealed))
            }
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn digest(&self, draft: &Arc<Draft>) -> Result<Sha256Hex, SealError> {
        if let Some(digest) = draft.state.lock().running_digest() {
            return Ok(digest);
        }
        let draft = Arc::clone(draft);
        tokio::task::spawn_blocking(move || draft.digest())
            .await
            .map_err(|e| SealError::Local(e.to_string()))?
            .map_err(|e| SealError::Local(format!("staging file cannot be read: {e}")))
    }

    async fn body(&self, draft: &Arc<Draft>, id: &DraftId, size: u64) -> Result<UploadBody, SealError> {
        let unreadable = |e: String| SealError::Local(format!("staging file cannot be read: {e}"));
        if size > IN_MEMORY_BYTES {
            return Ok(UploadBody::File { path: self.staging.path(id), size });
        }
        let draft = Arc::clone(draft);
        let len = usize::try_from(size).map_err(|e| unreadable(e.to_string()))?;
        let bytes = tokio::task::spawn_blocking(move || draft.read(0, len))
            .await
            .map_err(|e| unreadable(e.to_string()))?
            .map_err(|e| unreadable(e.to_string()))?;
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

    /// Asks the store to create `key` until it says yes or no for sure.
    async fn create(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        meta: &ObjectMeta,
    ) -> Result<Outcome, SealError> {
        loop {
            match retry::retry(self.patience, || self.store.create(key, body, meta)).await {
                Ok(info) => return Ok(Outcome::Ours(info)),
                Err(StoreError::AlreadyExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
            let (Some(id), Some(attempt)) = (&meta.draft_id, meta.attempt) else { return Ok(Outcome::Taken) };
            match retry::retry(self.patience, || self.store.head(key)).await {
                Ok(info) if is_ours(&info, id, key, attempt) => return Ok(Outcome::Ours(info)),
                // Taken and gone again within the moment: it is free, ask again.
                Err(StoreError::NotFound(_)) => {}
                // Another's, or it cannot be read: rather twice than lost.
                Ok(_) | Err(_) => return Ok(Outcome::Taken),
            }
        }
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

    fn record(
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
        let entry = self.catalog.publish_draft(id, facts, at)?;
        let suffixed = info.key.as_str() != wanted;
        if suffixed {
            self.catalog.event(at, "suffixed", wanted, &format!("the name is taken: saved as {}", info.key));
        }
        self.deletes.notices.entry_changed(entry.parent, &entry.name);
        // A staging file that nobody can write any more becomes the cached copy; otherwise it stays until the last close.
        let quiet = draft.state.lock().writers.is_empty();
        if quiet {
            let version = Version { key: info.key.clone(), etag: info.etag.clone(), size: info.size };
            if let Err(e) = self.cache.adopt(&version, &self.staging.path(id), Some(sha256)) {
                tracing::debug!("{}: not taken into the cache: {e}", info.key);
            }
            self.staging.remove(id);
        }
        Ok(Sealed { entry, key: info.key, suffixed })
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

fn is_ours(info: &ObjectInfo, id: &DraftId, key: &ObjectKey, attempt: u32) -> bool {
    info.meta.as_ref().is_some_and(|m| {
        m.draft_id.as_ref() == Some(id) && m.written_for.as_ref() == Some(key) && m.attempt == Some(attempt)
    })
}

fn now() -> Timestamp {
    Clock.now()
}
