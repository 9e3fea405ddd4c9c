//! Fetching ahead of sequential readers.
//!
//! It takes room in memory and a slot among the requests before it begins, and begins nothing where there is none: a reader
//! who waits never stands behind it.

use std::sync::Arc;

use super::ObjectReader;
use super::fetch::{Admission, Target};
use super::inflight::Purpose;
use crate::types::ByteRange;

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
}
