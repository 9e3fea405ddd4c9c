//! The guard: bytes of what was published a moment ago, kept here against clients that overwrite without asking
//! (semantics 4.6).
//!
//! # Invariants
//! * Bytes are kept from before the catalog says that the object exists, so that nobody can find it replaced and nothing
//!   kept.
//! * A kept file holds what was published. While the draft is open it is the very file that its writers have, until
//!   [`Guard::part`] gives the guard one of its own: before anybody writes again.
//! * What was found overwritten is kept until it is published again, however long that takes.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::catalog::{Catalog, CatalogError, Guarded};
use crate::types::{Clock, DraftId, ETag, ObjectKey, Sha256Hex, Timestamp};

/// Ends the name of a file that is being copied; no draft is called so.
const UNDER_WAY: &str = "new";

/// What was found overwritten outlives the time that it is guarded, restarts included, by as much as it may need.
const UNTIL_PUBLISHED: Duration = Duration::from_secs(365 * 24 * 3600);

/// The first pause before another try to publish again, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// See the module documentation.
pub struct Guard {
    dir: PathBuf,
    catalog: Arc<Catalog>,
    keep: Duration,
    held: Mutex<HashMap<ObjectKey, Guarded>>,
    owed: Mutex<Vec<Overwritten>>,
    /// One file is parted at a time.
    parting: Mutex<()>,
}

/// An object that we published and another client replaced.
#[derive(Debug, Clone)]
pub struct Overwritten {
    /// What we published.
    pub guarded: Guarded,
    /// The version that is there instead.
    pub found: ETag,
    /// How often it could not be published again.
    pub failures: u32,
    not_before: Timestamp,
}

