//! The file system: what each call means, in terms of entries, drafts and objects. It does not know FUSE.
//!
//! # Tenets
//! 1. Nothing acknowledged is lost. 2. No object is overwritten, and the store decides that. 3. The bucket stays clean.
//! 4. Ordinary programs work. 5. Everything is bounded.
//!
//! # Lock order
//! `namespace` (names change; held over catalog calls, never over an await) → `locals` → [`Draft::state`]. The other
//! locks (`handles`, `redirects`, `misses`, `removed_dirs`, `recent`, `saved_as`, `walks`) are leaves.
//!
//! # Waiting
//! Calls are futures that are polled once on the kernel's thread and, if they have to wait for the store, go on
//! elsewhere. Local disk and SQLite are not waited for asynchronously.

mod ahead;
mod attr;
mod error;
mod expiry;
mod hand_over;
mod handle;
mod housekeeping;
mod kept;
mod listing;
mod locals;
mod ops;
mod overwritten;
pub mod process;
mod publish;
mod queue;
mod recover;
mod redirect;
mod saved_as;
mod spare_memory;
mod status;
mod swap;
mod trash;
mod unsent;
mod walk;
mod warm;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub use attr::{Attr, Caller, Looked, Ownership, Want};
pub use error::{FsError, FsResult};
pub use housekeeping::LeftOver;
pub use kept::{KeptDraft, KeptError, KeptResult};
pub use ops::{Content, DirEntry, Opened, SetAttr, SetTime, StatFs};
pub use spare_memory::has_memory_for;
pub use status::FsStatus;
pub use warm::Warmed;

use crate::cache::Cache;
use crate::catalog::{Catalog, Entry, Kind};
use crate::drafts::create::{SameBytes, WeakStore};
use crate::drafts::deletes::Deletes;
use crate::drafts::draft::Draft;
use crate::drafts::guard::Guard;
use crate::drafts::opens::OpenObjects;
use crate::drafts::queue::Queue;
use crate::drafts::seal::Sealer;
use crate::drafts::staging::Staging;
use crate::layout::{DeletePolicy, DirKind, DirPlacement, Layout, Refusal};
use crate::read::ObjectReader;
use crate::store::{Capabilities, ObjectStore};
use crate::types::{Clock, FileName, Ino, Notices, ProcessId, Timestamp};

use handle::Handles;
use redirect::Redirects;
use saved_as::SavedAs;
use walk::Walks;

/// The settings of the file system. Defaults are in `docs/configuration.md`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Owner and modes of everything that has none of its own.
    pub ownership: Ownership,
    /// How long a close waits for its publish.
    pub close_wait: Duration,
    /// How long a rename onto a final name waits for its publish.
    pub rename_wait: Duration,
    /// How long a listing counts as fresh.
    pub list_ttl: Duration,
    /// How long a listing, or a failed look-up, answers for names that it did not have.
    pub miss_ttl: Duration,
    /// How long any call may take that waits for the store.
    pub deadline: Duration,
    /// How long a closed draft stays its maker's before it is published; zero publishes in close.
    pub publish_after: Duration,
    /// A draft that the store does not answer for is queued, and its close succeeds.
    pub queue_unreachable: bool,
    /// What to do on a store that does not refuse the second of two racing creates.
    pub weak_store: WeakStore,
    /// Whether bytes that are there already are stored again.
    pub same_bytes: SameBytes,
    /// How long an empty file waits after its maker has ended.
    pub empty_after: Duration,
    /// How long an unlinked object stays in the store.
    pub delete_after: Duration,
    /// How long an unused scratch file is kept.
    pub scratch_ttl: Duration,
    /// How long the trash keeps; `None` is for ever.
    pub trash_keep: Option<Duration>,
    /// Nothing may be written.
    pub read_only: bool,
}

impl Options {
    /// Returns how long a call waits for one thing: it ends before the deadline does, so that it can say for what it waited.
    fn patience(&self) -> Duration {
        crate::types::patience(self.deadline)
    }
}

/// What the file system is built from.
pub struct Parts {
    /// The bucket.
    pub store: Arc<dyn ObjectStore>,
    /// What the store can do.
    pub capabilities: Capabilities,
    /// The sidecar.
    pub catalog: Arc<Catalog>,
    /// The domains.
    pub layout: Arc<Layout>,
    /// Where content waits.
    pub staging: Arc<Staging>,
    /// What is kept of what was published a moment ago.
    pub guard: Arc<Guard>,
    /// Cached content.
    pub cache: Arc<Cache>,
    /// Reads objects.
    pub reader: Arc<ObjectReader>,
    /// Tells the kernel.
    pub notices: Arc<dyn Notices>,
}

