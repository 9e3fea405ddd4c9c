//! From what a store tells to what the catalog keeps.

use crate::catalog::{ObjectDetail, ObjectFacts};
use crate::layout::Layout;
use crate::store::ObjectInfo;
use crate::types::{ObjectKey, Timestamp};

/// Returns the catalog's words for `info`. The time shown is the one that the writer set, where metadata has it.
pub fn facts(layout: &Layout, info: &ObjectInfo, published_at: Option<Timestamp>) -> ObjectFacts {
    let meta = info.meta.as_ref();
    let (domain, fields) = place(layout, &info.key);
    ObjectFacts {
        name: info.key.file_name().to_owned(),
        size: info.size,
        etag: info.etag.clone(),
        mtime: meta.and_then(|m| m.mtime).unwrap_or(info.modified_at),
        detail: ObjectDetail {
            domain,
            title: None,
            file_type: crate::layout::file_type(info.key.file_name()),
            sha256: meta.and_then(|m| m.sha256),
            content_type: meta.and_then(|m| m.content_type.clone()),
            fields,
            published_at,
            supersedes: meta.and_then(|m| m.supersedes.clone()),
            draft_id: meta.and_then(|m| m.draft_id.clone()),
        },
    }
}

fn place(layout: &Layout, key: &ObjectKey) -> (String, Option<String>) {
    let Some(owner) = layout.owner(key.as_str()) else { return (String::new(), None) };
    let name = layout.domains().get(owner.domain).map(|d| d.name().to_owned()).unwrap_or_default();
    let fields = owner.fields.and_then(|f| serde_json::to_string(&f).ok());
    // Older data that fits no template belongs to no domain.
    if fields.is_some() { (name, fields) } else { (String::new(), None) }
}

/// Returns the MIME type that Django's storage would guess from the name (Python's `mimetypes` and `mime_guess` agree
/// on the types of the built-in domains), `application/octet-stream` where the name tells nothing.
pub fn content_type(name: &str) -> String {
    mime_guess::from_path(name).first_or_octet_stream().essence_str().to_owned()
}
