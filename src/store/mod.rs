//! The stores: the only code that talks to S3 or to the directory of a `file://` store.
//!
//! # The contract
//! * An object is immutable bytes under a key, with an [`ETag`] that changes whenever the bytes are replaced.
//! * [`ObjectStore::create`] and [`ObjectStore::copy`] never replace anything: the store itself decides, in one
//!   atomic step, whether the key was free. Whoever loses gets [`StoreError::AlreadyExists`].
//! * Implementations do not retry (SDK retries are off): a lost answer to a create that did happen must come out as
//!   [`StoreError::Unavailable`], so that the caller can look for its own draft id. The one retry loop is
//!   [`retry`].
//! * Every call is bounded in time: connect and per-attempt time-outs are set by the implementation.
//! * [`StoreError`] kinds mean the same for all stores; one conformance suite (`tests/store_conformance.rs`) holds
//!   both to this text.

mod body;
mod check;
mod dir;
mod error;
mod fields;
mod outage;
mod probe;
pub mod retry;
mod s3;
mod watched;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use body::Body;
use body::to_io;
pub use check::{CheckFailure, CheckOutcome, check, explain};
pub use dir::{DirStore, MetadataPlace};
pub use error::{StoreError, StoreResult};
pub use outage::Reachability;
pub use probe::probe;
pub use s3::{Multipart, S3Keys, S3Settings, S3Store, S3Timeouts, Secret};
pub use watched::Watched;

use crate::types::{ByteRange, DraftId, ETag, ObjectKey, Sha256Hex, Timestamp};

/// The metadata that cairnfs writes with an object and reads back from it.
///
/// Objects of other clients have none of it. On S3 these are user metadata headers (`x-amz-meta-cairn-…`,
/// values percent-encoded to ASCII), in a `file://` store extended attributes (`user.cairn.…`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectMeta {
    /// The draft that became this object.
    pub draft_id: Option<DraftId>,
    /// The key that the object was written for. Differs from where it is found after somebody copied it.
    pub written_for: Option<ObjectKey>,
    /// Which try of that draft wrote it, from 1.
    pub attempt: Option<u32>,
    /// SHA-256 of the whole content.
    pub sha256: Option<Sha256Hex>,
    /// Modification time that the writer set (`cp -p`), where it differs from the store's own.
    pub mtime: Option<Timestamp>,
    /// MIME type (`Content-Type`).
    pub content_type: Option<String>,
    /// The key of the object beside which this one was written under a suffix.
    pub supersedes: Option<ObjectKey>,
    /// User metadata of other writers, names in lower case. Kept when an object is copied; never written by us otherwise.
    pub other: BTreeMap<String, String>,
}

/// What a store tells about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The full key.
    pub key: ObjectKey,
    /// Size in bytes.
    pub size: u64,
    /// The version.
    pub etag: ETag,
    /// The store's own modification time.
    pub modified_at: Timestamp,
    /// Metadata; `None` where it was not asked for (listings).
    pub meta: Option<ObjectMeta>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Objects, in no promised order. Keys that are no valid [`ObjectKey`] are left out and counted in `skipped`.
    pub objects: Vec<ObjectInfo>,
    /// Common prefixes, each ending in the delimiter, when one was asked for.
    pub prefixes: Vec<String>,
    /// How many entries could not be represented.
    pub skipped: u64,
    /// Hand this to the next call; `None` at the end.
    pub next: Option<String>,
}

/// The content of an upload. It can be sent any number of times.
#[derive(Debug, Clone)]
pub enum UploadBody {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file on this host that nobody changes during the upload.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its size in bytes, checked against the file.
        size: u64,
    },
}

impl UploadBody {
    /// Returns the number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(b) => b.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// The bytes of an object (or of a range of it), checked for length and, where the store gives one, by checksum:
/// reading ends with [`StoreError::Damaged`] rather than short or wrong.
#[derive(Debug)]
pub struct ObjectBody {
    /// The version that the bytes belong to.
    pub info: ObjectInfo,
    /// The range that the bytes cover.
    pub range: ByteRange,
    /// The bytes in order.
    pub bytes: Body,
}

/// What a store can do. Measured by [`probe`](crate::store), or known of the kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The second of two racing creates is refused (semantics 4.4). Without it the mount is read-only.
    pub atomic_create: bool,
    /// `delete` with a version is refused by the store itself when the version differs. Otherwise it is checked just before.
    pub conditional_delete: bool,
    /// `copy` refuses a taken destination atomically.
    pub atomic_copy: bool,
    /// The trash and other service objects can be written under the service prefix.
    pub service_prefix: bool,
}

