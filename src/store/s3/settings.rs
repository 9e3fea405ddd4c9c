//! What an S3 store needs to be told, resolved from flags, file and environment elsewhere.

use std::fmt;
use std::time::Duration;

/// S3's own limits for a part of a multipart upload: 5 MiB to 5 GiB (user guide, "Multipart upload limits").
pub(super) const MIN_PART_BYTES: u64 = 5 << 20;
pub(super) const MAX_PART_BYTES: u64 = 5 << 30;
/// At most so many parts make an object (same source).
pub(super) const MAX_PARTS: u64 = 10_000;
/// The largest body of one PutObject, and the largest object that CopyObject copies (same source).
pub(super) const MAX_SINGLE_BYTES: u64 = 5 << 30;

/// Large enough that the overhead of a request does not count, small enough to hold a few of them in memory.
const DEFAULT_PART_BYTES: u64 = 16 << 20;

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hands the secret out, to sign with it and for nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Keys that were given explicitly, before the ordinary AWS chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Keys {
    /// `S3_ACCESS_KEY`.
    pub access_key: String,
    /// `S3_SECRET_KEY`.
    pub secret_key: Secret,
    /// Present for temporary credentials.
    pub session_token: Option<Secret>,
}

/// When a large file goes up in parts. Only where the store decides the completion of an upload as atomically as a
/// PutObject is that safe against overwriting; some answer two racing completions with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Multipart {
    /// On AWS only; elsewhere one PutObject, up to 5 GiB.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How long to wait. None of these bounds a whole transfer that keeps moving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// From the last byte of a request to the head of its answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
    /// The slowest upload that is waited for, in bytes a second; adds to `answer`.
    pub slowest_upload: u64,
}

impl Default for S3Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            // below the 30 s in which a file system call has to answer
            answer: Duration::from_secs(20),
            stall: Duration::from_secs(20),
            slowest_upload: 128 << 10,
        }
    }
}

/// Everything that [`S3Store::connect`](super::S3Store::connect) wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// A URL, or a bare `host:port` whose scheme [`Self::use_ssl`] decides; `None` for AWS.
    pub endpoint_url: Option<String>,
    /// Whether a bare host is spoken to by https.
    pub use_ssl: bool,
    /// Whether the server's certificate is checked.
    pub verify_ssl: bool,
    /// The region; where absent, that of the AWS configuration, or `us-east-1`.
    pub region: Option<String>,
    /// Explicit keys; where absent, the ordinary AWS chain.
    pub keys: Option<S3Keys>,
    /// The profile of the AWS configuration to use, where keys are absent.
    pub profile: Option<String>,
    /// Files above this size go up in parts or as a stream, others from memory. Brought into S3's limits.
    pub part_size: u64,
    /// When large files go up in parts.
    pub multipart: Multipart,
    /// How long to wait.
    pub timeouts: S3Timeouts,
}

impl S3Settings {
    /// Returns settings for `bucket` on AWS with credentials of the ordinary chain.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint_url: None,
            use_ssl: true,
            verify_ssl: true,
            region: None,
            keys: None,
            profile: None,
            part_size: DEFAULT_PART_BYTES,
            multipart: Multipart::default(),
            timeouts: S3Timeouts::default(),
        }
    }

    /// Returns the endpoint as a URL: a scheme in it wins over `use_ssl`. An empty text is none.
    pub fn endpoint(&self) -> Option<String> {
        let given = self.endpoint_url.as_deref()?.trim().trim_end_matches('/');
        match given {
            "" => None,
            url if url.contains("://") => Some(url.to_owned()),
            host if self.use_ssl => Some(format!("https://{host}")),
            host => Some(format!("http://{host}")),
        }
    }

    /// Returns the part size within S3's limits.
    pub(super) fn part_bytes(&self) -> u64 {
        self.part_size.clamp(MIN_PART_BYTES, MAX_PART_BYTES)
    }
}

/// Returns whether `endpoint` is AWS itself.
pub(super) fn is_aws(endpoint: Option<&str>) -> bool {
    let Some(url) = endpoint else { return true };
    let host =
        url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, use_ssl: bool) -> Option<String> {
        S3Settings { endpoint_url: Some(url.to_owned()), use_ssl, ..S3Settings::new("b") }.endpoint()
    }

    #[test]
    fn scheme_in_the_endpoint_wins_over_use_ssl() {
        assert_eq!(endpoint("http://localhost:9000", true).as_deref(), Some("http://localhost:9000"));
        assert_eq!(endpoint("https://localhost:9000/", false).as_deref(), Some("https://localhost:9000"));
    }

    #[test]
    fn bare_host_gets_its_scheme_from_use_ssl() {
        assert_eq!(endpoint("minio:9000", false).as_deref(), Some("http://minio:9000"));
        assert_eq!(endpoint("minio:9000", true).as_deref(), Some("https://minio:9000"));
        assert_eq!(endpoint(" ", true), None);
    }

    #[test]
    fn aws_is_known_by_its_host() {
        assert!(is_aws(None));
        assert!(is_aws(Some("https://s3.eu-central-1.amazonaws.com")));
        assert!(!is_aws(Some("https://amazonaws.com.example.org")));
        assert!(!is_aws(Some("http://127.0.0.1:9000")));
    }

    #[test]
    fn debug_of_settings_shows_no_secret() {
        let keys = S3Keys {
            access_key: "AKIA".to_owned(),
            secret_key: Secret::new("hunter2"),
            session_token: Some(Secret::new("hunter3")),
        };
        let text = format!("{:?}", S3Settings { keys: Some(keys), ..S3Settings::new("b") });
        assert!(text.contains("***") && !text.contains("hunter"), "{text}");
    }
}
