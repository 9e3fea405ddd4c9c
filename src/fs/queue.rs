//! Carrying out the queue of acknowledged drafts ([`crate::drafts::queue`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::publish::Attempt;
use super::{Filesystem, FsResult};
use crate::catalog::{DraftState, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::queue::{Next, Waiting};
use crate::store::StoreError;
use crate::types::{Clock, Timestamp};

impl Filesystem {
    /// Puts an acknowledged draft in the queue, to be published at `due_at` or later.
    pub(super) fn enqueue(&self, draft: &Draft, due_at: Timestamp) {
        let (row, closed_at) = {
            let k = draft.state.lock();
            (k.row, k.closed_at)
        };
        let wanted = match self.catalog.draft_of(row) {
            Ok(Some(record)) => record.wanted,
            Ok(None) => return,
            Err(e) => {
                tracing::error!("a draft cannot be queued before the next mount: {e}");
                return;
            }
        };
        if let Ok(Some(entry)) = self.catalog.entry_by_row(row) {
            let path = self.path_of(entry.parent, &entry.name);
            if path != wanted {
                self.announce(&path);
            }
        }
        {
            let mut queue = self.queue.lock();
            // Looked at under the lock: a drain that has hurried those who waited has said before that it drains, and
            // nobody hurries who comes later (the RELEASE of a file that its FLUSH has put here already).
            let draining = self.draining.load(Ordering::Acquire);
            let due_at = if draining { Clock.now() } else { due_at };
            queue.add(Waiting { row, ino: draft.ino, wanted, closed_at, due_at });
        }
        self.queue_changed.notify_one();
    }

    /// Acknowledges a draft that the store did not take since it cannot be reached, and queues it.
    pub(super) async fn queue_unreachable(&self, draft: &Arc<Draft>, why: &StoreError) -> FsResult<()> {
        self.save(draft).await?;
        let (id, row, news) = {
            let mut k = draft.state.lock();
            (k.id.clone(), k.row, !std::mem::replace(&mut k.queued, true))
        };
        self.catalog.set_draft_state(&id, DraftState::Queued, Some(&why.to_string()), false, Clock.now())?;
        if news && let Some(entry) = self.catalog.entry_by_row(row)? {
            tracing::warn!(
                "{}: queued until the store answers: {why}",
                self.path_of(entry.parent, &entry.name)
            );
        }
        self.enqueue(draft, Clock.now());
        Ok(())
    }

    /// Publishes what waits, for ever; the caller ends it by dropping the future.
    pub async fn work_queue(self: Arc<Self>) {
        loop {
            let next = self.queue.lock().next(Clock.now());
            match next {
                Next::Publish(waiting) => {
                    let fs = Arc::clone(&self);
                    self.tasks.spawn(async move { fs.publish_waiting(waiting).await });
                }
                Next::At(at) => {
                    let pause = at.since(Clock.now()).max(Duration::from_millis(1));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.queue_changed.notified() => {}
                    }
                }
                Next::Later => self.queue_changed.notified().await,
            }
        }
    }

    async fn publish_waiting(&self, waiting: Waiting) {
        match self.publish_one(&waiting).await {
            Ok(Attempt::Unreachable(e)) => {
                let asked = !matches!(e, StoreError::Down(_));
                self.queue.lock().failed(waiting, Clock.now(), asked);
            }
            Ok(Attempt::Done) => self.queue.lock().done(&waiting),
            Err(e) => {
                tracing::warn!("{}: left the queue: {e}", waiting.wanted);
                self.queue.lock().done(&waiting);
            }
        }
        self.queue_changed.notify_one();
        self.queue_moved.notify_waiters();
    }

    async fn publish_one(&self, waiting: &Waiting) -> FsResult<Attempt> {
        let Some(draft) = self.local(waiting.ino)? else { return Ok(Attempt::Done) };
        let busy = {
            let k = draft.state.lock();
            let settled = k.published || k.set_aside || k.unlinked;
            // At the end of the mount nobody changes any more what has been acknowledged: the RELEASE may be on its way.
            let written = !k.writers.is_empty() && (k.unsaved || !self.draining.load(Ordering::Acquire));
            k.row != waiting.row || settled || k.scratch || written
        };
        // Who writes to it again publishes it, or queues it, at the last close; who gave it a scratch name, by a rename.
        let listed = self.catalog.entry_by_row(waiting.row)?.is_some_and(|e| e.shown != Shown::Hidden);
        if busy || !listed {
            return Ok(Attempt::Done);
        }
        let attempt = self.attempt(&draft).await?;
        if let Attempt::Unreachable(e) = &attempt {
            let (id, news) = {
                let mut k = draft.state.lock();
                (k.id.clone(), !std::mem::replace(&mut k.queued, true))
            };
            if news {
                tracing::warn!("{}: queued until the store answers: {e}", waiting.wanted);
            }
            let reason = e.to_string();
            self.catalog.set_draft_state(&id, DraftState::Queued, Some(&reason), false, Clock.now())?;
        }
        Ok(attempt)
    }

    /// Waits until the queue is empty, hurrying those whose time has not come; who comes later is not late
    /// ([`Self::enqueue`]).
    pub(super) async fn empty_queue(&self) {
        self.queue.lock().hurry(Clock.now());
        loop {
            let moved = self.queue_moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable(); // before the look, so that a change after it is not missed
            {
                let mut queue = self.queue.lock();
                if queue.is_empty() {
                    return;
                }
                queue.shorten_pause(Clock.now());
            }
            self.queue_changed.notify_one();
            moved.await;
        }
    }
}
