//! Memory for object bytes: one budget for all of it, and buffers that are used again.
//!
//! Every byte of an object that is in memory, be it on its way in, held by the memory front, waiting for the disk or
//! lent to a reader, lies in a buffer that carries its share of the budget. The share comes back when the last holder
//! lets go, so nothing is counted twice and nothing is forgotten.
//!
//! # Limits
//! What is fetched ahead never goes over the budget. A reader who waits may, after [`PATIENCE`], so that readers who
//! hold memory while waiting for more cannot block each other for good; the kernel bounds how many there are.
//!
//! # Locking
//! The front's lock is never held while a buffer is dropped or awaited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::buf::Limit;
use bytes::{BufMut, Bytes};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::chunks::{BLOCK, to_usize};
use super::direct_io::ALIGNMENT;
use super::front::{Evict, Extent, Front};
use super::version::FileId;
use crate::types::ByteRange;

/// How long a reader waits for memory before it is given some over the budget.
const PATIENCE: Duration = Duration::from_millis(500);

/// The budget is counted in these.
const UNIT: u64 = 1024;

/// See the module documentation.
#[derive(Debug)]
pub struct Memory {
    free: Arc<Semaphore>,
    total_units: u32,
    pool: Arc<Pool>,
    front: Mutex<Front>,
    /// Units that waiting readers are short of.
    starving: AtomicU64,
}

impl Memory {
    /// Makes a budget of `budget` bytes (rounded up to 1 MiB at least).
    pub(super) fn new(budget: u64) -> Self {
        let total_units = u32::try_from(budget.max(BLOCK) / UNIT).unwrap_or(u32::MAX);
        let pooled = to_usize(budget / BLOCK / 4).max(2);
        Self {
            free: Arc::new(Semaphore::new(to_usize(u64::from(total_units)))),
            total_units,
            pool: Arc::new(Pool { blocks: Mutex::new(Vec::new()), limit: pooled, freed: Notify::new() }),
            front: Mutex::new(Front::new()),
            starving: AtomicU64::new(0),
        }
    }

    /// Returns the whole budget in bytes.
    pub fn budget(&self) -> u64 {
        u64::from(self.total_units) * UNIT
    }

    /// Returns how many bytes of the budget are taken.
    pub fn used(&self) -> u64 {
        self.budget().saturating_sub(self.free.available_permits() as u64 * UNIT)
    }

