//! Identities: inode numbers, draft ids, processes.

use std::fmt;

/// An inode number as the kernel knows it. 1 is the root of the mount; 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ino(pub u64);

impl Ino {
    /// The root directory of the mount.
    pub const ROOT: Self = Self(1);
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a draft: 128 random bits as 32 lower-case hex digits.
///
/// It travels in the metadata of the object that the draft becomes, so that a refused create can be recognised as
/// our own earlier success.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DraftId(String);

impl DraftId {
    /// Draws a new identity.
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 16]>()))
    }

    /// Takes an identity read back from the catalog or from object metadata; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns the 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DraftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process that outlives the reuse of its number: thread group id and start time in clock ticks since boot
/// (field 22 of `/proc/<pid>/stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProcessId {
    /// Thread group id, what `getpid` returns.
    pub tgid: u32,
    /// Start time in clock ticks since boot; 0 where it could not be read.
    pub start: u64,
}

impl ProcessId {
    /// Stands for whoever asks: behind a file server, or in a PID namespace that is not seen, nobody can be told apart.
    pub const ANYONE: Self = Self { tgid: 0, start: u64::MAX };
}
