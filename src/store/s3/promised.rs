//! A body on its way, held against the length that was promised, and bounded in its pauses.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Incoming;
use super::error::Reporter;
use crate::store::{StoreError, to_io};
use crate::types::ObjectKey;

/// See the module documentation.
pub(super) struct Promised {
    key: ObjectKey,
    expected: u64,
    seen: u64,
    /// The longest pause between two pieces.
    stall: Duration,
    /// Set once there was something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    moved_at: Instant,
    reporter: Arc<Reporter>,
    body: Incoming,
}

impl Promised {
    /// Passes on `body`, the bytes of `key`, as long as it keeps to `expected` bytes and moves at least every `stall`.
    pub(super) fn new(
        key: ObjectKey,
        expected: u64,
        stall: Duration,
        reporter: Arc<Reporter>,
        body: Incoming,
    ) -> Self {
        Self { key, expected, seen: 0, stall, timer: None, moved_at: Instant::now(), reporter, body }
    }

    fn took(&mut self, bytes: usize) -> Result<(), StoreError> {
        self.moved_at = Instant::now();
        self.seen = self.seen.saturating_add(bytes as u64);
        if self.seen > self.expected || (bytes == 0 && self.seen < self.expected) {
            let detail = format!("{} bytes came instead of {}", self.seen, self.expected);
            return Err(StoreError::Damaged { key: self.key.clone(), detail });
        }
        Ok(())
    }

    /// Returns whether it has stood still for too long.
    fn stands_still(&mut self, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.stall)));
        while timer.as_mut().poll(cx).is_ready() {
            // the timer is set anew when it ends, and not with every piece
            let until = self.moved_at + self.stall;
            if until <= Instant::now() {
                return true;
            }
            timer.as_mut().reset(until);
        }
        false
    }
}

impl AsyncRead for Promised {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.body.as_mut().poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let now = buffer.filled().len() - before;
                // with an error, nothing was read
                Poll::Ready(self.took(now).map_err(to_io).inspect_err(|_| buffer.set_filled(before)))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(to_io(self.reporter.explain_body(&self.key, &e)))),
            Poll::Pending if self.stands_still(cx) => {
                Poll::Ready(Err(to_io(StoreError::Unavailable(format!(
                    "the transfer of '{}' stood still for {} s after {} of {} bytes",
                    self.key,
                    self.stall.as_secs(),
                    self.seen,
                    self.expected
                )))))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
