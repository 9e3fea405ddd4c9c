//! An S3 bucket as a store, through the AWS SDK with its own retries off.
//!
//! # Limits
//! * Whether a create is atomic is the server's doing: see [`probe`](crate::store::probe).
//! * `modified_at` of a new object is the server's `Date`: PutObject does not tell `Last-Modified`, which may be a
//!   second earlier. All times are whole seconds, as HEAD gives them.
//! * A store that has no conditional delete or copy is looked at just before; a change in between is not seen.
//! * HEAD has no words for a bucket that is gone: every key in it is [`NotFound`](crate::store::StoreError::NotFound). Listing tells.

mod checksum;
mod connect;
mod direct;
mod error;
mod list;
mod meta;
mod multipart;
mod plain;
mod promised;
mod read;
mod settings;
mod tls;
mod write;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use bytes::Bytes;

use super::{
    Capabilities, ListPage, ObjectBody, ObjectInfo, ObjectMeta, ObjectStore, StoreResult, UploadBody,
};
use crate::types::{ByteRange, ETag, ObjectKey, Timestamp};
use connect::Connection;
use error::{Condition, Reporter};
pub use settings::{Multipart, S3Keys, S3Settings, S3Timeouts, Secret};

/// A bucket.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    direct: direct::Direct,
    settings: S3Settings,
    is_aws: bool,
    reporter: std::sync::Arc<Reporter>,
}

impl S3Store {
    /// Prepares to talk to the bucket. Sends it nothing yet; see [`ObjectStore::check_bucket`].
    ///
    /// # Errors
    /// [`Tls`](crate::store::StoreError::Tls) where TLS cannot be set up.
    pub async fn connect(settings: S3Settings) -> StoreResult<Self> {
        let connection = connect::connect(&settings).await?;
        let hidden = settings
            .keys
            .iter()
            .flat_map(|k| {
                [Some(k.secret_key.clone()), k.session_token.clone(), Some(Secret::new(&k.access_key))]
            })
            .flatten()
            .collect();
        let reporter = Reporter::new(settings.bucket.clone(), connection.endpoint.as_deref(), hidden).into();
        let Connection { client, direct, is_aws, .. } = connection;
        Ok(Self { client, direct, is_aws, settings, reporter })
    }

    /// Waits for a request that moves `upload` bytes to be answered, and no longer than that may take.
    async fn answer<T, E>(
        &self,
        key: Option<&ObjectKey>,
        condition: Condition,
        upload: u64,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> StoreResult<T>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        // boxed: the SDK's futures are tens of kilobytes
        self.in_time(upload, Box::pin(request)).await?.map_err(|e| self.reporter.explain(key, condition, &e))
    }

    /// Waits for an answer to a request that moves `upload` bytes.
    async fn in_time<T>(&self, upload: u64, answer: impl Future<Output = T>) -> StoreResult<T> {
        let timeouts = &self.settings.timeouts;
        let limit =
            timeouts.connect + timeouts.answer + Duration::from_secs(upload / timeouts.slowest_upload.max(1));
        tokio::time::timeout(limit, answer).await.map_err(|_| self.reporter.no_answer(limit))
    }
}

/// The bytes of an answer on their way.
type Incoming = std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>;

/// Returns the moment in whole seconds: a HEAD gives no more, a listing may, and the two are compared.
fn timestamp(time: Option<&DateTime>) -> Timestamp {
    Timestamp::from_unix(time.map_or(0, DateTime::secs), 0)
}

/// Takes a size as the SDK gives it.
fn size(length: Option<i64>) -> u64 {
    length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

#[async_trait]
impl ObjectStore for S3Store {
    fn url(&self) -> String {
        format!("s3://{}", self.settings.bucket)
    }

    async fn check_bucket(&self) -> StoreResult<()> {
        let request = self.client.head_bucket().bucket(&self.settings.bucket).send();
        self.answer(None, Condition::None, 0, request).await.map(drop)
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectInfo> {
        self.look(key).await.map(|found| found.info)
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        self.open(key, range, if_match).await
    }

    async fn create(&self, key: &ObjectKey, body: &UploadBody, meta: &ObjectMeta) -> StoreResult<ObjectInfo> {
        self.upload(key, body, meta).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        self.copy_looking(from, version, to, meta).await
    }

    async fn delete(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.delete_looking(key, version).await
    }

    async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage> {
        self.page(prefix, delimiter, next, limit).await
    }

    async fn put_for_probe(&self, key: &ObjectKey, body: Bytes) -> StoreResult<ETag> {
        let put = self.client.put_object().bucket(&self.settings.bucket).key(key.as_str()).body(body.into());
        let answer = self.answer(Some(key), Condition::None, 0, put.send()).await?;
        Ok(ETag::new(answer.e_tag().unwrap_or_default()))
    }

    async fn copy_for_probe(&self, from: &ObjectKey, version: &ETag, to: &ObjectKey) -> StoreResult<()> {
        let request = self.copy_request(from, version, to, &ObjectMeta::default()).send();
        self.answer(Some(to), Condition::KeyIsFree, 0, request).await.map(drop)
    }

    async fn delete_for_probe(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        self.delete_if_match(key, version).await
    }

    async fn signed_url(&self, key: &ObjectKey, valid: Duration) -> StoreResult<Option<String>> {
        self.sign_get(key, valid).await.map(Some)
    }

    fn known_capabilities(&self) -> Option<Capabilities> {
        None
    }
}