    /// Takes room for `bytes` without waiting, evicting what nobody is about to read. `None` where there is none, or
    /// where a reader waits for it.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let units = self.units(bytes);
        if self.starving.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.take(units, Evict::Polite)
    }

    /// Takes room for `bytes` as [`Memory::try_reserve`] does, once there is some.
    pub async fn reserve_politely(&self, bytes: u64) -> Reservation {
        loop {
            // made before the look, so that what comes free after it is not missed
            let freed = self.pool.freed.notified();
            if let Some(room) = self.try_reserve(bytes) {
                return room;
            }
            freed.await;
        }
    }

    /// Takes room for `bytes` for a reader who waits.
    pub async fn reserve(&self, bytes: u64) -> Reservation {
        let units = self.units(bytes);
        if let Some(taken) = self.take(units, Evict::Anything) {
            return taken;
        }
        let _starving = Starving::new(self, units);
        // once more, now that newcomers are evicted for us: one may have come between
        if let Some(taken) = self.take(units, Evict::Anything) {
            return taken;
        }
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.free).acquire_many_owned(units)).await;
        match permit {
            Ok(Ok(permit)) => self.reservation(permit),
            _ => Reservation { permit: None, over: units, pool: Arc::clone(&self.pool) },
        }
    }

    /// Runs `work` on the memory front.
    pub(super) fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock()
    }

    /// Puts `extent` into the front; see [`Front::insert`]. `queue` puts it on its way to disk and returns whether it is: who
    /// finds it here can rely on that, and the writer on finding it here.
    pub(super) fn insert(&self, file: FileId, extent: Extent, unread: bool, queue: impl FnOnce() -> bool) {
        {
            let mut front = self.front();
            let dirty = queue();
            front.insert(file, extent, dirty, unread);
        }
        self.feed_starving();
    }

    /// See [`Front::set_clean`].
    pub(super) fn set_clean(&self, file: FileId, range: ByteRange) {
        self.front().set_clean(file, range);
        self.feed_starving();
        self.pool.freed.notify_waiters();
    }

    /// See [`Front::pass`].
    pub(super) fn pass(&self, file: FileId, range: ByteRange, drop: bool) {
        let gone = self.front().pass(file, range, drop);
        std::mem::drop(gone);
        self.pool.freed.notify_waiters();
    }

    /// See [`Front::set_read`].
    pub(super) fn set_read(&self, file: FileId, range: ByteRange) {
        self.front().set_read(file, range);
        self.pool.freed.notify_waiters();
    }

    /// See [`Front::forget`].
    pub(super) fn forget(&self, file: FileId) {
        let gone = self.front().forget(file);
        drop(gone);
    }

    /// Lets go of everything that is on disk and that no reader is about to read.
    pub(super) fn evict_all(&self) {
        let gone = self.front().evict(Evict::Polite, u64::MAX);
        drop(gone);
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.total_units)
    }

    fn take(&self, units: u32, how: Evict) -> Option<Reservation> {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(units) {
                return Some(self.reservation(permit));
            }
            let short = u64::from(units).saturating_sub(self.free.available_permits() as u64).max(1);
            let gone = self.front().evict(how, short * UNIT);
            if gone.is_empty() {
                return None;
            }
        }
    }

    fn reservation(&self, permit: OwnedSemaphorePermit) -> Reservation {
        Reservation { permit: Some(permit), over: 0, pool: Arc::clone(&self.pool) }
    }

    /// Lets go of what can go while readers wait for memory: what is new in the front may be what they need.
    fn feed_starving(&self) {
        let units = self.starving.load(Ordering::Relaxed);
        if units > 0 {
            let gone = self.front().evict(Evict::Anything, units * UNIT);
            drop(gone);
        }
    }
}

/// Counts a waiting reader in, and out again also where its future is dropped.
struct Starving<'a> {
    memory: &'a Memory,
    units: u64,
}

impl<'a> Starving<'a> {
    fn new(memory: &'a Memory, units: u32) -> Self {
        memory.starving.fetch_add(u64::from(units), Ordering::Relaxed);
        Self { memory, units: u64::from(units) }
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.memory.starving.fetch_sub(self.units, Ordering::Relaxed);
        self.memory.pool.freed.notify_waiters();
    }
}

/// Room in the memory budget that buffers can be made of.
#[derive(Debug)]
pub struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
    /// Units over the budget.
    over: u32,
    pool: Arc<Pool>,
}

impl Reservation {
    /// Returns whether a buffer for `capacity` bytes can be made of what is left of it.
    pub fn holds(&self, capacity: u64) -> bool {
        let within = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        within + u64::from(self.over) >= capacity.div_ceil(UNIT)
    }

    /// Returns an empty buffer for up to `capacity` bytes that carries its share of this room.
    pub fn buffer(&mut self, capacity: u64) -> Buffer {
        let units = to_usize(capacity.div_ceil(UNIT));
        let permit = self.permit.as_mut().and_then(|p| p.split(units.min(p.num_permits())));
        let within = permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        self.over = self.over.saturating_sub(u32::try_from(units - within).unwrap_or(u32::MAX));
        let (data, begin) =
            if capacity == BLOCK { self.pool.take() } else { (Vec::with_capacity(to_usize(capacity)), 0) };
        Buffer { data, begin, capacity: to_usize(capacity), permit, pool: Arc::clone(&self.pool) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.pool.freed.notify_waiters();
    }
}

/// Memory for one extent while it fills.
#[derive(Debug)]
pub struct Buffer {
    data: Vec<u8>,
    /// Where the bytes begin in it: those of a whole block where they can be written past the page cache.
    begin: usize,
    capacity: usize,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
}

impl Buffer {
    /// Returns the room that is left, to be filled from its beginning.
    pub fn room(&mut self) -> Limit<&mut Vec<u8>> {
        let left = self.capacity - self.filled().len();
        (&mut self.data).limit(left)
    }

