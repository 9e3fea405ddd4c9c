//! Exit codes. Others script against them: a code never changes its meaning. `docs/configuration.md` lists them.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::daemon::Unusable;
use crate::store::StoreError;

use super::refused::Refused;

/// Something failed that has no code of its own.
pub const FAILURE: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// A rule of the domain refuses the path (extension, template, length).
pub const REFUSED: u8 = 3;
/// There is no such file or directory in the store.
pub const NOT_FOUND: u8 = 4;
/// Credentials are invalid or permissions insufficient.
pub const ACCESS_DENIED: u8 = 10;
/// The bucket does not exist.
pub const NO_SUCH_BUCKET: u8 = 11;
/// The store answered with another error.
pub const STORE_ERROR: u8 = 12;
/// No credentials are configured.
pub const NO_CREDENTIALS: u8 = 13;
/// The store does not answer.
pub const UNREACHABLE: u8 = 14;
/// No TLS connection comes about.
pub const NO_TLS: u8 = 15;
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
    cause.downcast_ref::<StoreError>().map(|error| match error {
        StoreError::AccessDenied(_) => ACCESS_DENIED,
        StoreError::NoSuchBucket(_) => NO_SUCH_BUCKET,
        StoreError::NoCredentials => NO_CREDENTIALS,
        StoreError::Unavailable(_) => UNREACHABLE,
        StoreError::Tls(_) => NO_TLS,
        StoreError::NotFound(_) => NOT_FOUND,
        StoreError::Refused { .. } | StoreError::QuotaExceeded(_) | StoreError::Conflict(_) => STORE_ERROR,
        _ => FAILURE,
    })
}

/// Returns the process's result for a code.
pub fn with(code: u8) -> ExitCode {
    ExitCode::from(code)
}
