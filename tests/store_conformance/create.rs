//! Creating: all of it or nothing, and never over anything.

use std::io::Write;
use std::sync::Arc;

use cairnfs::store::{ObjectMeta, StoreError, UploadBody};
use cairnfs::types::DraftId;
use futures_util::future::join_all;

use super::Subject;
use super::support::data::{body, full_meta, list_names, noise, read, sha256};

pub async fn new_key_is_created_with_its_bytes(s: Arc<Subject>) {
    let key = s.key("a.txt");
    let made = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    assert_eq!((made.key.clone(), made.size), (key.clone(), 3));
    assert!(!made.etag.as_str().is_empty());
    let found = s.store.head(&key).await.unwrap();
    assert_eq!((found.key, found.size, found.etag), (made.key, made.size, made.etag));
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"one");
}

pub async fn taken_key_is_refused_and_keeps_its_bytes(s: Arc<Subject>) {
    let key = s.key("a.txt");
    let first = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    for text in ["two", "one", ""] {
        let again = s.store.create(&key, &body(text), &ObjectMeta::default()).await;
        assert!(matches!(&again, Err(StoreError::AlreadyExists(k)) if *k == key), "{again:?}");
    }
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"one");
    assert_eq!(s.store.head(&key).await.unwrap().etag, first.etag);
}

pub async fn thirty_two_at_once_have_one_winner(s: Arc<Subject>) {
    for round in 0..3 {
        let key = s.key(&format!("new/dir{round}/race.txt"));
        let tries = (0..32).map(|i| {
            let (s, key) = (s.clone(), key.clone());
            tokio::spawn(async move {
                let text = format!("writer {i}");
                let meta = ObjectMeta { draft_id: Some(DraftId::random()), ..ObjectMeta::default() };
                loop {
                    match s.store.create(&key, &body(&text), &meta).await {
                        // S3 may say 409 to racing writers: ask again
                        Err(StoreError::Conflict(_)) => {}
                        Ok(info) => return Some((text, meta.draft_id, info.etag)),
                        Err(StoreError::AlreadyExists(_)) => return None,
                        Err(e) => panic!("{e}"),
                    }
                }
            })
        });
        let winners: Vec<_> = join_all(tries).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let (text, draft_id, etag) = winners[0].clone();
        assert_eq!(read(&*s.store, &key).await.unwrap(), text.as_bytes());
        let found = s.store.head(&key).await.unwrap();
        assert_eq!((found.etag, found.meta.unwrap().draft_id), (etag, draft_id));
    }
}

pub async fn many_names_at_once_all_succeed(s: Arc<Subject>) {
    let tries = (0..64).map(|i| {
        let s = s.clone();
        tokio::spawn(async move {
            let key = s.key(&format!("{}/{}/{i}.txt", i % 3, i % 5));
            s.store.create(&key, &body(&i.to_string()), &ObjectMeta::default()).await.unwrap();
        })
    });
    for result in join_all(tries).await {
        result.unwrap();
    }
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0.len(), 64);
}

pub async fn empty_body_makes_an_empty_object(s: Arc<Subject>) {
    let key = s.key("empty.txt");
    s.store.create(&key, &body(""), &ObjectMeta::default()).await.unwrap();
    assert_eq!(s.store.head(&key).await.unwrap().size, 0);
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"");
    let again = s.store.create(&key, &body("x"), &ObjectMeta::default()).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(_))), "{again:?}");
}

/// Writes `data` to a file and returns it as a body, with the file that must be kept.
fn file_body(data: &[u8]) -> (UploadBody, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(data).unwrap();
    let body = UploadBody::File { path: file.path().to_owned(), size: data.len() as u64 };
    (body, file)
}

fn over_a_part(s: &Subject) -> usize {
    usize::try_from(s.part_size).unwrap() * 2 + 12_345
}

