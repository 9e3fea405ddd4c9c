//! Reading: objects become bytes, through the cache.
//!
//! [`ObjectReader`] reads from one store through one cache. [`OpenObject`] is one open handle on one version: it knows
//! what its reader did so far, [`plan`] says from that what to fetch, `inflight` sees to it that no byte is fetched
//! twice at a time, `transfer` moves one range, the cache keeps it.
//!
//! # Invariants
//! * All bytes of an [`OpenObject`] are of its version: requests are pinned to the ETag, the cache is keyed by it.
//! * A read whose bytes are in memory or on disk completes on its first poll, on whatever thread, inside a runtime or not.
//! * Every read ends within [`ReadOptions::deadline`].
//!
//! # Limits
//! Memory: all bytes on their way lie in the cache's memory budget. Requests: one for each read that waits, and
//! [`ReadOptions::requests_ahead`] beside them; one that waits for its reader to come nearer does not count, and does not wait
//! for long.

mod assembly;
mod error;
mod fetch;
mod fill;
mod flight;
mod inflight;
mod object;
pub mod plan;
mod prefetch;
mod pressure;
mod transfer;
mod whole;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use error::ReadError;
pub use object::OpenObject;

use crate::cache::{Cache, Version};
use crate::store::ObjectStore;
use crate::types::Sha256Hex;
use fetch::Target;
use pressure::Pressure;

/// How reading is tuned. The defaults suit a store that is near as well as one that is 20 ms away.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The longest that a read may take (semantics 8.3).
    pub deadline: Duration,
    /// The most that is fetched ahead of one reader, in bytes. Three quarters of the cache's memory are shared out among those
    /// who read in sequence, and bound it too.
    pub window_max: u64,
    /// The largest request, in bytes.
    pub request_max: u64,
    /// How many requests may run ahead of all sequential readers, and as many ahead of those who open one object after the
    /// other.
    pub requests_ahead: usize,
}

impl ReadOptions {
    /// Returns how long a transfer goes on without a byte: it ends before those who wait for it do, so that they can say
    /// why.
    fn patience(&self) -> Duration {
        crate::types::patience(self.deadline)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            window_max: 128 << 20,
            request_max: 32 << 20,
            requests_ahead: 16,
        }
    }
}

/// What reading has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadStats {
    /// Transfers begun; one that is resumed counts once.
    pub requests: u64,
    /// Bytes that came from the store.
    pub fetched_bytes: u64,
    /// Transfers that failed for good.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
}

/// See the module documentation.
pub struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    cache: Arc<Cache>,
    options: ReadOptions,
    runtime: Handle,
    pressure: Pressure,
    slots_ahead: Arc<Semaphore>,
    slots_lead: Semaphore,
    slots_fill: Semaphore,
    open: Mutex<HashMap<Version, Weak<Target>>>,
    counters: Counters,
}

/// Background filling of whole objects runs this many requests at a time, all objects together.
const REQUESTS_FILL: usize = 3;

impl ObjectReader {
    /// The most that the first small read of an object fetches, in bytes.
    pub const FIRST: u64 = plan::FIRST;

    /// Makes a reader of `store` through `cache`. Must be called inside a tokio runtime: transfers run there.
    pub fn new(store: Arc<dyn ObjectStore>, cache: Arc<Cache>, options: ReadOptions) -> Arc<Self> {
        let memory = cache.stats().memory_budget;
        Arc::new(Self {
            store,
            cache,
            runtime: Handle::current(),
            pressure: Pressure::new(options.window_max, options.request_max, memory),
            slots_ahead: Arc::new(Semaphore::new(options.requests_ahead)),
            slots_lead: Semaphore::new(options.requests_ahead),
            slots_fill: Semaphore::new(REQUESTS_FILL),
            open: Mutex::new(HashMap::new()),
            counters: Counters::default(),
            options,
        })
    }

    /// Opens `version` for one reader. `sha256` is the digest of its whole content, where that is known: the content is
    /// held against it once it is complete. Asks the store for nothing.
    pub fn open(self: &Arc<Self>, version: Version, sha256: Option<Sha256Hex>) -> Arc<OpenObject> {
        let target = self.target(version);
        if let Some(sha256) = sha256 {
            target.cached.expect_sha256(sha256);
        }
        Arc::new(OpenObject::new(Arc::clone(self), target))
    }

    /// Returns whether anything of `version` is in the cache.
    pub fn has_some_of(&self, version: &Version) -> bool {
        self.cache.has_some_of(version)
    }

    /// Returns what reading has done so far.
    pub fn stats(&self) -> ReadStats {
        ReadStats {
            requests: self.counters.requests.load(Ordering::Relaxed),
            fetched_bytes: self.counters.bytes.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }

    /// Returns the one target of `version`, with one more handle counted.
    fn target(&self, version: Version) -> Arc<Target> {
        let mut open = self.open.lock();
        let known = open.get(&version).and_then(Weak::upgrade);
        let target = known.unwrap_or_else(|| {
            open.retain(|_, target| target.strong_count() > 0);
            let target = Arc::new(Target {
                cached: self.cache.open_version(&version),
                inflight: inflight::Inflight::default(),
                handles: AtomicUsize::new(0),
                filling: AtomicBool::new(false),
                filled: AtomicBool::new(false),
            });
            open.insert(version, Arc::downgrade(&target));
            target
        });
        target.handles.fetch_add(1, Ordering::AcqRel);
        target
    }
}
