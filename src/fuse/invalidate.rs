//! Telling the kernel what changed, always off the request path.
//!
//! `FUSE_NOTIFY_INVAL_ENTRY` takes the directory's lock in the kernel. Sent by a thread that must answer a request which
//! holds that lock, it is a deadlock that only an abort of the connection ends. So one thread of its own sends them,
//! and no request that holds such a lock waits for it.

use std::ffi::OsStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fuser::{INodeNo, Notifier};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::announce::Announcer;
use crate::types::{Ino, Notices, Told};

/// The longest that anybody waits for the kernel to be told: it takes microseconds unless something holds the directory.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

enum Change {
    /// What a name means.
    Entry { parent: Ino, name: String, told: Option<oneshot::Sender<()>> },
    /// What a directory lists.
    Listing { parent: Ino },
}

/// Queues changes and sends them from a thread of its own.
pub struct Invalidator {
    queue: Mutex<Option<mpsc::Sender<Change>>>,
    waiting: Mutex<Option<mpsc::Receiver<Change>>>,
    /// For pages that the caller may wait for.
    notifier: Mutex<Option<Notifier>>,
    /// For those who watch directories.
    pub(super) announcer: Announcer,
}

impl Default for Invalidator {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel();
        Self {
            queue: Mutex::new(Some(queue)),
            waiting: Mutex::new(Some(waiting)),
            notifier: Mutex::new(None),
            announcer: Announcer::default(),
        }
    }
}

impl Invalidator {
    /// Begins to send, once the mount exists.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(&self, notifier: Notifier) -> std::io::Result<()> {
        let Some(changes) = self.waiting.lock().take() else { return Ok(()) };
        *self.notifier.lock() = Some(notifier.clone());
        thread::Builder::new().name("invalidator".into()).spawn(move || {
            for change in changes {
                tell(&notifier, change);
            }
        })?;
        Ok(())
    }

    /// Ends the sending: during an unmount a notification can block for ever.
    pub(super) fn disarm(&self) {
        *self.queue.lock() = None;
        *self.notifier.lock() = None;
    }
}

impl Invalidator {
    /// Has the kernel drop what it has of the content of `node`. Waits for reads of it, so it must not be called by who answers
    /// reads.
    pub(super) fn drop_pages(&self, node: u64) {
        let Some(notifier) = self.notifier.lock().clone() else { return };
        if let Err(e) = notifier.inval_inode(INodeNo(node), 0, 0) {
            tracing::debug!("the kernel keeps the pages of inode {node}: {e}");
        }
    }

    fn send(&self, change: Change) {
        if let Some(queue) = &*self.queue.lock() {
            // A receiver that is gone is a mount that is gone.
            let _ = queue.send(change);
        }
    }
}

fn tell(notifier: &Notifier, change: Change) {
    match change {
        Change::Entry { parent, name, told } => {
            let node = INodeNo(parent.0);
            // The second one for handles that were open before and are rewound: they are not asked about again
            // (fuse/cached_dirs.rs). Of a name that the kernel has never met, the first one tells it nothing.
            let done =
                notifier.inval_entry(node, OsStr::new(&name)).and_then(|()| notifier.inval_inode(node, 0, 0));
            if let Err(e) = done {
                tracing::debug!("the kernel was not told of {name}: {e}");
            }
            if let Some(told) = told {
                let _ = told.send(()); // who asked may have given up waiting
            }
        }
        Change::Listing { parent } => {
            if let Err(e) = notifier.inval_inode(INodeNo(parent.0), 0, 0) {
                tracing::debug!("the kernel was not told of directory {parent:?}: {e}");
            }
        }
    }
}

impl Notices for Invalidator {
    fn entry_changed(&self, parent: Ino, name: &str) {
        self.send(Change::Entry { parent, name: name.to_owned(), told: None });
    }

    fn entry_changed_told(&self, parent: Ino, name: &str) -> Told {
        let (told, wait) = oneshot::channel();
        self.send(Change::Entry { parent, name: name.to_owned(), told: Some(told) });
        Box::pin(async move {
            // A sender that is gone is a mount that is gone; one that is stuck must not hold the caller.
            let _ = tokio::time::timeout(LONGEST_WAIT, wait).await;
        })
    }

    fn listing_changed(&self, parent: Ino) {
        self.send(Change::Listing { parent });
    }

    fn keep_pages(&self, ino: Ino, offset: u64, bytes: &[u8]) -> bool {
        let Some(notifier) = self.notifier.lock().clone() else { return false };
        let stored = notifier.store(INodeNo(ino.0), offset, bytes);
        stored.inspect_err(|e| tracing::debug!("the kernel takes no pages of inode {ino}: {e}")).is_ok()
    }

    fn appeared(&self, path: &str) {
        self.announcer.add(path);
    }

    fn announced(&self) -> Told {
        Box::pin(self.announcer.done())
    }
}