    /// Returns the bytes so far.
    pub fn filled(&self) -> &[u8] {
        self.data.get(self.begin..).unwrap_or_default()
    }

    /// Returns whether no more fits.
    pub fn is_full(&self) -> bool {
        self.filled().len() == self.capacity
    }

    /// Returns the bytes, to be shared. The buffer is used again when nobody holds them any more.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.filled()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.capacity == to_usize(BLOCK) {
            self.pool.put(std::mem::take(&mut self.data));
        }
        drop(self.permit.take());
        self.pool.freed.notify_waiters();
    }
}

/// Blocks of memory kept for the next use: fresh ones cost a page fault for every 4 KiB. Each is a little longer than a
/// block, and begins with so much of nothing that what follows is aligned.
#[derive(Debug)]
struct Pool {
    blocks: Mutex<Vec<Vec<u8>>>,
    limit: usize,
    /// Told whenever room may have come free.
    freed: Notify,
}

impl Pool {
    /// Returns one, and where its bytes begin.
    fn take(&self) -> (Vec<u8>, usize) {
        // the last one put back is the one that the processor's cache still knows
        let kept = self.blocks.lock().pop();
        let mut block = kept.unwrap_or_else(|| Vec::with_capacity(to_usize(BLOCK) + ALIGNMENT));
        let begin = block.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        block.resize(begin, 0);
        (block, begin)
    }

