//! A disk that takes no more. In a program of its own: the limit it sets holds for the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod read_support;

use cairnfs::cache::CHUNK;
use read_support::{Lab, content};

#[tokio::test(flavor = "multi_thread")]
async fn disk_that_takes_no_more_costs_the_cache_and_never_a_read() {
    let lab = Lab::new();
    let small = content(1, 300_000);
    let kept = lab.reader.open(lab.store.put("small", &small), None);
    assert!(kept.read(0, 300_000).await.unwrap() == small);
    lab.cache.flush();

    // no file may grow beyond 1 MiB from here on; without this signal's default action, writes fail instead
    // SAFETY: ignoring a signal runs no code of ours
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let limit = rustix::process::Rlimit { current: Some(1 << 20), maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();

    let bytes = content(2, 12 << 20);
    let object = lab.reader.open(lab.store.put("large", &bytes), None);
    for round in 0..2 {
        for offset in (0..bytes.len()).step_by(128 * 1024) {
            let read = object.read(offset as u64, 128 * 1024).await.unwrap();
            assert!(read == bytes[offset..offset + 128 * 1024], "round {round}");
        }
        lab.cache.flush();
    }
    let stats = lab.cache.stats();
    assert!(stats.disk_errors >= 1 && !stats.disk_usable, "{stats:?}");
    assert!(stats.disk_used < 300_000 + 2 * CHUNK, "{stats:?}");
    let asked = lab.store.request_count();
    assert!(kept.read(0, 300_000).await.unwrap() == small);
    assert_eq!(lab.store.request_count(), asked);
}
