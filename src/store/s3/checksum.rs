//! Whole objects held against the checksum that the store keeps of them.

use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll, ready};

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::base64;
use tokio::io::{AsyncRead, ReadBuf};

use super::Incoming;

/// Headers with the checksum of a whole object begin so.
const PREFIX: &str = "x-amz-checksum-";

/// Lets the body of a whole object fail at its end where it has not the checksum that its headers tell.
pub(super) fn checked(headers: &Headers, body: Incoming) -> Incoming {
    let found = headers.iter().find_map(|(name, value)| {
        let algorithm = name.strip_prefix(PREFIX).filter(|n| *n != "md5")?; // which the crate takes for a CRC
        let algorithm = ChecksumAlgorithm::from_str(algorithm).ok()?;
        // one of an upload in parts is that of the parts' checksums ("…-3"), and says nothing of the whole
        let checksum = base64::decode(value).ok()?;
        Some((algorithm.into_impl(), checksum))
    });
    match found {
        Some((hash, expected)) => Box::pin(Checked { body, hash: Some(hash), expected }),
        None => body,
    }
}

struct Checked {
    body: Incoming,
    /// `None` once it was compared.
    hash: Option<Box<dyn HttpChecksum>>,
    expected: Vec<u8>,
}

impl AsyncRead for Checked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.body.as_mut().poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            if let Some(hash) = &mut self.hash {
                hash.update(new);
            }
        } else if buffer.remaining() > 0
            && let Some(hash) = self.hash.take()
            && *hash.finalize() != *self.expected
        {
            return Poll::Ready(Err(io::Error::other("it has not the checksum that the store keeps of it")));
        }
        Poll::Ready(Ok(()))
    }
}
