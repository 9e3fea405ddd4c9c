//! The kernel's side: decodes requests, calls the file system, encodes its answers. The only folder that knows fuser.

mod abort;
mod adapter;
mod announce;
mod cached_dirs;
mod convert;
mod errno;
mod features;
mod invalidate;
mod page_in;
mod pages;
mod passthrough;
mod session;

pub use abort::{ABORT_SUBCOMMAND, abort_when_gone};
pub use features::Feature;
pub use invalidate::Invalidator;
pub use session::{MountError, MountOptions, Mounted, clear_dead_mount, mount};

/// A directive for the log's filter: the FUSE library complains of every answer that nobody waits for any more, which an
/// interrupted call and an unmount leave behind.
pub const QUIET: &str = "fuser::reply=off";
