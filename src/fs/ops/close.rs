//! The end of writing: flush and release.

use std::sync::Arc;

use crate::drafts::draft::Draft;
use crate::drafts::state::{CloseAction, CloseFacts, on_flush, on_release};
use crate::fs::handle::Handle;
use crate::fs::process::{self, Holds};
use crate::fs::{Caller, Filesystem, FsError, FsResult};
use crate::types::{Ino, ProcessId};

impl Filesystem {
    /// A descriptor of a handle is being closed; there may be others. Waits for the publish where this was the last.
    ///
    /// # Errors
    /// What the store, the disk or an earlier write says: `close` reports it.
    pub async fn flush(self: &Arc<Self>, caller: Caller, ino: Ino, fh: u64) -> FsResult<()> {
        let handle = self.handle(ino, fh).await?;
        let Handle::Draft { draft, writable: true, opener } = &*handle else { return Ok(()) };
        if !self.has_news(draft) {
            return Ok(());
        }
        let closer = process::of_thread(caller.tid);
        if let Some(closer) = closer
            && process::killed(closer)
            && (closer == *opener || draft.state.lock().writers.contains(&closer))
        {
            draft.state.lock().killed = true;
        }
        let by_opener = closer == Some(*opener);
        let last = by_opener && self.nobody_holds(draft).await;
        let facts = close_facts(draft, by_opener, last);
        match on_flush(facts) {
            CloseAction::Nothing => Ok(()),
            CloseAction::Save => self.save(draft).await,
            CloseAction::Publish => self.publish_and_wait(draft, self.options.close_wait).await,
            CloseAction::Interrupt(reason) => {
                self.interrupt(draft, reason).await?;
                if facts.killed { Ok(()) } else { Err(FsError::Io(reason.to_owned())) }
            }
        }
    }

    fn has_news(&self, draft: &Draft) -> bool {
        let known = draft.state.lock();
        known.changed && !known.published && !known.set_aside && !known.unlinked
    }

    /// Returns whether no process that opened the draft for writing, nor a child of one, can still write to it.
    async fn nobody_holds(&self, draft: &Arc<Draft>) -> bool {
        let (mut openers, beside_ino): (Vec<ProcessId>, _) = {
            let k = draft.state.lock();
            (k.writers.clone(), k.beside_ino)
        };
        openers.sort_unstable_by_key(|p| (p.tgid, p.start));
        openers.dedup();
        // The kernel shows whichever of the two it was last told.
        let inos: Vec<Ino> = std::iter::once(draft.ino).chain(beside_ino).collect();
        let device = self.device().to_owned();
        // Reading /proc/<pid>/maps takes that process's memory lock: never on a thread that serves its page faults.
        tokio::task::spawn_blocking(move || {
            openers.iter().all(|p| process::holds(*p, &inos, &device) == Holds::No)
        })
        .await
        .unwrap_or(false)
    }

    /// The last descriptor of a handle is gone.
    pub async fn release(&self, fh: u64) {
        let Some(handle) = self.handles.remove(fh) else { return };
        let Handle::Draft { draft, writable, opener } = &*handle else { return };
        let last = {
            let mut known = draft.state.lock();
            known.handles = known.handles.saturating_sub(1);
            if *writable && let Some(at) = known.writers.iter().position(|w| w == opener) {
                known.writers.swap_remove(at);
            }
            known.handles == 0
        };
        if last {
            self.released(draft).await;
        }
    }

    /// Nobody has the draft open any more.
    async fn released(&self, draft: &Arc<Draft>) {
        let (published, unlinked, set_aside, publishing, beside) = {
            let k = draft.state.lock();
            (k.published, k.unlinked, k.set_aside, k.publishing, k.beside.is_some())
        };
        let done = if published {
            self.put_away_published(draft);
            Ok(())
        } else if unlinked {
            self.forget_local(draft)
        } else if publishing {
            Ok(()) // it is put away when it is an object, or set aside
        } else if set_aside {
            self.locals.lock().remove(&draft.ino);
            Ok(())
        } else {
            match on_release(close_facts(draft, true, true)) {
                CloseAction::Nothing if beside => self.forget_local(draft),
                CloseAction::Nothing => Ok(()),
                CloseAction::Save => self.save(draft).await,
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

fn close_facts(draft: &Draft, by_opener: bool, last: bool) -> CloseFacts {
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
    }
}
