//! Exit codes. Others script against them: a code never changes its meaning. `docs/configuration.md` lists them; those
//! from 10 to 15 are [`CheckFailure`](crate::store::CheckFailure)'s.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::daemon::Unusable;
use crate::store::{CheckOutcome, StoreError, explain};

use super::refused::Refused;

/// Something failed that has no code of its own.
pub const FAILURE: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// A rule of the domain refuses the path (extension, template, length).
pub const REFUSED: u8 = 3;
/// There is no such file or directory in the store.
pub const NOT_FOUND: u8 = 4;
/// Unmounted with as many things left to publish or delete as this is exceeded by, at most [`LEFT_MAX`].
pub const LEFT_BASE: u8 = 20;
/// Unmounted with 79 or more things left.
pub const LEFT_MAX: u8 = 99;
/// Ended by SIGINT, as shells count it (128 + 2).
pub const INTERRUPTED: u8 = 130;

/// Returns the code for an unmount that left `left` things for the next mount (semantics 10.3).
pub fn left_over(left: usize) -> u8 {
    let left = u8::try_from(left).unwrap_or(LEFT_MAX);
    if left == 0 { 0 } else { LEFT_BASE.saturating_add(left).min(LEFT_MAX) }
}

/// Returns the code for an error: that of the first cause in the chain which has one of its own.
pub fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of_cause).unwrap_or(FAILURE)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(refused) = cause.downcast_ref::<Refused>() {
        return Some(refused.code());
    }
    if let Some(unusable) = cause.downcast_ref::<Unusable>() {
        return Some(unusable.failure.exit_code());
    }
    if cause.is::<ConfigError>() {
        return Some(USAGE);
    }
    match cause.downcast_ref::<StoreError>()? {
        StoreError::NotFound(_) => Some(NOT_FOUND),
        // what went wrong with one object or on this host says nothing about the store
        StoreError::AlreadyExists(_) | StoreError::VersionChanged(_) | StoreError::Damaged { .. } => {
            Some(FAILURE)
        }
        error => match explain(error, "") {
            CheckOutcome::Failed { failure, .. } => Some(failure.exit_code()),
            CheckOutcome::Usable => None,
        },
    }
}

/// Returns the process's result for a code.
pub fn with(code: u8) -> ExitCode {
    ExitCode::from(code)
}
