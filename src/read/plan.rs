//! What to fetch, and how far ahead: decided from what a reader has done so far. Pure, no I/O, no clock.
//!
//! A reader makes *runs*: reads that follow one another, give or take `NEAR`, since the kernel's readahead sends them
//! from several threads. Within a run the window ahead grows with the bytes that were read in it, so what is fetched
//! in vain stays in proportion to what was used. A read elsewhere ends the run, and the window with it.
//!
//! # Limits
//! * A first small read fetches at most [`FIRST`].
//! * A scattered read fetches its own chunks and nothing else, until its reader has shown that it stays: then the
//!   object is fetched in the background.

use crate::cache::{BLOCK, CHUNK, cover};
use crate::types::ByteRange;

/// Reads this close to where the run stands belong to it. Linux keeps up to two readahead windows in flight (1 MiB each
/// where the mount may set that), and the daemon's threads may swap them.
const NEAR: u64 = 2 * 1024 * 1024;

/// The most that the first small read of an object fetches: a reader that only looks at the head costs no more.
pub const FIRST: u64 = 128 * 1024;

/// A first read of this size is no look at the head: someone reads on (the kernel sends 16 KiB first for a 4 KiB read,
/// 128 KiB for `cat` or `cp`).
const LARGE_READ: u64 = 64 * 1024;

/// How many times the bytes read in a run are fetched ahead of it.
const GROWTH: u64 = 4;

/// A scattered reader has shown that it stays once it has made a read for every so many chunks of the object...
const STAYS_PART: u64 = 64;
/// ...but not before this many reads.
const STAYS_READS: u64 = 16;

/// What may be fetched at this moment; see `pressure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The largest window: how many bytes may come ahead of the reader.
    pub window: u64,
    /// The largest request, in bytes.
    pub request: u64,
    /// How many requests a large window keeps in flight, beside the one that is being read.
    pub in_flight: u64,
    /// Whether the whole object may be fetched in the background.
    pub fill: bool,
}

/// What a read calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPlan {
    /// Fetch what is missing of this before the read is answered. Whole chunks; covers the read.
    pub demand: ByteRange,
    /// Fetch this beside it, in requests of at most `request` bytes, cut at its multiples. May be empty.
    pub ahead: ByteRange,
    /// The size of those requests.
    pub request: u64,
    /// Where the window ends, between two blocks: what is fetched ahead comes up to here, and waits there for the reader. 0
    /// where there is no window.
    pub window_end: u64,
    /// The run has left this behind for good. May be empty.
    pub passed: ByteRange,
    /// The reader went elsewhere: nobody comes for this any more. May be empty.
    pub forget: ByteRange,
    /// Fetch the rest of the object in the background. Said once.
    pub fill: bool,
    /// Whether the read belongs to a run, so that its bytes are not likely to be read again.
    pub sequential: bool,
}

/// What one reader (one open handle) has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// One past the furthest byte read in this run.
    frontier: u64,
    /// Reads and bytes of this run.
    reads: u64,
    bytes: u64,
    /// Everything of this run below is passed, up to here.
    passed: u64,
    /// Up to here it was fetched or asked for, as far as that began.
    planned: u64,
    /// The furthest of it that was ever asked for in this run.
    asked: u64,
    /// Reads that belonged to no run before them.
    scattered: u64,
    filling: bool,
}

const NOTHING: ByteRange = ByteRange { start: 0, end: 0 };

impl History {
    /// Takes note of a read of `read`, not empty, of an object of `size` bytes, and returns what to do.
    pub fn plan(&mut self, read: ByteRange, size: u64, allow: Allowance) -> FetchPlan {
        let own = cover(read, size);
        let near = read.start <= self.frontier.saturating_add(NEAR)
            && read.end.saturating_add(NEAR) >= self.frontier;
        let forget = if near { NOTHING } else { self.start_run(read.start) };
        let first_of_object = near && self.reads == 0;
        self.reads += 1;
        if read.end > self.frontier {
            // skipped bytes are not bytes read
            self.bytes += read.len().min(read.end - self.frontier);
            self.frontier = read.end;
        }
        if !near {
            return self.scattered_read(own, forget, size, allow);
        }
        let demand = if first_of_object { first_demand(read, own, size) } else { own };
        self.planned = self.planned.max(demand.end);
        let window = self.window(allow);
        let request = request_size(window, allow);
        let window_end = self.window_end(window, size);
        let ahead = self.ahead(window_end, request, size);
        self.asked = self.asked.max(self.planned);
        FetchPlan {
            demand,
            ahead,
            request,
            window_end,
            passed: self.newly_passed(size),
            forget: NOTHING,
            fill: false,
            sequential: self.is_sequential(),
        }
    }

