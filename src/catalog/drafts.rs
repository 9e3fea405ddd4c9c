//! Drafts and scratch files: content that exists on this host only.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::objects::{ObjectFacts, become_object};
use super::{
    Catalog, CatalogError, CatalogResult, Durability, Entry, Guarded, Kind, NewEntry, Shown, entries, guards,
};
use crate::types::{DraftId, ETag, Ino, ObjectKey, ProcessId, Sha256Hex, Timestamp};

/// Where a draft stands. `scratch` files share the table but never publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftState {
    /// Being written, or an empty placeholder.
    Open,
    /// A close that wrote to it has returned 0, or is about to.
    Saved,
    /// A publish has begun: the store may or may not have it.
    Publishing,
    /// Acknowledged; it waits for a store that cannot be reached.
    Queued,
    /// The store refused it for good, or could not be reached while somebody waited. Kept.
    Failed,
    /// Its writer was killed or met an error. Kept.
    Interrupted,
    /// A scratch file.
    Scratch,
}

impl DraftState {
    /// Returns the word that status and xattrs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Saved => "saved",
            Self::Publishing => "publishing",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Scratch => "scratch",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "saved" => Self::Saved,
            "publishing" => Self::Publishing,
            "queued" => Self::Queued,
            "failed" => Self::Failed,
            "interrupted" => Self::Interrupted,
            "scratch" => Self::Scratch,
            _ => Self::Open,
        }
    }
}

/// The record of a draft.
#[derive(Debug, Clone)]
pub struct DraftRow {
    /// Identity; also the name of the staging file.
    pub id: DraftId,
    /// Its entry.
    pub row: i64,
    /// Where it stands.
    pub state: DraftState,
    /// The path that was asked for: the root of every suffix.
    pub wanted: String,
    /// The object beside which it is written.
    pub base: Option<(ObjectKey, ETag)>,
    /// Publish attempts begun, and the key of the newest.
    pub attempt: u32,
    /// The key of the newest attempt.
    pub attempt_key: Option<ObjectKey>,
    /// SHA-256 of the content at the newest attempt.
    pub sha256: Option<Sha256Hex>,
    /// The process that made it.
    pub maker: ProcessId,
    /// When it was made.
    pub made_at: Timestamp,
    /// When a close that wrote to it last returned 0.
    pub saved_at: Option<Timestamp>,
    /// Modification time set by utimens.
    pub mtime_set: Option<Timestamp>,
    /// Why it failed or counts as interrupted.
    pub reason: Option<String>,
}

/// Where a draft or scratch file moves to.
#[derive(Debug, Clone)]
pub struct NewPlace {
    /// The directory.
    pub parent: Ino,
    /// The name that it gets.
    pub name: String,
    /// What it is from then on.
    pub kind: Kind,
    /// The path that was asked for.
    pub wanted: String,
    /// The object that holds that path.
    pub base: Option<(ObjectKey, ETag)>,
}

const DRAFT_COLUMNS: &str = "id, row, state, wanted, base_key, base_etag, attempt, attempt_key, sha256, maker_tgid, maker_start, \
                             made_at, saved_at, mtime_set, reason";

fn draft_from(r: &Row<'_>) -> rusqlite::Result<DraftRow> {
    let key = |i: usize| r.get::<_, Option<String>>(i).map(|k| k.and_then(|k| ObjectKey::new(k).ok()));
    let id: String = r.get(0)?;
    let etag: Option<String> = r.get(5)?;
    Ok(DraftRow {
        id: DraftId::parse(&id).ok_or(rusqlite::Error::InvalidColumnName(id))?,
        row: r.get(1)?,
        state: DraftState::parse(&r.get::<_, String>(2)?),
        wanted: r.get(3)?,
        base: key(4)?.zip(etag.map(|t| ETag::new(&t))),
        attempt: r.get(6)?,
        attempt_key: key(7)?,
        sha256: r.get::<_, Option<String>>(8)?.and_then(|h| Sha256Hex::parse(&h)),
        maker: ProcessId { tgid: r.get(9)?, start: r.get::<_, i64>(10)?.cast_unsigned() },
        made_at: Timestamp(r.get(11)?),
        saved_at: r.get::<_, Option<i64>>(12)?.map(Timestamp),
        mtime_set: r.get::<_, Option<i64>>(13)?.map(Timestamp),
        reason: r.get(14)?,
    })
}

