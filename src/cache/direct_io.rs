//! Writing a host file past the kernel's page cache (O_DIRECT, open(2)).
//!
//! What is read for the first time goes through the page cache once already, on its way to the reader. A second copy of it,
//! in the pages of the cache's file, costs the processor what copying costs and twice the memory, and is of use to nobody
//! until the first is gone. So whole blocks are written straight from where they lie, as long as the disk takes them as fast
//! as they come.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::chunks::{BLOCK, to_usize};
use super::front::Extent;

/// What place and length in memory and in the file are multiples of, in bytes. Some disks ask for less, few for more
/// (`STATX_DIOALIGN`, statx(2)); those refuse, and are written to as any other.
pub(super) const ALIGNMENT: usize = 4096;

/// The way past the page cache into one host file.
#[derive(Debug, Default)]
pub(super) struct DirectIo {
    /// `None` where the file system has no such way, or there is nothing more to write.
    file: Option<File>,
}

impl DirectIo {
    /// Opens the way into the file at `path`, of `size` bytes.
    pub(super) fn open(path: &Path, size: u64) -> Self {
        if size < BLOCK {
            return Self::default(); // nothing of it will fit
        }
        let flags = OFlags::DIRECT.bits().cast_signed();
        Self { file: OpenOptions::new().write(true).custom_flags(flags).open(path).ok() }
    }

    /// Writes `extent`. Returns whether it has: `false` where it has to be written in another way.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn write(&mut self, extent: &Extent) -> io::Result<bool> {
        let Some(file) = self.file.as_ref().filter(|_| fits(extent)) else { return Ok(false) };
        match file.write_all_at(&extent.bytes, extent.offset) {
            Ok(()) => Ok(true),
            // how a file system says that it wants it aligned otherwise, or not at all
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                self.close();
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Closes it: there is nothing more to write.
    pub(super) fn close(&mut self) {
        self.file = None;
    }
}

fn fits(extent: &Extent) -> bool {
    let block = to_usize(BLOCK);
    extent.bytes.len() == block
        && extent.offset.is_multiple_of(BLOCK)
        && extent.bytes.as_ptr().align_offset(ALIGNMENT) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    use crate::cache::memory::Memory;

    fn block(number: u64, fill: u8) -> Extent {
        let mut buffer = Memory::new(BLOCK).try_reserve(BLOCK).unwrap().buffer(BLOCK);
        buffer.room().put_bytes(fill, to_usize(BLOCK));
        Extent { offset: number * BLOCK, bytes: buffer.freeze() }
    }

    #[test]
    fn write_takes_whole_blocks_and_leaves_the_rest_to_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(3 * BLOCK).unwrap();
        let mut direct = DirectIo::open(file.path(), 3 * BLOCK);
        let possible = direct.file.is_some();
        assert_eq!(direct.write(&block(1, 7)).unwrap(), possible);
        let whole = block(0, 9).bytes;
        let part = Extent { offset: 0, bytes: whole.slice(..4096) };
        let unaligned = Extent { offset: 512, bytes: whole };
        assert!(!direct.write(&part).unwrap() && !direct.write(&unaligned).unwrap());
        let content = std::fs::read(file.path()).unwrap();
        let (before, rest) = content.split_at(to_usize(BLOCK));
        let (written, after) = rest.split_at(to_usize(BLOCK));
        assert!(before.iter().chain(after).all(|b| *b == 0));
        assert!(written.iter().all(|b| *b == if possible { 7 } else { 0 }));
        direct.close();
        assert!(!direct.write(&block(2, 8)).unwrap());
    }

    #[test]
    fn open_for_less_than_a_block_or_of_nothing_is_no_way() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(DirectIo::open(file.path(), BLOCK - 1).file.is_none());
        assert!(DirectIo::open(Path::new("/nowhere"), BLOCK).file.is_none());
    }
}
