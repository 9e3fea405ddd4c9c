//! What the cache keeps over stops, crashes and bad disks, and what it lets go of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod read_support;

use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use bytes::Bytes;
use cairnfs::cache::{CHUNK, Cache, CacheError, CacheOptions, Scrubbed, Version};
use cairnfs::read::{OpenObject, ReadOptions};
use cairnfs::types::ETag;
use read_support::{Lab, content, eventually, key, sha256};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

async fn check(object: &OpenObject, expected: &Bytes) {
    for offset in (0..expected.len()).step_by(128 * KIB) {
        let right = &expected[offset..(offset + 128 * KIB).min(expected.len())];
        assert!(object.read(offset as u64, 128 * KIB).await.unwrap() == right, "wrong bytes at {offset}");
    }
}

/// Reads `bytes` once through `lab` and waits until they are on disk.
async fn warm(lab: &Lab, name: &str, bytes: &Bytes) -> Version {
    let version = lab.store.put(name, bytes);
    let object = lab.reader.open(version.clone(), None);
    check(&object, bytes).await;
    lab.cache.flush();
    assert_eq!(object.cached_bytes(), bytes.len() as u64);
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_survives_a_restart_in_order_or_not_without_a_request() {
    for in_order in [true, false] {
        let lab = Lab::new();
        let bytes = content(1, 7 * MIB + 1);
        let version = warm(&lab, "a", &bytes).await;
        let lab = lab.restart(in_order).await;
        let asked = lab.store.request_count();
        let object = lab.reader.open(version, Some(sha256(&bytes)));
        check(&object, &bytes).await;
        assert_eq!(lab.store.request_count(), asked, "in order: {in_order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_an_object_survives_a_restart_and_the_rest_is_fetched() {
    let lab = Lab::new();
    let bytes = content(2, 8 * MIB);
    let version = lab.store.put("a", &bytes);
    let object = lab.reader.open(version.clone(), None);
    object.read(5 * MIB as u64, MIB).await.unwrap();
    lab.cache.flush();
    drop(object);
    let lab = lab.restart(true).await;
    let object = lab.reader.open(version, None);
    assert_eq!(object.cached_bytes(), MIB as u64);
    check(&object, &bytes).await;
    assert!(lab.store.sent_bytes() <= bytes.len() as u64 + CHUNK * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn corruption_on_disk_is_found_after_a_crash_and_only_that_chunk_is_fetched_again() {
    let lab = Lab::new();
    let bytes = content(3, 7 * MIB);
    let version = warm(&lab, "a", &bytes).await;
    let lab = lab.restart(false).await;
    let (data, _) = lab.cache_files();
    let file = std::fs::File::options().write(true).open(&data[0]).unwrap();
    file.write_all_at(b"not what arrived", 3 * MIB as u64 + 500).unwrap();
    let before = lab.store.sent_bytes();
    let object = lab.reader.open(version, None);
    check(&object, &bytes).await;
    assert_eq!(lab.store.sent_bytes() - before, CHUNK);
    assert_eq!(lab.cache.stats().damaged_chunks, 1);
    lab.cache.flush();
    check(&object, &bytes).await;
    assert_eq!(lab.store.sent_bytes() - before, CHUNK);
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_files_are_thrown_away_and_fetched_again() {
    type Tear = fn(&std::path::Path, &std::path::Path);
    let tears: [(&str, Tear); 6] = [
        ("map of zeros", |_, map| std::fs::write(map, vec![0; 8192]).unwrap()),
        ("short map", |_, map| std::fs::write(map, b"cairn").unwrap()),
        ("no map", |_, map| std::fs::remove_file(map).unwrap()),
        ("no content", |data, _| std::fs::remove_file(data).unwrap()),
        ("short content", |data, _| {
            std::fs::File::options().write(true).open(data).unwrap().set_len(9).unwrap()
        }),
        ("wrong entries", |_, map| {
            let map = std::fs::File::options().write(true).open(map).unwrap();
            map.write_all_at(&[0xaa; 40], 4096).unwrap();
        }),
    ];
    for (what, tear) in tears {
        let lab = Lab::new();
        let bytes = content(4, 2 * MIB);
        let version = warm(&lab, "a", &bytes).await;
        let (data, maps) = lab.cache_files();
        let lab = lab.restart_after(false, |_| tear(&data[0], &maps[0])).await;
        let object = lab.reader.open(version, None);
        check(&object, &bytes).await;
        lab.cache.flush();
        assert_eq!(object.cached_bytes(), bytes.len() as u64, "{what}");
        check(&object, &bytes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_cut_while_it_is_in_use_is_fetched_again() {
    let lab = Lab::new();
    let bytes = content(5, 3 * MIB);
    let version = warm(&lab, "a", &bytes).await;
    let lab = lab.restart(true).await;
    let object = lab.reader.open(version, None);
    object.read(0, 10).await.unwrap();
    let (data, _) = lab.cache_files();
    std::fs::File::options().write(true).open(&data[0]).unwrap().set_len(MIB as u64).unwrap();
    check(&object, &bytes).await;
    assert!(lab.cache.stats().damaged_chunks > 0);
}

/// Returns what the files of the cache take on disk.
fn disk_usage(lab: &Lab) -> u64 {
    let (data, maps) = lab.cache_files();
    data.iter().chain(&maps).map(|p| std::fs::metadata(p).map_or(0, |m| m.blocks() * 512)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_budget_counts_what_small_objects_take_on_disk_so_that_the_next_start_keeps_them() {
    let budget = 900 * KIB as u64;
    let lab = Lab::with(|o| o.disk_budget = budget, ReadOptions::default());
    for i in 0..120 {
        warm(&lab, &format!("o{i}"), &content(i, KIB)).await;
    }
    let stats = lab.cache.stats();
    assert!(disk_usage(&lab) <= stats.disk_used && stats.disk_used <= budget, "{}", disk_usage(&lab));
    assert!(stats.disk_used > budget / 2);
    lab.cache.shutdown();
    let options = CacheOptions { disk_budget: budget, ..CacheOptions::new(lab.dir.path()) };
    assert_eq!(Cache::open(options).unwrap().stats().files, stats.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_budget_holds_and_the_least_recently_used_goes_first() {
    let budget = 4 * MIB as u64;
    let lab = Lab::with(|o| o.disk_budget = budget, ReadOptions::default());
    let objects: Vec<_> = (0..10).map(|n| content(n, MIB)).collect();
    let mut versions: Vec<Version> = Vec::new();
    for (n, bytes) in objects.iter().enumerate() {
        if n >= 3 {
            // the first object stays the one used last
            check(&lab.reader.open(versions[0].clone(), None), &objects[0]).await;
        }
        versions.push(warm(&lab, &n.to_string(), bytes).await);
        let stats = lab.cache.stats();
        assert!(stats.disk_used <= budget);
        assert!(disk_usage(&lab) <= budget + 64 * 1024, "{} on disk", disk_usage(&lab));
    }
    let kept = |n: usize| lab.reader.open(versions[n].clone(), None).cached_bytes();
    let kept: Vec<_> = (0..10).filter(|n| kept(*n) > 0).collect();
    assert_eq!(kept, [0, 8, 9]);
    assert!(lab.cache.stats().evicted_files >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_objects_are_not_evicted_and_what_does_not_fit_beside_them_is_read_uncached() {
    let lab = Lab::with(
        |o| {
            o.disk_budget = 3 * MIB as u64;
            o.memory_budget = 8 * MIB as u64;
        },
        ReadOptions::default(),
    );
    let (held, large) = (content(1, 2 * MIB), content(2, 6 * MIB));
    let version = warm(&lab, "held", &held).await;
    let object = lab.reader.open(version, None);
    let file = object.complete_cache_file().expect("complete");
    let other = lab.reader.open(lab.store.put("large", &large), None);
    check(&other, &large).await;
    lab.cache.flush();
    assert!(lab.cache.stats().disk_used <= 3 * MIB as u64);
    assert!(other.cached_bytes() < MIB as u64);
    let asked = lab.store.request_count();
    check(&object, &held).await;
    assert_eq!(lab.store.request_count(), asked);
    // closed, it may go; what has it open keeps it
    drop(object);
    check(&lab.reader.open(lab.store.put("next", &content(3, 2 * MIB)), None), &content(3, 2 * MIB)).await;
    drop(other);
    lab.cache.flush();
    lab.cache.clear();
    let mut kept = vec![0; held.len()];
    file.read_exact_at(&mut kept, 0).unwrap();
    assert!(kept == held);
}

#[tokio::test(flavor = "multi_thread")]
async fn smaller_budget_at_the_next_start_evicts_at_once() {
    let lab = Lab::new();
    for n in 0..4 {
        warm(&lab, &n.to_string(), &content(n, MIB)).await;
    }
    let Lab { cache, reader, dir, .. } = lab;
    drop(reader);
    cache.shutdown();
    drop(cache);
    let options = CacheOptions { disk_budget: 2 * MIB as u64 + 100_000, ..CacheOptions::new(dir.path()) };
    let cache = Cache::open(options).unwrap();
    let stats = cache.stats();
    assert!(stats.disk_used <= 2 * MIB as u64 + 100_000 && stats.files == 2, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_deletes_what_is_not_open() {
    let lab = Lab::new();
    let bytes = content(1, MIB);
    let open = lab.reader.open(warm(&lab, "open", &bytes).await, None);
    warm(&lab, "closed", &content(2, MIB)).await;
    assert_eq!(lab.cache.clear().0, 1);
    assert_eq!(lab.cache.stats().files, 1);
    let asked = lab.store.request_count();
    check(&open, &bytes).await;
    assert_eq!(lab.store.request_count(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_cache_file_has_the_content_and_needs_the_sha256_where_one_is_known() {
    let lab = Lab::new();
    let bytes = content(6, 3 * MIB + 11);
    let object = lab.reader.open(lab.store.put("a", &bytes), Some(sha256(&bytes)));
    object.read(0, 10).await.unwrap();
    lab.cache.flush();
    assert!(object.complete_cache_file().is_none(), "not complete yet");
    check(&object, &bytes).await;
    lab.cache.flush();
    let file = object.complete_cache_file().expect("complete and verified");
    let mut all = vec![0; bytes.len()];
    file.read_exact_at(&mut all, 0).unwrap();
    assert!(all == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_cache_file_after_a_crash_waits_for_the_verification() {
    let lab = Lab::new();
    let bytes = content(7, 5 * MIB);
    let version = warm(&lab, "a", &bytes).await;
    let lab = lab.restart(false).await;
    let object = lab.reader.open(version.clone(), None);
    assert!(object.complete_cache_file().is_none());
    eventually("the verification", || object.complete_cache_file().is_some()).await;
    drop(object);
    // verified once, it is trusted after the next stop in order
    let lab = lab.restart(true).await;
    assert!(lab.reader.open(version, None).complete_cache_file().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_file_is_read_without_a_request() {
    let lab = Lab::new();
    let bytes = content(8, 2 * MIB + 5);
    let version = lab.store.put("a", &bytes);
    let staging = tempfile::NamedTempFile::new_in(lab.dir.path()).unwrap();
    std::fs::write(staging.path(), &bytes).unwrap();
    let open_before = lab.reader.open(version.clone(), None);
    lab.cache.adopt(&version, staging.path(), Some(sha256(&bytes))).unwrap();
    drop(staging);
    check(&open_before, &bytes).await;
    let object = lab.reader.open(version.clone(), Some(sha256(&bytes)));
    assert!(object.complete_cache_file().is_some());
    drop((open_before, object));
    let lab = lab.restart(true).await;
    check(&lab.reader.open(version, None), &bytes).await;
    assert_eq!(lab.store.request_count(), 0);
}

/// Requests are cut between chunks, whatever the size of what is left: a chunk that comes in two pieces has the checksum of
/// one of them, and counts as here before the other is.
#[tokio::test(flavor = "multi_thread")]
async fn object_that_was_brought_to_disk_is_right_to_its_end_after_a_crash() {
    let lab = Lab::new();
    let bytes = content(14, 24 * MIB + 4321);
    let version = lab.store.put("a", &bytes);
    lab.reader.open(version.clone(), None).bring_to_disk(|_| {}).await.unwrap();
    let lab = lab.restart(false).await;
    let asked = lab.store.request_count();
    check(&lab.reader.open(version, None), &bytes).await;
    assert_eq!(lab.cache.stats().damaged_chunks, 0);
    assert_eq!(lab.store.request_count(), asked);
}

/// Whoever opens a large file that was just saved is on a thread of the kernel's.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_blocked_while_a_file_is_taken_in() {
    let lab = Lab::new();
    let staging = tempfile::NamedTempFile::new_in(lab.dir.path()).unwrap();
    staging.as_file().set_len(1 << 30).unwrap();
    let version = Version { key: key("a"), etag: ETag::new("e"), size: 1 << 30 };
    let object = lab.cache.open_version(&version);
    let (cache, from, of) = (Arc::clone(&lab.cache), staging.path().to_owned(), version.clone());
    let adopting = tokio::task::spawn_blocking(move || cache.adopt(&of, &from, None));
    while !object.is_coming() {
        tokio::task::yield_now().await;
    }
    assert!(!object.is_complete());
    assert!(object.is_coming(), "the look has waited for all of it");
    object.has_come().await;
    assert!(object.is_complete());
    adopting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_is_opened_while_it_is_taken_in_needs_no_request() {
    let lab = Lab::new();
    let bytes = content(13, 9 * MIB);
    let version = lab.store.put("a", &bytes);
    let staging = tempfile::NamedTempFile::new_in(lab.dir.path()).unwrap();
    std::fs::write(staging.path(), &bytes).unwrap();
    let seen = lab.cache.open_version(&version);
    let (cache, from, of) = (Arc::clone(&lab.cache), staging.path().to_owned(), version.clone());
    let adopting = tokio::task::spawn_blocking(move || cache.adopt(&of, &from, None));
    while !seen.is_coming() && !seen.is_complete() {
        tokio::task::yield_now().await;
    }
    let object = lab.reader.open(version, None);
    object.settle().await;
    check(&object, &bytes).await;
    adopting.await.unwrap().unwrap();
    assert_eq!(lab.store.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_file_from_another_file_system_is_copied() {
    let shm = std::path::Path::new("/dev/shm");
    let lab = Lab::new();
    let other =
        if shm.is_dir() { tempfile::NamedTempFile::new_in(shm) } else { tempfile::NamedTempFile::new() };
    let other = other.unwrap();
    let bytes = content(9, MIB);
    std::fs::write(other.path(), &bytes).unwrap();
    let version = lab.store.put("a", &bytes);
    lab.cache.adopt(&version, other.path(), None).unwrap();
    check(&lab.reader.open(version, None), &bytes).await;
    assert_eq!(lab.store.request_count(), 0);
    assert!(other.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_a_file_of_another_size_is_refused() {
    let lab = Lab::new();
    let version = lab.store.put("a", &content(10, 1000));
    let staging = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(staging.path(), b"short").unwrap();
    let adopted = lab.cache.adopt(&version, staging.path(), None);
    assert!(matches!(adopted, Err(CacheError::WrongSize { found: 5, expected: 1000, .. })), "{adopted:?}");
    check(&lab.reader.open(version, None), &content(10, 1000)).await;
    assert_eq!(std::fs::read_dir(lab.dir.path().join("trash")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_cache_directory_never_makes_a_reader_fail() {
    let lab = Lab::new();
    std::fs::remove_dir(lab.dir.path().join("objects")).unwrap();
    std::fs::write(lab.dir.path().join("objects"), b"in the way").unwrap();
    let bytes = content(11, 9 * MIB);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    check(&object, &bytes).await;
    lab.cache.flush();
    let stats = lab.cache.stats();
    assert!(stats.disk_errors >= 1 && !stats.disk_usable, "{stats:?}");
    assert_eq!(stats.disk_used, 0);
    check(&object, &bytes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_is_refused_until_the_first_has_shut_down() {
    let lab = Lab::new();
    let again = Cache::open(CacheOptions::new(lab.dir.path()));
    assert!(matches!(again, Err(CacheError::InUse(_))));
    let bytes = content(12, MIB);
    let object = lab.reader.open(lab.store.put("a", &bytes), None);
    lab.cache.shutdown();
    let next = Cache::open(CacheOptions::new(lab.dir.path())).unwrap();
    // the first one goes on reading, but leaves the directory alone
    check(&object, &bytes).await;
    drop(object);
    assert_eq!(next.stats().files, 0);
    assert!(lab.cache_files().0.is_empty());
}

/// Waits until transfers and threads have let go of what was read: no more than `open` bytes are in use.
async fn idle(lab: &Lab, open: u64) {
    eventually("it is idle", || lab.cache.stats().disk_pinned <= open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrub_drops_what_has_rotted_and_only_that_is_fetched_again() {
    let lab = Lab::new();
    let bytes = content(21, 3 * MIB);
    let version = warm(&lab, "a", &bytes).await;
    warm(&lab, "b", &content(22, MIB)).await;
    let (data, _) = lab.cache_files();
    let data = data.iter().find(|p| p.metadata().unwrap().len() == bytes.len() as u64).unwrap();
    let file = std::fs::File::options().write(true).open(data).unwrap();
    file.write_all_at(b"rot", 2 * MIB as u64 + 7).unwrap();
    idle(&lab, 0).await;
    let done = lab.cache.scrub();
    assert_eq!((done.files, done.damaged), (2, 1));
    // what is in memory is right, and must not answer here
    let lab = lab.restart(true).await;
    let before = lab.store.sent_bytes();
    let object = lab.reader.open(version, Some(sha256(&bytes)));
    assert!(object.complete_cache_file().is_none());
    check(&object, &bytes).await;
    assert_eq!(lab.store.sent_bytes() - before, CHUNK);
    drop(object);
    idle(&lab, 0).await;
    assert_eq!(lab.cache.scrub(), Scrubbed { files: 2, damaged: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn scrub_after_a_crash_verifies_for_the_first_reader() {
    let lab = Lab::new();
    let bytes = content(23, 3 * MIB);
    let version = warm(&lab, "a", &bytes).await;
    let lab = lab.restart(false).await;
    idle(&lab, 0).await;
    assert_eq!(lab.cache.scrub(), Scrubbed { files: 1, damaged: 0 });
    let object = lab.reader.open(version.clone(), None);
    assert!(object.complete_cache_file().is_some());
    drop(object);
    // without it, the first use only asks for a verification
    let lab = lab.restart(false).await;
    assert!(lab.reader.open(version, None).complete_cache_file().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn scrub_passes_over_what_is_open_and_is_no_use_in_the_order_of_eviction() {
    let lab = Lab::with(|o| o.disk_budget = 5 * MIB as u64, ReadOptions::default());
    let first = warm(&lab, "first", &content(24, 2 * MIB)).await;
    let second = warm(&lab, "second", &content(25, 2 * MIB)).await;
    let open = lab.reader.open(first.clone(), None);
    idle(&lab, 2 * MIB as u64 + 100_000).await;
    assert_eq!(lab.cache.scrub().files, 1);
    drop(open);
    idle(&lab, 0).await;
    // now the second is the one that was used least recently, whatever the scrub looks at last
    assert_eq!(lab.cache.scrub().files, 2);
    warm(&lab, "third", &content(26, 2 * MIB)).await;
    assert_eq!(lab.reader.open(second, None).cached_bytes(), 0);
    assert!(lab.reader.open(first, None).cached_bytes() > 0);
}
