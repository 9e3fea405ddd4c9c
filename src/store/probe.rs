//! Finding out what a store really does, before anything is entrusted to it.
//!
//! Some servers answer a create that they were to refuse with success and overwrite. No documentation tells which, so
//! the store is tried out under the service prefix, with objects of a few bytes that are deleted afterwards.
//!
//! # Limits
//! A race that never goes wrong here can still go wrong elsewhere: a probe can prove a store weak, not strong.
//! Completing multipart uploads is not probed, since stores are known that are sound in a probe of it and not in
//! earnest; see [`Multipart`](crate::store::Multipart).

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Capabilities, ObjectMeta, ObjectStore, StoreError, StoreResult, UploadBody};
use crate::types::{ETag, ObjectKey};

/// How many creates race for one name, and how often.
const RACERS: usize = 4;
const ROUNDS: usize = 3;

/// What a store can do that refuses us the service prefix.
const NOTHING: Capabilities = Capabilities {
    atomic_create: false,
    conditional_delete: false,
    atomic_copy: false,
    service_prefix: false,
};

/// Measures what `store` can do, or returns what is known of its kind. `service_prefix` ends in `/`.
///
/// # Errors
/// [`StoreError::Unavailable`] and other failures that say nothing about the store's abilities: ask again later.
/// Where writing under the service prefix is forbidden, that is a result and no error.
pub async fn probe(store: &dyn ObjectStore, service_prefix: &str) -> StoreResult<Capabilities> {
    if let Some(known) = store.known_capabilities() {
        return Ok(known);
    }
    let base = format!("{service_prefix}probe/{}/", hex::encode(rand::random::<[u8; 16]>()));
    let probe = Probe { store, base };
    let result = probe.measure().await;
    probe.clean_up().await;
    match result {
        Err(StoreError::AccessDenied(reason)) => {
            tracing::warn!(
                reason,
                prefix = service_prefix,
                "the store cannot be probed under its service prefix"
            );
            Ok(NOTHING)
        }
        other => other,
    }
}

struct Probe<'a> {
    store: &'a dyn ObjectStore,
    base: String,
}

impl Probe<'_> {
    async fn measure(&self) -> StoreResult<Capabilities> {
        let atomic_create = self.second_create_is_refused().await? && self.races_have_one_winner().await?;
        Ok(Capabilities {
            atomic_create,
            atomic_copy: self.copy_onto_a_taken_key_is_refused().await?,
            conditional_delete: self.delete_of_another_version_is_refused().await?,
            service_prefix: true,
        })
    }

    fn key(&self, name: &str) -> StoreResult<ObjectKey> {
        ObjectKey::new(format!("{}{name}", self.base)).map_err(|e| StoreError::Refused {
            code: "ServicePrefix".to_owned(),
            message: format!("the service prefix cannot be used: {e}"),
        })
    }

    async fn create(&self, key: &ObjectKey, text: &str) -> StoreResult<ETag> {
        let body = UploadBody::Bytes(Bytes::copy_from_slice(text.as_bytes()));
        self.store.create(key, &body, &ObjectMeta::default()).await.map(|info| info.etag)
    }

    async fn second_create_is_refused(&self) -> StoreResult<bool> {
        let key = self.key("create")?;
        match self.create(&key, "first").await {
            // a server that does not know the condition may say so
            Err(StoreError::Refused { code, message }) => {
                tracing::info!(code, message, "the store refuses conditional creates");
                self.store.put_for_probe(&key, Bytes::from_static(b"first")).await?;
                return Ok(false);
            }
            first => first?,
        };
        match self.create(&key, "second").await {
            Err(StoreError::AlreadyExists(_)) => Ok(true),
            Ok(_) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn races_have_one_winner(&self) -> StoreResult<bool> {
        for round in 0..ROUNDS {
            let key = self.key(&format!("race{round}"))?;
            let texts: Vec<String> = (0..RACERS).map(|racer| format!("racer {racer}")).collect();
            let results = join_all(texts.iter().map(|text| self.create(&key, text))).await;
            let mut winner = None;
            for result in results {
                match result {
                    Ok(etag) if winner.is_none() => winner = Some(etag),
                    Ok(_) => return Ok(false),
                    // a conflict refuses, too; it only does not say for how long
                    Err(StoreError::AlreadyExists(_) | StoreError::Conflict(_)) => {}
                    Err(e) => return Err(e),
                }
            }
            // a winner who was overwritten all the same has not won
            if let Some(etag) = winner
                && self.store.head(&key).await?.etag != etag
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn copy_onto_a_taken_key_is_refused(&self) -> StoreResult<bool> {
        let (from, to) = (self.key("copy-from")?, self.key("copy-to")?);
        let version = self.store.put_for_probe(&from, Bytes::from_static(b"from")).await?;
        let taken = self.store.put_for_probe(&to, Bytes::from_static(b"to")).await?;
        match self.store.copy_for_probe(&from, &version, &to).await {
            Err(StoreError::AlreadyExists(_)) => Ok(self.store.head(&to).await?.etag == taken),
            // "not implemented" is honest, but leaves no copy that is safe
            Ok(()) | Err(StoreError::Refused { .. } | StoreError::AccessDenied(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn delete_of_another_version_is_refused(&self) -> StoreResult<bool> {
        let key = self.key("delete")?;
        self.store.put_for_probe(&key, Bytes::from_static(b"kept")).await?;
        let other = ETag::new("00000000000000000000000000000000");
        match self.store.delete_for_probe(&key, &other).await {
            Err(StoreError::VersionChanged(_)) => match self.store.head(&key).await {
                Ok(_) => Ok(true),
                Err(StoreError::NotFound(_)) => Ok(false),
                Err(e) => Err(e),
            },
            Ok(()) | Err(StoreError::Refused { .. } | StoreError::AccessDenied(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Deletes what the probe has made, as far as that is allowed.
    async fn clean_up(&self) {
        let left = match self.store.list(&self.base, false, None, None).await {
            Ok(page) => page.objects,
            Err(error) => {
                tracing::debug!(%error, prefix = self.base, "the objects of a probe stay where they are");
                return;
            }
        };
        for object in left {
            if let Err(error) = self.store.delete(&object.key, &object.etag).await {
                tracing::debug!(%error, key = %object.key, "an object of a probe stays where it is");
            }
        }
    }
}
