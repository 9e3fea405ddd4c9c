//! Bytes, keys and metadata for tests.

use bytes::Bytes;
use cairnfs::store::{ListPage, ObjectMeta, ObjectStore, StoreResult, UploadBody};
use cairnfs::types::{DraftId, ObjectKey, Sha256Hex, Timestamp};
use sha2::{Digest, Sha256};

/// Returns `text` as a key.
pub fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).unwrap()
}

/// Returns `text` as the content of an upload.
pub fn body(text: &str) -> UploadBody {
    UploadBody::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// Returns the SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Sha256Hex {
    Sha256Hex::from_bytes(Sha256::digest(data).into())
}

/// Returns `len` bytes that differ at every place and for every `seed`.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Returns metadata with every field of ours set, for an object written for `key`.
pub fn full_meta(key: &ObjectKey, data: &[u8]) -> ObjectMeta {
    ObjectMeta {
        draft_id: Some(DraftId::random()),
        written_for: Some(key.clone()),
        attempt: Some(2),
        sha256: Some(sha256(data)),
        mtime: Some(Timestamp(1_600_000_000_123_456_789)),
        content_type: Some("application/pdf".to_owned()),
        supersedes: Some(self::key("documents/Ängström 報告.pdf")),
        ..ObjectMeta::default()
    }
}

/// Reads the whole object.
pub async fn read(store: &dyn ObjectStore, key: &ObjectKey) -> StoreResult<Vec<u8>> {
    collect(store.get(key, None, None).await?).await
}

/// Reads a body to its end.
pub async fn collect(mut body: cairnfs::store::ObjectBody) -> StoreResult<Vec<u8>> {
    let mut all = Vec::new();
    while body.bytes.read(&mut all).await? > 0 {}
    Ok(all)
}

/// Lists everything, page by page, and returns the pages together with how many there were.
pub async fn list_all(
    store: &dyn ObjectStore,
    prefix: &str,
    delimiter: bool,
    limit: Option<u32>,
) -> StoreResult<(ListPage, usize)> {
    let mut all = ListPage::default();
    let mut pages = 0;
    let mut next: Option<String> = None;
    loop {
        let page = store.list(prefix, delimiter, next.as_deref(), limit).await?;
        pages += 1;
        assert!(pages < 10_000, "a listing that does not end");
        all.objects.extend(page.objects);
        all.prefixes.extend(page.prefixes);
        all.skipped += page.skipped;
        next = page.next;
        if next.is_none() {
            return Ok((all, pages));
        }
    }
}

/// Lists everything and returns the sorted keys and prefixes.
pub async fn list_names(
    store: &dyn ObjectStore,
    prefix: &str,
    delimiter: bool,
) -> (Vec<String>, Vec<String>) {
    let (page, _) = list_all(store, prefix, delimiter, None).await.unwrap();
    let mut keys: Vec<String> = page.objects.iter().map(|o| o.key.to_string()).collect();
    let mut prefixes = page.prefixes;
    keys.sort();
    prefixes.sort();
    (keys, prefixes)
}
