//! A transfer under way, as those see it who wait for its bytes.
//!
//! # Invariants
//! * Bytes are in the cache before they count as brought.
//! * A transfer that nobody demanded keeps what it has brought for those only who wait for it: large ones would hold more
//!   memory than there is.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::error::ReadError;
use crate::cache::{Extent, Reader};
use crate::types::ByteRange;

/// Why bytes are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A reader waits.
    Demand,
    /// A reader is expected to come.
    Ahead,
    /// The whole object is wanted on disk.
    Fill,
}

impl Purpose {
    /// Returns who reads the bytes.
    pub(super) const fn reader(self) -> Reader {
        match self {
            Self::Demand => Reader::Waits,
            Self::Ahead => Reader::Comes,
            Self::Fill => Reader::Nobody,
        }
    }
}

/// How a transfer ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// All bytes came.
    Done,
    /// It was given up since nobody wanted it any more.
    Cancelled,
    /// It failed.
    Failed(ReadError),
}

/// One transfer, seen by those who wait for it.
#[derive(Debug)]
pub(super) struct Fetch {
    pub range: ByteRange,
    state: Mutex<State>,
    changed: Notify,
    /// Blocks that begin below this may come though nobody waits for them.
    window_end: AtomicU64,
    /// Told when somebody begins to wait, or the window moves on.
    called: Notify,
    pub cancel: CancellationToken,
    /// What it was begun for. What becomes of one that nobody demanded is no reader's answer.
    pub purpose: Purpose,
}

#[derive(Debug, Default)]
struct State {
    /// The next byte to come: what is before it in the range has come.
    at: u64,
    /// What somebody waits for.
    wanted: Vec<ByteRange>,
    /// What has come of that, in order.
    parts: Vec<Extent>,
    ended: Option<Ended>,
}

impl Fetch {
    pub(super) fn new(range: ByteRange, purpose: Purpose) -> Self {
        Self {
            range,
            state: Mutex::new(State { at: range.start, ..State::default() }),
            changed: Notify::new(),
            window_end: AtomicU64::new(u64::MAX),
            called: Notify::new(),
            cancel: CancellationToken::new(),
            purpose,
        }
    }

    /// Hands the next bytes, which are in the cache, to those who wait.
    pub(super) fn deliver(&self, part: Extent) {
        {
            let mut state = self.state.lock();
            state.at = part.range().end;
            // the cache may let go of it before they look; who demanded the range may not have come here yet
            let keep =
                self.purpose == Purpose::Demand || state.wanted.iter().any(|w| w.overlaps(part.range()));
            if keep {
                state.parts.push(part);
            }
        }
        self.changed.notify_waiters();
    }

    /// Returns what is still to come.
    pub(super) fn rest(&self) -> ByteRange {
        ByteRange { start: self.state.lock().at, end: self.range.end }
    }

    /// Ends it. The first end counts.
    pub(super) fn end(&self, how: Ended) {
        self.state.lock().ended.get_or_insert(how);
        self.changed.notify_waiters();
    }

    /// Waits until the part of `range` that lies in this transfer has come, and returns extents of it: those at least that came
    /// meanwhile. Others are in the cache.
    ///
    /// # Errors
    /// How it ended, where it ended before.
    pub(super) async fn wait(&self, range: ByteRange) -> Result<Vec<Extent>, Ended> {
        let _waiting = Waiting::new(self, range);
        self.called.notify_waiters();
        loop {
            // made before the look, so that a change after it is not missed
            let changed = self.changed.notified();
            if let Some(answer) = self.look(range) {
                return answer;
            }
            changed.await;
        }
    }

    /// Has its bytes come up to `window_end` only, for the reader who comes.
    pub(super) fn set_window_end(&self, window_end: u64) {
        self.window_end.store(window_end, Ordering::Release);
    }

    /// Returns whether the block that begins at `offset` may come though nobody waits for it.
    pub(super) fn is_in_window(&self, offset: u64) -> bool {
        offset < self.window_end.load(Ordering::Acquire)
    }