impl Guard {
    /// Opens or makes the directory, and takes up what an earlier run kept. Bytes are kept for `keep`; zero keeps none.
    ///
    /// # Errors
    /// What the host file system or the catalog says.
    pub fn open(dir: &Path, catalog: Arc<Catalog>, keep: Duration) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut held = HashMap::new();
        for guarded in catalog.guards().map_err(io::Error::other)? {
            if dir.join(guarded.id.as_str()).exists() {
                held.insert(guarded.key.clone(), guarded);
            } else {
                catalog.unguard(&guarded.id).map_err(io::Error::other)?;
            }
        }
        for file in std::fs::read_dir(dir)? {
            let file = file?;
            let name = file.file_name();
            if !held.values().any(|g| name.to_str() == Some(g.id.as_str())) {
                std::fs::remove_file(file.path())?;
            }
        }
        let (held, owed) = (Mutex::new(held), Mutex::default());
        Ok(Self { dir: dir.to_owned(), catalog, keep, held, owed, parting: Mutex::new(()) })
    }

    /// Begins to keep the content of `file`, the draft `id`, which became the version `etag` of `key`. Returns the record,
    /// for the catalog to write together with the object's. `None` where nothing is kept: it is in the store all the same.
    pub fn keep(
        &self,
        id: &DraftId,
        key: &ObjectKey,
        etag: &ETag,
        sha256: Sha256Hex,
        file: &Path,
    ) -> Option<Guarded> {
        if self.keep.is_zero() {
            return None;
        }
        match std::fs::hard_link(file, self.path(id)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                tracing::warn!("{key}: not guarded: {e}");
                return None;
            }
            _ => {}
        }
        let until = Clock.now().plus(self.keep);
        let guarded =
            Guarded { id: id.clone(), key: key.clone(), etag: etag.clone(), sha256: Some(sha256), until };
        self.hold(guarded.clone());
        Some(guarded)
    }

    fn hold(&self, guarded: Guarded) {
        let before = self.held.lock().insert(guarded.key.clone(), guarded.clone());
        if let Some(before) = before.filter(|b| b.id != guarded.id) {
            self.drop_files(&[before]);
        }
    }

    /// Returns where the content is.
    pub fn path(&self, id: &DraftId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Returns the file of `id`, if it is one with the draft's own and so must be [parted](Guard::part) before a write.
    pub fn shared(&self, id: &DraftId, draft: &Path) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        let (kept, own) = (std::fs::metadata(self.path(id)).ok()?, std::fs::metadata(draft).ok()?);
        ((kept.dev(), kept.ino()) == (own.dev(), own.ino())).then_some(kept.len())
    }

    /// Makes what is kept of `id` a file of its own, so that the draft can be written to. Blocks.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn part(&self, id: &DraftId, draft: &Path) -> io::Result<()> {
        let _turn = self.parting.lock();
        if self.shared(id, draft).is_none() {
            return Ok(());
        }
        let copy = self.path(id).with_extension(UNDER_WAY);
        let parted = std::fs::copy(draft, &copy).and_then(|_| std::fs::rename(&copy, self.path(id)));
        if parted.is_err() {
            let _ = std::fs::remove_file(&copy); // a start would do it
        }
        parted
    }

    /// Gives up what is kept of `id`: there is no room for it. Returns whether it may go, or is all that is left of it.
    pub fn give_up(&self, id: &DraftId) -> bool {
        let key = self.held.lock().values().find(|g| g.id == *id).map(|g| g.key.clone());
        if let Some(key) = &key {
            self.forget(key);
        }
        key.is_some()
    }

    /// Returns whether something is kept of `key`.
    pub fn keeps(&self, key: &ObjectKey) -> bool {
        self.held.lock().contains_key(key)
    }

    /// Takes what is kept of `key`, if the version `found` there is not the one that we published. It stays kept until
    /// [`Guard::drop_kept`].
    pub fn take_overwritten(&self, key: &ObjectKey, found: &ETag) -> Option<Overwritten> {
        let now = Clock.now();
        let guarded = {
            let mut held = self.held.lock();
            held.get(key).filter(|g| g.etag != *found && g.until >= now)?;
            held.remove(key)?
        };
        let guarded = Guarded { until: now.plus(UNTIL_PUBLISHED), ..guarded };
        if let Err(e) = self.catalog.guard(guarded.clone()) {
            tracing::warn!("{key}: not guarded over a restart: {e}");
        }
        Some(Overwritten { guarded, found: found.clone(), failures: 0, not_before: now })
    }

    /// Takes back what could not be published again, for [`Guard::take_owed`].
    pub fn owe(&self, lost: Overwritten) {
        let pause = FIRST_PAUSE.saturating_mul(1 << lost.failures.min(10)).min(LONGEST_PAUSE);
        let failures = lost.failures.saturating_add(1);
        self.owed.lock().push(Overwritten { failures, not_before: Clock.now().plus(pause), ..lost });
    }

    /// Takes what is to be tried again at `now`.
    pub fn take_owed(&self, now: Timestamp) -> Vec<Overwritten> {
        self.owed.lock().extract_if(.., |lost| lost.not_before <= now).collect()
    }

    /// Returns the keys of which something is kept.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.held.lock().keys().cloned().collect()
    }

    /// Lets the bytes of what was published again, or cannot be, go.
    pub fn drop_kept(&self, guarded: &Guarded) {
        self.drop_files(std::slice::from_ref(guarded));
    }

    /// Keeps nothing of `key` any more.
    pub fn forget(&self, key: &ObjectKey) {
        let gone = self.held.lock().remove(key);
        self.drop_files(gone.as_slice());
    }

    /// Keeps nothing of the version `etag` of `key` any more: it was deleted here.
    pub fn deleted(&self, key: &ObjectKey, etag: &ETag) {
        if self.held.lock().get(key).is_some_and(|g| g.etag == *etag) {
            self.forget(key);
        }
    }

    /// Keeps what is kept of the version `was` of `from` as `now` of `to`: it was renamed here.
    pub fn follow(&self, from: &ObjectKey, was: &ETag, to: &ObjectKey, now: &ETag) {
        let Some(moved) = ({
            let mut held = self.held.lock();
            if held.get(from).is_some_and(|g| g.etag == *was) { held.remove(from) } else { None }
        }) else {
            return;
        };
        let moved = Guarded { key: to.clone(), etag: now.clone(), ..moved };
        self.hold(moved.clone());
        if let Err(e) = self.catalog.guard(moved) {
            tracing::warn!("{to}: not guarded over a restart: {e}");
        }
    }

    /// Drops what is kept longer than it should be, and, while `tight`, the oldest half.
    pub fn expire(&self, now: Timestamp, tight: bool) {
        let gone: Vec<Guarded> = {
            let mut held = self.held.lock();
            let mut untils: Vec<Timestamp> = held.values().map(|g| g.until).collect();
            untils.sort_unstable();
            let limit = untils.get(untils.len() / 2).copied().filter(|_| tight).unwrap_or(now);
            held.extract_if(|_, g| g.until < now || (tight && g.until <= limit)).map(|(_, g)| g).collect()
        };
        self.drop_files(&gone);
    }

    /// Returns the bytes that are kept.
    pub fn used(&self) -> u64 {
        let held = self.held.lock();
        held.values().filter_map(|g| std::fs::metadata(self.path(&g.id)).ok()).map(|m| m.len()).sum()
    }

    fn drop_files(&self, gone: &[Guarded]) {
        for guarded in gone {
            let dropped = std::fs::remove_file(self.path(&guarded.id))
                .map_err(|e| e.to_string())
                .and_then(|()| self.catalog.unguard(&guarded.id).map_err(|e: CatalogError| e.to_string()));
            if let Err(e) = dropped {
                tracing::debug!("{}: what was kept of it could not be dropped: {e}", guarded.key);
            }
        }
    }
}
