//! One daemon a state directory: two would each believe that they know every draft.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};

/// Holds the state directory until it is dropped; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Makes the directory if it is missing, and takes it.
    ///
    /// # Errors
    /// When another process has it, or the directory cannot be used.
    pub fn take(state: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .with_context(|| format!("{}: the state directory cannot be made", state.display()))?;
        let path = state.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("{}: cannot be opened", path.display()))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            anyhow::anyhow!(
                "{}: the state directory is in use by another cairnfs: unmount that one, or give another --state-dir",
                state.display()
            )
        })?;
        Ok(Self { _file: file })
    }
}
