//! statfs: how much room there seems to be.

use crate::fs::Filesystem;

/// What `statfs(2)` shows, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatFs {
    /// Total.
    pub total: u64,
    /// Free.
    pub free: u64,
}

/// What an object store has left, as far as anyone can tell: 1 PiB. Zero would read as "unknown" or "full" to desktops.
const PLENTY: u64 = 1 << 50;

impl Filesystem {
    /// Returns plenty while staging takes anything at all, else nothing (semantics 9.6): what is published makes room, so
    /// that what staging takes now is no limit to what can be copied in.
    pub fn statfs(&self) -> StatFs {
        let free = if self.staging.takes() > 0 { PLENTY } else { 0 };
        StatFs { total: PLENTY, free }
    }
}
