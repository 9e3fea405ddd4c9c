//! Transfers under way: whoever wants bytes that are coming already waits for them instead of asking again.
//!
//! # Invariants
//! * The ranges under way of one version do not overlap.
//! * A transfer leaves the table after its bytes are in the cache: what is neither under way nor in the cache is missing.
//!
//! # Locking
//! The table's lock is held while the cache is asked what it has (in memory, no I/O beyond the first opening of a file).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    waiters: AtomicUsize,
    /// Told when somebody begins to wait.
    wanted: Notify,
    pub cancel: CancellationToken,
    /// What it was begun for. What becomes of one that nobody demanded is no reader's answer.
    pub purpose: Purpose,
}

#[derive(Debug, Default)]
struct State {
    /// In order, without gaps, from the beginning of the range.
    parts: Vec<Extent>,
    ended: Option<Ended>,
}

impl Fetch {
    fn new(range: ByteRange, purpose: Purpose) -> Self {
        Self {
            range,
            state: Mutex::new(State::default()),
            changed: Notify::new(),
            waiters: AtomicUsize::new(0),
            wanted: Notify::new(),
            cancel: CancellationToken::new(),
            purpose,
        }
    }

    /// Hands the next bytes to those who wait.
    pub(super) fn deliver(&self, part: Extent) {
        self.state.lock().parts.push(part);
        self.changed.notify_waiters();
    }

    /// Ends it. The first end counts.
    pub(super) fn end(&self, how: Ended) {
        self.state.lock().ended.get_or_insert(how);
        self.changed.notify_waiters();
    }

    /// Waits until the part of `range` that lies in this transfer has come, and returns the extents that hold it.
    ///
    /// # Errors
    /// How it ended, where it ended before.
    pub(super) async fn wait(&self, range: ByteRange) -> Result<Vec<Extent>, Ended> {
        let _waiting = Waiting::new(&self.waiters);
        self.wanted.notify_waiters();
        loop {
            // made before the look, so that a change after it is not missed
            let changed = self.changed.notified();
            if let Some(answer) = self.look(range) {
                return answer;
            }
            changed.await;
        }
    }

    /// Waits until somebody waits for its bytes.
    pub(super) async fn wanted(&self) {
        loop {
            let wanted = self.wanted.notified();
            if self.waiters.load(Ordering::Acquire) > 0 {
                return;
            }
            wanted.await;
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
        if state.parts.last().is_some_and(|p| p.range().end >= end) {
            let wanted = |p: &&Extent| p.range().start < end && range.start < p.range().end;
            return Some(Ok(state.parts.iter().filter(wanted).cloned().collect()));
        }
        state.ended.clone().map(Err)
    }

    fn cancel_if_unwanted(&self) {
        if self.waiters.load(Ordering::Acquire) == 0 {
            self.cancel.cancel();
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
    fetches: Mutex<BTreeMap<u64, Arc<Fetch>>>,
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
        let running = overlapping(&fetches, range);
        let mut claim = Claim { started: Vec::new(), running, refused_from: None };
        for hole in holes(range, &claim.running) {
            for run in merged(missing(hole)) {
                for piece in pieces(run, request) {
                    let Some(admission) = admit(piece) else {
                        claim.refused_from = Some(piece.start);
                        return claim;
                    };
                    let fetch = Arc::new(Fetch::new(piece, purpose));
                    fetches.insert(piece.start, Arc::clone(&fetch));
                    claim.started.push((fetch, admission));
                }
            }
        }
        claim
    }

    /// Takes `fetch` out of the table.
    pub(super) fn remove(&self, fetch: &Arc<Fetch>) {
        let mut fetches = self.fetches.lock();
        if fetches.get(&fetch.range.start).is_some_and(|f| Arc::ptr_eq(f, fetch)) {
            fetches.remove(&fetch.range.start);
        }
    }

    /// Gives up transfers that touch `range`, where a reader was expected, and that nobody waits for. The whole object may
    /// be wanted nevertheless.
    pub(super) fn cancel_unwanted(&self, range: ByteRange) {
        for fetch in overlapping(&self.fetches.lock(), range) {
            if fetch.purpose != Purpose::Fill {
                fetch.cancel_if_unwanted();
            }
        }
    }

    /// Gives up all transfers that nobody waits for.
    pub(super) fn cancel_all_unwanted(&self) {
        self.fetches.lock().values().for_each(|fetch| fetch.cancel_if_unwanted());
    }
}

fn overlapping(fetches: &BTreeMap<u64, Arc<Fetch>>, range: ByteRange) -> Vec<Arc<Fetch>> {
    let before = fetches.range(..range.start).next_back().filter(|(_, f)| f.range.end > range.start);
    let inside = fetches.range(range.start..range.end.max(range.start));
    before.into_iter().chain(inside).map(|(_, f)| Arc::clone(f)).collect()
}

/// Returns what `running`, in order, leaves of `range`.
fn holes(range: ByteRange, running: &[Arc<Fetch>]) -> Vec<ByteRange> {
    let mut holes = Vec::new();
    let mut at = range.start;
    for fetch in running {
        if fetch.range.start > at {
            holes.push(ByteRange { start: at, end: fetch.range.start });
        }
        at = at.max(fetch.range.end);
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
        let bytes = Bytes::from(vec![0; crate::cache::to_usize(CHUNK)]);
        fetch.deliver(Extent { offset: 0, bytes });
        assert_eq!(waiting.await.unwrap().unwrap(), 1);
        fetch.end(Ended::Cancelled);
        assert!(matches!(fetch.wait(range(0, 2)).await, Err(Ended::Cancelled)));
        assert!(fetch.wait(range(0, 1)).await.is_ok());
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