pub async fn large_file_arrives_whole(s: Arc<Subject>) {
    let data = noise(1, over_a_part(&s));
    let (body, _file) = file_body(&data);
    let key = s.key("large.bin");
    let made = s.store.create(&key, &body, &full_meta(&key, &data)).await.unwrap();
    assert_eq!(made.size, data.len() as u64);
    let found = s.store.head(&key).await.unwrap();
    assert_eq!((found.size, found.etag), (made.size, made.etag));
    assert_eq!(found.meta.unwrap().sha256, Some(sha256(&data)));
    assert!(read(&*s.store, &key).await.unwrap() == data, "other bytes came back");
}

pub async fn large_file_on_a_taken_key_is_refused(s: Arc<Subject>) {
    let data = noise(2, over_a_part(&s));
    let (large, _file) = file_body(&data);
    let key = s.key("large.bin");
    s.store.create(&key, &body("small"), &ObjectMeta::default()).await.unwrap();
    let again = s.store.create(&key, &large, &full_meta(&key, &data)).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(_))), "{again:?}");
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"small");
}

pub async fn file_of_another_size_is_refused(s: Arc<Subject>) {
    for len in [1000, over_a_part(&s)] {
        let data = noise(3, len);
        let (_, file) = file_body(&data);
        for claimed in [len as u64 - 1, len as u64 + 1] {
            let key = s.key(&format!("{claimed}.bin"));
            let body = UploadBody::File { path: file.path().to_owned(), size: claimed };
            let made = s.store.create(&key, &body, &full_meta(&key, &data)).await;
            assert!(made.is_err(), "{made:?}");
            let found = s.store.head(&key).await;
            assert!(matches!(found, Err(StoreError::NotFound(_))), "{found:?}");
        }
    }
}

pub async fn metadata_comes_back_as_written(s: Arc<Subject>) {
    let key = s.key("Ünïcode – 文書.pdf");
    let meta = full_meta(&key, b"x");
    let made = s.store.create(&key, &body("x"), &meta).await.unwrap();
    assert_eq!(made.meta.as_ref(), Some(&meta));
    assert_eq!(s.store.head(&key).await.unwrap().meta.as_ref(), Some(&meta));
    assert_eq!(s.store.get(&key, None, None).await.unwrap().info.meta.as_ref(), Some(&meta));
}

pub async fn metadata_of_long_names_comes_back(s: Arc<Subject>) {
    // 240 bytes a segment, three bytes a character: nine times that when percent-encoded, twice
    let dir = "文".repeat(s.max_segment.min(240) / 3);
    let key = s.key(&format!("{dir}/{dir}/{dir}.txt"));
    let meta = cairnfs::store::ObjectMeta {
        supersedes: Some(s.key(&format!("{dir}/{dir}/{}.txt", dir.replacen('文', "本", 1)))),
        ..full_meta(&key, b"x")
    };
    s.store.create(&key, &body("x"), &meta).await.unwrap();
    let found = s.store.head(&key).await.unwrap().meta.unwrap();
    assert_eq!(found.draft_id, meta.draft_id);
    assert_eq!(found.written_for, meta.written_for);
    assert_eq!(found.attempt, meta.attempt);
    assert_eq!(found.sha256, meta.sha256);
    // who it stands beside may be left out where there is no room for it, but is never another one
    assert!(found.supersedes.is_none() || found.supersedes == meta.supersedes);
}

pub async fn deleted_key_is_free_again(s: Arc<Subject>) {
    let key = s.key("dir/a.txt");
    let first = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&key, &first.etag).await.unwrap();
    let second = s.store.create(&key, &body("two"), &ObjectMeta::default()).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(read(&*s.store, &key).await.unwrap(), b"two");
}

pub async fn directories_that_come_and_go_lose_no_create(s: Arc<Subject>) {
    let workers = (0..8).map(|i| {
        let s = s.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let key = s.key(&format!("deep/er/est/{i}.txt"));
                let text = format!("{i} {round}");
                let made = s.store.create(&key, &body(&text), &ObjectMeta::default()).await.unwrap();
                assert_eq!(read(&*s.store, &key).await.unwrap(), text.as_bytes());
                s.store.delete(&key, &made.etag).await.unwrap();
            }
        })
    });
    for result in join_all(workers).await {
        result.unwrap();
    }
    assert_eq!(list_names(&*s.store, &s.prefix, false).await.0, Vec::<String>::new());
}
