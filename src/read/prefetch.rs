//! Fetching ahead of sequential readers, and of those who open one object after the other.
//!
//! It takes a slot among the requests and room in memory for its first block before it begins, and begins nothing where
//! there is none: a reader who waits never stands behind it.

use std::sync::Arc;

use super::fetch::{Admission, Target};
use super::flight::{Ended, Purpose};
use super::{ObjectReader, OpenObject};
use crate::cache::{BLOCK, pieces};
use crate::types::ByteRange;

impl ObjectReader {
    /// Begins to fetch `range` in requests of `request` bytes, as far as memory and slots go; their bytes come up to `window_end`
    /// for now. Returns from where on nothing was begun, `None` where all was.
    pub(super) fn fetch_ahead(
        self: &Arc<Self>,
        target: &Arc<Target>,
        range: ByteRange,
        request: u64,
        window_end: u64,
    ) -> Option<u64> {
        let memory = target.cached.memory();
        let claim = target.claim(range, request, Purpose::Ahead, |piece| {
            if piece.start >= window_end {
                return None; // what is before it is here already
            }
            let slot = Arc::clone(&self.slots_ahead).try_acquire_owned().ok()?;
            let first = pieces(piece, BLOCK).next()?;
            let room = memory.try_reserve(first.len())?;
            Some(Admission { room: Some(room), slot: Some(slot) })
        });
        for (fetch, _) in &claim.started {
            fetch.set_window_end(window_end);
        }
        self.start(target, claim.started, Purpose::Ahead);
        claim.refused_from
    }
}

impl OpenObject {
    /// Fetches the first `len` bytes for a reader who is about to open the object, where there is memory for that. Waits for
    /// a slot, and asks then whether that is still `wanted`. Returns whether they came from the store.
    pub async fn fetch_lead(&self, len: u64, wanted: impl Fn() -> bool) -> bool {
        let (reader, target) = (&self.reader, &self.target);
        if target.cached.is_given_up() {
            return false;
        }
        let lead = ByteRange { start: 0, end: len.min(self.version().size) };
        let _slot = reader.slots_lead.acquire().await;
        if !wanted() {
            return false;
        }
        let claim = target.claim(lead, reader.options.request_max, Purpose::Ahead, |piece| {
            let room = target.cached.memory().try_reserve(Target::room_for(piece))?;
            Some(Admission { room: Some(room), slot: None })
        });
        let started = reader.start(target, claim.started, Purpose::Ahead);
        let mut came = !started.is_empty();
        for fetch in &started {
            came &= matches!(fetch.ended().await, Ended::Done);
        }
        // whoever comes finds it where it is; until then it makes room for others like all that was read
        target.cached.expect_no_reader(lead);
        came
    }
}
