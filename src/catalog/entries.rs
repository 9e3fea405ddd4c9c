//! Names in directories: look-ups, listings, making, moving and hiding entries.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Catalog, CatalogError, CatalogResult, Durability};
use crate::types::{ETag, Ino, Timestamp};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// An immutable object of the bucket.
    Object,
    /// Content written here that is meant for the bucket.
    Draft,
    /// A temporary name that never reaches the bucket.
    Scratch,
}

impl Kind {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Dir => 1,
            Self::Object => 2,
            Self::Draft => 3,
            Self::Scratch => 4,
        }
    }

    const fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Dir,
            2 => Self::Object,
            3 => Self::Draft,
            _ => Self::Scratch,
        }
    }

    /// Returns whether the content is a staging file on this host.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Draft | Self::Scratch)
    }
}

/// Whether an entry holds its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It has no name any more: unlinked while open, waiting for its delete, or out of the directory.
    Hidden,
    /// It is listed and found by its name.
    Listed,
    /// The name is taken but neither listed nor found.
    Reserved,
}

impl Shown {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Hidden => 0,
            Self::Listed => 1,
            Self::Reserved => 2,
        }
    }

    const fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Listed,
            2 => Self::Reserved,
            _ => Self::Hidden,
        }
    }
}

/// One row of the inode table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Identity of the row; the readdir cookie.
    pub row: i64,
    /// Inode number.
    pub ino: Ino,
    /// Inode number of the directory (the root is its own parent).
    pub parent: Ino,
    /// Name in that directory; empty for the root.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it holds its name.
    pub shown: Shown,
    /// Directories: path from the root of the mount.
    pub path: Option<String>,
    /// Directories: made by a user, stays while empty.
    pub made: bool,
    /// Directories: begin of the newest complete listing.
    pub listed_at: Option<Timestamp>,
    /// Files: size in bytes (drafts: at the last save).
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Objects: the version.
    pub etag: Option<ETag>,
    /// Objects: when the store last confirmed this version.
    pub seen_at: Option<Timestamp>,
    /// When this mount last changed the entry.
    pub touched_at: Timestamp,
    /// Owner, where it is not the configured one.
    pub uid: Option<u32>,
    /// Group, where it is not the configured one.
    pub gid: Option<u32>,
}

/// An entry to be made.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Directory.
    pub parent: Ino,
    /// Name in it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it is listed at once.
    pub shown: Shown,
    /// Directories: the path.
    pub path: Option<String>,
    /// Directories: made by a user.
    pub made: bool,
    /// Files: size in bytes.
    pub size: u64,
    /// Modification time, also noted as the moment of our change.
    pub mtime: Timestamp,
    /// Owner and group, where they are the maker's.
    pub owner: Option<(u32, u32)>,
}

pub(super) const COLUMNS: &str = "row, ino, parent, name, kind, shown, path, made, listed_at, size, mtime, etag, seen_at, \
                       touched_at, uid, gid";

pub(super) fn from_row(r: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        row: r.get(0)?,
        ino: Ino(r.get::<_, i64>(1)?.cast_unsigned()),
        parent: Ino(r.get::<_, i64>(2)?.cast_unsigned()),
        name: r.get(3)?,
        kind: Kind::from_code(r.get(4)?),
        shown: Shown::from_code(r.get(5)?),
        path: r.get(6)?,
        made: r.get::<_, Option<i64>>(7)?.unwrap_or(0) != 0,
        listed_at: r.get::<_, Option<i64>>(8)?.map(Timestamp),
        size: r.get::<_, Option<i64>>(9)?.unwrap_or(0).max(0).cast_unsigned(),
        mtime: Timestamp(r.get::<_, Option<i64>>(10)?.unwrap_or(0)),
        etag: r.get::<_, Option<String>>(11)?.map(|t| ETag::new(&t)),
        seen_at: r.get::<_, Option<i64>>(12)?.map(Timestamp),
        touched_at: Timestamp(r.get(13)?),
        uid: r.get(14)?,
        gid: r.get(15)?,
    })
}