    /// Takes note that nothing from `from` on could be asked for: it is planned again later.
    pub fn not_started(&mut self, from: u64) {
        self.planned = self.planned.min(from);
    }

    /// Returns what was fetched for this reader and not passed yet: nobody comes for it once the reader is gone.
    pub fn outstanding(&self) -> ByteRange {
        ByteRange { start: self.passed.min(self.asked), end: self.asked }
    }

    /// Returns where the furthest byte ends that was read since the reader last went elsewhere.
    pub const fn frontier(&self) -> u64 {
        self.frontier
    }

    /// Returns how many bytes were read since then.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether this reader has a window ahead of it.
    pub fn has_window(&self) -> bool {
        self.is_sequential() && self.bytes >= FIRST
    }

    fn is_sequential(&self) -> bool {
        self.reads >= 2
    }

    /// Begins a run at `start` and returns what the run before leaves unread.
    fn start_run(&mut self, start: u64) -> ByteRange {
        let forget = self.outstanding();
        let passed = start - start % BLOCK;
        *self = Self { frontier: start, passed, planned: passed, asked: passed, reads: 0, bytes: 0, ..*self };
        forget
    }

    fn scattered_read(
        &mut self,
        own: ByteRange,
        forget: ByteRange,
        size: u64,
        allow: Allowance,
    ) -> FetchPlan {
        self.planned = own.end;
        self.asked = own.end;
        self.scattered += 1;
        let stays = self.scattered >= (size / CHUNK / STAYS_PART).max(STAYS_READS);
        let fill = stays && allow.fill && !self.filling;
        self.filling |= fill;
        FetchPlan {
            demand: own,
            ahead: NOTHING,
            request: allow.request,
            window_end: 0,
            passed: NOTHING,
            forget,
            fill,
            sequential: false,
        }
    }

    fn window(&self, allow: Allowance) -> u64 {
        if !self.has_window() {
            return 0;
        }
        self.bytes.saturating_mul(GROWTH).max(BLOCK).min(allow.window)
    }

    fn window_end(&self, window: u64, size: u64) -> u64 {
        let end = self.frontier.saturating_add(window);
        match window {
            0 => 0,
            _ if end >= size => size,
            _ => end - end % BLOCK,
        }
    }

    /// Returns the next requests, whole ones: those that begin within the window. They may end beyond it: large requests cost
    /// a store less, and their bytes need no memory before they come.
    fn ahead(&mut self, window_end: u64, request: u64, size: u64) -> ByteRange {
        if window_end <= self.planned {
            return NOTHING;
        }
        let end = window_end.checked_next_multiple_of(request).map_or(size, |end| end.min(size));
        let ahead = ByteRange { start: self.planned, end };
        self.planned = end;
        ahead
    }

    /// Returns the blocks that the run has left behind since the last time: those that no straggling read can want.
    fn newly_passed(&mut self, size: u64) -> ByteRange {
        let behind = if self.frontier >= size { size } else { self.frontier.saturating_sub(NEAR) };
        let end = if behind == size { size } else { behind - behind % BLOCK };
        let passed = ByteRange { start: self.passed.min(end), end };
        self.passed = self.passed.max(end);
        passed
    }
}

/// Returns what the first read of an object, near its beginning, fetches.
fn first_demand(read: ByteRange, own: ByteRange, size: u64) -> ByteRange {
    let want = if read.len() >= LARGE_READ { BLOCK } else { FIRST };
    let end = (own.start.saturating_add(want)).min(size);
    // up to a block's end at most, so that what follows is cut at blocks
    let block_end = (own.start - own.start % BLOCK).saturating_add(BLOCK);
    ByteRange { start: own.start, end: end.min(block_end).max(own.end) }
}

