//! Carrying out transfers: the task that moves one range from the store into the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::ObjectReader;
use super::assembly::Assembly;
use super::error::ReadError;
use super::flight::{Ended, Fetch, Purpose};
use super::inflight::{Claim, Inflight};
use super::transfer::{READERS_PATIENCE, Transfer};
use crate::cache::{BLOCK, CachedObject, Reader, Reservation};
use crate::types::ByteRange;

/// A version that is being read, shared by all its handles and transfers.
#[derive(Debug)]
pub(super) struct Target {
    pub cached: Arc<CachedObject>,
    pub inflight: Inflight,
    pub handles: AtomicUsize,
    /// The background is bringing all of it to disk.
    pub filling: AtomicBool,
    /// The background has brought all of it to disk, and no reader was told yet.
    pub filled: AtomicBool,
}

/// What a transfer needs before it begins. One that a reader waits for gets its memory later, waiting for it; one with a slot
/// has room for its first block, and gets more as its bytes come.
#[derive(Debug, Default)]
pub(super) struct Admission {
    pub room: Option<Reservation>,
    pub slot: Option<OwnedSemaphorePermit>,
}

impl Target {
    /// Returns the memory that a transfer of `range` takes: its bytes, and the rounding up of each extent.
    pub(super) fn room_for(range: ByteRange) -> u64 {
        range.len().saturating_add((range.len() / BLOCK + 2).saturating_mul(1024))
    }

    /// Begins the transfers that `range` needs; see [`Inflight::claim`].
    pub(super) fn claim(
        &self,
        range: ByteRange,
        request: u64,
        purpose: Purpose,
        admit: impl FnMut(ByteRange) -> Option<Admission>,
    ) -> Claim<Admission> {
        let missing = |hole| match purpose {
            Purpose::Demand | Purpose::Ahead => self.cached.missing(hole),
            Purpose::Fill => self.cached.missing_on_disk(hole),
        };
        self.inflight.claim(range, request, purpose, missing, admit)
    }
}

impl ObjectReader {
    /// Starts the tasks of `started` and returns the transfers.
    pub(super) fn start(
        self: &Arc<Self>,
        target: &Arc<Target>,
        started: Vec<(Arc<Fetch>, Admission)>,
        purpose: Purpose,
    ) -> Vec<Arc<Fetch>> {
        let start = |(fetch, admission): (Arc<Fetch>, Admission)| {
            let ending = Ending { target: Arc::clone(target), fetch: Arc::clone(&fetch) };
            let mut task = Box::pin(Arc::clone(self).carry_out(ending, purpose, admission));
            // The request is on its way before a thread of the runtime wakes up.
            let _runtime = self.runtime.enter();
            let first = &mut Context::from_waker(Waker::noop());
            if purpose != Purpose::Demand || task.as_mut().poll(first).is_pending() {
                self.runtime.spawn(task);
            }
            fetch
        };
        started.into_iter().map(start).collect()
    }

    async fn carry_out(self: Arc<Self>, ending: Ending, purpose: Purpose, admission: Admission) {
        let how = tokio::select! {
            biased;
            () = ending.fetch.cancel.cancelled() => Ended::Cancelled,
            moved = self.move_bytes(&ending, purpose, admission) => match moved {
                Ok(()) => Ended::Done,
                Err(e) => Ended::Failed(e),
            },
        };
        if let Ended::Failed(e) = &how {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("fetching bytes {:?} failed: {e}", ending.fetch.range);
        }
        ending.finish(how);
    }

    async fn move_bytes(
        &self,
        ending: &Ending,
        purpose: Purpose,
        admission: Admission,
    ) -> Result<(), ReadError> {
        let Ending { target, fetch } = ending;
        let room = match admission.room {
            Some(room) => room,
            None => target.cached.memory().reserve(Target::room_for(fetch.range)).await,
        };
        let began = Instant::now();
        let mut assembly = Assembly::new(fetch.range, room);
        let mut transfer = Transfer {
            store: &*self.store,
            cached: &target.cached,
            patience: self.options.patience(),
            // what fills the cache waits for as long as it takes, since each byte that did not get there is a hole
            disk_patience: if purpose == Purpose::Fill { self.options.patience() } else { READERS_PATIENCE },
            fetch,
            is_paced: admission.slot.is_some(),
            slot: admission.slot,
            slots: &self.slots_ahead,
            pressure: &self.pressure,
            on_damage: self.cache.on_damage(),
        };
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let moved = transfer
            .run(&mut assembly, |filled| {
                // into the cache first: who has read a byte may rely on finding it there
                let comes = fetch.is_in_window(filled.extent.offset);
                let reader = if comes { purpose.reader() } else { Reader::Waits };
                target.cached.insert(filled.extent.clone(), filled.checksums, reader);
                self.counters.bytes.fetch_add(filled.extent.bytes.len() as u64, Ordering::Relaxed);
                fetch.deliver(filled.extent);
            })
            .await;
        if let Err(ReadError::Unavailable { reason, .. }) = &moved {
            self.store.gave_up(began, reason);
        }
        moved?;
        if purpose == Purpose::Fill {
            target.cached.pass(fetch.range);
        }
        Ok(())
    }
}

/// Ends a transfer whatever becomes of its task (also where the runtime drops it), so that nobody waits for ever.
struct Ending {
    target: Arc<Target>,
    fetch: Arc<Fetch>,
}

impl Ending {
    fn finish(&self, how: Ended) {
        // out of the table first: who is told that it was given up must be able to begin anew
        self.target.inflight.remove(&self.fetch);
        self.fetch.end(how);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.finish(Ended::Cancelled);
    }
}
