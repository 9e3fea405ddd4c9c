//! Fetching what nobody waits for: ahead of sequential readers, and whole objects in the background.
//!
//! Both take room in memory and a slot among the requests before they begin, and begin nothing where there is none: a
//! reader who waits never stands behind them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::ObjectReader;
use super::fetch::{Admission, Purpose, Target};
use crate::cache::{BLOCK, pieces};
use crate::types::ByteRange;

/// How long background filling waits for memory before it asks again.
const FILL_PAUSE: Duration = Duration::from_millis(10);

/// The largest request that fills an object in the background, in bytes: a reader who wants its end waits for all of it.
const FILL_REQUEST: u64 = 4 * 1024 * 1024;

impl ObjectReader {
    /// Begins to fetch `range` in requests of `request` bytes, as far as memory and slots go. Returns from where on nothing
    /// was begun, `None` where all was.
    pub(super) fn fetch_ahead(
        self: &Arc<Self>,
        target: &Arc<Target>,
        range: ByteRange,
        request: u64,
    ) -> Option<u64> {
        let memory = target.cached.memory();
        let claim = target.claim(range, request, Purpose::Ahead, |piece| {
            let slot = Arc::clone(&self.slots_ahead).try_acquire_owned().ok()?;
            let room = memory.try_reserve(Target::room_for(piece))?;
            Some(Admission { room: Some(room), slot: Some(slot) })
        });
        self.start(target, claim.started, Purpose::Ahead);
        claim.refused_from
    }

    /// Returns the size of requests that fill an object in the background: all of them together hold a part of the memory.
    pub(super) fn fill_request(&self) -> u64 {
        let share = self.cache.stats().memory_budget / 8;
        (share - share % BLOCK).clamp(BLOCK, FILL_REQUEST)
    }

    /// Begins to fetch the whole of `target` to disk, until its last handle is closed.
    pub(super) fn fill(self: &Arc<Self>, target: &Arc<Target>) {
        let (reader, target) = (Arc::clone(self), Arc::downgrade(target));
        self.runtime.spawn(async move {
            reader.fill_now(&target).await;
        });
    }

    async fn fill_now(self: Arc<Self>, target: &Weak<Target>) {
        let Some(size) = target.upgrade().map(|t| t.cached.version().size) else { return };
        for piece in pieces(ByteRange { start: 0, end: size }, self.fill_request()) {
            loop {
                let Ok(slot) = Arc::clone(&self.slots_fill).acquire_owned().await else { return };
                let Some(target) = target.upgrade() else { return };
                if target.handles.load(Ordering::Acquire) == 0 || !target.cached.can_be_kept() {
                    return;
                }
                target.cached.wait_for_disk(self.options.patience()).await;
                if self.fill_piece(&target, piece, slot) {
                    break;
                }
                drop(target);
                tokio::time::sleep(FILL_PAUSE).await;
            }
        }
    }

    /// Begins to fetch what is missing of `piece`; `false` where there is no memory for it now.
    fn fill_piece(
        self: &Arc<Self>,
        target: &Arc<Target>,
        piece: ByteRange,
        slot: tokio::sync::OwnedSemaphorePermit,
    ) -> bool {
        let memory = target.cached.memory();
        // all transfers of this piece together stand in one slot, which the first one carries: it is nearly always alone
        let mut slot = Some(slot);
        let claim = target.claim(piece, piece.len(), Purpose::Fill, |part| {
            let room = memory.try_reserve(Target::room_for(part))?;
            Some(Admission { room: Some(room), slot: slot.take() })
        });
        self.start(target, claim.started, Purpose::Fill);
        claim.refused_from.is_none()
    }
}
