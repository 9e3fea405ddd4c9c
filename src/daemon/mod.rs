//! The composition root: builds a mount out of its settings, keeps it running, and takes it down in order.
//!
//! This is the face that the commands use. What is behind it is not there yet: every function says so.

pub mod lock;
mod store;

use std::path::{Path, PathBuf};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::catalog::FileRow;
use crate::config::Settings;
use crate::control::DrainReport;
use crate::systemd::Notifier;

pub use store::open_store;

/// What a mount needs to know beside its settings.
#[derive(Debug)]
pub struct MountArgs {
    /// Where to mount, as the user typed it.
    pub mountpoint: PathBuf,
    /// Who hears of it when the mount is up: the canonical mount point is sent as soon as the first request is served.
    /// Dropped unsent when the start fails.
    pub ready: oneshot::Sender<PathBuf>,
    /// Cancelled when the mount should drain, unmount and end (SIGTERM, SIGINT).
    pub stop: CancellationToken,
    /// The service manager.
    pub notifier: Notifier,
}

/// Mounts, serves until `args.stop` is cancelled, `cairnfs umount` asks or the kernel unmounts, drains, and returns
/// what is left for the next mount.
///
/// # Errors
/// When the mount could not be made or not be taken away. [`StoreError`](crate::store::StoreError) and
/// [`ConfigError`](crate::config::ConfigError) stay in the chain: the exit code is read from them.
pub async fn run_mount(args: MountArgs, settings: Settings) -> anyhow::Result<DrainReport> {
    open_store(&settings).await?.check_bucket().await?;
    anyhow::bail!("{}: mounting is not built yet", args.mountpoint.display())
}

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildProgress {
    /// Objects seen so far.
    pub objects: u64,
    /// Objects in all, once every domain has been listed.
    pub total: Option<u64>,
}

/// What a rebuild has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Objects in the new catalog.
    pub objects: u64,
    /// Drafts carried over from the old one: they live nowhere else.
    pub drafts: u64,
}

/// Rebuilds the catalog in the state directory from the bucket. Drafts are carried over.
///
/// # Errors
/// When the state directory is in use by a mount, or the store cannot be listed to the end; the old catalog then stays.
pub async fn rebuild_catalog(
    settings: &Settings,
    progress: &(dyn Fn(RebuildProgress) + Sync),
) -> anyhow::Result<RebuildReport> {
    progress(RebuildProgress::default());
    anyhow::bail!("{}: rebuilding is not built yet", settings.dirs.state.display())
}

/// Returns the rows of the view `files`, by key. Works beside a running mount.
///
/// # Errors
/// When there is no catalog in `state_dir`.
pub async fn catalog_files(state_dir: &Path) -> anyhow::Result<Vec<FileRow>> {
    anyhow::bail!("{}: the catalog is not built yet", state_dir.display())
}
