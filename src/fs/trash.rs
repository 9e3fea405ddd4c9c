//! Emptying the trash by itself: copies older than `trash_keep` are deleted (semantics 5.3).
//!
//! # Limits
//! One look at start and then one every hour, of at most [`MOST_PAGES`] pages, one page in memory, [`AT_ONCE`] deletes at a
//! time. Only keys that a delete of ours makes are touched ([`Layout::trashed`](crate::layout::Layout::trashed)); their age
//! is told by the time in the key.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::Filesystem;
use crate::store::{ObjectInfo, StoreError, StoreResult, retry};
use crate::types::{Clock, Timestamp};

/// How often the trash is looked through.
const EVERY: Duration = Duration::from_secs(3600);

/// How many pages (S3: of up to 1,000 copies) one look takes: more than a million deletes an hour are none of a person's.
const MOST_PAGES: usize = 1000;

/// How many copies are deleted at the same time.
const AT_ONCE: usize = 4;

impl Filesystem {
    /// Looks through the trash for ever, if it is to be emptied at all.
    pub(super) async fn keep_trash(&self) {
        let Some(keep) = self.options.trash_keep else { return };
        if !self.capabilities.service_prefix {
            return;
        }
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if self.writable().is_err() {
                continue;
            }
            match self.empty_trash(Clock.now(), keep).await {
                Ok(0) => {}
                Ok(count) => tracing::info!("{count} copies were older than trash_keep and are deleted"),
                Err(e) => {
                    tracing::warn!("the trash could not be looked through: {e}; tried again in an hour")
                }
            }
        }
    }

    /// Deletes every copy that is older than `keep`. Returns how many.
    async fn empty_trash(&self, now: Timestamp, keep: Duration) -> StoreResult<usize> {
        let prefix = self.layout.trash_prefix();
        let (mut next, mut count): (Option<String>, usize) = (None, 0);
        for _ in 0..MOST_PAGES {
            let page = retry::retry(self.options.deadline, || {
                self.store.list(&prefix, false, next.as_deref(), None)
            })
            .await?;
            next = page.next;
            count += self.delete_old(page.objects, now, keep).await?;
            if next.is_none() {
                break;
            }
        }
        Ok(count)
    }

    async fn delete_old(&self, page: Vec<ObjectInfo>, now: Timestamp, keep: Duration) -> StoreResult<usize> {
        let is_old = |key: &str| self.layout.trashed(key).is_some_and(|t| now.since(t.at) > keep);
        let old: Vec<ObjectInfo> = page.into_iter().filter(|o| is_old(o.key.as_str())).collect();
        let mut deletes = stream::iter(old)
            .map(|o| async move {
                let done = retry::retry(self.options.deadline, || self.store.delete(&o.key, &o.etag)).await;
                (o.key, done)
            })
            .buffer_unordered(AT_ONCE);
        let mut count = 0;
        while let Some((key, done)) = deletes.next().await {
            match done {
                Ok(()) | Err(StoreError::NotFound(_)) => count += 1,
                // a store that does not answer now does not answer for the next one either
                Err(e) if e.is_transient() => return Err(e),
                Err(e) => tracing::warn!("{key}: stays in the trash: {e}"),
            }
        }
        Ok(count)
    }
}
