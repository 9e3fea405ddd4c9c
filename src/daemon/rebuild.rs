//! `cairnfs catalog rebuild`: asks the bucket for everything the catalog can know, and replaces it in one step.

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::lock::StateLock;
use super::{catalog_path, layout, open_store};
use crate::catalog::Catalog;
use crate::config::{Settings, store_url};
use crate::drafts::facts::facts;
use crate::store::{ObjectStore, StoreError, retry};
use crate::types::{Clock, ObjectKey};

/// Objects that are asked for their metadata at the same time.
const AT_ONCE: usize = 16;

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildProgress {
    /// Objects seen so far.
    pub objects: u64,
    /// Objects in all, once every domain has been listed.
    pub total: Option<u64>,
}

/// What a rebuild has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Objects in the new catalog.
    pub objects: u64,
    /// Drafts carried over from the old one: they live nowhere else.
    pub drafts: u64,
}

/// Rebuilds the catalog in the state directory from the bucket. Drafts are carried over.
///
/// # Errors
/// When the state directory is in use by a mount, or the store cannot be listed to the end; the old catalog then stays.
pub async fn rebuild_catalog(
    settings: &Settings,
    progress: &(dyn Fn(RebuildProgress) + Sync),
) -> anyhow::Result<RebuildReport> {
    let _lock = StateLock::take(&settings.dirs.state)?;
    let target = settings.target()?;
    let layout = layout(settings)?;
    let path = catalog_path(&settings.dirs.state);
    let catalog = Catalog::open(&path, &store_url(target)).with_context(|| path.display().to_string())?;
    let store = open_store(settings).await?;
    let patience = settings.read.deadline;
    let mut keys = Vec::new();
    for domain in layout.domains() {
        list_all(&*store, domain.fixed_prefix(), patience, &mut keys, progress).await?;
    }
    keys.sort_unstable();
    keys.dedup();
    let total = Some(u64::try_from(keys.len()).unwrap_or(u64::MAX));
    let mut done = 0;
    progress(RebuildProgress { objects: done, total });
    let heads = stream::iter(keys).map(|key| {
        let store = &store;
        async move {
            match retry::retry(patience, || store.head(&key)).await {
                Ok(info) => Ok(Some(info)),
                Err(StoreError::NotFound(_)) => Ok(None), // deleted since it was listed
                Err(e) => Err(e),
            }
        }
    });
    let objects = heads
        .buffer_unordered(AT_ONCE)
        .inspect_ok(|_| {
            done += 1;
            progress(RebuildProgress { objects: done, total });
        })
        .try_filter_map(|info| {
            let found = info.map(|info| (info.key.dir().to_owned(), facts(&layout, &info, None)));
            std::future::ready(Ok(found))
        })
        .try_collect::<Vec<_>>()
        .await?;
    let (objects, drafts) = catalog.replace_objects(objects, Clock.now())?;
    Ok(RebuildReport { objects, drafts })
}

async fn list_all(
    store: &dyn ObjectStore,
    prefix: &str,
    patience: std::time::Duration,
    keys: &mut Vec<ObjectKey>,
    progress: &(dyn Fn(RebuildProgress) + Sync),
) -> anyhow::Result<()> {
    let mut next: Option<String> = None;
    loop {
        let page = retry::retry(patience, || store.list(prefix, false, next.as_deref(), None)).await?;
        keys.extend(page.objects.into_iter().map(|o| o.key).filter(ObjectKey::is_path));
        progress(RebuildProgress { objects: u64::try_from(keys.len()).unwrap_or(u64::MAX), total: None });
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}
