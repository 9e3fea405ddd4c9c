//! The host directory that holds the objects: opening, making and pruning directories, temporary files.
//!
//! # Invariants
//! * No step follows a symbolic link below the root, so no key reaches outside of it.
//! * An empty directory means nothing: it may be removed at any moment, and whoever misses one makes it again.
//! * A file appears under a key only complete, by one rename or link that refuses a taken name.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::host;
use crate::store::{StoreError, StoreResult};
use crate::types::{Clock, ObjectKey, Timestamp};

/// Temporary files older than this that nobody holds are left over from a crash. Far longer than any upload waits
/// between making its file and locking it.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// How often a create begins anew because a directory vanished under it. Every round means that somebody else's
/// delete got through, so this many in a row do not happen by themselves.
const MAX_ROUNDS: u32 = 1000;

/// The root of a `file://` store and the names of what is ours in it.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// `<service_prefix>tmp/`: files on their way, and the lock.
    tmp: String,
    /// `<service_prefix>meta/`: records that found no room in extended attributes.
    meta: String,
}

impl Tree {
    /// `service_prefix` ends in `/`.
    pub(super) fn new(root: PathBuf, service_prefix: &str) -> Self {
        Self { root, tmp: format!("{service_prefix}tmp/"), meta: format!("{service_prefix}meta/") }
    }

    pub(super) fn root_path(&self) -> &Path {
        &self.root
    }

