//! Taking up the drafts that an earlier run left: carries out [`crate::drafts::recovery`]'s plan.

use std::sync::Arc;

use super::{Filesystem, FsResult};
use crate::catalog::{DraftRow, DraftState};
use crate::drafts::recovery::{Found, Recovery, plan};
use crate::types::Clock;

impl Filesystem {
    /// Takes up every draft. What was acknowledged is queued; nothing is waited for.
    ///
    /// # Errors
    /// What the catalog or the staging directory says.
    pub fn recover(self: &Arc<Self>) -> FsResult<()> {
        let records = self.catalog.drafts()?;
        for record in &records {
            let found = std::fs::metadata(self.staging.path(&record.id))
                .map_or(Found::Missing, |m| Found::File(m.len()));
            self.recover_one(record, plan(record, found))?;
        }
        for id in self.staging.list()? {
            if records.iter().any(|r| r.id == id) {
                continue;
            }
            let path = self.staging.path(&id);
            let published = self.catalog.has_object_of(&id)?; // the daemon ended between the publish and the last close
            if published || std::fs::metadata(&path).is_ok_and(|m| m.len() == 0) {
                self.staging.remove(&id);
            } else {
                tracing::warn!(
                    "{}: content that the catalog does not know is left where it is",
                    path.display()
                );
            }
        }
        Ok(())
    }

    fn recover_one(self: &Arc<Self>, record: &DraftRow, what: Recovery) -> FsResult<()> {
        match what {
            Recovery::KeepAside => Ok(()),
            Recovery::Forget => {
                if record.saved_at.is_some() {
                    tracing::error!("{}: the staging file of an acknowledged draft is gone", record.wanted);
                    self.catalog.event(Clock.now(), "lost", &record.wanted, "its staging file is gone");
                }
                self.catalog.remove_draft(&record.id, Clock.now())?;
                self.staging.remove(&record.id);
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
                tracing::info!("{}: taken up from an earlier run", self.path_of(entry.parent, &entry.name));
                self.enqueue(&draft, Clock.now());
                Ok(())
            }
        }
    }
}
