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
    /// Returns plenty while staging takes anything: what is published makes room, so that what staging takes now is no
    /// limit to what can be copied in. While the store does not answer nothing is published, and it is one (semantics 9.6).
    pub fn statfs(&self) -> StatFs {
        let takes = self.staging.takes();
        let free = if takes > 0 && !self.store.is_silent() { PLENTY } else { takes.min(PLENTY) };
        StatFs { total: PLENTY, free }
    }
}
