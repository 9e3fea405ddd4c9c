//! Right bytes for any pattern of reads (semantics 7.1), whatever the cache holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod read_support;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use cairnfs::cache::{BLOCK, CHUNK, Cache};
use cairnfs::read::{ObjectReader, OpenObject, ReadOptions};
use cairnfs::store::ObjectStore;
use proptest::prelude::*;
use read_support::{Lab, MemStore, content, sha256};

const KIB: usize = 1024;

/// Holds the read of `len` bytes at `offset` against `expected`, the whole content.
async fn check(object: &OpenObject, expected: &Bytes, offset: usize, len: usize) {
    let bytes = object.read(offset as u64, len).await.unwrap();
    let end = (offset + len).min(expected.len());
    let right = expected.get(offset.min(end)..end).unwrap();
    assert!(bytes == right, "wrong bytes in {len} at {offset}: {} instead of {}", bytes.len(), right.len());
}

async fn check_sequentially(object: &OpenObject, expected: &Bytes, step: usize) {
    for offset in (0..expected.len().max(1)).step_by(step) {
        check(object, expected, offset, step).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sequential_reads_of_sizes_at_every_edge_return_the_content_cold_and_cached() {
    let lab = Lab::new();
    let (chunk, block) = (CHUNK as usize, BLOCK as usize);
    let edges = [1, 4096, chunk, 2 * chunk, block, 3 * block];
    let sizes = edges.into_iter().flat_map(|e| [e - 1, e, e + 1]).chain([10 * block + 5 * chunk + 17]);
    for (seed, size) in sizes.enumerate() {
        let bytes = content(seed as u64, size);
        let version = lab.store.put(&format!("documents/{seed}.pdf"), &bytes);
        let object = lab.reader.open(version, Some(sha256(&bytes)));
        check_sequentially(&object, &bytes, 128 * KIB).await;
        let cold = lab.store.request_count();
        lab.cache.flush();
        check_sequentially(&object, &bytes, 50 * KIB + 1).await;
        assert_eq!(lab.store.request_count(), cold, "a cached object of {size} bytes was asked for again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_at_or_beyond_the_end_is_short_or_empty_without_a_request() {
    let lab = Lab::new();
    let bytes = content(1, 1000);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    check(&object, &bytes, 990, 100).await;
    let asked = lab.store.request_count();
    for offset in [1000, 1001, u64::MAX] {
        assert!(object.read(offset, 4096).await.unwrap().is_empty());
    }
    assert!(object.read(10, 0).await.unwrap().is_empty());
    assert_eq!(lab.store.request_count(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_object_reads_empty_without_a_request() {
    let lab = Lab::new();
    let object = lab.reader.open(lab.store.put("a", &Bytes::new()), Some(sha256(b"")));
    assert!(object.read(0, 4096).await.unwrap().is_empty());
    assert!(object.complete_cache_file().is_none());
    assert_eq!(lab.store.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_larger_than_the_memory_budget_returns_all() {
    let lab = Lab::with(|o| o.memory_budget = 4 << 20, ReadOptions::default());
    let bytes = content(2, 20 << 20);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    check(&object, &bytes, 5, 19 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_one_object_all_get_right_bytes() {
    let lab = Lab::with(|o| o.memory_budget = 16 << 20, ReadOptions::default());
    let bytes = content(3, 24 << 20);
    let version = lab.store.put("a", &bytes);
    let tasks: Vec<_> = (0..12_usize)
        .map(|n| {
            let object = lab.reader.open(version.clone(), None);
            let bytes = bytes.clone();
            tokio::spawn(async move {
                match n % 3 {
                    0 => check_sequentially(&object, &bytes, 128 * KIB).await,
                    1 => {
                        for i in 0..300 {
                            check(&object, &bytes, (i * 7_919 * (n + 1) * 512) % bytes.len(), 5000).await;
                        }
                    }
                    _ => {
                        for offset in (0..bytes.len()).step_by(1 << 20).rev() {
                            check(&object, &bytes, offset, 1 << 20).await;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_without_a_disk_cache_return_the_content_within_the_memory_budget() {
    let store = MemStore::new();
    let cache = Arc::new(Cache::in_memory(8 << 20));
    let reader = ObjectReader::new(
        Arc::clone(&store) as Arc<dyn ObjectStore>,
        Arc::clone(&cache),
        ReadOptions::default(),
    );
    let bytes = content(4, 40 << 20);
    let object = reader.open(store.put("a", &bytes), None);
    for offset in (0..bytes.len()).step_by(128 * KIB) {
        check(&object, &bytes, offset, 128 * KIB).await;
        let stats = cache.stats();
        assert!(stats.memory_used <= stats.memory_budget);
    }
    for i in 0..200_usize {
        check(&object, &bytes, (i * 104_729 * 13) % bytes.len(), 70 * KIB).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_copy_holds_the_content_from_store_and_from_cache() {
    let lab = Lab::new();
    let bytes = content(5, (9 << 20) + 77);
    let version = lab.store.put("a", &bytes);
    for (round, sha) in [(0, None), (1, Some(sha256(&bytes)))] {
        let copy = tempfile::NamedTempFile::new().unwrap();
        lab.reader.read_whole_to(&version, sha, copy.as_file()).await.unwrap();
        assert!(std::fs::read(copy.path()).unwrap() == bytes, "round {round}");
        lab.cache.flush();
    }
    assert_eq!(lab.store.sent_bytes(), bytes.len() as u64);
}

/// Polls `future` once, as a thread outside any runtime does.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn read_of_cached_bytes_completes_on_its_first_poll_outside_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (lab, bytes, object) = runtime.block_on(async {
        let lab = Lab::new();
        let bytes = content(6, 3 << 20);
        let object = lab.reader.open(lab.store.put("a", &bytes), None);
        check_sequentially(&object, &bytes, 128 * KIB).await;
        (lab, bytes, object)
    });
    // from memory, or from disk where the writer was quick
    let Poll::Ready(Ok(read)) = poll_once(object.read(1_000_000, 128 * KIB)) else { panic!("not ready") };
    assert!(read == bytes[1_000_000..1_000_000 + 128 * KIB]);
    // from disk
    lab.cache.flush();
    drop(object);
    let lab = runtime.block_on(async { lab.restart(true).await });
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    let Poll::Ready(Ok(read)) = poll_once(object.read(1_000_000, 128 * KIB)) else { panic!("not ready") };
    assert!(read == bytes[1_000_000..1_000_000 + 128 * KIB]);
    assert_eq!(lab.store.sent_bytes(), bytes.len() as u64);
}

#[test]
fn read_of_missing_bytes_can_be_polled_first_outside_a_runtime_and_finished_inside() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lab = runtime.block_on(async { Lab::new() });
    let bytes = content(7, 1 << 20);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    let mut read = Box::pin(object.read(0, 4096));
    let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let read = match polled {
        Poll::Ready(read) => read,
        Poll::Pending => runtime.block_on(read),
    };
    assert!(read.unwrap() == bytes[..4096]);
}

#[derive(Debug, Clone)]
enum Step {
    Read { offset: u64, len: usize },
    ReadOn { len: usize },
    Reopen,
    Flush,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![1..5000_usize, 1..(300 * KIB)];
    prop_oneof![
        4 => (any::<u64>(), len.clone()).prop_map(|(offset, len)| Step::Read { offset, len }),
        6 => len.prop_map(|len| Step::ReadOn { len }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Flush),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// A model test: whatever is read in whatever order, with a cache that is too small, cleared, reopened or behind, the
    /// bytes are those of the object.
    #[test]
    fn any_reads_with_any_cache_return_the_content(
        size in 1..(6_usize << 20),
        steps in proptest::collection::vec(step(), 1..60),
        disk_budget in prop_oneof![Just(0_u64), Just(300_000), Just(2 << 20), Just(1 << 30)],
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let lab = Lab::with(
                |o| { o.memory_budget = 2 << 20; o.disk_budget = disk_budget; },
                ReadOptions::default(),
            );
            let bytes = content(size as u64, size);
            let version = lab.store.put("a", &bytes);
            let mut object = lab.reader.open(version.clone(), None);
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Read { offset, len } => {
                        let offset = usize::try_from(offset % (size as u64)).unwrap();
                        check(&object, &bytes, offset, len).await;
                        next = offset + len;
                    }
                    Step::ReadOn { len } => {
                        check(&object, &bytes, next.min(size), len).await;
                        next += len;
                    }
                    Step::Reopen => object = lab.reader.open(version.clone(), None),
                    Step::Flush => lab.cache.flush(),
                    Step::Clear => { lab.cache.clear(); }
                }
                let stats = lab.cache.stats();
                assert!(stats.disk_used <= disk_budget);
            }
        });
    }
}
