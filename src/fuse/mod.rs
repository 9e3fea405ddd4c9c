//! The kernel's side: decodes requests, calls the file system, encodes its answers. The only folder that knows fuser.

mod adapter;
mod convert;
mod errno;
mod invalidate;
mod session;

pub use invalidate::Invalidator;
pub use session::{MountError, MountOptions, Mounted, clear_dead_mount, mount};
