//! Copying inside the store: the named version, and never over anything.

use std::sync::Arc;

use cairnfs::store::{ObjectMeta, StoreError};
use cairnfs::types::ETag;
use futures_util::future::join_all;

use super::Subject;
use super::support::data::{body, full_meta, read};

pub async fn copy_takes_bytes_and_the_new_metadata(s: Arc<Subject>) {
    let (from, to) = (s.key("a +ä.txt"), s.key("trash/b ü%41.txt"));
    let made = s.store.create(&from, &body("one"), &full_meta(&from, b"one")).await.unwrap();
    let mut meta = full_meta(&to, b"one");
    meta.other.insert("colour".to_owned(), "green".to_owned());
    let copied = s.store.copy(&from, &made.etag, &to, &meta).await.unwrap();
    assert_eq!((copied.key.clone(), copied.size), (to.clone(), 3));
    assert_eq!(read(&*s.store, &to).await.unwrap(), b"one");
    let found = s.store.head(&to).await.unwrap();
    assert_eq!((found.etag, found.meta.as_ref()), (copied.etag, Some(&meta)));
    assert_eq!(s.store.head(&from).await.unwrap().etag, made.etag);
}

pub async fn copy_onto_a_taken_key_is_refused(s: Arc<Subject>) {
    let (from, to) = (s.key("a"), s.key("b"));
    let made = s.store.create(&from, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.create(&to, &body("two"), &ObjectMeta::default()).await.unwrap();
    let copied = s.store.copy(&from, &made.etag, &to, &ObjectMeta::default()).await;
    assert!(matches!(&copied, Err(StoreError::AlreadyExists(k)) if *k == to), "{copied:?}");
    assert_eq!(read(&*s.store, &to).await.unwrap(), b"two");
}

pub async fn copy_of_another_version_is_refused(s: Arc<Subject>) {
    let (from, to) = (s.key("a"), s.key("b"));
    s.store.create(&from, &body("one"), &ObjectMeta::default()).await.unwrap();
    let other = ETag::new("00112233445566778899aabbccddeeff");
    let copied = s.store.copy(&from, &other, &to, &ObjectMeta::default()).await;
    assert!(matches!(&copied, Err(StoreError::VersionChanged(k)) if *k == from), "{copied:?}");
    assert!(matches!(s.store.head(&to).await, Err(StoreError::NotFound(_))));
}

pub async fn copy_of_a_missing_key_is_not_found(s: Arc<Subject>) {
    let (from, to) = (s.key("a"), s.key("b"));
    let version = ETag::new("00112233445566778899aabbccddeeff");
    let copied = s.store.copy(&from, &version, &to, &ObjectMeta::default()).await;
    assert!(matches!(&copied, Err(StoreError::NotFound(k)) if *k == from), "{copied:?}");
}

pub async fn copies_at_once_have_one_winner(s: Arc<Subject>) {
    let to = s.key("to");
    let mut sources = Vec::new();
    for i in 0..8 {
        let from = s.key(&format!("from{i}"));
        let text = format!("source {i}");
        let made = s.store.create(&from, &body(&text), &ObjectMeta::default()).await.unwrap();
        sources.push((from, made.etag, text));
    }
    let tries = sources.into_iter().map(|(from, etag, text)| {
        let (s, to) = (s.clone(), to.clone());
        tokio::spawn(async move {
            loop {
                match s.store.copy(&from, &etag, &to, &ObjectMeta::default()).await {
                    Err(StoreError::Conflict(_)) => {}
                    Ok(_) => return Some(text),
                    Err(StoreError::AlreadyExists(_)) => return None,
                    Err(e) => panic!("{e}"),
                }
            }
        })
    });
    let winners: Vec<String> = join_all(tries).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(read(&*s.store, &to).await.unwrap(), winners[0].as_bytes());
}
