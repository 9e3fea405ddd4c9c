//! What the file system tells of itself, for `cairnfs status`.

use super::{Filesystem, FsResult};
use crate::catalog::{DraftState, Event};

/// A picture of the moment.
#[derive(Debug, Clone, Default)]
pub struct FsStatus {
    /// Open file handles.
    pub handles: usize,
    /// Drafts that are being written, and empty placeholders.
    pub open: usize,
    /// Drafts that are acknowledged and wait.
    pub saved: usize,
    /// Drafts on their way to the store.
    pub publishing: usize,
    /// Drafts that wait for a store that cannot be reached.
    pub queued: usize,
    /// Drafts set aside as failed.
    pub failed: usize,
    /// Drafts set aside as interrupted.
    pub interrupted: usize,
    /// Scratch files.
    pub scratch: usize,
    /// Deletes that the store has not been asked for yet.
    pub deletes: usize,
    /// Why nothing can be written, if so.
    pub read_only: Option<&'static str>,
    /// Bytes in staging files.
    pub staging_used: u64,
    /// What they may take together, where that is limited.
    pub staging_budget: Option<u64>,
    /// The newest events, newest first.
    pub events: Vec<Event>,
}

impl Filesystem {
    /// Returns the status.
    ///
    /// # Errors
    /// What the catalog says.
    pub fn status(&self) -> FsResult<FsStatus> {
        let drafts = self.catalog.drafts()?;
        let count = |states: &[DraftState]| drafts.iter().filter(|d| states.contains(&d.state)).count();
        Ok(FsStatus {
            handles: self.handles.len(),
            open: count(&[DraftState::Open]),
            saved: count(&[DraftState::Saved]),
            publishing: count(&[DraftState::Publishing]),
            queued: count(&[DraftState::Queued]),
            failed: count(&[DraftState::Failed]),
            interrupted: count(&[DraftState::Interrupted]),
            scratch: count(&[DraftState::Scratch]),
            deletes: self.catalog.deletes()?.len(),
            read_only: self.read_only(),
            staging_used: self.staging.used(),
            staging_budget: self.staging.budget(),
            events: self.catalog.events(20)?,
        })
    }
}
