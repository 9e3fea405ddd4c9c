//! What can go wrong between us and a store, in kinds that a caller can act on.

use crate::types::ObjectKey;

/// Why a request to the store did not do what was asked.
///
/// `Display` is one line in lower case that names the key or bucket and carries no secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such object (or, where a version was asked for, no object at all).
    #[error("no object '{0}' in the store")]
    NotFound(ObjectKey),
    /// The bucket (or the directory of a `file://` store) does not exist.
    #[error("bucket '{0}' does not exist")]
    NoSuchBucket(String),
    /// A create was refused since the key is taken (412 to `If-None-Match: *`).
    #[error("'{0}' already exists")]
    AlreadyExists(ObjectKey),
    /// The object is not the version that was named (412 to `If-Match`).
    #[error("'{0}' is another version now")]
    VersionChanged(ObjectKey),
    /// The store saw two writers at once and asks to be asked again (409).
    #[error("another request changed '{0}' at the same moment")]
    Conflict(ObjectKey),
    /// Credentials are wrong or do not suffice (403).
    #[error("access denied by the store: {0}")]
    AccessDenied(String),
    /// No credentials were found anywhere.
    #[error("credentials are not configured")]
    NoCredentials,
    /// A quota of the store is used up.
    #[error("the store is full or over its quota: {0}")]
    QuotaExceeded(String),
    /// The store says that the request can never succeed (other 4xx, NotImplemented).
    #[error("the store refuses the request ({code}): {message}")]
    Refused {
        /// The S3 error code or the HTTP status.
        code: String,
        /// The server's words.
        message: String,
    },
    /// No answer, a broken connection, a time-out, 5xx, SlowDown, expired token, clock skew: worth asking again.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The store has not answered for a while and was not asked this time: not worth asking again at once.
    #[error("the store cannot be reached: {0}")]
    Down(String),
    /// No encrypted connection comes about: a certificate that nobody vouches for, or no TLS at the other end. Worth
    /// asking again, since certificates get renewed.
    #[error("no TLS connection to the store: {0}")]
    Tls(String),
    /// What arrived is not what the store said it would be (length, checksum).
    #[error("damaged transfer of '{key}': {detail}")]
    Damaged {
        /// The object.
        key: ObjectKey,
        /// What did not fit.
        detail: String,
    },
    /// The host file system refused (only `file://` stores and staging files).
    #[error("{context}: {message}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The system's words.
        message: String,
        /// The errno, 0 where there is none.
        errno: i32,
    },
}

impl StoreError {
    /// Returns whether asking again, unchanged, can ever help; for [`StoreError::Down`] only later.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Down(_) | Self::Tls(_) | Self::Conflict(_) | Self::Damaged { .. }
        )
    }

    /// Wraps an error of the host file system. One that is short of something that comes back may be asked again.
    pub fn io(context: impl Into<String>, e: &std::io::Error) -> Self {
        if matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) {
            return Self::Unavailable(format!("{}: {e}", context.into()));
        }
        Self::Io { context: context.into(), message: e.to_string(), errno: e.raw_os_error().unwrap_or(0) }
    }
}

/// The result of a request to a store.
pub type StoreResult<T> = Result<T, StoreError>;