    /// Returns whether somebody waits for bytes that are still to come.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.state.lock();
        state.wanted.iter().any(|wanted| wanted.end.min(self.range.end) > state.at)
    }

    /// Waits until somebody waits for its bytes.
    pub(super) async fn wanted(&self) {
        self.until(Self::is_wanted).await;
    }

    /// Waits until the block that begins at `offset` may come though nobody waits for it.
    pub(super) async fn in_window(&self, offset: u64) {
        self.until(|fetch| fetch.is_in_window(offset)).await;
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        loop {
            // made before the look, so that a call after it is not missed
            let called = self.called.notified();
            if is_so(self) {
                return;
            }
            called.await;
        }
    }

    /// Waits for its end, as one for whose sake it need not go on.
    pub(super) async fn ended(&self) -> Ended {
        loop {
            let changed = self.changed.notified();
            if let Some(how) = self.state.lock().ended.clone() {
                return how;
            }
            changed.await;
        }
    }

    fn look(&self, range: ByteRange) -> Option<Result<Vec<Extent>, Ended>> {
        let state = self.state.lock();
        let end = range.end.min(self.range.end);
        if state.at >= end {
            return Some(Ok(state.parts.iter().filter(|p| p.range().overlaps(range)).cloned().collect()));
        }
        state.ended.clone().map(Err)
    }

    /// Gives it up where nobody waits for it.
    pub(super) fn cancel_if_unwanted(&self) {
        if !self.is_wanted() {
            self.cancel.cancel();
        }
    }

    /// Gives it up where `range`, which is wanted for `purpose`, would be long in coming: it waits for its reader, who is
    /// elsewhere, or slow. Who wants it asks again.
    pub(super) fn make_way(&self, range: ByteRange, purpose: Purpose) {
        let is_coming = match purpose {
            Purpose::Demand => self.is_in_window(range.start),
            Purpose::Ahead => true,
            Purpose::Fill => self.is_in_window(self.range.end - 1),
        };
        if !is_coming {
            self.cancel_if_unwanted();
        }
    }

    pub(super) fn move_window_end(&self, window_end: u64) {
        if self.window_end.fetch_max(window_end, Ordering::AcqRel) < window_end {
            self.called.notify_waiters();
        }
    }
}

/// Counts one who waits for `range` in, and out again also where its future is dropped.
struct Waiting<'a> {
    fetch: &'a Fetch,
    range: ByteRange,
}

impl<'a> Waiting<'a> {
    fn new(fetch: &'a Fetch, range: ByteRange) -> Self {
        fetch.state.lock().wanted.push(range);
        Self { fetch, range }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.fetch.state.lock();
        let State { wanted, parts, .. } = &mut *state;
        if let Some(mine) = wanted.iter().position(|w| *w == self.range) {
            wanted.swap_remove(mine);
        }
        if self.fetch.purpose != Purpose::Demand {
            parts.retain(|part| wanted.iter().any(|w| w.overlaps(part.range())));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::cache::CHUNK;

    /// Chunks `start` to `end`.
    pub(in crate::read) fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start: start * CHUNK, end: end * CHUNK }
    }

    /// The chunk number `at`.
    pub(in crate::read) fn part(at: u64) -> Extent {
        Extent { offset: at * CHUNK, bytes: Bytes::from(vec![0; crate::cache::to_usize(CHUNK)]) }
    }

    #[tokio::test]
    async fn wait_returns_as_soon_as_its_part_has_come() {
        let fetch = Arc::new(Fetch::new(range(0, 4), Purpose::Demand));
        let waiting = tokio::spawn({
            let fetch = Arc::clone(&fetch);
            async move { fetch.wait(range(0, 1)).await.map(|parts| parts.len()) }
        });
        fetch.deliver(part(0));
        assert_eq!(waiting.await.unwrap().unwrap(), 1);
        fetch.end(Ended::Cancelled);
        assert!(matches!(fetch.wait(range(0, 2)).await, Err(Ended::Cancelled)));
        assert!(fetch.wait(range(0, 1)).await.is_ok());
    }

    #[tokio::test]
    async fn what_was_brought_is_kept_for_those_only_who_wait_for_it() {
        let fetch = Fetch::new(range(0, 4), Purpose::Ahead);
        let mut waiting = Box::pin(fetch.wait(range(1, 3)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        (0..4).for_each(|at| fetch.deliver(part(at)));
        let offsets: Vec<_> = fetch.state.lock().parts.iter().map(|p| p.offset / CHUNK).collect();
        assert_eq!(offsets, [1, 2]);
        assert_eq!(waiting.await.unwrap().len(), 2);
        assert!(fetch.state.lock().parts.is_empty());
        assert!(fetch.wait(range(0, 4)).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_what_has_come_wants_no_more() {
        let fetch = Fetch::new(range(0, 4), Purpose::Ahead);
        let mut waiting = Box::pin(fetch.wait(range(1, 2)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        fetch.deliver(part(0));
        assert!(fetch.is_wanted());
        fetch.deliver(part(1));
        assert!(!fetch.is_wanted());
    }
}
