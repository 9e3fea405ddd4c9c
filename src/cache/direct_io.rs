//! Writing a host file past the kernel's page cache (O_DIRECT, open(2)).
//!
//! What is read for the first time goes through the page cache once already, on its way to the reader. A second copy of it,
//! in the pages of the cache's file, costs the processor what copying costs and twice the memory, and is of use to nobody
//! until the first is gone. So whole blocks are written straight from where they lie; which of them, the writer says
//! ([`super::writer`]).

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::chunks::{BLOCK, to_usize};
use super::front::Extent;

/// What place and length in memory and in the file are multiples of, in bytes. Some disks ask for less, few for more
/// (`STATX_DIOALIGN`, statx(2)); those refuse, and are written to as any other.
pub(super) const ALIGNMENT: usize = 4096;

/// The way past the page cache into one host file.
#[derive(Debug, Default)]
pub(super) enum DirectIo {
    #[default]
    Untried,
    Open(File),
    /// The file system has no such way, or there is nothing more to write.
    Off,
}

impl DirectIo {
    /// Writes `extents`, each right behind the one before, into the file that is open as `data`. Returns whether it has: `false`
    /// where they have to be written in another way.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn write(&mut self, data: &File, extents: &[Extent]) -> io::Result<bool> {
        if !extents.iter().all(fits) {
            return Ok(false);
        }
        if matches!(self, Self::Untried) {
            *self = open(data).map_or(Self::Off, Self::Open);
        }
        let Self::Open(file) = self else { return Ok(false) };
        match write_all(file, extents) {
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
        *self = Self::Off;
    }
}

/// Opens the file once more: the flag is one of the open file, which readers share. Not by its name, which may be another's.
fn open(data: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", data.as_raw_fd());
    OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path)
}

fn write_all(file: &File, extents: &[Extent]) -> io::Result<()> {
    let mut slices: Vec<_> = extents.iter().map(|e| IoSlice::new(&e.bytes)).collect();
    let (mut left, mut at) = (slices.as_mut_slice(), extents.first().map_or(0, |e| e.offset));
    while !left.is_empty() {
        match rustix::io::pwritev(file, left, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                at += n as u64;
                IoSlice::advance_slices(&mut left, n);
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn fits(extent: &Extent) -> bool {
    let block = to_usize(BLOCK);
    extent.bytes.len() == block
        && extent.offset.is_multiple_of(BLOCK)
        && extent.bytes.as_ptr().align_offset(ALIGNMENT) == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use bytes::BufMut;

    use crate::cache::memory::Memory;

    fn block(number: u64, fill: u8) -> Extent {
        let mut buffer = Memory::new(BLOCK).try_reserve(BLOCK).unwrap().buffer(BLOCK);
        buffer.room().put_bytes(fill, to_usize(BLOCK));
        Extent { offset: number * BLOCK, bytes: buffer.freeze() }
    }

    #[test]
    fn write_takes_whole_blocks_also_several_and_leaves_the_rest_to_others() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * BLOCK).unwrap();
        let mut direct = DirectIo::default();
        let whole = block(0, 9).bytes;
        let part = Extent { offset: BLOCK, bytes: whole.slice(..4096) };
        let unaligned = Extent { offset: 512, bytes: whole };
        assert!(!direct.write(&file, &[block(0, 9), part]).unwrap());
        assert!(!direct.write(&file, &[unaligned]).unwrap());
        assert!(matches!(direct, DirectIo::Untried));
        let written = direct.write(&file, &[block(1, 7), block(2, 8)]).unwrap();
        assert_eq!(written, open(&file).is_ok());
        let mut content = vec![1; to_usize(4 * BLOCK)];
        file.read_exact_at(&mut content, 0).unwrap();
        for (at, byte) in (0..).zip(content) {
            let filled = match at / BLOCK {
                1 if written => 7,
                2 if written => 8,
                _ => 0,
            };
            assert_eq!(byte, filled, "at {at}");
        }
        direct.close();
        assert!(!direct.write(&file, &[block(3, 8)]).unwrap());
    }
}
