//! The operations, one family a file.

mod close;
mod create;
mod data;
mod dirs;
mod lookup;
mod open;
mod remove;
mod rename;
mod rename_object;
mod setattr;
mod statfs;
mod xattr;

pub use dirs::DirEntry;
pub(super) use open::Mode;
pub use open::{Content, Opened};
pub use setattr::{SetAttr, SetTime};
pub use statfs::StatFs;
