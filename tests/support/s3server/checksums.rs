//! Bodies of uploads and the checksums that clients send with them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::StreamingBlob;
use s3s::{S3Request, S3Result, s3_error};

/// The five checksums, each in base64.
#[derive(Clone, Default)]
pub struct Checksums {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

/// Reads a body to its end.
pub async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut data = BytesMut::new();
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| {
            let text = format!("{e:?}");
            if text.contains("SignatureMismatch") {
                return bad_digest();
            }
            s3_error!(IncompleteBody, "The request body is not what was announced: {text}")
        })?;
        data.extend_from_slice(&chunk);
    }
    Ok(data.freeze())
}

impl Checksums {
    /// Adds those that came after the body.
    pub fn with_trailers<T>(mut self, request: &S3Request<T>) -> Self {
        let Some(trailers) = request.trailing_headers.as_ref().and_then(|t| t.take()) else { return self };
        let read = |name: &str, slot: &mut Option<String>| {
            if let Some(value) = trailers.get(name).and_then(|v| v.to_str().ok()) {
                *slot = Some(value.to_owned());
            }
        };
        read("x-amz-checksum-crc32", &mut self.crc32);
        read("x-amz-checksum-crc32c", &mut self.crc32c);
        read("x-amz-checksum-crc64nvme", &mut self.crc64nvme);
        read("x-amz-checksum-sha1", &mut self.sha1);
        read("x-amz-checksum-sha256", &mut self.sha256);
        self
    }

    /// Computes what the client declared, and the `algorithm` that it named, and refuses what does not fit.
    pub fn verified(self, data: &[u8], algorithm: Option<&str>) -> S3Result<Self> {
        let wants = |declared: &Option<String>, name: &str| declared.is_some() || algorithm == Some(name);
        let mut hasher = ChecksumHasher {
            crc32: wants(&self.crc32, "CRC32").then(Default::default),
            crc32c: wants(&self.crc32c, "CRC32C").then(Default::default),
            crc64nvme: wants(&self.crc64nvme, "CRC64NVME").then(Default::default),
            sha1: wants(&self.sha1, "SHA1").then(Default::default),
            sha256: wants(&self.sha256, "SHA256").then(Default::default),
        };
        hasher.update(data);
        let computed = hasher.finalize();
        let computed = Self {
            crc32: computed.checksum_crc32,
            crc32c: computed.checksum_crc32c,
            crc64nvme: computed.checksum_crc64nvme,
            sha1: computed.checksum_sha1,
            sha256: computed.checksum_sha256,
        };
        let pairs = [
            (&self.crc32, &computed.crc32),
            (&self.crc32c, &computed.crc32c),
            (&self.crc64nvme, &computed.crc64nvme),
            (&self.sha1, &computed.sha1),
            (&self.sha256, &computed.sha256),
        ];
        if pairs.iter().any(|(declared, computed)| declared.is_some() && declared != computed) {
            return Err(bad_digest());
        }
        Ok(computed)
    }
}

/// Holds a body against `Content-MD5`.
pub fn check_md5(declared: Option<&str>, data: &[u8]) -> S3Result<()> {
    match declared {
        Some(declared) if declared != STANDARD.encode(Md5::digest(data)) => Err(bad_digest()),
        _ => Ok(()),
    }
}

fn bad_digest() -> s3s::S3Error {
    s3_error!(BadDigest, "The checksum you specified did not match what we received.")
}
