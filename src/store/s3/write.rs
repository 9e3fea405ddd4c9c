//! Creating, copying and deleting objects.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::MetadataDirective;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Condition;
use super::settings::{MAX_SINGLE_BYTES, Multipart};
use super::{S3Store, meta, timestamp};
use crate::store::{ObjectInfo, ObjectMeta, StoreError, StoreResult, UploadBody};
use crate::types::{Clock, ETag, ObjectKey, Sha256Hex, Timestamp};

/// `x-amz-copy-source` is a path in a header.
const IN_COPY_SOURCE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// How much of a file is read at a time while it goes up as a stream.
const FILE_BUFFER: usize = 256 << 10;

impl S3Store {
    /// Creates `key` by the way that its size and the store ask for.
    pub(super) async fn upload(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        let size = body.size();
        if let UploadBody::File { path, size } = body {
            check_file(key, path, *size).await?;
        }
        if size <= self.settings.part_bytes() {
            let bytes = read_part(key, body, 0, size).await?;
            return self.put(key, ByteStream::from(bytes), size, meta, None).await;
        }
        let in_parts = match self.settings.multipart {
            Multipart::Auto => self.is_aws,
            Multipart::Always => true,
            Multipart::Never => false,
        };
        let made = if in_parts {
            self.upload_in_parts(key, body, meta).await?
        } else {
            self.upload_as_stream(key, body, size, meta).await?
        };
        self.confirm(made).await
    }

    /// Sends a large body in one request: the way to go where completing an upload is not known to be atomic.
    async fn upload_as_stream(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        size: u64,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        if size > MAX_SINGLE_BYTES {
            return Err(StoreError::Refused {
                code: "EntityTooLarge".to_owned(),
                message: format!(
                    "'{key}' has {size} bytes; this store takes at most {MAX_SINGLE_BYTES} in one request, and uploads \
                     in parts are not known to be safe on it (set multipart = \"always\" if they are)"
                ),
            });
        }
        match body {
            UploadBody::Bytes(bytes) => {
                self.put(key, ByteStream::from(bytes.clone()), size, meta, meta.sha256).await
            }
            UploadBody::File { path, .. } => {
                let sha256 = meta.sha256.ok_or_else(|| StoreError::Refused {
                    code: "MissingDigest".to_owned(),
                    message: format!("a file cannot be streamed to '{key}' without its SHA-256"),
                })?;
                let stream = ByteStream::read_from()
                    .path(path)
                    .length(Length::Exact(size))
                    .buffer_size(FILE_BUFFER)
                    .build()
                    .await
                    .map_err(|e| staging_error(key, path, &std::io::Error::other(e)))?;
                self.put(key, stream, size, meta, Some(sha256)).await
            }
        }
    }

    /// Sends one PutObject that must find the key free. With a digest, body and digest are signed as they are, without
    /// the chunked framing that some servers store as data.
    async fn put(
        &self,
        key: &ObjectKey,
        body: ByteStream,
        size: u64,
        meta: &ObjectMeta,
        sha256: Option<Sha256Hex>,
    ) -> StoreResult<ObjectInfo> {
        let answered_at = AnsweredAt::default();
        let mut request = self
            .client
            .put_object()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .if_none_match("*")
            .set_content_type(meta.content_type.clone())
            .set_metadata(Some(meta::to_headers(key, meta)))
            .content_length(i64::try_from(size).unwrap_or(i64::MAX))
            .body(body);
        if let Some(sha256) = sha256 {
            request = request.checksum_sha256(aws_smithy_types::base64::encode(sha256.as_bytes()));
        }
        let mut request = request.customize().interceptor(answered_at.clone());
        if let Some(sha256) = sha256 {
            request = request.interceptor(SignedDigest(sha256));
        }
        let answer = self.answer(Some(key), Condition::KeyIsFree, size, request.send()).await?;
        let Some(etag) = answer.e_tag().map(ETag::new) else {
            return self.look(key).await.map(|found| found.info);
        };
        Ok(ObjectInfo {
            key: key.clone(),
            size,
            etag,
            modified_at: answered_at.get(),
            meta: Some(meta.clone()),
        })
    }

