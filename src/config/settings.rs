//! The validated settings: what the rest of the program is built from.
//!
//! Everything here holds together: the domains make a layout, sizes and times are within their bounds, the store can
//! be named. Defaults are the ones of `docs/semantics.md`.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::drafts::create::{SameBytes, WeakStore};
use crate::layout::{DomainSpec, LayoutOptions};
use crate::store::S3Settings;

use super::mistake::{ConfigError, Place};

/// The settings of one mount, or of one command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store; `None` only where nobody named one, see [`Settings::target`].
    pub store: Option<StoreTarget>,
    /// The domains. They make a layout together with `layout`: that was tried.
    pub domains: Vec<DomainSpec>,
    /// What holds for all domains.
    pub layout: LayoutOptions,
    /// How drafts become objects.
    pub write: WriteSettings,
    /// How fresh answers are and how long they may take.
    pub read: ReadSettings,
    /// How much is cached.
    pub cache: CacheSettings,
    /// What the mounted files look like.
    pub mount: MountSettings,
    /// Where things are kept on this host.
    pub dirs: Dirs,
    /// What the user should be told at each start, one line each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Returns the store.
    ///
    /// # Errors
    /// When nobody named one: the error says how.
    pub fn target(&self) -> Result<&StoreTarget, ConfigError> {
        self.store.as_ref().ok_or_else(|| {
            let how = "no store is named; give s3://bucket or file:///directory, or set S3_BUCKET_NAME";
            ConfigError::single(Place::Nowhere, how)
        })
    }
}

/// Which store.
#[derive(Debug, Clone)]
pub enum StoreTarget {
    /// A bucket.
    S3(Box<S3Settings>),
    /// A directory laid out like a bucket, absolute.
    Dir(PathBuf),
}

/// What close does when the store cannot be reached (semantics 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnreachable {
    /// It queues the draft and succeeds.
    #[default]
    Queue,
    /// It fails with EIO.
    Fail,
}

/// `[write]`: how drafts become objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSettings {
    /// How long a close waits for its publish (3.5).
    pub close_wait: Duration,
    /// How long a rename waits for its publish (3.10).
    pub rename_wait: Duration,
    /// How long a closed draft stays its maker's before it is published; zero publishes in close (3.6).
    pub publish_after: Duration,
    /// How long an empty draft waits after its maker's process has ended (3.8).
    pub empty_after: Duration,
    /// How long a delete is deferred (5.2).
    pub delete_after: Duration,
    /// Bytes that stay free on the file system of the state directory (3.13).
    pub free_floor: u64,
    /// Bytes that staging may take; `None` leaves it to `free_floor`.
    pub staging_budget: Option<u64>,
    /// How long the bytes of a published draft are kept against overwriters (4.6).
    pub guard: Duration,
    /// See [`SameBytes`].
    pub same_bytes: SameBytes,
    /// See [`WeakStore`].
    pub weak_store: WeakStore,
    /// See [`WhenUnreachable`].
    pub when_unreachable: WhenUnreachable,
    /// How long a stop publishes and deletes what is pending (10.3).
    pub drain: Duration,
    /// How long unused scratch files are kept (6.3).
    pub scratch_ttl: Duration,
    /// How long the trash keeps what was deleted; `None` for ever (5.3).
    pub trash_keep: Option<Duration>,
}

impl Default for WriteSettings {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            close_wait: Duration::from_secs(60),
            rename_wait: Duration::from_secs(5),
            publish_after: Duration::ZERO,
            empty_after: Duration::from_secs(60),
            delete_after: Duration::from_secs(5),
            free_floor: 256 << 20,
            staging_budget: None,
            guard: Duration::from_secs(10 * MINUTE),
            same_bytes: SameBytes::default(),
            weak_store: WeakStore::default(),
            when_unreachable: WhenUnreachable::default(),
            drain: Duration::from_secs(60),
            scratch_ttl: Duration::from_secs(7 * 24 * 60 * MINUTE),
            trash_keep: None,
        }
    }
}

/// `[read]`: how fresh answers are and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSettings {
    /// How long a listing is fresh (8.2).
    pub list_ttl: Duration,
    /// How long a complete listing answers for a name that is not in it (8.2).
    pub miss_ttl: Duration,
    /// How long any call may take but close and umount (8.3).
    pub deadline: Duration,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            list_ttl: Duration::from_secs(10),
            miss_ttl: Duration::from_secs(2),
            deadline: Duration::from_secs(30),
        }
    }
}

/// `[cache]`: how much is cached, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// In memory.
    pub memory: u64,
    /// In the cache directory.
    pub disk: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { memory: 64 << 20, disk: 10 << 30 }
    }
}

/// `[mount]`: what the mounted files look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSettings {
    /// The owner of objects and directories; by default who runs cairnfs.
    pub uid: u32,
    /// Their group; likewise.
    pub gid: u32,
    /// Permission bits of objects.
    pub file_mode: u32,
    /// Permission bits of directories.
    pub dir_mode: u32,
    /// Whether other users than the one who mounts may look in; `None` where the system allows it (root does, others
    /// with `user_allow_other` in `/etc/fuse.conf`).
    pub allow_other: Option<bool>,
    /// Nothing may be written.
    pub read_only: bool,
}

impl Default for MountSettings {
    fn default() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            file_mode: 0o644,
            dir_mode: 0o755,
            allow_other: None,
            read_only: false,
        }
    }
}

/// Where things are kept on this host. Nothing of it is made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Catalog, drafts and staging of this store: what must not be lost.
    pub state: PathBuf,
    /// Cached objects: what may be deleted while nothing is mounted.
    pub cache: PathBuf,
    /// Control sockets.
    pub runtime: PathBuf,
    /// A file in which commands remember for a while what a probe of this store found.
    pub probed: PathBuf,
}
