//! Looking at objects and reading them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::error::Condition;
use super::promised::Promised;
use super::{Incoming, S3Store, checksum, direct, meta, size, timestamp};
use crate::store::{Body, ObjectBody, ObjectInfo, StoreError, StoreResult};
use crate::types::{ByteRange, ETag, ObjectKey};

/// What a HEAD tells.
pub(super) struct Found {
    pub(super) info: ObjectInfo,
    /// The whole answer, for headers that a copy has to carry on.
    pub(super) head: HeadObjectOutput,
}

impl S3Store {
    /// Asks for what the store knows of `key`.
    pub(super) async fn look(&self, key: &ObjectKey) -> StoreResult<Found> {
        let request = self.client.head_object().bucket(&self.settings.bucket).key(key.as_str()).send();
        let head = self.answer(Some(key), Condition::None, 0, request).await?;
        let info = describe(
            key,
            size(head.content_length()),
            head.e_tag(),
            head.last_modified(),
            head.metadata(),
            head.content_type(),
        )?;
        Ok(Found { info, head })
    }

    /// Signs a GET of `key` into a URL. Only credentials that have to be fetched make it wait.
    pub(super) async fn sign_get(&self, key: &ObjectKey, valid: Duration) -> StoreResult<String> {
        let config = PresigningConfig::expires_in(valid).map_err(|e| StoreError::Refused {
            code: "BadExpiry".to_owned(),
            message: format!("a URL cannot be signed for {} s: {e}", valid.as_secs()),
        })?;
        let request = self.client.get_object().bucket(&self.settings.bucket).key(key.as_str());
        let signed = self.answer(Some(key), Condition::None, 0, request.presigned(config)).await?;
        Ok(signed.uri().to_owned())
    }

    /// Opens the bytes of `key`.
    pub(super) async fn open(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        if range.is_some_and(ByteRange::is_empty) {
            return self.open_nothing(key, range, if_match).await;
        }
        let got = match self.answer_to_get(key, range, if_match).await {
            Ok(got) => got,
            // past the end (416)
            Err(StoreError::Refused { code, .. })
                if range.is_some() && matches!(&*code, "InvalidRange" | "416") =>
            {
                return self.open_nothing(key, range, if_match).await;
            }
            Err(e) => return Err(e),
        };
        let (total, covered) = match range {
            None => (got.length, ByteRange { start: 0, end: got.length }),
            Some(range) => {
                let (covered, total) = got
                    .content_range
                    .as_deref()
                    .and_then(parse_content_range)
                    // the server ignores ranges: this is the whole object
                    .unwrap_or((ByteRange { start: 0, end: got.length }, got.length));
                if covered != range.clamp_to(total) {
                    return Err(StoreError::Refused {
                        code: "RangeIgnored".to_owned(),
                        message: format!(
                            "asked for {} of '{key}', the server sends another range",
                            range.http_header()
                        ),
                    });
                }
                (total, covered)
            }
        };
        let info = describe(
            key,
            total,
            got.etag.as_deref(),
            got.modified_at.as_ref(),
            Some(&got.metadata),
            got.content_type.as_deref(),
        )?;
        if if_match.is_some_and(|version| *version != info.etag) {
            return Err(StoreError::VersionChanged(key.clone()));
        }
        let reporter = Arc::clone(&self.reporter);
        let body =
            Promised::new(key.clone(), covered.len(), self.settings.timeouts.stall, reporter, got.body);
        Ok(ObjectBody { info, range: covered, bytes: Body::of_reader(body) })
    }

