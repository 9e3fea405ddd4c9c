//! Names of files and directories: one path segment.

use std::fmt;

/// The longest path segment that Linux takes, in bytes (`NAME_MAX`, limits.h).
pub const MAX_SEGMENT_BYTES: usize = 255;

/// A byte string that cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Names are kept byte for byte as UTF-8.
    #[error("the name is not valid UTF-8")]
    NotUtf8,
    /// Longer than [`MAX_SEGMENT_BYTES`].
    #[error("the name has over {MAX_SEGMENT_BYTES} bytes")]
    TooLong,
    /// Empty, `.`, `..`, or with `/` or NUL.
    #[error("the name is empty, '.', '..', or contains '/' or NUL")]
    Invalid,
}

/// One segment of a path.
///
/// Invariants: 1 to 255 bytes of UTF-8, no `/`, no NUL, not `.` or `..`. Kept byte for byte: no normalisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Validates `name`.
    ///
    /// # Errors
    /// [`NameError`] says which invariant it breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > MAX_SEGMENT_BYTES {
            return Err(NameError::TooLong);
        }
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(NameError::Invalid);
        }
        Ok(Self(name.to_owned()))
    }

    /// Validates a name as the kernel hands it over.
    ///
    /// # Errors
    /// As [`FileName::new`], and [`NameError::NotUtf8`].
    pub fn from_bytes(name: &[u8]) -> Result<Self, NameError> {
        Self::new(std::str::from_utf8(name).map_err(|_| NameError::NotUtf8)?)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
