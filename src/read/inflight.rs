//! Transfers under way: whoever wants bytes that are coming already waits for them instead of asking again.
//!
//! # Invariants
//! * What transfers of one version are still to bring does not overlap.
//! * What is neither to be brought nor in the cache is missing.
//!
//! # Locking
//! The table's lock is held while the cache is asked what it has (in memory, no I/O beyond the first opening of a file).

use std::sync::Arc;

use parking_lot::Mutex;

use super::flight::{Fetch, Purpose};
use crate::cache::{CHUNK, pieces};
use crate::types::ByteRange;

/// Chunks that are here already are fetched again where that saves a request and costs no more than this.
const MERGE_GAP: u64 = 4 * CHUNK;

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
    use super::*;
    use crate::read::flight::tests::{part, range};

    fn claim(table: &Inflight, wanted: ByteRange) -> Claim<()> {
        table.claim(wanted, 100 * CHUNK, Purpose::Demand, |hole| vec![hole], |_| Some(()))
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
