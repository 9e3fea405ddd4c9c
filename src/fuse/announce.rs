//! Telling those who watch a directory (file managers, by inotify) of a name that no program has used.
//!
//! The kernel tells watchers of what passes through it by the name that was used. A file that got a suffix was opened by
//! another name, so nobody hears of the one that it has now (semantics 9.2). Its mode is therefore set, through the mount,
//! to what it is: nothing changes, and watchers are told (`IN_ATTRIB`).
//!
//! # Dangers
//! The daemon asks itself here. So a thread of its own, the walker, does it, and:
//! * no request waits for it longer than a moment;
//! * it has descriptors of its own (`unshare(CLONE_FILES)`). A thread that waits for an answer of its own process keeps
//!   that process's `/dev/fuse` open when it is killed, and neither could end. Having none, it cannot wake the runtime:
//!   another thread, the announcer, hears from it and does that;
//! * it stands still during an unmount, which would find the mount busy otherwise;
//! * what it finds on another device, or is no regular file, it leaves alone.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::sync::oneshot;

/// How many names wait at most; what comes on top is not announced.
const MOST: usize = 256;

/// The longest that a close waits until its name is announced.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// The longest that an unmount waits for the announcement under way.
const LONGEST_TURN: Duration = Duration::from_secs(1);

enum Job {
    Announce(String),
    Tell(oneshot::Sender<()>),
}

/// Announces names, once it is started.
#[derive(Default)]
pub(super) struct Announcer {
    queue: Mutex<Option<mpsc::SyncSender<Job>>>,
    waiting: Arc<AtomicUsize>,
    /// Held while a name is announced, and while nothing may be.
    turn: Arc<Mutex<()>>,
}

impl Announcer {
    /// Begins to announce names below `root`, on the device `major:minor`.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(&self, root: &Path, device: &str) -> io::Result<()> {
        let (queue, jobs) = mpsc::sync_channel(MOST);
        let walker = Walker::start(root, device)?;
        let (turn, waiting) = (Arc::clone(&self.turn), Arc::clone(&self.waiting));
        thread::Builder::new().name("announcer".into()).spawn(move || {
            for job in jobs {
                match job {
                    Job::Tell(told) => drop(told.send(())), // who asked may have given up waiting
                    Job::Announce(path) => {
                        let _turn = turn.lock();
                        walker.go(path);
                        waiting.fetch_sub(1, Ordering::AcqRel);
                    }
                }
            }
        })?;
        *self.queue.lock() = Some(queue);
        Ok(())
    }

    /// Queues a name.
    pub(super) fn add(&self, path: &str) {
        let queue = self.queue.lock();
        let Some(queue) = &*queue else { return };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if queue.try_send(Job::Announce(path.to_owned())).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Waits a moment until all that was queued is announced.
    pub(super) fn done(&self) -> impl Future<Output = ()> + Send + use<> {
        let asked = if self.waiting.load(Ordering::Acquire) == 0 { None } else { self.ask() };
        async move {
            if let Some(wait) = asked {
                // A directory that somebody holds for long must not hold the caller.
                let _ = tokio::time::timeout(LONGEST_WAIT, wait).await;
            }
        }
    }

    fn ask(&self) -> Option<oneshot::Receiver<()>> {
        let (told, wait) = oneshot::channel();
        let queue = self.queue.lock();
        queue.as_ref()?.try_send(Job::Tell(told)).ok()?;
        Some(wait)
    }

    /// Announces nothing while the guard lives; waits for what is under way, but not for ever.
    pub(super) fn stand_still(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.try_lock_for(LONGEST_TURN)
    }
}

/// The thread that goes through the mount.
struct Walker {
    paths: mpsc::SyncSender<String>,
    been: mpsc::Receiver<()>,
}

impl Walker {
    fn start(root: &Path, device: &str) -> io::Result<Self> {
        let (paths, to_do) = mpsc::sync_channel::<String>(0);
        let (done, been) = mpsc::sync_channel(0);
        let (root, device) = (root.to_owned(), device.to_owned());
        thread::Builder::new().name("walker".into()).spawn(move || {
            if let Err(e) = own_descriptors() {
                tracing::debug!("new names are not announced to those who watch directories: {e}");
                return;
            }
            for path in to_do {
                if let Err(e) = announce(&root.join(&path), &device) {
                    tracing::debug!("{path}: not announced: {e}");
                }
                if done.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { paths, been })
    }

    /// Announces `path` and waits for it; nothing where the thread could not go apart.
    fn go(&self, path: String) {
        if self.paths.send(path).is_ok() {
            let _ = self.been.recv(); // an error: it has ended
        }
    }
}

/// Gives the calling thread a table of descriptors of its own, with the standard ones only.
fn own_descriptors() -> io::Result<()> {
    // SAFETY: this thread owns no descriptor of the shared table, and uses none of it afterwards but the standard ones.
    unsafe {
        rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FILES)?;
        if libc::close_range(3, libc::c_uint::MAX, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn announce(path: &PathBuf, device: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let here = format!("{}:{}", rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    if here != device || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
    // The table of this thread, not of its process.
    Ok(rustix::fs::chmod(format!("/proc/thread-self/fd/{}", file.as_raw_fd()), mode)?)
}
