//! What a mount asks of its store before anything else: is the bucket there, and what can the store do?

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::layout::Layout;
use crate::store::{Capabilities, ObjectStore};

pub(super) async fn check_and_probe(
    store: &Arc<dyn ObjectStore>,
    _catalog: &Catalog,
    _layout: &Layout,
) -> anyhow::Result<Capabilities> {
    store.check_bucket().await?;
    Ok(store.known_capabilities().unwrap_or(Capabilities {
        atomic_create: true,
        conditional_delete: true,
        atomic_copy: true,
        service_prefix: true,
    }))
}
