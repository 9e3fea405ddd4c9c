//! Making the next files of a walk ready: what their readers ask for first is fetched, and the store asked for versions that
//! the listing is too old to tell.

use super::walk::Next;
use super::{Filesystem, FsResult};
use crate::catalog::{Entry, Kind, Shown};
use crate::read::ObjectReader;
use crate::types::{Clock, Ino};

/// Of a file that is likely to be read to its end so much is fetched: once its reader has come so far, he has a window of his
/// own.
const LEAD: u64 = 4 << 20;

impl Filesystem {
    /// Takes note that the object `entry` is being opened, and begins to make those ready that are likely to be opened next.
    /// Called inside the runtime.
    pub(super) fn walk_on(&self, entry: &Entry) {
        let Some(next) = self.walks.lock().opened(entry.parent, entry.row) else { return };
        for (entry, lead) in self.look_ahead(entry.parent, next) {
            let Some(fs) = self.me.upgrade() else { return };
            tokio::spawn(async move {
                if let Err(e) = fs.make_ready(&entry, lead).await {
                    tracing::debug!("'{}' is not made ready: {e}", entry.name);
                }
            });
        }
    }

    /// Returns the objects that are to be made ready, and how many bytes of each.
    fn look_ahead(&self, dir: Ino, next: Next) -> Vec<(Entry, u64)> {
        let files = u32::try_from(next.files).unwrap_or(u32::MAX);
        let entries = self.catalog.children(dir, next.after, files).unwrap_or_else(|e| {
            tracing::debug!("what comes next cannot be told: {e}");
            Vec::new()
        });
        let (mut until, mut bytes, mut ready) = (next.after, next.bytes, Vec::new());
        for entry in entries {
            if entry.kind == Kind::Object && entry.shown == Shown::Listed && entry.size > 0 {
                let lead = entry.size.min(if next.to_end { LEAD } else { ObjectReader::FIRST });
                let Some(rest) = bytes.checked_sub(lead) else { break };
                (bytes, until) = (rest, entry.row);
                ready.push((entry, lead));
            } else {
                until = entry.row;
            }
        }
        let rows: Vec<_> = ready.iter().map(|(entry, lead)| (entry.row, *lead)).collect();
        let from = self.walks.lock().looked(dir, &rows, until);
        ready.retain(|(entry, _)| entry.row > from);
        ready
    }

    /// Fetches the first `lead` bytes of the object `entry`, or asks for its version where it is cached and that is due. What
    /// comes of it shows when it is opened.
    async fn make_ready(&self, entry: &Entry, lead: u64) -> FsResult<()> {
        let (dir, path) = self.dir(entry.parent)?;
        let version = Self::version_in(&path, entry)?;
        if self.reader.has_some_of(&version) {
            return self.confirm_version(entry, &dir, &path).await;
        }
        let asked_at = Clock.now();
        let wanted = || self.walks.lock().is_ahead(entry.parent, entry.row);
        if self.open_version(entry, version)?.fetch_lead(lead, wanted).await {
            self.walks.lock().confirmed(entry.parent, entry.row, asked_at);
        }
        Ok(())
    }
}
