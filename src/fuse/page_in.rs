//! Bringing a cache file into the page cache, for an object that is looked at more than once.
//!
//! What was read through the daemon is in memory already, as pages of FUSE, and as pages of the cache file it is the same
//! bytes. But those lie in larger pieces (folios), which are read half as fast again, and they stay when the kernel forgets
//! the inode, and when the mount ends. They are brought by reading the file. (posix_fadvise(2) would fill memory with pages of
//! 4 KiB again; sendfile(2) to /dev/null copies nothing, but in a virtual machine whoever touches such memory first waits for
//! the host to find it, which took the next reader more than a second for a GiB.)

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::invalidate::Invalidator;
use crate::fs::has_memory_for;

/// So many objects wait at most, each with its file open. Others stay as they are.
const WAITING: usize = 16;

/// How much is read at a time, in bytes.
const PIECE: usize = 1024 * 1024;

/// Nothing is done before this has passed without anything new to do: who looks at an object once more, or at the next one, is
/// not held up.
const QUIET: Duration = Duration::from_millis(500);

/// What is to be done for an object.
#[derive(Debug)]
pub(super) enum Next {
    /// To bring its cache file into memory.
    PageIn(File),
    /// To have the kernel drop its pages of the inode, since the cache file's are there. It does so by itself when the object is
    /// opened past the daemon, but that open has to wait for it.
    DropPages,
}

/// The way to the thread, which takes one file after the other.
#[derive(Debug)]
pub(super) struct PageIn(SyncSender<(u64, Next)>);

impl PageIn {
    /// Starts the thread. `here` is told of each inode whose file is in memory, and returns whether the kernel should drop the
    /// pages of the inode.
    pub(super) fn start(
        invalidator: Arc<Invalidator>,
        here: impl Fn(u64) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(WAITING);
        thread::Builder::new().name("page-in".into()).spawn(move || run(&jobs, &invalidator, here))?;
        Ok(Self(queue))
    }

    /// Queues what is next for the object of `node`, unless too much waits.
    pub(super) fn queue(&self, node: u64, next: Next) {
        if self.0.try_send((node, next)).is_err() {
            tracing::debug!("the pages of inode {node} stay as they are: too much waits");
        }
    }
}

fn run(jobs: &Receiver<(u64, Next)>, invalidator: &Invalidator, here: impl Fn(u64) -> bool) {
    let mut waiting = Vec::new();
    loop {
        let job = match waiting.len() {
            0 => jobs.recv().map_err(RecvTimeoutError::from),
            1..WAITING => jobs.recv_timeout(QUIET),
            _ => Err(RecvTimeoutError::Timeout),
        };
        match job {
            Ok(job) => waiting.push(job),
            Err(RecvTimeoutError::Timeout) => {
                for (node, next) in waiting.drain(..) {
                    if is_of_no_more_use(node, next, &here) {
                        invalidator.drop_pages(node);
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Does what is next for `node`. Returns whether the kernel's pages of it should go.
fn is_of_no_more_use(node: u64, next: Next, here: impl Fn(u64) -> bool) -> bool {
    let Next::PageIn(file) = next else { return true };
    match bring(&file) {
        Ok(true) => {
            let idle = here(node);
            tracing::debug!("the cache file of inode {node} is in memory");
            idle
        }
        Ok(false) => false,
        Err(e) => {
            tracing::debug!("the cache file of inode {node} was not brought into memory: {e}");
            false
        }
    }
}

/// Brings all of `file` into memory. `false` where there is not enough of that, or the file was evicted meanwhile.
fn bring(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.size();
    if !has_memory_for(size) {
        return Ok(false);
    }
    // What the cache wrote through the page cache lies in pieces as small as those writes. Only what is on the disk is dropped.
    file.sync_data()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    while at < size {
        match file.read_at(&mut buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => at += n as u64,
        }
    }
    Ok(file.metadata()?.nlink() > 0)
}
