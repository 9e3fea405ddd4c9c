//! stub
use crate::types::*;
use std::path::Path;
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    pub key: ObjectKey,
    pub etag: ETag,
    pub size: u64,
}
pub struct Cache;
#[derive(Debug, thiserror::Error)]
#[error("cache")]
pub struct CacheError;
impl Cache {
    pub fn adopt(&self, _v: &Version, _p: &Path, _s: Option<Sha256Hex>) -> Result<(), CacheError> {
        Ok(())
    }
}
