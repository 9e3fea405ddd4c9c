//! Attributes, and who may do what.

use std::time::Duration;

use super::{FsError, FsResult};
use crate::catalog::{Entry, Kind, Shown};
use crate::types::{Clock, Ino, Timestamp};

/// How long an object belongs to who made it.
const MAKERS_HOUR: Duration = Duration::from_secs(3600);

/// Who asks, as the kernel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The thread.
    pub tid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// What `stat` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// Inode number.
    pub ino: Ino,
    /// It is a directory; otherwise a regular file.
    pub directory: bool,
    /// Size in bytes.
    pub size: u64,
    /// Modification time; access and change time are the same.
    pub mtime: Timestamp,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// It holds a name; otherwise it lives only as long as it is open.
    pub named: bool,
}

/// An answer to a look-up: attributes, and how long the kernel may believe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// The attributes.
    pub attr: Attr,
    /// How long the name stands for this inode.
    pub name_ttl: Duration,
    /// How long the attributes hold.
    pub attr_ttl: Duration,
}

/// Owner and modes where the entry has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Owner of everything.
    pub uid: u32,
    /// Group of everything.
    pub gid: u32,
    /// Permission bits of files.
    pub file_mode: u32,
    /// Permission bits of directories.
    pub dir_mode: u32,
}

impl Ownership {
    /// Returns the attributes of `entry`, as the catalog has them.
    pub fn attr(&self, entry: &Entry) -> Attr {
        let directory = entry.kind == Kind::Dir;
        // What a draft became belongs to who made it for an hour (semantics 9.4).
        let theirs = entry.kind != Kind::Object || Clock.now().since(entry.touched_at) < MAKERS_HOUR;
        Attr {
            ino: entry.ino,
            directory,
            size: if directory { 0 } else { entry.size },
            mtime: entry.mtime,
            mode: if directory { self.dir_mode } else { self.file_mode },
            uid: entry.uid.filter(|_| theirs).unwrap_or(self.uid),
            gid: entry.gid.filter(|_| theirs).unwrap_or(self.gid),
            named: entry.shown != Shown::Hidden,
        }
    }
}

/// What a caller wants to do with a file or directory; the values are those of `access(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want(pub u32);

impl Want {
    /// Search a directory, run a file.
    pub const SEARCH: Self = Self(1);
    /// Write.
    pub const WRITE: Self = Self(2);
    /// Read.
    pub const READ: Self = Self(4);
}

/// Checks mode, owner, group and supplementary groups. User 0 may do everything.
///
/// # Errors
/// [`FsError::NotAllowed`].
pub fn check_access(caller: Caller, attr: &Attr, want: Want) -> FsResult<()> {
    if caller.uid == 0 || want.0 == 0 {
        return Ok(());
    }
    let in_group = || caller.gid == attr.gid || super::process::groups(caller.tid).contains(&attr.gid);
    let bits = if caller.uid == attr.uid {
        attr.mode >> 6
    } else if in_group() {
        attr.mode >> 3
    } else {
        attr.mode
    };
    if bits & want.0 == want.0 { Ok(()) } else { Err(FsError::NotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Attr = Attr {
        ino: Ino(2),
        directory: false,
        size: 0,
        mtime: Timestamp(0),
        mode: 0o640,
        uid: 10,
        gid: 4_000_000_000,
        named: true,
    };

    fn caller(uid: u32, gid: u32) -> Caller {
        Caller { tid: u32::MAX, uid, gid }
    }

    #[test]
    fn check_access_takes_the_first_class_that_fits() {
        assert!(check_access(caller(10, 1), &FILE, Want::WRITE).is_ok());
        assert!(check_access(caller(11, 4_000_000_000), &FILE, Want::READ).is_ok());
        assert_eq!(check_access(caller(11, 4_000_000_000), &FILE, Want::WRITE), Err(FsError::NotAllowed));
        assert_eq!(check_access(caller(11, 1), &FILE, Want::READ), Err(FsError::NotAllowed));
        assert!(check_access(caller(0, 0), &FILE, Want::WRITE).is_ok());
    }
}
