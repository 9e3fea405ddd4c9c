//! The cache directory: what lies where, who may use it, and whether its files can be trusted.
//!
//! ```text
//! lock               held by the one process that uses the directory
//! state              format, epoch, boot id, whether the last stop was clean
//! objects/ab/cd…     content of a version, sparse (64 hex digits: SHA-256 over key, ETag, size)
//! objects/ab/cd….map its chunk map
//! trash/             what is being deleted, or being made
//! ```
//!
//! # Epochs
//! Within an *epoch* files are trusted: what was written is what is read. It goes on over a clean stop on the same boot
//! of the machine; after a crash, or once the machine was started anew, a new epoch begins, and every file of an older
//! one is held against its checksums before it is used. So nothing needs to be synced to disk for the cache's sake.
//!
//! # Crash safety
//! A version disappears by losing its map first. Content without a map, and a map without content, is deleted at the
//! next start. Names that are not ours are never touched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use super::error::CacheError;
use super::host_file::HostPaths;
use super::version::FileId;

const FORMAT_LINE: &str = "cairnfs cache 1";
const MAP_SUFFIX: &str = ".map";

/// See the module documentation.
#[derive(Debug)]
pub(super) struct CacheDir {
    root: PathBuf,
    /// Closing it lets the next process in; from then on nothing is changed any more.
    lock: Mutex<Option<File>>,
    /// Whether it is held, for those who ask with every read.
    ours: AtomicBool,
    epoch: u64,
    /// Makes names in `trash/` that no other process uses, also not the one that comes after [`Self::leave`].
    run: u64,
    next_trash: AtomicU64,
}

/// A version found on disk.
#[derive(Debug)]
pub(super) struct Found {
    pub id: FileId,
    /// Bytes that its files take on disk.
    pub bytes: u64,
    /// When it was last used, in nanoseconds.
    used: i128,
}

