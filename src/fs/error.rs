//! What a file-system call can answer other than success. `fuse/errno` turns each into its errno.

use crate::catalog::CatalogError;
use crate::drafts::seal::SealError;
use crate::layout::{Refusal, RefusalReason};
use crate::read::ReadError;
use crate::store::StoreError;
use crate::types::NameError;

/// Why a call fails, in the words of the errno table of `docs/semantics.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FsError {
    /// There is no such name.
    #[error("no such name")]
    NotFound,
    /// A rule of ours, or the store, does not allow it.
    #[error("not allowed")]
    NotAllowed,
    /// This kind of file, or this change of an object, is not supported.
    #[error("not permitted")]
    NotPermitted,
    /// The name exists.
    #[error("the name exists")]
    Exists,
    /// The directory is not empty.
    #[error("the directory is not empty")]
    NotEmpty,
    /// It is a directory.
    #[error("it is a directory")]
    IsDirectory,
    /// It is not a directory.
    #[error("it is not a directory")]
    NotDirectory,
    /// A segment, key or name is too long.
    #[error("the name is too long")]
    NameTooLong,
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    BadEncoding,
    /// Over the domain's size limit.
    #[error("too large for its domain")]
    TooLarge,
    /// Staging is full.
    #[error("no space left for staging")]
    NoSpace,
    /// The store's quota is used up.
    #[error("the store's quota is used up")]
    Quota,
    /// The store cannot be reached, or content is damaged, or the host's disk failed.
    #[error("{0}")]
    Io(String),
    /// The version is gone, or the path must be walked again.
    #[error("stale")]
    Stale,
    /// In use by another, opened without its name.
    #[error("in use")]
    InUse,
    /// Not supported here.
    #[error("not supported")]
    NotSupported,
    /// Directories with objects and objects themselves move by copying.
    #[error("cannot be moved in place")]
    CrossDevice,
    /// The mount or the domain is read-only.
    #[error("read-only")]
    ReadOnly,
    /// The flags or arguments make no sense.
    #[error("invalid")]
    Invalid,
    /// No such extended attribute.
    #[error("no such attribute")]
    NoAttribute,
    /// The handle is unknown or not open for this.
    #[error("bad handle")]
    BadHandle,
}

/// The result of a file-system call.
pub type FsResult<T> = Result<T, FsError>;

impl From<CatalogError> for FsError {
    fn from(e: CatalogError) -> Self {
        match e {
            CatalogError::NameTaken => Self::Exists,
            e => Self::Io(e.to_string()),
        }
    }
}

impl From<StoreError> for FsError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound(_) => Self::NotFound,
            StoreError::AlreadyExists(_) => Self::Exists,
            StoreError::VersionChanged(_) => Self::Stale,
            StoreError::AccessDenied(_) | StoreError::NoCredentials => Self::NotAllowed,
            StoreError::QuotaExceeded(_) => Self::Quota,
            e => Self::Io(e.to_string()),
        }
    }
}

impl From<SealError> for FsError {
    fn from(e: SealError) -> Self {
        match e {
            SealError::Store(e) => e.into(),
            SealError::NoName(_) => Self::Exists,
            SealError::Local(e) => Self::Io(e),
        }
    }
}

impl From<ReadError> for FsError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Stale(_) => Self::Stale,
            ReadError::Denied { .. } => Self::NotAllowed,
            e => Self::Io(e.to_string()),
        }
    }
}

impl From<std::io::Error> for FsError {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace,
            std::io::ErrorKind::FileTooLarge => Self::TooLarge,
            _ => Self::Io(e.to_string()),
        }
    }
}

impl From<NameError> for FsError {
    fn from(e: NameError) -> Self {
        match e {
            NameError::NotUtf8 => Self::BadEncoding,
            NameError::TooLong => Self::NameTooLong,
            NameError::Invalid => Self::Invalid,
        }
    }
}

impl From<&Refusal> for FsError {
    fn from(r: &Refusal) -> Self {
        match r.reason {
            RefusalReason::SegmentTooLong { .. }
            | RefusalReason::KeyTooLong { .. }
            | RefusalReason::KeyOverDomainLimit { .. } => Self::NameTooLong,
            RefusalReason::ReadOnlyDomain => Self::ReadOnly,
            _ => Self::NotAllowed,
        }
    }
}
