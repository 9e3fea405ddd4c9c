//! Reading through the cache from the stores themselves: a directory, and S3 on the tests' own server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use cairnfs::cache::{Cache, CacheOptions, Version};
use cairnfs::read::{ObjectReader, OpenObject, ReadError, ReadOptions};
use cairnfs::store::{DirStore, MetadataPlace, ObjectMeta, ObjectStore, UploadBody};
use support::data::{key, noise, sha256};
use support::s3server::{Fault, S3Server, When};
use support::stores::own_store;

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

struct Lab {
    store: Arc<dyn ObjectStore>,
    cache: Arc<Cache>,
    reader: Arc<ObjectReader>,
    _dir: tempfile::TempDir,
}

fn lab(store: impl ObjectStore) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let cache = Arc::new(Cache::open(CacheOptions::new(dir.path())).unwrap());
    let reader = ObjectReader::new(Arc::clone(&store), Arc::clone(&cache), ReadOptions::default());
    Lab { store, cache, reader, _dir: dir }
}

async fn put(lab: &Lab, name: &str, bytes: &[u8]) -> Version {
    let meta = ObjectMeta { sha256: Some(sha256(bytes)), ..ObjectMeta::default() };
    let body = UploadBody::Bytes(Bytes::copy_from_slice(bytes));
    let info = lab.store.create(&key(name), &body, &meta).await.unwrap();
    Version { key: info.key, etag: info.etag, size: info.size }
}

async fn check(object: &OpenObject, expected: &[u8], offset: usize, len: usize) {
    let read = object.read(offset as u64, len).await.unwrap();
    assert!(read == expected[offset..(offset + len).min(expected.len())], "wrong bytes at {offset}");
}

async fn check_patterns(lab: &Lab) {
    for size in [1, 100 * KIB, MIB, 11 * MIB + 3] {
        let bytes = noise(size as u64, size);
        let version = put(lab, &format!("documents/Größe {size}.pdf"), &bytes).await;
        let object = lab.reader.open(version.clone(), Some(sha256(&bytes)));
        check(&object, &bytes, size / 2, 4096).await;
        for offset in (0..size).step_by(128 * KIB) {
            check(&object, &bytes, offset, 128 * KIB).await;
        }
        lab.cache.flush();
        assert_eq!(object.cached_bytes(), size as u64);
        let copy = tempfile::NamedTempFile::new().unwrap();
        lab.reader.read_whole_to(&version, Some(sha256(&bytes)), copy.as_file()).await.unwrap();
        assert!(std::fs::read(copy.path()).unwrap() == bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_directory_are_read_right() {
    let dir = tempfile::tempdir().unwrap();
    check_patterns(&lab(DirStore::new(dir.path(), ".cairnfs/", MetadataPlace::Attributes).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_s3_are_read_right() {
    let server = S3Server::start();
    check_patterns(&lab(own_store(&server).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_object_of_s3_takes_one_get_and_no_head() {
    let server = S3Server::start();
    let lab = lab(own_store(&server).await);
    let bytes = noise(1, 100 * KIB);
    let version = put(&lab, "documents/a.pdf", &bytes).await;
    server.faults().forget();
    let object = lab.reader.open(version, None);
    check(&object, &bytes, 0, 4096).await;
    check(&object, &bytes, 50 * KIB, 50 * KIB).await;
    assert_eq!(server.faults().requests().len(), 1);
    assert_eq!(server.faults().count("GET", "documents/a.pdf"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_or_deleted_object_of_s3_is_stale() {
    let server = S3Server::start();
    let lab = lab(own_store(&server).await);
    let bytes = noise(2, 8 * MIB);
    for (name, replaced) in [("documents/a.pdf", true), ("documents/b.pdf", false)] {
        let object = lab.reader.open(put(&lab, name, &bytes).await, None);
        check(&object, &bytes, 0, 4096).await;
        if replaced {
            server.overwrite("test", name, noise(3, 8 * MIB));
        } else {
            server.remove("test", name);
        }
        assert!(matches!(object.read(5 * MIB as u64, 4096).await, Err(ReadError::Stale(_))));
        check(&object, &bytes, 4096, 4096).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_break_lie_or_are_refused_for_a_while_come_out_right() {
    let server = S3Server::start();
    let lab = lab(own_store(&server).await);
    let faults = [
        Fault::Status(503, "SlowDown"),
        Fault::Status(500, "InternalError"),
        Fault::Cut,
        Fault::TruncateBody(30_000),
        Fault::ShortenBody(30_000),
        Fault::CorruptBody,
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let name = format!("documents/{n}.pdf");
        let bytes = noise(n as u64, 100 * KIB);
        let version = put(&lab, &name, &bytes).await;
        server.faults().inject(When::method("GET", &name), fault, 2);
        let object = lab.reader.open(version, Some(sha256(&bytes)));
        check(&object, &bytes, 0, 100 * KIB).await;
        assert!(server.faults().count("GET", &name) >= 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_object_of_s3_survives_broken_transfers() {
    let server = S3Server::start();
    let lab = lab(own_store(&server).await);
    let bytes = noise(9, 24 * MIB);
    let version = put(&lab, "documents/large.pdf", &bytes).await;
    for n in [1, 100_000, 1_500_000, 700_001] {
        server.faults().inject(When::method("GET", "documents/large"), Fault::TruncateBody(n), 2);
    }
    let object = lab.reader.open(version, Some(sha256(&bytes)));
    for offset in (0..bytes.len()).step_by(128 * KIB) {
        check(&object, &bytes, offset, 128 * KIB).await;
    }
    lab.cache.flush();
    assert!(object.complete_cache_file().is_some());
}
