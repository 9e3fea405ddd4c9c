//! Where the copies of deleted objects lie: `<service_prefix>trash/<time>-<random>/<key>` (semantics 5.3).

use super::Layout;
use crate::types::{ObjectKey, Timestamp};

/// A copy in the trash, as its key tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trashed {
    /// When the object was deleted, in whole seconds.
    pub at: Timestamp,
    /// `<time>-<random>`: tells the copies of one key apart.
    pub id: String,
    /// The key that the object had.
    pub key: ObjectKey,
}

impl Layout {
    /// Returns the prefix of all copies, with its trailing `/`.
    pub fn trash_prefix(&self) -> String {
        format!("{}trash/", self.service_prefix())
    }

    /// Returns a place for the copy of `key`, deleted at `at`; with a `random` that no other delete of that second has,
    /// it is its alone. It may be too long for a key.
    pub fn trash_place(&self, at: Timestamp, random: &str, key: &ObjectKey) -> String {
        format!("{}{}-{random}/{key}", self.trash_prefix(), at.compact())
    }

    /// Reads a key of the trash; none for anything else, also where it lies under the same prefix.
    pub fn trashed(&self, key: &str) -> Option<Trashed> {
        let (id, original) = key.strip_prefix(&self.trash_prefix())?.split_once('/')?;
        let (time, random) = id.split_once('-')?;
        let fits = !random.is_empty() && random.bytes().all(|b| b.is_ascii_alphanumeric());
        let at = Timestamp::parse_compact(time).filter(|_| fits)?;
        Some(Trashed { at, id: id.to_owned(), key: ObjectKey::new(original).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LayoutOptions, builtin_domains};
    use super::*;

    #[test]
    fn place_in_the_trash_reads_back_and_nothing_else_does() {
        let layout = Layout::new(builtin_domains(), LayoutOptions::default()).unwrap();
        let key = ObjectKey::new("documents/Ä b.pdf").unwrap();
        let at = Timestamp::from_unix(1_790_000_000, 0);
        let place = layout.trash_place(at, "aB3xyZ9", &key);
        assert_eq!(place, ".cairnfs/trash/20260921T141320Z-aB3xyZ9/documents/Ä b.pdf");
        assert_eq!(layout.trashed(&place), Some(Trashed { at, id: "20260921T141320Z-aB3xyZ9".into(), key }));
        for other in [
            "documents/a.pdf",
            ".cairnfs/probe/20260921T141320Z-aB3xyZ9/documents/a.pdf",
            ".cairnfs/trash/documents/a.pdf",
            ".cairnfs/trash/20260921T141320Z-aB3xyZ9/",
            ".cairnfs/trash/20260921T141320Z-/documents/a.pdf",
            ".cairnfs/trash/20260921T141320Z-a_b/documents/a.pdf",
            ".cairnfs/trash/2026-09-21T13:13:20Z-aB3xyZ9/documents/a.pdf",
            ".cairnfs/trash/20261321T141320Z-aB3xyZ9/documents/a.pdf",
            ".cairnfs/trash/20260921T141320-aB3xyZ9/documents/a.pdf",
        ] {
            assert_eq!(layout.trashed(other), None, "{other}");
        }
    }
}