    /// Opens the root anew, so that a directory that was unmounted or replaced is noticed.
    fn root(&self, access: OFlags) -> StoreResult<OwnedFd> {
        let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.root, flags, Mode::empty()).map_err(|e| match e {
            Errno::NOENT | Errno::NOTDIR => StoreError::NoSuchBucket(self.root.display().to_string()),
            e => host::error(format_args!("cannot open '{}'", self.root.display()), e),
        })
    }

    /// Says whether the root is there at all.
    pub(super) fn demand_root(&self) -> StoreResult<()> {
        self.root(OFlags::PATH).map(drop)
    }

    /// Returns whether `prefix`, which ends in `/`, is a directory of our own machinery and not of keys.
    pub(super) fn is_internal(&self, prefix: &[u8]) -> bool {
        prefix == self.tmp.as_bytes() || prefix == self.meta.as_bytes()
    }

    /// Returns whether an object can have `key` in this kind of store.
    pub(super) fn can_hold(&self, key: &ObjectKey) -> bool {
        let key = key.as_str();
        let internal = |p: &str| key.starts_with(p) || Some(key) == p.strip_suffix('/');
        ObjectKey::new(key).is_ok_and(|k| k.is_path()) && !internal(&self.tmp) && !internal(&self.meta)
    }

    /// [`Self::can_hold`] as an error for those who want to write.
    pub(super) fn demand(&self, key: &ObjectKey) -> StoreResult<()> {
        if self.can_hold(key) {
            return Ok(());
        }
        Err(refused("KeyNotAPath", format!("'{}' cannot be a file below '{}'", key, self.root.display())))
    }

    /// Opens the directory `path` (no `/` at its end, empty for the root itself) for looking things up in it;
    /// `None` where there is none.
    pub(super) fn open_dir(&self, path: &str) -> StoreResult<Option<OwnedFd>> {
        let mut dir = self.root(OFlags::PATH)?;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            match open_below(dir.as_fd(), segment, OFlags::PATH) {
                Ok(below) => dir = below,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => return Ok(None),
                Err(e) => return Err(host::error(self.doing("open", path), e)),
            }
        }
        Ok(Some(dir))
    }

    /// Opens the file of `key` for reading; `None` where there is no regular file of that name.
    pub(super) fn open_object(&self, key: &ObjectKey) -> StoreResult<Option<File>> {
        if !self.can_hold(key) {
            self.demand_root()?;
            return Ok(None);
        }
        let Some(dir) = self.open_dir(key.dir())? else { return Ok(None) };
        open_file(dir.as_fd(), key.file_name()).map_err(|e| host::error(self.doing("open", key.as_str()), e))
    }

    /// Opens the directory `path` for writing into it, making what is missing of it.
    fn make_dir(&self, path: &str) -> StoreResult<OwnedFd> {
        let doing = |e| host::error(self.doing("make the directory of", path), e);
        'anew: for _ in 0..MAX_ROUNDS {
            let mut dir = self.root(OFlags::RDONLY)?;
            for segment in path.split('/').filter(|s| !s.is_empty()) {
                dir = match open_below(dir.as_fd(), segment, OFlags::RDONLY) {
                    Ok(below) => below,
                    Err(Errno::NOENT) => match rustix::fs::mkdirat(&dir, segment, Mode::from_raw_mode(0o777))
                    {
                        Ok(()) | Err(Errno::EXIST) => {
                            match open_below(dir.as_fd(), segment, OFlags::RDONLY) {
                                Ok(below) => {
                                    sync_dir(dir.as_fd()).map_err(doing)?;
                                    below
                                }
                                Err(Errno::NOENT) => continue 'anew,
                                Err(e) => return Err(doing(e)),
                            }
                        }
                        // what we stand in was pruned
                        Err(Errno::NOENT) => continue 'anew,
                        Err(e) => return Err(doing(e)),
                    },
                    Err(Errno::NOTDIR | Errno::LOOP) => return Err(not_a_directory(path, segment)),
                    Err(e) => return Err(doing(e)),
                };
            }
            return Ok(dir);
        }
        Err(StoreError::Unavailable(format!("the directories of '{path}' keep vanishing")))
    }

    /// Removes the directories above `key` that hold nothing any more, from the bottom up.
    pub(super) fn prune(&self, key: &ObjectKey) {
        let mut path = key.dir();
        while !path.is_empty() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Ok(Some(dir)) = self.open_dir(above) else { return };
            // not empty, not ours, already gone: all of them mean that the work is done
            if rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR).is_err() {
                return;
            }
            path = above;
        }
    }

    /// Makes a temporary file, open for writing.
    pub(super) fn temporary(&self) -> StoreResult<Temporary> {
        let dir = self.make_dir(&self.tmp)?;
        let name = format!("{}.tmp", hex::encode(rand::random::<[u8; 16]>()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let fd = rustix::fs::openat(&dir, &name, flags, mode)
            .map_err(|e| host::error(self.doing("make a file in", &self.tmp), e))?;
        // tells the sweeper of another process that somebody is at work on it; where there are no locks, age alone does
        let _ = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
        Ok(Temporary { dir, name, file: File::from(fd), placed: false })
    }

    /// Gives a finished temporary file its key, if that is free.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]; [`StoreError::Refused`] where `key` is a directory, or passes through an object.
    pub(super) fn place(&self, temporary: &mut Temporary, key: &ObjectKey) -> StoreResult<()> {
        for _ in 0..MAX_ROUNDS {
            let dir = self.make_dir(key.dir())?;
            match rename_to_free(temporary, dir.as_fd(), key.file_name()) {
                // made, but perhaps not durably: the caller has to look whether it is there
                Ok(()) => {
                    temporary.placed = true;
                    return sync_dir(dir.as_fd()).map_err(|e| host::error(self.doing("sync", key.dir()), e));
                }
                Err(Errno::EXIST) => self.who_is_there(dir.as_fd(), key)?,
                Err(Errno::NOENT) => {}
                Err(e) => return Err(host::error(self.doing("create", key.as_str()), e)),
            }
        }
        Err(StoreError::Unavailable(format!("the directories of '{key}' keep vanishing")))
    }

    /// Gives a finished temporary file its key, whatever stands there.
    pub(super) fn replace(&self, temporary: &mut Temporary, key: &ObjectKey) -> StoreResult<()> {
        for _ in 0..MAX_ROUNDS {
            let dir = self.make_dir(key.dir())?;
            match rustix::fs::renameat(&temporary.dir, &temporary.name, &dir, key.file_name()) {
                Ok(()) => {
                    temporary.placed = true;
                    return Ok(());
                }
                Err(Errno::NOENT) => {}
                Err(e) => return Err(host::error(self.doing("write", key.as_str()), e)),
            }
        }
        Err(StoreError::Unavailable(format!("the directories of '{key}' keep vanishing")))
    }

    /// Looks at what refused a create; `Ok` says that the name is free by now.
    fn who_is_there(&self, dir: BorrowedFd<'_>, key: &ObjectKey) -> StoreResult<()> {
        let stat = match rustix::fs::statat(dir, key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(host::error(self.doing("look at", key.as_str()), e)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Err(StoreError::AlreadyExists(key.clone())),
            FileType::Directory if remove_hollow(dir, key.file_name()) => Ok(()),
            FileType::Directory => Err(refused(
                "KeyIsADirectory",
                format!("'{key}' is a directory; a file:// store cannot have an object and keys below it"),
            )),
            _ => Err(refused(
                "NotAFile",
                format!("'{key}' is neither a file nor a directory on the host; remove it first"),
            )),
        }
    }

    /// Waits for the lock that deletes, and creates with a record beside the file, hold for a moment. It is let go
    /// when the returned file is dropped.
    pub(super) fn lock(&self) -> StoreResult<OwnedFd> {
        let doing = |e| host::error(self.doing("lock", &format!("{}lock", self.tmp)), e);
        let dir = self.make_dir(&self.tmp)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&dir, "lock", flags, Mode::from_raw_mode(0o666)).map_err(doing)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, FlockOperation::LockExclusive))
            .map_err(doing)?;
        Ok(lock)
    }

    /// Writes a small file `<meta>/<name>` in one step, over an older one.
    pub(super) fn write_beside(&self, name: &str, content: &[u8]) -> StoreResult<()> {
        use std::io::Write;
        let path = format!("{}{name}", self.meta);
        let mut temporary = self.temporary()?;
        let doing = |e: std::io::Error| host::io_error(self.doing("write", &path), &e);
        temporary.file.write_all(content).map_err(doing)?;
        temporary.file.sync_all().map_err(doing)?;
        let (dir, file_name) = path.rsplit_once('/').unwrap_or(("", &path));
        let dir = self.make_dir(dir)?;
        rustix::fs::renameat(&temporary.dir, &temporary.name, &dir, file_name)
            .and_then(|()| sync_dir(dir.as_fd()))
            .map_err(|e| host::error(self.doing("write", &path), e))?;
        temporary.placed = true;
        Ok(())
    }

    /// Reads `<meta>/<name>`; `None` where there is no such file or it cannot be read.
    pub(super) fn read_beside(&self, name: &str) -> Option<Vec<u8>> {
        use std::io::Read;
        /// More than any record has; a bigger file is not ours.
        const MAX_RECORD: u64 = 64 * 1024;
        let path = format!("{}{name}", self.meta);
        let (dir, file_name) = path.rsplit_once('/')?;
        let dir = self.open_dir(dir).ok()??;
        let file = open_file(dir.as_fd(), file_name).ok()??;
        let mut content = Vec::new();
        file.take(MAX_RECORD).read_to_end(&mut content).ok()?;
        Some(content)
    }

    /// Removes `<meta>/<name>` if it is there.
    pub(super) fn remove_beside(&self, name: &str) {
        let path = format!("{}{name}", self.meta);
        if let Some((dir, file_name)) = path.rsplit_once('/')
            && let Ok(Some(dir)) = self.open_dir(dir)
        {
            // a record that stays behind no longer fits any file and is never believed
            let _ = rustix::fs::unlinkat(&dir, file_name, AtFlags::empty());
        }
    }

    /// Removes temporary files that a crash left behind.
    pub(super) fn sweep(&self) {
        let Ok(Some(dir)) = self.open_dir(&self.tmp) else { return };
        let Ok(listing) = read_dir(dir.as_fd()) else { return };
        let now = Clock.now();
        for entry in listing.flatten() {
            let Some(name) = entry.file_name().to_str().ok().filter(|n| n.ends_with(".tmp")) else {
                continue;
            };
            let Ok(Some(file)) = open_file(dir.as_fd(), name) else { continue };
            let Ok(stat) = rustix::fs::fstat(&file) else { continue };
            let abandoned = now.since(modified(&stat)) > ORPHAN_AGE
                && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
            if abandoned && rustix::fs::unlinkat(&dir, name, AtFlags::empty()).is_ok() {
                tracing::info!(file = name, "removed a temporary file left over in the store");
            }
        }
    }

    /// Returns "cannot do this to that path", for errors.
    pub(super) fn doing(&self, what: &str, path: &str) -> String {
        format!("cannot {what} '{}'", self.root.join(path).display())
    }
}

