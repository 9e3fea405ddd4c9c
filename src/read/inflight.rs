//! Transfers under way: whoever wants bytes that are coming already waits for them instead of asking again.
//!
//! # Invariants
//! * What transfers of one version are still to bring does not overlap.
//! * Bytes are in the cache before they count as brought: what is neither to be brought nor in the cache is missing.
//! * A transfer that nobody demanded keeps what it has brought for those only who wait for it: large ones would hold more
//!   memory than there is.
//!
//! # Locking
//! The table's lock is held while the cache is asked what it has (in memory, no I/O beyond the first opening of a file).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::error::ReadError;
use crate::cache::{CHUNK, Extent, Reader, pieces};
use crate::types::ByteRange;

/// Chunks that are here already are fetched again where that saves a request and costs no more than this.
const MERGE_GAP: u64 = 4 * CHUNK;

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
    fn new(range: ByteRange, purpose: Purpose) -> Self {
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
    fn rest(&self) -> ByteRange {
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
    fn make_way(&self, range: ByteRange, purpose: Purpose) {
        let is_coming = match purpose {
            Purpose::Demand => self.is_in_window(range.start),
            Purpose::Ahead => true,
            Purpose::Fill => self.is_in_window(self.range.end - 1),
        };
        if !is_coming {
            self.cancel_if_unwanted();
        }
    }

    fn move_window_end(&self, window_end: u64) {
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

/// What [`Inflight::claim`] found and began.
#[derive(Debug)]
pub(super) struct Claim<A> {
    /// To be carried out by the caller, each with its admission.
    pub started: Vec<(Arc<Fetch>, A)>,
    /// Under way already.
    pub running: Vec<Arc<Fetch>>,
    /// From here on nothing was begun, since it was not admitted.
    pub refused_from: Option<u64>,
}

/// The transfers of one version that are under way.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    fetches: Mutex<Vec<Arc<Fetch>>>,
}

impl Inflight {
    /// Begins transfers for what is `missing` of `range` and not under way, in requests of at most `request` bytes, as far
    /// as `admit` lets them.
    pub(super) fn claim<A>(
        &self,
        range: ByteRange,
        request: u64,
        purpose: Purpose,
        missing: impl Fn(ByteRange) -> Vec<ByteRange>,
        mut admit: impl FnMut(ByteRange) -> Option<A>,
    ) -> Claim<A> {
        // cut between chunks: one that came in two pieces would count as here when it is half here
        let request = request.next_multiple_of(CHUNK);
        let mut fetches = self.fetches.lock();
        let mut under_way: Vec<_> = fetches.iter().map(|fetch| (fetch.rest(), Arc::clone(fetch))).collect();
        under_way.retain(|(rest, _)| rest.overlaps(range));
        under_way.sort_unstable_by_key(|(rest, _)| rest.start);
        for (_, fetch) in &under_way {
            fetch.make_way(range, purpose);
        }
        let (rests, running): (Vec<_>, _) = under_way.into_iter().unzip();
        let mut claim = Claim { started: Vec::new(), running, refused_from: None };
        for hole in holes(range, &rests) {
            for run in merged(missing(hole)) {
                for piece in pieces(run, request) {
                    let Some(admission) = admit(piece) else {
                        claim.refused_from = Some(piece.start);
                        return claim;
                    };
                    let fetch = Arc::new(Fetch::new(piece, purpose));
                    fetches.push(Arc::clone(&fetch));
                    claim.started.push((fetch, admission));
                }
            }
        }
        claim
    }

    /// Takes `fetch` out of the table.
    pub(super) fn remove(&self, fetch: &Arc<Fetch>) {
        self.fetches.lock().retain(|f| !Arc::ptr_eq(f, fetch));
    }

    /// Lets transfers that touch `window`, which is what a reader is about to read, bring all that begins in it.
    pub(super) fn move_window(&self, window: ByteRange) {
        for fetch in self.fetches.lock().iter().filter(|f| f.range.overlaps(window)) {
            fetch.move_window_end(window.end);
        }
    }

    /// Has transfers that touch `range` bring no more of it for a reader who was expected, until another one comes. The whole
    /// object may be wanted nevertheless.
    pub(super) fn close_window(&self, range: ByteRange) {
        self.each_ahead(range, |fetch| fetch.set_window_end(0));
    }

    /// Gives up transfers that touch `range`, where a reader was expected, and that nobody waits for. The whole object may
    /// be wanted nevertheless.
    pub(super) fn cancel_unwanted(&self, range: ByteRange) {
        self.each_ahead(range, Fetch::cancel_if_unwanted);
    }

    fn each_ahead(&self, range: ByteRange, change: impl Fn(&Fetch)) {
        let fetches = self.fetches.lock();
        let ahead = fetches.iter().filter(|f| f.purpose != Purpose::Fill && f.range.overlaps(range));
        ahead.for_each(|fetch| change(fetch));
    }

    /// Gives up all transfers that nobody waits for.
    pub(super) fn cancel_all_unwanted(&self) {
        self.fetches.lock().iter().for_each(|fetch| fetch.cancel_if_unwanted());
    }
}

/// Returns what `running`, in order, leaves of `range`.
fn holes(range: ByteRange, running: &[ByteRange]) -> Vec<ByteRange> {
    let mut holes = Vec::new();
    let mut at = range.start;
    for rest in running {
        if rest.start > at {
            holes.push(ByteRange { start: at, end: rest.start });
        }
        at = at.max(rest.end);
    }
    if at < range.end {
        holes.push(ByteRange { start: at, end: range.end });
    }
    holes
}

fn merged(runs: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut merged: Vec<ByteRange> = Vec::with_capacity(runs.len());
    for run in runs {
        match merged.last_mut() {
            Some(last) if run.start - last.end <= MERGE_GAP => last.end = run.end,
            _ => merged.push(run),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start: start * CHUNK, end: end * CHUNK }
    }

    fn claim(table: &Inflight, wanted: ByteRange) -> Claim<()> {
        table.claim(wanted, 100 * CHUNK, Purpose::Demand, |hole| vec![hole], |_| Some(()))
    }

    /// The chunk number `at`.
    fn part(at: u64) -> Extent {
        Extent { offset: at * CHUNK, bytes: Bytes::from(vec![0; crate::cache::to_usize(CHUNK)]) }
    }

    fn ahead(table: &Inflight, wanted: ByteRange) -> Arc<Fetch> {
        let claim = table.claim(wanted, 100 * CHUNK, Purpose::Ahead, |hole| vec![hole], |_| Some(()));
        Arc::clone(&claim.started[0].0)
    }

    fn ranges(claim: &Claim<()>) -> Vec<ByteRange> {
        claim.started.iter().map(|(f, ())| f.range).collect()
    }

    #[test]
    fn claim_of_what_is_under_way_begins_the_rest_only() {
        let table = Inflight::default();
        assert_eq!(ranges(&claim(&table, range(2, 4))), vec![range(2, 4)]);
        assert_eq!(ranges(&claim(&table, range(6, 8))), vec![range(6, 8)]);
        let third = claim(&table, range(3, 9));
        assert_eq!(ranges(&third), vec![range(4, 6), range(8, 9)]);
        assert_eq!(third.running.len(), 2);
        assert!(claim(&table, range(2, 9)).started.is_empty());
    }

    #[test]
    fn claim_is_cut_into_requests_and_small_gaps_are_fetched_with_it() {
        let table = Inflight::default();
        let missing = |_| vec![range(0, 1), range(3, 4), range(20, 21)];
        let claim = table.claim(range(0, 30), 2 * CHUNK, Purpose::Demand, missing, |_| Some(()));
        assert_eq!(ranges(&claim), vec![range(0, 2), range(2, 4), range(20, 21)]);
    }

    #[test]
    fn claim_that_is_not_admitted_stops_there() {
        let table = Inflight::default();
        let mut left = 1;
        let admit = |_| {
            left -= 1;
            (left >= 0).then_some(())
        };
        let claim = table.claim(range(0, 4), 2 * CHUNK, Purpose::Demand, |hole| vec![hole], admit);
        assert_eq!(ranges(&claim), vec![range(0, 2)]);
        assert_eq!(claim.refused_from, Some(2 * CHUNK));
    }

    #[tokio::test]
    async fn wait_returns_as_soon_as_its_part_has_come() {
        let table = Inflight::default();
        let fetch = Arc::clone(&claim(&table, range(0, 4)).started[0].0);
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
        let table = Inflight::default();
        let fetch = ahead(&table, range(0, 4));
        let mut waiting = Box::pin(fetch.wait(range(1, 3)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        (0..4).for_each(|at| fetch.deliver(part(at)));
        let offsets: Vec<_> = fetch.state.lock().parts.iter().map(|p| p.offset / CHUNK).collect();
        assert_eq!(offsets, [1, 2]);
        assert_eq!(waiting.await.unwrap().len(), 2);
        assert!(fetch.state.lock().parts.is_empty());
        assert!(fetch.wait(range(0, 4)).await.unwrap().is_empty());
    }

    #[test]
    fn claim_of_what_was_brought_asks_the_cache_for_it() {
        let table = Inflight::default();
        let fetch = ahead(&table, range(0, 4));
        (0..2).for_each(|at| fetch.deliver(part(at)));
        let again = claim(&table, range(0, 4));
        assert_eq!(ranges(&again), vec![range(0, 2)]);
        assert!(Arc::ptr_eq(&again.running[0], &fetch));
        table.remove(&again.started[0].0);
        assert!(claim(&table, range(2, 4)).started.is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_what_has_come_wants_no_more() {
        let table = Inflight::default();
        let fetch = ahead(&table, range(0, 4));
        let mut waiting = Box::pin(fetch.wait(range(1, 2)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        fetch.deliver(part(0));
        assert!(fetch.is_wanted());
        fetch.deliver(part(1));
        assert!(!fetch.is_wanted());
    }

    #[test]
    fn transfer_that_waits_for_its_reader_makes_way_for_who_would_wait_for_it() {
        let is_given_up = |window_end, wanted, purpose| {
            let table = Inflight::default();
            let fetch = ahead(&table, range(0, 8));
            fetch.set_window_end(window_end * CHUNK);
            table.claim(wanted, CHUNK, purpose, |hole| vec![hole], |_| Some(()));
            fetch.cancel.is_cancelled()
        };
        assert!(!is_given_up(4, range(3, 4), Purpose::Demand));
        assert!(is_given_up(4, range(4, 5), Purpose::Demand));
        assert!(!is_given_up(4, range(0, 8), Purpose::Ahead));
        assert!(is_given_up(4, range(0, 1), Purpose::Fill));
        assert!(!is_given_up(8, range(0, 1), Purpose::Fill));
    }

    #[tokio::test]
    async fn window_moves_on_and_is_closed_when_its_reader_goes() {
        let table = Inflight::default();
        let fetch = ahead(&table, range(0, 8));
        assert!(fetch.is_in_window(7 * CHUNK));
        fetch.set_window_end(2 * CHUNK);
        assert!(fetch.is_in_window(CHUNK) && !fetch.is_in_window(2 * CHUNK));
        let mut third = Box::pin(fetch.in_window(2 * CHUNK));
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        table.move_window(range(0, 3));
        assert!(futures_util::poll!(third.as_mut()).is_ready());
        table.move_window(range(0, 1));
        assert!(fetch.is_in_window(2 * CHUNK) && !fetch.is_in_window(3 * CHUNK));
        table.close_window(range(7, 9));
        assert!(!fetch.is_in_window(0));
    }

    #[tokio::test]
    async fn cancel_spares_transfers_that_somebody_waits_for() {
        let table = Inflight::default();
        let wanted = Arc::clone(&claim(&table, range(0, 1)).started[0].0);
        let unwanted = Arc::clone(&claim(&table, range(1, 2)).started[0].0);
        let mut waiting = Box::pin(wanted.wait(range(0, 1)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        table.cancel_unwanted(range(0, 2));
        assert!(!wanted.cancel.is_cancelled());
        assert!(unwanted.cancel.is_cancelled());
        table.remove(&unwanted);
        assert_eq!(ranges(&claim(&table, range(0, 2))), vec![range(1, 2)]);
    }

    #[test]
    fn cancel_of_a_range_spares_what_the_whole_object_is_wanted_for() {
        let table = Inflight::default();
        let fill = table.claim(range(0, 1), CHUNK, Purpose::Fill, |hole| vec![hole], |_| Some(()));
        let fill = &fill.started[0].0;
        table.cancel_unwanted(range(0, 2));
        assert!(!fill.cancel.is_cancelled());
        table.cancel_all_unwanted();
        assert!(fill.cancel.is_cancelled());
    }
}
