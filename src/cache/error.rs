//! What can go wrong when a cache is opened or given a file. Once it is open, its disk never makes a reader fail.

use std::path::{Path, PathBuf};

/// Why the cache cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another process uses the directory.
    #[error("the cache directory '{0}' is in use by another cairnfs; give this one its own --cache-dir")]
    InUse(PathBuf),
    /// The host file system refused.
    #[error("{doing} '{path}': {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file given to the cache does not have the size of its version.
    #[error("'{path}' has {found} bytes, its version has {expected}")]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size of the version.
        expected: u64,
    },
    /// A thread of the cache could not be started.
    #[error("cannot start a thread for the cache: {0}")]
    Thread(std::io::Error),
}

impl CacheError {
    /// Makes a wrapper for errors met while `doing` something at `path`, for `map_err`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
