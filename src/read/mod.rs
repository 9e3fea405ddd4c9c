//! stub
use crate::cache::*;
use crate::store::*;
use crate::types::*;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::Arc;
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("stale")]
    Stale,
    #[error("{0}")]
    Unavailable(String),
}
pub struct ObjectReader {
    pub store: Arc<dyn ObjectStore>,
}
pub struct OpenObject {
    store: Arc<dyn ObjectStore>,
    version: Version,
}
impl ObjectReader {
    pub fn open(self: &Arc<Self>, version: Version, _s: Option<Sha256Hex>) -> Arc<OpenObject> {
        Arc::new(OpenObject { store: self.store.clone(), version })
    }
    pub async fn read_whole_to(
        self: &Arc<Self>,
        version: Version,
        file: &std::fs::File,
    ) -> Result<(), ReadError> {
        use std::os::unix::fs::FileExt;
        let n = version.size as usize;
        let b = self.open(version, None).read(0, n).await?;
        file.write_all_at(&b, 0).map_err(|e| ReadError::Unavailable(e.to_string()))
    }
}
impl OpenObject {
    pub async fn read(&self, offset: u64, len: usize) -> Result<Bytes, ReadError> {
        let r = ByteRange::at(offset, len as u64).clamp_to(self.version.size);
        if r.is_empty() {
            return Ok(Bytes::new());
        }
        let mut b = match self.store.get(&self.version.key, Some(r), Some(&self.version.etag)).await {
            Ok(b) => b,
            Err(StoreError::VersionChanged(_) | StoreError::NotFound(_)) => return Err(ReadError::Stale),
            Err(e) => return Err(ReadError::Unavailable(e.to_string())),
        };
        let mut v = BytesMut::new();
        while let Some(c) = b.stream.next().await {
            v.extend_from_slice(&c.map_err(|e| ReadError::Unavailable(e.to_string()))?)
        }
        Ok(v.freeze())
    }
}