    /// Looks at an object of which the store has said that it is there, but not which version it is.
    pub(super) async fn look_for_new(&self, key: &ObjectKey) -> StoreResult<ObjectInfo> {
        match self.look(key).await {
            Ok(found) => Ok(found.info),
            Err(StoreError::NotFound(key)) => {
                Err(StoreError::Unavailable(format!("the store has taken '{key}' but does not have it")))
            }
            Err(e) => Err(e),
        }
    }

    /// Looks at a large object that was just made. One that is ours, but not what was sent, is taken back.
    async fn confirm(&self, made: ObjectInfo) -> StoreResult<ObjectInfo> {
        let found = match self.look(&made.key).await {
            Ok(found) => found.info,
            // it was accepted; that nobody can look at it now is no reason to say otherwise
            Err(e) if e.is_transient() || matches!(e, StoreError::AccessDenied(_)) => return Ok(made),
            // somebody else's delete came first
            Err(StoreError::NotFound(_)) => return Ok(made),
            Err(e) => return Err(e),
        };
        let draft = |info: &ObjectInfo| info.meta.as_ref().and_then(|m| m.draft_id.clone());
        if draft(&found) != draft(&made) {
            // somebody without conditions has written over it since
            return Ok(made);
        }
        if found.size == made.size && found.etag == made.etag {
            return Ok(ObjectInfo { modified_at: found.modified_at, ..made });
        }
        let detail = format!(
            "the store holds {} bytes ({}) instead of {} ({})",
            found.size, found.etag, made.size, made.etag
        );
        tracing::error!(key = %made.key, detail, "an upload arrived damaged; it is deleted and has to be sent again");
        self.delete_looking(&made.key, &found.etag).await?;
        Err(StoreError::Damaged { key: made.key, detail })
    }

    /// Builds the request for a copy that must find the source unchanged and the destination free.
    pub(super) fn copy_request(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> CopyObjectFluentBuilder {
        let source = format!("{}/{}", self.settings.bucket, from);
        self.client
            .copy_object()
            .bucket(&self.settings.bucket)
            .key(to.as_str())
            .copy_source(utf8_percent_encode(&source, IN_COPY_SOURCE).to_string())
            .copy_source_if_match(version.quoted())
            .if_none_match("*")
            .metadata_directive(MetadataDirective::Replace)
            .set_content_type(meta.content_type.clone())
            .set_metadata(Some(meta::to_headers(to, meta)))
    }

    /// Copies after looking at both ends: not every store heeds both conditions.
    pub(super) async fn copy_looking(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        let source = self.look(from).await?;
        if source.info.etag != *version {
            return Err(StoreError::VersionChanged(from.clone()));
        }
        let size = source.info.size;
        if size > MAX_SINGLE_BYTES {
            return Err(StoreError::Refused {
                code: "EntityTooLarge".to_owned(),
                message: format!(
                    "'{from}' has {size} bytes; a store copies at most {MAX_SINGLE_BYTES} at once"
                ),
            });
        }
        match self.look(to).await {
            Err(StoreError::NotFound(_)) => {}
            Ok(_) => return Err(StoreError::AlreadyExists(to.clone())),
            Err(e) => return Err(e),
        }
        let request = self
            .copy_request(from, version, to, meta)
            // replaced metadata takes these with it unless they are said again
            .set_cache_control(source.head.cache_control().map(str::to_owned))
            .set_content_disposition(source.head.content_disposition().map(str::to_owned))
            .set_content_encoding(source.head.content_encoding().map(str::to_owned))
            .set_content_language(source.head.content_language().map(str::to_owned));
        // a store moves the bytes before it answers
        let copied = match self.answer(Some(to), Condition::KeyIsFree, size, request.send()).await {
            Ok(copied) => copied,
            Err(StoreError::AlreadyExists(_)) => {
                // 412 has two meanings here
                return Err(match self.look(from).await {
                    Ok(found) if found.info.etag == *version => StoreError::AlreadyExists(to.clone()),
                    Ok(_) => StoreError::VersionChanged(from.clone()),
                    Err(e) => e,
                });
            }
            // "no such key" can only mean the source
            Err(StoreError::NotFound(_)) => return Err(StoreError::NotFound(from.clone())),
            Err(e) => return Err(e),
        };
        let result = copied.copy_object_result();
        let Some(etag) = result.and_then(|r| r.e_tag()).map(ETag::new) else {
            return self.look_for_new(to).await;
        };
        let modified_at = timestamp(result.and_then(|r| r.last_modified()));
        Ok(ObjectInfo { key: to.clone(), size, etag, modified_at, meta: Some(meta.clone()) })
    }

    /// Deletes a version after looking at it: not every store heeds the condition, and an ETag alone is not all there
    /// is to a version.
    pub(super) async fn delete_looking(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        match self.look(key).await {
            Ok(found) if found.info.etag == *version => {}
            Ok(_) => return Err(StoreError::VersionChanged(key.clone())),
            Err(StoreError::NotFound(_)) => return Ok(()),
            Err(e) => return Err(e),
        }
        match self.delete_if_match(key, version).await {
            // a store that knows no such condition: the look just before has to do
            Err(StoreError::Refused { code, .. }) if matches!(&*code, "NotImplemented" | "501") => {
                let request =
                    self.client.delete_object().bucket(&self.settings.bucket).key(key.as_str()).send();
                match self.answer(Some(key), Condition::None, 0, request).await {
                    Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
                    Err(e) => Err(e),
                }
            }
            result => result,
        }
    }

    /// Sends a DeleteObject that names the version.
    pub(super) async fn delete_if_match(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .if_match(version.quoted());
        match self.answer(Some(key), Condition::SameVersion, 0, request.send()).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            // some say 412 also of an object that is gone
            Err(StoreError::VersionChanged(key)) => match self.look(&key).await {
                Err(StoreError::NotFound(_)) => Ok(()),
                _ => Err(StoreError::VersionChanged(key)),
            },
            Err(e) => Err(e),
        }
    }
}