impl CacheDir {
    /// Opens `root`, creating it if need be, and begins or goes on with an epoch.
    pub(super) fn open(root: &Path) -> Result<Self, CacheError> {
        for dir in [root.to_owned(), root.join("objects"), root.join("trash")] {
            fs::create_dir_all(&dir).map_err(CacheError::io("cannot create the cache directory", &dir))?;
        }
        let lock_path = root.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(CacheError::io("cannot open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(CacheError::InUse(root.to_owned())),
            Err(e) => return Err(CacheError::io("cannot lock", &lock_path)(e.into())),
        }
        let state = root.join("state");
        let boot = boot_id();
        let text = fs::read_to_string(&state).unwrap_or_default();
        let epoch = match parse_state(&text) {
            Some(before) if before.clean && before.boot == boot => before.epoch,
            _ => rand::random_range(1..=u64::MAX),
        };
        let dir = Self {
            root: root.to_owned(),
            lock: Mutex::new(Some(lock)),
            ours: AtomicBool::new(true),
            epoch,
            run: rand::random(),
            next_trash: AtomicU64::new(0),
        };
        if text.lines().next().is_some_and(|format| format != FORMAT_LINE) {
            dir.empty_objects();
        }
        dir.write_state(false).map_err(CacheError::io("cannot write", &state))?;
        dir.empty_trash();
        Ok(dir)
    }

    /// Returns the present epoch, never 0.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns whether this process may still change the directory.
    pub(super) fn is_ours(&self) -> bool {
        self.ours.load(Ordering::Acquire)
    }

    /// Leaves the directory in order: notes that nothing is being written any more and lets the next process in.
    pub(super) fn leave(&self) -> io::Result<()> {
        let lock = self.lock.lock().take();
        self.ours.store(false, Ordering::Release);
        if lock.is_some() { self.write_state(true) } else { Ok(()) }
    }

    /// Returns where the files of `id` are.
    pub(super) fn paths(&self, id: FileId) -> HostPaths {
        let (shard, name) = id.path_parts();
        let dir = self.root.join("objects").join(shard);
        HostPaths { map: dir.join(format!("{name}{MAP_SUFFIX}")), data: dir.join(name) }
    }

    /// Returns a fresh place to make files in that [`Self::install`] can put into place. Forgotten ones go at the next
    /// start.
    pub(super) fn workplace(&self) -> HostPaths {
        let n = self.next_trash.fetch_add(1, Ordering::Relaxed);
        let data = self.root.join("trash").join(format!("new-{:016x}-{n}", self.run));
        HostPaths { map: data.with_extension("map"), data }
    }

    /// Moves finished files to the place of `id`.
    pub(super) fn install(&self, from: &HostPaths, id: FileId) -> io::Result<()> {
        let lock = self.lock.lock();
        if lock.is_none() {
            return Err(io::Error::other("the cache was shut down"));
        }
        let to = self.paths(id);
        if let Some(dir) = to.data.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::rename(&from.data, &to.data)?;
        fs::rename(&from.map, &to.map)
    }

    /// Takes the files of `id` out of their place, quickly, and returns where the content is now, for
    /// [`Self::delete`]. Who has it open keeps it.
    pub(super) fn discard(&self, id: FileId) -> Discarded {
        let lock = self.lock.lock();
        if lock.is_none() {
            return Discarded(None);
        }
        let paths = self.paths(id);
        let trash = self.workplace().data;
        ignore_missing(fs::remove_file(&paths.map), &paths.map);
        match fs::rename(&paths.data, &trash) {
            Ok(()) => Discarded(Some(trash)),
            Err(e) => {
                ignore_missing(Err(e), &paths.data);
                Discarded(None)
            }
        }
    }

    /// Finds every version on disk, least recently used first, and deletes what is left of broken ones.
    pub(super) fn scan(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for shard in subdirectories(&self.root.join("objects")) {
            self.scan_shard(&shard, &mut found);
        }
        found.sort_by_key(|f| f.used);
        found
    }

    fn scan_shard(&self, dir: &Path, found: &mut Vec<Found>) {
        let Some(shard) = dir.file_name().and_then(|n| n.to_str()) else { return };
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let stem = name.strip_suffix(MAP_SUFFIX);
            let Some(id) = FileId::from_path_parts(shard, stem.unwrap_or(name)) else { continue };
            let paths = self.paths(id);
            if stem.is_none() {
                if !paths.map.exists() {
                    self.discard(id).delete();
                }
                continue;
            }
            match (fs::metadata(&paths.data), fs::metadata(&paths.map)) {
                (Ok(data), Ok(map)) => {
                    let bytes = (data.blocks() + map.blocks()).saturating_mul(512);
                    let used = i128::from(map.mtime()) * 1_000_000_000 + i128::from(map.mtime_nsec());
                    found.push(Found { id, bytes, used });
                }
                _ => self.discard(id).delete(),
            }
        }
    }

    fn empty_objects(&self) {
        for found in self.scan() {
            self.discard(found.id).delete();
        }
    }

    fn empty_trash(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("trash")) else { return };
        for entry in entries.flatten() {
            let ours = entry.file_name().to_str().is_some_and(|n| n.starts_with("new-"));
            if ours {
                ignore_missing(fs::remove_file(entry.path()), &entry.path());
            }
        }
    }

    fn write_state(&self, clean: bool) -> io::Result<()> {
        let text = format!(
            "{FORMAT_LINE}\nepoch {:016x}\nboot {}\nclean {}\n",
            self.epoch,
            boot_id(),
            u8::from(clean)
        );
        let new = self.root.join("state.new");
        fs::write(&new, text)?;
        fs::rename(new, self.root.join("state"))
    }
}

/// Content that has no name in the cache any more.
#[must_use]
#[derive(Debug)]
pub(super) struct Discarded(Option<PathBuf>);

