//! Bringing a cache file into the page cache, for an object that is looked at more than once.
//!
//! What was read through the daemon is in memory already, as pages of FUSE, and as pages of the cache file it is the same
//! bytes. But these lie in larger pieces (folios; on ext4 since Linux 6.16), which are read half as fast again, and they stay
//! when the kernel forgets the inode, and when the mount ends. They are brought by reading the file. (posix_fadvise(2) would
//! fill memory with pages of 4 KiB again; sendfile(2) to /dev/null copies nothing, but in a virtual machine whoever touches
//! such memory first waits for the host to find it, which took the next reader more than a second for a GiB.)

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::io::{Errno, ReadWriteFlags};

use super::invalidate::Invalidator;
use crate::fs::has_memory_for;

/// So many objects wait at most, each with its file open.
const WAITING: usize = 4;

/// How much is read at a time, in bytes.
const PIECE: usize = 1024 * 1024;

/// At so many places a file is looked at to see whether it is in memory.
const SAMPLES: u64 = 64;

/// What the thread asks and tells of an inode, while others go on.
pub(super) trait Progress: Send + 'static {
    /// Waits for a moment in which the mount is quiet. Returns whether the cache file, of `size` bytes, is still wanted in memory.
    fn wait_for_turn(&self, node: u64, size: u64) -> bool;

    /// It is there, or is not. Returns whether the kernel's pages of the inode are of no more use.
    fn ended(&self, node: u64, is_there: bool) -> bool;
}

/// The way to the thread, which takes one file after the other.
#[derive(Debug)]
pub(super) struct PageIn(SyncSender<(u64, File)>);

impl PageIn {
    /// Starts the thread.
    pub(super) fn start(invalidator: Arc<Invalidator>, progress: impl Progress) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(WAITING);
        thread::Builder::new().name("page-in".into()).spawn(move || run(&jobs, &invalidator, &progress))?;
        Ok(Self(queue))
    }

    /// Queues `file` of the object of `node`; `false` where too much waits.
    pub(super) fn queue(&self, node: u64, file: &File) -> bool {
        file.try_clone().is_ok_and(|file| self.0.try_send((node, file)).is_ok())
    }
}

fn run(jobs: &Receiver<(u64, File)>, invalidator: &Invalidator, progress: &impl Progress) {
    for (node, file) in jobs {
        let is_there = bring(&file, |size| progress.wait_for_turn(node, size));
        let is_there = is_there.unwrap_or_else(|e| {
            tracing::debug!("the cache file of inode {node} cannot be brought into memory: {e}");
            false
        });
        if progress.ended(node, is_there) {
            // or the next open, past the daemon, would have to wait for it
            invalidator.drop_pages(node);
        }
        let is = if is_there { "is" } else { "is not" };
        tracing::debug!("the cache file of inode {node} {is} in memory");
    }
}

/// Brings all of `file` into memory. `false` where there is not enough of that, or the file is not wanted any more, or evicted.
fn bring(file: &File, is_wanted: impl FnOnce(u64) -> bool) -> io::Result<bool> {
    let size = file.metadata()?.size();
    if !is_wanted(size) || !has_memory_for(size) {
        return Ok(false);
    }
    // What the cache wrote through the page cache lies in pieces as small as those writes. Only what is on the disk is dropped.
    file.sync_data()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    while at < size {
        if file.metadata()?.nlink() == 0 {
            return Ok(false);
        }
        match file.read_at(&mut buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => at += n as u64,
        }
    }
    Ok(is_in_memory(file, size))
}

/// Returns whether `file`, of `size` bytes, is in memory: all of it, going by some places, but for one of them. The host may
/// drop what is cold, and a control group may have less memory than there is.
pub(super) fn is_in_memory(file: &File, size: u64) -> bool {
    missing(file, size) <= 1
}

/// Counts the places at which `file`, of `size` bytes, is not in memory, of [`SAMPLES`]; none where the file system does not
/// say.
fn missing(file: &File, size: u64) -> usize {
    let is_missing = |place: &u64| {
        let at = size / SAMPLES * place;
        let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut [0])], at, ReadWriteFlags::NOWAIT);
        matches!(read, Err(Errno::AGAIN))
    };
    (0..SAMPLES).filter(is_missing).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 8 * 1024 * 1024;

    /// A file of `SIZE` bytes, of which nothing is in memory where it lies on a disk.
    fn cold_file(dir: &tempfile::TempDir) -> File {
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7; usize::try_from(SIZE).unwrap()]).unwrap();
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        file
    }

    #[test]
    fn brings_the_file() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap(); // on a disk, where /tmp may be memory
        let file = cold_file(&dir);
        bring(&file, |_| true).unwrap();
        // a host may have the kernel drop some
        assert!(missing(&file, SIZE) < 32);
    }

    #[test]
    fn brings_nothing_that_is_not_wanted_or_has_been_evicted() {
        let dir = tempfile::tempdir().unwrap();
        let file = cold_file(&dir);
        assert!(!bring(&file, |_| false).unwrap());
        drop(dir);
        assert!(!bring(&file, |_| true).unwrap());
    }
}
