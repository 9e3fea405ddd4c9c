//! Lists of what is left out: a name, and the sentence of the law that is the reason.

use std::collections::BTreeMap;

/// Reads a list: `name  reason`, one a line; `#` begins a comment.
///
/// # Panics
/// Where a name has no reason, or stands there twice.
pub fn read(list: &str) -> BTreeMap<&str, &str> {
    let mut excluded = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, reason) = line.split_once(' ').unwrap_or((line, ""));
        assert!(!reason.trim().is_empty(), "'{name}' is left out without a reason");
        assert!(excluded.insert(name, reason.trim()).is_none(), "'{name}' is there twice");
    }
    excluded
}
