//! The one errno table: which errno each failure answers (the table at the end of `docs/semantics.md`).

use fuser::Errno;

use crate::fs::FsError;

/// Returns the errno for `e`.
pub(super) fn errno(e: &FsError) -> Errno {
    match e {
        FsError::NotFound => Errno::ENOENT,
        // Worded best by every client (see `docs/semantics.md` 2.2): EPERM reads as "operation not permitted" in many.
        FsError::NotAllowed => Errno::EACCES,
        FsError::NotPermitted => Errno::EPERM,
        FsError::Exists => Errno::EEXIST,
        FsError::NotEmpty => Errno::ENOTEMPTY,
        FsError::IsDirectory => Errno::EISDIR,
        FsError::NotDirectory => Errno::ENOTDIR,
        FsError::NameTooLong => Errno::ENAMETOOLONG,
        FsError::BadEncoding => Errno::EILSEQ,
        FsError::TooLarge => Errno::EFBIG,
        FsError::NoSpace => Errno::ENOSPC,
        FsError::Quota => Errno::EDQUOT,
        FsError::Io(_) => Errno::EIO,
        FsError::Stale => Errno::ESTALE,
        // smbd words it as "file in use"; EAGAIN would make it ask for ever.
        FsError::InUse => Errno::ETXTBSY,
        FsError::NotSupported => Errno::ENOTSUP,
        FsError::CrossDevice => Errno::EXDEV,
        FsError::ReadOnly => Errno::EROFS,
        FsError::Invalid => Errno::EINVAL,
        FsError::NoAttribute => Errno::ENODATA,
        FsError::BadHandle => Errno::EBADF,
    }
}