/// The file system of one mount.
pub struct Filesystem {
    store: Arc<dyn ObjectStore>,
    capabilities: Capabilities,
    catalog: Arc<Catalog>,
    layout: Arc<Layout>,
    staging: Arc<Staging>,
    reader: Arc<ObjectReader>,
    notices: Arc<dyn Notices>,
    options: Options,
    opens: Arc<OpenObjects>,
    deletes: Arc<Deletes>,
    sealer: Sealer,
    guard: Arc<Guard>,
    handles: Handles,
    redirects: Redirects,
    /// Drafts and scratch files in use, by the inode number that programs hold.
    locals: Mutex<HashMap<Ino, Arc<Draft>>>,
    /// Held while names change.
    namespace: Mutex<()>,
    /// Names that the store was asked for and did not have.
    misses: Mutex<HashMap<(Ino, String), Timestamp>>,
    /// Directories that were removed here, and when: a store may list one for a while after its last object has gone.
    removed_dirs: Mutex<HashMap<String, Timestamp>>,
    /// Who published an object a moment ago: its utimens still count (semantics 9.4).
    recent: Mutex<HashMap<i64, (ProcessId, Timestamp)>>,
    /// Under which keys names that users asked for were saved.
    saved_as: SavedAs,
    /// Who opens the files of a directory in order.
    walks: Mutex<Walks>,
    /// One listing of a directory at a time.
    listings: Mutex<HashMap<Ino, Arc<tokio::sync::Mutex<()>>>>,
    /// Directories that look-ups have listed: when, or `None` where one request is not enough for that.
    by_lookup: Mutex<HashMap<Ino, Option<Timestamp>>>,
    /// Publishes and other work that a stop waits for.
    tasks: TaskTracker,
    /// Acknowledged drafts that wait to be published.
    queue: Mutex<Queue>,
    /// The queue has something new to do.
    queue_changed: Notify,
    /// Something left the queue, or tried to.
    queue_moved: Notify,
    draining: AtomicBool,
    /// `major:minor` of the mount, once it is mounted.
    device: OnceLock<String>,
    started_at: Timestamp,
    /// For work that goes on after a call has returned.
    me: Weak<Self>,
}

