//! The composition root: builds a mount out of its settings, keeps it running, and takes it down in order.
//!
//! Order of a start: state directory locked → store checked → catalog, staging, cache → file system → mounted →
//! drafts of an earlier run taken up → control socket → ready. A stop goes the other way, and drains first.

mod check;
mod handler;
pub mod lock;
mod rebuild;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use check::{Unusable, check_store};
pub use rebuild::{RebuildProgress, RebuildReport, rebuild_catalog};
pub use store::open_store;

use crate::cache::{Cache, CacheOptions};
use crate::catalog::{Catalog, FileRow};
use crate::config::{Settings, WhenUnreachable, store_url};
use crate::control::place::SOURCE_PREFIX;
use crate::control::{ControlServer, DrainReport};
use crate::drafts::guard::Guard;
use crate::drafts::staging::Staging;
use crate::fs::{Filesystem, LeftOver, Options, Ownership, Parts};
use crate::fuse::{Invalidator, MountOptions, Mounted, clear_dead_mount, mount};
use crate::layout::Layout;
use crate::read::{ObjectReader, ReadOptions};
use crate::store::{ObjectStore, Watched};
use crate::systemd::Notifier;
use crate::types::{Clock, OnDamage};

use handler::MountHandler;
use lock::StateLock;

/// A store that has not answered for this part of the deadline is known to be down: calls are answered at once from then
/// on, well before those that found it out by waiting.
const OUTAGE_PART: u32 = 3;

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

/// Everything of a running mount that its end needs.
struct Running {
    fs: Arc<Filesystem>,
    cache: Arc<Cache>,
    mounted: Arc<Mounted>,
    handler: Arc<MountHandler>,
    control: ControlServer,
    _lock: StateLock,
}

/// Makes the runtime of a mount.
///
/// The threads that take the kernel's requests, the one that fills the cache and the programs that read all want a
/// processor at the moment when a transfer has one: with as many workers as cores, every piece that arrives would wake one
/// more for nothing. What blocks does not run on them.
///
/// # Errors
/// Where the system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread().worker_threads((cores / 2).max(1)).enable_all().build()
}

/// Mounts, serves until `args.stop` is cancelled, `cairnfs umount` asks or the kernel unmounts, drains, and returns
/// what is left for the next mount.
///
/// # Errors
/// When the mount could not be made or not be taken away. [`StoreError`](crate::store::StoreError) and
/// [`ConfigError`](crate::config::ConfigError) stay in the chain: the exit code is read from them.
pub async fn run_mount(args: MountArgs, settings: Settings) -> anyhow::Result<DrainReport> {
    let MountArgs { mountpoint, ready, stop, notifier } = args;
    let running = start(&mountpoint, &settings).await?;
    let at = running.mounted.mountpoint().to_owned();
    notifier.ready(&format!("serving {} on {}", store_url(settings.target()?), at.display()));
    tracing::info!("serving {} on {}", store_url(settings.target()?), at.display());
    // Who waits for this may have gone.
    let _ = ready.send(at);
    let housekeeping = tokio::spawn(Arc::clone(&running.fs).housekeeping());
    let queue = tokio::spawn(Arc::clone(&running.fs).work_queue());
    let left = serve(&running, &settings, &stop, &notifier).await;
    housekeeping.abort();
    queue.abort();
    running.cache.shutdown();
    running.control.close().await;
    left.map(report)
}

async fn start(mountpoint: &Path, settings: &Settings) -> anyhow::Result<Running> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit();
    let lock = StateLock::take(&settings.dirs.state)?;
    clear_dead_mount(mountpoint)
        .with_context(|| format!("{}: a dead mount is in the way", mountpoint.display()))?;
    let target = settings.target()?;
    let layout = Arc::new(layout(settings)?);
    let catalog = Arc::new(Catalog::open(&catalog_path(&settings.dirs.state), &store_url(target))?);
    let store = Watched::new(open_store(settings).await?, settings.read.deadline / OUTAGE_PART);
    let watched: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
    let capabilities = check::check_and_probe(&*watched, &catalog, &layout).await?;
    let staging = Arc::new(
        Staging::open(
            &settings.dirs.state.join("staging"),
            settings.write.free_floor,
            settings.write.staging_budget,
        )
        .with_context(|| format!("{}: staging cannot be used", settings.dirs.state.display()))?,
    );
    let cache = Arc::new(open_cache(settings, &catalog)?);
    let read_options = ReadOptions { deadline: settings.read.deadline, ..ReadOptions::default() };
    let invalidator = Arc::new(Invalidator::default());
    let guard = Guard::open(&settings.dirs.state.join("guard"), Arc::clone(&catalog), settings.write.guard)
        .with_context(|| {
        format!("{}: what was kept cannot be looked at", settings.dirs.state.display())
    })?;
    let reader = ObjectReader::new(Arc::clone(&watched), Arc::clone(&cache), read_options);
    let parts = Parts {
        store: watched,
        capabilities,
        catalog,
        layout,
        staging,
        guard: Arc::new(guard),
        cache: Arc::clone(&cache),
        reader: Arc::clone(&reader),
        notices: Arc::clone(&invalidator) as _,
    };
    let fs = Filesystem::new(parts, fs_options(settings), settings.read.deadline)?;
    if let Some(why) = fs.read_only() {
        tracing::warn!("nothing can be written: {why}");
    }
    for weakness in fs.weaknesses() {
        tracing::warn!("{weakness}");
    }
    let mounted = Arc::new(mount(
        &fs,
        &invalidator,
        mountpoint,
        &mount_options(settings)?,
        &tokio::runtime::Handle::current(),
    )?);
    fs.recover()?;
    let handler = Arc::new(MountHandler::new(
        Arc::clone(&fs),
        store,
        Arc::clone(&mounted),
        Arc::clone(&cache),
        reader,
        settings,
    )?);
    let control =
        ControlServer::start(&settings.dirs.runtime, mounted.mountpoint(), Arc::clone(&handler) as _)
            .inspect_err(|_| drop(mounted.unmount(true)))?;
    Ok(Running { fs, cache, mounted, handler, control, _lock: lock })
}

