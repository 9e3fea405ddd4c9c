//! The `file://` store: a directory laid out like a bucket, one plain file for each object.
//!
//! Plain tools may look into the directory and may add, change and remove files there at any time: such files are
//! objects with an ETag derived from size, modification time and inode number. What cairnfs keeps about its own
//! objects lies in extended attributes `user.cairn.…`, or below `<service_prefix>meta/` where those find no room.
//!
//! # Limits
//! * An object `a` and objects `a/…` cannot both exist; a segment has at most 255 bytes. Such a create is refused.
//! * A file that another tool writes to in place keeps its ETag if size and modification time are the same after it,
//!   which the clock of the host's file system allows for changes within a few milliseconds.
//! * A delete looks and unlinks under a lock that only cairnfs takes: a file that another tool puts there in the
//!   microseconds between the two is deleted.

mod host;
mod list;
mod read;
mod record;
mod tree;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Capabilities, ListPage, ObjectBody, ObjectInfo, ObjectMeta, ObjectStore, StoreError, StoreResult,
    UploadBody,
};
use crate::types::{ByteRange, ETag, ObjectKey};
use tree::Tree;

/// How many entries a page has unless the caller says otherwise. Each page reads the names of a whole directory again,
/// so there should be few of them; S3's 1000 would make a listing of a million files take a thousand readings.
const DEFAULT_PAGE: u32 = 10_000;

/// How long any request may take besides its bytes. A local disk answers in milliseconds; a network file system
/// whose server is gone never does.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// The slowest disk that is waited for, in bytes a second.
const SLOWEST_DISK: u64 = 1024 * 1024;

/// Where the records of objects are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetadataPlace {
    /// In extended attributes, and beside the file where those find no room or do not exist.
    #[default]
    Attributes,
    /// Always beside the file.
    Beside,
}

/// A directory of this host as a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DirStore {
    tree: Arc<Tree>,
    metadata: MetadataPlace,
}

impl DirStore {
    /// Takes the directory `root`, which need not exist yet, with its own machinery under `service_prefix`
    /// (`.cairnfs/`), and clears away what a crash left there.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where `service_prefix` is no path, [`StoreError::Io`] where a relative `root` cannot be
    /// made absolute.
    pub fn new(root: &Path, service_prefix: &str, metadata: MetadataPlace) -> StoreResult<Self> {
        let service = service_prefix.trim_end_matches('/');
        if !ObjectKey::new(service).is_ok_and(|k| k.is_path()) {
            return Err(StoreError::Refused {
                code: "ServicePrefix".to_owned(),
                message: format!("'{service_prefix}' cannot be a directory; use something like '.cairnfs/'"),
            });
        }
        let root: PathBuf = std::path::absolute(root)
            .map_err(|e| StoreError::io(format!("cannot make '{}' absolute", root.display()), &e))?;
        let tree = Tree::new(root, &format!("{service}/"));
        tree.sweep();
        Ok(Self { tree: Arc::new(tree), metadata })
    }

    /// Runs `work` on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        bytes: u64,
        work: impl FnOnce(&Self) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let store = self.clone();
        blocking(what, bytes, move || work(&store)).await
    }
}

/// Runs `work`, which moves `bytes`, on a thread that may block, and stops waiting for it when it hangs.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    bytes: u64,
    work: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    let limit = REQUEST_LIMIT + Duration::from_secs(bytes / SLOWEST_DISK);
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        // the thread panicked, or the runtime is being shut down
        Ok(Err(e)) => Err(StoreError::Unavailable(format!("{what} was broken off: {e}"))),
        Err(_) => Err(StoreError::Unavailable(format!(
            "{what}: no answer from the file system in {} s",
            limit.as_secs()
        ))),
    }
}

#[async_trait]
impl ObjectStore for DirStore {
    fn url(&self) -> String {
        format!("file://{}", self.tree.root_path().display())
    }

    async fn check_bucket(&self) -> StoreResult<()> {
        self.run("check", 0, |s| {
            // a page of nothing: the directory can be opened and read
            list::page(&s.tree, "", true, None, 0).map(|_| ())
        })
        .await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectInfo> {
        let key = key.clone();
        self.run("head", 0, move |s| s.open_now(&key).map(|(_, info)| info)).await
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        let (key, if_match) = (key.clone(), if_match.cloned());
        self.run("get", 0, move |s| s.get_now(&key, range, if_match.as_ref())).await
    }

    async fn create(&self, key: &ObjectKey, body: &UploadBody, meta: &ObjectMeta) -> StoreResult<ObjectInfo> {
        let (key, body, meta) = (key.clone(), body.clone(), meta.clone());
        self.run("create", body.size(), move |s| s.create_now(&key, &body, &meta)).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        let size = self.head(from).await?.size;
        let (from, version, to, meta) = (from.clone(), version.clone(), to.clone(), meta.clone());
        self.run("copy", size, move |s| s.copy_now(&from, &version, &to, &meta)).await
    }

    async fn delete(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        let (key, version) = (key.clone(), version.clone());
        self.run("delete", 0, move |s| s.delete_now(&key, &version)).await
    }

    async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage> {
        let (prefix, next) = (prefix.to_owned(), next.map(str::to_owned));
        let limit = usize::try_from(limit.unwrap_or(DEFAULT_PAGE).max(1)).unwrap_or(usize::MAX);
        self.run("list", 0, move |s| list::page(&s.tree, &prefix, delimiter, next.as_deref(), limit)).await
    }

    async fn put_for_probe(&self, key: &ObjectKey, body: Bytes) -> StoreResult<ETag> {
        let key = key.clone();
        self.run("put", 0, move |s| s.replace_now(&key, &UploadBody::Bytes(body))).await
    }

    async fn copy_for_probe(&self, from: &ObjectKey, version: &ETag, to: &ObjectKey) -> StoreResult<()> {
        self.copy(from, version, to, &ObjectMeta::default()).await.map(|_| ())
    }

    async fn delete_for_probe(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.delete(key, version).await
    }

    fn known_capabilities(&self) -> Option<Capabilities> {
        Some(Capabilities {
            atomic_create: true,
            conditional_delete: true,
            atomic_copy: true,
            service_prefix: true,
        })
    }
}
