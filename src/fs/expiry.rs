//! Scratch files that nobody uses any more (semantics 6.3): litter and locks are deleted, work is kept aside.
//!
//! # When a file was last used
//! The modification time of its staging file says it: the host sets it at every write, and every open and last close
//! sets it, too. So it survives a restart, and costs the catalog nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Filesystem, FsResult, join};
use crate::catalog::{DraftRow, DraftState, Entry, Shown};
use crate::drafts::draft::Draft;
use crate::layout::{FilePlacement, ScratchKind};
use crate::types::{Clock, Timestamp};

/// The least and the most that lies between two looks; in between it is a tenth of `scratch_ttl`.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

impl Filesystem {
    /// Looks after scratch files for ever.
    pub(super) async fn expire_scratch(&self) {
        let (least, most) = LOOK_EVERY;
        let mut tick = tokio::time::interval((self.options.scratch_ttl / 10).clamp(least, most));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if self.writable().is_err() {
                continue; // what is there waits for a mount that may write
            }
            if let Err(e) = self.expire_unused(Clock.now()).await {
                tracing::warn!("unused scratch files could not be looked for: {e}");
            }
        }
    }

    /// Notes that a scratch file is being used.
    pub(super) fn note_use(draft: &Draft) {
        if !draft.state.lock().scratch {
            return;
        }
        let noted = draft.file().and_then(|file| file.set_modified(SystemTime::from(Clock.now())));
        if let Err(e) = noted {
            tracing::debug!("the use of a scratch file could not be noted: {e}");
        }
    }

    async fn expire_unused(&self, now: Timestamp) -> FsResult<()> {
        for record in self.catalog.drafts()? {
            if record.state != DraftState::Scratch || !self.is_unused(&record, now) {
                continue;
            }
            let listed = self.catalog.entry_by_row(record.row)?.filter(|e| e.shown == Shown::Listed);
            let Some(entry) = listed else { continue };
            let Some(draft) = self.local(entry.ino)? else { continue };
            if let Err(e) = self.expire_one(&entry, &draft, now).await {
                tracing::warn!("{}: unused, and could not be put aside: {e}", record.wanted);
            }
        }
        Ok(())
    }

    fn is_unused(&self, record: &DraftRow, now: Timestamp) -> bool {
        let used = std::fs::metadata(self.staging.path(&record.id)).and_then(|m| m.modified());
        used.is_ok_and(|at| now.since(Timestamp::from(at)) >= self.options.scratch_ttl)
    }

    async fn expire_one(&self, entry: &Entry, draft: &Arc<Draft>, now: Timestamp) -> FsResult<()> {
        let (_, dir) = self.dir(entry.parent)?;
        let path = join(&dir, &entry.name);
        let worthless = match self.layout.place_file(&path) {
            FilePlacement::Scratch { kind: ScratchKind::Litter | ScratchKind::Lock, .. } => true,
            // what the rules call otherwise by now may be somebody's work as well
            _ => draft.state.lock().size == 0,
        };
        if !worthless {
            // what is kept is kept for good: its bytes must be on the disk
            self.sync_content(draft).await?;
        }
        let _names = self.namespace.lock();
        let (id, moved) = {
            let known = draft.state.lock();
            let gone = known.unlinked || known.set_aside || known.published || !known.scratch;
            (known.id.clone(), gone || known.handles > 0)
        };
        let record = self.catalog.draft_of(entry.row)?;
        let still = record.is_some_and(|r| r.id == id && self.is_unused(&r, now));
        let there = self.catalog.child(entry.parent, &entry.name)?.is_some_and(|e| e.row == entry.row);
        if moved || !still || !there {
            return Ok(());
        }
        if worthless {
            self.unlink_local(draft)?;
            tracing::info!("{path}: unused for long, and of no worth to anybody: deleted");
        } else {
            let days = self.options.scratch_ttl.as_secs() / 86_400;
            let reason =
                if days > 0 { format!("unused for {days} days") } else { "unused for long".to_owned() };
            self.set_aside(draft, DraftState::Interrupted, &reason)?;
            self.locals.lock().remove(&draft.ino);
        }
        self.notices.entry_changed(entry.parent, &entry.name);
        Ok(())
    }
}
