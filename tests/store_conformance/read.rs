//! Reading: one version, exactly its bytes, or an error.

use std::sync::Arc;

use cairnfs::store::{ObjectMeta, StoreError, UploadBody};
use cairnfs::types::{ByteRange, ETag};

use super::Subject;
use super::support::data::{body, collect, full_meta, noise, read};

pub async fn head_of_a_missing_key_is_not_found(s: Arc<Subject>) {
    s.store.create(&s.key("a"), &body("x"), &ObjectMeta::default()).await.unwrap();
    for name in ["b", "dir/b"] {
        let key = s.key(name);
        let found = s.store.head(&key).await;
        assert!(matches!(&found, Err(StoreError::NotFound(k)) if *k == key), "{found:?}");
    }
}

pub async fn get_of_a_missing_key_is_not_found(s: Arc<Subject>) {
    let key = s.key("b");
    for range in [None, Some(ByteRange::at(0, 10)), Some(ByteRange::at(5, 0))] {
        for pin in [None, Some(ETag::new("0123456789abcdef0123456789abcdef"))] {
            let found = s.store.get(&key, range, pin.as_ref()).await.map(|b| b.info);
            assert!(
                matches!(&found, Err(StoreError::NotFound(k)) if *k == key),
                "{range:?} {pin:?}: {found:?}"
            );
        }
    }
}

pub async fn ranges_give_exactly_their_bytes(s: Arc<Subject>) {
    let data = noise(4, 300_000);
    let key = s.key("a.bin");
    let body = UploadBody::Bytes(data.clone().into());
    let made = s.store.create(&key, &body, &ObjectMeta::default()).await.unwrap();
    let n = data.len() as u64;
    for (start, end) in [(0, 1), (0, n), (0, n + 100), (n - 1, n), (n - 1, n + 1), (1000, 200_000), (7, 7)] {
        let range = ByteRange { start, end };
        let got = s.store.get(&key, Some(range), Some(&made.etag)).await.unwrap();
        assert_eq!((got.info.size, &got.info.etag), (n, &made.etag), "{range:?}");
        assert_eq!(got.range, range.clamp_to(n), "{range:?}");
        let wanted = &data[usize::try_from(start).unwrap()..usize::try_from(end.min(n)).unwrap()];
        assert!(collect(got).await.unwrap() == wanted, "{range:?}");
    }
}

pub async fn range_past_the_end_is_empty(s: Arc<Subject>) {
    for (name, text) in [("a", "abc"), ("empty", "")] {
        let key = s.key(name);
        let meta = full_meta(&key, text.as_bytes());
        let made = s.store.create(&key, &body(text), &meta).await.unwrap();
        for start in [text.len() as u64, 100] {
            let got = s.store.get(&key, Some(ByteRange::at(start, 10)), Some(&made.etag)).await.unwrap();
            assert_eq!(got.info.meta.as_ref(), Some(&meta));
            assert!(got.range.is_empty());
            assert_eq!(collect(got).await.unwrap(), b"");
        }
    }
}

pub async fn version_pin_holds(s: Arc<Subject>) {
    let key = s.key("a");
    let first = s.store.create(&key, &body("one"), &ObjectMeta::default()).await.unwrap();
    s.store.delete(&key, &first.etag).await.unwrap();
    let second = s.store.create(&key, &body("two"), &ObjectMeta::default()).await.unwrap();
    for range in [None, Some(ByteRange::at(0, 2)), Some(ByteRange::at(9, 2))] {
        let old = s.store.get(&key, range, Some(&first.etag)).await.map(|b| b.info);
        assert!(matches!(old, Err(StoreError::VersionChanged(_))), "{range:?}: {old:?}");
        s.store.get(&key, range, Some(&second.etag)).await.unwrap();
    }
}

pub async fn object_deleted_while_read_is_whole_or_an_error(s: Arc<Subject>) {
    let data = noise(5, 4 << 20);
    let key = s.key("a.bin");
    let made =
        s.store.create(&key, &UploadBody::Bytes(data.clone().into()), &ObjectMeta::default()).await.unwrap();
    let mut got = s.store.get(&key, None, Some(&made.etag)).await.unwrap();
    let mut seen = got.bytes.next().await.unwrap().unwrap().to_vec();
    s.store.delete(&key, &made.etag).await.unwrap();
    s.store.create(&key, &UploadBody::Bytes(noise(6, 4 << 20).into()), &ObjectMeta::default()).await.unwrap();
    while let Some(chunk) = got.bytes.next().await {
        match chunk {
            Ok(chunk) => seen.extend_from_slice(&chunk),
            Err(_) => return,
        }
    }
    assert!(seen == data, "bytes of two versions in one body");
}

pub async fn large_object_streams_whole(s: Arc<Subject>) {
    let data = noise(7, 3 << 20);
    let key = s.key("a.bin");
    s.store.create(&key, &UploadBody::Bytes(data.clone().into()), &ObjectMeta::default()).await.unwrap();
    let mut got = s.store.get(&key, None, None).await.unwrap();
    assert_eq!(got.range, ByteRange { start: 0, end: data.len() as u64 });
    let first = got.bytes.next().await.unwrap().unwrap();
    assert!(!first.is_empty() && first.len() < data.len(), "the whole object in one piece");
    assert!(read(&*s.store, &key).await.unwrap() == data);
}
