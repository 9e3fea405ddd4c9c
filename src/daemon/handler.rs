//! What `cairnfs status`, `umount`, `drafts` and `cache` ask of a running mount.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::cache::{Cache, CacheStats};
use crate::config::{Settings, store_url};
use crate::control::protocol::{
    CacheReport, ClearReport, DraftCounts, KernelFeature, StoreState, Usage, WarmReport,
};
use crate::control::{ControlFailure, ControlHandler, DraftReport, DrainReport, ProgressSink, StatusReport};
use crate::fs::{Filesystem, KeptDraft, KeptResult, LeftOver, Warmed};
use crate::fuse::{Feature, Mounted};
use crate::read::{ObjectReader, ReadStats};
use crate::store::Watched;
use crate::types::Clock;

/// Answers the control socket.
pub(super) struct MountHandler {
    fs: Arc<Filesystem>,
    store: Arc<Watched>,
    mounted: Arc<Mounted>,
    cache: Arc<Cache>,
    reader: Arc<ObjectReader>,
    drain: Duration,
    fixed: Fixed,
    /// One unmount at a time.
    unmounting: tokio::sync::Mutex<()>,
    end: watch::Sender<Option<LeftOver>>,
}

/// What does not change while the mount lives.
struct Fixed {
    store: String,
    state_dir: String,
    mounted_at: String,
    warnings: Vec<String>,
}

impl MountHandler {
    pub(super) fn new(
        fs: Arc<Filesystem>,
        store: Arc<Watched>,
        mounted: Arc<Mounted>,
        cache: Arc<Cache>,
        reader: Arc<ObjectReader>,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let fixed = Fixed {
            store: store_url(settings.target()?),
            state_dir: settings.dirs.state.display().to_string(),
            mounted_at: Clock.now().rfc3339(),
            warnings: settings.warnings.clone(),
        };
        Ok(Self {
            fs,
            store,
            mounted,
            cache,
            reader,
            drain: settings.write.drain,
            fixed,
            unmounting: tokio::sync::Mutex::new(()),
            end: watch::channel(None).0,
        })
    }

