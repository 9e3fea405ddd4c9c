//! Conditions in requests, decided while the lock on the objects is held.

use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

use super::state::Object;

/// Decides the conditions of a write to a key at which `current` stands.
pub fn before_write(
    current: Option<&Object>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match (if_match, current) {
        (None, _) | (Some(ETagCondition::Any), Some(_)) => {}
        (Some(_), None) => return Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(ETagCondition::ETag(wanted)), Some(object)) if wanted.value() == object.etag => {}
        _ => return Err(failed()),
    }
    match (if_none_match, current) {
        (Some(ETagCondition::Any), Some(_)) => Err(failed()),
        // AWS knows no other value here
        (Some(ETagCondition::ETag(_)), _) => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
        _ => Ok(()),
    }
}

/// Decides the conditions of a read.
pub fn before_read(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    match if_match {
        Some(ETagCondition::ETag(wanted)) if wanted.value() != object.etag => return Err(failed()),
        _ => {}
    }
    match if_none_match {
        Some(ETagCondition::Any) => Err(s3_error!(NotModified)),
        Some(ETagCondition::ETag(known)) if known.value() == object.etag => Err(s3_error!(NotModified)),
        _ => Ok(()),
    }
}

fn failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// Reads a condition from a raw header, for operations whose type in `s3s` lacks the field.
pub fn from_header(headers: &hyper::HeaderMap, name: &str) -> Option<ETagCondition> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(match text {
        "*" => ETagCondition::Any,
        tag => ETagCondition::ETag(s3s::dto::ETag::Strong(tag.trim_matches('"').to_owned())),
    })
}
