//! The only retry loop: transient failures are ridden out with growing, jittered pauses, for a bounded time.
//!
//! A create that failed in transit may have happened. Asking again is right, but then
//! [`StoreError::AlreadyExists`] may mean our own earlier success: whoever creates looks at the object's draft id, key
//! and attempt before it calls that a collision (semantics 4.3).

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::{StoreError, StoreResult};

/// The first pause. Short: most transient failures are over at once.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs `request` until it succeeds, fails for good, or `patience` is over; then returns what it said last. An attempt
/// that is under way when `patience` ends is given up as [`StoreError::Unavailable`].
///
/// # Errors
/// The last error of `request`.
pub async fn retry<T, F, Fut>(patience: Duration, request: F) -> StoreResult<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = StoreResult<T>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_total_delay(Some(patience))
        .with_jitter();
    request
        .retry(pauses)
        .when(StoreError::is_transient)
        .notify(|e, pause| tracing::debug!("asked again in {pause:?}: {e}"))
        .await
}
