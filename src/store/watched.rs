//! A store whose reachability is watched: every answer, and every failure to answer, is noted in passing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    Capabilities, ListPage, ObjectBody, ObjectInfo, ObjectMeta, ObjectStore, StoreError, StoreResult,
    UploadBody,
};
use crate::types::{ByteRange, Clock, ETag, ObjectKey, Timestamp};

/// Whether the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachability {
    /// The newest request was answered.
    pub reachable: bool,
    /// Since when that is so.
    pub since: Timestamp,
    /// What the newest request met, if it was not answered.
    pub error: Option<String>,
}

/// The decorator.
pub struct Watched {
    inner: Arc<dyn ObjectStore>,
    state: Mutex<Reachability>,
}

impl Watched {
    /// Wraps a store, which counts as reachable until a request says otherwise.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        let state = Mutex::new(Reachability { reachable: true, since: Clock.now(), error: None });
        Arc::new(Self { inner, state })
    }

    /// Returns whether the store answers.
    pub fn reachability(&self) -> Reachability {
        self.state.lock().clone()
    }

    /// Notes how a request ended: only a request that found nobody counts against the store.
    fn note<T>(&self, result: StoreResult<T>) -> StoreResult<T> {
        let error = match &result {
            Err(StoreError::Unavailable(e) | StoreError::Tls(e)) => Some(e.clone()),
            _ => None,
        };
        let mut state = self.state.lock();
        if state.reachable == error.is_some() {
            match &error {
                Some(e) => tracing::warn!("{}: cannot be reached: {e}", self.inner.url()),
                None => tracing::info!("{}: answers again", self.inner.url()),
            }
            *state = Reachability { reachable: error.is_none(), since: Clock.now(), error };
        }
        drop(state);
        result
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
        self.note(self.inner.head(key).await)
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        self.note(self.inner.get(key, range, if_match).await)
    }

    async fn create(&self, key: &ObjectKey, body: &UploadBody, meta: &ObjectMeta) -> StoreResult<ObjectInfo> {
        self.note(self.inner.create(key, body, meta).await)
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        self.note(self.inner.copy(from, version, to, meta).await)
    }

    async fn delete(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.note(self.inner.delete(key, version).await)
    }

    async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage> {
        self.note(self.inner.list(prefix, delimiter, next, limit).await)
    }

    async fn put_for_probe(&self, key: &ObjectKey, body: Bytes) -> StoreResult<ETag> {
        self.note(self.inner.put_for_probe(key, body).await)
    }

    async fn copy_for_probe(&self, from: &ObjectKey, version: &ETag, to: &ObjectKey) -> StoreResult<()> {
        self.note(self.inner.copy_for_probe(from, version, to).await)
    }

    async fn delete_for_probe(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.note(self.inner.delete_for_probe(key, version).await)
    }

    fn known_capabilities(&self) -> Option<Capabilities> {
        self.inner.known_capabilities()
    }
}
