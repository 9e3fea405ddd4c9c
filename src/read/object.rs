//! One open handle on one version.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::ObjectReader;
use super::error::ReadError;
use super::fetch::{Admission, Target};
use super::flight::{Ended, Fetch, Purpose};
use super::plan::{FIRST, FetchPlan, History};
use crate::cache::{BLOCK, Version, to_usize};
use crate::types::ByteRange;

/// Larger reads are answered in pieces of this size: what waits for memory must not hold much of it.
const PIECE: u64 = 2 * BLOCK;

/// Objects below this size are read as fast through the daemon.
pub(super) const SETTLE_SIZE: u64 = 8 * BLOCK;

/// The longest that an open waits for the disk.
const SETTLE: Duration = Duration::from_millis(500);

/// What is still being written (at most half of the memory budget) is waited for no longer than reading all of it through
/// the daemon takes, at this many bytes in a millisecond.
const SETTLE_SPEED: u64 = 2 << 20;

/// A version that is open for one reader. Dropping it closes it.
pub struct OpenObject {
    pub(super) reader: Arc<ObjectReader>,
    pub(super) target: Arc<Target>,
    history: Mutex<History>,
    /// Whether it is counted among those with a window.
    streaming: AtomicBool,
}

impl OpenObject {
    pub(super) fn new(reader: Arc<ObjectReader>, target: Arc<Target>) -> Self {
        Self { reader, target, history: Mutex::new(History::default()), streaming: AtomicBool::new(false) }
    }

    /// Returns the version.
    pub fn version(&self) -> &Version {
        self.target.cached.version()
    }

    /// Returns `len` bytes from `offset`, fewer only where the object ends. Completes on the first poll where they are in
    /// memory or on disk.
    ///
    /// # Errors
    /// [`ReadError`]; within the deadline.
    pub async fn read(&self, offset: u64, len: usize) -> Result<Bytes, ReadError> {
        let range = ByteRange::at(offset, len as u64).clamp_to(self.version().size);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.len() <= PIECE {
            return self.read_piece(range).await;
        }
        let mut out = BytesMut::with_capacity(to_usize(range.len()));
        for piece in crate::cache::pieces(range, PIECE) {
            out.extend_from_slice(&self.read_piece(piece).await?);
        }
        Ok(out.freeze())
    }

    /// Returns the host file with the whole content, where the cache has one that needs no more verification, to be read
    /// from directly. **Nobody may write to it.** It stays right for as long as it is open, also when it is evicted.
    pub fn complete_cache_file(&self) -> Option<File> {
        self.target.cached.complete_file()
    }

    /// Begins to fetch a small object: who opens one reads it, and its first read would fetch all of it. The request is on
    /// its way while the open is still being answered. Closed before it came, it is given up.
    pub fn fetch_if_small(&self) {
        let size = self.version().size;
        if (1..=FIRST).contains(&size) && !self.target.cached.is_given_up() {
            let whole = ByteRange { start: 0, end: size };
            let claim = self.target.claim(whole, size, Purpose::Demand, |_| Some(Admission::default()));
            self.reader.start(&self.target, claim.started, Purpose::Demand);
        }
    }

    /// Waits a moment where all of it is here and about to be complete on disk: while a file that was saved here is being
    /// taken in, and while the rest of a large object is still being written. Complete there, it needs no request, and can
    /// be read past the daemon for as long as it is open.
    pub async fn settle(&self) {
        let size = self.version().size;
        if self.target.cached.is_coming() && timeout(SETTLE, self.target.cached.has_come()).await.is_err() {
            tracing::debug!("'{}' is opened before all of it is taken in", self.version().key);
        }
        if size < SETTLE_SIZE || self.is_complete() {
            return;
        }
        let (cached, whole) = (&self.target.cached, ByteRange { start: 0, end: size });
        if cached.can_be_kept() && cached.may_be_here_but_for(0) && cached.missing(whole).is_empty() {
            let longest = SETTLE.min(Duration::from_millis(size / SETTLE_SPEED));
            if timeout(longest, self.reader.cache.written_out()).await.is_err() {
                tracing::debug!("'{}' is opened before all of it is on disk", self.version().key);
            }
        }
    }

    /// Returns the host file, as [`OpenObject::complete_cache_file`] does, once the background has brought all of it for a
    /// random reader that stays. To one reader, and once.
    pub fn take_filled(&self) -> Option<File> {
        if !self.target.filled.load(Ordering::Acquire) {
            return None;
        }
        let file = self.complete_cache_file()?;
        self.target.filled.swap(false, Ordering::AcqRel).then_some(file)
    }

    /// Returns whether its reader has read on to its end, `None` where nothing was read from here. A look at the end alone, where
    /// archives have their directory, is no reading on.
    pub fn was_read_to_end(&self) -> Option<bool> {
        let (frontier, bytes) = {
            let history = self.history.lock();
            (history.frontier(), history.bytes())
        };
        let size = self.version().size;
        (frontier > 0).then_some(frontier >= size && bytes >= size / 2)
    }

