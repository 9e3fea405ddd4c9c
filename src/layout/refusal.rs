//! Why a path cannot be made: one line for people, one reason for programs.

use std::fmt;

use crate::types::{MAX_KEY_BYTES, MAX_SEGMENT_BYTES};

/// The rule that a path breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// It lies in no domain.
    Outside,
    /// It lies under a domain's prefix but does not fit its template.
    Misfit {
        /// The template that was nearest.
        template: String,
    },
    /// A directory that only desktops make, such as a bin.
    DesktopDirectory,
    /// The domain does not allow the extension.
    Extension {
        /// The extension of the name; none where it has none.
        found: Option<String>,
        /// What the domain allows.
        allowed: Vec<String>,
    },
    /// Nothing may be made in this domain.
    ReadOnlyDomain,
    /// A segment is over 255 bytes.
    SegmentTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The key is over 1024 bytes.
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The key is over the domain's `max_key_length`.
    KeyOverDomainLimit {
        /// Its length in characters.
        chars: usize,
        /// The limit in characters.
        limit: u32,
    },
}

/// A path that cannot be made, and why.
///
/// Its text is one line: where, what, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The path, relative to the mount.
    pub path: String,
    /// The domain's name, where the path lies in one.
    pub domain: Option<String>,
    /// The rule.
    pub reason: RefusalReason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.domain.as_deref().unwrap_or_default();
        write!(f, "{}: ", Line(&self.path))?;
        match &self.reason {
            RefusalReason::Outside => {
                f.write_str("lies in no domain; put it under one of the directories at the top")
            }
            RefusalReason::Misfit { template } => {
                write!(f, "does not fit domain '{domain}'; paths there look like {template}")
            }
            RefusalReason::DesktopDirectory => f.write_str(
                "directories of desktops (bins, indexes) are not kept here; delete for good instead",
            ),
            RefusalReason::Extension { found, allowed } => {
                match found {
                    Some(found) => write!(f, "the extension '{}' is not allowed", Line(found))?,
                    None => f.write_str("a name without an extension is not allowed")?,
                }
                write!(f, " in domain '{domain}'; use one of {}", allowed.join(", "))
            }
            RefusalReason::ReadOnlyDomain => {
                write!(f, "domain '{domain}' is read-only; write to another, or set writable = true for it")
            }
            RefusalReason::SegmentTooLong { bytes } => {
                write!(f, "a name has {bytes} bytes, {MAX_SEGMENT_BYTES} are possible; use a shorter one")
            }
            RefusalReason::KeyTooLong { bytes } => {
                write!(f, "the whole path has {bytes} bytes, {MAX_KEY_BYTES} are possible; use shorter names")
            }
            RefusalReason::KeyOverDomainLimit { chars, limit } => write!(
                f,
                "the whole path has {chars} characters, domain '{domain}' allows {limit}; use shorter names"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// Text from a user, with control characters escaped so that it stays on its line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                write!(f, "{}", c.escape_default())
            }
            c => write!(f, "{c}"),
        })
    }
}
