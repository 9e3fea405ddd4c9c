//! Our metadata as S3 user metadata: `x-amz-meta-cairn-<name>`, values percent-encoded to ASCII.
//!
//! # Limits
//! S3 takes 2 KB of user metadata, names included (user guide, "Working with object metadata"), and a key alone can
//! have 3 KB when it is percent-encoded. A key that is too long for that is kept as its digest, which suffices to
//! recognise it where it stands; the key of the object beside it is left out when there is no room for it.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::store::{ObjectMeta, fields};
use crate::types::ObjectKey;

const PREFIX: &str = "cairn-";

/// What stays readable: RFC 3986's unreserved characters, and the slash.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Encoded keys up to this length are written out: two of them and everything else stay below 2 KB.
const MAX_ENCODED_KEY: usize = 850;

/// Before a digest. No percent-encoded text has a colon in it.
const DIGEST: &str = "sha256:";

/// Of S3's 2048 bytes, with some room for what servers add.
const MAX_TOTAL: usize = 2000;

/// Returns the user metadata to send with the object `key`.
pub(super) fn to_headers(key: &ObjectKey, meta: &ObjectMeta) -> HashMap<String, String> {
    let mut headers: HashMap<String, String> = meta.other.clone().into_iter().collect();
    for (name, value) in fields::to_fields(meta) {
        let value = match name {
            fields::KEY => Some(encode_key(&value)),
            fields::SUPERSEDES => encode_neighbour(key, &value),
            _ => Some(utf8_percent_encode(&value, ENCODED).to_string()),
        };
        if let Some(value) = value {
            headers.insert(format!("{PREFIX}{name}"), value);
        }
    }
    let total: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > MAX_TOTAL {
        headers.remove(&format!("{PREFIX}{}", fields::SUPERSEDES));
    }
    headers
}

/// Reads the user metadata of the object `key` back.
pub(super) fn from_headers(
    key: &ObjectKey,
    headers: Option<&HashMap<String, String>>,
    content_type: Option<&str>,
) -> ObjectMeta {
    // servers differ in the case in which they give the names back
    let all: BTreeMap<String, &String> =
        headers.into_iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let ours = fields::from_fields(|name| {
        let value = all.get(&format!("{PREFIX}{name}"))?;
        match name {
            fields::KEY => decode_key(key, value),
            fields::SUPERSEDES => decode_neighbour(key, value),
            _ => decode(value),
        }
    });
    let is_ours = |name: &str| name.strip_prefix(PREFIX).is_some_and(|n| fields::ALL.contains(&n));
    let other = all.iter().filter(|(n, _)| !is_ours(n)).map(|(n, v)| (n.clone(), (*v).clone())).collect();
    ObjectMeta { content_type: content_type.map(str::to_owned), other, ..ours }
}

fn decode(value: &str) -> Option<String> {
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn digest(key: &str) -> String {
    format!("{DIGEST}{}", hex::encode(Sha256::digest(key)))
}

fn encode_key(key: &str) -> String {
    let encoded = utf8_percent_encode(key, ENCODED).to_string();
    if encoded.len() <= MAX_ENCODED_KEY { encoded } else { digest(key) }
}

/// Reads the key that an object was written for. Of a digest only one key can be made: that at which it stands.
fn decode_key(stands_at: &ObjectKey, value: &str) -> Option<String> {
    if value.starts_with(DIGEST) {
        return (value == digest(stands_at.as_str())).then(|| stands_at.to_string());
    }
    decode(value)
}

/// Writes a key that is most often in the same directory: then without that, after `./`.
fn encode_neighbour(key: &ObjectKey, neighbour: &str) -> Option<String> {
    let here = neighbour
        .strip_prefix(key.dir())
        .and_then(|rest| if key.dir().is_empty() { Some(rest) } else { rest.strip_prefix('/') });
    let encoded = match here.filter(|name| !name.contains('/')) {
        Some(name) => format!("./{}", utf8_percent_encode(name, ENCODED)),
        None => utf8_percent_encode(neighbour, ENCODED).to_string(),
    };
    (encoded.len() <= MAX_ENCODED_KEY).then_some(encoded)
}

fn decode_neighbour(key: &ObjectKey, value: &str) -> Option<String> {
    match value.strip_prefix("./") {
        Some(name) if key.dir().is_empty() => decode(name),
        Some(name) => Some(format!("{}/{}", key.dir(), decode(name)?)),
        None => decode(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DraftId, Sha256Hex, Timestamp};

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    fn round_trip(key: &ObjectKey, meta: &ObjectMeta) -> ObjectMeta {
        let headers = to_headers(key, meta);
        let total: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(total <= 2048, "{total} bytes");
        assert!(headers.values().all(|v| v.bytes().all(|b| b.is_ascii_graphic())), "{headers:?}");
        from_headers(key, Some(&headers), meta.content_type.as_deref())
    }

    fn meta(for_key: &ObjectKey, beside: &ObjectKey) -> ObjectMeta {
        ObjectMeta {
            draft_id: Some(DraftId::random()),
            written_for: Some(for_key.clone()),
            attempt: Some(u32::MAX),
            sha256: Some(Sha256Hex::from_bytes([255; 32])),
            mtime: Some(Timestamp(i64::MIN)),
            content_type: Some("text/plain".to_owned()),
            supersedes: Some(beside.clone()),
            other: BTreeMap::new(),
        }
    }

    #[test]
    fn metadata_of_ordinary_keys_round_trips() {
        for (a, b) in
            [("d/a b+ü%.txt", "d/a.txt"), ("a", "b"), ("x/y/a", "z/b"), ("d/a", "d/e/b"), ("a/b", "ab")]
        {
            let (a, b) = (key(a), key(b));
            let meta = meta(&a, &b);
            assert_eq!(round_trip(&a, &meta), meta);
        }
    }

    #[test]
    fn longest_key_is_recognised_where_it_stands_and_nowhere_else() {
        let long = key(&"文".repeat(341));
        let meta = meta(&long, &long);
        let back = round_trip(&long, &meta);
        assert_eq!(back.written_for, Some(long.clone()));
        assert_eq!(back.supersedes, None);
        let elsewhere = from_headers(&key("other"), Some(&to_headers(&long, &meta)), None);
        assert_eq!(elsewhere.written_for, None);
        assert_eq!(elsewhere.draft_id, meta.draft_id);
    }

    #[test]
    fn names_of_255_bytes_leave_room_for_both_keys() {
        let (a, b) =
            (key(&format!("documents/{}", "文".repeat(85))), key(&format!("documents/{}", "本".repeat(85))));
        let meta = meta(&a, &b);
        assert_eq!(round_trip(&a, &meta), meta);
    }

    #[test]
    fn metadata_of_others_is_kept_apart_from_ours() {
        let headers = HashMap::from([
            ("Mtime".to_owned(), "1".to_owned()),
            ("cairn-unknown".to_owned(), "2".to_owned()),
            ("Cairn-Attempt".to_owned(), "3".to_owned()),
        ]);
        let meta = from_headers(&key("a"), Some(&headers), None);
        assert_eq!(meta.attempt, Some(3));
        assert_eq!(meta.other.keys().collect::<Vec<_>>(), ["cairn-unknown", "mtime"]);
    }
}
