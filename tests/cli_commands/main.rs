//! The commands as people and scripts run them: the built program, its output, its exit codes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
mod support;

mod bucket;
mod config;
mod harness;
mod live;
mod mount;
mod put;
mod read;
mod trash;
mod usage;