impl Filesystem {
    /// Builds the file system and takes up what an earlier run left. Nothing is asked of the store.
    ///
    /// # Errors
    /// What the catalog or the staging directory says.
    pub fn new(parts: Parts, options: Options, publish_patience: Duration) -> FsResult<Arc<Self>> {
        let opens = Arc::new(OpenObjects::default());
        let deletes = Arc::new(Deletes::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.catalog),
            Arc::clone(&opens),
            Arc::clone(&parts.guard),
            Arc::clone(&parts.notices),
        ));
        let sealer = Sealer {
            store: Arc::clone(&parts.store),
            catalog: Arc::clone(&parts.catalog),
            layout: Arc::clone(&parts.layout),
            cache: Arc::clone(&parts.cache),
            staging: Arc::clone(&parts.staging),
            guard: Arc::clone(&parts.guard),
            deletes: Arc::clone(&deletes),
            patience: publish_patience,
            weak_store: (!parts.capabilities.atomic_create).then_some(options.weak_store),
            same_bytes: options.same_bytes,
        };
        let fs = Arc::new_cyclic(|me| Self {
            store: parts.store,
            capabilities: parts.capabilities,
            catalog: parts.catalog,
            layout: parts.layout,
            staging: parts.staging,
            reader: parts.reader,
            notices: parts.notices,
            options,
            opens,
            deletes,
            sealer,
            guard: parts.guard,
            handles: Handles::new(),
            redirects: Redirects::default(),
            locals: Mutex::new(HashMap::new()),
            namespace: Mutex::new(()),
            misses: Mutex::new(HashMap::new()),
            removed_dirs: Mutex::default(),
            recent: Mutex::new(HashMap::new()),
            saved_as: SavedAs::default(),
            walks: Mutex::default(),
            listings: Mutex::new(HashMap::new()),
            by_lookup: Mutex::new(HashMap::new()),
            tasks: TaskTracker::new(),
            queue: Mutex::new(Queue::default()),
            queue_changed: Notify::new(),
            queue_moved: Notify::new(),
            draining: AtomicBool::new(false),
            device: OnceLock::new(),
            started_at: Clock.now(),
            me: Weak::clone(me),
        });
        fs.make_fixed_dirs()?;
        fs.sweep_staging()?; // first: hidden objects tell what became of a draft
        fs.catalog.sweep_hidden_objects()?;
        Ok(fs)
    }

    /// Tells the device number (`major:minor`) under which the kernel shows the mount.
    pub fn mounted_as(&self, device: String) {
        // Set once, right after the mount; a second telling would be the same.
        let _ = self.device.set(device);
    }

    /// Returns whether nothing may be written, and why.
    pub fn read_only(&self) -> Option<&'static str> {
        if self.options.read_only {
            Some("mounted read-only")
        } else if !self.capabilities.atomic_create && self.options.weak_store == WeakStore::Refuse {
            Some("the store does not refuse the second of two racing creates")
        } else {
            None
        }
    }

    /// Returns what the admin should know of the store: it was said at the start, and is in the status.
    pub fn weaknesses(&self) -> Vec<&'static str> {
        if self.read_only().is_some() {
            return Vec::new();
        }
        let create = match self.options.weak_store {
            _ if self.capabilities.atomic_create => None,
            WeakStore::Check => Some(
                "the store lets two writers create one name, so a file could overwrite another in a race; \
                 weak_store = \"suffix\" would be safe",
            ),
            WeakStore::Suffix => {
                Some("the store lets two writers create one name: every new file gets a suffix")
            }
            WeakStore::Refuse => None,
        };
        let deletes = self.layout.domains().iter().any(|d| d.spec().delete != DeletePolicy::Refuse);
        let delete = (deletes && !self.capabilities.conditional_delete).then_some(
            "the store knows no conditional delete: it is looked at just before, but a version that comes between \
             the look and the delete goes with it; delete = \"refuse\" would be safe",
        );
        create.into_iter().chain(delete).collect()
    }

    fn writable(&self) -> FsResult<()> {
        if self.read_only().is_some() || self.draining.load(Ordering::Acquire) {
            return Err(FsError::ReadOnly);
        }
        Ok(())
    }

    fn make_fixed_dirs(&self) -> FsResult<()> {
        let mut queue = vec![(Ino::ROOT, String::new())];
        while let Some((parent, path)) = queue.pop() {
            for name in self.layout.fixed_children(&path) {
                let child = join(&path, name);
                let dir = self.catalog.ensure_dir(parent, name, &child, Clock.now())?;
                if !dir.made {
                    self.catalog.set_made(dir.row, Clock.now())?;
                }
                queue.push((dir.ino, child));
            }
        }
        Ok(())
    }

    /// Returns the directory `ino` with its path.
    fn dir(&self, ino: Ino) -> FsResult<(Entry, String)> {
        let entry = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        if entry.kind != Kind::Dir {
            return Err(FsError::NotDirectory);
        }
        let path = entry.path.clone().unwrap_or_default();
        Ok((entry, path))
    }

    /// Returns the directory that a name is about to be changed in, with the rights to do so.
    fn dir_for_change(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
    ) -> FsResult<(Entry, String, FileName)> {
        let name = FileName::from_bytes(name)?;
        let (dir, path) = self.dir(parent)?;
        attr::check_access(caller, &self.options.ownership.attr(&dir), Want(Want::WRITE.0 | Want::SEARCH.0))?;
        self.writable()?;
        Ok((dir, path, name))
    }

    /// Returns whether the directory's content comes from the store.
    fn is_listed_dir(&self, path: &str) -> bool {
        matches!(self.layout.place_dir(path), DirPlacement::Domain { kind, .. } if kind != DirKind::Scratch)
    }

    /// Records that a rule refused something, and returns what the call answers.
    fn refused(&self, path: &str, refusal: &Refusal) -> FsError {
        self.catalog.event(Clock.now(), "refused", path, &refusal.to_string());
        tracing::info!("refused: {refusal}");
        FsError::from(refusal)
    }

    fn device(&self) -> &str {
        self.device.get().map_or("", String::as_str)
    }
}

/// Returns `dir/name`, or `name` at the root.
fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Returns for whom a name that the caller takes away is put back: for his process, or for anyone (semantics 5.2).
fn deleter(caller: Caller) -> ProcessId {
    if process::serves_many(caller.tid) { ProcessId::ANYONE } else { process_of(caller) }
}

/// Returns the process of the caller; where it is gone, an identity that equals no living one.
fn process_of(caller: Caller) -> ProcessId {
    process::of_thread(caller.tid).unwrap_or(ProcessId { tgid: caller.tid, start: u64::MAX })
}
