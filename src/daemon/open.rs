//! From a store target to a store that has been looked at: connected, checked, probed.

use std::sync::Arc;

use anyhow::Context;

use crate::catalog::Catalog;
use crate::config::StoreTarget;
use crate::layout::Layout;
use crate::store::check::{self, CheckOutcome};
use crate::store::{Capabilities, DirStore, MetadataPlace, ObjectStore, S3Store, probe};

/// The fact under which the catalog keeps what a probe found.
const CAPABILITIES: &str = "capabilities";

/// Connects to the store. Nothing is asked of it yet.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError) where the settings make no connection.
pub async fn open_store(target: &StoreTarget, service_prefix: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    Ok(match target {
        StoreTarget::S3(settings) => Arc::new(S3Store::connect((**settings).clone()).await?),
        StoreTarget::Dir(dir) => Arc::new(DirStore::new(dir, service_prefix, MetadataPlace::default())?),
    })
}

/// Checks the bucket and returns what the store can do: as remembered, known of its kind, or probed now.
///
/// # Errors
/// What the check says; a store that does not answer is no error where the state directory knows this bucket (10.2).
pub(super) async fn check_and_probe(
    store: &Arc<dyn ObjectStore>,
    catalog: &Catalog,
    layout: &Layout,
) -> anyhow::Result<Capabilities> {
    let first = layout.domains().first().map(|d| d.fixed_prefix().to_owned()).unwrap_or_default();
    let known = remembered_capabilities(catalog)?;
    match check::check(&**store, &first).await {
        CheckOutcome::Usable => {}
        failed => match known {
            Some(known) if failed.is_unreachable() => {
                tracing::warn!("{failed}: mounted all the same, with what is known of this bucket");
                return Ok(known);
            }
            _ => return Err(failed.into()),
        },
    }
    if let Some(capabilities) = known.filter(|k| k.atomic_create).or_else(|| store.known_capabilities()) {
        remember(catalog, capabilities)?;
        return Ok(capabilities);
    }
    let capabilities = probe::probe(&**store, layout.service_prefix()).await.context("the store could not be probed")?;
    remember(catalog, capabilities)?;
    Ok(capabilities)
}
