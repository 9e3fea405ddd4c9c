//! How much each reader may fetch ahead at this moment: memory shared out among those who read in sequence, requests no
//! larger than the store delivers in good time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::plan::{Allowance, FIRST};
use crate::cache::BLOCK;

/// A request should not take longer than this: who waits for it gives up after the deadline.
const REQUEST_TIME: Duration = Duration::from_secs(2);

/// Transfers shorter than this tell more about latency than about speed.
const SAMPLE_BYTES: u64 = 256 * 1024;

/// A window holds at most so many requests.
const WINDOW_REQUESTS: u64 = 8;

/// A store whose answers begin within this is near: a request costs more there than it waits, so that few large ones are
/// best. The answers of S3 itself take 20 to 100 ms to begin, and none comes faster than about 90 MB/s.
const NEAR: Duration = Duration::from_millis(10);

/// How many requests a store is asked for at a time: by all windows together, and by each at least.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    all: u64,
    each: u64,
}

const IN_FLIGHT_NEAR: InFlight = InFlight { all: 2, each: 1 };
const IN_FLIGHT_FAR: InFlight = InFlight { all: 3, each: 2 };

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Pressure {
    window_max: u64,
    request_max: u64,
    /// What all windows together may take.
    memory: u64,
    streams: AtomicUsize,
    /// Bytes a second that one request gets, smoothed; 0 while unknown.
    rate: AtomicU64,
    /// Microseconds until an answer begins, smoothed; 0 while unknown.
    latency: AtomicU64,
}

impl Pressure {
    pub(super) fn new(window_max: u64, request_max: u64, memory: u64) -> Self {
        Self {
            window_max,
            request_max: request_max.max(FIRST),
            memory,
            streams: AtomicUsize::new(0),
            rate: AtomicU64::new(0),
            latency: AtomicU64::new(0),
        }
    }

    /// Counts one more reader with a window.
    pub(super) fn enter(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less.
    pub(super) fn leave(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes note that one request brought `bytes` in `time`.
    pub(super) fn sample(&self, bytes: u64, time: Duration) {
        if bytes < SAMPLE_BYTES {
            return;
        }
        let now =
            u64::try_from(u128::from(bytes) * 1_000_000 / time.as_micros().max(1)).unwrap_or(u64::MAX).max(1);
        smooth(&self.rate, now);
    }

    /// Takes note that an answer began `latency` after it was asked for.
    pub(super) fn answered(&self, latency: Duration) {
        smooth(&self.latency, u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Returns how many bytes one request brings in `time`, `None` while that is unknown.
    pub(super) fn bytes_within(&self, time: Duration) -> Option<u64> {
        let rate = Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate > 0)?;
        let bytes = u128::from(rate) * time.as_millis() / 1000;
        Some(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Returns what one reader may fetch now.
    pub(super) fn allowance(&self, fill: bool) -> Allowance {
        let streams = self.streams.load(Ordering::Relaxed).max(1) as u64;
        // a quarter stays for what was read and is not on disk yet, and for other readers
        let share = self.memory / 4 * 3 / streams;
        let in_time = self.bytes_within(REQUEST_TIME).unwrap_or(u64::MAX);
        let near = u128::from(self.latency.load(Ordering::Relaxed)) < NEAR.as_micros();
        let InFlight { all, each } = if near { IN_FLIGHT_NEAR } else { IN_FLIGHT_FAR };
        let in_flight = (all / streams).max(each);
        let request = self.request_max.min(in_time).max(FIRST);
        let window = self.window_max.min(share).min(request.saturating_mul(WINDOW_REQUESTS)).max(BLOCK);
        Allowance { window, request, in_flight, fill }
    }
}

/// Takes `now` into `value`, which is 0 before the first time.
fn smooth(value: &AtomicU64, now: u64) {
    let smooth = |old: u64| Some(if old == 0 { now } else { old - old / 4 + now / 4 });
    // two at once may lose one sample, no more
    let updated = value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smooth);
    debug_assert!(updated.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn allowance_is_shared_among_streams() {
        let pressure = Pressure::new(32 * MIB, 8 * MIB, 64 * MIB);
        let one = pressure.allowance(true);
        assert_eq!(one, Allowance { window: 32 * MIB, request: 8 * MIB, in_flight: 2, fill: true });
        for _ in 0..4 {
            pressure.enter();
        }
        assert_eq!(
            pressure.allowance(false),
            Allowance { window: 12 * MIB, in_flight: 1, fill: false, ..one }
        );
        for _ in 0..4 {
            pressure.leave();
        }
        assert_eq!(pressure.allowance(true), one);
    }

    #[test]
    fn store_that_takes_its_time_gets_more_requests_at_once() {
        let pressure = Pressure::new(32 * MIB, 8 * MIB, 64 * MIB);
        assert_eq!(pressure.allowance(true).in_flight, 2);
        pressure.answered(Duration::from_millis(20));
        assert_eq!(pressure.allowance(true).in_flight, 3);
        for _ in 0..4 {
            pressure.enter();
        }
        assert_eq!(pressure.allowance(true).in_flight, 2);
        for _ in 0..20 {
            pressure.answered(Duration::from_millis(1));
        }
        assert_eq!(pressure.allowance(true).in_flight, 1);
    }

    #[test]
    fn allowance_on_a_slow_store_keeps_requests_short() {
        let pressure = Pressure::new(32 * MIB, 8 * MIB, 64 * MIB);
        for _ in 0..20 {
            pressure.sample(MIB, Duration::from_secs(2));
        }
        let allow = pressure.allowance(true);
        assert!(allow.request <= MIB + MIB / 10 && allow.window <= 9 * MIB, "{allow:?}");
        pressure.sample(1000, Duration::from_secs(100));
        assert_eq!(pressure.allowance(true), allow);
    }

    #[test]
    fn allowance_never_falls_below_a_first_read() {
        let pressure = Pressure::new(32 * MIB, 8 * MIB, MIB);
        pressure.sample(MIB, Duration::from_secs(1000));
        assert_eq!(pressure.allowance(true).request, FIRST);
    }
}
