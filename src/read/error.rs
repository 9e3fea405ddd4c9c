//! Why a read could not be answered.

use crate::store::StoreError;
use crate::types::ObjectKey;

/// Why bytes of a version cannot be had. Cheap to clone: all who wait for one transfer get the same one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The version is gone from the store and was not in the cache (semantics 7.1).
    #[error("'{0}' was replaced or deleted in the store while it was open")]
    Stale(ObjectKey),
    /// The store gives no answer, or none in time.
    #[error("cannot read '{key}': {reason}")]
    Unavailable {
        /// The object.
        key: ObjectKey,
        /// The last thing that went wrong.
        reason: String,
    },
    /// The store does not let these credentials read it.
    #[error("cannot read '{key}': {reason}")]
    Denied {
        /// The object.
        key: ObjectKey,
        /// The store's words.
        reason: String,
    },
    /// The store answers, and says that it never will give this.
    #[error("cannot read '{key}': {reason}")]
    Refused {
        /// The object.
        key: ObjectKey,
        /// The store's words.
        reason: String,
    },
    /// What arrives, time and again, is not what it should be.
    #[error("'{key}' is damaged: {detail}")]
    Damaged {
        /// The object.
        key: ObjectKey,
        /// What did not fit.
        detail: String,
    },
    /// The host file system refused: a file that was to be written, or the directory of a `file://` store.
    #[error("{context}: {message}")]
    Io {
        /// What was being done.
        context: String,
        /// The system's words.
        message: String,
        /// The errno, 0 where there is none.
        errno: i32,
    },
}

impl ReadError {
    /// Words `error`, met while `key` was read.
    pub(super) fn from_store(key: &ObjectKey, error: StoreError) -> Self {
        let key = key.clone();
        let reason = error.to_string();
        match error {
            StoreError::NotFound(_) | StoreError::VersionChanged(_) => Self::Stale(key),
            StoreError::Damaged { detail, .. } => Self::Damaged { key, detail },
            StoreError::AccessDenied(_) | StoreError::NoCredentials => Self::Denied { key, reason },
            error if error.is_transient() => Self::Unavailable { key, reason },
            StoreError::Io { context, message, errno } => Self::Io { context, message, errno },
            _ => Self::Refused { key, reason },
        }
    }

    /// Wraps an error of the host file system.
    pub(super) fn io(context: impl Into<String>, e: &std::io::Error) -> Self {
        Self::Io { context: context.into(), message: e.to_string(), errno: e.raw_os_error().unwrap_or(0) }
    }
}
