//! Deletes that were asked for but not yet carried out (semantics 5.2, 5.3).

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Catalog, CatalogResult, Durability, Shown, entries};
use crate::types::{ETag, Ino, ObjectKey, ProcessId, Timestamp};

/// One delete that the store has not been asked for.
#[derive(Debug, Clone)]
pub struct PendingDelete {
    /// The entry whose name vanished.
    pub row: i64,
    /// The object's key.
    pub key: ObjectKey,
    /// The version that is meant.
    pub etag: ETag,
    /// Where a copy goes first; `None` under the policy `allow`.
    pub trash_key: Option<ObjectKey>,
    /// The copy is made.
    pub copied: bool,
    /// Nothing is deleted: only the name is hidden, and comes back when due.
    pub hidden_only: bool,
    /// Who asked.
    pub maker: ProcessId,
    /// When.
    pub asked_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
}

/// Deletes that this run has carried out: what was seen of the store before says nothing any more. In memory, since no
/// answer that is on its way outlives the run.
const CARRIED_OUT: &str = "CREATE TEMP TABLE carried_out (parent INTEGER, name TEXT, etag TEXT, at INTEGER, PRIMARY KEY (parent, name, etag));";

/// Longer than any answer of a store is on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(3600);

const COLUMNS: &str =
    "row, key, etag, trash_key, copied, maker_tgid, maker_start, asked_at, due_at, hidden_only";

fn from_row(r: &Row<'_>) -> rusqlite::Result<PendingDelete> {
    let key: String = r.get(1)?;
    Ok(PendingDelete {
        row: r.get(0)?,
        key: ObjectKey::new(key.clone()).map_err(|_| rusqlite::Error::InvalidColumnName(key))?,
        etag: ETag::new(&r.get::<_, String>(2)?),
        trash_key: r.get::<_, Option<String>>(3)?.and_then(|k| ObjectKey::new(k).ok()),
        copied: r.get(4)?,
        maker: ProcessId { tgid: r.get(5)?, start: r.get::<_, i64>(6)?.cast_unsigned() },
        asked_at: Timestamp(r.get(7)?),
        due_at: Timestamp(r.get(8)?),
        hidden_only: r.get(9)?,
    })
}

/// Lets `conn`, the one that writes, remember what was carried out.
pub(super) fn remember(conn: &Connection) -> CatalogResult<()> {
    Ok(conn.execute_batch(CARRIED_OUT)?)
}

/// Returns whether what was seen at `at` of an object is hidden by a delete of that version: one that is pending, or one
/// that was carried out since.
pub(super) fn hides(
    c: &Connection,
    parent: Ino,
    name: &str,
    etag: &ETag,
    at: Timestamp,
) -> CatalogResult<bool> {
    Ok(c.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM deletes d JOIN entries e ON e.row = d.row
                        WHERE e.parent = ?1 AND e.name = ?2 AND d.etag = ?3)
             OR EXISTS (SELECT 1 FROM carried_out WHERE parent = ?1 AND name = ?2 AND etag = ?3 AND at >= ?4)",
    )?
    .query_row(params![parent.0.cast_signed(), name, etag.as_str(), at.0], |r| r.get(0))?)
}

