//! The one loop that asks a store again: transient failures are ridden out with growing, jittered pauses, for a
//! bounded time.
//!
//! # What may be retried
//! Everything that only reads, and deletes: a version that is gone is gone. A create or a copy may be sent again too,
//! but a transient failure says nothing about whether it was done: when the next try answers
//! [`AlreadyExists`](super::StoreError::AlreadyExists), only a look at the object (does it carry our draft id, key and
//! attempt?) tells whether that is our own earlier success (semantics 4.3). The caller has to take that look; this
//! loop does not.

use std::future::Future;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{StoreError, StoreResult};

/// The first pause. Short: most transient failures are over at once.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs `request` until it succeeds or fails for good, and begins no try that could not begin within `patience`. A try
/// that is under way then may end by itself: it is bounded by the store's own time-outs, and an upload may take longer
/// than anybody's patience with a store that fails.
///
/// # Errors
/// The last error of `request`.
pub async fn retry<T, F, Fut>(patience: Duration, mut request: F) -> StoreResult<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = StoreResult<T>>,
{
    let began = Instant::now();
    // jitter, so that many clients of a store that comes back do not all ask in the same moment
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        let error = match request().await {
            Err(e) if e.is_transient() && !matches!(e, StoreError::Down(_)) => e,
            done => return done,
        };
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        if began.elapsed() + pause >= patience {
            return Err(error);
        }
        tracing::debug!("asked again in {pause:?}: {error}");
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    fn unavailable() -> StoreError {
        StoreError::Unavailable("test".to_owned())
    }

    #[tokio::test]
    async fn transient_error_is_retried_until_success() {
        let tries = AtomicUsize::new(0);
        let result = retry(Duration::from_secs(60), || async {
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
        let result: StoreResult<()> = retry(Duration::from_secs(60), || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(StoreError::NoCredentials)
        })
        .await;
        assert!(matches!(result, Err(StoreError::NoCredentials)));
        assert_eq!(tries.into_inner(), 1);
    }

    #[tokio::test]
    async fn patience_ends_tries_that_fail() {
        let patience = Duration::from_millis(500);
        let tries = AtomicUsize::new(0);
        let began = Instant::now();
        let result: StoreResult<()> = retry(patience, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(unavailable())
        })
        .await;
        assert!(matches!(&result, Err(StoreError::Unavailable(text)) if text == "test"), "{result:?}");
        assert!(began.elapsed() < patience);
        // pauses of 50 ms that did not grow would make ten
        let tries = tries.into_inner();
        assert!((2..=5).contains(&tries), "{tries} tries");
    }

    #[tokio::test]
    async fn slow_tries_use_up_patience_too() {
        let tries = AtomicUsize::new(0);
        let result: StoreResult<()> = retry(Duration::from_millis(300), || async {
            tries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(400)).await;
            Err(unavailable())
        })
        .await;
        assert!(result.is_err());
        assert_eq!(tries.into_inner(), 1);
    }

    #[tokio::test]
    async fn upload_under_way_is_not_cut_off() {
        let result = retry(Duration::from_millis(10), || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(7)
        })
        .await;
        assert_eq!(result.unwrap(), 7);
    }
}
