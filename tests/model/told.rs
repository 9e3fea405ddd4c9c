//! How the operations of a sequence read.

use std::fmt;

use crate::op::{Data, Op, Pick};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { who, name, flags, slot } => {
                write!(f, "{who:?}: #{slot} = open {name} {}", Flags(*flags))
            }
            Self::Write { who, slot, data } => write!(f, "{who:?}: write #{slot} {data}"),
            Self::Pwrite { who, slot, at, data } => write!(f, "{who:?}: pwrite #{slot} {data} at {at}"),
            Self::Ftruncate { who, slot, size } => write!(f, "{who:?}: ftruncate #{slot} to {size}"),
            Self::Read { who, slot, at, len } => write!(f, "{who:?}: pread #{slot} {len} at {at}"),
            Self::Fsync { who, slot } => write!(f, "{who:?}: fsync #{slot}"),
            Self::Fstat { who, slot } => write!(f, "{who:?}: fstat #{slot}"),
            Self::Dup { who, slot, new } => write!(f, "{who:?}: #{new} = dup #{slot}"),
            Self::Close { who, slot } => write!(f, "{who:?}: close #{slot}"),
            Self::Mmap { who, slot, new } => write!(f, "{who:?}: #{new} = map of #{slot}"),
            Self::MapWrite { who, map, at, data } => {
                write!(f, "{who:?}: in map #{map} {data} at {at}, msync")
            }
            Self::Munmap { who, map } => write!(f, "{who:?}: unmap #{map}"),
            Self::Truncate { who, name, size } => write!(f, "{who:?}: truncate {name} to {size}"),
            Self::Rename { who, from, to, how } => write!(f, "{who:?}: rename {from} to {to} ({how:?})"),
            Self::Link { who, from, to } => write!(f, "{who:?}: link {from} to {to}"),
            Self::Unlink { who, name } => write!(f, "{who:?}: unlink {name}"),
            Self::Mkdir { who, name } => write!(f, "{who:?}: mkdir {name}"),
            Self::Rmdir { who, name } => write!(f, "{who:?}: rmdir {name}"),
            Self::Fork => f.write_str("D forks E"),
            Self::EndChild { killed } => f.write_str(if *killed { "E is killed" } else { "E ends" }),
            Self::Kill { who } => write!(f, "{who:?} is killed"),
            Self::Put { name, data } => write!(f, "another client puts {name} {data}"),
            Self::Remove { name } => write!(f, "another client deletes {name}"),
            Self::Pass => f.write_str("time passes"),
            Self::Age => f.write_str("listings grow old"),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) if name.is_empty() => f.write_str("the directory"),
            Self::Named(name) => write!(f, "'{name}'"),
            Self::Alternative(_) => f.write_str("an alternative"),
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh(_, len) => write!(f, "[{len} bytes]"),
            Self::Of(name) => write!(f, "[the bytes of '{name}']"),
            Self::Bytes(bytes) => write!(f, "[{}]", crate::compare::short(bytes)),
        }
    }
}

struct Flags(i32);

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 & libc::O_ACCMODE {
            libc::O_RDONLY => "O_RDONLY",
            libc::O_WRONLY => "O_WRONLY",
            _ => "O_RDWR",
        })?;
        for (flag, name) in [
            (libc::O_CREAT, "O_CREAT"),
            (libc::O_EXCL, "O_EXCL"),
            (libc::O_TRUNC, "O_TRUNC"),
            (libc::O_APPEND, "O_APPEND"),
        ] {
            if self.0 & flag != 0 {
                write!(f, "|{name}")?;
            }
        }
        Ok(())
    }
}
