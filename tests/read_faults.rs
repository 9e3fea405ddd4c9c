//! Reading while things go wrong: versions that change, stores that fail, bytes that are not right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod read_support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use cairnfs::read::{ReadError, ReadOptions};
use cairnfs::store::StoreError;
use read_support::{Fault, Lab, content, eventually, key, sha256};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

fn unavailable() -> Fault {
    Fault::Error(StoreError::Unavailable("503".to_owned()))
}

fn impatient() -> ReadOptions {
    ReadOptions { deadline: Duration::from_secs(2), ..ReadOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_version_is_stale_where_it_was_not_cached_and_served_where_it_was() {
    for ignore_if_match in [false, true] {
        let lab = Lab::new();
        if ignore_if_match {
            lab.store.ignore_if_match();
        }
        let old = content(1, 20 * MIB);
        let object = lab.reader.open(lab.store.put("a", &old), None);
        assert!(object.read(0, 4096).await.unwrap() == old[..4096]);
        lab.store.put("a", &content(2, 20 * MIB));
        let missing = object.read(10 * MIB as u64, 4096).await;
        assert!(matches!(&missing, Err(ReadError::Stale(k)) if *k == key("a")), "{missing:?}");
        assert!(object.read(1000, 4096).await.unwrap() == old[1000..5096]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_replaced_while_it_is_read_never_mixes_with_the_next_one() {
    let lab = Lab::with(|o| o.memory_budget = 2 * MIB as u64, ReadOptions::default());
    let (old, new) = (content(1, 30 * MIB), content(2, 30 * MIB));
    let object = lab.reader.open(lab.store.put("a", &old), None);
    let mut stale = false;
    for offset in (0..30 * MIB).step_by(128 * KIB) {
        if offset == 8 * MIB {
            lab.store.put("a", &new);
        }
        match object.read(offset as u64, 128 * KIB).await {
            Ok(bytes) => assert!(bytes == old[offset..offset + 128 * KIB]),
            Err(ReadError::Stale(_)) => stale = true,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(stale);
    let object = lab.reader.open(lab.store.put("a", &new), None);
    for offset in (0..30 * MIB).step_by(MIB) {
        assert!(object.read(offset as u64, MIB).await.unwrap() == new[offset..offset + MIB]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_replaced_while_a_transfer_breaks_is_stale() {
    let lab = Lab::new();
    let version = lab.store.put("a", &content(1, 100 * KIB));
    lab.store.fail_next([Fault::BreakAfter(50_000), Fault::Error(StoreError::VersionChanged(key("a")))]);
    let read = lab.reader.open(version, None).read(0, 4096).await;
    assert!(matches!(read, Err(ReadError::Stale(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_object_is_stale() {
    let lab = Lab::new();
    let object = lab.reader.open(lab.store.put("a", &content(1, 100)), None);
    lab.store.remove("a");
    assert!(matches!(object.read(0, 100).await, Err(ReadError::Stale(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_transfers_go_on_where_they_broke_off() {
    for fault in [Fault::EndAfter, Fault::BreakAfter] {
        let lab = Lab::new();
        let bytes = content(3, 128 * KIB);
        lab.store.fail_next([fault(70_000), unavailable(), fault(10_000)]);
        let object = lab.reader.open(lab.store.put("a", &bytes), None);
        assert!(object.read(0, 128 * KIB).await.unwrap() == bytes);
        let starts: Vec<_> = lab.store.requests().iter().map(|r| r.start).collect();
        assert_eq!(starts, [0, 70_000, 70_000, 80_000]);
        assert_eq!(lab.store.sent_bytes(), 128 * KIB as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_whose_transfer_breaks_is_held_against_its_digest_before_it_is_handed_out() {
    let lab = Lab::new();
    let bytes = content(3, 128 * KIB);
    let digest = sha256(&bytes);
    lab.store.fail_next([Fault::BreakAfter(70_000)]);
    let object = lab.reader.open(lab.store.put("a", &bytes), Some(digest));
    assert!(object.read(0, 128 * KIB).await.unwrap() == bytes);
    assert_eq!(lab.store.request_count(), 2);
    // one that breaks again and again is still not handed out with wrong bytes
    lab.store.fail_next([Fault::BreakAfter(70_000), Fault::Corrupt]);
    let other = lab.store.put("b", &bytes);
    let object = lab.reader.open(other, Some(digest));
    assert!(object.read(0, 128 * KIB).await.unwrap() == bytes);
    assert_eq!(lab.store.request_count(), 5);
    assert_eq!(lab.reader.stats().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_fails_for_a_while_is_asked_again() {
    let lab = Lab::new();
    let bytes = content(4, 100);
    lab.store.fail_next([unavailable(), unavailable(), unavailable()]);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    assert!(object.read(0, 100).await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_fails_hangs_or_stalls_is_an_error_within_the_deadline_and_cached_bytes_go_on() {
    for fault in [unavailable(), Fault::Hang, Fault::HangBody] {
        let lab = Lab::with(|_| {}, impatient());
        let bytes = content(5, 4 * MIB);
        let object = lab.reader.open(lab.store.put("a", &bytes), None);
        object.read(0, 4096).await.unwrap();
        lab.store.fail_always(Some(fault.clone()));
        let began = Instant::now();
        let read = object.read(3 * MIB as u64, 4096).await;
        assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{fault:?}: {read:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        // once it is known to be down no read waits any more
        let mut at_once = false;
        for _ in 0..3 {
            let asked = lab.store.request_count();
            let again = object.read(2 * MIB as u64, 4096).await;
            assert!(matches!(again, Err(ReadError::Unavailable { .. })), "{fault:?}: {again:?}");
            at_once |= lab.store.request_count() == asked;
        }
        // a store that answers, and then sends nothing, answers others
        assert!(at_once || matches!(fault, Fault::HangBody), "{fault:?}");
        assert!(object.read(4096, 4096).await.unwrap() == bytes[4096..8192]);
        lab.store.fail_always(None);
        eventually(&format!("a transfer that works after {fault:?}"), || {
            futures_util::FutureExt::now_or_never(object.read(3 * MIB as u64, 4096))
                .is_some_and(|r| r.is_ok())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_at_once() {
    let lab = Lab::new();
    let version = lab.store.put("a", &content(6, 100));
    lab.store.fail_next([Fault::Error(StoreError::AccessDenied("no".to_owned()))]);
    let object = lab.reader.open(version, None);
    assert!(matches!(object.read(0, 100).await, Err(ReadError::Denied { .. })));
    let refused = StoreError::Refused { code: "InvalidRequest".to_owned(), message: "no".to_owned() };
    lab.store.fail_next([Fault::Error(refused)]);
    assert!(matches!(object.read(0, 100).await, Err(ReadError::Refused { .. })));
    assert_eq!(lab.store.request_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_transfer_is_fetched_again_and_given_up_when_it_stays_damaged() {
    for fault in [Fault::Damaged, Fault::TooMuch, Fault::WrongRange] {
        let lab = Lab::new();
        let bytes = content(7, 100 * KIB);
        lab.store.fail_next([fault.clone()]);
        let object = lab.reader.open(lab.store.put("a", &bytes), None);
        assert!(object.read(0, 100 * KIB).await.unwrap() == bytes, "{fault:?}");

        lab.store.fail_always(Some(fault.clone()));
        let object = lab.reader.open(lab.store.put("b", &content(8, 100 * KIB)), None);
        let read = object.read(0, 4096).await;
        assert!(matches!(read, Err(ReadError::Damaged { .. })), "{fault:?}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_without_its_sha256_is_never_handed_out() {
    let lab = Lab::new();
    let bytes = content(9, 300 * KIB);
    lab.store.fail_next([Fault::Corrupt]);
    let object = lab.reader.open(lab.store.put("a", &bytes), Some(sha256(&bytes)));
    assert!(object.read(0, 128 * KIB).await.unwrap() == bytes[..128 * KIB]);

    let object = lab.reader.open(lab.store.put("b", &content(10, 300 * KIB)), Some(sha256(&bytes)));
    let read = object.read(0, 128 * KIB).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    lab.cache.flush();
    assert_eq!(object.cached_bytes(), 0);
}

async fn read_all(object: &cairnfs::read::OpenObject) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    while (all.len() as u64) < object.version().size {
        all.extend_from_slice(&object.read(all.len() as u64, 128 * KIB).await?);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_object_without_its_sha256_is_dropped_once_complete_and_fetched_again() {
    let lab = Lab::new();
    let bytes = content(11, 5 * MIB + 3);
    lab.store.fail_next([Fault::Corrupt]);
    let object = lab.reader.open(lab.store.put("a", &bytes), Some(sha256(&bytes)));
    assert!(read_all(&object).await.unwrap() != bytes);
    lab.cache.flush();
    assert_eq!(lab.cache.stats().rejected_files, 1);
    assert!(object.complete_cache_file().is_none());
    assert!(read_all(&object).await.unwrap() == bytes);
    lab.cache.flush();
    assert_eq!(lab.cache.stats().rejected_files, 1);
    assert!(object.complete_cache_file().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_object_that_never_has_its_sha256_ends_as_damaged() {
    let lab = Lab::new();
    let bytes = content(12, 5 * MIB);
    let object = lab.reader.open(lab.store.put("a", &bytes), Some(sha256(b"something else")));
    let damaged = |read: &Result<Vec<u8>, ReadError>| matches!(read, Err(ReadError::Damaged { .. }));
    let mut rounds = 1;
    while !damaged(&read_all(&object).await) {
        lab.cache.flush();
        rounds += 1;
        assert!(rounds < 5);
    }
    assert_eq!(lab.cache.stats().rejected_files, 2);
    let copy = tempfile::tempfile().unwrap();
    let whole = lab.reader.read_whole_to(object.version(), Some(sha256(b"something else")), &copy).await;
    assert!(matches!(whole, Err(ReadError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_prefetch_does_not_fail_the_reader() {
    let lab = Lab::new();
    let bytes: Bytes = content(13, 40 * MIB);
    // what a reader waits for is asked for in smaller requests than what is fetched ahead
    lab.store.refuse_over.store(MIB as u64, std::sync::atomic::Ordering::Relaxed);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    assert!(read_all(&object).await.unwrap() == bytes);
    assert!(lab.reader.stats().failed > 0);
}
