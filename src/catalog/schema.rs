//! The tables, as append-only migrations: a released step is never edited, the next one is added below it.
//!
//! `PRAGMA user_version` counts the steps that a file has seen.

use rusqlite::Connection;

use super::error::{CatalogError, CatalogResult};

/// Every step in order. Index + 1 is the schema version that it leads to.
const STEPS: &[&str] = &[STEP_1, STEP_2, STEP_3];

const STEP_1: &str = "
-- Small facts about the catalog itself: 'store' (URL), 'capabilities' (what a probe found).
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- A name in a directory. This is the inode table.
CREATE TABLE entries (
    row       INTEGER PRIMARY KEY AUTOINCREMENT, -- identity, never used again; also the readdir cookie
    ino       INTEGER NOT NULL UNIQUE,           -- inode number: the row's own, until two entries exchange theirs
    parent    INTEGER NOT NULL,                  -- inode number of the directory
    name      TEXT    NOT NULL,                  -- one path segment, byte for byte
    kind      INTEGER NOT NULL,                  -- 1 directory, 2 object, 3 draft, 4 scratch
    shown     INTEGER NOT NULL,                  -- 0 no name any more, 1 listed, 2 name reserved but not listed
    path      TEXT,                              -- directories: path from the root of the mount, '' for the root
    made      INTEGER,                           -- directories: 1 if a user made it, so that it stays while empty
    listed_at INTEGER,                           -- directories: begin of the newest complete listing, ns; NULL = never
    size      INTEGER,                           -- files: bytes (drafts: at the last save)
    mtime     INTEGER,                           -- ns since the epoch, as stat shows it
    etag      TEXT,                              -- objects: the version
    seen_at   INTEGER,                           -- objects: when the store last confirmed this version, ns
    touched_at INTEGER NOT NULL DEFAULT 0,       -- when this mount last changed the entry, ns
    uid       INTEGER,                           -- drafts and scratch: who made it; NULL = as configured
    gid       INTEGER
);
CREATE UNIQUE INDEX entries_name ON entries (parent, name) WHERE shown <> 0;

-- What is known of an object beyond stat.
CREATE TABLE objects (
    row          INTEGER PRIMARY KEY REFERENCES entries (row) ON DELETE CASCADE,
    domain       TEXT NOT NULL,  -- name of the domain, '' for older data that fits none
    title        TEXT,           -- set by setfattr user.cairn.title
    file_type    TEXT NOT NULL,  -- extension in lower case without the dot
    content_hash TEXT,           -- SHA-256, 64 hex digits; NULL until known
    content_type TEXT,           -- NULL until known
    fields       TEXT,           -- the template's fields as JSON
    published_at INTEGER,        -- ns; NULL for objects that this mount did not publish
    supersedes   TEXT,           -- key of the object beside which this one was written
    draft_id     TEXT            -- the draft that became it
);

-- Content on this host: drafts and scratch files. The bytes are in staging/<id>.
CREATE TABLE drafts (
    id           TEXT PRIMARY KEY,
    row          INTEGER NOT NULL UNIQUE REFERENCES entries (row),
    state        TEXT    NOT NULL,  -- open, saved, publishing, failed, interrupted, scratch
    wanted       TEXT    NOT NULL,  -- the path that was asked for: the root of every suffix
    base_key     TEXT,              -- the object (or draft) beside which it is written
    base_etag    TEXT,
    attempt      INTEGER NOT NULL DEFAULT 0, -- publish attempts begun
    attempt_key  TEXT,              -- the key of the newest attempt
    sha256       TEXT,              -- of the content at the newest attempt
    maker_tgid   INTEGER NOT NULL,
    maker_start  INTEGER NOT NULL,
    made_at      INTEGER NOT NULL,  -- ns
    saved_at     INTEGER,           -- ns; order of the closes
    mtime_set    INTEGER,           -- modification time set by utimens, ns
    reason       TEXT               -- why it failed or counts as interrupted
) WITHOUT ROWID;

-- Deletes that the store has not been asked for yet.
CREATE TABLE deletes (
    row         INTEGER PRIMARY KEY REFERENCES entries (row),
    key         TEXT    NOT NULL,
    etag        TEXT    NOT NULL,
    trash_key   TEXT,               -- where the copy goes first; NULL = no copy
    copied      INTEGER NOT NULL DEFAULT 0, -- 1 when the copy is in the trash
    hidden_only INTEGER NOT NULL DEFAULT 0, -- 1: the object was moved away to save over it; its name comes back when due
    maker_tgid  INTEGER NOT NULL,
    maker_start INTEGER NOT NULL,
    asked_at    INTEGER NOT NULL,   -- ns
    due_at      INTEGER NOT NULL    -- ns
);
CREATE INDEX deletes_key ON deletes (key);

-- What an admin should know: refusals, failures, put-backs. Pruned to the newest 10,000.
CREATE TABLE events (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,  -- ns
    kind   TEXT NOT NULL,
    path   TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- The face for people and scripts, in the words of the storage pattern.
CREATE VIEW files AS
SELECT CASE WHEN d.path = '' THEN e.name ELSE d.path || '/' || e.name END AS s3_key,
       o.domain, coalesce(o.title, e.name) AS title,
       o.file_type, e.size AS file_size, o.content_hash, e.etag, o.content_type, o.fields,
       e.mtime / 1000000000 AS modified_at, o.published_at / 1000000000 AS published_at, o.supersedes
FROM entries e JOIN objects o ON o.row = e.row JOIN entries d ON d.ino = e.parent
WHERE e.kind = 2 AND e.shown = 1;
";

const STEP_2: &str = "
-- Bytes of published objects that are kept for a while against clients that overwrite without asking.
CREATE TABLE guards (
    id    TEXT PRIMARY KEY,  -- the draft that became the object; its bytes are in guard/<id>
    key   TEXT    NOT NULL,
    etag  TEXT    NOT NULL,  -- the version that was published
    until INTEGER NOT NULL   -- ns
) WITHOUT ROWID;
";

const STEP_3: &str = "
-- Drafts that have ended and whose staging files may still be there: staging/<id> is nobody's. Pruned when it is gone.
CREATE TABLE settled (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER drafts_settled AFTER DELETE ON drafts BEGIN
    INSERT OR IGNORE INTO settled (id) VALUES (old.id);
END;

-- SHA-256 of the bytes that are kept, 64 hex digits; NULL where an earlier version of the program kept them.
ALTER TABLE guards ADD COLUMN sha256 TEXT;
";

/// Brings `conn` to the newest schema.
///
/// # Errors
/// [`CatalogError::TooNew`] when a newer program wrote the file.
pub fn migrate(conn: &mut Connection) -> CatalogResult<()> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found > known {
        return Err(CatalogError::TooNew { found, known });
    }
    for (version, step) in (1_i64..).zip(STEPS) {
        if version <= found {
            continue;
        }
        let tx = conn.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrate_fresh_and_again_is_idempotent() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        migrate(&mut conn).unwrap();
        let n: i64 = conn.query_row("SELECT count(*) FROM files", [], |r| r.get(0)).unwrap();
        assert_eq!(n, 0);
    }

    #[test]
    fn migrate_newer_file_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", 999).unwrap();
        assert!(matches!(migrate(&mut conn), Err(CatalogError::TooNew { found: 999, .. })));
    }
}
