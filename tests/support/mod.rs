//! What several test programs share. Each of them uses a part of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that panics fails, which is what it is for"
)]
#![allow(dead_code, reason = "every test program compiles this module and none uses all of it")]

#[macro_use]
#[allow(unused_macros, reason = "as above")]
mod both_stores;

pub mod actor;
pub mod data;
pub mod mount;
pub mod s3server;
pub mod seaweed;
pub mod stores;
