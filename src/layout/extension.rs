//! What counts as the extension of a name: Django's `FileExtensionValidator`, which is
//! `PurePath(name).suffix[1:].lower()` (Python up to 3.13).

/// Returns what follows the last dot of `name`, in lower case; none where that dot is its first or last character,
/// or where it has no dot.
///
/// `name` is one segment; of a path, hand over the last one.
pub fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_lowercase())
}

/// Returns the catalog's `file_type` of `name`: its [`extension`], or the empty text.
pub fn file_type(name: &str) -> String {
    extension(name).unwrap_or_default()
}
