//! Object keys.

use std::fmt;

/// The longest key that S3 takes, in bytes of UTF-8 (S3 user guide, "Naming Amazon S3 objects").
pub const MAX_KEY_BYTES: usize = 1024;

/// A text that cannot be an object key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Keys have at least one byte.
    #[error("an object key cannot be empty")]
    Empty,
    /// Longer than [`MAX_KEY_BYTES`].
    #[error("the key has {0} bytes, S3 takes at most {MAX_KEY_BYTES}")]
    TooLong(usize),
}

/// The full key of an object in the bucket.
///
/// Invariants: not empty, at most 1024 bytes, valid UTF-8. It need not be a path: other clients may have written
/// `a//b` or `../x`; see [`ObjectKey::is_path`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Validates `key`.
    ///
    /// # Errors
    /// [`KeyError`] when it is empty or over 1024 bytes.
    pub fn new(key: impl Into<String>) -> Result<Self, KeyError> {
        let key = key.into();
        match key.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_KEY_BYTES => Err(KeyError::TooLong(n)),
            _ => Ok(Self(key)),
        }
    }

    /// Returns the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether every `/`-separated segment can be a file name, so that the key can be shown as a path.
    pub fn is_path(&self) -> bool {
        self.0.split('/').all(|s| super::FileName::new(s).is_ok())
    }

    /// Returns what follows the last `/`, or the whole key.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.as_str(), |(_, n)| n)
    }

    /// Returns what precedes the last `/`, empty where there is none.
    pub fn dir(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(d, _)| d)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
