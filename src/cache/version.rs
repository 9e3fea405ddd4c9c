//! What the cache holds: versions of objects, and the names they have inside the cache.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::types::{ETag, ObjectKey};

/// One immutable version of an object. Equal versions are taken for equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// The full key.
    pub key: ObjectKey,
    /// The store's name for these bytes.
    pub etag: ETag,
    /// Size in bytes.
    pub size: u64,
}

impl Version {
    /// Returns the name of this version inside the cache.
    pub(super) fn id(&self) -> FileId {
        let mut hash = Sha256::new();
        // lengths first, so that no two pairs of key and tag make one text
        hash.update((self.key.as_str().len() as u64).to_le_bytes());
        hash.update(self.key.as_str());
        hash.update((self.etag.as_str().len() as u64).to_le_bytes());
        hash.update(self.etag.as_str());
        hash.update(self.size.to_le_bytes());
        FileId(hash.finalize().into())
    }
}

/// The name of a version inside the cache: SHA-256 over key, ETag and size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId([u8; 32]);

impl FileId {
    /// Returns the directory (two hex digits) and the file name (the other 62) of this version.
    pub(super) fn path_parts(self) -> (String, String) {
        let mut shard = hex::encode(self.0);
        let name = shard.split_off(2);
        (shard, name)
    }

    /// Returns the id that [`Self::path_parts`] was made of, `None` for foreign names.
    pub(super) fn from_path_parts(shard: &str, name: &str) -> Option<Self> {
        if shard.len() != 2 || name.len() != 62 || name.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let mut id = [0; 32];
        hex::decode_to_slice(format!("{shard}{name}"), &mut id).ok()?;
        Some(Self(id))
    }

    /// Makes an id for tests.
    #[cfg(test)]
    pub(super) const fn from_byte(byte: u8) -> Self {
        Self([byte; 32])
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(key: &str, etag: &str, size: u64) -> Version {
        Version { key: ObjectKey::new(key).unwrap(), etag: ETag::new(etag), size }
    }

    #[test]
    fn id_of_any_other_key_tag_or_size_differs() {
        let id = version("a", "bc", 1).id();
        for other in [version("ab", "c", 1), version("a", "bd", 1), version("a", "bc", 2)] {
            assert_ne!(id, other.id());
        }
        assert_eq!(id, version("a", "bc", 1).id());
    }

    #[test]
    fn id_survives_its_path_and_foreign_names_are_none() {
        let id = version("k", "e", 0).id();
        let (shard, name) = id.path_parts();
        assert_eq!(FileId::from_path_parts(&shard, &name), Some(id));
        assert_eq!(FileId::from_path_parts(&shard, &format!("{name}.map")), None);
        assert_eq!(FileId::from_path_parts("zz", &name), None);
        assert_eq!(FileId::from_path_parts(&shard, &name.to_ascii_uppercase()), None);
    }
}
