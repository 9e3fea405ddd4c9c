//! Ranges of bytes.

/// The bytes from `start` up to, not including, `end`. Never inverted: `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// Returns the range of `len` bytes from `start`, cut at `u64::MAX`.
    pub const fn at(start: u64, len: u64) -> Self {
        Self { start, end: start.saturating_add(len) }
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Returns whether there is no byte in it.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Returns whether there is a byte in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }

    /// Returns the part of the range below `size`.
    pub fn clamp_to(self, size: u64) -> Self {
        let end = self.end.min(size);
        Self { start: self.start.min(end), end }
    }

    /// Returns the value of an HTTP `Range` header (RFC 9110, 14.1.2: both ends inclusive). Must not be empty.
    pub fn http_header(self) -> String {
        format!("bytes={}-{}", self.start, self.end.saturating_sub(1))
    }
}
