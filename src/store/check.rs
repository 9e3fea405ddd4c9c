//! The connection check: can this store be used, and if not, what is to be done about it?
//!
//! The first four wordings are those of the storage pattern that the applications beside us use, so that people read
//! the same of both.

use super::{ObjectStore, StoreError};

/// Why a store cannot be used. The numbers are exit codes of `cairnfs check` and `cairnfs mount`, and stay what they
/// are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFailure {
    /// The store refuses the credentials, or they suffice for nothing (10).
    Credentials,
    /// There is no such bucket or directory (11).
    BucketMissing,
    /// The store answers with an error of its own (12).
    StoreError,
    /// No credentials are configured anywhere (13).
    NoCredentials,
    /// The store does not answer, or only that it is not up to it (14).
    Unreachable,
    /// No encrypted connection comes about (15).
    Tls,
}

impl CheckFailure {
    /// Returns the exit code of the process.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Credentials => 10,
            Self::BucketMissing => 11,
            Self::StoreError => 12,
            Self::NoCredentials => 13,
            Self::Unreachable => 14,
            Self::Tls => 15,
        }
    }
}

/// What the check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The store is there and may be used.
    Usable,
    /// It cannot be used.
    Failed {
        /// Why.
        failure: CheckFailure,
        /// One line for people: what, and what to do.
        message: String,
    },
}

/// Asks whether the bucket exists and may be used. Credentials that are limited to prefixes may not ask that; they are
/// good if they may list `domain_prefix`.
pub async fn check(store: &dyn ObjectStore, domain_prefix: &str) -> CheckOutcome {
    let mut result = store.check_bucket().await;
    if matches!(result, Err(StoreError::AccessDenied(_))) {
        result = store.list(domain_prefix, true, None, Some(1)).await.map(drop);
    }
    match result {
        Ok(()) => CheckOutcome::Usable,
        Err(e) => explain(&e, &store.url()),
    }
}

/// Says what an error means for the use of the store at `url`.
pub fn explain(e: &StoreError, url: &str) -> CheckOutcome {
    let is_dir = url.starts_with("file://");
    let (failure, message) = match e {
        StoreError::AccessDenied(reason) if is_dir => {
            (CheckFailure::Credentials, format!("The directory of {url} may not be used: {reason}."))
        }
        StoreError::AccessDenied(_) => (
            CheckFailure::Credentials,
            "S3/MinIO credentials are invalid or permissions are insufficient.".to_owned(),
        ),
        StoreError::NoSuchBucket(dir) if is_dir => {
            (CheckFailure::BucketMissing, format!("The directory '{dir}' does not exist."))
        }
        StoreError::NoSuchBucket(bucket) => {
            (CheckFailure::BucketMissing, format!("Bucket '{bucket}' does not exist."))
        }
        StoreError::NoCredentials => {
            (CheckFailure::NoCredentials, "S3/MinIO credentials are not configured.".to_owned())
        }
        StoreError::Unavailable(reason) | StoreError::Down(reason) => (
            CheckFailure::Unreachable,
            format!("S3/MinIO error (Unreachable): {url} does not answer: {reason}"),
        ),
        StoreError::Tls(reason) => {
            (CheckFailure::Tls, format!("S3/MinIO error (TLS): no encrypted connection for {url}: {reason}"))
        }
        StoreError::Refused { code, message } => {
            (CheckFailure::StoreError, format!("S3/MinIO error ({code}): {message}"))
        }
        StoreError::Io { .. } => {
            (CheckFailure::StoreError, format!("The directory of {url} cannot be used: {e}."))
        }
        other => (CheckFailure::StoreError, format!("S3/MinIO error ({}): {other}", name_of(other))),
    };
    CheckOutcome::Failed { failure, message }
}

/// Returns a code for kinds of errors that no server has named.
const fn name_of(e: &StoreError) -> &'static str {
    match e {
        StoreError::QuotaExceeded(_) => "QuotaExceeded",
        StoreError::Conflict(_) => "Conflict",
        StoreError::Damaged { .. } => "Damaged",
        _ => "Unexpected",
    }
}
