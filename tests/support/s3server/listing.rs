//! Listing a bucket.

use s3s::dto::{CommonPrefix, Object, ObjectStorageClass, Timestamp};

use super::state::Bucket;

/// What a client asks for.
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// The last key or common prefix of the page before.
    pub after: Option<&'a str>,
    pub limit: usize,
    /// Sorts `a/b` before `a-`, as servers do that keep directories.
    pub by_segment: bool,
    pub url_encoded: bool,
}

/// One page.
#[derive(Default)]
pub struct Page {
    pub objects: Vec<Object>,
    pub prefixes: Vec<CommonPrefix>,
    /// The last key or common prefix, where there are more.
    pub next: Option<String>,
}

impl Page {
    pub fn len(&self) -> usize {
        self.objects.len() + self.prefixes.len()
    }
}

/// Returns the next page of `bucket`.
pub fn page(bucket: &Bucket, query: &Query<'_>) -> Page {
    let mut page = Page::default();
    if query.limit == 0 {
        return page;
    }
    let order = |a: &str, b: &str| {
        if query.by_segment { a.split('/').cmp(b.split('/')) } else { a.cmp(b) }
    };
    // in the order of bytes nothing below the marker needs to be looked at
    let from = match query.after {
        Some(after) if !query.by_segment && after > query.prefix => after,
        _ => query.prefix,
    };
    let mut items: Vec<(&str, bool, &super::state::Object)> = Vec::new();
    for (key, object) in bucket.range(from.to_owned()..) {
        if !key.starts_with(query.prefix) {
            break;
        }
        let common = query.delimiter.filter(|d| !d.is_empty()).and_then(|d| {
            let rest = key.get(query.prefix.len()..)?;
            rest.find(d).map(|at| query.prefix.len() + at + d.len())
        });
        let item = common.and_then(|end| key.get(..end)).unwrap_or(key);
        let is_old = query.after.is_some_and(|after| order(item, after).is_le());
        let is_known = items.last().is_some_and(|(last, is_prefix, _)| *is_prefix && *last == item);
        if is_old || is_known {
            continue;
        }
        if !query.by_segment && items.len() > query.limit {
            break;
        }
        items.push((item, common.is_some(), object));
    }
    items.sort_by(|(a, ..), (b, ..)| order(a, b));
    items.dedup_by(|(a, a_is_prefix, _), (b, b_is_prefix, _)| *a_is_prefix && *b_is_prefix && a == b);
    let write = |text: &str| if query.url_encoded { encode(text) } else { text.to_owned() };
    let mut last = None;
    for (item, is_prefix, object) in items {
        if page.len() == query.limit {
            page.next = last;
            break;
        }
        last = Some(item.to_owned());
        if is_prefix {
            page.prefixes.push(CommonPrefix { prefix: Some(write(item)) });
        } else {
            page.objects.push(Object {
                key: Some(write(item)),
                size: i64::try_from(object.data.len()).ok(),
                e_tag: object.e_tag(),
                last_modified: Some(Timestamp::from(object.modified_at)),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                ..Object::default()
            });
        }
    }
    page
}

/// Encodes for `encoding-type=url`, spaces as `+`, as AWS does.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.*/".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