    /// Sends a GET, past the SDK where that is possible.
    async fn answer_to_get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<Answer> {
        let range = range.map(ByteRange::http_header);
        let if_match = if_match.map(ETag::quoted);
        let direct = self.direct.get(key.as_str(), range.as_deref(), if_match.as_deref());
        if let Some(response) = self.in_time(0, direct).await? {
            return Ok(Answer::direct(response, range.is_none()));
        }
        let whole = range.is_none();
        let request = self
            .client
            .get_object()
            .bucket(&self.settings.bucket)
            .key(key.as_str())
            .set_if_match(if_match)
            .set_range(range)
            // of a part of an object there is no checksum, though some servers send that of the whole
            .set_checksum_mode(whole.then_some(ChecksumMode::Enabled));
        let got = self.answer(Some(key), Condition::SameVersion, 0, request.send()).await?;
        Ok(Answer::of_sdk(got))
    }

    /// Answers a request for no bytes at all, which HTTP cannot express.
    async fn open_nothing(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        let info = self.look(key).await?.info;
        if if_match.is_some_and(|version| *version != info.etag) {
            return Err(StoreError::VersionChanged(key.clone()));
        }
        let range = range.unwrap_or(ByteRange { start: 0, end: 0 }).clamp_to(info.size);
        if !range.is_empty() {
            // it has grown between the two requests
            return Err(StoreError::Conflict(key.clone()));
        }
        Ok(ObjectBody { info, range, bytes: Body::empty() })
    }
}

/// Builds what we tell of an object. An object without an ETag cannot be told from its next version.
pub(super) fn describe(
    key: &ObjectKey,
    size: u64,
    etag: Option<&str>,
    modified_at: Option<&DateTime>,
    metadata: Option<&HashMap<String, String>>,
    content_type: Option<&str>,
) -> StoreResult<ObjectInfo> {
    let etag = etag.map(ETag::new).filter(|e| !e.as_str().is_empty()).ok_or_else(|| StoreError::Refused {
        code: "NoETag".to_owned(),
        message: format!("the server gives no ETag for '{key}', so its versions cannot be told apart"),
    })?;
    let meta = Some(meta::from_headers(key, metadata, content_type));
    Ok(ObjectInfo { key: key.clone(), size, etag, modified_at: timestamp(modified_at), meta })
}

/// The answer to a GET.
struct Answer {
    length: u64,
    content_range: Option<String>,
    etag: Option<String>,
    modified_at: Option<DateTime>,
    content_type: Option<String>,
    metadata: HashMap<String, String>,
    body: Incoming,
}

impl Answer {
    fn of_sdk(got: GetObjectOutput) -> Self {
        Self {
            length: size(got.content_length),
            content_range: got.content_range,
            etag: got.e_tag,
            modified_at: got.last_modified,
            content_type: got.content_type,
            metadata: got.metadata.unwrap_or_default(),
            body: Box::pin(got.body.into_async_read()),
        }
    }

    /// `whole` says that the store's checksum, where it sends one, is that of the body.
    fn direct(answer: direct::Answer, whole: bool) -> Self {
        let direct::Answer { headers, body } = answer;
        let text = |name: &str| headers.get(name).map(str::to_owned);
        let date = |text: &str| DateTime::from_str(text, Format::HttpDate).ok();
        let meta = |(name, value): (&str, &str)| {
            Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.to_owned()))
        };
        Self {
            length: headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0),
            content_range: text("content-range"),
            etag: text("etag"),
            modified_at: headers.get("last-modified").and_then(date),
            content_type: text("content-type"),
            metadata: headers.iter().filter_map(meta).collect(),
            body: if whole { checksum::checked(&headers, body) } else { body },
        }
    }
}

/// Reads `bytes 0-9/100` (RFC 9110, 14.4) as range and size of the whole.
fn parse_content_range(text: &str) -> Option<(ByteRange, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let end = last.checked_add(1)?;
    (first <= last).then_some((ByteRange { start: first, end }, total.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read_or_refused() {
        assert_eq!(parse_content_range("bytes 0-9/100"), Some((ByteRange { start: 0, end: 10 }, 100)));
        for text in [
            "",
            "bytes */100",
            "bytes 9-0/100",
            "bytes 0-9/*",
            "items 0-9/100",
            "bytes 0-18446744073709551615/1",
        ] {
            assert_eq!(parse_content_range(text), None, "{text}");
        }
    }
}
