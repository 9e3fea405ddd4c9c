//! What the host's file system says, as store errors.

use std::fmt::Display;

use rustix::io::Errno;

use crate::store::StoreError;

/// Names what was being done to which path and puts the errno into the kind that a caller can act on.
pub(super) fn error(doing: impl Display, e: Errno) -> StoreError {
    match e {
        Errno::NOSPC | Errno::DQUOT => StoreError::QuotaExceeded(format!("{doing}: {}", words(e))),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            StoreError::AccessDenied(format!("{doing}: {}", words(e)))
        }
        // the host is short of something that comes back, or a network file system has lost its server
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::TIMEDOUT | Errno::STALE => {
            StoreError::Unavailable(format!("{doing}: {}", words(e)))
        }
        Errno::NAMETOOLONG => StoreError::Refused {
            code: "NameTooLong".to_owned(),
            message: format!("{doing}: the host's file system cannot hold a name of this length"),
        },
        e => StoreError::io(doing.to_string(), &e.into()),
    }
}

/// [`error`] for the standard library's file calls.
pub(super) fn io_error(doing: impl Display, e: &std::io::Error) -> StoreError {
    match e.raw_os_error() {
        Some(number) => error(doing, Errno::from_raw_os_error(number)),
        None => StoreError::io(doing.to_string(), e),
    }
}

/// Returns the system's words without the number that the standard library appends.
fn words(e: Errno) -> String {
    let text = std::io::Error::from(e).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