/// Every open file here may cost four descriptors of the host (content, cache twice, map): the usual soft limit of 1,024 is
/// for programs that use select(2), which this one does not.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {e}");
    }
}

/// Serves until somebody ends it, and returns what is left.
async fn serve(
    running: &Running,
    settings: &Settings,
    stop: &CancellationToken,
    notifier: &Notifier,
) -> anyhow::Result<LeftOver> {
    tokio::select! {
        // `cairnfs umount` has drained and unmounted.
        left = running.handler.ended() => Ok(left),
        () = running.mounted.ended() => {
            if let Some(left) = running.handler.settled().await {
                return Ok(left);
            }
            tracing::info!("unmounted from outside");
            Ok(drain(running, settings, notifier).await)
        }
        () = stop.cancelled() => {
            notifier.stopping(settings.write.drain);
            let left = drain(running, settings, notifier).await;
            running.mounted.unmount(true).context("the mount could not be taken away")?;
            Ok(left)
        }
    }
}

async fn drain(running: &Running, settings: &Settings, notifier: &Notifier) -> LeftOver {
    running.fs.drain(settings.write.drain, &|left| notifier.draining(left)).await
}

const fn report(left: LeftOver) -> DrainReport {
    DrainReport { drafts_left: left.drafts, deletes_left: left.deletes }
}

fn layout(settings: &Settings) -> anyhow::Result<Layout> {
    Layout::new(settings.domains.clone(), settings.layout.clone()).map_err(|mistakes| {
        anyhow::anyhow!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

fn catalog_path(state: &Path) -> PathBuf {
    state.join("catalog.sqlite")
}

fn open_cache(settings: &Settings, catalog: &Arc<Catalog>) -> anyhow::Result<Cache> {
    let mut options = CacheOptions::new(settings.dirs.cache.clone());
    options.memory_budget = settings.cache.memory;
    options.disk_budget = settings.cache.disk;
    let catalog = Arc::clone(catalog);
    options.on_damage =
        OnDamage::new(move |key, what| catalog.event(Clock.now(), "damaged", key.as_str(), what));
    Cache::open(options)
        .with_context(|| format!("{}: the cache cannot be used", settings.dirs.cache.display()))
}

fn fs_options(s: &Settings) -> Options {
    Options {
        ownership: Ownership {
            uid: s.mount.uid,
            gid: s.mount.gid,
            file_mode: s.mount.file_mode,
            dir_mode: s.mount.dir_mode,
        },
        close_wait: s.write.close_wait,
        rename_wait: s.write.rename_wait,
        list_ttl: s.read.list_ttl,
        miss_ttl: s.read.miss_ttl,
        deadline: s.read.deadline,
        publish_after: s.write.publish_after,
        queue_unreachable: s.write.when_unreachable == WhenUnreachable::Queue,
        weak_store: s.write.weak_store,
        same_bytes: s.write.same_bytes,
        empty_after: s.write.empty_after,
        delete_after: s.write.delete_after,
        scratch_ttl: s.write.scratch_ttl,
        trash_keep: s.write.trash_keep,
        read_only: s.mount.read_only,
    }
}

fn mount_options(s: &Settings) -> anyhow::Result<MountOptions> {
    // Root may always let others in; others only where the admin allows it, and then say so themselves.
    let allow_other = s.mount.allow_other.unwrap_or_else(|| rustix::process::geteuid().is_root());
    Ok(MountOptions {
        source: format!("{SOURCE_PREFIX}{}", store_url(s.target()?)),
        allow_other,
        read_only: s.mount.read_only,
        deadline: s.read.deadline,
        list_ttl: s.read.list_ttl,
        cache_dir: s.dirs.cache.clone(),
    })
}

/// Returns the rows of the view `files`, by key. Works beside a running mount.
///
/// # Errors
/// When there is no catalog in `state_dir`.
pub async fn catalog_files(state_dir: &Path) -> anyhow::Result<Vec<FileRow>> {
    let path = catalog_path(state_dir);
    let read = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || Catalog::read_files(&path)).await?
    };
    read.with_context(|| format!("{}: no catalog can be read there", path.display()))
}
