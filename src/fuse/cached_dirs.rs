//! Which directories the kernel may list from what it remembers of the last time.
//!
//! Each listing has a version (`fs`), another one after every change of a name in it, whoever made it. What the kernel has
//! gathered is of one version if every handle that added to it was open while that version stood. Anything else is
//! thrown away at the next open. So is what is older than names count as fresh: listing anew brings the attributes of all
//! of them in a few requests, where `ls -l` of a listing that was kept would ask for each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fuser::FopenFlags;
use parking_lot::Mutex;

use crate::types::Ino;

/// So many directories are remembered; beyond, those that are not open are forgotten, which costs a listing each.
const MOST: usize = 100_000;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct CachedDirs {
    fresh: Duration,
    dirs: Mutex<HashMap<Ino, Gathered>>,
}

/// What the kernel has gathered of one directory.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    handles: usize,
    version: u64,
    /// All of it is of `version`.
    pure: bool,
    since: Instant,
}

impl CachedDirs {
    /// Names count as `fresh` for so long.
    pub(super) fn new(fresh: Duration) -> Self {
        Self { fresh, dirs: Mutex::new(HashMap::new()) }
    }

    /// Counts one more handle on `dir`, whose listing has `version` now, and says how the kernel may use it.
    pub(super) fn opened(&self, dir: Ino, version: u64) -> FopenFlags {
        let mut dirs = self.dirs.lock();
        if dirs.len() >= MOST {
            dirs.retain(|_, g| g.handles > 0);
        }
        let anew = Gathered { handles: 0, version, pure: true, since: Instant::now() };
        let known = dirs.entry(dir).or_insert(Gathered { pure: false, ..anew });
        let keep = known.pure && known.version == version && known.since.elapsed() < self.fresh;
        if known.handles == 0 && !keep {
            *known = anew;
        } else if known.version != version {
            known.pure = false;
        }
        known.handles += 1;
        if keep {
            FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE
        } else {
            FopenFlags::FOPEN_CACHE_DIR
        }
    }

    /// Counts a handle out. What it has gathered may be of any version that stood while it was open.
    pub(super) fn closed(&self, dir: Ino, version: u64) {
        let mut dirs = self.dirs.lock();
        let Some(known) = dirs.get_mut(&dir) else { return };
        known.handles = known.handles.saturating_sub(1);
        known.pure &= known.version == version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: Ino = Ino(2);

    fn keeps(dirs: &CachedDirs, version: u64) -> bool {
        dirs.opened(DIR, version).contains(FopenFlags::FOPEN_KEEP_CACHE)
    }

    #[test]
    fn listing_is_kept_while_no_name_changes() {
        let dirs = CachedDirs::new(Duration::from_secs(3600));
        assert!(!keeps(&dirs, 1));
        dirs.closed(DIR, 1);
        assert!(keeps(&dirs, 1));
        assert!(keeps(&dirs, 1));
        dirs.closed(DIR, 1);
        dirs.closed(DIR, 2);
        assert!(!keeps(&dirs, 2));
        dirs.closed(DIR, 2);
        assert!(keeps(&dirs, 2));
    }

    #[test]
    fn listing_is_not_kept_beyond_its_time() {
        let dirs = CachedDirs::new(Duration::ZERO);
        assert!(!keeps(&dirs, 1));
        dirs.closed(DIR, 1);
        assert!(!keeps(&dirs, 1));
    }

    #[test]
    fn listing_that_two_versions_were_gathered_for_is_not_kept() {
        let dirs = CachedDirs::new(Duration::from_secs(3600));
        assert!(!keeps(&dirs, 1));
        assert!(!keeps(&dirs, 2));
        dirs.closed(DIR, 2);
        // the first reader may still add what it was told before the change
        assert!(!keeps(&dirs, 2));
        dirs.closed(DIR, 2);
        dirs.closed(DIR, 2);
        assert!(!keeps(&dirs, 2));
        dirs.closed(DIR, 2);
        assert!(keeps(&dirs, 2));
    }
}
