//! Objects: what listings, HEAD answers and our own publishes teach about them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::entries::{self, COLUMNS, by_name, by_row, from_row, insert, sql, sql_size};
use super::{Catalog, CatalogResult, Durability, Entry, Kind, NewEntry, Shown, deletes};
use crate::types::{DraftId, ETag, Ino, ObjectKey, Sha256Hex, Timestamp};

/// What a store told about one version of an object, and what the layout says of its path.
#[derive(Debug, Clone)]
pub struct ObjectFacts {
    /// The last segment of the key.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// The version.
    pub etag: ETag,
    /// Modification time to show.
    pub mtime: Timestamp,
    /// The rest, as far as it is known.
    pub detail: ObjectDetail,
}

/// What is known of an object beyond stat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectDetail {
    /// Name of the domain; empty for older data that fits none.
    pub domain: String,
    /// A title that somebody set.
    pub title: Option<String>,
    /// Extension in lower case without the dot, empty where there is none.
    pub file_type: String,
    /// SHA-256 of the content.
    pub sha256: Option<Sha256Hex>,
    /// MIME type.
    pub content_type: Option<String>,
    /// The template's fields as JSON.
    pub fields: Option<String>,
    /// When this mount published it.
    pub published_at: Option<Timestamp>,
    /// Key of the object beside which it was written.
    pub supersedes: Option<ObjectKey>,
    /// The draft that became it.
    pub draft_id: Option<DraftId>,
}

/// What a merge changed.
#[derive(Debug, Default)]
pub struct Merged {
    /// Names that vanished or became another version.
    pub changed: Vec<String>,
    /// Names that appeared.
    pub appeared: Vec<String>,
    /// Inode numbers of versions that lost their name.
    pub gone: Vec<Ino>,
}

/// One line of the view `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Full key.
    pub s3_key: String,
    /// Domain name.
    pub domain: String,
    /// Extension.
    pub file_type: String,
    /// Bytes.
    pub file_size: u64,
    /// SHA-256 in hex, empty while unknown.
    pub content_hash: String,
    /// MIME type, empty while unknown.
    pub content_type: String,
    /// The key beside which this object was written; empty for most.
    pub supersedes: String,
}

impl Catalog {
    /// Takes in what the store told about one object of `parent`, asked at `at`; `None` says that there is none of this name.
    /// A name that a draft or scratch file holds is left alone, and so is one whose delete is pending, or of which more is
    /// known since.
    ///
    /// # Errors
    /// What SQLite says; so for all methods here.
    pub fn merge_object(
        &self,
        parent: Ino,
        name: &str,
        facts: Option<ObjectFacts>,
        at: Timestamp,
    ) -> CatalogResult<Merged> {
        let name = name.to_owned();
        self.write(Durability::Process, move |c| {
            let mut merged = Merged::default();
            let before = by_name(c, parent, &name)?;
            let etag = facts.as_ref().map(|facts| &facts.etag);
            if before.as_ref().is_some_and(|e| known_since(e, at) && e.etag.as_ref() != etag) {
                return Ok(merged);
            }
            match (facts, before) {
                (Some(facts), before) => merge_known(c, parent, before, &facts, at, &mut merged)?,
                (None, Some(old)) if old.kind == Kind::Object => retire(c, &old, at, &mut merged)?,
                (None, _) => {}
            }
            Ok(merged)
        })
    }

