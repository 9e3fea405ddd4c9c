//! From a store target to a store that can be asked.

use std::sync::Arc;

use crate::config::{Settings, StoreTarget};
use crate::store::{DirStore, MetadataPlace, ObjectStore, S3Store};

/// Opens the store that `settings` names. Nothing is asked of it yet.
///
/// # Errors
/// When no store is named, or it cannot even be set up.
pub async fn open_store(settings: &Settings) -> anyhow::Result<Arc<dyn ObjectStore>> {
    Ok(match settings.target()? {
        StoreTarget::S3(s3) => Arc::new(S3Store::connect((**s3).clone()).await?),
        StoreTarget::Dir(root) => {
            Arc::new(DirStore::new(root, &settings.layout.service_prefix, MetadataPlace::default())?)
        }
    })
}
