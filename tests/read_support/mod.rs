//! A store in memory that counts, waits and fails on demand, as a source for the tests of reading.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cairnfs::cache::{Cache, CacheOptions, Version};
use cairnfs::read::{ObjectReader, ReadOptions};
use cairnfs::store::{
    Body, Capabilities, ListPage, ObjectBody, ObjectInfo, ObjectMeta, ObjectStore, StoreError, StoreResult,
    UploadBody, Watched,
};
use cairnfs::types::{ByteRange, ETag, ObjectKey, Sha256Hex, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// What a GET does instead of answering well.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this error.
    Error(StoreError),
    /// Ends the body, without an error, after so many bytes.
    EndAfter(usize),
    /// Breaks the connection after so many bytes.
    BreakAfter(usize),
    /// Sends all bytes, the first one wrong, and then says that they are damaged.
    Damaged,
    /// Sends all bytes, the first one wrong, and says nothing.
    Corrupt,
    /// Sends more than was asked for.
    TooMuch,
    /// Sends another range than was asked for.
    WrongRange,
    /// Never answers.
    Hang,
    /// Answers, and never sends a byte.
    HangBody,
}

#[derive(Default)]
pub struct MemStore {
    objects: Mutex<HashMap<ObjectKey, (ETag, Bytes)>>,
    faults: Mutex<VecDeque<Fault>>,
    always: Mutex<Option<Fault>>,
    requests: Mutex<Vec<ByteRange>>,
    sent: AtomicU64,
    delay: Mutex<Duration>,
    gate: Mutex<Option<Arc<Semaphore>>>,
    ignore_if_match: AtomicBool,
    /// Requests for more bytes than this are refused; 0 for none.
    pub refuse_over: AtomicU64,
}

/// Bytes that tell their place: no two pages of any contents are alike.
pub fn content(seed: u64, size: usize) -> Bytes {
    let mut x = seed | 1;
    let mut page: Vec<u8> = Vec::with_capacity(4096);
    while page.len() < 4096 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        page.extend_from_slice(&x.to_le_bytes());
    }
    let mut out = page.repeat(size.div_ceil(4096));
    for (number, page) in (0_u64..).zip(out.chunks_mut(4096)) {
        page[..8].copy_from_slice(&number.to_le_bytes());
        page[8..16].copy_from_slice(&seed.to_le_bytes());
    }
    out.truncate(size);
    Bytes::from(out)
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

pub fn sha256(bytes: &[u8]) -> Sha256Hex {
    Sha256Hex::from_bytes(Sha256::digest(bytes).into())
}

impl MemStore {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Puts `bytes` under `name`, replacing what is there, and returns the version.
    pub fn put(&self, name: &str, bytes: &Bytes) -> Version {
        let etag = ETag::new(&sha256(bytes).to_string());
        self.objects.lock().insert(key(name), (etag.clone(), bytes.clone()));
        Version { key: key(name), etag, size: bytes.len() as u64 }
    }

    pub fn remove(&self, name: &str) {
        self.objects.lock().remove(&key(name));
    }

    /// The next GETs do this, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }

    /// All GETs after those of [`Self::fail_next`] do this.
    pub fn fail_always(&self, fault: Option<Fault>) {
        *self.always.lock() = fault;
    }

    pub fn set_delay(&self, delay: Duration) {
        *self.delay.lock() = delay;
    }

    /// From now on each GET waits for one permit of the result.
    pub fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock() = Some(Arc::clone(&gate));
        gate
    }

    pub fn ignore_if_match(&self) {
        self.ignore_if_match.store(true, Ordering::Relaxed);
    }

    /// Returns the ranges of all GETs so far.
    pub fn requests(&self) -> Vec<ByteRange> {
        self.requests.lock().clone()
    }

    pub fn request_count(&self) -> usize {
        self.requests.lock().len()
    }

    /// Returns the bytes of all bodies that were answered with.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn refused<T>() -> StoreResult<T> {
        Err(StoreError::Refused {
            code: "Test".to_owned(),
            message: "this store can only be read".to_owned(),
        })
    }
}

#[async_trait]
impl ObjectStore for MemStore {
    fn url(&self) -> String {
        "memory".to_owned()
    }