/// A file on its way to a key. Removed when dropped before it got one.
pub(super) struct Temporary {
    dir: OwnedFd,
    name: String,
    pub(super) file: File,
    placed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            let _ = rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// Returns the moment of last modification.
pub(super) fn modified(stat: &rustix::fs::Stat) -> Timestamp {
    Timestamp::from_unix(stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

/// Opens the regular file `name`; `None` for everything else. Never waits for the other end of a FIFO.
pub(super) fn open_file(dir: BorrowedFd<'_>, name: &str) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        // ENXIO: a socket
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::NAMETOOLONG) => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let stat = rustix::fs::fstat(&file)?;
    Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| File::from(file)))
}

/// Opens the directory `segment` in `dir`, not following it if it is a link.
pub(super) fn open_below(dir: BorrowedFd<'_>, segment: &str, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, segment, flags, Mode::empty())
}

/// Reads the names in `dir`, however that was opened.
pub(super) fn read_dir(dir: BorrowedFd<'_>) -> Result<rustix::fs::Dir, Errno> {
    rustix::fs::Dir::new(open_below(dir, ".", OFlags::RDONLY)?)
}

/// Moves a temporary file to a name that must be free: in one step by rename, or, on file systems that cannot, by
/// link, which refuses a taken name everywhere.
fn rename_to_free(temporary: &Temporary, dir: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(&temporary.dir, &temporary.name, dir, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(&temporary.dir, &temporary.name, dir, name, AtFlags::empty())?;
            rustix::fs::unlinkat(&temporary.dir, &temporary.name, AtFlags::empty())
        }
        result => result,
    }
}

