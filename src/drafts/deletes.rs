//! Deferred deletes: the name is gone at once, the store is touched later, and one version only (semantics 5.2, 5.3).
//!
//! # Crash safety
//! The delete, and the place of its copy in the trash, are in the catalog before unlink returns. A copy that exists at
//! that place is never made again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout_at};

use super::guard::Guard;
use super::opens::{CLOSE_TOLD, OpenObjects};
use crate::catalog::{Catalog, CatalogError, PendingDelete};
use crate::store::{ObjectStore, StoreError};
use crate::types::{Clock, Notices, ObjectKey};

/// After this long a delete that could not be carried out lapses and the name comes back.
const LAPSE: Duration = Duration::from_secs(24 * 3600);

/// Carries out pending deletes.
pub struct Deletes {
    store: Arc<dyn ObjectStore>,
    catalog: Arc<Catalog>,
    opens: Arc<OpenObjects>,
    guard: Arc<Guard>,
    /// Told when a name comes back.
    pub notices: Arc<dyn Notices>,
    /// One delete at a time.
    turn: Mutex<()>,
    /// The row of the one that is under way: a put-back must not meet it. Locked while the catalog is asked whether a delete is
    /// still wanted, and while one is called off.
    under_way: parking_lot::Mutex<Option<i64>>,
    /// Told when one has ended.
    ended: Notify,
}

/// Notes the end of a delete, also where the future that carried it out is dropped.
struct Ending<'a>(&'a Deletes);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        *self.0.under_way.lock() = None;
        self.0.ended.notify_waiters();
    }
}

