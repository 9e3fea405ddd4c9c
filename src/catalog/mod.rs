//! The catalog: one SQLite file in the state directory that answers everything that is metadata.
//!
//! It is the inode table, a cache of what the bucket holds, and the only record of drafts that are not yet objects.
//! Deleting the file of an idle mount loses nothing but empty directories, later utimens, titles and events
//! (semantics 9.3).
//!
//! # Locking
//! One thread writes ([`writer`]); closures queued while it works are committed together. Readers use a small pool
//! of connections and see every commit that was acknowledged before they began (WAL).
//!
//! # Crash safety
//! A commit survives the death of the daemon at once; [`Durability::Host`] also waits until it is on the disk.

mod deletes;
mod drafts;
mod entries;
mod error;
mod events;
mod guards;
mod listings;
mod objects;
mod rebuild;
mod schema;
mod settled;
mod writer;

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

pub use deletes::PendingDelete;
pub use drafts::{DraftRow, DraftState, NewPlace};
pub use entries::{Entry, Kind, NewEntry, Shown};
pub use error::{CatalogError, CatalogResult};
pub use events::Event;
pub use guards::Guarded;
pub use objects::{FileRow, Merged, ObjectDetail, ObjectFacts};
pub use writer::Durability;

use crate::types::Ino;
use listings::Listings;
use writer::Writer;

/// How many connections read at the same time. More threads than that wait for one another for microseconds.
const READERS: usize = 4;

/// The sidecar database of one mount.
pub struct Catalog {
    writer: Writer,
    readers: Vec<Mutex<Connection>>,
    listings: Listings,
}

impl Catalog {
    /// Opens or makes the catalog at `path` for the store `store_url`.
    ///
    /// # Errors
    /// [`CatalogError::OtherStore`], [`CatalogError::TooNew`], or what SQLite says of the file.
    pub fn open(path: &Path, store_url: &str) -> CatalogResult<Self> {
        let mut conn = Connection::open(path)?;
        configure(&conn)?;
        schema::migrate(&mut conn)?;
        bind_to_store(&conn, store_url)?;
        entries::ensure_root(&conn)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            reader.busy_timeout(std::time::Duration::from_secs(5))?;
            reader.set_prepared_statement_cache_capacity(64);
            readers.push(Mutex::new(reader));
        }
        deletes::remember(&conn)?;
        let listings = Listings::watch(&conn)?;
        Ok(Self { writer: Writer::start(conn, listings.clone())?, readers, listings })
    }

    /// Returns a number that is another one after every change of a name in the directory `dir`, whoever made it. Numbers
    /// of different runs say nothing of each other.
    pub fn listing_version(&self, dir: Ino) -> u64 {
        self.listings.version(dir)
    }

    /// Runs `change` in a transaction on the writer thread and returns when it is committed.
    fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        change: impl FnOnce(&Connection) -> CatalogResult<T> + Send + 'static,
    ) -> CatalogResult<T> {
        self.writer.run(durability, change)
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> CatalogResult<T>) -> CatalogResult<T> {
        for reader in &self.readers {
            if let Some(conn) = reader.try_lock() {
                return query(&conn);
            }
        }
        match self.readers.first() {
            Some(reader) => query(&reader.lock()),
            None => Err(CatalogError::Closed),
        }
    }

    /// Returns a small fact kept under `name`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn meta(&self, name: &str) -> CatalogResult<Option<String>> {
        self.read(|c| {
            Ok(c.prepare_cached("SELECT value FROM meta WHERE name = ?1")?
                .query_row([name], |r| r.get(0))
                .optional()?)
        })
    }

    /// Keeps a small fact under `name`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn set_meta(&self, name: &str, value: &str) -> CatalogResult<()> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.write(Durability::Process, move |c| {
            c.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?.execute(params![name, value])?;
            Ok(())
        })
    }
}

fn configure(conn: &Connection) -> CatalogResult<()> {
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn bind_to_store(conn: &Connection, store_url: &str) -> CatalogResult<()> {
    let known: Option<String> =
        conn.query_row("SELECT value FROM meta WHERE name = 'store'", [], |r| r.get(0)).optional()?;
    match known {
        Some(known) if known != store_url => {
            Err(CatalogError::OtherStore { known, asked: store_url.to_owned() })
        }
        Some(_) => Ok(()),
        None => {
            conn.execute("INSERT INTO meta VALUES ('store', ?1)", [store_url])?;
            Ok(())
        }
    }
}
