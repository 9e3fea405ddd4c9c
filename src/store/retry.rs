//! The one loop that asks a store again.
//!
//! # What may be retried
//! Everything that only reads, and deletes: a version that is gone is gone. A create or a copy may be sent again too,
//! but an error that is [transient](crate::store::StoreError::is_transient) says nothing about whether it was done:
//! when the next try answers [`AlreadyExists`](crate::store::StoreError::AlreadyExists), only a look at the object
//! (`head`: does it carry our draft id, key and attempt?) tells whether that is our own earlier success. The caller
//! has to take that look; this loop does not.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::{StoreError, StoreResult};

/// How long to wait between tries: exponentially longer, and spread at random, so that many clients of a store that
/// comes back do not all ask in the same moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Before the second try.
    pub first_delay: Duration,
    /// Never longer than this.
    pub max_delay: Duration,
    /// How much longer each time.
    pub factor: f32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first_delay: Duration::from_millis(100), max_delay: Duration::from_secs(5), factor: 2.0 }
    }
}

/// Carries `request` out until it succeeds, fails for good, or `patience` is over. A try that is under way then is
/// dropped.
///
/// # Errors
/// That of the last try; [`StoreError::Unavailable`] where none has ended in time.
pub async fn retry<T, F>(patience: Duration, request: impl FnMut() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    retry_with(&RetryPolicy::default(), Instant::now() + patience, request).await
}

/// Carries `request` out until it succeeds, fails for good, or `deadline` has come. A try that is under way at the
/// deadline is dropped.
///
/// # Errors
/// That of the last try; [`StoreError::Unavailable`] where none has ended in time.
pub async fn retry_with<T, F>(
    policy: &RetryPolicy,
    deadline: Instant,
    mut request: impl FnMut() -> F,
) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    let delays = ExponentialBuilder::default()
        .with_min_delay(policy.first_delay)
        .with_max_delay(policy.max_delay)
        .with_factor(policy.factor)
        .with_jitter()
        .without_max_times()
        .build();
    let mut last = None;
    for delay in delays {
        let Ok(result) = tokio::time::timeout_at(deadline, request()).await else { break };
        let error = match result {
            Err(e) if e.is_transient() => e,
            done => return done,
        };
        if Instant::now() + delay >= deadline {
            return Err(error);
        }
        tracing::debug!(%error, ?delay, "asking the store again");
        last = Some(error);
        tokio::time::sleep(delay).await;
    }
    Err(last.unwrap_or_else(|| StoreError::Unavailable("no answer in time".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn unavailable() -> StoreError {
        StoreError::Unavailable("test".to_owned())
    }

    fn quick() -> RetryPolicy {
        RetryPolicy {
            first_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(20),
            ..RetryPolicy::default()
        }
    }

    #[tokio::test]
    async fn transient_error_is_retried_until_success() {
        let tries = AtomicUsize::new(0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let result = retry_with(&quick(), deadline, || async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0..3 => Err(unavailable()),
                _ => Ok(7),
            }
        })
        .await;
        assert_eq!(result.unwrap(), 7);
        assert_eq!(tries.into_inner(), 4);
    }

    #[tokio::test]
    async fn final_error_is_not_retried() {
        let tries = AtomicUsize::new(0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let result: StoreResult<()> = retry_with(&quick(), deadline, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(StoreError::NoCredentials)
        })
        .await;
        assert!(matches!(result, Err(StoreError::NoCredentials)));
        assert_eq!(tries.into_inner(), 1);
    }

    #[tokio::test]
    async fn deadline_ends_tries_that_fail() {
        let deadline = Instant::now() + Duration::from_millis(300);
        let tries = AtomicUsize::new(0);
        let result: StoreResult<()> = retry_with(&quick(), deadline, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(unavailable())
        })
        .await;
        assert!(matches!(&result, Err(StoreError::Unavailable(text)) if text == "test"), "{result:?}");
        // no sleep that would end after the deadline is begun
        assert!(Instant::now() < deadline + Duration::from_secs(1));
        // without growing delays there would be some 300
        let tries = tries.into_inner();
        assert!((2..=60).contains(&tries), "{tries} tries");
    }

    #[tokio::test]
    async fn deadline_ends_a_try_that_hangs() {
        let deadline = Instant::now() + Duration::from_millis(50);
        let result: StoreResult<()> = retry_with(&quick(), deadline, std::future::pending).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        assert!(Instant::now() >= deadline);
    }
}
