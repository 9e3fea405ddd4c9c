//! What reading asks the store for, and what it does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod read_support;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use cairnfs::cache::CHUNK;
use cairnfs::read::plan::FIRST;
use cairnfs::read::{OpenObject, ReadError, ReadOptions};
use read_support::{Lab, content, eventually, sha256};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

async fn read_all(object: &OpenObject, size: usize) {
    for offset in (0..size).step_by(128 * KIB) {
        let bytes = object.read(offset as u64, 128 * KIB).await.unwrap();
        assert_eq!(bytes.len(), (size - offset).min(128 * KIB));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_readers_of_one_chunk_cause_one_request() {
    let lab = Lab::new();
    let version = lab.store.put("a", &content(1, 100 * KIB));
    let gate = lab.store.close_gate();
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let object = lab.reader.open(version.clone(), None);
            tokio::spawn(async move { object.read(0, 4096).await.unwrap() })
        })
        .collect();
    eventually("the first request", || lab.store.request_count() > 0).await;
    // more permits than readers: a second request would go through, and be counted
    gate.add_permits(100);
    for reader in readers {
        assert!(reader.await.unwrap() == content(1, 100 * KIB)[..4096]);
    }
    assert_eq!(lab.store.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_readers_of_one_cold_file_cause_one_download() {
    let lab = Lab::new();
    let size = 24 * MIB + 5;
    let version = lab.store.put("a", &content(2, size));
    lab.store.set_delay(Duration::from_millis(5));
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let object = lab.reader.open(version.clone(), None);
            tokio::spawn(async move { read_all(&object, size).await })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(lab.store.sent_bytes(), size as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_takes_one_request_however_it_is_read() {
    let lab = Lab::new();
    for (name, size, first) in
        [("a", 100 * KIB, 4096), ("b", FIRST as usize, 512), ("c", 900 * KIB, 128 * KIB)]
    {
        let before = lab.store.request_count();
        let bytes = content(3, size);
        let object = lab.reader.open(lab.store.put(name, &bytes), Some(sha256(&bytes)));
        object.read(0, first).await.unwrap();
        read_all(&object, size).await;
        assert_eq!(lab.store.request_count() - before, 1, "{size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_is_asked_for_when_it_is_opened_and_not_again_when_it_is_read() {
    let lab = Lab::new();
    let large = lab.reader.open(lab.store.put("large", &content(3, FIRST as usize + 1)), None);
    large.fetch_if_small();
    let empty = lab.reader.open(lab.store.put("empty", &content(3, 0)), None);
    empty.fetch_if_small();
    let bytes = content(4, FIRST as usize);
    let small = lab.reader.open(lab.store.put("small", &bytes), Some(sha256(&bytes)));
    small.fetch_if_small();
    eventually("the request", || lab.store.request_count() == 1).await;
    assert_eq!(small.read(0, FIRST as usize).await.unwrap(), bytes);
    assert_eq!(lab.store.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn look_at_the_end_alone_is_no_reading_to_the_end() {
    let lab = Lab::new();
    let size = 3 * MIB;
    let version = lab.store.put("a", &content(9, size));
    let object = lab.reader.open(version.clone(), None);
    assert_eq!(object.was_read_to_end(), None);
    object.read(size as u64 - 100, 100).await.unwrap();
    assert_eq!(object.was_read_to_end(), Some(false));
    let object = lab.reader.open(version, None);
    read_all(&object, size).await;
    assert_eq!(object.was_read_to_end(), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn first_small_read_of_a_large_object_fetches_128_kib() {
    let lab = Lab::new();
    let object = lab.reader.open(lab.store.put("a", &content(4, 50 * MIB)), None);
    object.read(0, 4096).await.unwrap();
    assert_eq!(lab.store.sent_bytes(), 128 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn scattered_small_reads_fetch_at_most_128_kib_each() {
    let lab = Lab::new();
    let size = 256 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(5, size)), None);
    for i in 1..=30_usize {
        let before = lab.store.sent_bytes();
        // far apart, and every other one across the border of two chunks
        let offset = (i * 37 % 61) * 4 * MIB + (i % 2) * (CHUNK as usize - 2048);
        object.read(offset as u64, 4096).await.unwrap();
        assert!(lab.store.sent_bytes() - before <= 128 * 1024);
    }
    assert_eq!(lab.store.request_count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn sequential_read_fetches_every_byte_once_in_large_requests() {
    let lab = Lab::new();
    let size = 128 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(6, size)), None);
    read_all(&object, size).await;
    assert_eq!(lab.store.sent_bytes(), size as u64);
    // of 32 MiB, after a start with small ones
    assert!(lab.store.request_count() <= 20, "{} requests", lab.store.request_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn sequential_reader_of_a_distant_store_does_not_wait_for_each_request() {
    let lab = Lab::new();
    let size = 64 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(7, size)), None);
    // generous, so that a busy machine does not decide: what is compared are waits, of which serial fetching has as
    // many as there are requests
    let delay = Duration::from_millis(300);
    lab.store.set_delay(delay);
    let began = std::time::Instant::now();
    read_all(&object, size).await;
    let waits = began.elapsed().as_secs_f64() / delay.as_secs_f64();
    assert!(
        waits < 0.7 * lab.store.request_count() as f64,
        "{waits} waits, {} requests",
        lab.store.request_count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn random_reader_that_stays_gets_the_object_in_the_background() {
    let lab = Lab::new();
    let size = 64 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(8, size)), None);
    let mut reads = 0_usize;
    while object.cached_bytes() < size as u64 {
        let offset = (reads * 7_919 % 16_384) * 4096;
        object.read(offset as u64, 4096).await.unwrap();
        reads += 1;
        assert!(reads < 1_000_000);
    }
    // at most what scattered reads and the background fetched at the same moment
    assert!(lab.store.sent_bytes() < 2 * size as u64);
    // whoever asks first is told of it
    let other = lab.reader.open(object.version().clone(), None);
    let mut file = None;
    eventually("the end of the background fetch", || {
        file = other.take_filled();
        file.is_some()
    })
    .await;
    assert!(object.take_filled().is_none());
    let mut bytes = Vec::new();
    file.unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes == content(8, size));
}

#[tokio::test(flavor = "multi_thread")]
async fn background_fetch_leaves_no_holes_wherever_its_reader_goes_meanwhile() {
    let lab = Lab::new();
    let size = 64 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(8, size)), None);
    let read = async |i: usize| object.read(((i * 37 % 61) * MIB + 512 * KIB) as u64, 4096).await.unwrap();
    for i in 0..16 {
        read(i).await;
    }
    lab.store.set_delay(Duration::from_millis(200));
    read(16).await;
    eventually("requests in the background", || lab.store.request_count() > 17).await;
    // what was read before is read again while the background fetches: its reader goes past its ranges
    for i in 0..170 {
        read(i % 17).await;
        tokio::task::yield_now().await;
    }
    eventually("the whole object on disk", || object.cached_bytes() == size as u64).await;
    // each byte once, but for what lies between two chunks that were here
    assert!(lab.store.sent_bytes() < (size + size / 8) as u64, "{}", lab.store.sent_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn object_for_which_the_disk_has_no_room_is_not_fetched() {
    let lab = Lab::with(|o| o.disk_budget = 40 * MIB as u64, ReadOptions::default());
    let size = 18 * MIB;
    let [a, b, c] = ["a", "b", "c"].map(|name| lab.reader.open(lab.store.put(name, &content(8, size)), None));
    a.bring_to_disk(|_| ()).await.unwrap();
    b.bring_to_disk(|_| ()).await.unwrap();
    let before = lab.store.sent_bytes();
    let error = c.bring_to_disk(|_| ()).await.unwrap_err();
    assert!(matches!(error, ReadError::Io { .. }), "{error}");
    assert_eq!(lab.store.sent_bytes(), before);
    drop(a);
    c.bring_to_disk(|_| ()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn random_reader_without_a_disk_cache_gets_no_background_fetch() {
    let lab = Lab::with(|o| o.disk_budget = 0, ReadOptions::default());
    let object = lab.reader.open(lab.store.put("a", &content(9, 64 * MIB)), None);
    for i in 0..200_usize {
        object.read(((i * 7_919 % 16_384) * 4096) as u64, 4096).await.unwrap();
    }
    assert!(lab.store.requests().iter().all(|r| r.len() <= 2 * CHUNK));
}

#[tokio::test(flavor = "multi_thread")]
async fn last_close_gives_up_what_was_fetched_ahead() {
    let lab = Lab::new();
    let size = 64 * MIB;
    let version = lab.store.put("a", &content(10, size));
    let object = lab.reader.open(version.clone(), None);
    read_all(&object, 4 * MIB).await;
    let gate = lab.store.close_gate();
    let before = lab.store.request_count();
    // read on until something ahead is asked for and stands before the gate
    let mut offset = 4 * MIB;
    while lab.store.request_count() == before {
        let Ok(read) =
            tokio::time::timeout(Duration::from_secs(5), object.read(offset as u64, 128 * KIB)).await
        else {
            break;
        };
        read.unwrap();
        offset += 128 * KIB;
        tokio::task::yield_now().await;
    }
    assert!(lab.store.request_count() > before);
    eventually("the transfers before the gate", || Arc::strong_count(&gate) > 2).await;
    drop(object);
    // each transfer that waits holds the gate; the store and this test hold it too
    eventually("the end of the transfers", || Arc::strong_count(&gate) == 2).await;
    assert_eq!(gate.available_permits(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_request_waits_for_its_reader_and_is_given_up_by_and_by() {
    let lab = Lab::with(|o| o.memory_budget = 16 * MIB as u64, ReadOptions::default());
    let (size, bytes) = (64 * MIB, content(12, 64 * MIB));
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    read_all(&object, 8 * MIB).await;
    // three quarters of the memory, and the block that begins there
    let most = (8 + 12 + 1) * MIB as u64;
    eventually("the window is full", || lab.reader.stats().fetched_bytes >= most - MIB as u64).await;
    assert!(lab.store.requests().iter().any(|r| r.end > most), "{:?}", lab.store.requests());
    // it takes no memory from others meanwhile
    read_all(&lab.reader.open(lab.store.put("b", &content(13, size)), None), size).await;
    let fetched = lab.reader.stats().fetched_bytes - size as u64;
    assert!(fetched <= most, "{fetched}");
    // each that is under way holds the reader; the object and the lab do, too
    eventually("the end of the transfers", || Arc::strong_count(&lab.reader) == 2).await;
    for offset in (8 * MIB..size).step_by(128 * KIB) {
        assert!(object.read(offset as u64, 128 * KIB).await.unwrap() == bytes[offset..offset + 128 * KIB]);
    }
    // each byte once, but for what was in memory only and had to go
    let twice = lab.reader.stats().fetched_bytes - 2 * size as u64;
    assert!(twice <= lab.cache.stats().unwritten_bytes, "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stands_behind_a_request_that_waits_for_another_reader() {
    let lab = Lab::with(|o| o.memory_budget = 16 * MIB as u64, ReadOptions::default());
    let (size, bytes) = (64 * MIB, content(14, 64 * MIB));
    let slow = lab.reader.open(lab.store.put("a", &bytes), None);
    read_all(&slow, 8 * MIB).await;
    // what was read, and three quarters of the memory
    eventually("the window is full", || lab.reader.stats().fetched_bytes >= 20 * MIB as u64).await;
    // a read far into what waits
    let far = lab.store.requests().iter().map(|r| r.end).max().unwrap();
    assert!(far > 21 * MIB as u64, "{:?}", lab.store.requests());
    let before = lab.store.sent_bytes();
    let other = lab.reader.open(slow.version().clone(), None);
    assert_eq!(other.read(far - 4096, 4096).await.unwrap(), bytes[far as usize - 4096..far as usize]);
    assert_eq!(lab.store.sent_bytes() - before, CHUNK);
    // who wants the whole of it on disk; none of it is brought twice, but for what did not get there in time
    other.bring_to_disk(|_| ()).await.unwrap();
    let unwritten = lab.cache.stats().unwritten_bytes;
    assert_eq!(lab.reader.stats().fetched_bytes, size as u64 + unwritten);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_store_is_asked_in_small_requests() {
    let deadline = Duration::from_secs(30);
    let lab = Lab::with(|_| {}, ReadOptions { deadline, ..ReadOptions::default() });
    let size = 12 * MIB;
    let object = lab.reader.open(lab.store.put("a", &content(11, size)), None);
    // 1 MiB in two seconds at first: half a megabyte a second
    lab.store.set_delay(Duration::from_secs(2));
    object.read(0, 128 * KIB).await.unwrap();
    lab.store.set_delay(Duration::ZERO);
    for offset in (MIB..2 * MIB).step_by(128 * KIB) {
        object.read(offset as u64, 128 * KIB).await.unwrap();
    }
    assert!(lab.store.requests().iter().all(|r| r.len() <= 2 * MIB as u64), "{:?}", lab.store.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_of_a_large_object_is_brought_to_disk_where_it_is_little() {
    let lab = Lab::new();
    let bytes = content(9, 17 * MIB + 5);
    let version = lab.store.put("a", &bytes);
    let object = lab.reader.open(version.clone(), None);
    let read = async |mib: usize, len: usize| {
        let (start, end) = (mib * MIB, ((mib + len) * MIB).min(bytes.len()));
        assert!(object.read(start as u64, len * MIB).await.unwrap() == bytes[start..end]);
    };
    // backwards, so that nothing is fetched ahead
    for mib in (2..18).step_by(2).rev() {
        read(mib, 2).await;
    }
    object.bring_the_rest();
    lab.cache.flush();
    assert_eq!(lab.store.sent_bytes(), (bytes.len() - 2 * MIB) as u64, "two of seventeen are not little");
    read(1, 1).await;
    object.bring_the_rest();
    drop(object);
    eventually("all of it is sent", || lab.store.sent_bytes() == bytes.len() as u64).await;
    let again = lab.reader.open(version, None);
    eventually("all of it is on disk", || again.cached_bytes() == bytes.len() as u64).await;
    lab.cache.flush();
    assert!(again.complete_cache_file().is_some());
}