impl Discarded {
    /// Returns whether there was content.
    pub(super) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Deletes it. For large files that takes a while: hold no lock.
    pub(super) fn delete(self) {
        if let Some(path) = self.0 {
            ignore_missing(fs::remove_file(&path), &path);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct State {
    epoch: u64,
    boot: String,
    clean: bool,
}

fn parse_state(text: &str) -> Option<State> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT_LINE {
        return None;
    }
    let epoch = u64::from_str_radix(lines.next()?.strip_prefix("epoch ")?, 16).ok()?;
    let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
    let clean = lines.next()? == "clean 1";
    // without a boot id nothing can be said about what the machine has been through
    Some(State { epoch, clean: clean && !boot.is_empty(), boot })
}

/// Returns an id that changes with every start of the machine; empty where the kernel does not tell.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

fn ignore_missing(result: io::Result<()>, path: &Path) {
    if let Err(e) = result
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("cannot delete '{}' from the cache: {e}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &CacheDir, n: u8) -> FileId {
        let id = FileId::from_byte(n);
        let paths = dir.paths(id);
        fs::create_dir_all(paths.data.parent().unwrap()).unwrap();
        fs::write(&paths.data, vec![1; 5000]).unwrap();
        fs::write(&paths.map, b"map").unwrap();
        id
    }

    #[test]
    fn epoch_goes_on_after_a_clean_stop_only() {
        let tmp = tempfile::tempdir().unwrap();
        let first = CacheDir::open(tmp.path()).unwrap();
        let epoch = first.epoch();
        first.leave().unwrap();
        drop(first);
        let second = CacheDir::open(tmp.path()).unwrap();
        assert_eq!(second.epoch(), epoch);
        drop(second);
        assert_ne!(CacheDir::open(tmp.path()).unwrap().epoch(), epoch);
    }

    #[test]
    fn epoch_of_another_boot_is_over() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(
            tmp.path().join("state"),
            format!("{FORMAT_LINE}\nepoch 00000000000000aa\nboot other\nclean 1\n"),
        )
        .unwrap();
        assert_ne!(CacheDir::open(tmp.path()).unwrap().epoch(), 0xaa);
    }

    #[test]
    fn open_of_a_directory_in_use_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let _first = CacheDir::open(tmp.path()).unwrap();
        assert!(matches!(CacheDir::open(tmp.path()), Err(CacheError::InUse(_))));
    }

    #[test]
    fn scan_finds_versions_and_deletes_halves_and_leaves_what_is_foreign() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(tmp.path()).unwrap();
        let whole = put(&dir, 1);
        let no_map = put(&dir, 2);
        let no_data = put(&dir, 3);
        fs::remove_file(dir.paths(no_map).map).unwrap();
        fs::remove_file(dir.paths(no_data).data).unwrap();
        let foreign = tmp.path().join("objects/notes.txt");
        fs::write(&foreign, b"mine").unwrap();
        let found = dir.scan();
        assert_eq!(found.iter().map(|f| f.id).collect::<Vec<_>>(), vec![whole]);
        assert!(found[0].bytes >= 5000);
        assert!(!dir.paths(no_map).data.exists());
        assert!(!dir.paths(no_data).map.exists());
        assert!(foreign.exists());
    }

    #[test]
    fn open_over_another_format_deletes_its_objects() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(tmp.path()).unwrap();
        let id = put(&dir, 1);
        drop(dir);
        fs::write(tmp.path().join("state"), "cairnfs cache 0\n").unwrap();
        let dir = CacheDir::open(tmp.path()).unwrap();
        assert!(!dir.paths(id).data.exists());
    }

    #[test]
    fn discard_leaves_open_files_readable_and_delete_frees_them() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(tmp.path()).unwrap();
        let id = put(&dir, 1);
        let open = File::open(dir.paths(id).data).unwrap();
        let gone = dir.discard(id);
        assert!(!dir.paths(id).map.exists() && !dir.paths(id).data.exists());
        gone.delete();
        assert_eq!(open.metadata().unwrap().len(), 5000);
        assert_eq!(fs::read_dir(tmp.path().join("trash")).unwrap().count(), 0);
    }
}
