//! What is kept about an object beside its bytes: in extended attributes of the file, or in a small file of its own
//! where the host's file system has no room for them.
//!
//! # Invariants
//! * A record belongs to one content: it names the size and modification time that the file had when it was written.
//!   Where they differ, another tool has changed the file; the record is not believed and the ETag is derived anew.
//! * Attributes come first, the file beside only where there are none; never both.

use std::collections::BTreeMap;
use std::fs::File;

use rustix::fs::{Stat, XattrFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::host;
use super::tree::{Tree, modified};
use crate::store::{ObjectInfo, ObjectMeta, StoreResult, fields};
use crate::types::{ETag, ObjectKey, Timestamp};

/// Before every name of ours; `user.` is the class that any owner may set (xattr(7)).
const ATTRIBUTE_PREFIX: &str = "user.cairn.";
const VERSION: &str = "version";
const CONTENT_TYPE: &str = "content-type";
/// Metadata of other writers, as one JSON object.
const OTHER: &str = "other";

/// Size and modification time of a file: what changes when somebody writes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) size: u64,
    pub(super) modified_at: Timestamp,
}

impl Fingerprint {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { size: u64::try_from(stat.st_size).unwrap_or(0), modified_at: modified(stat) }
    }
}

/// An ETag with the content it stands for. Written `<etag> <size> <mtime in ns>`.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    etag: ETag,
    content: Fingerprint,
}

impl Version {
    fn to_text(&self) -> String {
        format!("{} {} {}", self.etag, self.content.size, self.content.modified_at.0)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let etag = ETag::new(words.next().filter(|w| !w.is_empty())?);
        let size = words.next()?.parse().ok()?;
        let modified_at = Timestamp(words.next()?.parse().ok()?);
        words.next().is_none().then_some(Self { etag, content: Fingerprint { size, modified_at } })
    }
}

/// Returns an ETag that no other version has.
pub(super) fn new_etag() -> ETag {
    ETag::new(&hex::encode(rand::random::<[u8; 16]>()))
}

/// Returns the ETag of a file that has none of ours: it was put there, or changed, by another tool.
pub(super) fn derived_etag(stat: &Stat) -> ETag {
    let content = Fingerprint::of(stat);
    ETag::new(&format!("f{:x}-{:x}-{:x}", content.size, content.modified_at.0, stat.st_ino))
}

/// Describes the open file of `key`.
pub(super) fn describe(tree: &Tree, key: &ObjectKey, file: &File) -> StoreResult<ObjectInfo> {
    let stat = rustix::fs::fstat(file).map_err(|e| host::error(tree.doing("look at", key.as_str()), e))?;
    let content = Fingerprint::of(&stat);
    let from_attributes = |name: &str| attribute(file, name);
    let (version, meta) = if let Some(version) = attribute(file, VERSION).and_then(|t| Version::parse(&t)) {
        (Some(version), read(from_attributes))
    } else if let Some(record) = beside(tree, key) {
        (record.get(VERSION).and_then(|t| Version::parse(t)), read(|name| record.get(name).cloned()))
    } else {
        (None, ObjectMeta::default())
    };
    let (etag, meta) = match version {
        Some(version) if version.content == content => (version.etag, meta),
        _ => (derived_etag(&stat), ObjectMeta::default()),
    };
    let Fingerprint { size, modified_at } = content;
    Ok(ObjectInfo { key: key.clone(), size, etag, modified_at, meta: Some(meta) })
}

/// Returns only the ETag of the open file of `key`, for listings.
pub(super) fn etag_of(tree: &Tree, key: &ObjectKey, file: &File, stat: &Stat) -> ETag {
    attribute(file, VERSION)
        .or_else(|| beside(tree, key)?.remove(VERSION))
        .and_then(|text| Version::parse(&text))
        .filter(|version| version.content == Fingerprint::of(stat))
        .map_or_else(|| derived_etag(stat), |version| version.etag)
}

/// A record that is ready to be kept.
pub(super) struct Record(BTreeMap<&'static str, String>);

impl Record {
    /// Describes `content` as the version `etag`.
    pub(super) fn new(etag: &ETag, content: Fingerprint, meta: &ObjectMeta) -> Self {
        let mut all: BTreeMap<_, _> = fields::to_fields(meta).into_iter().collect();
        if let Some(content_type) = &meta.content_type {
            all.insert(CONTENT_TYPE, content_type.clone());
        }
        if !meta.other.is_empty() {
            all.insert(OTHER, serde_json::json!(meta.other).to_string());
        }
        all.insert(VERSION, Version { etag: etag.clone(), content }.to_text());
        Self(all)
    }

    /// Writes the record into attributes of `file`; `false` where they find no room.
    pub(super) fn attach(&self, file: &File) -> Result<bool, Errno> {
        // the version last: without it, the rest is not looked at
        let version_last = self.0.iter().filter(|(n, _)| **n != VERSION).chain(self.0.get_key_value(VERSION));
        for (name, text) in version_last {
            match rustix::fs::fsetxattr(file, attribute_name(name), text.as_bytes(), XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::PERM) => {
                    return Ok(false);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Writes the record into a file of its own, durably.
    pub(super) fn put_beside(&self, tree: &Tree, key: &ObjectKey) -> StoreResult<()> {
        let mut all: BTreeMap<&str, &str> = self.0.iter().map(|(n, v)| (*n, v.as_str())).collect();
        // for people who look into the directory: the file's own name is a digest
        all.insert("object", key.as_str());
        tree.write_beside(&beside_name(key), serde_json::json!(all).to_string().as_bytes())
    }
}

/// Forgets the record kept beside `key`.
pub(super) fn remove_beside(tree: &Tree, key: &ObjectKey) {
    tree.remove_beside(&beside_name(key));
}

fn read(get: impl Fn(&str) -> Option<String>) -> ObjectMeta {
    ObjectMeta {
        content_type: get(CONTENT_TYPE),
        other: get(OTHER).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        ..fields::from_fields(get)
    }
}

fn beside(tree: &Tree, key: &ObjectKey) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice(&tree.read_beside(&beside_name(key))?).ok()
}

/// Returns `ab/<64 hex digits>.json`: keys are too long, and nest too deep, to be names themselves.
fn beside_name(key: &ObjectKey) -> String {
    let digest = hex::encode(Sha256::digest(key.as_str()));
    format!("{}/{digest}.json", digest.get(..2).unwrap_or_default())
}

fn attribute_name(name: &str) -> String {
    format!("{ATTRIBUTE_PREFIX}{name}")
}

/// Returns the attribute's text; `None` where it is absent, unreadable or no text.
fn attribute(file: &File, name: &str) -> Option<String> {
    let mut small = [0_u8; 1024];
    let text = match rustix::fs::fgetxattr(file, attribute_name(name), &mut small) {
        Ok(len) => small.get(..len)?.to_vec(),
        Err(Errno::RANGE) => {
            // the largest value that Linux allows (XATTR_SIZE_MAX, linux/limits.h)
            let mut large = vec![0_u8; 65_536];
            let len = rustix::fs::fgetxattr(file, attribute_name(name), &mut large).ok()?;
            large.truncate(len);
            large
        }
        Err(_) => return None,
    };
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_round_trip_gives_the_same() {
        let content = Fingerprint { size: 17, modified_at: Timestamp(-5) };
        let version = Version { etag: ETag::new("abc"), content };
        assert_eq!(Version::parse(&version.to_text()), Some(version));
    }

    #[test]
    fn version_of_foreign_text_is_none() {
        for text in ["", "abc", "abc 1", "abc 1 x", "abc 1 2 3", " 1 2"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }
}
