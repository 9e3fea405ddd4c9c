//! Making the catalog anew from what the bucket holds.

use rusqlite::{Connection, params};

use super::entries::{by_name, insert, sql};
use super::objects::merge_one;
use super::{Catalog, CatalogResult, Durability, Kind, Merged, NewEntry, ObjectFacts, Shown};
use crate::types::{Ino, Timestamp};

impl Catalog {
    /// Replaces everything that is known of objects by `objects` (path of the directory, facts), in one step. Drafts,
    /// scratch files, directories that users made and pending deletes stay: they are known nowhere else. Returns how many
    /// objects and how many drafts the catalog holds then.
    ///
    /// # Errors
    /// What SQLite says; then nothing has changed.
    pub fn replace_objects(
        &self,
        objects: Vec<(String, ObjectFacts)>,
        at: Timestamp,
    ) -> CatalogResult<(u64, u64)> {
        self.write(Durability::Host, move |c| {
            c.execute("DELETE FROM entries WHERE kind = 2 AND row NOT IN (SELECT row FROM deletes)", [])?;
            remove_empty_dirs(c)?;
            c.execute("UPDATE entries SET listed_at = NULL", [])?;
            for (dir, facts) in &objects {
                let parent = ensure_path(c, dir, at)?;
                merge_one(c, parent, facts, at, &mut Merged::default())?;
            }
            let count = |kind: Kind| {
                c.query_row(
                    "SELECT count(*) FROM entries WHERE kind = ?1 AND shown <> 0",
                    [kind.code()],
                    |r| r.get::<_, i64>(0),
                )
            };
            Ok((count(Kind::Object)?.max(0).cast_unsigned(), count(Kind::Draft)?.max(0).cast_unsigned()))
        })
    }
}

/// Removes directories that nobody made and that hold nothing, from the leaves up.
fn remove_empty_dirs(c: &Connection) -> CatalogResult<()> {
    let mut delete = c.prepare(
        "DELETE FROM entries WHERE kind = 1 AND row <> 1 AND coalesce(made, 0) = 0
         AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.parent = entries.ino)",
    )?;
    while delete.execute([])? > 0 {}
    Ok(())
}

fn ensure_path(c: &Connection, path: &str, at: Timestamp) -> CatalogResult<Ino> {
    let (mut dir, mut so_far) = (Ino::ROOT, String::new());
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        if !so_far.is_empty() {
            so_far.push('/');
        }
        so_far.push_str(segment);
        let existing = by_name(c, dir, segment)?;
        if let Some(file) = existing.as_ref().filter(|e| e.kind == Kind::Object) {
            // Where a key and keys below it both exist, the directory is shown (1.5).
            c.execute("DELETE FROM entries WHERE row = ?1", params![file.row])?;
        }
        dir = match existing.filter(|e| e.kind != Kind::Object) {
            Some(entry) => entry.ino,
            None => {
                let new = NewEntry {
                    parent: dir,
                    name: segment.to_owned(),
                    kind: Kind::Dir,
                    shown: Shown::Listed,
                    path: Some(so_far.clone()),
                    made: false,
                    size: 0,
                    mtime: at,
                    owner: None,
                };
                let entry = insert(c, &new)?;
                c.execute("UPDATE entries SET touched_at = 0 WHERE ino = ?1", [sql(entry.ino)])?;
                entry.ino
            }
        };
    }
    Ok(dir)
}