/// SQLite stores signed 64-bit numbers.
pub(super) const fn sql(ino: Ino) -> i64 {
    ino.0.cast_signed()
}

pub(super) fn sql_size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn ensure_root(conn: &Connection) -> CatalogResult<()> {
    conn.execute(
        "INSERT OR IGNORE INTO entries (row, ino, parent, name, kind, shown, path, made, mtime)
         VALUES (1, 1, 1, '', 1, 1, '', 1, 0)",
        [],
    )?;
    Ok(())
}

pub(super) fn by_row(conn: &Connection, row: i64) -> CatalogResult<Option<Entry>> {
    Ok(conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE row = ?1"))?
        .query_row([row], from_row)
        .optional()?)
}

pub(super) fn by_name(conn: &Connection, parent: Ino, name: &str) -> CatalogResult<Option<Entry>> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entries WHERE parent = ?1 AND name = ?2 AND shown <> 0"
        ))?
        .query_row(params![sql(parent), name], from_row)
        .optional()?)
}

/// Inserts `new` and returns it. The inode number is the row's.
pub(super) fn insert(conn: &Connection, new: &NewEntry) -> CatalogResult<Entry> {
    let (uid, gid) = new.owner.unzip();
    let taken = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => CatalogError::NameTaken,
        _ => CatalogError::Sqlite(e),
    };
    conn.prepare_cached(
        "INSERT INTO entries (ino, parent, name, kind, shown, path, made, size, mtime, touched_at, uid, gid)
         VALUES (-abs(random()), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10)",
    )?
    .execute(params![
        sql(new.parent),
        new.name,
        new.kind.code(),
        new.shown.code(),
        new.path,
        new.made,
        sql_size(new.size),
        new.mtime.0,
        uid,
        gid
    ])
    .map_err(taken)?;
    let row = conn.last_insert_rowid();
    conn.prepare_cached("UPDATE entries SET ino = row WHERE row = ?1")?.execute([row])?;
    by_row(conn, row)?.ok_or(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))
}

impl Catalog {
    /// Returns the entry with inode number `ino`, shown or not.
    ///
    /// # Errors
    /// What SQLite says; so for all methods here.
    pub fn entry(&self, ino: Ino) -> CatalogResult<Option<Entry>> {
        self.read(|c| {
            Ok(c.prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE ino = ?1"))?
                .query_row([sql(ino)], from_row)
                .optional()?)
        })
    }

    /// Returns the entry with row identity `row`, shown or not.
    pub fn entry_by_row(&self, row: i64) -> CatalogResult<Option<Entry>> {
        self.read(|c| by_row(c, row))
    }

    /// Returns the entry that holds `name` in `parent`, listed or reserved.
    pub fn child(&self, parent: Ino, name: &str) -> CatalogResult<Option<Entry>> {
        self.read(|c| by_name(c, parent, name))
    }

