//! One range of one version from the store, whatever it takes: resumed where it broke off, refused where the version is
//! another one.
//!
//! # Invariants
//! * Every request names the version (If-Match), and since some servers ignore that, every answer is held against it.
//! * A whole object is handed on only when all of it has come and has passed the store's own check, and that of its
//!   SHA-256 where it is small. Stores give no checksum for a part of an object: parts are handed on as they come.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::assembly::{Assembly, Filled, Took};
use super::error::ReadError;
use super::flight::Fetch;
use super::pressure::Pressure;
use crate::cache::{BLOCK, CachedObject, Reservation, Version};
use crate::store::{ObjectBody, ObjectStore, StoreError};
use crate::types::{ByteRange, OnDamage, Sha256Hex};

/// A range that arrives damaged this often stays damaged.
const DAMAGED_TRIES: u32 = 3;

/// Objects up to this size are held against their SHA-256 before the first byte is handed out; larger ones once they are
/// complete on disk.
const DIGEST_AT_ONCE: u64 = BLOCK;

/// How long a transfer that a reader waits for waits for the cache's disk: often it is only the processor that was not free
/// for the writing.
pub(super) const READERS_PATIENCE: Duration = Duration::from_millis(20);

/// How long a transfer waits for its reader to come nearer. Then it is given up: a connection on which nothing moves is nobody's
/// gain, and stores close it by and by.
const READER_COMES_WITHIN: Duration = Duration::from_secs(5);

/// What to fetch, from where, and for how long to try.
pub(super) struct Transfer<'a> {
    pub store: &'a dyn ObjectStore,
    /// The version, and what is known of its digest.
    pub cached: &'a CachedObject,
    /// Tries go on until so much time has passed without a byte.
    pub patience: Duration,
    /// How long to wait for the cache's disk after each block, where it is behind; then blocks stay in memory only.
    pub disk_patience: Duration,
    /// Knows whether a reader waits for these bytes.
    pub fetch: &'a Fetch,
    /// Whether it keeps pace with the reader who comes. Then it needs room as its bytes come, and a slot...
    pub is_paced: bool,
    pub slot: Option<OwnedSemaphorePermit>,
    /// ...of these; while it waits for its reader, it leaves its own to others.
    pub slots: &'a Arc<Semaphore>,
    /// Hears how soon the store answers, and how fast.
    pub pressure: &'a Pressure,
    /// Hears of what came damaged.
    pub on_damage: &'a OnDamage,
}

