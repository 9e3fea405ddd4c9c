//! Bad input: names of every kind through the mount, keys of every kind in the bucket, nonsense on the command line and on
//! the control socket. Nothing crashes, nothing is hidden silently, and all that can be read is read.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod control;
mod keys;
mod names;
mod random;

/// The built-in domains, and one that takes every name.
const CONFIG: &str = r#"
builtin_domains = true

[[domain]]
name = "any"
template = "any/{name:path}"
delete = "allow"
max_key_length = 1024

[write]
free_floor = "1MiB"
"#;