    /// Returns up to `limit` listed entries of `parent` whose row is above `after`, in row order.
    pub fn children(&self, parent: Ino, after: i64, limit: u32) -> CatalogResult<Vec<Entry>> {
        self.read(|c| {
            let mut q = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entries WHERE parent = ?1 AND shown = 1 AND row > ?2 AND row <> 1
                 ORDER BY row LIMIT ?3"
            ))?;
            let rows = q.query_map(params![sql(parent), after, limit], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the listed objects of `parent` whose names begin with `start`.
    pub fn objects_starting(&self, parent: Ino, start: &str) -> CatalogResult<Vec<Entry>> {
        self.read(|c| {
            let mut q = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entries
                 WHERE parent = ?1 AND name >= ?2 AND name < ?2 || char(0x10FFFF) AND shown = 1 AND kind = 2"
            ))?;
            let rows = q.query_map(params![sql(parent), start], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns whether anything is listed or reserved in `parent`.
    pub fn has_children(&self, parent: Ino) -> CatalogResult<bool> {
        self.read(|c| {
            Ok(c.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM entries WHERE parent = ?1 AND shown <> 0 AND row <> 1)",
            )?
            .query_row([sql(parent)], |r| r.get(0))?)
        })
    }

    /// Makes an entry.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the name is held.
    pub fn insert(&self, new: NewEntry) -> CatalogResult<Entry> {
        self.write(Durability::Process, move |c| {
            let entry = insert(c, &new)?;
            names_changed(c, entry.row, new.mtime)?;
            Ok(entry)
        })
    }

    /// Returns the directory `name` in `parent`, made now if it is missing.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the name is held by a file.
    pub fn ensure_dir(&self, parent: Ino, name: &str, path: &str, at: Timestamp) -> CatalogResult<Entry> {
        let new = NewEntry {
            parent,
            name: name.to_owned(),
            kind: Kind::Dir,
            shown: Shown::Listed,
            path: Some(path.to_owned()),
            made: false,
            size: 0,
            mtime: at,
            owner: None,
        };
        self.write(Durability::Process, move |c| match by_name(c, new.parent, &new.name)? {
            Some(entry) if entry.kind == Kind::Dir => Ok(entry),
            Some(_) => Err(CatalogError::NameTaken),
            None => insert(c, &new),
        })
    }

    /// Sets whether the entry holds its name.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where another entry holds the name by now.
    pub fn set_shown(&self, row: i64, shown: Shown, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| set_shown(c, row, shown, at))
    }

    /// Moves an entry to another name; `kind` where it changes on the way (scratch to draft and back).
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the new name is held.
    pub fn rename(&self, row: i64, parent: Ino, name: &str, kind: Kind, at: Timestamp) -> CatalogResult<()> {
        let name = name.to_owned();
        self.write(Durability::Process, move |c| rename(c, row, parent, &name, kind, at))
    }

    /// Moves a directory and rewrites the paths of all directories below it.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the new name is held.
    pub fn rename_dir(
        &self,
        dir: &Entry,
        parent: Ino,
        name: &str,
        path: &str,
        at: Timestamp,
    ) -> CatalogResult<()> {
        let (row, old) = (dir.row, dir.path.clone().unwrap_or_default());
        let (name, path) = (name.to_owned(), path.to_owned());
        self.write(Durability::Process, move |c| {
            rename(c, row, parent, &name, Kind::Dir, at)?;
            let old_len = i64::try_from(old.chars().count()).unwrap_or(0);
            c.prepare_cached(
                "UPDATE entries SET path = ?1 || substr(path, ?2 + 1)
                 WHERE kind = 1 AND (path = ?3 OR substr(path, 1, ?2 + 1) = ?3 || '/')",
            )?
            .execute(params![path, old_len, old])?;
            Ok(())
        })
    }

    /// Removes a row that has nothing else attached to it (a directory, a hidden object).
    pub fn remove(&self, row: i64) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            c.prepare_cached("DELETE FROM entries WHERE row = ?1")?.execute([row])?;
            Ok(())
        })
    }

    /// Removes an empty directory; hidden objects that are still open below it lose their directory.
    pub fn remove_dir(&self, row: i64, ino: Ino, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            names_changed(c, row, at)?;
            c.prepare_cached(
                "DELETE FROM entries WHERE parent = ?1 AND shown = 0 AND kind = 2 AND row NOT IN (SELECT row FROM deletes)",
            )?
            .execute([sql(ino)])?;
            c.prepare_cached("DELETE FROM entries WHERE row = ?1")?.execute([row])?;
            Ok(())
        })
    }

    /// Exchanges the inode numbers of two entries.
    pub fn swap_inos(&self, a: i64, b: i64) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            let ino = |row: i64| {
                c.query_row("SELECT ino FROM entries WHERE row = ?1", [row], |r| r.get::<_, i64>(0))
            };
            let (ino_a, ino_b) = (ino(a)?, ino(b)?);
            let set = "UPDATE entries SET ino = ?2 WHERE row = ?1";
            c.execute(set, params![a, i64::MIN])?;
            c.execute(set, params![b, ino_a])?;
            c.execute(set, params![a, ino_b])?;
            Ok(())
        })
    }

    /// Keeps the size and modification time of a file.
    pub fn set_attr(&self, row: i64, size: u64, mtime: Timestamp, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            c.prepare_cached("UPDATE entries SET size = ?2, mtime = ?3, touched_at = ?4 WHERE row = ?1")?
                .execute(params![row, sql_size(size), mtime.0, at.0])?;
            Ok(())
        })
    }

    /// Keeps size and modification time of a draft, and waits until they, and its name, are on the disk.
    pub fn sync_entry(&self, row: i64, size: u64, mtime: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Host, move |c| {
            c.prepare_cached("UPDATE entries SET size = ?2, mtime = ?3 WHERE row = ?1")?.execute(params![
                row,
                sql_size(size),
                mtime.0
            ])?;
            Ok(())
        })
    }

    /// Notes that a directory was made by a user, or is to stay although it is empty.
    pub fn set_made(&self, row: i64, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            c.prepare_cached("UPDATE entries SET made = 1, touched_at = ?2 WHERE row = ?1")?
                .execute(params![row, at.0])?;
            Ok(())
        })
    }

    /// Returns the path of `dir` (relative, no slash at either end), or `None` if it is no directory.
    pub fn dir_path(&self, dir: Ino) -> CatalogResult<Option<String>> {
        self.read(|c| {
            let path: Option<Option<String>> = c
                .prepare_cached("SELECT path FROM entries WHERE ino = ?1 AND kind = 1")?
                .query_row([sql(dir)], |r| r.get(0))
                .optional()?;
            Ok(path.flatten())
        })
    }

    /// Returns the directory with exactly this path.
    pub fn dir_by_path(&self, path: &str) -> CatalogResult<Option<Entry>> {
        let mut dir = self.entry(Ino::ROOT)?;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            let Some(parent) = dir else { return Ok(None) };
            dir = self.child(parent.ino, segment)?.filter(|e| e.kind == Kind::Dir);
        }
        Ok(dir)
    }
}

