//! Bytes in: drafts become objects exactly once, and objects leave only by a delete that was meant.
//!
//! * [`staging`]: the files on this host that hold content which is not in the bucket yet.
//! * [`draft`]: one such content in memory.
//! * [`known`]: the pure record of how it was written.
//! * [`state`]: the pure decision of what a close means.
//! * [`create`]: one object under one key, until it is sure whose it is.
//! * [`seal`]: publishing under a free name, decided by the store.
//! * [`guard`]: bytes kept against clients that overwrite without asking.
//! * [`deletes`]: deferred deletes, with the copy to the trash.
//! * [`queue`]: the pure order in which acknowledged drafts are published.
//! * [`recovery`]: what a start does with what an earlier run left.
//!
//! # Crash safety
//! A draft's row is committed before its name is acknowledged; its content and row are on the disk before a close
//! that does not publish returns 0. An attempt (number, key, digest) is committed before its request is sent, so that
//! after any crash a 412 can be told from a collision.

pub mod create;
pub mod deletes;
pub mod draft;
pub mod facts;
pub mod guard;
pub mod known;
pub mod opens;
pub mod queue;
pub mod recovery;
pub mod seal;
pub mod staging;
pub mod state;
