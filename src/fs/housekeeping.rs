//! What happens by itself: due deletes, empty drafts whose makers have ended, redirects that nobody followed, what is
//! too old.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Filesystem, FsResult, join, process};
use crate::catalog::{DraftRow, DraftState, Kind};
use crate::drafts::draft::Draft;
use crate::layout::scratch_is_for;
use crate::types::{Clock, Ino, Timestamp};

/// How often due work is looked for: a fifth of the shortest default wait.
const TICK: Duration = Duration::from_secs(1);

/// An empty draft is published at the latest after this long (semantics 3.8).
const EMPTY_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// How many names of a directory are looked through for scratch files of an empty draft.
const SCRATCH_SCAN: u32 = 10_000;

/// What a stop leaves for the next mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOver {
    /// Acknowledged drafts that are not published.
    pub drafts: usize,
    /// Deletes that are not carried out.
    pub deletes: usize,
}

impl LeftOver {
    /// Returns both together.
    pub const fn total(self) -> usize {
        self.drafts + self.deletes
    }
}

impl Filesystem {
    /// Runs for ever; the caller ends it by dropping the future.
    pub async fn housekeeping(self: Arc<Self>) {
        tokio::join!(self.keep_house(), self.expire_scratch(), self.keep_trash());
    }

    async fn keep_house(&self) {
        let mut ended: HashMap<Ino, Timestamp> = HashMap::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for draft in self.redirects.expire() {
                self.drop_unused(draft);
            }
            if let Err(e) = self.forget_settled() {
                tracing::warn!("drafts that have ended cannot be forgotten: {e}");
            }
            if self.read_only().is_some() {
                continue; // what an earlier run left waits for a mount that may write
            }
            if let Err(e) = self.delete_unsent(|d| d.due_at <= Clock.now()) {
                tracing::warn!("deleted drafts cannot be dealt with: {e}");
            }
            let guarded = self.guard.used();
            let tight = guarded > 0 && self.staging.takes() < guarded;
            self.guard.expire(Clock.now(), tight);
            for lost in self.guard.take_owed(Clock.now()) {
                self.spawn_publish_again(lost);
            }
            if let Err(e) = self.deletes.run_due(false).await {
                tracing::warn!("pending deletes cannot be read: {e}");
            }
            for draft in self.ripe_empty_drafts(&mut ended) {
                self.publish_later(&draft);
            }
        }
    }

    /// Returns the empty placeholders whose time has come. `ended` remembers since when a maker is known to be gone.
    fn ripe_empty_drafts(&self, ended: &mut HashMap<Ino, Timestamp>) -> Vec<Arc<Draft>> {
        let now = Clock.now();
        let empty = self.empty_drafts();
        ended.retain(|ino, _| empty.iter().any(|d| d.ino == *ino));
        empty
            .into_iter()
            .filter(|draft| {
                let (maker, made_at) = {
                    let k = draft.state.lock();
                    (k.maker, k.made_at)
                };
                if now.since(made_at) >= EMPTY_AT_MOST {
                    return true;
                }
                if process::is_alive(maker) {
                    return false;
                }
                let since = *ended.entry(draft.ino).or_insert(now);
                now.since(since) >= self.options.empty_after && !self.has_scratch_of(draft).unwrap_or(true)
            })
            .collect()
    }

    fn empty_drafts(&self) -> Vec<Arc<Draft>> {
        let locals = self.locals.lock();
        locals
            .values()
            .filter(|d| {
                let k = d.state.lock();
                k.size == 0
                    && k.handles == 0
                    && !k.scratch
                    && !k.published
                    && !k.publishing
                    && !k.set_aside
                    && !k.unlinked
                    && k.beside.is_none()
            })
            .cloned()
            .collect()
    }

    /// Returns whether a scratch file (`NAME.part`, …) of the draft's name is in its directory.
    fn has_scratch_of(&self, draft: &Draft) -> FsResult<bool> {
        let row = draft.state.lock().row;
        let Some(entry) = self.catalog.entry_by_row(row)? else { return Ok(false) };
        let siblings = self.catalog.children(entry.parent, 0, SCRATCH_SCAN)?;
        Ok(siblings.iter().any(|s| s.kind == Kind::Scratch && scratch_is_for(&s.name, &entry.name)))
    }

    /// Ends writing: no new drafts, pending deletes carried out, what waits published; for at most `patience`, telling
    /// `progress` how much is left. Returns what stays for the next mount.
    pub async fn drain(self: &Arc<Self>, patience: Duration, progress: &(dyn Fn(usize) + Sync)) -> LeftOver {
        self.draining.store(true, Ordering::Release);
        let telling = async {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                progress(self.left_over().total());
            }
        };
        tokio::select! {
            drained = tokio::time::timeout(patience, self.drain_all()) => {
                if drained.is_err() {
                    tracing::warn!("not everything was published in the time given");
                }
            }
            () = telling => {}
        }
        self.left_over()
    }

    /// Takes writes again, after a drain that did not end in an unmount.
    pub fn resume(&self) {
        self.draining.store(false, Ordering::Release);
    }

    async fn drain_all(self: &Arc<Self>) {
        if self.read_only().is_some() {
            return;
        }
        for draft in self.empty_drafts() {
            self.publish_later(&draft);
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        self.empty_queue().await;
        if let Err(e) = self.delete_unsent(|_| true) {
            tracing::warn!("deleted drafts cannot be dealt with: {e}");
        }
        if let Err(e) = self.deletes.run_due(true).await {
            tracing::warn!("pending deletes cannot be read: {e}");
        }
    }

    /// Counts what a stop leaves behind: acknowledged drafts and pending deletes.
    fn left_over(&self) -> LeftOver {
        let acknowledged =
            |d: &DraftRow| matches!(d.state, DraftState::Saved | DraftState::Publishing | DraftState::Queued);
        let drafts = self.catalog.drafts().map_or(0, |d| d.iter().filter(|d| acknowledged(d)).count());
        LeftOver { drafts, deletes: self.catalog.deletes().map_or(0, |d| d.len()) }
    }

    /// Returns the path of an entry for messages.
    pub(super) fn path_of(&self, parent: Ino, name: &str) -> String {
        self.dir(parent).map_or_else(|_| name.to_owned(), |(_, dir)| join(&dir, name))
    }
}
