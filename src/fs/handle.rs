//! Open file handles.
//!
//! A handle is only a cache: what it stands for can be found again by its inode number, so a handle that this run never
//! gave out can be re-opened (a daemon replaced under a live mount).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::drafts::draft::Draft;
use crate::drafts::opens::OpenGuard;
use crate::read::OpenObject;
use crate::types::{Clock, Ino, ProcessId};

/// What a handle stands for.
pub enum Handle {
    /// One version of an object, for reading.
    Object {
        /// Reads its bytes.
        object: Arc<OpenObject>,
        /// The directory in which it was opened.
        dir: Ino,
        /// Counts the handle for as long as it is open.
        _open: OpenGuard,
    },
    /// A draft or scratch file.
    Draft {
        /// The content.
        draft: Arc<Draft>,
        /// Opened for writing.
        writable: bool,
        /// The process that opened it.
        opener: ProcessId,
        /// The file was made with it, or changed by it.
        hand: AtomicBool,
    },
}

/// All open handles.
pub struct Handles {
    next: AtomicU64,
    open: RwLock<HashMap<u64, Arc<Handle>>>,
}

impl Handles {
    /// Begins at a number that no earlier run of the same mount is likely to have given out.
    pub fn new() -> Self {
        Self { next: AtomicU64::new(Clock.now().0.cast_unsigned()), open: RwLock::new(HashMap::new()) }
    }

    /// Adds a handle and returns its number.
    pub fn add(&self, handle: Handle) -> u64 {
        let fh = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.write().insert(fh, Arc::new(handle));
        fh
    }

    /// Returns the handle `fh`.
    pub fn get(&self, fh: u64) -> Option<Arc<Handle>> {
        self.open.read().get(&fh).cloned()
    }

    /// Removes the handle `fh`.
    pub fn remove(&self, fh: u64) -> Option<Arc<Handle>> {
        self.open.write().remove(&fh)
    }

    /// Gives the handle `of` the number `fh` and returns it. Where another has that number by now, `of` is left as it is.
    pub fn renumber(&self, of: u64, fh: u64) -> Option<Arc<Handle>> {
        let mut open = self.open.write();
        if open.contains_key(&fh) {
            return None;
        }
        let handle = open.remove(&of)?;
        open.insert(fh, Arc::clone(&handle));
        Some(handle)
    }

    /// Returns how many handles are open.
    pub fn len(&self) -> usize {
        self.open.read().len()
    }
}
