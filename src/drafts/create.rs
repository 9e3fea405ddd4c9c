//! One object under one key, until it is sure whose it is: what a mount and `cairnfs put` have in common.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::store::{ObjectInfo, ObjectMeta, ObjectStore, StoreError, StoreResult, UploadBody, retry};
use crate::types::{ObjectKey, Sha256Hex};

/// How often a key may be both taken and not there before it counts as taken.
const MAX_CONTRADICTIONS: u32 = 3;

/// What to do on a store that does not refuse the second of two racing creates (semantics 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeakStore {
    /// Look, put, look again: can overwrite in a race.
    #[default]
    Check,
    /// Every new file gets a suffix: safe.
    Suffix,
    /// Write nothing.
    Refuse,
}

/// What becomes of a file whose bytes the object of its name has already (semantics 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameBytes {
    /// It is not stored again.
    #[default]
    Skip,
    /// It is stored under a suffix.
    Keep,
}

/// What a create came to.
#[derive(Debug)]
pub enum Created {
    /// The object exists and is ours.
    Ours(Box<ObjectInfo>),
    /// The key is another's.
    Taken,
}

/// Asks a store to create objects.
pub struct Creator<'a> {
    /// The store.
    pub store: &'a dyn ObjectStore,
    /// How long transient failures are ridden out.
    pub patience: Duration,
    /// The store does not decide by itself: look before and after ([`WeakStore::Check`]).
    pub look: bool,
}

impl Creator<'_> {
    /// Asks the store to create `key` until it says yes or no for sure. `meta` names draft, key and attempt.
    ///
    /// # Errors
    /// As the store's; then nobody knows whether the object exists.
    pub async fn create(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        meta: &ObjectMeta,
    ) -> StoreResult<Created> {
        for _ in 0..MAX_CONTRADICTIONS {
            if self.look && self.head(key).await?.is_some() {
                return Ok(Created::Taken);
            }
            match retry::retry(self.patience, || self.store.create(key, body, meta)).await {
                Ok(info) if !self.look => return Ok(Created::Ours(Box::new(info))),
                Ok(_) | Err(StoreError::AlreadyExists(_)) => {}
                Err(e) => return Err(e),
            }
            // taken: by ourselves, when the answer to an earlier request was lost, or by another
            match self.head(key).await {
                Ok(Some(info)) if is_ours(&info, meta) => return Ok(Created::Ours(Box::new(info))),
                Ok(None) => {} // taken and gone again within the moment: it is free
                // another's, or it cannot be read: rather twice than lost
                Ok(Some(_)) | Err(_) => return Ok(Created::Taken),
            }
        }
        // A store that keeps directories (SeaweedFS) refuses `c` beside `c/d` and has no object `c`.
        Ok(Created::Taken)
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<Option<ObjectInfo>> {
        match retry::retry(self.patience, || self.store.head(key)).await {
            Ok(info) => Ok(Some(info)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Returns whether an object was made by the very attempt that `meta` names (semantics 4.3).
pub fn is_ours(info: &ObjectInfo, meta: &ObjectMeta) -> bool {
    let same = |found: &ObjectMeta| {
        found.draft_id == meta.draft_id
            && found.written_for == meta.written_for
            && found.attempt == meta.attempt
    };
    meta.draft_id.is_some() && info.meta.as_ref().is_some_and(same)
}

/// Returns whether the object `key` holds exactly the content with this size and digest (semantics 4.7). An object whose
/// digest nobody has written down is read, where the size is right.
///
/// # Errors
/// As the store's. An object that is not there, or changes meanwhile, is no error: it has other bytes.
pub async fn has_same_bytes(
    store: &dyn ObjectStore,
    patience: Duration,
    key: &ObjectKey,
    size: u64,
    sha256: Sha256Hex,
) -> StoreResult<bool> {
    let info = match retry::retry(patience, || store.head(key)).await {
        Ok(info) => info,
        Err(StoreError::NotFound(_)) => return Ok(false),
        Err(e) => return Err(e),
    };
    if info.size != size {
        return Ok(false);
    }
    if let Some(known) = info.meta.as_ref().and_then(|m| m.sha256) {
        return Ok(known == sha256);
    }
    let found = retry::retry(patience, || async {
        let mut bytes = store.get(key, None, Some(&info.etag)).await?.bytes;
        let mut hash = Sha256::new();
        while let Some(piece) = bytes.next().await {
            hash.update(&piece?);
        }
        Ok(Sha256Hex::from_bytes(hash.finalize().into()))
    });
    match found.await {
        Ok(found) => Ok(found == sha256),
        Err(StoreError::NotFound(_) | StoreError::VersionChanged(_)) => Ok(false),
        Err(e) => Err(e),
    }
}
