//! Which objects are open on this mount, so that a delete can wait for the last handle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The kernel tells of a close after it has returned, so "just closed" needs a moment; a Windows user waits no longer than this
/// for "file in use".
pub(super) const CLOSE_TOLD: Duration = Duration::from_millis(300);

/// Counts open handles by the row identity of the object.
#[derive(Debug, Default)]
pub struct OpenObjects {
    counts: Mutex<HashMap<i64, u32>>,
    closed: Notify,
}

/// One open handle; dropping it counts it out.
#[derive(Debug)]
pub struct OpenGuard {
    opens: Arc<OpenObjects>,
    row: i64,
}

impl OpenObjects {
    /// Counts one more handle on `row`.
    pub fn open(self: &Arc<Self>, row: i64) -> OpenGuard {
        *self.counts.lock().entry(row).or_insert(0) += 1;
        OpenGuard { opens: Arc::clone(self), row }
    }

    /// Returns whether any handle on `row` is open.
    pub fn is_open(&self, row: i64) -> bool {
        self.counts.lock().contains_key(&row)
    }

    /// Waits a moment for the last handle on `row` to close. Returns whether none is open now.
    pub async fn closed_soon(&self, row: i64) -> bool {
        tokio::time::timeout(CLOSE_TOLD, self.closed(row)).await.is_ok()
    }

    /// Waits until no handle on `row` is open.
    pub async fn closed(&self, row: i64) {
        loop {
            let notified = self.closed.notified();
            if !self.is_open(row) {
                return;
            }
            notified.await;
        }
    }
}

impl OpenGuard {
    /// Returns the row that is held open.
    pub const fn row(&self) -> i64 {
        self.row
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        let mut counts = self.opens.counts.lock();
        if let Some(n) = counts.get_mut(&self.row) {
            *n -= 1;
            if *n == 0 {
                counts.remove(&self.row);
            }
        }
        drop(counts);
        self.opens.closed.notify_waiters();
    }
}
