//! The reference model: random sequences of operations run against real mounts and against a model in memory
//! (`docs/semantics.md` as a program). After every step both agree on every name, size and byte, and the bucket holds exactly
//! what the model says.
//!
//! A sequence comes from its seed alone. One that fails is printed, made as short as it can be made, with the command that
//! runs it again. `CAIRNFS_MODEL_SEQUENCES` is how many run (2,000), `CAIRNFS_MODEL_SEED` the first of them;
//! `CAIRNFS_MODEL_SETTINGS` (`plain`, `believing`, …) leaves out those with other settings. These are
//! divided between the two kinds of store; with `CAIRNFS_MODEL_ON_EACH` all of them run on each.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod draft;
mod draw;
mod lag;
mod meant;
mod model;
mod op;
mod rules;
mod run;
mod settings;
mod told;
mod world;

use support::mount::Kind;

#[test]
fn model_and_mount_agree_on_a_directory_store() {
    run::sequences(Kind::Dir);
}

#[test]
fn model_and_mount_agree_on_s3() {
    run::sequences(Kind::S3);
}
