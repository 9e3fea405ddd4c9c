//! The one thread that writes SQLite.
//!
//! Callers hand it closures. It runs all that are waiting in one transaction (each in a savepoint, so that one that
//! fails undoes only itself), commits, and only then lets the callers go on: group commit.

use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;

use super::error::{CatalogError, CatalogResult};
use super::listings::Listings;

/// How long an acknowledged change must live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It survives the death of the daemon.
    Process,
    /// It survives the loss of power: the commit waits for the disk.
    Host,
}

type Acknowledge = Box<dyn FnOnce(bool) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Acknowledge + Send>;

/// The most closures that share a commit: bounds how long the first of them waits.
const BATCH: usize = 64;

pub(super) struct Writer {
    queue: Option<mpsc::Sender<(Durability, Job)>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(conn: Connection, listings: Listings) -> CatalogResult<Self> {
        let (queue, jobs) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("catalog-writer".into())
            .spawn(move || serve(&conn, &listings, &jobs))
            .map_err(|_| CatalogError::Closed)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn run<T: Send + 'static>(
        &self,
        durability: Durability,
        change: impl FnOnce(&Connection) -> CatalogResult<T> + Send + 'static,
    ) -> CatalogResult<T> {
        let (answer, wait) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |conn| {
            let result = in_savepoint(conn, change);
            Box::new(move |committed| {
                // The caller may be gone; then nobody needs the answer.
                let _ = answer.send(if committed { result } else { result.and(Err(CatalogError::Closed)) });
            })
        });
        self.queue.as_ref().and_then(|q| q.send((durability, job)).ok()).ok_or(CatalogError::Closed)?;
        wait.recv().map_err(|_| CatalogError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None; // ends the thread's loop once the queue is empty
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn in_savepoint<T>(
    conn: &Connection,
    change: impl FnOnce(&Connection) -> CatalogResult<T>,
) -> CatalogResult<T> {
    conn.execute_batch("SAVEPOINT change")?;
    let result = change(conn);
    let end = if result.is_ok() { "RELEASE change" } else { "ROLLBACK TO change; RELEASE change" };
    conn.execute_batch(end)?;
    result
}

fn serve(conn: &Connection, listings: &Listings, jobs: &mpsc::Receiver<(Durability, Job)>) {
    while let Ok((mut durability, job)) = jobs.recv() {
        let mut batch = vec![job];
        while batch.len() < BATCH {
            let Ok((d, job)) = jobs.try_recv() else { break };
            durability = durability.max(d);
            batch.push(job);
        }
        let (acknowledge, committed) = commit(conn, durability, batch);
        listings.committed();
        for done in acknowledge {
            done(committed);
        }
    }
}

/// Runs the closures in one transaction. Returns who waits for them, and whether it was committed.
fn commit(conn: &Connection, durability: Durability, batch: Vec<Job>) -> (Vec<Acknowledge>, bool) {
    let synchronous = if durability == Durability::Host { "FULL" } else { "NORMAL" };
    let begun = conn
        .pragma_update(None, "synchronous", synchronous)
        .and_then(|()| conn.execute_batch("BEGIN IMMEDIATE"));
    if let Err(e) = &begun {
        tracing::error!("catalog: cannot begin a transaction: {e}");
    }
    // Without a transaction each savepoint commits by itself; callers still hear of their own failures.
    let acknowledge: Vec<Acknowledge> = batch.into_iter().map(|job| job(conn)).collect();
    let committed = begun.is_err()
        || conn
            .execute_batch("COMMIT")
            .inspect_err(|e| {
                tracing::error!("catalog: cannot commit: {e}");
                let _ = conn.execute_batch("ROLLBACK");
            })
            .is_ok();
    (acknowledge, committed)
}
