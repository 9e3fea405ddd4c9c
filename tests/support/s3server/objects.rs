//! Operations on objects.

use bytes::Bytes;
use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::api::Api;
use super::checksums::{self, Checksums};
use super::conditions;
use super::faults::Faults;
use super::state::{Attributes, Object, now};

type Answer<T> = S3Result<S3Response<T>>;

impl Api {
    pub(super) async fn put(&self, mut request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.state.lock().bucket(&request.input.bucket)?;
        check_key(&request.input.key)?;
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
        let checksums = declared.verified(&data, input.checksum_algorithm.as_ref().map(|a| a.as_str()))?;
        let attributes = Attributes {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            metadata: input.metadata,
        };
        attributes.check()?;
        let object = Object::new(data, attributes, checksums);
        let if_none_match = input.if_none_match.filter(|_| !Faults::is_on(&self.faults.ignore_put_condition));
        let mut state = self.state.lock();
        let bucket = state.bucket(&input.bucket)?;
        conditions::before_write(bucket.get(&input.key), input.if_match.as_ref(), if_none_match.as_ref())?;
        let output = PutObjectOutput {
            e_tag: object.e_tag(),
            checksum_crc32: object.checksums.crc32.clone(),
            checksum_crc32c: object.checksums.crc32c.clone(),
            checksum_crc64nvme: object.checksums.crc64nvme.clone(),
            checksum_sha1: object.checksums.sha1.clone(),
            checksum_sha256: object.checksums.sha256.clone(),
            ..PutObjectOutput::default()
        };
        bucket.insert(input.key, object);
        Ok(S3Response::new(output))
    }

    pub(super) fn get(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = request.input;
        let object = self.state.lock().object(&input.bucket, &input.key)?;
        conditions::before_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let total = object.data.len();
        let (data, content_range) = match input.range {
            None => (object.data.clone(), None),
            Some(range) => {
                let range = range.check(total as u64)?;
                let data = slice(&object.data, range.start, range.end);
                (data, Some(format!("bytes {}-{}/{total}", range.start, range.end - 1)))
            }
        };
        let whole = content_range.is_none() && input.checksum_mode.is_some();
        let checksums = if whole { object.checksums.clone() } else { Checksums::default() };
        let e_tag = object.e_tag();
        let attributes = object.attributes;
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(data.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(data))),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            e_tag,
            last_modified: Some(object.modified_at.into()),
            metadata: attributes.metadata,
            content_type: input.response_content_type.or(attributes.content_type).or_else(default_type),
            content_disposition: input.response_content_disposition.or(attributes.content_disposition),
            cache_control: input.response_cache_control.or(attributes.cache_control),
            content_encoding: input.response_content_encoding.or(attributes.content_encoding),
            content_language: input.response_content_language.or(attributes.content_language),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            ..GetObjectOutput::default()
        }))
    }

    pub(super) fn head(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = request.input;
        let object = self.state.lock().object(&input.bucket, &input.key)?;
        conditions::before_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let e_tag = object.e_tag();
        let attributes = object.attributes;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(object.data.len()).ok(),
            accept_ranges: Some("bytes".to_owned()),
            e_tag,
            last_modified: Some(object.modified_at.into()),
            metadata: attributes.metadata,
            content_type: attributes.content_type.or_else(default_type),
            content_disposition: attributes.content_disposition,
            cache_control: attributes.cache_control,
            content_encoding: attributes.content_encoding,
            content_language: attributes.content_language,
            ..HeadObjectOutput::default()
        }))
    }

    pub(super) fn copy(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = request.input;
        check_key(&input.key)?;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let mut state = self.state.lock();
        let mut object = state.object(from_bucket, from_key)?;
        conditions::before_read(
            &object,
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
        )
        .map_err(|_| {
            s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
        })?;
        let replace =
            input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        if **from_bucket == *input.bucket && **from_key == *input.key && !replace {
            return Err(s3_error!(InvalidRequest, "This copy request is illegal: it changes nothing"));
        }
        if replace {
            object.attributes = Attributes {
                content_type: input.content_type,
                cache_control: input.cache_control,
                content_disposition: input.content_disposition,
                content_encoding: input.content_encoding,
                content_language: input.content_language,
                metadata: input.metadata,
            };
            object.attributes.check()?;
        }
        object.modified_at = now();
        let if_match = conditions::from_header(&request.headers, "if-match");
        let if_none_match = conditions::from_header(&request.headers, "if-none-match")
            .filter(|_| !Faults::is_on(&self.faults.ignore_copy_condition));
        let bucket = state.bucket(&input.bucket)?;
        conditions::before_write(bucket.get(&input.key), if_match.as_ref(), if_none_match.as_ref())?;
        let result = CopyObjectResult {
            e_tag: object.e_tag(),
            last_modified: Some(object.modified_at.into()),
            ..CopyObjectResult::default()
        };
        bucket.insert(input.key, object);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    pub(super) fn delete(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let input = request.input;
        let if_match = input.if_match.filter(|_| !Faults::is_on(&self.faults.ignore_delete_condition));
        let mut state = self.state.lock();
        let bucket = state.bucket(&input.bucket)?;
        conditions::before_write(bucket.get(&input.key), if_match.as_ref(), None)?;
        bucket.remove(&input.key);
        Ok(S3Response::with_status(DeleteObjectOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) fn delete_many(&self, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let input = request.input;
        let mut state = self.state.lock();
        let bucket = state.bucket(&input.bucket)?;
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            bucket.remove(&object.key);
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        let deleted = (!input.delete.quiet.unwrap_or(false)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() }))
    }
}

/// What AWS says of objects that came without a type.
fn default_type() -> Option<String> {
    Some("binary/octet-stream".to_owned())
}

pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.len() > 1024 {
        return Err(s3_error!(KeyTooLongError, "Your key is too long"));
    }
    Ok(())
}

pub(super) fn slice(data: &Bytes, start: u64, end: u64) -> Bytes {
    data.slice(
        usize::try_from(start).expect("a range in memory")..usize::try_from(end).expect("a range in memory"),
    )
}
