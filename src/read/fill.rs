//! Bringing whole versions onto this host's disk: in the background for a random reader that stays, or because somebody
//! asked for it.
//!
//! Each request takes a slot and room in memory before it begins, and waits for them: a reader who waits never stands
//! behind it.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use super::error::ReadError;
use super::fetch::{Admission, Target};
use super::flight::{Ended, Purpose};
use super::object::SETTLE_SIZE;
use super::{ObjectReader, OpenObject, REQUESTS_FILL};
use crate::cache::{BLOCK, CachedObject};
use crate::types::ByteRange;

/// How long it waits for memory before it looks whether somebody still has the object open. For more than a block of memory it
/// waits no longer than a request takes, and asks for less.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long the background waits for a store that has been away for longer than the patience.
const OUTAGE_PAUSE: Duration = Duration::from_secs(10);

/// A request should not take longer than this: a reader who wants its end waits for all of it.
const REQUEST_TIME: Duration = Duration::from_millis(100);

/// The largest request, in bytes, and the one that begins where the store's speed is not known.
const LARGEST: u64 = 16 * BLOCK;
const FIRST_REQUEST: u64 = 4 * BLOCK;

/// The most that is fetched of an object which is being closed, in bytes...
const REST: u64 = 64 * BLOCK;

/// ...and as a part of the object: one of so many.
const REST_PART: u64 = 16;

impl OpenObject {
    /// Fetches what is not here and returns when all of it is on disk. `came` hears how many bytes of the object each step
    /// has brought or found.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Io`] where the cache cannot keep it.
    pub async fn bring_to_disk(&self, came: impl Fn(u64)) -> Result<(), ReadError> {
        self.reader.bring(&self.target, came).await?;
        let (cached, cache) = (Arc::clone(&self.target.cached), Arc::clone(&self.reader.cache));
        let written = tokio::task::spawn_blocking(move || {
            cache.flush();
            cached.version().size == 0 || cached.is_complete()
        });
        if written.await.unwrap_or(false) { Ok(()) } else { Err(not_kept(&self.target.cached)) }
    }

    /// Brings the rest of a large object to disk, in the background, where that is little; for the moment at which it is closed.
    /// The disk did not keep up for a while, or a reader left something out: by itself that would never come, since the
    /// kernel or the memory have it, and the object would never be read past the daemon.
    pub fn bring_the_rest(&self) {
        let (size, cached) = (self.version().size, &self.target.cached);
        let little = REST.min(size / REST_PART);
        if size < SETTLE_SIZE || !cached.can_be_kept() || !cached.may_be_here_but_for(little) {
            return;
        }
        let missing = cached.missing_on_disk(ByteRange { start: 0, end: size });
        let rest: u64 = missing.into_iter().map(ByteRange::len).sum();
        if rest == 0 || rest > little {
            return;
        }
        let whole = self.reader.open(self.version().clone(), None);
        self.reader.runtime.spawn(async move {
            if let Err(e) = whole.reader.bring(&whole.target, |_| {}).await {
                tracing::debug!("the rest of '{}' is not on disk: {e}", whole.version().key);
            }
        });
    }
}

impl ObjectReader {
    /// Begins to fetch the whole of `target` to disk, until its last handle is closed; [`OpenObject::take_filled`] tells of
    /// the end.
    pub(super) fn fill(self: &Arc<Self>, target: &Arc<Target>) {
        if target.filling.swap(true, Ordering::AcqRel) {
            return; // for another of its readers
        }
        let (reader, target) = (Arc::clone(self), Arc::clone(target));
        self.runtime.spawn(async move {
            while let Err(e) = reader.bring(&target, |_| {}).await {
                tracing::debug!("not all of '{}' is on disk: {e}", target.cached.version().key);
                let ReadError::Unavailable { .. } = e else { break };
                tokio::time::sleep(OUTAGE_PAUSE).await;
            }
            reader.cache.written_out().await;
            target.filled.store(target.cached.is_complete(), Ordering::Release);
            target.filling.store(false, Ordering::Release);
        });
    }

