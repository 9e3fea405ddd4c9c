//! What `cairnfs status`, `cairnfs umount` and `cairnfs drafts` ask of a running mount.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::config::{Settings, store_url};
use crate::control::protocol::{DraftCounts, StoreState, Usage};
use crate::control::{ControlFailure, ControlHandler, DraftReport, DrainReport, ProgressSink, StatusReport};
use crate::fs::{Filesystem, KeptDraft, KeptResult, LeftOver};
use crate::fuse::Mounted;
use crate::store::Watched;
use crate::types::Clock;

/// Answers the control socket.
pub(super) struct MountHandler {
    fs: Arc<Filesystem>,
    store: Arc<Watched>,
    mounted: Arc<Mounted>,
    cache: Arc<Cache>,
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

    async fn draft_content(&self, id: &str) -> Result<std::fs::File, ControlFailure> {
        told(self.fs.kept_content(id))
    }
}

fn told<T>(result: KeptResult<T>) -> Result<T, ControlFailure> {
    result.map_err(|e| ControlFailure(e.to_string()))
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
