//! Uploading a large object in parts. Used where the store is known to decide the completion atomically.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::error::Condition;
use super::settings::MAX_PARTS;
use super::write::{AnsweredAt, read_part};
use super::{S3Store, meta};
use crate::store::{ObjectInfo, ObjectMeta, StoreError, StoreResult, UploadBody};
use crate::types::{ETag, ObjectKey};

/// Parts on their way at the same time; each is held in memory.
const PARTS_AT_ONCE: usize = 4;

impl S3Store {
    /// Creates `key` from parts. An upload that does not come to its end is aborted.
    pub(super) async fn upload_in_parts(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        let begin = self
            .client
            .create_multipart_upload()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .set_content_type(meta.content_type.clone())
            .set_metadata(Some(meta::to_headers(key, meta)));
        let begun = self.answer(Some(key), Condition::None, 0, begin.send()).await?;
        let Some(upload_id) = begun.upload_id() else {
            return Err(StoreError::Unavailable(format!(
                "the store began an upload of '{key}' without an id"
            )));
        };
        let result = match self.send_parts(key, body, upload_id).await {
            Ok(parts) => self.complete(key, body.size(), meta, upload_id, parts).await,
            Err(e) => Err(e),
        };
        if result.is_err() {
            self.abort(key, upload_id).await;
        }
        result
    }

    async fn send_parts(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        upload_id: &str,
    ) -> StoreResult<Vec<CompletedPart>> {
        let size = body.size();
        let part_size = self.settings.part_bytes().max(size.div_ceil(MAX_PARTS));
        let mut parts: Vec<CompletedPart> = stream::iter(0..size.div_ceil(part_size))
            .map(|index| {
                let start = index.saturating_mul(part_size);
                let len = part_size.min(size.saturating_sub(start));
                self.send_part(key, body, upload_id, index, start, len)
            })
            .buffer_unordered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        parts.sort_by_key(CompletedPart::part_number);
        Ok(parts)
    }

    async fn send_part(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        upload_id: &str,
        index: u64,
        start: u64,
        len: u64,
    ) -> StoreResult<CompletedPart> {
        let number = i32::try_from(index.saturating_add(1)).unwrap_or(i32::MAX);
        let request = self
            .client
            .upload_part()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .part_number(number)
            .body(ByteStream::from(read_part(key, body, start, len).await?));
        // all of them share the line
        let sent =
            self.answer(Some(key), Condition::None, len * PARTS_AT_ONCE as u64, request.send()).await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag().map(str::to_owned))
            .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
            .build())
    }

    async fn complete(
        &self,
        key: &ObjectKey,
        size: u64,
        meta: &ObjectMeta,
        upload_id: &str,
        parts: Vec<CompletedPart>,
    ) -> StoreResult<ObjectInfo> {
        let answered_at = AnsweredAt::default();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .if_none_match("*")
            .customize()
            .interceptor(answered_at.clone());
        // a store that puts the parts together before it answers takes its time; S3 says up to minutes
        let done = self.answer(Some(key), Condition::KeyIsFree, size, request.send()).await?;
        let Some(etag) = done.e_tag().map(ETag::new) else {
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

    /// Gives back the room that parts take. A completion of which only the answer was lost is not undone by it.
    async fn abort(&self, key: &ObjectKey, upload_id: &str) {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .upload_id(upload_id);
        match self.answer(Some(key), Condition::None, 0, request.send()).await {
            Ok(_) => {}
            // "no such upload" is among these
            Err(e) => tracing::debug!(%key, error = %e, "an unfinished upload could not be aborted"),
        }
    }
}