/// Holds the size of a file against what was promised.
async fn check_file(key: &ObjectKey, path: &Path, size: u64) -> StoreResult<()> {
    let found = tokio::fs::metadata(path).await.map_err(|e| staging_error(key, path, &e))?.len();
    if found == size {
        return Ok(());
    }
    Err(StoreError::Io {
        context: format!("cannot upload '{key}'"),
        message: format!("the staging file has {found} bytes instead of {size}"),
        errno: 0,
    })
}

/// Reads `len` bytes of a body from `start` into memory.
pub(super) async fn read_part(
    key: &ObjectKey,
    body: &UploadBody,
    start: u64,
    len: u64,
) -> StoreResult<Bytes> {
    use std::os::unix::fs::FileExt;
    let (from, size) =
        (usize::try_from(start).unwrap_or(usize::MAX), usize::try_from(len).unwrap_or(usize::MAX));
    match body {
        UploadBody::Bytes(bytes) => Ok(bytes.slice(from..from.saturating_add(size).min(bytes.len()))),
        UploadBody::File { path, .. } => {
            let (key, path) = (key.clone(), path.clone());
            let read = move || {
                let mut bytes = vec![0; size];
                std::fs::File::open(&path)
                    .and_then(|file| file.read_exact_at(&mut bytes, start))
                    .map_err(|e| staging_error(&key, &path, &e))?;
                Ok(Bytes::from(bytes))
            };
            tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|e| Err(StoreError::Unavailable(format!("reading was broken off: {e}"))))
        }
    }
}

fn staging_error(key: &ObjectKey, path: &Path, e: &std::io::Error) -> StoreError {
    StoreError::io(format!("cannot read '{}' to upload it as '{key}'", path.display()), e)
}

/// Has the request signed over a digest that is known beforehand.
#[derive(Debug)]
struct SignedDigest(Sha256Hex);

impl Intercept for SignedDigest {
    fn name(&self) -> &'static str {
        "SignedDigest"
    }

    fn modify_before_signing(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(self.0.to_string()));
        Ok(())
    }
}

/// Remembers when the server answered, by its own clock.
#[derive(Debug, Clone, Default)]
pub(super) struct AnsweredAt(Arc<Mutex<Option<Timestamp>>>);

impl AnsweredAt {
    /// Returns that moment, or ours where the server did not say.
    pub(super) fn get(&self) -> Timestamp {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_else(|| Timestamp::from_unix(Clock.now().seconds(), 0))
    }
}

impl Intercept for AnsweredAt {
    fn name(&self) -> &'static str {
        "AnsweredAt"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|d| DateTime::from_str(d, Format::HttpDate).ok()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(timestamp(Some(&date)));
        }
        Ok(())
    }
}