    /// Returns whether all of it is on disk, verified or not.
    pub fn is_complete(&self) -> bool {
        self.target.cached.is_complete()
    }

    /// Returns how many of the object's bytes are on disk here.
    pub fn cached_bytes(&self) -> u64 {
        self.target.cached.bytes_on_disk()
    }

    async fn read_piece(&self, range: ByteRange) -> Result<Bytes, ReadError> {
        if self.target.cached.is_given_up() {
            let detail = "its content has not the SHA-256 that its metadata says".to_owned();
            return Err(ReadError::Damaged { key: self.version().key.clone(), detail });
        }
        let plan = self.plan(range);
        if plan.window_end > 0 {
            // before anything is asked for: what is under way for this reader is not to be taken for another one's
            let window = ByteRange { start: plan.demand.start, end: plan.window_end };
            self.target.inflight.move_window(window);
        }
        if let Some(bytes) = self.target.cached.get(range, &[], !plan.sequential) {
            self.follow(&plan);
            return Ok(bytes);
        }
        // boxed: this path waits for the store, while the one above is to stay small
        Box::pin(self.fetch(range, plan)).await
    }

    async fn fetch(&self, range: ByteRange, plan: FetchPlan) -> Result<Bytes, ReadError> {
        let deadline = self.reader.options.deadline;
        let work = self.fetch_until_here(range, plan);
        let bounded = {
            // the first poll may come from a thread outside the runtime, which has the timers
            let _runtime = self.reader.runtime.enter();
            timeout(deadline, work)
        };
        bounded.await.unwrap_or_else(|_| {
            let reason = format!("no answer from the store within {} s", deadline.as_secs());
            Err(ReadError::Unavailable { key: self.version().key.clone(), reason })
        })
    }

    async fn fetch_until_here(&self, range: ByteRange, plan: FetchPlan) -> Result<Bytes, ReadError> {
        let mut first = true;
        loop {
            let request = self.reader.options.request_max;
            let claim =
                self.target.claim(plan.demand, request, Purpose::Demand, |_| Some(Admission::default()));
            let mut fetches = claim.running;
            if !claim.started.is_empty() {
                // what was to come ahead of this did not: from here on it is planned anew
                self.history.lock().not_started(plan.demand.end);
            }
            fetches.extend(self.reader.start(&self.target, claim.started, Purpose::Demand));
            if std::mem::take(&mut first) {
                self.follow(&plan);
            }
            if let Some(answer) = self.wait(range, &fetches, !plan.sequential).await {
                return answer;
            }
            // given up by others, or evicted at once: again, until the deadline
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the transfers that `range` needs. `None` where they did not bring it, but may if asked again.
    async fn wait(
        &self,
        range: ByteRange,
        fetches: &[Arc<Fetch>],
        touch: bool,
    ) -> Option<Result<Bytes, ReadError>> {
        let mut came = Vec::new();
        let mut failed = None;
        for fetch in fetches.iter().filter(|f| f.range.overlaps(range)) {
            match fetch.wait(range).await {
                Ok(parts) => came.extend(parts),
                Err(Ended::Failed(e)) if fetch.purpose == Purpose::Demand => failed = Some(e),
                // asked for again, on this reader's own account
                Err(_) => {}
            }
        }
        match self.target.cached.get(range, &came, touch) {
            Some(bytes) => Some(Ok(bytes)),
            None => failed.map(Err),
        }
    }

    fn plan(&self, range: ByteRange) -> FetchPlan {
        let allow = self.reader.pressure.allowance(self.target.cached.can_be_kept());
        let mut history = self.history.lock();
        let plan = history.plan(range, self.version().size, allow);
        if history.has_window() != self.streaming.load(Ordering::Relaxed) {
            self.set_streaming(history.has_window());
        }
        plan
    }

    /// Carries out what `plan` says beside the read itself. Returns at once.
    fn follow(&self, plan: &FetchPlan) {
        let cached = &self.target.cached;
        if !plan.passed.is_empty() {
            cached.pass(plan.passed);
        }
        if !plan.forget.is_empty() {
            self.target.inflight.close_window(plan.forget);
            cached.expect_no_reader(plan.forget);
            self.target.inflight.cancel_unwanted(plan.forget);
        }
        let FetchPlan { ahead, request, window_end, .. } = *plan;
        if !ahead.is_empty()
            && let Some(from) = self.reader.fetch_ahead(&self.target, ahead, request, window_end)
        {
            self.history.lock().not_started(from);
        }
        if plan.fill {
            self.reader.fill(&self.target);
        }
    }

    fn set_streaming(&self, on: bool) {
        if self.streaming.swap(on, Ordering::Relaxed) != on {
            if on { self.reader.pressure.enter() } else { self.reader.pressure.leave() }
        }
    }
}

impl Drop for OpenObject {
    fn drop(&mut self) {
        self.set_streaming(false);
        let outstanding = self.history.lock().outstanding();
        self.target.inflight.close_window(outstanding);
        self.target.cached.expect_no_reader(outstanding);
        if self.target.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.target.inflight.cancel_all_unwanted();
        }
    }
}
