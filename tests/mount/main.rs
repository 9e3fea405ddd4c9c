//! The mount, held to `docs/semantics.md` by real system calls of real processes.
//!
//! Every test is named after the sentence that it holds the mount to: `s3_4_…` is sentence 3.4. What must hold on every
//! kind of store is run on a `file://` store and on an `s3://` store of the tests' own server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
#[macro_use]
mod support;

/// A mount that asks the store each time, and deletes at once.
const FRESH: &str =
    "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"0s\"\n[read]\nlist_ttl = \"0s\"\nmiss_ttl = \"0s\"\n";

mod cache_command;
mod catalog;
mod close;
mod covers;
mod damage;
mod damaged_cache;
mod delete;
mod drafts_command;
mod expiry;
mod extensions;
mod found_by_model;
mod freshness;
mod guard;
mod interrupted;
mod kernel;
mod namespace;
mod never_overwrite;
mod page_cache;
mod passthrough;
mod posix;
mod put_back;
mod queue;
mod reading;
mod removed_dirs;
mod rename;
mod restart;
mod same_bytes;
mod saved_as;
mod scratch;
mod seaweed;
mod served;
mod staging;
mod trash;
mod url;
mod walk;
mod watched;
mod weak_store;
mod writing;
mod xattrs;