    /// Waits until `cairnfs umount` has ended the mount.
    pub(super) async fn ended(&self) -> LeftOver {
        let mut end = self.end.subscribe();
        let left = end.wait_for(Option::is_some).await.map(|left| left.unwrap_or_default());
        match left {
            Ok(left) => left,
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns what `cairnfs umount` left, if it ended the mount; waits for one that is under way.
    pub(super) async fn settled(&self) -> Option<LeftOver> {
        let _turn = self.unmounting.lock().await;
        *self.end.borrow()
    }
}

#[async_trait]
impl ControlHandler for MountHandler {
    async fn status(&self) -> StatusReport {
        let mut warnings = self.fixed.warnings.clone();
        warnings.extend(self.fs.weaknesses().into_iter().map(str::to_owned));
        let fs = match self.fs.status() {
            Ok(fs) => fs,
            Err(e) => {
                warnings.push(format!("the catalog cannot be read: {e}"));
                crate::fs::FsStatus::default()
            }
        };
        let reach = self.store.reachability();
        let cache = self.cache.stats();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        StatusReport {
            mountpoint: self.mounted.mountpoint().display().to_string(),
            store: self.fixed.store.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            mounted_at: self.fixed.mounted_at.clone(),
            state_dir: self.fixed.state_dir.clone(),
            read_only: fs.read_only.map(str::to_owned),
            store_state: StoreState {
                reachable: reach.reachable,
                since: reach.since.rfc3339(),
                error: reach.error,
            },
            drafts: DraftCounts {
                draft: count(fs.open),
                waiting: count(fs.saved),
                publishing: count(fs.publishing),
                queued: count(fs.queued),
                failed: count(fs.failed),
                interrupted: count(fs.interrupted),
                scratch: count(fs.scratch),
            },
            deletes_pending: count(fs.deletes),
            staging: Usage { used: fs.staging_used, budget: fs.staging_budget },
            cache_memory: Usage { used: cache.memory_used, budget: Some(cache.memory_budget) },
            cache_disk: Usage { used: cache.disk_used, budget: Some(cache.disk_budget) },
            kernel: self.mounted.features().into_iter().map(kernel_feature).collect(),
            warnings,
            events: fs
                .events
                .iter()
                .map(|e| format!("{} {} {}: {}", e.at.rfc3339(), e.kind, e.path, e.detail))
                .collect(),
        }
    }

    async fn drain_and_unmount(&self, progress: ProgressSink) -> Result<DrainReport, ControlFailure> {
        let _turn = self.unmounting.lock().await;
        let ended = *self.end.borrow();
        if let Some(left) = ended {
            return Ok(super::report(left));
        }
        let left = self.fs.drain(self.drain, &|left| progress.report(left, "publishing what waits")).await;
        if let Err(e) = self.mounted.unmount(false) {
            self.fs.resume();
            let at = self.mounted.mountpoint().display();
            return Err(ControlFailure(match e.kind() {
                std::io::ErrorKind::ResourceBusy => {
                    format!(
                        "{at}: in use: close the programs that have files open there ('fuser -vm {at}' names them)"
                    )
                }
                _ => format!("{at}: cannot be unmounted: {e}"),
            }));
        }
        self.end.send_replace(Some(left));
        Ok(super::report(left))
    }

    async fn drafts(&self) -> Result<Vec<DraftReport>, ControlFailure> {
        let fs = Arc::clone(&self.fs);
        let kept = tokio::task::spawn_blocking(move || fs.kept_drafts()).await;
        let kept = kept.map_err(|e| ControlFailure(e.to_string()))?;
        let kept = kept.map_err(|e| ControlFailure(format!("the drafts cannot be read: {e}")))?;
        Ok(kept.into_iter().map(draft_report).collect())
    }

    async fn retry_draft(&self, id: &str) -> Result<String, ControlFailure> {
        told(self.fs.retry_kept(id).await)
    }

    async fn discard_draft(&self, id: &str) -> Result<(), ControlFailure> {
        told(self.fs.discard_kept(id)).map(drop)
    }

    async fn cache(&self) -> CacheReport {
        cache_report(self.cache.stats(), self.reader.stats())
    }

    async fn clear_cache(&self) -> Result<ClearReport, ControlFailure> {
        let cache = Arc::clone(&self.cache);
        let cleared = tokio::task::spawn_blocking(move || {
            let (files, bytes) = cache.clear();
            ClearReport { files, bytes, open_bytes: cache.stats().disk_pinned }
        });
        cleared.await.map_err(|e| ControlFailure(e.to_string()))
    }

    async fn warm_cache(&self, path: &str, progress: ProgressSink) -> Result<WarmReport, ControlFailure> {
        let told = |done: u64, all: u64, path: &str| progress.report_bytes(done, all, path);
        let warmed = self.fs.warm(path, &told).await;
        let shown = if path.is_empty() { "the mount" } else { path };
        let w = warmed.map_err(|e| ControlFailure(format!("{shown}: {e}")))?;
        let Warmed { files, bytes, fetched_bytes, failed, errors } = w;
        Ok(WarmReport { files, bytes, fetched_bytes, failed, errors })
    }

    async fn draft_content(&self, id: &str) -> Result<std::fs::File, ControlFailure> {
        told(self.fs.kept_content(id))
    }
}

fn told<T>(result: KeptResult<T>) -> Result<T, ControlFailure> {
    result.map_err(|e| ControlFailure(e.to_string()))
}

fn cache_report(cache: CacheStats, read: ReadStats) -> CacheReport {
    CacheReport {
        memory_used: cache.memory_used,
        memory_budget: cache.memory_budget,
        disk_used: cache.disk_used,
        disk_open: cache.disk_pinned,
        disk_budget: cache.disk_budget,
        disk_usable: cache.disk_usable,
        files: cache.files,
        memory_hit_bytes: cache.memory_hit_bytes,
        disk_hit_bytes: cache.disk_hit_bytes,
        fetched_bytes: read.fetched_bytes,
        requests: read.requests,
        failed_requests: read.failed,
        unwritten_bytes: cache.unwritten_bytes,
        waiting_bytes: cache.waiting_bytes,
        evicted_files: cache.evicted_files,
        damaged_chunks: cache.damaged_chunks,
        rejected_files: cache.rejected_files,
        disk_errors: cache.disk_errors,
    }
}

fn kernel_feature(feature: Feature) -> KernelFeature {
    KernelFeature { name: feature.name.to_owned(), on: feature.on, detail: feature.detail }
}

fn draft_report(draft: KeptDraft) -> DraftReport {
    DraftReport {
        id: draft.id.to_string(),
        state: draft.state.as_str().to_owned(),
        path: draft.wanted,
        shown_as: draft.shown_as,
        size: draft.size,
        written_at: draft.written_at.rfc3339(),
        reason: draft.reason,
    }
}