/// A bucket, or a directory laid out like one. See the module documentation for the contract.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Returns the store as users name it, `s3://bucket` or `file:///dir`.
    fn url(&self) -> String;

    /// Asks whether the bucket exists and may be used (HeadBucket).
    ///
    /// # Errors
    /// [`StoreError::AccessDenied`], [`StoreError::NoSuchBucket`], [`StoreError::NoCredentials`],
    /// [`StoreError::Unavailable`] or [`StoreError::Refused`].
    async fn check_bucket(&self) -> StoreResult<()>;

    /// Returns what the store knows of `key`, with metadata.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no object.
    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectInfo>;

    /// Opens the bytes of `key`: of the version `if_match` where given, and only `range` of it where given (it is
    /// cut at the object's end; a range past the end is empty). The info carries metadata.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::VersionChanged`] where the version is gone.
    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody>;

    /// Creates `key` if, and only if, it is free; all of it or nothing. `meta.sha256` must be set for bodies in files.
    /// Returns the new object with `meta`.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] where the key is taken, by whomever.
    async fn create(&self, key: &ObjectKey, body: &UploadBody, meta: &ObjectMeta) -> StoreResult<ObjectInfo>;

    /// Copies the version `version` of `from` to `to` if `to` is free, inside the store, with `meta` as its metadata.
    ///
    /// # Errors
    /// [`StoreError::VersionChanged`] or [`StoreError::NotFound`] for the source, [`StoreError::AlreadyExists`] for the
    /// destination.
    async fn copy(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo>;

    /// Deletes `key` if it is still the version `version`. An object that is already gone is success.
    ///
    /// # Errors
    /// [`StoreError::VersionChanged`] where another version stands there.
    async fn delete(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()>;

    /// Lists keys that begin with `prefix`; with `delimiter` only up to the next `/`, the rest as common prefixes.
    /// `next` comes from the page before. `limit` is an upper bound of entries for this page (S3: at
    /// most 1000; `None` leaves it to the store).
    ///
    /// # Errors
    /// A listing that fails has told nothing: what it did return must not be taken for complete.
    async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage>;

    /// Replaces nothing and promises nothing: writes `key` without a condition. Only for probing under the service
    /// prefix.
    ///
    /// # Errors
    /// As any request.
    async fn put_for_probe(&self, key: &ObjectKey, body: Bytes) -> StoreResult<ETag>;

    /// [`copy`](Self::copy) without looking first: only the condition in the request protects the destination. Only
    /// for probing.
    ///
    /// # Errors
    /// As [`copy`](Self::copy), where the store honours the condition.
    async fn copy_for_probe(&self, from: &ObjectKey, version: &ETag, to: &ObjectKey) -> StoreResult<()>;

    /// [`delete`](Self::delete) without looking first: only the condition in the request protects the object. Only
    /// for probing and for cleaning up after it.
    ///
    /// # Errors
    /// As [`delete`](Self::delete), where the store honours the condition.
    async fn delete_for_probe(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()>;

    /// Returns whether requests fail for want of an answer, as far as is known in passing.
    fn is_silent(&self) -> bool {
        false
    }

    /// Takes note that a transfer begun at `began` was given up for want of bytes: the store answered, or seemed to, and
    /// then was silent, which only the reader of a body can know.
    fn gave_up(&self, _began: std::time::Instant, _reason: &str) {}

    /// Returns a URL under which whoever holds it can GET `key` for as long as `valid`, without credentials; `None` where
    /// this kind of store has none. Nothing is asked of the store. It is a secret: not for logs.
    ///
    /// # Errors
    /// [`StoreError::NoCredentials`] and what else keeps it from being signed.
    async fn signed_url(&self, key: &ObjectKey, valid: Duration) -> StoreResult<Option<String>> {
        let _ = (key, valid);
        Ok(None)
    }

    /// Returns what this kind of store is known to do before anything is probed; `None` for "must be probed".
    fn known_capabilities(&self) -> Option<Capabilities>;
}
