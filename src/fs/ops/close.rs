//! The end of writing: flush and release.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::catalog::Shown;
use crate::drafts::draft::Draft;
use crate::drafts::state::{CloseAction, CloseFacts, on_flush, on_release};
use crate::fs::handle::Handle;
use crate::fs::process::{self, Holds};
use crate::fs::{Caller, Filesystem, FsError, FsResult};
use crate::types::{Clock, Ino, ProcessId};

/// The longest look into `/proc`: the kernel makes it wait for a process in `execve`, which may be waiting for us.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

impl Filesystem {
    /// A descriptor of a handle is being closed; there may be others. Waits for the publish where this was the last.
    ///
    /// # Errors
    /// What the store, the disk or an earlier write says: `close` reports it.
    pub async fn flush(self: &Arc<Self>, caller: Caller, ino: Ino, fh: u64) -> FsResult<()> {
        let handle = self.handle(ino, fh).await?;
        let Handle::Draft { draft, writable: true, opener, hand } = &*handle else { return Ok(()) };
        if self.is_settled(draft) {
            return Ok(());
        }
        if self.is_deleted(draft)? {
            return self.save(draft).await;
        }
        let (closer, killed) = self.look_at_closer(caller, draft, *opener).await;
        {
            let mut k = draft.state.lock();
            if hand.load(Ordering::Relaxed) {
                k.note_close(); // another leaves a size set by name as it is (`touch`)
            }
            if killed {
                // Who neither made nor changed it takes nothing from what others have finished; and a scratch file is there
                // for others to go on with.
                k.killed |= !k.scratch && closer.is_some_and(|closer| k.hands.contains(&closer));
            } else if closer.is_some_and(|closer| k.hands.contains(&closer)) {
                k.killed = false;
            }
        }
        let by_opener = closer == Some(*opener);
        let news = {
            let k = draft.state.lock();
            k.changed || k.killed || k.write_error
        };
        let last = news && by_opener && self.nobody_holds(draft).await;
        let facts = close_facts(draft, by_opener, last);
        match on_flush(facts) {
            CloseAction::Nothing | CloseAction::Wait => Ok(()),
            CloseAction::Save => self.save(draft).await,
            CloseAction::Publish => {
                self.finish(draft, self.options.close_wait).await?;
                self.notices.announced().await;
                Ok(())
            }
            CloseAction::Interrupt(reason) => {
                self.interrupt(draft, reason).await?;
                if facts.killed { Ok(()) } else { Err(FsError::Io(reason.to_owned())) }
            }
        }
    }

    /// Returns who closes, and whether a signal has killed it; nobody where that decides nothing. A process that closes because
    /// it is in the middle of `execve` cannot be looked at until its close is answered, and must not wait for that: nobody is
    /// known, and RELEASE decides.
    async fn look_at_closer(
        &self,
        caller: Caller,
        draft: &Draft,
        opener: ProcessId,
    ) -> (Option<ProcessId>, bool) {
        let hands = draft.state.lock().hands.clone();
        let look = tokio::task::spawn_blocking(move || {
            let decides = |tgid| hands.iter().chain([&opener]).any(|p| p.tgid == tgid);
            let seen = process::glance(caller.tid).filter(|seen| decides(seen.tgid) && !seen.in_execve);
            let closer = seen.and_then(|seen| process::of_number(seen.tgid));
            (closer, closer.is_some_and(process::killed))
        });
        match tokio::time::timeout(LONGEST_LOOK, look).await {
            Ok(Ok(found)) => found,
            _ => (None, false),
        }
    }

    /// Returns whether an earlier close, or an unlink, has decided what becomes of the draft.
    fn is_settled(&self, draft: &Draft) -> bool {
        let known = draft.state.lock();
        known.published || known.set_aside || known.unlinked
    }

    /// Returns whether another process has deleted the draft as saved content (3.4): it is not published any more, and what
    /// becomes of it is decided when the delete is due.
    pub(super) fn is_deleted(&self, draft: &Draft) -> FsResult<bool> {
        let row = draft.state.lock().row;
        Ok(self.catalog.entry_by_row(row)?.is_some_and(|entry| entry.shown == Shown::Hidden))
    }

    /// Returns whether the caller's process can be seen to have a descriptor of the draft with which it can write.
    pub(super) async fn writes_itself(&self, draft: &Arc<Draft>, caller: Caller) -> bool {
        let (inos, device) = (shown_inos(draft), self.device().to_owned());
        let look = tokio::task::spawn_blocking(move || process::writes_itself(caller.tid, &inos, &device));
        matches!(tokio::time::timeout(LONGEST_LOOK, look).await, Ok(Ok(true)))
    }

