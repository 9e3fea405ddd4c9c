//! Suites that others wrote, run on a mount: pjdfstest, fsx, fio and stress-ng.
//!
//! What the law refuses is left out by name, with the sentence that refuses it, in `pjdfstest.exclude` and
//! `stress-ng.exclude`, and what stressors complain of all the same in `stress-ng.complaints`; what is there without need is
//! an error, too. `CAIRNFS_SUITES=full` makes the runs long.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
#[macro_use]
mod support;

mod excluded;
mod fio;
mod fsx;
mod pjdfstest;
mod program;
mod stress;

/// The domain of every suite: any name, any depth, and deletes that delete.
const CONFIG: &str = r#"
builtin_domains = false

[[domain]]
name = "suite"
template = "suite/{name:path}"
delete = "allow"
max_key_length = 1024

[write]
free_floor = "1MiB"

[mount]
dir_mode = "0777"
"#;

/// Returns `short`, or `full` where the full form is asked for.
fn short_or_full<T>(short: T, full: T) -> T {
    if std::env::var_os("CAIRNFS_SUITES").is_some_and(|form| form == "full") { full } else { short }
}
