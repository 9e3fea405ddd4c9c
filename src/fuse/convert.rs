//! Between the kernel's types and ours.

use std::time::SystemTime;

use fuser::{FileAttr, FileType, FopenFlags, INodeNo, Request, TimeOrNow};

use crate::fs::{Attr, Caller, Content, SetTime};
use crate::types::{Ino, Timestamp};

/// The block size of `st_blocks` (stat(2)).
const STAT_BLOCK: u64 = 512;

/// What `st_blksize` proposes for reads and writes.
pub(super) const IO_SIZE: u32 = 128 * 1024;

pub(super) fn caller(req: &Request) -> Caller {
    Caller { tid: req.pid(), uid: req.uid(), gid: req.gid() }
}

pub(super) fn ino(ino: INodeNo) -> Ino {
    Ino(ino.0)
}

pub(super) fn file_attr(a: &Attr) -> FileAttr {
    let time = SystemTime::from(a.mtime);
    FileAttr {
        ino: INodeNo(a.ino.0),
        size: a.size,
        blocks: a.size.div_ceil(STAT_BLOCK),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind(a),
        perm: u16::try_from(a.mode & 0o7777).unwrap_or(0),
        nlink: if a.directory { 2 } else { 1 },
        uid: a.uid,
        gid: a.gid,
        rdev: 0,
        blksize: IO_SIZE,
        flags: 0,
    }
}

pub(super) const fn kind(a: &Attr) -> FileType {
    if a.directory { FileType::Directory } else { FileType::RegularFile }
}

pub(super) fn set_time(t: TimeOrNow) -> SetTime {
    match t {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(t) => SetTime::At(Timestamp::from(t)),
    }
}

/// How a file that is opened through the daemon behaves in the kernel. An object never changes under its inode, so its
/// pages stay and its close needs no flush.
pub(super) const fn open_flags(content: &Content) -> FopenFlags {
    match content {
        Content::Draft => FopenFlags::empty(),
        Content::Partial | Content::Complete | Content::Verified(_) => {
            FopenFlags::FOPEN_KEEP_CACHE.union(FopenFlags::FOPEN_NOFLUSH)
        }
    }
}

/// How a file that is opened past the daemon behaves: it has no pages of its own to keep, and the kernel answers EIO where
/// it is told to.
pub(super) const PASSTHROUGH_FLAGS: FopenFlags = FopenFlags::FOPEN_NOFLUSH;
