//! Published content that is kept for a while against clients that overwrite without asking (semantics 4.6).

use rusqlite::{Connection, params};

use super::{Catalog, CatalogResult, Durability};
use crate::types::{DraftId, ETag, ObjectKey, Sha256Hex, Timestamp};

/// One object whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The draft that became it; also the name of the file with its bytes.
    pub id: DraftId,
    /// Its key.
    pub key: ObjectKey,
    /// The version that we published.
    pub etag: ETag,
    /// SHA-256 of the bytes.
    pub sha256: Option<Sha256Hex>,
    /// Until when the bytes are kept.
    pub until: Timestamp,
}

impl Catalog {
    /// Records that the bytes of an object are kept.
    ///
    /// # Errors
    /// What SQLite says; so for all methods here.
    pub fn guard(&self, guarded: Guarded) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| put(c, &guarded))
    }

    /// Forgets one.
    pub fn unguard(&self, id: &DraftId) -> CatalogResult<()> {
        let id = id.clone();
        self.write(Durability::Process, move |c| {
            c.prepare_cached("DELETE FROM guards WHERE id = ?1")?.execute([id.as_str()])?;
            Ok(())
        })
    }

    /// Returns all of them.
    pub fn guards(&self) -> CatalogResult<Vec<Guarded>> {
        self.read(|c| {
            let mut q = c.prepare_cached("SELECT id, key, etag, until, sha256 FROM guards")?;
            let rows = q.query_map([], |r| {
                let (id, key, etag): (String, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
                let until = Timestamp(r.get(3)?);
                let sha256 = r.get::<_, Option<String>>(4)?.and_then(|h| Sha256Hex::parse(&h));
                let named = DraftId::parse(&id).zip(ObjectKey::new(key).ok());
                Ok(named.map(|(id, key)| Guarded { id, key, etag: ETag::new(&etag), sha256, until }))
            })?;
            Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
    }
}

pub(super) fn put(c: &Connection, guarded: &Guarded) -> CatalogResult<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO guards (id, key, etag, until, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        guarded.id.as_str(),
        guarded.key.as_str(),
        guarded.etag.as_str(),
        guarded.until.0,
        guarded.sha256.map(|h| h.to_string())
    ])?;
    Ok(())
}
