//! cairnfs presents an S3 bucket as plain folders and keeps the rules of the bucket.
//!
//! A path comes in through FUSE, the **layout** says which domain rule it falls under, the **catalog** answers
//! everything that is metadata, **read** turns an object into bytes through the cache, **drafts** turns bytes into
//! an object exactly once, and the **store** is the only thing that talks to S3.
//!
//! Layers, from the bottom; a module uses only those below it (`tests/architecture.rs` holds the code to it):
//! `types` · `layout` · `store`, `catalog`, `cache` · `read`, `drafts` · `fs` · `fuse`, `control`, `systemd` ·
//! `config` · `daemon` · `cli`.

pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod drafts;
pub mod fs;
pub mod fuse;
pub mod layout;
pub mod read;
pub mod store;
pub mod systemd;
pub mod types;
