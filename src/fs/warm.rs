//! Bringing objects into the cache because somebody asked for it.

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use super::{Caller, Filesystem, FsError, FsResult, join};
use crate::catalog::{Entry, Kind, Shown};
use crate::read::ReadError;
use crate::types::Ino;

/// So many objects are brought at a time: small ones cost a round trip each.
const AT_A_TIME: usize = 8;

/// How many rows are read at a time.
const PAGE: u32 = 512;

/// So many errors are told; the others are counted.
const ERRORS: usize = 20;

/// Whoever may speak to the daemon may see everything.
const ANYBODY: Caller = Caller { tid: 0, uid: 0, gid: 0 };

/// Hears how many bytes are done, of how many that are known by now, and which object that was.
pub type TellWarm<'a> = &'a (dyn Fn(u64, u64, &str) + Send + Sync);

/// What was brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warmed {
    /// Objects that are on disk now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, what had to be fetched.
    pub fetched_bytes: u64,
    /// Objects that could not be brought.
    pub failed: u64,
    /// Why, of the first ones.
    pub errors: Vec<String>,
}

#[derive(Default)]
struct Run {
    warmed: Warmed,
    done: u64,
    known: u64,
}

impl Filesystem {
    /// Brings the object at `path`, or all objects below it, onto this host's disk. Drafts are there already.
    ///
    /// # Errors
    /// Where there is nothing at `path`, or a directory cannot be listed.
    pub async fn warm(&self, path: &str, tell: TellWarm<'_>) -> FsResult<Warmed> {
        let mut top = self.catalog.entry(Ino::ROOT)?.ok_or(FsError::Stale)?;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            let ino = self.lookup(ANYBODY, top.ino, name.as_bytes()).await?.attr.ino;
            top = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        }
        let run = Mutex::new(Run::default());
        if top.kind != Kind::Dir {
            let (_, dir) = self.dir(top.parent)?;
            self.warm_all(&dir, vec![top], &run, tell).await;
            return Ok(run.into_inner().warmed);
        }
        let mut dirs = vec![top.ino];
        while let Some(ino) = dirs.pop() {
            let (dir, path) = self.dir(ino)?;
            self.ensure_listed(&dir).await?;
            let mut after = 0;
            loop {
                let page = self.catalog.children(ino, after, PAGE)?;
                let Some(last) = page.last() else { break };
                after = last.row;
                let (below, files): (Vec<_>, Vec<_>) = page.into_iter().partition(|e| e.kind == Kind::Dir);
                dirs.extend(below.iter().map(|e| e.ino));
                self.warm_all(&path, files, &run, tell).await;
            }
        }
        Ok(run.into_inner().warmed)
    }

    /// Brings those of `entries`, which are in the directory `dir`, that are objects.
    async fn warm_all(&self, dir: &str, entries: Vec<Entry>, run: &Mutex<Run>, tell: TellWarm<'_>) {
        let objects = entries.into_iter().filter(|e| e.kind == Kind::Object && e.shown == Shown::Listed);
        let objects: Vec<Entry> = objects.collect();
        run.lock().known += objects.iter().map(|e| e.size).sum::<u64>();
        let each = |entry: Entry| async move {
            let path = join(dir, &entry.name);
            let came = |bytes: u64| {
                let (done, known) = {
                    let mut run = run.lock();
                    run.done += bytes;
                    (run.done, run.known)
                };
                tell(done, known, &path);
            };
            let result = self.warm_object(dir, &entry, came).await;
            let warmed = &mut run.lock().warmed;
            match result {
                Ok(fetched) => {
                    warmed.files += 1;
                    warmed.bytes += entry.size;
                    warmed.fetched_bytes += fetched;
                }
                Err(e) => {
                    warmed.failed += 1;
                    if warmed.errors.len() < ERRORS {
                        warmed.errors.push(format!("{path}: {e}"));
                    }
                }
            }
        };
        stream::iter(objects).map(each).buffer_unordered(AT_A_TIME).collect::<()>().await;
    }

    /// Brings one object; returns how many bytes of it were not on disk before.
    async fn warm_object(&self, dir: &str, entry: &Entry, came: impl Fn(u64)) -> Result<u64, WarmError> {
        let object = self.open_version(entry, Self::version_in(dir, entry)?)?;
        let before = object.cached_bytes();
        object.bring_to_disk(came).await?;
        Ok(entry.size - before.min(entry.size))
    }
}

#[derive(Debug, thiserror::Error)]
enum WarmError {
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error(transparent)]
    Read(#[from] ReadError),
}
