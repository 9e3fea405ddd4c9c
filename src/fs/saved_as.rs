//! Under which key a name that a user asked for was really saved: `user.cairn.saved_as` (semantics 9.1).
//!
//! # Limits
//! The newest [`MOST`] answers, in memory: a restart forgets them.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::types::{Clock, ObjectKey, Timestamp};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(300);

/// How many answers are kept.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Answers by user and path.
pub struct SavedAs {
    saved: Mutex<LruCache<(u32, String), (ObjectKey, Timestamp)>>,
}

impl Default for SavedAs {
    fn default() -> Self {
        Self { saved: Mutex::new(LruCache::new(MOST)) }
    }
}

impl SavedAs {
    /// Notes that what the user `uid` wanted to be `path` is the object `key`.
    pub fn note(&self, uid: u32, path: &str, key: &ObjectKey) {
        self.saved.lock().put((uid, path.to_owned()), (key.clone(), Clock.now()));
    }

    /// Returns the key of what the user last saved as `path`.
    pub fn key(&self, uid: u32, path: &str) -> Option<ObjectKey> {
        let saved = self.saved.lock();
        let (key, at) = saved.peek(&(uid, path.to_owned()))?;
        (Clock.now().since(*at) < KEPT).then(|| key.clone())
    }

    /// Returns who saved the object `key`, and as what; the newest if there are several.
    pub fn asked(&self, key: &ObjectKey) -> Option<(u32, String)> {
        let saved = self.saved.lock();
        saved.iter().find(|(_, (saved, _))| saved == key).map(|(asked, _)| asked.clone())
    }
}
