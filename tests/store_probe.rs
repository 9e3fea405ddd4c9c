//! What the probe finds out about stores, good and bad, and what it leaves behind: nothing.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use cairnfs::store::{Capabilities, DirStore, MetadataPlace, S3Store, StoreError, probe};
use support::data::{key, list_names};
use support::s3server::{Fault, Faults, S3Server, When};
use support::seaweed::seaweed;
use support::stores::own_store;

const ALL: Capabilities =
    Capabilities { atomic_create: true, conditional_delete: true, atomic_copy: true, service_prefix: true };

#[tokio::test]
async fn good_store_can_everything_and_is_left_clean() {
    let server = S3Server::start();
    server.overwrite("test", "documents/a", "x");
    let store = own_store(&server).await;
    assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), ALL);
    let keys: Vec<String> = server.objects("test").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["documents/a"]);
    let foreign = server.faults().requests().into_iter().filter(|r| {
        let lists_own = r.query.contains("prefix=.cairnfs%2Fprobe%2F");
        !r.key.starts_with(".cairnfs/probe/") && !lists_own
    });
    assert_eq!(foreign.map(|r| format!("{} {} {}", r.method, r.key, r.query)).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn s4_4_seaweedfs_can_everything_and_is_left_clean() {
    let store = S3Store::connect(seaweed().settings()).await.unwrap();
    assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), ALL);
    assert_eq!(list_names(&store, "", false).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn s4_4_each_weakness_is_found_by_itself() {
    type Switch = fn(&Faults) -> &AtomicBool;
    let cases: [(Switch, Capabilities); 3] = [
        (|f| &f.ignore_put_condition, Capabilities { atomic_create: false, ..ALL }),
        (|f| &f.ignore_delete_condition, Capabilities { conditional_delete: false, ..ALL }),
        (|f| &f.ignore_copy_condition, Capabilities { atomic_copy: false, ..ALL }),
    ];
    for (switch, found) in cases {
        let server = S3Server::start();
        switch(server.faults()).store(true, Ordering::Relaxed);
        let store = own_store(&server).await;
        assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), found);
        assert_eq!(server.objects("test").len(), 0);
    }
}

#[tokio::test]
async fn store_that_says_not_implemented_is_weak() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    server.faults().inject(When::method("PUT", ".cairnfs/probe/"), Fault::Status(501, "NotImplemented"), 1);
    assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), Capabilities { atomic_create: false, ..ALL });
}

#[tokio::test]
async fn s1_4_forbidden_service_prefix_counts_as_failed_probe() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    server.faults().deny(".cairnfs/");
    let found = probe(&store, ".cairnfs/").await.unwrap();
    assert!(!found.atomic_create && !found.service_prefix, "{found:?}");
}

#[tokio::test]
async fn failing_store_gives_an_error_and_no_verdict() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    server.faults().inject(When::method("PUT", ".cairnfs/probe/"), Fault::Status(503, "SlowDown"), 1);
    let result = probe(&store, ".cairnfs/").await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), ALL);
    assert_eq!(server.objects("test").len(), 0);
}

#[tokio::test]
async fn directory_is_known_and_not_probed() {
    let home = tempfile::tempdir().unwrap();
    let store = DirStore::new(home.path(), ".cairnfs/", MetadataPlace::Attributes).unwrap();
    assert_eq!(probe(&store, ".cairnfs/").await.unwrap(), ALL);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    assert!(cairnfs::store::ObjectStore::head(&store, &key("a")).await.is_err());
}