impl Deletes {
    /// Builds the executor.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        catalog: Arc<Catalog>,
        opens: Arc<OpenObjects>,
        guard: Arc<Guard>,
        notices: Arc<dyn Notices>,
    ) -> Self {
        let under_way = parking_lot::Mutex::new(None);
        Self { store, catalog, opens, guard, notices, turn: Mutex::new(()), under_way, ended: Notify::new() }
    }

    /// Carries out every delete that is due and whose object nobody has open; `all` takes those not yet due as well.
    /// Returns how many are left.
    ///
    /// # Errors
    /// What the catalog says.
    pub async fn run_due(&self, all: bool) -> Result<usize, CatalogError> {
        let now = Clock.now();
        let closes_told = Instant::now() + CLOSE_TOLD; // for all objects together
        for delete in self.catalog.deletes()? {
            if all {
                // who keeps it open keeps it for the next mount
                let _ = timeout_at(closes_told, self.opens.closed(delete.row)).await;
            }
            if (all || delete.due_at <= now) && !self.opens.is_open(delete.row) {
                self.execute(delete.row, &delete.key).await;
            }
        }
        Ok(self.catalog.deletes()?.len())
    }

    /// Carries out the pending delete of `key` now, if there is one and nobody has the object open.
    pub async fn settle(&self, key: &ObjectKey) {
        match self.catalog.delete_of(key) {
            Ok(Some(delete)) if !self.opens.is_open(delete.row) => self.execute(delete.row, key).await,
            Ok(_) => {}
            Err(e) => tracing::warn!("{key}: pending deletes cannot be read: {e}"),
        }
    }

    /// Calls off the pending delete of `row`, waiting for it where it is under way, but for no other. Returns whether it was
    /// called off.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where something else holds the name by now.
    pub async fn put_back(&self, row: i64) -> Result<bool, CatalogError> {
        loop {
            // made before the look, so that an end after it is not missed
            let ended = self.ended.notified();
            {
                let under_way = self.under_way.lock();
                if *under_way != Some(row) {
                    return self.call_off(row);
                }
            }
            ended.await;
        }
    }

    fn call_off(&self, row: i64) -> Result<bool, CatalogError> {
        if !self.catalog.deletes()?.iter().any(|d| d.row == row) {
            return Ok(false);
        }
        self.catalog.end_delete(row, true, Clock.now())?;
        Ok(true)
    }

    async fn execute(&self, row: i64, key: &ObjectKey) {
        let _turn = self.turn.lock().await;
        let Some(delete) = self.begin(row, key) else { return };
        let _ending = Ending(self);
        if delete.hidden_only {
            let told = "moved away and not made again: the object shows under its name";
            self.catalog.event(Clock.now(), "shown-again", key.as_str(), told);
            if let Err(e) = self.name_back(&delete) {
                tracing::warn!("{key}: its name could not be given back: {e}");
            }
            return;
        }
        let outcome = self.copy_then_delete(&delete).await;
        if matches!(outcome, Ok(()) | Err(StoreError::VersionChanged(_))) {
            self.guard.deleted(key, &delete.etag); // that version is gone, and was meant to go
        }
        let ended = match outcome {
            Ok(()) => self.catalog.end_delete(row, false, Clock.now()),
            Err(e) if e.is_transient() && Clock.now().since(delete.asked_at) < LAPSE => {
                tracing::warn!("{key}: the delete waits: {e}");
                Ok(())
            }
            Err(e) => {
                self.catalog.event(
                    Clock.now(),
                    "not-deleted",
                    key.as_str(),
                    &format!("the name came back: {e}"),
                );
                self.name_back(&delete)
            }
        };
        if let Err(e) = ended {
            tracing::warn!("{key}: the end of the delete could not be recorded: {e}");
        }
    }

    /// Returns the delete of `row`, which is under way now; `None` where it was called off or carried out while this waited for
    /// its turn.
    fn begin(&self, row: i64, key: &ObjectKey) -> Option<PendingDelete> {
        let mut under_way = self.under_way.lock();
        let pending = match self.catalog.delete_of(key) {
            Ok(pending) => pending.filter(|d| d.row == row),
            Err(e) => {
                tracing::warn!("{key}: pending deletes cannot be read: {e}");
                None
            }
        };
        // a draft that never was an object is the file system's to delete
        let delete = pending.filter(|d| !d.etag.as_str().is_empty())?;
        *under_way = Some(row);
        Some(delete)
    }

    fn name_back(&self, delete: &PendingDelete) -> Result<(), CatalogError> {
        match self.catalog.end_delete(delete.row, true, Clock.now()) {
            // Something new holds the name: it will take a suffix when it is published, and a listing shows the object.
            Err(CatalogError::NameTaken) => self.catalog.end_delete(delete.row, false, Clock.now()),
            other => other,
        }?;
        if let Some(entry) = self.catalog.entry_by_row(delete.row)? {
            self.notices.entry_changed(entry.parent, &entry.name);
        }
        Ok(())
    }

    async fn copy_then_delete(&self, delete: &PendingDelete) -> Result<(), StoreError> {
        if let (Some(trash_key), false) = (&delete.trash_key, delete.copied) {
            if !self.copy_to_trash(delete, trash_key).await? {
                return Ok(()); // the object is gone already
            }
            if let Err(e) = self.catalog.delete_copied(delete.row, trash_key) {
                tracing::warn!("{}: the copy in the trash could not be recorded: {e}", delete.key);
            }
        }
        match self.store.delete(&delete.key, &delete.etag).await {
            Err(StoreError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// Returns whether a copy is in the trash; `false` where the object is gone.
    async fn copy_to_trash(&self, delete: &PendingDelete, trash_key: &ObjectKey) -> Result<bool, StoreError> {
        let mut meta = match self.store.head(&delete.key).await {
            Ok(info) if info.etag == delete.etag => info.meta.unwrap_or_default(),
            Ok(_) => return Err(StoreError::VersionChanged(delete.key.clone())),
            Err(StoreError::NotFound(_)) => return Ok(false),
            Err(e) => return Err(e),
        };
        // A copy is not the attempt that wrote the original (semantics 4.3).
        meta.written_for = Some(trash_key.clone());
        meta.attempt = None;
        match self.store.copy(&delete.key, &delete.etag, trash_key, &meta).await {
            // The place is ours alone (time and random): a copy that stands there was made before a crash.
            Ok(_) | Err(StoreError::AlreadyExists(_)) => Ok(true),
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