/// Returns the size of requests for a window: so many that some are in flight while the last one before them is being read.
/// A power of two, so that requests are cut where stores cut objects: one that begins or ends inside of what the store keeps
/// in one piece (parts of 8 MiB, say) makes it look at more pieces than there are bytes asked for.
fn request_size(window: u64, allow: Allowance) -> u64 {
    let most = allow.request.max(CHUNK);
    let size = window.saturating_mul(2) / (2 * allow.in_flight.max(1) - 1);
    1 << size.max(BLOCK).min(most).ilog2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024 * 1024;
    const ALLOW: Allowance = Allowance { window: 32 * MIB, request: 8 * MIB, in_flight: 4, fill: true };
    const SIZE: u64 = 1024 * MIB;

    fn read_at(history: &mut History, offset: u64, len: u64) -> FetchPlan {
        history.plan(ByteRange::at(offset, len), SIZE, ALLOW)
    }

    #[test]
    fn first_small_read_fetches_128_kib_and_nothing_ahead() {
        let plan = read_at(&mut History::default(), 0, 4096);
        assert_eq!(plan.demand, ByteRange::at(0, FIRST));
        assert!(plan.ahead.is_empty() && !plan.fill);
    }

    #[test]
    fn first_read_of_a_small_object_fetches_all_of_it_at_once() {
        let plan = History::default().plan(ByteRange::at(0, 4096), 100_000, ALLOW);
        assert_eq!(plan.demand, ByteRange::at(0, 100_000));
        let plan = History::default().plan(ByteRange::at(0, 128 * 1024), 600_000, ALLOW);
        assert_eq!(plan.demand, ByteRange::at(0, 600_000));
    }

    #[test]
    fn scattered_small_read_fetches_its_chunks_only() {
        let mut history = History::default();
        let plan = read_at(&mut history, 500 * MIB + 5, 4096);
        assert_eq!(plan.demand, ByteRange::at(500 * MIB, CHUNK));
        let plan = read_at(&mut history, 100 * MIB - 100, 4096);
        assert_eq!(plan.demand, ByteRange::at(100 * MIB - CHUNK, 2 * CHUNK));
        assert!(plan.ahead.is_empty() && !plan.sequential);
    }

    #[test]
    fn sequential_reader_gets_a_window_that_grows_to_the_limit_and_a_seek_ends_it() {
        let mut history = History::default();
        let mut windows = Vec::new();
        let mut asked = 0;
        for i in 0..2048_u64 {
            let plan = read_at(&mut history, i * 128 * 1024, 128 * 1024);
            assert!(plan.ahead.is_empty() || plan.ahead.start == asked.max(plan.demand.end));
            asked = asked.max(plan.demand.end).max(plan.ahead.end);
            // the next request is asked for once it begins within the window, however long it is
            assert!(plan.window_end <= asked);
            assert!(plan.ahead.is_empty() || plan.ahead.end - plan.window_end < plan.request);
            windows.push(plan.window_end.saturating_sub((i + 1) * 128 * 1024));
        }
        assert_eq!(windows[0], 0);
        assert!(windows[16] >= 4 * MIB, "{}", windows[16]);
        assert!(windows[100] >= 24 * MIB && windows[2000] > 31 * MIB && windows[2000] <= 32 * MIB);
        let plan = read_at(&mut history, 900 * MIB, 128 * 1024);
        assert!(plan.ahead.is_empty());
        assert_eq!(plan.forget.end, asked);
        assert!(plan.forget.start <= 256 * MIB);
    }

    #[test]
    fn requests_grow_with_the_window_and_may_be_larger_than_a_small_one() {
        let sizes = |in_flight| {
            let allow = Allowance { request: 32 * MIB, in_flight, ..ALLOW };
            [MIB, 12 * MIB, 48 * MIB].map(|window| request_size(window, allow) / MIB)
        };
        assert_eq!(sizes(1), [2, 16, 32]);
        assert_eq!(sizes(2), [1, 8, 32]);
        assert_eq!(sizes(3), [1, 4, 16]);
    }

    #[test]
    fn swapped_reads_of_the_kernels_readahead_stay_one_run() {
        let mut history = History::default();
        for i in (0..400_u64).map(|i| i ^ 1) {
            let plan = read_at(&mut history, i * 128 * 1024, 128 * 1024);
            assert!(plan.forget.is_empty());
        }
        assert!(history.has_window());
    }

    #[test]
    fn random_reader_that_stays_gets_the_object_once_but_not_in_its_first_200_reads() {
        let mut history = History::default();
        let mut filled = Vec::new();
        for i in 0..1000_u64 {
            let offset = (i * 7_919 * 4096) % (SIZE - 4096);
            let plan = read_at(&mut history, offset - offset % 4096, 4096);
            if plan.fill {
                filled.push(i);
            }
        }
        assert_eq!(filled.len(), 1, "{filled:?}");
        assert!(filled[0] > 200);
    }

    #[test]
    fn passed_blocks_come_once_each_in_order_up_to_the_end() {
        let mut history = History::default();
        let mut passed = 0;
        for i in 0..80_u64 {
            let plan = history.plan(ByteRange::at(i * 128 * 1024, 128 * 1024), 10 * MIB, ALLOW);
            if !plan.passed.is_empty() {
                assert_eq!(plan.passed.start, passed);
                passed = plan.passed.end;
            }
            assert!(passed == 10 * MIB || passed + NEAR <= (i + 1) * 128 * 1024 || passed == 0);
        }
        assert_eq!(passed, 10 * MIB);
    }

    #[test]
    fn not_started_requests_are_planned_again() {
        let mut history = History::default();
        let mut last = NOTHING;
        for i in 0..16_u64 {
            let plan = read_at(&mut history, i * 128 * 1024, 128 * 1024);
            if !plan.ahead.is_empty() {
                last = plan.ahead;
                history.not_started(plan.ahead.start);
            }
        }
        assert_eq!(last.start, 2 * MIB);
    }

    #[test]
    fn what_was_asked_for_is_outstanding_also_where_it_is_planned_again() {
        let mut history = History::default();
        let mut asked = 0;
        for i in 0..16_u64 {
            let plan = read_at(&mut history, i * 128 * 1024, 128 * 1024);
            asked = asked.max(plan.ahead.end);
            history.not_started(plan.demand.end); // a reader who had to wait, while what is ahead begins all the same
        }
        assert!(asked > 2 * MIB);
        assert_eq!(history.outstanding().end, asked);
        let plan = read_at(&mut history, 900 * MIB, 4096);
        assert_eq!(plan.forget.end, asked);
    }

    proptest! {
        /// Whatever is read, in whatever order: the demand covers the read in whole chunks, a small read costs at most
        /// 128 KiB, nothing is asked for beyond the object or twice in one run, and no request begins beyond the window.
        #[test]
        fn plan_of_any_reads_keeps_its_limits(
            size in 1..(64 * MIB),
            reads in proptest::collection::vec((any::<u64>(), 1..(MIB), any::<bool>()), 1..120),
            window in 0..(40 * MIB),
            request in 1..(10 * MIB),
            in_flight in 1..5_u64,
        ) {
            let allow = Allowance { window, request, in_flight, fill: true };
            let mut history = History::default();
            let mut next = 0;
            let mut asked = 0;
            for (at, len, follows) in reads {
                let start = if follows && next < size { next } else { at % size };
                let read = ByteRange::at(start, len).clamp_to(size);
                next = read.end;
                let plan = history.plan(read, size, allow);
                prop_assert!(plan.demand.start <= read.start && plan.demand.end >= read.end);
                prop_assert!(plan.demand.start % CHUNK == 0);
                prop_assert!(plan.demand.end % CHUNK == 0 || plan.demand.end == size);
                if read.len() <= 4096 {
                    prop_assert!(plan.demand.len() <= FIRST);
                }
                prop_assert!(plan.ahead.end <= size);
                prop_assert!(plan.request > 0);
                if !plan.ahead.is_empty() {
                    prop_assert!(plan.sequential);
                    prop_assert!(plan.forget.is_empty());
                    prop_assert!(plan.ahead.start >= asked, "{plan:?} {asked}");
                    prop_assert!(plan.ahead.start < plan.window_end);
                    prop_assert!(plan.ahead.end < plan.window_end + plan.request);
                }
                prop_assert!(plan.window_end <= history.frontier.saturating_add(window).min(size));
                if history.reads == 1 {
                    prop_assert!(plan.forget.is_empty() || plan.forget.end >= asked);
                    asked = 0;
                }
                asked = asked.max(plan.ahead.end);
                let outstanding = history.outstanding();
                prop_assert!(outstanding.start <= outstanding.end && outstanding.end <= size);
            }
        }
    }
}