fn one(c: &Connection, clause: &str, value: &dyn rusqlite::ToSql) -> CatalogResult<Option<DraftRow>> {
    Ok(c.prepare_cached(&format!("SELECT {DRAFT_COLUMNS} FROM drafts WHERE {clause}"))?
        .query_row([value], draft_from)
        .optional()?)
}

impl Catalog {
    /// Makes a draft or scratch file: its entry and its record, together.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the name is held; else what SQLite says, as for all methods here.
    pub fn insert_draft(&self, new: NewEntry, mut draft: DraftRow) -> CatalogResult<(Entry, DraftRow)> {
        self.write(Durability::Process, move |c| {
            cover(c, new.kind, draft.base.as_ref(), (new.parent, &new.name), new.mtime)?;
            let entry = entries::insert(c, &new)?;
            entries::names_changed(c, entry.row, new.mtime)?;
            draft.row = entry.row;
            c.prepare_cached(
                "INSERT INTO drafts (id, row, state, wanted, base_key, base_etag, maker_tgid, maker_start, made_at, mtime_set)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                draft.id.as_str(),
                draft.row,
                draft.state.as_str(),
                draft.wanted,
                draft.base.as_ref().map(|b| b.0.as_str().to_owned()),
                draft.base.as_ref().map(|b| b.1.as_str().to_owned()),
                draft.maker.tgid,
                draft.maker.start.cast_signed(),
                draft.made_at.0,
                draft.mtime_set.map(|t| t.0)
            ])?;
            Ok((entry, draft))
        })
    }

    /// Returns the draft that the entry `row` stands for.
    pub fn draft_of(&self, row: i64) -> CatalogResult<Option<DraftRow>> {
        self.read(|c| one(c, "row = ?1", &row))
    }

    /// Returns every draft and scratch file in the order in which they were made.
    pub fn drafts(&self) -> CatalogResult<Vec<DraftRow>> {
        self.read(|c| {
            let mut q = c.prepare_cached(&format!(
                "SELECT {DRAFT_COLUMNS} FROM drafts ORDER BY coalesce(saved_at, made_at)"
            ))?;
            let rows = q.query_map([], draft_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records that the content of `size` bytes is durable and acknowledged. Waits for the disk.
    pub fn save_draft(&self, id: &DraftId, size: u64, mtime: Timestamp, at: Timestamp) -> CatalogResult<()> {
        let id = id.clone();
        self.write(Durability::Host, move |c| {
            c.prepare_cached(
                "UPDATE drafts SET saved_at = ?2, state = CASE WHEN state IN ('scratch', 'publishing', 'queued') THEN state ELSE 'saved' END WHERE id = ?1",
            )?
            .execute(params![id.as_str(), at.0])?;
            c.prepare_cached(
                "UPDATE entries SET size = ?2, mtime = ?3 WHERE row = (SELECT row FROM drafts WHERE id = ?1)",
            )?
            .execute(params![id.as_str(), entries::sql_size(size), mtime.0])?;
            Ok(())
        })
    }

    /// Records, before the request is sent, that attempt `attempt` will try to create `key` with content `sha256`.
    pub fn begin_attempt(
        &self,
        id: &DraftId,
        attempt: u32,
        key: &ObjectKey,
        sha256: Sha256Hex,
    ) -> CatalogResult<()> {
        let (id, key) = (id.clone(), key.clone());
        self.write(Durability::Process, move |c| {
            c.prepare_cached(
                "UPDATE drafts SET state = 'publishing', attempt = ?2, attempt_key = ?3, sha256 = ?4 WHERE id = ?1",
            )?
            .execute(params![id.as_str(), attempt, key.as_str(), sha256.to_string()])?;
            Ok(())
        })
    }

    /// Moves a draft's state; hides its name where `hide` (failed, interrupted).
    pub fn set_draft_state(
        &self,
        id: &DraftId,
        state: DraftState,
        reason: Option<&str>,
        hide: bool,
        at: Timestamp,
    ) -> CatalogResult<()> {
        let (id, reason) = (id.clone(), reason.map(str::to_owned));
        self.write(Durability::Host, move |c| {
            c.prepare_cached("UPDATE drafts SET state = ?2, reason = ?3 WHERE id = ?1")?.execute(params![
                id.as_str(),
                state.as_str(),
                reason
            ])?;
            let Some(draft) = one(c, "id = ?1", &id.as_str())?.filter(|_| hide) else { return Ok(()) };
            let entry = entries::by_row(c, draft.row)?;
            entries::set_shown(c, draft.row, Shown::Hidden, at)?;
            entry.map_or(Ok(()), |entry| uncover(c, &draft, &entry, at))
        })
    }

    /// Keeps the modification time that a program set.
    pub fn set_draft_mtime(&self, id: &DraftId, mtime: Timestamp) -> CatalogResult<()> {
        let id = id.clone();
        self.write(Durability::Process, move |c| {
            c.prepare_cached("UPDATE drafts SET mtime_set = ?2 WHERE id = ?1")?
                .execute(params![id.as_str(), mtime.0])?;
            Ok(())
        })
    }

    /// Moves a draft or scratch file to a new name, wanted path and kind; the record follows.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the name is held.
    pub fn rename_draft(&self, id: &DraftId, to: NewPlace, at: Timestamp) -> CatalogResult<()> {
        let id = id.clone();
        let NewPlace { parent, name, kind, wanted, base } = to;
        self.write(Durability::Process, move |c| {
            let draft = one(c, "id = ?1", &id.as_str())?
                .ok_or(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))?;
            let before = entries::by_row(c, draft.row)?;
            cover(c, kind, base.as_ref(), (parent, &name), at)?;
            entries::rename(c, draft.row, parent, &name, kind, at)?;
            if let Some(before) = before {
                uncover(c, &draft, &before, at)?;
            }
            let state = match (kind, draft.state) {
                (Kind::Scratch, _) => DraftState::Scratch,
                (_, DraftState::Scratch) if draft.saved_at.is_some() => DraftState::Saved,
                (_, DraftState::Scratch) => DraftState::Open,
                (_, state) => state,
            };
            c.prepare_cached(
                "UPDATE drafts SET wanted = ?2, state = ?3, base_key = ?4, base_etag = ?5 WHERE id = ?1",
            )?
            .execute(params![
                id.as_str(),
                wanted,
                state.as_str(),
                base.as_ref().map(|b| b.0.as_str().to_owned()),
                base.as_ref().map(|b| b.1.as_str().to_owned())
            ])?;
            Ok(())
        })
    }

    /// Gives a draft another name in its directory; what it wanted stays.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`] where the name is held.
    pub fn rename_draft_entry(&self, id: &DraftId, name: &str, at: Timestamp) -> CatalogResult<()> {
        let (id, name) = (id.clone(), name.to_owned());
        self.write(Durability::Process, move |c| {
            let draft = one(c, "id = ?1", &id.as_str())?
                .ok_or(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))?;
            let entry = entries::by_row(c, draft.row)?
                .ok_or(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))?;
            entries::rename(c, draft.row, entry.parent, &name, entry.kind, at)
        })
    }

    /// Turns a draft into the object that the store now has. The entry keeps its name and, unless `fresh_ino` gives
    /// the row of a placeholder to exchange with, its inode number. `guarded` is what is kept of it.
    pub fn publish_draft(
        &self,
        id: &DraftId,
        facts: ObjectFacts,
        guarded: Option<Guarded>,
        at: Timestamp,
    ) -> CatalogResult<Entry> {
        let id = id.clone();
        self.write(Durability::Process, move |c| {
            let draft = one(c, "id = ?1", &id.as_str())?
                .ok_or(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows))?;
            let entry = become_object(c, draft.row, &facts, at)?;
            guarded.map_or(Ok(()), |guarded| guards::put(c, &guarded))?;
            c.prepare_cached("DELETE FROM drafts WHERE id = ?1")?.execute([id.as_str()])?;
            Ok(entry)
        })
    }

    /// Takes the name from a draft or scratch file that is still open.
    pub fn hide_draft(&self, row: i64, at: Timestamp) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            let before = one(c, "row = ?1", &row)?.zip(entries::by_row(c, row)?);
            entries::set_shown(c, row, Shown::Hidden, at)?;
            before.map_or(Ok(()), |(draft, entry)| uncover(c, &draft, &entry, at))
        })
    }

    /// Ends a draft whose content is an object already, while it is still open: its entry stays without a name, as that
    /// of an object that nobody has.
    pub fn drop_draft(&self, id: &DraftId, size: u64, mtime: Timestamp) -> CatalogResult<()> {
        let id = id.clone();
        self.write(Durability::Process, move |c| {
            c.prepare_cached(
                "UPDATE entries SET kind = 2, shown = 0, size = ?2, mtime = ?3
                 WHERE row = (SELECT row FROM drafts WHERE id = ?1)",
            )?
            .execute(params![id.as_str(), entries::sql_size(size), mtime.0])?;
            c.prepare_cached("DELETE FROM drafts WHERE id = ?1")?.execute([id.as_str()])?;
            Ok(())
        })
    }

    /// Forgets the entry that [`Catalog::drop_draft`] left, if `ino` is such a one.
    pub fn forget_dropped(&self, ino: Ino) -> CatalogResult<()> {
        if self.entry(ino)?.is_none_or(|e| e.etag.is_some()) {
            return Ok(());
        }
        self.write(Durability::Process, move |c| {
            c.prepare_cached(
                "DELETE FROM entries WHERE ino = ?1 AND kind = 2 AND shown = 0 AND etag IS NULL",
            )?
            .execute([entries::sql(ino)])?;
            Ok(())
        })
    }

    /// Forgets a draft or scratch file: its record and its entry.
    pub fn remove_draft(&self, id: &DraftId, at: Timestamp) -> CatalogResult<()> {
        let id = id.clone();
        self.write(Durability::Process, move |c| {
            let Some(draft) = one(c, "id = ?1", &id.as_str())? else { return Ok(()) };
            let entry = entries::by_row(c, draft.row)?;
            entries::names_changed(c, draft.row, at)?;
            c.prepare_cached("DELETE FROM drafts WHERE id = ?1")?.execute([id.as_str()])?;
            c.prepare_cached("DELETE FROM entries WHERE row = ?1")?.execute([draft.row])?;
            entry.map_or(Ok(()), |entry| uncover(c, &draft, &entry, at))
        })
    }
}

