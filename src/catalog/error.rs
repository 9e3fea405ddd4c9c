//! What can go wrong with the catalog.

/// Why the catalog could not answer or record something.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite failed: disk full, damaged file, I/O error.
    #[error("catalog: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The state directory belongs to another store.
    #[error("the state directory belongs to {known}, not to {asked}: give another --state-dir")]
    OtherStore {
        /// The store that the catalog was made for.
        known: String,
        /// The store asked for now.
        asked: String,
    },
    /// The catalog was written by a newer cairnfs.
    #[error("the catalog has schema {found}, this program knows up to {known}: use the newer cairnfs")]
    TooNew {
        /// Schema version in the file.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// A name that must be free is taken.
    #[error("the name is taken")]
    NameTaken,
    /// The writer thread is gone (shutdown).
    #[error("the catalog is closed")]
    Closed,
}

/// The result of asking the catalog.
pub type CatalogResult<T> = Result<T, CatalogError>;
