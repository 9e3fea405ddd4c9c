//! The node swap: how a writer that has no path (Samba, `/proc/self/fd`) gets a draft instead of the object.
//!
//! Such an open cannot be sent to walk the path again: it comes back at once with the same inode, which is how it is
//! recognised. So the inode changes its meaning under the opener: it becomes the draft's, and the object moves to an
//! inode of its own. Nobody else may hold the inode at that moment, or two contents would share its pages.

use std::sync::Arc;

use super::ops::{Mode, Opened};
use super::{Caller, Filesystem, FsError, FsResult, process_of};
use crate::catalog::Entry;
use crate::drafts::draft::Draft;
use crate::drafts::known::Known;
use crate::types::{Clock, Ino};

impl Filesystem {
    /// Gives the inode of the object `entry` to the closed draft `draft` beside it, and opens it.
    ///
    /// # Errors
    /// [`FsError::InUse`] where somebody keeps the object open.
    pub(super) async fn swap_node(
        &self,
        caller: Caller,
        entry: &Entry,
        draft: Ino,
        mode: Mode,
    ) -> FsResult<Opened> {
        let swapped =
            if self.opens.closed_soon(entry.row).await { self.exchange(caller, entry, draft)? } else { None };
        let Some(draft) = swapped else {
            self.drop_unused(draft);
            let path = self.path_of(entry.parent, &entry.name);
            tracing::info!("{path}: opened for writing without its name while somebody has it open: in use");
            return Err(FsError::InUse);
        };
        self.notices.entry_changed_told(entry.parent, &entry.name).await;
        let opened = self.attach(&draft, caller, mode, false).inspect_err(|_| {
            self.drop_unused(draft.ino);
            if draft.state.lock().saved {
                self.enqueue(&draft, Clock.now()); // it waits under another inode now
            }
        })?;
        if mode.truncate
            && let Err(e) = self.truncate_at_open(&draft, caller).await
        {
            self.release(opened.fh).await; // the kernel knows of no handle
            return Err(e);
        }
        Ok(opened)
    }

    /// Exchanges the inode numbers. Returns the draft under its new number, or `None` where somebody opened the object in
    /// the last moment, or the draft is in use after all.
    fn exchange(&self, caller: Caller, entry: &Entry, draft: Ino) -> FsResult<Option<Arc<Draft>>> {
        let _names = self.namespace.lock();
        let Some(old) = self.local(draft)? else { return Ok(None) };
        let (row, used) = {
            let known = old.state.lock();
            let used = known.changed || known.swapped;
            if in_use(&known) || (used && known.scratch) {
                return Ok(None);
            }
            (known.row, used)
        };
        // A draft that was used before (3.6) has left pages under its number, which must not become the object's.
        let spare = if used { Some(self.spare_beside(caller, entry)?) } else { None };
        let swaps = match &spare {
            Some(spare) => {
                let spare = spare.state.lock().row;
                vec![(entry.row, spare), (row, spare)]
            }
            None => vec![(entry.row, row)],
        };
        for (a, b) in &swaps {
            self.catalog.swap_inos(*a, *b)?;
        }
        let taken = if self.opens.is_open(entry.row) { None } else { take_over(&old, row) };
        if taken.is_none() {
            for (a, b) in swaps.iter().rev() {
                self.catalog.swap_inos(*a, *b)?;
            }
        }
        if let Some(spare) = spare {
            self.forget_local(&spare)?;
        }
        let Some(known) = taken else { return Ok(None) };
        let new = Arc::new(Draft::new(entry.ino, Arc::clone(&self.staging), None, known));
        let mut locals = self.locals.lock();
        locals.remove(&draft);
        locals.insert(entry.ino, Arc::clone(&new));
        Ok(Some(new))
    }

    /// Makes a draft beside an object for its inode number, which nobody knows.
    fn spare_beside(&self, caller: Caller, entry: &Entry) -> FsResult<Arc<Draft>> {
        let (_, dir) = self.dir(entry.parent)?;
        self.beside_draft(caller, entry, &dir)
    }

    /// Returns whether a draft has taken over its inode for another process than the caller's.
    pub(super) fn swapped_for_another(&self, draft: &Draft, caller: Caller) -> bool {
        let (swapped, maker) = {
            let known = draft.state.lock();
            (known.swapped && !known.published, known.maker)
        };
        swapped && maker != process_of(caller)
    }
}

/// Returns whether a draft is open, or on its way to the store.
const fn in_use(known: &Known) -> bool {
    known.handles > 0 || known.publishing || known.published || known.set_aside || known.unlinked
}

/// Takes what is known of a draft for its new inode number; the old one is nobody's any more. `None` where it came into use
/// meanwhile.
fn take_over(old: &Draft, row: i64) -> Option<Known> {
    let mut state = old.state.lock();
    if in_use(&state) {
        return None;
    }
    let stays = Known::new(state.id.clone(), row, state.maker, state.owner, state.made_at);
    let mut known = std::mem::replace(&mut *state, stays);
    state.set_aside = true;
    known.swapped = !known.scratch; // a scratch file is anybody's
    known.beside_ino = None;
    Some(known)
}
