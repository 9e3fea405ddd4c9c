//! Time, in one place: nothing else in the crate asks the system what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in nanoseconds since the Unix epoch (negative before 1970).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the moment `seconds` and `nanos` after the epoch.
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Returns whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Returns the nanoseconds past [`Self::seconds`], 0 to 999,999,999.
    pub const fn subsec_nanos(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "rem_euclid is below 10^9")]
        let nanos = self.0.rem_euclid(1_000_000_000) as u32;
        nanos
    }

    /// Returns how long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns this moment moved forward by `by`, saturating.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Returns RFC 3339 text in UTC with whole seconds, as events and catalogs show it.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.seconds()).map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }

    /// Returns the moment in UTC with whole seconds and without punctuation, `20260131T235959Z`: it sorts by time.
    pub fn compact(self) -> String {
        self.rfc3339().replace([':', '-'], "")
    }

    /// Reads what [`Self::compact`] returns; none for any other form.
    pub fn parse_compact(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Self::from_unix(time.as_second(), 0)).filter(|t| t.compact() == text)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(t: SystemTime) -> Self {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Self(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)),
            Err(e) => Self(i64::try_from(e.duration().as_nanos()).map_or(i64::MIN, |n| -n)),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(t: Timestamp) -> Self {
        let d = Duration::from_nanos(t.0.unsigned_abs());
        if t.0 >= 0 { UNIX_EPOCH + d } else { UNIX_EPOCH - d }
    }
}

/// The source of wall-clock time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Returns the present moment.
    pub fn now(self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
        Timestamp::from(SystemTime::now())
    }
}

/// Returns how long one thing may be waited for inside of a call that must answer within `deadline`: a little less, so that
/// there is time to say for what it was.
pub fn patience(deadline: Duration) -> Duration {
    deadline - deadline / 8
}
