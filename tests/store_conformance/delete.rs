//! Deleting: one version and no other.

use std::sync::Arc;

use cairnfs::store::{ObjectMeta, StoreError};
use cairnfs::types::ETag;

use super::Subject;
use super::support::data::{body, list_names, read};

pub async fn delete_removes_the_named_version(s: Arc<Subject>) {
    let key = s.key("dir/a");
    let made = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&key, &made.etag).await.unwrap();
    assert!(matches!(s.store.head(&key).await, Err(StoreError::NotFound(_))));
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0, Vec::<String>::new());
}

pub async fn delete_of_another_version_is_refused(s: Arc<Subject>) {
    let key = s.key("a");
    let first = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&key, &first.etag).await.unwrap();
    s.store.create(&key, &body("two"), &ObjectMeta::default()).await.unwrap();
    for version in [first.etag, ETag::new("00112233445566778899aabbccddeeff")] {
        let deleted = s.store.delete(&key, &version).await;
        assert!(matches!(&deleted, Err(StoreError::VersionChanged(k)) if *k == key), "{deleted:?}");
    }
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"two");
}

pub async fn delete_of_a_missing_key_succeeds(s: Arc<Subject>) {
    let key = s.key("dir/a");
    let version = ETag::new("00112233445566778899aabbccddeeff");
    s.store.delete(&key, &version).await.unwrap();
    let made = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&key, &made.etag).await.unwrap();
    s.store.delete(&key, &made.etag).await.unwrap();
}

/// Two deleters of one version beside a creator who takes the name as soon as it is free: what he wrote stays.
pub async fn delete_and_create_at_once_lose_nothing(s: Arc<Subject>) {
    for round in 0..20 {
        let key = s.key(&format!("{round}/a"));
        let old = s.store.create(&key, &body("old"), &ObjectMeta::default()).await.unwrap();
        let deleter = |s: Arc<Subject>, key: cairnfs::types::ObjectKey, version: ETag| async move {
            match s.store.delete(&key, &version).await {
                Ok(()) | Err(StoreError::VersionChanged(_) | StoreError::Conflict(_)) => {}
                Err(e) => panic!("{e}"),
            }
        };
        let one = tokio::spawn(deleter(s.clone(), key.clone(), old.etag.clone()));
        let two = tokio::spawn(deleter(s.clone(), key.clone(), old.etag.clone()));
        let new = loop {
            match s.store.create(&key, &body("new"), &ObjectMeta::default()).await {
                Ok(info) => break info,
                Err(StoreError::AlreadyExists(_) | StoreError::Conflict(_)) => tokio::task::yield_now().await,
                Err(e) => panic!("{e}"),
            }
        };
        one.await.unwrap();
        two.await.unwrap();
        let found = s.store.head(&key).await.unwrap();
        assert_eq!(found.etag, new.etag);
        assert_eq!(read(&*s.store, &key).await.unwrap(), b"new");
    }
}
