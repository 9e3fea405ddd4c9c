//! Listing keys (ListObjectsV2).

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode;

use super::error::Condition;
use super::{S3Store, size, timestamp};
use crate::store::{ListPage, ObjectInfo, StoreError, StoreResult};
use crate::types::{ETag, ObjectKey};

impl S3Store {
    /// Lists one page.
    pub(super) async fn page(
        &self,
        prefix: &str,
        delimiter: bool,
        next: Option<&str>,
        limit: Option<u32>,
    ) -> StoreResult<ListPage> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.settings.bucket)
            .prefix(prefix)
            .set_delimiter(delimiter.then(|| "/".to_owned()))
            .set_continuation_token(next.map(str::to_owned))
            .set_max_keys(limit.map(|n| i32::try_from(n.clamp(1, 1000)).unwrap_or(1000)))
            // XML cannot carry every character that a key may have
            .encoding_type(EncodingType::Url);
        let answer = self.answer(None, Condition::None, 0, request.send()).await?;
        // some servers know no encoding and say so by not echoing it
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let mut page = ListPage::default();
        for object in answer.contents() {
            let key = object.key().and_then(|k| plain(k, encoded)).and_then(|k| ObjectKey::new(k).ok());
            match (key, object.e_tag()) {
                (Some(key), Some(etag)) => page.objects.push(ObjectInfo {
                    key,
                    size: size(object.size()),
                    etag: ETag::new(etag),
                    modified_at: timestamp(object.last_modified()),
                    meta: None,
                }),
                _ => page.skipped += 1,
            }
        }
        for common in answer.common_prefixes() {
            match common.prefix().and_then(|p| plain(p, encoded)) {
                Some(prefix) => page.prefixes.push(prefix),
                None => page.skipped += 1,
            }
        }
        page.next = match (answer.is_truncated(), answer.next_continuation_token()) {
            (Some(true), Some(token)) if next != Some(token) => Some(token.to_owned()),
            (Some(true), _) => {
                return Err(StoreError::Refused {
                    code: "EndlessListing".to_owned(),
                    message: format!("the listing of '{prefix}' goes on, but the server does not say where"),
                });
            }
            _ => None,
        };
        Ok(page)
    }
}

/// Undoes `encoding-type=url`, which writes a space as `+` or `%20`; `None` where the result is no UTF-8.
fn plain(text: &str, encoded: bool) -> Option<String> {
    if !encoded {
        return Some(text.to_owned());
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    percent_decode(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn url_encoding_is_undone_where_it_was_done() {
        assert_eq!(plain("a+b%2Bc%20%C3%A9/", true).as_deref(), Some("a b+c é/"));
        assert_eq!(plain("a+b%2B", false).as_deref(), Some("a+b%2B"));
        assert_eq!(plain("%FF", true), None);
    }
}