impl Transfer<'_> {
    /// Fills `assembly`, handing its extents to `sink` as soon as they may be used.
    ///
    /// # Errors
    /// [`ReadError`] when asking again does not help or the patience is at an end.
    pub(super) async fn run(
        &mut self,
        assembly: &mut Assembly,
        mut sink: impl FnMut(Filled),
    ) -> Result<(), ReadError> {
        let mut delays = delays();
        let mut progress = Instant::now();
        let mut damaged = 0;
        loop {
            let before = assembly.rest().start;
            let error = match self.attempt(assembly, progress, &mut sink).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let StoreError::Damaged { key, detail } = &error {
                // which of the bytes are wrong is not known; none of them was handed on
                assembly.restart();
                damaged += 1;
                let then = if damaged < DAMAGED_TRIES { "fetched again" } else { "given up" };
                self.on_damage.tell(key, &format!("damaged transfer: {detail}; {then}"));
            } else if assembly.rest().is_empty() {
                // all bytes, but not the store's word for them
                assembly.restart();
            }
            if assembly.rest().start > before {
                progress = Instant::now();
                delays = self::delays();
            }
            let delay = delays.next().unwrap_or(self.patience);
            let hopeless = damaged >= DAMAGED_TRIES || progress.elapsed() + delay >= self.patience;
            if !error.is_transient() || matches!(error, StoreError::Down(_)) || hopeless {
                return Err(ReadError::from_store(&self.version().key, error));
            }
            tracing::debug!("reading '{}' goes on after: {error}", self.version().key);
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(
        &mut self,
        assembly: &mut Assembly,
        began: Instant,
        sink: &mut impl FnMut(Filled),
    ) -> Result<(), StoreError> {
        let rest = assembly.rest();
        let whole = rest.start == 0 && rest.end == self.version().size;
        // long enough for a slow store, short enough to try another connection before the patience ends
        let stall = (self.patience / 3).min(self.patience.saturating_sub(began.elapsed()));
        let stalled = |_| StoreError::Unavailable("it sends nothing".to_owned());
        let asked = Instant::now();
        // asked for without a range, the whole comes with the store's checksum
        let mut body = timeout(stall, self.ask((!whole).then_some(rest))).await.map_err(stalled)??;
        self.check(&body, assembly)?;
        // one that broke off goes on in parts, but is handed on whole where its digest is to be looked at first
        let held = whole || self.is_digested(assembly);
        let mut measured = None;
        loop {
            let so_far = (assembly.rest().start - rest.start, asked.elapsed());
            if self.make_room(assembly).await {
                // what comes after it has waited in buffers on the way, and tells nothing of the store
                measured.get_or_insert(so_far);
            }
            match timeout(stall, assembly.take_from(&mut body.bytes)).await.map_err(stalled)?? {
                Took::Some => {}
                Took::End => break,
                Took::TooMany => {
                    return Err(self.damaged(format!("more than the {} bytes asked for", rest.len())));
                }
            }
            if !held && !assembly.filled().is_empty() {
                assembly.take_filled().for_each(&mut *sink);
                // a piece more would find no room on its way to the disk, and be fetched again some day
                self.wait_for_disk().await;
            }
        }
        let missing = assembly.rest().len();
        if missing > 0 {
            // no wrong byte, just an early end: what came is good, the next attempt asks for the rest
            return Err(StoreError::Unavailable(format!("the transfer ended {missing} bytes early")));
        }
        let (bytes, time) = measured.unwrap_or_else(|| (rest.len(), asked.elapsed()));
        self.pressure.sample(bytes, time);
        // of what was handed on in parts nothing is left to look at, be the digest known by now or not
        if held {
            self.check_digest(assembly)?;
        }
        assembly.take_filled().for_each(sink);
        Ok(())
    }

    /// Asks the store for `range` of the version, or for all of it.
    async fn ask(&self, range: Option<ByteRange>) -> Result<ObjectBody, StoreError> {
        let asked = Instant::now();
        let body = self.store.get(&self.version().key, range, Some(&self.version().etag)).await?;
        self.pressure.answered(asked.elapsed());
        Ok(body)
    }

    /// Gives `assembly` room for what comes next, where it has none. Returns whether that had to be waited for.
    async fn make_room(&mut self, assembly: &mut Assembly) -> bool {
        let Some(bytes) = assembly.lacks_room() else { return false };
        let at = assembly.rest().start;
        let at_once = self.room_at_once(at, bytes);
        let waits = at_once.is_none();
        let room = match at_once {
            Some(room) => room,
            None => self.wait_for_room(at, bytes).await,
        };
        assembly.set_room(room);
        waits
    }

    /// Returns room for the next `bytes`, which begin at `at`, where they may come at once: their reader is near, and there are
    /// memory and a slot.
    fn room_at_once(&mut self, at: u64, bytes: u64) -> Option<Reservation> {
        if !self.is_paced || !self.fetch.is_in_window(at) {
            return None;
        }
        self.slot = self.slot.take().or_else(|| Arc::clone(self.slots).try_acquire_owned().ok());
        self.slot.as_ref().and_then(|_| self.cached.memory().try_reserve(bytes))
    }

    /// Waits for room for the next `bytes`, which begin at `at`: until their reader is near and there are memory and a slot, or
    /// until somebody waits for them, who needs memory only.
    async fn wait_for_room(&mut self, at: u64, bytes: u64) -> Reservation {
        let (fetch, slots, memory) = (self.fetch, self.slots, self.cached.memory());
        while self.is_paced && !fetch.is_wanted() {
            self.slot = None;
            let in_turn = async {
                fetch.in_window(at).await;
                let slot = Arc::clone(slots).acquire_owned().await.ok();
                (slot, memory.reserve_politely(bytes).await)
            };
            tokio::select! {
                biased;
                () = fetch.wanted() => {}
                (slot, room) = in_turn => {
                    self.slot = slot;
                    return room;
                }
                () = tokio::time::sleep(READER_COMES_WITHIN) => {
                    fetch.cancel_if_unwanted();
                    tokio::task::yield_now().await; // and does not come back from there
                }
            }
        }
        memory.reserve(bytes).await
    }

    fn version(&self) -> &Version {
        self.cached.version()
    }

    /// Holds the head of an answer against what was asked for, and takes from it what a listing does not tell.
    fn check(&self, body: &ObjectBody, assembly: &Assembly) -> Result<(), StoreError> {
        if body.info.etag != self.version().etag {
            return Err(StoreError::VersionChanged(self.version().key.clone()));
        }
        if body.info.size != self.version().size {
            let (says, was) = (body.info.size, self.version().size);
            return Err(
                self.damaged(format!("the store says {says} bytes, it was {was} under the same ETag"))
            );
        }
        if body.range != assembly.rest() {
            let (asked, got) = (assembly.rest(), body.range);
            return Err(self.damaged(format!(
                "asked for {}, got {}",
                asked.http_header(),
                got.http_header()
            )));
        }
        if let Some(sha256) = body.info.meta.as_ref().and_then(|meta| meta.sha256) {
            self.cached.expect_sha256(sha256);
        }
        Ok(())
    }

    /// Returns whether `assembly` is a whole object that is held against its SHA-256 before any of it is handed on.
    fn is_digested(&self, assembly: &Assembly) -> bool {
        let size = self.version().size;
        let whole = assembly.range().start == 0 && assembly.range().end == size;
        whole && size <= DIGEST_AT_ONCE && self.cached.expected_sha256().is_some()
    }

    /// Waits where the cache's disk is behind, and no longer for somebody's sake who waits for these bytes.
    async fn wait_for_disk(&self) {
        tokio::select! {
            biased;
            () = self.cached.wait_for_disk(self.disk_patience) => {}
            () = async {
                self.fetch.wanted().await;
                tokio::time::sleep(READERS_PATIENCE).await;
            } => {}
        }
    }

    fn check_digest(&self, assembly: &Assembly) -> Result<(), StoreError> {
        let Some(expected) = self.cached.expected_sha256().filter(|_| self.is_digested(assembly)) else {
            return Ok(());
        };
        let mut hash = Sha256::new();
        for filled in assembly.filled() {
            hash.update(&filled.extent.bytes);
        }
        let found = Sha256Hex::from_bytes(hash.finalize().into());
        if found == expected {
            Ok(())
        } else {
            Err(self.damaged(format!("SHA-256 is {found}, not {expected}")))
        }
    }

    fn damaged(&self, detail: String) -> StoreError {
        StoreError::Damaged { key: self.version().key.clone(), detail }
    }
}

/// The pauses between tries: from 50 ms, doubling, up to 3 s, without end.
fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(3))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
