//! What a command refuses by a rule, or cannot find: errors with exit codes of their own.

use crate::layout::Refusal;

use super::exit;

/// A path that a command cannot work on.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A rule of the domains forbids it.
    #[error("{0}")]
    ByRule(Refusal),
    /// The store holds nothing there.
    #[error("{0}: no such file or directory in {1}")]
    NotFound(String, String),
    /// The trash holds no copy of it.
    #[error("{0}: nothing of that name is in the trash of {1}; 'cairnfs trash list' shows what is")]
    NotInTrash(String, String),
    /// It is a directory where a file is wanted.
    #[error("{0}: is a directory; 'cairnfs ls' lists it")]
    IsDirectory(String),
    /// The name is taken and can take no suffix.
    #[error("{0}: exists already, and its template leaves no place for a suffix; choose another name")]
    Taken(String),
    /// Programs use such names on the way to a file; they never reach the store.
    #[error("{0}: is a name for files on the way, which are never stored; choose another name")]
    Scratch(String),
    /// Over the domain's `max_size`.
    #[error("{path}: has {size} bytes, its domain takes at most {limit}")]
    TooLarge {
        /// The path.
        path: String,
        /// The size of the file.
        size: u64,
        /// The domain's limit.
        limit: u64,
    },
    /// The store cannot keep a promise that the settings insist on.
    #[error(
        "{0}: the store lets two writers create one name, and weak_store = \"refuse\"; nothing may be written"
    )]
    WeakStore(String),
}

impl Refused {
    /// Returns the exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::ByRule(_)
            | Self::Taken(_)
            | Self::Scratch(_)
            | Self::TooLarge { .. }
            | Self::WeakStore(_) => exit::REFUSED,
            Self::NotFound(..) | Self::NotInTrash(..) => exit::NOT_FOUND,
            Self::IsDirectory(_) => exit::FAILURE,
        }
    }
}
