//! The store as the commands see it: paths as users of the mount see them, requests that are repeated while that helps.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Settings;
use crate::daemon;
use crate::layout::Layout;
use crate::store::{ListPage, ObjectStore, StoreResult, probe, retry};
use crate::types::Clock;

use super::args::CommandStoreArgs;
use super::{Context, probed};

/// A store with its layout.
pub struct Bucket {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The rules of its domains.
    pub layout: Arc<Layout>,
    /// What else was configured.
    pub settings: Settings,
}

impl Bucket {
    /// Opens the store that the arguments name. Nothing is asked of it yet.
    ///
    /// # Errors
    /// Mistakes in the configuration, a store that cannot be set up.
    pub async fn open(args: &CommandStoreArgs, context: &Context) -> anyhow::Result<Self> {
        let settings = args.settings(context)?;
        let layout = Layout::new(settings.domains.clone(), settings.layout.clone())
            .map_err(|errors| anyhow::anyhow!("layout: {errors:?}"))?;
        let store = daemon::open_store(&settings).await?;
        Ok(Self { store, layout: Arc::new(layout), settings })
    }

    /// How long a request is repeated when the store does not answer.
    pub const fn patience(&self) -> Duration {
        self.settings.read.deadline
    }

    /// Asks the store, and again while that can help and is not too long.
    pub async fn ask<T, F: Future<Output = StoreResult<T>>>(
        &self,
        request: impl FnMut() -> F,
    ) -> StoreResult<T> {
        self.ask_for(self.patience(), request).await
    }

    /// As [`Self::ask`], for requests that may take longer than others.
    pub async fn ask_for<T, F: Future<Output = StoreResult<T>>>(
        &self,
        patience: Duration,
        request: impl FnMut() -> F,
    ) -> StoreResult<T> {
        retry::retry(patience, request).await
    }

    /// Asks whether the bucket exists and may be used (semantics 10.1).
    ///
    /// # Errors
    /// In the words of the storage pattern.
    pub async fn check(&self) -> anyhow::Result<()> {
        daemon::check_store(&*self.store, &self.layout).await?;
        Ok(())
    }

    /// Returns whether the store decides by itself which of two creates of one name succeeds (semantics 4.4).
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn creates_are_atomic(&self) -> StoreResult<bool> {
        if let Some(known) = self.store.known_capabilities() {
            return Ok(known.atomic_create);
        }
        if probed::was_sound(&self.settings.dirs.probed, Clock.now()) {
            return Ok(true);
        }
        self.probe().await
    }

    /// As [`Self::creates_are_atomic`], but asked of the store now.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn probe(&self) -> StoreResult<bool> {
        let sound = probe(&*self.store, self.layout.service_prefix()).await?.atomic_create;
        probed::remember(&self.settings.dirs.probed, sound);
        Ok(sound)
    }

    /// Hands every page of a listing to `each`.
    ///
    /// # Errors
    /// As the store's; what was handed over before is then not complete.
    pub async fn list(
        &self,
        prefix: &str,
        delimiter: bool,
        mut each: impl FnMut(ListPage),
    ) -> StoreResult<()> {
        let mut next: Option<String> = None;
        loop {
            let page = self.ask(|| self.store.list(prefix, delimiter, next.as_deref(), None)).await?;
            next.clone_from(&page.next);
            each(page);
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

/// Returns a path as keys have it: no slash at either end. `/documents/` and `documents` are the same.
pub fn path_of(asked: &str) -> &str {
    asked.trim_matches('/')
}