    /// Fetches what is neither on disk nor on its way there, for as long as a handle is open.
    async fn bring(self: &Arc<Self>, target: &Arc<Target>, came: impl Fn(u64)) -> Result<(), ReadError> {
        let size = target.cached.version().size;
        let pieces = stream::iter(iter::successors(Some(self.piece(0, size)), |last| {
            (last.end < size).then(|| self.piece(last.end, size))
        }));
        let bring =
            |piece: ByteRange| async move { self.bring_piece(target, piece).await.map(|()| piece.len()) };
        let mut steps = pieces.map(bring).buffer_unordered(REQUESTS_FILL);
        while let Some(bytes) = steps.try_next().await? {
            came(bytes);
        }
        Ok(())
    }

    /// Returns what is to be fetched next from `start` on, as the store's speed allows it now, cut as readers' requests are
    /// (see `plan`). All requests together hold a part of the memory.
    fn piece(&self, start: u64, size: u64) -> ByteRange {
        let share = self.cache.stats().memory_budget / 4;
        let in_time = self.pressure.bytes_within(REQUEST_TIME).unwrap_or(FIRST_REQUEST);
        let request = 1 << in_time.min(share).clamp(BLOCK, LARGEST).ilog2();
        ByteRange { start, end: (start - start % request).saturating_add(request).min(size) }
    }

    /// Each round must leave less to be fetched: what the disk takes no more of is not fetched again and again.
    async fn bring_piece(self: &Arc<Self>, target: &Arc<Target>, piece: ByteRange) -> Result<(), ReadError> {
        let cached = &target.cached;
        let mut least = u64::MAX;
        let mut request = LARGEST;
        loop {
            let missing = cached.missing_on_disk(piece).into_iter().map(ByteRange::len).sum();
            if missing == 0 || target.handles.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            if missing >= least || !cached.can_be_kept() || !cached.has_room() {
                return Err(not_kept(cached));
            }
            match self.bring_some(target, piece, request).await? {
                Brought::Some => least = missing,
                Brought::Nothing => {}
                // a reader who is slow, or has stopped, leaves a part of the memory for as long as that lasts
                Brought::NothingForWantOfMemory => request = (request / 2).max(BLOCK),
            }
        }
    }

    /// Fetches what there is memory for, in requests of at most `request` bytes.
    async fn bring_some(
        self: &Arc<Self>,
        target: &Arc<Target>,
        piece: ByteRange,
        request: u64,
    ) -> Result<Brought, ReadError> {
        let cached = &target.cached;
        let _slot = self.slots_fill.acquire().await;
        cached.wait_for_disk(self.options.patience()).await;
        // a piece lies between two multiples of the largest, so that it is not cut by that
        let claim = target.claim(piece, request, Purpose::Fill, |part| {
            let room = cached.memory().try_reserve(Target::room_for(part))?;
            Some(Admission { room: Some(room), slot: None })
        });
        let started = self.start(target, claim.started, Purpose::Fill);
        for fetch in claim.running.iter().chain(&started) {
            // one that was given up, or left something in memory only, is asked for again
            if let Ended::Failed(e) = fetch.ended().await {
                return Err(e);
            }
        }
        if let Some(from) = claim.refused_from {
            let part = ByteRange { start: from, end: piece.end.min(from.saturating_add(request)) };
            let room = cached.memory().reserve_politely(Target::room_for(part));
            let patience = if request > BLOCK { REQUEST_TIME } else { LOOK_AGAIN };
            drop(timeout(patience, room).await);
        } else if !cached.missing_on_disk(piece).is_empty() {
            // What the disk has refused is missing again; what still waits for it may be by and by.
            self.cache.written_out().await;
        }
        Ok(match (started.is_empty(), claim.refused_from) {
            (false, _) => Brought::Some,
            (true, None) => Brought::Nothing,
            (true, Some(_)) => Brought::NothingForWantOfMemory,
        })
    }
}

enum Brought {
    Some,
    /// What is missing was on its way already.
    Nothing,
    NothingForWantOfMemory,
}

fn not_kept(cached: &CachedObject) -> ReadError {
    ReadError::Io {
        context: format!("cannot keep '{}' in the cache", cached.version().key),
        message: "it is larger than half of the disk budget, or there is no room beside what is open"
            .to_owned(),
        errno: 0,
    }
}
