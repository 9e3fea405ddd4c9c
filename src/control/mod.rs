//! Talking to a running mount: `cairnfs status`, `cairnfs umount`, `cairnfs drafts`, `cairnfs cache`.
//!
//! A mount listens on a unix socket whose name follows from its mount point ([`place`]). One connection carries one
//! request and its answers, each a line of JSON ([`protocol`]). The daemon implements [`ControlHandler`]; the commands
//! use [`client`].
//!
//! # Invariants
//! * Only the user who runs the mount, and root, are answered: the directory and the socket are closed to others, and
//!   the peer's user id is asked of the kernel again.
//! * Nothing here touches the mounted tree: a mount whose daemon has died must still be nameable.

pub mod client;
pub mod place;
pub mod protocol;
pub mod server;

pub use protocol::{DraftReport, DrainReport, StatusReport};
pub use server::{ControlFailure, ControlHandler, ControlServer, ProgressSink};
