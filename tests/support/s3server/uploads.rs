//! Multipart uploads.

use bytes::BytesMut;
use md5::{Digest, Md5};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::api::Api;
use super::checksums::{self, Checksums};
use super::conditions;
use super::faults::Faults;
use super::listing;
use super::objects::{check_key, slice};
use super::state::{self, Attributes, Object, Upload, now};

type Answer<T> = S3Result<S3Response<T>>;

/// All parts but the last must be this large.
const MIN_PART: usize = 5 << 20;

impl Api {
    pub(super) fn begin(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = request.input;
        check_key(&input.key)?;
        let mut state = self.state.lock();
        state.bucket(&input.bucket)?;
        let attributes = Attributes {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            metadata: input.metadata,
        };
        attributes.check()?;
        state.next_upload += 1;
        let id = format!("upload-{}-{:08}", std::process::id(), state.next_upload);
        let upload = Upload {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            attributes,
            parts: Default::default(),
            begun_at: now(),
        };
        state.uploads.insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn part(&self, mut request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let data = checksums::read(request.input.body.take()).await?;
        let declared = Checksums {
            crc32: request.input.checksum_crc32.take(),
            crc32c: request.input.checksum_crc32c.take(),
            crc64nvme: request.input.checksum_crc64nvme.take(),
            sha1: request.input.checksum_sha1.take(),
            sha256: request.input.checksum_sha256.take(),
        }
        .with_trailers(&request);
        let input = request.input;
        checksums::check_md5(input.content_md5.as_deref(), &data)?;
        let sums = declared.verified(&data, input.checksum_algorithm.as_ref().map(|a| a.as_str()))?;
        if !(1..=10_000).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000"));
        }
        let part = state::Part::new(data);
        let e_tag = part.e_tag();
        let mut state = self.state.lock();
        state.upload(&input.bucket, &input.key, &input.upload_id)?.parts.insert(input.part_number, part);
        Ok(S3Response::new(UploadPartOutput {
            e_tag,
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
            ..UploadPartOutput::default()
        }))
    }

    pub(super) fn part_copy(&self, request: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let mut state = self.state.lock();
        let object = state.object(bucket, key)?;
        conditions::before_read(&object, input.copy_source_if_match.as_ref(), None)?;
        let data = match &input.copy_source_range {
            None => object.data,
            Some(text) => {
                let range = Range::parse(text).map_err(|_| s3_error!(InvalidArgument))?;
                let range = range.check(object.data.len() as u64)?;
                slice(&object.data, range.start, range.end)
            }
        };
        let part = state::Part::new(data);
        let result = CopyPartResult {
            e_tag: part.e_tag(),
            last_modified: Some(part.modified_at.into()),
            ..CopyPartResult::default()
        };
        state.upload(&input.bucket, &input.key, &input.upload_id)?.parts.insert(input.part_number, part);
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        }))
    }

    pub(super) fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let input = request.input;
        let answer = |etag: &str| {
            S3Response::new(CompleteMultipartUploadOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                e_tag: Some(ETag::Strong(etag.to_owned())),
                ..CompleteMultipartUploadOutput::default()
            })
        };
        let mut state = self.state.lock();
        if let Some(etag) = state.completed.get(&input.upload_id) {
            return Ok(answer(etag));
        }
        let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
        let wanted = input.multipart_upload.as_ref().and_then(|m| m.parts.clone()).unwrap_or_default();
        if wanted.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        let (mut data, mut digests, mut last) = (BytesMut::new(), Vec::new(), 0);
        for (index, part) in wanted.iter().enumerate() {
            let number = part.part_number.ok_or_else(|| s3_error!(InvalidPart))?;
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let found = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().is_some_and(|e| e.value() != hex::encode(found.md5)) {
                return Err(s3_error!(InvalidPart));
            }
            if index + 1 < wanted.len() && found.data.len() < MIN_PART {
                return Err(s3_error!(EntityTooSmall));
            }
            data.extend_from_slice(&found.data);
            digests.extend_from_slice(&found.md5);
        }
        let attributes = upload.attributes.clone();
        let if_none_match =
            input.if_none_match.as_ref().filter(|_| !Faults::is_on(&self.faults.ignore_complete_condition));
        let etag = format!("{}-{}", hex::encode(Md5::digest(&digests)), wanted.len());
        let bucket = state.bucket(&input.bucket)?;
        conditions::before_write(bucket.get(&input.key), input.if_match.as_ref(), if_none_match)?;
        let mut object = Object::new(data.freeze(), attributes, Checksums::default());
        object.etag.clone_from(&etag);
        bucket.insert(input.key.clone(), object);
        state.uploads.remove(&input.upload_id);
        state.completed.insert(input.upload_id.clone(), etag.clone());
        Ok(answer(&etag))
    }

    pub(super) fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let input = request.input;
        let mut state = self.state.lock();
        state.upload(&input.bucket, &input.key, &input.upload_id)?;
        state.uploads.remove(&input.upload_id);
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) fn parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let input = request.input;
        let mut state = self.state.lock();
        let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
        let describe = |(number, part): (&i32, &state::Part)| s3s::dto::Part {
            part_number: Some(*number),
            size: i64::try_from(part.data.len()).ok(),
            e_tag: part.e_tag(),
            last_modified: Some(part.modified_at.into()),
            ..s3s::dto::Part::default()
        };
        let parts = upload.parts.iter().map(describe).collect();
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            parts: Some(parts),
            is_truncated: Some(false),
            ..ListPartsOutput::default()
        }))
    }

    pub(super) fn uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let input = request.input;
        let mut state = self.state.lock();
        state.bucket(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let url = input.encoding_type.as_ref().is_some_and(|e| e.as_str() == EncodingType::URL);
        let uploads = state
            .uploads
            .iter()
            .filter(|(_, u)| u.bucket == input.bucket && u.key.starts_with(&prefix))
            .map(|(id, u)| MultipartUpload {
                key: Some(if url { listing::encode(&u.key) } else { u.key.clone() }),
                upload_id: Some(id.clone()),
                initiated: Some(u.begun_at.into()),
                ..MultipartUpload::default()
            })
            .collect();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            uploads: Some(uploads),
            prefix: input.prefix,
            encoding_type: input.encoding_type,
            is_truncated: Some(false),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
