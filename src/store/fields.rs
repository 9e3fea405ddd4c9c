//! The names and texts of the metadata that cairnfs writes, the same in every kind of store.

use super::ObjectMeta;
use crate::types::{DraftId, ObjectKey, Sha256Hex, Timestamp};

pub(super) const DRAFT: &str = "draft";
pub(super) const KEY: &str = "key";
pub(super) const ATTEMPT: &str = "attempt";
pub(super) const SHA256: &str = "sha256";
pub(super) const MTIME: &str = "mtime";
pub(super) const SUPERSEDES: &str = "supersedes";

/// All names, in the order in which they are written.
pub(super) const ALL: [&str; 6] = [DRAFT, KEY, ATTEMPT, SHA256, MTIME, SUPERSEDES];

/// Returns the fields of `meta` that are set, as name and plain text. Content type and other writers' metadata are
/// not among them: every kind of store has its own place for those.
pub(super) fn to_fields(meta: &ObjectMeta) -> Vec<(&'static str, String)> {
    let all = [
        (DRAFT, meta.draft_id.as_ref().map(ToString::to_string)),
        (KEY, meta.written_for.as_ref().map(ToString::to_string)),
        (ATTEMPT, meta.attempt.map(|n| n.to_string())),
        (SHA256, meta.sha256.map(|d| d.to_string())),
        (MTIME, meta.mtime.map(|t| t.0.to_string())),
        (SUPERSEDES, meta.supersedes.as_ref().map(ToString::to_string)),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|v| (name, v))).collect()
}

/// Reads the fields back. A text that is none of ours is as good as none: anybody can write metadata.
pub(super) fn from_fields(get: impl Fn(&str) -> Option<String>) -> ObjectMeta {
    ObjectMeta {
        draft_id: get(DRAFT).and_then(|v| DraftId::parse(&v)),
        written_for: get(KEY).and_then(|v| ObjectKey::new(v).ok()),
        attempt: get(ATTEMPT).and_then(|v| v.parse().ok()),
        sha256: get(SHA256).and_then(|v| Sha256Hex::parse(&v)),
        mtime: get(MTIME).and_then(|v| v.parse().ok()).map(Timestamp),
        supersedes: get(SUPERSEDES).and_then(|v| ObjectKey::new(v).ok()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> ObjectMeta {
        ObjectMeta {
            draft_id: Some(DraftId::random()),
            written_for: ObjectKey::new("documents/Angebot Ü.pdf").ok(),
            attempt: Some(3),
            sha256: Some(Sha256Hex::from_bytes([7; 32])),
            mtime: Some(Timestamp(-1)),
            supersedes: ObjectKey::new("documents/a.pdf").ok(),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn fields_round_trip_gives_the_same_metadata() {
        let meta = full();
        let fields = to_fields(&meta);
        assert_eq!(fields.len(), ALL.len());
        let back = from_fields(|name| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()));
        assert_eq!(back, meta);
    }

    #[test]
    fn foreign_text_in_a_field_is_read_as_absent() {
        assert_eq!(from_fields(|_| Some("no such thing \u{0}".to_owned())).draft_id, None);
        let meta = from_fields(|name| (name != KEY && name != SUPERSEDES).then(|| "x".to_owned()));
        assert_eq!(meta, ObjectMeta::default());
    }
}
