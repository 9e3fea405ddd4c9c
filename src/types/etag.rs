//! The store's name for one version of an object.

use std::fmt;

/// An entity tag, opaque, without the surrounding double quotes.
///
/// Two versions of a key with the same tag are taken for the same bytes (RFC 9110, 8.8.3; S3 sends strong tags only).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ETag(String);

impl ETag {
    /// Takes a tag as a store sends it, with or without quotes.
    pub fn new(raw: &str) -> Self {
        let raw = raw.strip_prefix("W/").unwrap_or(raw);
        Self(raw.trim_matches('"').to_owned())
    }

    /// Returns the tag without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the tag in double quotes, as conditions in requests want it.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
