//! Events: what an admin should know, kept in order.

use rusqlite::params;

use super::{Catalog, CatalogResult, Durability};
use crate::types::Timestamp;

/// How many events are kept; the oldest go first.
const KEPT: i64 = 10_000;

/// Something worth telling: a refusal, a failure, a put-back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// One word for the kind (`refused`, `failed`, `interrupted`, `put-back`, …).
    pub kind: String,
    /// The path that it is about.
    pub path: String,
    /// One line for a person.
    pub detail: String,
}

impl Catalog {
    /// Records an event. A failure to record is logged and otherwise ignored: it must not fail what it tells of.
    pub fn event(&self, at: Timestamp, kind: &str, path: &str, detail: &str) {
        let (kind, path, detail) = (kind.to_owned(), path.to_owned(), detail.to_owned());
        let kept = self.write(Durability::Process, move |c| {
            c.prepare_cached("INSERT INTO events (at, kind, path, detail) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![at.0, kind, path, detail])?;
            c.prepare_cached("DELETE FROM events WHERE id <= ?1")?.execute([c.last_insert_rowid() - KEPT])?;
            Ok(())
        });
        if let Err(e) = kept {
            tracing::warn!("an event could not be recorded: {e}");
        }
    }

    /// Returns the newest `limit` events, newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn events(&self, limit: u32) -> CatalogResult<Vec<Event>> {
        self.read(|c| {
            let mut q =
                c.prepare_cached("SELECT at, kind, path, detail FROM events ORDER BY id DESC LIMIT ?1")?;
            let rows = q.query_map([limit], |r| {
                Ok(Event { at: Timestamp(r.get(0)?), kind: r.get(1)?, path: r.get(2)?, detail: r.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