/// Hides the object whose name a scratch file takes (semantics 6.4); `base` says that it takes one.
fn cover(
    c: &Connection,
    kind: Kind,
    base: Option<&(ObjectKey, ETag)>,
    (parent, name): (Ino, &str),
    at: Timestamp,
) -> CatalogResult<()> {
    if kind != Kind::Scratch || base.is_none() {
        return Ok(());
    }
    match entries::by_name(c, parent, name)?.filter(|e| e.kind == Kind::Object) {
        Some(object) => entries::set_shown(c, object.row, Shown::Hidden, at),
        None => Ok(()),
    }
}

/// Shows the object again that the scratch file `draft` covered under the name which `entry` had, unless something else
/// holds that name by now.
fn uncover(c: &Connection, draft: &DraftRow, entry: &Entry, at: Timestamp) -> CatalogResult<()> {
    let Some((_, etag)) = draft.base.as_ref().filter(|_| entry.kind == Kind::Scratch) else { return Ok(()) };
    c.prepare_cached(
        "UPDATE OR IGNORE entries SET shown = 1, touched_at = ?4 WHERE row = (
             SELECT max(row) FROM entries WHERE parent = ?1 AND name = ?2 AND kind = 2 AND shown = 0 AND etag = ?3
             AND row NOT IN (SELECT row FROM deletes))",
    )?
    .execute(params![entries::sql(entry.parent), entry.name, etag.as_str(), at.0])?;
    Ok(())
}