    /// Returns whether no process that opened the draft for writing, nor a child of one, can still write to it.
    pub(super) async fn nobody_holds(&self, draft: &Arc<Draft>) -> bool {
        let mut openers: Vec<ProcessId> = draft.state.lock().writers.clone();
        openers.sort_unstable_by_key(|p| (p.tgid, p.start));
        openers.dedup();
        let inos = shown_inos(draft);
        let device = self.device().to_owned();
        // Reading /proc/<pid>/maps takes that process's memory lock: never on a thread that serves its page faults.
        let look = tokio::task::spawn_blocking(move || {
            openers.iter().all(|p| process::holds(*p, &inos, &device) == Holds::No)
        });
        matches!(tokio::time::timeout(LONGEST_LOOK, look).await, Ok(Ok(true)))
    }

    /// The last descriptor of a handle is gone.
    pub async fn release(&self, fh: u64) {
        let Some(handle) = self.handles.remove(fh) else { return };
        let (draft, writable, opener) = match &*handle {
            Handle::Draft { draft, writable, opener, .. } => (draft, writable, opener),
            Handle::Object { object, dir, .. } => {
                if let Some(to_end) = object.was_read_to_end() {
                    self.walks.lock().read(*dir, to_end);
                }
                object.bring_the_rest();
                return;
            }
        };
        Self::note_use(draft); // before it counts as closed
        let (last, last_writer) = {
            let mut known = draft.state.lock();
            known.handles = known.handles.saturating_sub(1);
            if *writable {
                known.note_end(*opener);
            }
            (known.handles == 0, *writable && known.writers.is_empty())
        };
        if last || last_writer {
            self.released(draft, last, last_writer).await;
        }
        draft.rest();
    }

    /// Nobody has the draft open any more (`last`), or nobody for writing (`last_writer`): the end of a reader decides nothing.
    async fn released(&self, draft: &Arc<Draft>, last: bool, last_writer: bool) {
        let (published, unlinked, set_aside, publishing, beside, queued) = {
            let k = draft.state.lock();
            let queued = k.queued && !k.unsaved;
            (k.published, k.unlinked, k.set_aside, k.publishing, k.beside.is_some(), queued)
        };
        let decided = published || unlinked || publishing || set_aside;
        let done = if decided && !last {
            Ok(())
        } else if published {
            self.put_away_published(draft).await;
            Ok(())
        } else if unlinked {
            self.forget_local(draft)
        } else if publishing {
            Ok(()) // it is put away when it is an object, or set aside
        } else if set_aside {
            self.locals.lock().remove(&draft.ino);
            Ok(())
        } else if self.is_deleted(draft).unwrap_or(false) {
            Ok(())
        } else {
            match on_release(close_facts(draft, true, true)) {
                CloseAction::Nothing if beside && last => self.forget_beside(draft),
                CloseAction::Nothing | CloseAction::Wait => Ok(()),
                _ if !last_writer => Ok(()),
                CloseAction::Save => self.save(draft).await,
                CloseAction::Publish if !self.options.publish_after.is_zero() => {
                    self.publish_after_a_while(draft).await
                }
                CloseAction::Publish if queued => {
                    self.enqueue(draft, Clock.now()); // again, where somebody had it open for writing
                    Ok(())
                }
                CloseAction::Publish => {
                    self.publish_later(draft);
                    Ok(())
                }
                CloseAction::Interrupt(reason) => self.interrupt(draft, reason).await,
            }
        };
        if let Err(e) = done {
            tracing::error!("a closed draft could not be put away: {e}");
        }
    }
}

/// The inode numbers of a draft that `/proc` may show: the kernel shows whichever of the two it was last told.
fn shown_inos(draft: &Draft) -> Vec<Ino> {
    std::iter::once(draft.ino).chain(draft.state.lock().beside_ino).collect()
}

pub(super) fn close_facts(draft: &Draft, by_opener: bool, last: bool) -> CloseFacts {
    let k = draft.state.lock();
    CloseFacts {
        scratch: k.scratch,
        changed: k.changed,
        wrote: k.wrote,
        size: k.size,
        beside: k.beside.is_some(),
        by_opener,
        last,
        killed: k.killed,
        write_error: k.write_error,
        unfilled: k.unfilled(),
        sized_since_close: k.sized_since_close(),
    }
}