impl Catalog {
    /// Records a delete and takes the name away, together.
    ///
    /// # Errors
    /// What SQLite says; so for all methods here.
    pub fn defer_delete(&self, delete: PendingDelete) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            c.prepare_cached(
                "INSERT OR REPLACE INTO deletes (row, key, etag, trash_key, copied, maker_tgid, maker_start, asked_at, due_at,
                                                hidden_only)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                delete.row,
                delete.key.as_str(),
                delete.etag.as_str(),
                delete.trash_key.as_ref().map(ObjectKey::as_str),
                delete.copied,
                delete.maker.tgid,
                delete.maker.start.cast_signed(),
                delete.asked_at.0,
                delete.due_at.0,
                delete.hidden_only
            ])?;
            entries::set_shown(c, delete.row, Shown::Hidden, delete.asked_at)
        })
    }

    /// Returns every pending delete, the one due first in front.
    pub fn deletes(&self) -> CatalogResult<Vec<PendingDelete>> {
        self.read(|c| {
            let mut q = c.prepare_cached(&format!("SELECT {COLUMNS} FROM deletes ORDER BY due_at"))?;
            let rows = q.query_map([], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the pending delete of `key`.
    pub fn delete_of(&self, key: &ObjectKey) -> CatalogResult<Option<PendingDelete>> {
        self.read(|c| {
            Ok(c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM deletes WHERE key = ?1 ORDER BY asked_at DESC LIMIT 1"
            ))?
            .query_row([key.as_str()], from_row)
            .optional()?)
        })
    }

    /// Notes that the copy is in the trash.
    pub fn delete_copied(&self, row: i64, trash_key: &ObjectKey) -> CatalogResult<()> {
        let trash_key = trash_key.clone();
        self.write(Durability::Host, move |c| {
            c.prepare_cached("UPDATE deletes SET copied = 1, trash_key = ?2 WHERE row = ?1")?
                .execute(params![row, trash_key.as_str()])?;
            Ok(())
        })
    }

    /// Forgets a delete; the name stays away.
    pub fn call_off_delete(&self, row: i64) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            c.prepare_cached("DELETE FROM deletes WHERE row = ?1")?.execute([row])?;
            Ok(())
        })
    }

    /// Forgets a delete: carried out (`name_back` false; the row goes too unless it is still open) or called off
    /// (`name_back` true: the object has its name again).
    ///
    /// # Errors
    /// [`super::CatalogError::NameTaken`] where another entry holds the name by now.
    pub fn end_delete(&self, row: i64, name_back: bool, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            if !name_back {
                let forgotten = at.0.saturating_sub(i64::try_from(ON_ITS_WAY.as_nanos()).unwrap_or(i64::MAX));
                c.prepare_cached("DELETE FROM carried_out WHERE at < ?1")?.execute([forgotten])?;
                c.prepare_cached(
                    "INSERT OR REPLACE INTO carried_out SELECT e.parent, e.name, d.etag, ?2
                     FROM deletes d JOIN entries e ON e.row = d.row WHERE d.row = ?1",
                )?
                .execute(params![row, at.0])?;
            }
            c.prepare_cached("DELETE FROM deletes WHERE row = ?1")?.execute([row])?;
            if name_back {
                entries::set_shown(c, row, Shown::Listed, at)
            } else {
                c.prepare_cached("DELETE FROM entries WHERE row = ?1 AND shown = 0")?.execute([row])?;
                Ok(())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ObjectDetail, ObjectFacts};

    fn seen(catalog: &Catalog, at: i64) -> bool {
        let facts = ObjectFacts {
            name: "a".to_owned(),
            size: 1,
            etag: ETag::new("e"),
            mtime: Timestamp(1),
            detail: ObjectDetail::default(),
        };
        catalog.merge_object(Ino::ROOT, "a", Some(facts), Timestamp(at)).unwrap();
        catalog.child(Ino::ROOT, "a").unwrap().is_some_and(|e| e.shown == Shown::Listed)
    }

    #[test]
    fn object_that_was_seen_before_its_delete_was_carried_out_is_not_shown_again() {
        let home = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&home.path().join("catalog.sqlite"), "s3://b").unwrap();
        assert!(seen(&catalog, 10));
        let entry = catalog.child(Ino::ROOT, "a").unwrap().unwrap();
        let delete = PendingDelete {
            row: entry.row,
            key: ObjectKey::new("a").unwrap(),
            etag: ETag::new("e"),
            trash_key: None,
            copied: false,
            hidden_only: false,
            maker: ProcessId { tgid: 1, start: 1 },
            asked_at: Timestamp(20),
            due_at: Timestamp(20),
        };
        catalog.defer_delete(delete).unwrap();
        assert!(!seen(&catalog, 30), "it is pending");
        catalog.end_delete(entry.row, false, Timestamp(40)).unwrap();
        assert!(!seen(&catalog, 30), "seen before, told after");
        assert!(seen(&catalog, 50), "somebody has put it there again");
    }
}
