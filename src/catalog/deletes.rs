//! Deletes that were asked for but not yet carried out (semantics 5.2, 5.3).

use rusqlite::{OptionalExtension, Row, params};

use super::{Catalog, CatalogResult, Durability, Shown, entries};
use crate::types::{ETag, ObjectKey, ProcessId, Timestamp};

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
