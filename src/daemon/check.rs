//! What a mount asks of its store before anything else: is the bucket there, and what can the store do?

use crate::catalog::Catalog;
use crate::layout::Layout;
use crate::store::{Capabilities, CheckFailure, CheckOutcome, ObjectStore, check, probe};

/// The fact under which the catalog keeps what a probe found.
const CAPABILITIES: &str = "capabilities";

/// A store that cannot be used: its message for people, and the exit code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Unusable {
    /// Why.
    pub failure: CheckFailure,
    /// One line: what, and what to do.
    pub message: String,
}

/// Asks whether the store can be used at all.
///
/// # Errors
/// [`Unusable`].
pub async fn check_store(store: &dyn ObjectStore, layout: &Layout) -> Result<(), Unusable> {
    let first = layout.domains().first().map_or("", |d| d.fixed_prefix());
    match check(store, first).await {
        CheckOutcome::Usable => Ok(()),
        CheckOutcome::Failed { failure, message } => Err(Unusable { failure, message }),
    }
}

/// Checks the bucket and returns what the store can do: as remembered, as known of its kind, or probed now.
///
/// # Errors
/// [`Unusable`]; a store that does not answer is none where the state directory knows this bucket (semantics 10.2).
pub(super) async fn check_and_probe(
    store: &dyn ObjectStore,
    catalog: &Catalog,
    layout: &Layout,
) -> anyhow::Result<Capabilities> {
    let known = remembered(catalog)?;
    if let Err(unusable) = check_store(store, layout).await {
        return match known {
            Some(known) if unusable.failure == CheckFailure::Unreachable => {
                tracing::warn!("{unusable} Mounted all the same, with what is known of this bucket.");
                Ok(known)
            }
            _ => Err(unusable.into()),
        };
    }
    let capabilities =
        match store.known_capabilities().or_else(|| known.filter(|k| k.atomic_create && k.service_prefix)) {
            Some(capabilities) => capabilities,
            // A store that failed before is asked again: it may have been mended.
            None => probe(store, layout.service_prefix()).await?,
        };
    remember(catalog, capabilities)?;
    Ok(capabilities)
}

fn remembered(catalog: &Catalog) -> anyhow::Result<Option<Capabilities>> {
    let Some(text) = catalog.meta(CAPABILITIES)? else { return Ok(None) };
    let has = |word: &str| text.split(' ').any(|w| w == word);
    Ok(Some(Capabilities {
        atomic_create: has("create"),
        conditional_delete: has("delete"),
        atomic_copy: has("copy"),
        service_prefix: has("service"),
    }))
}

fn remember(catalog: &Catalog, c: Capabilities) -> anyhow::Result<()> {
    let words = [
        ("create", c.atomic_create),
        ("delete", c.conditional_delete),
        ("copy", c.atomic_copy),
        ("service", c.service_prefix),
    ];
    let text: Vec<&str> = words.into_iter().filter(|(_, has)| *has).map(|(word, _)| word).collect();
    catalog.set_meta(CAPABILITIES, &text.join(" "))?;
    Ok(())
}
