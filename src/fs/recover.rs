//! Taking up the drafts that an earlier run left: carries out [`crate::drafts::recovery`]'s plan.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Filesystem, FsResult};
use crate::catalog::{DraftRow, DraftState};
use crate::drafts::recovery::{Found, Recovery, plan};
use crate::types::{Clock, DraftId};

impl Filesystem {
    /// Takes up every draft. What was acknowledged is queued; nothing is waited for.
    ///
    /// # Errors
    /// What the catalog or the staging directory says.
    pub fn recover(self: &Arc<Self>) -> FsResult<()> {
        let records = self.catalog.drafts()?;
        let mut queued = 0;
        for record in &records {
            let path = self.staging.path(&record.id);
            let found = match std::fs::metadata(&path) {
                Ok(file) => Found::File(file.len()),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Found::Missing,
                Err(e) => {
                    tracing::error!("{}: left where it is: {}: {e}", record.wanted, path.display());
                    continue;
                }
            };
            let what = plan(record, found);
            queued += usize::from(what == Recovery::Queue);
            self.recover_one(record, what)?;
        }
        if queued > 0 {
            tracing::info!("files of an earlier run that wait to be published: {queued}");
        }
        self.look_for_all_overwritten()
    }

    /// Removes the staging files that an earlier run left of drafts which have ended: published, dropped or deleted. One
    /// that the catalog knows nothing of may hold what was acknowledged, and stays. Called before anybody can make new ones.
    pub(super) fn sweep_staging(&self) -> FsResult<()> {
        let known: HashSet<DraftId> = self.catalog.drafts()?.into_iter().map(|r| r.id).collect();
        let settled: HashSet<DraftId> = self.catalog.settled()?.into_iter().collect();
        for id in self.staging.list()? {
            if known.contains(&id) {
                continue;
            }
            let path = self.staging.path(&id);
            let ended = settled.contains(&id) || self.catalog.has_object_of(&id)?;
            if ended || std::fs::metadata(&path).is_ok_and(|m| m.len() == 0) {
                self.staging.remove(&id);
            } else {
                tracing::warn!(
                    "{}: content that the catalog does not know is left where it is",
                    path.display()
                );
            }
        }
        self.forget_settled()
    }

    /// Forgets drafts that have ended once their staging files are gone.
    pub(super) fn forget_settled(&self) -> FsResult<()> {
        let mut gone = self.catalog.settled()?;
        gone.retain(|id| !self.staging.path(id).exists());
        if !gone.is_empty() {
            self.catalog.forget_settled(gone)?;
        }
        Ok(())
    }

    fn recover_one(self: &Arc<Self>, record: &DraftRow, what: Recovery) -> FsResult<()> {
        match what {
            Recovery::KeepAside => Ok(()),
            Recovery::Lost => {
                tracing::error!("{}: the staging file of an acknowledged draft is gone", record.wanted);
                self.catalog.event(Clock.now(), "lost", &record.wanted, "its staging file is gone");
                self.forget(record)
            }
            Recovery::Forget => self.forget(record),
            Recovery::Drop => {
                if let Some(entry) = self.catalog.entry_by_row(record.row)? {
                    self.drop_unused(entry.ino);
                }
                Ok(())
            }
            Recovery::Interrupt => {
                let reason = "the daemon ended while it was being written";
                self.catalog.event(
                    Clock.now(),
                    "interrupted",
                    &record.wanted,
                    &format!("{reason}; kept as draft {}", record.id),
                );
                Ok(self.catalog.set_draft_state(
                    &record.id,
                    DraftState::Interrupted,
                    Some(reason),
                    true,
                    Clock.now(),
                )?)
            }
            Recovery::Resume => {
                if let Some(entry) = self.catalog.entry_by_row(record.row)? {
                    self.local(entry.ino)?;
                }
                Ok(())
            }
            // A store that cannot be written safely must not be written by what an earlier run left either.
            Recovery::Queue if self.read_only().is_some() => Ok(()),
            Recovery::Queue => {
                let Some(entry) = self.catalog.entry_by_row(record.row)? else { return Ok(()) };
                let Some(draft) = self.local(entry.ino)? else { return Ok(()) };
                tracing::debug!("{}: taken up from an earlier run", self.path_of(entry.parent, &entry.name));
                self.enqueue(&draft, Clock.now());
                Ok(())
            }
        }
    }

    fn forget(&self, record: &DraftRow) -> FsResult<()> {
        self.catalog.call_off_delete(record.row)?; // of which nothing is left to delete
        self.catalog.remove_draft(&record.id, Clock.now())?;
        self.staging.remove(&record.id);
        Ok(())
    }
}