/// Removes the directory `name` if there are only directories in it, all the way down; returns whether it is gone.
fn remove_hollow(dir: BorrowedFd<'_>, name: &str) -> bool {
    let gone = |dir: BorrowedFd<'_>, name: &std::ffi::CStr| {
        matches!(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR), Ok(()) | Err(Errno::NOENT))
    };
    let Ok(name) = std::ffi::CString::new(name) else { return false };
    // breadth first, then back up; the depth is bounded by the length of a path
    let mut level = vec![name.clone()];
    let mut found = vec![name];
    while !level.is_empty() {
        let mut next = Vec::new();
        for path in level {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(fd) = rustix::fs::openat(dir, &path, flags, Mode::empty()) else { return false };
            let Ok(listing) = rustix::fs::Dir::read_from(&fd) else { return false };
            for entry in listing.flatten() {
                let inner = entry.file_name().to_bytes();
                if matches!(inner, b"." | b"..") {
                    continue;
                }
                if entry.file_type() != FileType::Directory {
                    return false;
                }
                let Ok(inner) = std::ffi::CString::new([path.to_bytes(), b"/", inner].concat()) else {
                    return false;
                };
                next.push(inner);
            }
        }
        found.extend(next.iter().cloned());
        level = next;
    }
    found.iter().rev().all(|path| gone(dir, path))
}

/// Makes the names in `dir` durable.
pub(super) fn sync_dir(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    match rustix::fs::fsync(dir) {
        // file systems that cannot sync a directory have nothing to lose by it
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}

fn refused(code: &str, message: String) -> StoreError {
    StoreError::Refused { code: code.to_owned(), message }
}

fn not_a_directory(path: &str, segment: &str) -> StoreError {
    refused(
        "KeyBelowAnObject",
        format!("'{segment}' in '{path}' is no directory; a file:// store cannot have keys below an object"),
    )
}
