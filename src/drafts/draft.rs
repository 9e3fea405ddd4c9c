//! One draft or scratch file in memory: its staging file and what is known of how it was written.
//!
//! # Locking
//! [`Draft::state`] is a leaf lock: nothing else is locked and nothing is awaited while it is held. Bytes are read
//! and written with positioned calls outside it, but for the bookkeeping. [`Draft::writing`] is shared by those who
//! change bytes, from their look at the state to its update: who says that it is being published waits for them, so
//! that no write falls between.
//!
//! # The staging file
//! It is open while the draft has handles; without one, whoever uses it opens it for himself. So what waits for the store,
//! however much and however long, costs no descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};

use super::known::Known;
use super::staging::Staging;
use crate::types::{Ino, Sha256Hex};

/// Content on this host under one inode number.
#[derive(Debug)]
pub struct Draft {
    /// The inode number under which programs hold it.
    pub ino: Ino,
    /// What is known of it.
    pub state: Mutex<Known>,
    /// Shared by changes of the bytes; see the module documentation.
    pub writing: RwLock<()>,
    /// Held while it is being published or fetched: one at a time.
    pub busy: tokio::sync::Mutex<()>,
    staging: Arc<Staging>,
    /// The staging file, for reading and writing, while there are handles, or the first is to come. Locked before `state`.
    file: Mutex<Option<Arc<File>>>,
}

impl Draft {
    /// Wraps what is known of a draft, whose content is in `staging`; in `file`, if it was just made.
    pub fn new(ino: Ino, staging: Arc<Staging>, file: Option<File>, known: Known) -> Self {
        Self {
            ino,
            state: Mutex::new(known),
            writing: RwLock::new(()),
            busy: tokio::sync::Mutex::new(()),
            staging,
            file: Mutex::new(file.map(Arc::new)),
        }
    }

    /// Returns the staging file.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn file(&self) -> io::Result<Arc<File>> {
        self.opened(&self.file.lock())
    }

    fn opened(&self, file: &Option<Arc<File>>) -> io::Result<Arc<File>> {
        if let Some(file) = file {
            return Ok(Arc::clone(file));
        }
        let id = self.state.lock().id.clone();
        Ok(Arc::new(self.staging.reopen(&id)?))
    }

    /// Counts a handle more, of which `note` takes note, and returns what that says.
    ///
    /// # Errors
    /// What the host file system says; nothing is counted then.
    pub fn add_handle<T>(&self, note: impl FnOnce(&mut Known) -> T) -> io::Result<T> {
        let mut file = self.file.lock();
        *file = Some(self.opened(&file)?);
        let mut known = self.state.lock();
        known.handles += 1;
        Ok(note(&mut known))
    }

    /// Closes the staging file, unless there are handles.
    pub fn rest(&self) {
        let mut file = self.file.lock();
        if self.state.lock().handles == 0 {
            *file = None;
        }
    }

    /// Reads up to `len` bytes at `offset`; short only at the end. The origin must have been copied before.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file()?;
        let mut buf = vec![0; len];
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|r| !r.is_empty()) {
            match file.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        buf.truncate(filled);
        Ok(buf)
    }

    /// Returns the SHA-256 of the content: the running one, or by reading the staging file once. Blocks.
    ///
    /// # Errors
    /// What the host file system says.
    pub fn digest(&self) -> io::Result<Sha256Hex> {
        if let Some(digest) = self.state.lock().running_digest() {
            return Ok(digest);
        }
        digest_of(&*self.file()?)
    }
}

/// Returns the SHA-256 of a whole file, read with positioned calls. Blocks.
///
/// # Errors
/// What the host file system says.
pub fn digest_of(file: &File) -> io::Result<Sha256Hex> {
    let mut digest = Sha256::new();
    let mut buf = vec![0; 1024 * 1024];
    let mut offset = 0;
    loop {
        match file.read_at(&mut buf, offset) {
            Ok(0) => return Ok(Sha256Hex::from_bytes(digest.finalize().into())),
            Ok(n) => {
                digest.update(buf.get(..n).unwrap_or_default());
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
