//! Handing an object's content to the kernel's page cache, for a random reader that stays.
//!
//! Its handle was opened before the object was here, so its reads come through the daemon for as long as it is open, one by
//! one. Once the kernel has the pages it answers them itself. They are kept twice then, in the cache file's pages and in
//! these, so it is done for nobody else, and only where there is much memory; the kernel drops either when it needs room.
//!
//! # Invariant
//! The pages of an inode are of one content. An inode changes its meaning only while nobody has it open (`swap`), so a
//! handle is held while pages are handed over, and nothing is once it is closed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};

use super::Filesystem;
use super::handle::Handle;
use super::spare_memory::has_memory_for;
use crate::cache::{pieces, to_usize};
use crate::types::{ByteRange, Ino, Notices};

/// How much is handed over at a time: a close waits for no more.
const PIECE: u64 = 1024 * 1024;

impl Filesystem {
    /// Begins to hand the object that `handle`, of the inode `ino`, has open to the kernel: `content` is all of it.
    pub(super) fn hand_over(&self, ino: Ino, handle: &Arc<Handle>, content: File) {
        let Handle::Object { object, .. } = &**handle else { return };
        let size = object.version().size;
        if !has_memory_for(size) {
            return;
        }
        let (notices, handle) = (Arc::clone(&self.notices), Arc::downgrade(handle));
        tokio::task::spawn_blocking(move || copy(&*notices, ino, &handle, &content, size));
    }
}

fn copy(notices: &dyn Notices, ino: Ino, handle: &Weak<Handle>, content: &File, size: u64) {
    let mut bytes = vec![0; to_usize(PIECE)];
    for piece in pieces(ByteRange { start: 0, end: size }, PIECE) {
        let Some(_open) = handle.upgrade() else { return };
        let Some(bytes) = bytes.get_mut(..to_usize(piece.len())) else { return };
        if let Err(e) = content.read_exact_at(bytes, piece.start) {
            tracing::debug!("a cached file cannot be handed to the kernel: {e}");
            return;
        }
        if !notices.keep_pages(ino, piece.start, bytes) {
            return;
        }
    }
}
