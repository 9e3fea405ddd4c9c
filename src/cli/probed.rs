//! What a probe has found, remembered between commands: a probe takes some thirty requests, too many for each `put`.
//!
//! Only good news is remembered, for [`GOOD_FOR`]: a weak store may have been mended. The memory is a file whose age
//! counts, so that nothing in it can be wrong. A mount has a memory of its own, in its catalog, which is not touched.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::types::Timestamp;

/// How long a sound store is taken to be one. A server is rarely exchanged for another of the same address and bucket.
const GOOD_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns whether a probe found the store sound not long before `now`.
pub fn was_sound(memory: &Path, now: Timestamp) -> bool {
    let probed_at = fs::metadata(memory).and_then(|meta| meta.modified());
    // a file from the future tells nothing about the past
    probed_at.is_ok_and(|at| Timestamp::from(at) <= now && now.since(Timestamp::from(at)) < GOOD_FOR)
}

/// Remembers what a probe has just found. Where that cannot be written down, the next command probes again.
pub fn remember(memory: &Path, sound: bool) {
    let done = match (sound, memory.parent()) {
        (true, Some(directory)) => fs::create_dir_all(directory).and_then(|()| fs::write(memory, "")),
        _ => fs::remove_file(memory),
    };
    if let Err(error) = done {
        tracing::debug!(%error, path = %memory.display(), "what the probe found is not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Clock;

    #[test]
    fn good_news_are_remembered_for_a_day_and_bad_news_forget_them() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("probed/store");
        // file systems round times down, clocks may be read a tick earlier
        let soon = Clock.now().plus(Duration::from_secs(60));
        assert!(!was_sound(&memory, soon));
        remember(&memory, true);
        assert!(was_sound(&memory, soon));
        assert!(!was_sound(&memory, soon.plus(GOOD_FOR)));
        assert!(!was_sound(&memory, Timestamp::default()));
        remember(&memory, false);
        assert!(!was_sound(&memory, soon));
    }
}