/// Gives the directory of `row` a new modification time: a name in it comes, goes or changes.
pub(super) fn names_changed(c: &Connection, row: i64, at: Timestamp) -> CatalogResult<()> {
    c.prepare_cached(
        "UPDATE entries SET mtime = max(mtime, ?2)
         WHERE kind = 1 AND ino = (SELECT parent FROM entries WHERE row = ?1 AND shown = 1)",
    )?
    .execute(params![row, at.0])?;
    Ok(())
}

pub(super) fn set_shown(c: &Connection, row: i64, shown: Shown, at: Timestamp) -> CatalogResult<()> {
    names_changed(c, row, at)?;
    unique(
        c.prepare_cached("UPDATE entries SET shown = ?2, touched_at = ?3 WHERE row = ?1")?.execute(params![
            row,
            shown.code(),
            at.0
        ]),
    )?;
    names_changed(c, row, at)
}

pub(super) fn rename(
    c: &Connection,
    row: i64,
    parent: Ino,
    name: &str,
    kind: Kind,
    at: Timestamp,
) -> CatalogResult<()> {
    names_changed(c, row, at)?;
    unique(
        c.prepare_cached(
            "UPDATE entries SET parent = ?2, name = ?3, kind = ?4, touched_at = ?5 WHERE row = ?1",
        )?
        .execute(params![row, sql(parent), name, kind.code(), at.0]),
    )?;
    names_changed(c, row, at)
}

fn unique(result: rusqlite::Result<usize>) -> CatalogResult<()> {
    match result {
        Ok(_) => Ok(()),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Err(CatalogError::NameTaken)
        }
        Err(e) => Err(e.into()),
    }
}