    async fn check_bucket(&self) -> StoreResult<()> {
        let fault = self.always.lock().clone();
        match fault {
            Some(Fault::Error(e)) => Err(e),
            Some(Fault::Hang) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectInfo> {
        let objects = self.objects.lock();
        let (etag, bytes) = objects.get(key).ok_or_else(|| StoreError::NotFound(key.clone()))?;
        Ok(info(key, etag, bytes))
    }

    async fn get(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        let size = self.objects.lock().get(key).map_or(0, |(_, bytes)| bytes.len() as u64);
        let range = range.unwrap_or(ByteRange { start: 0, end: size });
        self.requests.lock().push(range);
        let limit = self.refuse_over.load(Ordering::Relaxed);
        if limit > 0 && range.len() > limit {
            return Self::refused();
        }
        let fault = self.faults.lock().pop_front().or_else(|| self.always.lock().clone());
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let delay = *self.delay.lock();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let found = self.objects.lock().get(key).cloned();
        let (etag, bytes) = found.ok_or_else(|| StoreError::NotFound(key.clone()))?;
        if if_match.is_some_and(|wanted| *wanted != etag) && !self.ignore_if_match.load(Ordering::Relaxed) {
            return Err(StoreError::VersionChanged(key.clone()));
        }
        let info = info(key, &etag, &bytes);
        let mut range = range.clamp_to(info.size);
        let mut body =
            bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        let mut last = None;
        let wrong_first = |body: &Bytes| {
            let mut wrong = body.to_vec();
            wrong[0] ^= 0xff;
            Bytes::from(wrong)
        };
        match fault {
            None => {}
            Some(Fault::Error(e)) => return Err(e),
            Some(Fault::EndAfter(n)) => body.truncate(n),
            Some(Fault::BreakAfter(n)) => {
                body.truncate(n);
                last = Some(StoreError::Unavailable("connection reset".to_owned()));
            }
            Some(Fault::Damaged) => {
                body = wrong_first(&body);
                last = Some(StoreError::Damaged { key: key.clone(), detail: "checksum".to_owned() });
            }
            Some(Fault::Corrupt) => body = wrong_first(&body),
            Some(Fault::TooMuch) => body = [body, Bytes::from_static(b"more")].concat().into(),
            Some(Fault::WrongRange) => range = ByteRange { start: range.start + 1, end: range.end },
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangBody) => {
                let bytes = Body::of_stream(futures_util::stream::pending());
                return Ok(ObjectBody { info, range, bytes });
            }
        }
        self.sent.fetch_add(body.len() as u64, Ordering::Relaxed);
        // pieces as a network would cut them
        let mut pieces: Vec<StoreResult<Bytes>> = Vec::new();
        while !body.is_empty() {
            pieces.push(Ok(body.split_to(body.len().min(100_003))));
        }
        pieces.extend(last.map(Err));
        Ok(ObjectBody { info, range, bytes: Body::of_stream(futures_util::stream::iter(pieces)) })
    }

    async fn create(&self, _: &ObjectKey, _: &UploadBody, _: &ObjectMeta) -> StoreResult<ObjectInfo> {
        Self::refused()
    }

    async fn copy(&self, _: &ObjectKey, _: &ETag, _: &ObjectKey, _: &ObjectMeta) -> StoreResult<ObjectInfo> {
        Self::refused()
    }

    async fn delete(&self, _: &ObjectKey, _: &ETag) -> StoreResult<()> {
        Self::refused()
    }

    async fn list(&self, _: &str, _: bool, _: Option<&str>, _: Option<u32>) -> StoreResult<ListPage> {
        Self::refused()
    }

    async fn put_for_probe(&self, _: &ObjectKey, _: Bytes) -> StoreResult<ETag> {
        Self::refused()
    }

    async fn copy_for_probe(&self, _: &ObjectKey, _: &ETag, _: &ObjectKey) -> StoreResult<()> {
        Self::refused()
    }

    async fn delete_for_probe(&self, _: &ObjectKey, _: &ETag) -> StoreResult<()> {
        Self::refused()
    }

    fn known_capabilities(&self) -> Option<Capabilities> {
        None
    }
}

fn info(key: &ObjectKey, etag: &ETag, bytes: &Bytes) -> ObjectInfo {
    ObjectInfo {
        key: key.clone(),
        size: bytes.len() as u64,
        etag: etag.clone(),
        modified_at: Timestamp::default(),
        meta: None,
    }
}

/// A store, a cache in a directory of its own, and a reader.
pub struct Lab {
    pub store: Arc<MemStore>,
    pub cache: Arc<Cache>,
    pub reader: Arc<ObjectReader>,
    pub dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(|_| {}, ReadOptions::default())
    }

    pub fn with(change: impl FnOnce(&mut CacheOptions), read: ReadOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = CacheOptions::new(dir.path());
        change(&mut options);
        let cache = Arc::new(Cache::open(options).unwrap());
        let store = MemStore::new();
        // as in a mount: what the reader finds out of the store is remembered
        let watched = Watched::new(Arc::clone(&store) as Arc<dyn ObjectStore>, read.deadline / 3);
        let reader = ObjectReader::new(watched as Arc<dyn ObjectStore>, Arc::clone(&cache), read);
        Self { store, cache, reader, dir }
    }

    /// Closes the cache, in order or not, and opens it again with a reader on the same store.
    pub async fn restart(self, in_order: bool) -> Self {
        self.restart_after(in_order, |_| {}).await
    }

    /// As [`Self::restart`]; `between` sees the cache directory while nobody uses it.
    pub async fn restart_after(self, in_order: bool, between: impl FnOnce(&std::path::Path)) -> Self {
        let Self { store, cache, reader, dir } = self;
        // transfers that nobody wants any more hold the reader until they have noticed
        eventually("the end of all transfers", || Arc::strong_count(&reader) == 1).await;
        drop(reader);
        if in_order {
            cache.shutdown();
        } else {
            cache.flush();
        }
        drop(Arc::into_inner(cache).expect("nobody else has the cache"));
        between(dir.path());
        let cache = Arc::new(Cache::open(CacheOptions::new(dir.path())).unwrap());
        let source = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let reader = ObjectReader::new(source, Arc::clone(&cache), ReadOptions::default());
        Self { store, cache, reader, dir }
    }

    /// Returns the content files and map files in the cache directory.
    pub fn cache_files(&self) -> (Vec<std::path::PathBuf>, Vec<std::path::PathBuf>) {
        let shards = std::fs::read_dir(self.dir.path().join("objects")).unwrap();
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
        files.map(|f| f.unwrap().path()).partition(|p| p.extension().is_none())
    }
}

/// Waits until `done`, which depends on work in the background, is true.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
