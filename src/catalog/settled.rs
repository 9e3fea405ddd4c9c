//! Drafts that have ended, for as long as a crash could leave their staging files behind.
//!
//! A trigger of the schema notes every draft whose record goes, in the same transaction. So a staging file without a
//! record is either noted here, and nobody needs it, or it was made by a catalog that is lost, and may be all that there is.

use super::{Catalog, CatalogResult, Durability};
use crate::types::DraftId;

impl Catalog {
    /// Returns the drafts that were published, dropped or deleted and whose staging files may still be there.
    ///
    /// # Errors
    /// What SQLite says; so for all methods here.
    pub fn settled(&self) -> CatalogResult<Vec<DraftId>> {
        self.read(|c| {
            let mut q = c.prepare_cached("SELECT id FROM settled")?;
            let ids = q.query_map([], |r| r.get::<_, String>(0))?;
            Ok(ids.filter_map(|id| id.map(|id| DraftId::parse(&id)).transpose()).collect::<Result<_, _>>()?)
        })
    }

    /// Forgets such drafts: their staging files are gone.
    pub fn forget_settled(&self, ids: Vec<DraftId>) -> CatalogResult<()> {
        self.write(Durability::Process, move |c| {
            let mut delete = c.prepare_cached("DELETE FROM settled WHERE id = ?1")?;
            for id in &ids {
                delete.execute([id.as_str()])?;
            }
            Ok(())
        })
    }
}