    /// Takes in a complete listing of `parent` that began at `began`: `objects` and `dirs` (name, path). Names that are
    /// not in it are removed, but for directories that users made and what this mount has changed, or seen, since it began.
    pub fn merge_listing(
        &self,
        parent: Ino,
        began: Timestamp,
        objects: Vec<ObjectFacts>,
        dirs: Vec<(String, String)>,
        fixed: Vec<String>,
    ) -> CatalogResult<Merged> {
        self.write(Durability::Process, move |c| {
            let mut merged = Merged::default();
            let mut known: HashMap<String, Entry> = c
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM entries WHERE parent = ?1 AND shown <> 0 AND row <> 1"
                ))?
                .query_map([sql(parent)], |r| from_row(r).map(|e| (e.name.clone(), e)))?
                .collect::<Result<_, _>>()?;
            for (name, path) in dirs {
                match known.remove(&name) {
                    Some(e) if e.kind == Kind::Dir => {}
                    Some(e) if e.kind == Kind::Object => {
                        retire(c, &e, began, &mut merged)?;
                        add_dir(c, parent, &name, &path, began)?;
                    }
                    Some(_) => {}
                    None => {
                        add_dir(c, parent, &name, &path, began)?;
                        merged.appeared.push(name);
                    }
                }
            }
            for facts in &objects {
                let before = known.remove(&facts.name);
                if !before.as_ref().is_some_and(|e| known_since(e, began)) {
                    merge_known(c, parent, before, facts, began, &mut merged)?;
                }
            }
            for (name, left) in known {
                let keep = left.kind.is_local()
                    || known_since(&left, began)
                    || (left.kind == Kind::Dir
                        && (left.made || fixed.contains(&name) || holds_local(c, left.ino)?));
                if !keep {
                    retire(c, &left, began, &mut merged)?;
                }
            }
            // What a first listing finds is not new; what a later one finds is.
            c.prepare_cached(
                "UPDATE entries SET listed_at = ?2,
                        mtime = CASE WHEN ?3 AND listed_at IS NOT NULL THEN max(mtime, ?2) ELSE mtime END
                 WHERE ino = ?1",
            )?
            .execute(params![
                sql(parent),
                began.0,
                !(merged.changed.is_empty() && merged.appeared.is_empty())
            ])?;
            Ok(merged)
        })
    }

    /// Returns what is known of the object in `row`.
    pub fn object_detail(&self, row: i64) -> CatalogResult<Option<ObjectDetail>> {
        self.read(|c| detail(c, row))
    }

    /// Returns whether a draft has become an object that is still known.
    pub fn has_object_of(&self, id: &DraftId) -> CatalogResult<bool> {
        self.read(|c| {
            Ok(c.prepare_cached("SELECT EXISTS (SELECT 1 FROM objects WHERE draft_id = ?1)")?
                .query_row([id.as_str()], |r| r.get(0))?)
        })
    }

    /// Keeps a title for the file in `row`; that of a draft is the object's that it becomes.
    pub fn set_title(&self, row: i64, title: &str) -> CatalogResult<()> {
        let title = title.to_owned();
        self.write(Durability::Process, move |c| {
            c.prepare_cached(
                "INSERT INTO objects (row, domain, file_type, title) VALUES (?1, '', '', ?2)
                 ON CONFLICT (row) DO UPDATE SET title = excluded.title",
            )?
            .execute(params![row, title])?;
            Ok(())
        })
    }

    /// Returns the rows of the view `files` in the catalog file at `path`, by key, without changing it: it may be in use.
    pub fn read_files(path: &std::path::Path) -> CatalogResult<Vec<FileRow>> {
        let conn = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        let mut q = conn.prepare(
            "SELECT s3_key, domain, file_type, file_size, content_hash, content_type, supersedes FROM files ORDER BY s3_key",
        )?;
        let rows = q.query_map([], |r| {
            Ok(FileRow {
                s3_key: r.get(0)?,
                domain: r.get(1)?,
                file_type: r.get(2)?,
                file_size: r.get::<_, i64>(3)?.max(0).cast_unsigned(),
                content_hash: r.get::<_, Option<String>>(4)?.unwrap_or_default(),
                content_type: r.get::<_, Option<String>>(5)?.unwrap_or_default(),
                supersedes: r.get::<_, Option<String>>(6)?.unwrap_or_default(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes rows of objects that lost their name and wait for nothing, neither for a delete nor for a scratch file that
    /// covers them: called at start, when nothing is open.
    pub fn sweep_hidden_objects(&self) -> CatalogResult<usize> {
        self.write(Durability::Process, |c| {
            Ok(c.execute(
                "DELETE FROM entries WHERE kind = 2 AND shown = 0 AND row NOT IN (SELECT row FROM deletes)
                 AND NOT EXISTS (SELECT 1 FROM entries s JOIN drafts d ON d.row = s.row
                                 WHERE s.parent = entries.parent AND s.name = entries.name AND s.kind = 4
                                 AND d.base_etag = entries.etag)",
                [],
            )?)
        })
    }
}

fn detail(c: &Connection, row: i64) -> CatalogResult<Option<ObjectDetail>> {
    Ok(c.prepare_cached(
        "SELECT domain, title, file_type, content_hash, content_type, fields, published_at, supersedes, draft_id
         FROM objects WHERE row = ?1",
    )?
    .query_row([row], |r| {
        let text = |i: usize| r.get::<_, Option<String>>(i);
        Ok(ObjectDetail {
            domain: r.get(0)?,
            title: text(1)?,
            file_type: r.get(2)?,
            sha256: text(3)?.and_then(|t| Sha256Hex::parse(&t)),
            content_type: text(4)?,
            fields: text(5)?,
            published_at: r.get::<_, Option<i64>>(6)?.map(Timestamp),
            supersedes: text(7)?.and_then(|k| ObjectKey::new(k).ok()),
            draft_id: text(8)?.and_then(|d| DraftId::parse(&d)),
        })
    })
    .optional()?)
}

pub(super) fn merge_one(
    c: &Connection,
    parent: Ino,
    facts: &ObjectFacts,
    at: Timestamp,
    merged: &mut Merged,
) -> CatalogResult<()> {
    let before = by_name(c, parent, &facts.name)?;
    merge_known(c, parent, before, facts, at, merged)
}

/// Returns whether an entry was changed here, or asked for by its name, since `at`.
fn known_since(e: &Entry, at: Timestamp) -> bool {
    e.touched_at >= at || e.seen_at.is_some_and(|seen_at| seen_at >= at)
}

fn merge_known(
    c: &Connection,
    parent: Ino,
    before: Option<Entry>,
    facts: &ObjectFacts,
    at: Timestamp,
    merged: &mut Merged,
) -> CatalogResult<()> {
    match before {
        Some(e) if e.kind != Kind::Object => Ok(()),
        Some(e) if e.etag.as_ref() == Some(&facts.etag) => {
            // A listing does not know the time that a writer set: it is learned with the rest, once.
            c.prepare_cached(
                "UPDATE entries SET seen_at = ?2, mtime = CASE
                     WHEN ?4 AND touched_at = 0 AND (SELECT content_type FROM objects WHERE row = ?1) IS NULL
                     THEN ?3 ELSE mtime END
                 WHERE row = ?1",
            )?
            .execute(params![
                e.row,
                at.0,
                facts.mtime.0,
                facts.detail.content_type.is_some()
            ])?;
            learn(c, e.row, &facts.detail)
        }
        Some(e) => {
            retire(c, &e, at, merged)?;
            add_object(c, parent, facts, at).map(|_| ())
        }
        None if deletes::hides(c, parent, &facts.name, &facts.etag, at)? => Ok(()),
        None => {
            add_object(c, parent, facts, at)?;
            merged.appeared.push(facts.name.clone());
            Ok(())
        }
    }
}

/// Adds what is newly known of an unchanged version; never forgets.
fn learn(c: &Connection, row: i64, d: &ObjectDetail) -> CatalogResult<()> {
    if d.sha256.is_none() && d.content_type.is_none() {
        return Ok(());
    }
    c.prepare_cached(
        "UPDATE objects SET content_hash = coalesce(content_hash, ?2), content_type = coalesce(?3, content_type),
                supersedes = coalesce(supersedes, ?4), draft_id = coalesce(draft_id, ?5) WHERE row = ?1",
    )?
    .execute(params![
        row,
        d.sha256.map(|h| h.to_string()),
        d.content_type,
        d.supersedes.as_ref().map(ObjectKey::as_str),
        d.draft_id.as_ref().map(DraftId::as_str)
    ])?;
    Ok(())
}

fn add_dir(c: &Connection, parent: Ino, name: &str, path: &str, at: Timestamp) -> CatalogResult<Entry> {
    let entry = insert(
        c,
        &NewEntry {
            parent,
            name: name.to_owned(),
            kind: Kind::Dir,
            shown: Shown::Listed,
            path: Some(path.to_owned()),
            made: false,
            size: 0,
            mtime: at,
            owner: None,
        },
    )?;
    // Learned from the store, not changed here: the next listing may remove it.
    c.prepare_cached("UPDATE entries SET touched_at = 0 WHERE row = ?1")?.execute([entry.row])?;
    Ok(entry)
}

fn add_object(c: &Connection, parent: Ino, facts: &ObjectFacts, at: Timestamp) -> CatalogResult<Entry> {
    let entry = insert(
        c,
        &NewEntry {
            parent,
            name: facts.name.clone(),
            kind: Kind::Object,
            shown: Shown::Listed,
            path: None,
            made: false,
            size: facts.size,
            mtime: facts.mtime,
            owner: None,
        },
    )?;
    c.prepare_cached("UPDATE entries SET touched_at = 0, etag = ?2, seen_at = ?3 WHERE row = ?1")?
        .execute(params![entry.row, facts.etag.as_str(), at.0])?;
    put_detail(c, entry.row, &facts.detail)?;
    Ok(entry)
}

pub(super) fn put_detail(c: &Connection, row: i64, d: &ObjectDetail) -> CatalogResult<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO objects (row, domain, title, file_type, content_hash, content_type, fields, published_at,
                                         supersedes, draft_id)
         VALUES (?1, ?2, coalesce(?3, (SELECT title FROM objects WHERE row = ?1)), ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        row,
        d.domain,
        d.title,
        d.file_type,
        d.sha256.map(|h| h.to_string()),
        d.content_type,
        d.fields,
        d.published_at.map(|t| t.0),
        d.supersedes.as_ref().map(ObjectKey::as_str),
        d.draft_id.as_ref().map(DraftId::as_str)
    ])?;
    Ok(())
}

/// Takes the name from an entry that the store no longer has. Objects stay as hidden rows (they may be open);
/// directories go with what is below them.
fn retire(c: &Connection, e: &Entry, at: Timestamp, merged: &mut Merged) -> CatalogResult<()> {
    merged.changed.push(e.name.clone());
    merged.gone.push(e.ino);
    entries::set_shown(c, e.row, Shown::Hidden, at)?;
    if e.kind == Kind::Dir {
        let below: Vec<Entry> = c
            .prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE parent = ?1 AND shown <> 0"))?
            .query_map([sql(e.ino)], from_row)?
            .collect::<Result<_, _>>()?;
        let mut inner = Merged::default();
        for child in below {
            retire(c, &child, at, &mut inner)?;
        }
        merged.gone.append(&mut inner.gone);
        c.prepare_cached("DELETE FROM entries WHERE row = ?1")?.execute([e.row])?;
    }
    Ok(())
}

/// Returns whether a directory holds anything, at any depth, that only this host knows.
fn holds_local(c: &Connection, dir: Ino) -> CatalogResult<bool> {
    Ok(c.prepare_cached(
        "WITH RECURSIVE below (ino, kind, made) AS (
             SELECT ino, kind, made FROM entries WHERE parent = ?1 AND shown <> 0
             UNION ALL
             SELECT e.ino, e.kind, e.made FROM entries e JOIN below b ON e.parent = b.ino AND b.kind = 1
             WHERE e.shown <> 0)
         SELECT EXISTS (SELECT 1 FROM below WHERE kind IN (3, 4) OR made = 1)",
    )?
    .query_row([sql(dir)], |r| r.get(0))?)
}

/// Turns the entry of a draft into the object that it became.
pub(super) fn become_object(
    c: &Connection,
    row: i64,
    facts: &ObjectFacts,
    at: Timestamp,
) -> CatalogResult<Entry> {
    c.prepare_cached(
        "UPDATE entries SET kind = 2, size = ?2, mtime = ?3, etag = ?4, seen_at = ?5, touched_at = ?5 WHERE row = ?1",
    )?
    .execute(params![row, sql_size(facts.size), facts.mtime.0, facts.etag.as_str(), at.0])?;
    put_detail(c, row, &facts.detail)?;
    by_row(c, row)?.ok_or(super::CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_answer_does_not_undo_what_is_known_since_it_was_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&home.path().join("catalog.sqlite"), "s3://b").unwrap();
        let merge = |etag: Option<&str>, at| {
            let facts = etag.map(|etag| ObjectFacts {
                name: "a".to_owned(),
                size: 1,
                etag: ETag::new(etag),
                mtime: Timestamp(1),
                detail: ObjectDetail::default(),
            });
            catalog.merge_object(Ino::ROOT, "a", facts, Timestamp(at)).unwrap();
            let entry = catalog.child(Ino::ROOT, "a").unwrap().filter(|e| e.shown == Shown::Listed);
            entry.and_then(|e| e.etag).map(|etag| etag.as_str().to_owned())
        };
        assert_eq!(merge(Some("new"), 20).as_deref(), Some("new"));
        assert_eq!(merge(Some("old"), 10).as_deref(), Some("new"));
        assert_eq!(merge(None, 10).as_deref(), Some("new"));
        assert_eq!(merge(Some("newer"), 30).as_deref(), Some("newer"));
        assert_eq!(merge(None, 40), None);
    }
}