    fn put(&self, block: Vec<u8>) {
        let mut blocks = self.blocks.lock();
        if blocks.len() < self.limit {
            blocks.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId::from_byte(1);

    fn extent(memory: &Memory, offset: u64, len: u64) -> Extent {
        let mut buffer = memory.try_reserve(len).unwrap().buffer(len);
        buffer.room().put_slice(&vec![1; to_usize(len)]);
        Extent { offset, bytes: buffer.freeze() }
    }

    #[test]
    fn budget_is_taken_by_buffers_and_given_back_with_the_last_slice() {
        let memory = Memory::new(4 * BLOCK);
        let held = extent(&memory, 0, BLOCK);
        let slice = held.bytes.slice(10..20);
        assert_eq!(memory.used(), BLOCK);
        drop(held);
        assert_eq!(memory.used(), BLOCK);
        drop(slice);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn try_reserve_evicts_what_was_read_but_not_what_is_fetched_ahead() {
        let memory = Memory::new(2 * BLOCK);
        memory.insert(FILE, extent(&memory, 0, BLOCK), false, || false);
        memory.insert(FILE, extent(&memory, BLOCK, BLOCK), true, || false);
        assert!(memory.try_reserve(BLOCK).is_some());
        assert!(memory.front().extent_end(FILE, 0).is_none());
        assert!(memory.front().extent_end(FILE, BLOCK).is_some());
        assert!(memory.try_reserve(2 * BLOCK).is_none());
    }

    #[tokio::test]
    async fn reserve_for_a_waiting_reader_evicts_what_is_fetched_ahead() {
        let memory = Memory::new(2 * BLOCK);
        memory.insert(FILE, extent(&memory, 0, BLOCK), true, || false);
        memory.insert(FILE, extent(&memory, BLOCK, BLOCK), true, || false);
        let _room = memory.reserve(2 * BLOCK).await;
        assert!(memory.front().extent_end(FILE, 0).is_none());
    }

    #[tokio::test]
    async fn reserve_while_all_is_lent_waits_then_goes_over_the_budget() {
        let memory = Memory::new(BLOCK);
        let _lent = extent(&memory, 0, BLOCK);
        let before = tokio::time::Instant::now();
        let mut room = memory.reserve(BLOCK).await;
        assert!(before.elapsed() >= PATIENCE);
        room.buffer(BLOCK).room().put_slice(&[1, 2, 3]);
    }

    #[tokio::test]
    async fn room_holds_what_it_was_made_for_within_the_budget_and_over_it() {
        let memory = Memory::new(2 * BLOCK);
        let mut within = memory.try_reserve(2 * BLOCK).unwrap();
        let mut over = memory.reserve(2 * BLOCK).await;
        for room in [&mut within, &mut over] {
            assert!(room.holds(2 * BLOCK) && !room.holds(2 * BLOCK + 1));
            let _lent = room.buffer(BLOCK);
            assert!(room.holds(BLOCK) && !room.holds(BLOCK + 1));
            let _lent = room.buffer(BLOCK);
            assert!(!room.holds(1));
        }
    }

    #[tokio::test]
    async fn reserve_is_fed_by_what_comes_into_the_front_later() {
        let memory = Arc::new(Memory::new(BLOCK));
        let late = extent(&memory, 0, BLOCK);
        let waiting = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { memory.reserve(BLOCK).await.permit.is_some() }
        });
        while memory.starving.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(memory.try_reserve(1).is_none());
        memory.insert(FILE, late, true, || false);
        assert!(waiting.await.unwrap());
    }

    /// Fills a budget of one block by `fill`, and sees that `event` wakes who waits for it politely.
    async fn wakes<T>(fill: impl FnOnce(&Memory) -> T, event: impl FnOnce(&Memory, T)) {
        let memory = Memory::new(BLOCK);
        let held = fill(&memory);
        let mut waiting = Box::pin(memory.reserve_politely(BLOCK));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        event(&memory, held);
        assert!(futures_util::poll!(waiting.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn reserve_politely_is_woken_by_whatever_makes_room() {
        let all = ByteRange { start: 0, end: BLOCK };
        wakes(|m| extent(m, 0, BLOCK), |_, lent| drop(lent)).await;
        wakes(|m| m.try_reserve(BLOCK), |_, room| drop(room)).await;
        wakes(|m| m.insert(FILE, extent(m, 0, BLOCK), false, || true), |m, ()| m.set_clean(FILE, all)).await;
        wakes(|m| m.insert(FILE, extent(m, 0, BLOCK), true, || false), |m, ()| m.set_read(FILE, all)).await;
        wakes(|m| m.insert(FILE, extent(m, 0, BLOCK), true, || false), |m, ()| m.pass(FILE, all, false))
            .await;
        let starving = |m: &Memory| {
            m.starving.fetch_add(1, Ordering::Relaxed);
        };
        wakes(starving, |m, ()| drop(Starving { memory: m, units: 1 })).await;
    }

    #[test]
    fn pool_gives_a_block_again() {
        let memory = Memory::new(4 * BLOCK);
        let first = extent(&memory, 0, BLOCK);
        let address = first.bytes.as_ptr();
        drop(first);
        let second = extent(&memory, BLOCK, BLOCK);
        assert_eq!(second.bytes.as_ptr(), address);
    }

    #[test]
    fn buffer_of_a_block_is_aligned_and_holds_a_block_new_or_used() {
        let memory = Memory::new(4 * BLOCK);
        for fill in [1, 2] {
            let mut buffer = memory.try_reserve(BLOCK).unwrap().buffer(BLOCK);
            assert!(buffer.filled().is_empty() && !buffer.is_full());
            buffer.room().put_bytes(fill, to_usize(BLOCK));
            assert!(buffer.is_full() && !buffer.room().has_remaining_mut());
            let bytes = buffer.freeze();
            assert_eq!(bytes.as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(bytes, vec![fill; to_usize(BLOCK)]);
        }
    }
}
