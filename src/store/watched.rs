//! A store whose reachability is watched: every answer, and every failure to answer, is noted in passing, and while it is
//! known to be down requests fail at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use super::outage::{Outage, Verdict};
use super::{
    Capabilities, ListPage, ObjectBody, ObjectInfo, ObjectMeta, ObjectStore, Reachability, StoreError,
    StoreResult, UploadBody,
};
use crate::types::{ByteRange, ETag, ObjectKey};

/// How long the question whether the store is back may take.
const ASK_PATIENCE: Duration = Duration::from_secs(3);

/// The decorator.
pub struct Watched {
    inner: Arc<dyn ObjectStore>,
    outage: Outage,
}

impl Watched {
    /// Wraps a store, which counts as reachable until requests say otherwise: it is known to be down when they have failed
    /// for the time `outage_after`.
    pub fn new(inner: Arc<dyn ObjectStore>, outage_after: Duration) -> Arc<Self> {
        Arc::new(Self { inner, outage: Outage::new(outage_after) })
    }

    /// Returns whether the store answers.
    pub fn reachability(&self) -> Reachability {
        self.outage.reachability()
    }

    /// Sends a request, unless the store is known to be down.
    async fn send<T>(&self, request: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        match self.outage.verdict(Instant::now()) {
            Verdict::Send => {}
            Verdict::Down(reason) => return Err(StoreError::Down(reason)),
            Verdict::AskFirst => {
                // a short question, since the request itself may be a long upload
                let silent = |_| StoreError::Unavailable("no answer".to_owned());
                let asked = tokio::time::timeout(ASK_PATIENCE, self.inner.check_bucket()).await;
                if let Err(StoreError::Unavailable(reason) | StoreError::Tls(reason)) =
                    self.note(asked.map_err(silent).flatten().map_err(away))
                {
                    return Err(StoreError::Down(reason));
                }
            }
        }
        let result = self.note(request.await.map_err(away));
        // Who would ask again is told at once, and does not wait for that.
        result.map_err(|e| match e {
            StoreError::Unavailable(reason) | StoreError::Tls(reason) if self.outage.is_known() => {
                StoreError::Down(reason)
            }
            e => e,
        })
    }

    /// Notes how a request ended: only a request that found nobody counts against the store.
    fn note<T>(&self, result: StoreResult<T>) -> StoreResult<T> {
        match &result {
            Err(StoreError::Unavailable(reason) | StoreError::Tls(reason)) => {
                if self.outage.failed(Instant::now(), reason) {
                    self.tell_silence(reason);
                }
            }
            _ => {
                if self.outage.answered(Instant::now()) {
                    tracing::info!("{}: answers again", self.inner.url());
                }
            }
        }
        result
    }

    fn tell_silence(&self, reason: &str) {
        tracing::warn!("{}: cannot be reached: {reason}", self.inner.url());
    }
}

/// A bucket that was there and is not any more (a disk that was unmounted, say) is one that does not answer: nothing in it
/// was deleted, and what waits for it may wait on.
fn away(e: StoreError) -> StoreError {
    match e {
        StoreError::NoSuchBucket(bucket) => StoreError::Unavailable(format!("'{bucket}' is not there")),
        e => e,
    }
}

#[async_trait]
impl ObjectStore for Watched {
    fn url(&self) -> String {
        self.inner.url()
    }

    async fn check_bucket(&self) -> StoreResult<()> {
        self.note(self.inner.check_bucket().await)
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectInfo> {
        self.send(self.inner.head(key)).await
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        self.send(self.inner.get(key, range, if_match)).await
    }

    async fn create(&self, key: &ObjectKey, body: &UploadBody, meta: &ObjectMeta) -> StoreResult<ObjectInfo> {
        self.send(self.inner.create(key, body, meta)).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        self.send(self.inner.copy(from, version, to, meta)).await
    }

    async fn delete(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.send(self.inner.delete(key, version)).await
    }

    async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage> {
        self.send(self.inner.list(prefix, delimiter, next, limit)).await
    }

    async fn put_for_probe(&self, key: &ObjectKey, body: Bytes) -> StoreResult<ETag> {
        self.send(self.inner.put_for_probe(key, body)).await
    }

    async fn copy_for_probe(&self, from: &ObjectKey, version: &ETag, to: &ObjectKey) -> StoreResult<()> {
        self.send(self.inner.copy_for_probe(from, version, to)).await
    }

    async fn delete_for_probe(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.send(self.inner.delete_for_probe(key, version)).await
    }

    fn is_silent(&self) -> bool {
        !self.outage.reachability().reachable
    }

    fn gave_up(&self, began: Instant, reason: &str) {
        if self.outage.gave_up(began, Instant::now(), reason) {
            self.tell_silence(reason);
        }
    }

    async fn signed_url(&self, key: &ObjectKey, valid: Duration) -> StoreResult<Option<String>> {
        self.inner.signed_url(key, valid).await
    }

    fn known_capabilities(&self) -> Option<Capabilities> {
        self.inner.known_capabilities()
    }
}
