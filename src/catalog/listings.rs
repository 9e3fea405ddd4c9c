//! Which listings have changed: every directory has a number that grows with each change of a name in it.
//!
//! Triggers of the one connection that writes tell of names, so that no change is forgotten, wherever it is made. They are
//! temporary: nothing of them is in the file.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::error::CatalogResult;
use crate::types::Ino;

/// So many directories have a number of their own; then all get a new one.
const MOST: usize = 100_000;

const TRIGGERS: &str = "
CREATE TEMP TRIGGER name_added AFTER INSERT ON entries BEGIN SELECT listing_changed(NEW.parent); END;
CREATE TEMP TRIGGER name_removed AFTER DELETE ON entries BEGIN SELECT listing_changed(OLD.parent); END;
CREATE TEMP TRIGGER name_changed AFTER UPDATE OF ino, parent, name, kind, shown ON entries
BEGIN SELECT listing_changed(OLD.parent), listing_changed(NEW.parent); END;
";

/// See the module documentation.
#[derive(Debug, Clone, Default)]
pub(super) struct Listings(Arc<Mutex<Versions>>);

#[derive(Debug, Default)]
struct Versions {
    newest: u64,
    /// Of directories that are not in `of`.
    others: u64,
    of: HashMap<i64, u64>,
    /// Changed in the transaction that is under way.
    pending: Vec<i64>,
}

impl Listings {
    /// Watches what `conn` writes.
    pub(super) fn watch(conn: &Connection) -> CatalogResult<Self> {
        let listings = Self::default();
        let hear = listings.clone();
        conn.create_scalar_function("listing_changed", 1, FunctionFlags::SQLITE_UTF8, move |call| {
            let parent = call.get::<i64>(0)?;
            hear.0.lock().pending.push(parent);
            Ok(0)
        })?;
        conn.execute_batch(TRIGGERS)?;
        Ok(listings)
    }

    /// Gives new numbers to what was changed. To be called when readers can see it, and before anybody is told of it:
    /// who has a number from before may have read either, and who has a new one has read the change.
    pub(super) fn committed(&self) {
        let mut versions = self.0.lock();
        let pending = std::mem::take(&mut versions.pending);
        if pending.is_empty() {
            return;
        }
        versions.newest += 1;
        let now = versions.newest;
        versions.of.extend(pending.into_iter().map(|dir| (dir, now)));
        if versions.of.len() > MOST {
            versions.of.clear();
            versions.others = now;
        }
    }

    /// Returns the number of the listing of `dir`.
    pub(super) fn version(&self, dir: Ino) -> u64 {
        let versions = self.0.lock();
        versions.of.get(&dir.0.cast_signed()).copied().unwrap_or(versions.others)
    }
}
