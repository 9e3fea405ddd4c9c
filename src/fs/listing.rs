//! Freshness: when the store is asked what a directory or a name holds (semantics 8).

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Filesystem, FsError, FsResult, join};
use crate::catalog::{Entry, Kind, Merged, ObjectFacts, Shown};
use crate::drafts::facts::facts;
use crate::store::{ObjectInfo, StoreError, retry};
use crate::types::{Clock, FileName, Ino, ObjectKey, Timestamp};

/// Misses that are remembered; above it the old ones are dropped.
const MAX_MISSES: usize = 10_000;
/// For so long after a directory was removed here, a listing that still has it is looked into.
const LEFT_OVER: Duration = Duration::from_secs(600);

impl Filesystem {
    /// Makes sure that the directory's complete listing is no older than `list_ttl`, asking the store if need be.
    ///
    /// # Errors
    /// [`FsError::Io`] for a directory that was never listed while the store cannot be reached; what is known of others
    /// goes on being served.
    pub(super) async fn ensure_listed(&self, dir: &Entry) -> FsResult<()> {
        let path = dir.path.clone().unwrap_or_default();
        if !self.is_listed_dir(&path) || self.listing_is_fresh(dir) {
            return Ok(());
        }
        let turn = Arc::clone(self.listings.lock().entry(dir.ino).or_default());
        let _turn = turn.lock().await;
        let Some(dir) = self.catalog.entry(dir.ino)? else { return Err(FsError::Stale) };
        if self.listing_is_fresh(&dir) {
            return Ok(()); // another caller has just done it
        }
        let listing = self.list_from_store(&dir, &path, usize::MAX);
        let listed = match dir.listed_at {
            // In time for the answer: what is known goes on being served.
            Some(_) => self.within(self.options.deadline / 4 * 3, listing).await,
            None => listing.await,
        };
        match listed {
            Ok(_) => Ok(()),
            Err(e) if dir.listed_at.is_some() && e.is_transient() => {
                tracing::warn!("{path}/: served as known since the listing failed: {e}");
                Ok(())
            }
            Err(e) => Err(e.into()),
        }
    }

    fn listing_is_fresh(&self, dir: &Entry) -> bool {
        dir.listed_at.is_some_and(|at| Clock.now().since(at) < self.options.list_ttl && at >= self.started_at)
    }

    /// Takes up the directory's listing, if it has no more than `most` pages. Returns whether it did.
    async fn list_from_store(&self, dir: &Entry, path: &str, most: usize) -> Result<bool, StoreError> {
        let began = Clock.now();
        let prefix = format!("{path}/");
        let (mut objects, mut dirs): (Vec<ObjectFacts>, Vec<(String, String)>) = (Vec::new(), Vec::new());
        let mut next: Option<String> = None;
        for asked in 0.. {
            if asked == most {
                return Ok(false);
            }
            let page =
                retry::retry(self.options.deadline, || self.store.list(&prefix, true, next.as_deref(), None))
                    .await?;
            for info in &page.objects {
                if self.shows(&prefix, &info.key) {
                    objects.push(facts(&self.layout, info, None));
                }
            }
            for found in &page.prefixes {
                let name = found.strip_prefix(&prefix).and_then(|n| n.strip_suffix('/'));
                if let Some(name) = name.filter(|n| FileName::new(n).is_ok()) {
                    let below = join(path, name);
                    if !self.is_left_over(&below).await? {
                        dirs.push((name.to_owned(), below));
                    }
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        // Where a key and keys below it both exist, the directory is shown (1.5).
        let names: std::collections::HashSet<&str> = dirs.iter().map(|(n, _)| n.as_str()).collect();
        objects.retain(|o| !names.contains(o.name.as_str()));
        let fixed = self.layout.fixed_children(path).iter().map(|n| (*n).to_owned()).collect();
        let merged = self
            .catalog
            .merge_listing(dir.ino, began, objects, dirs, fixed)
            .map_err(|e| StoreError::Refused { code: "catalog".into(), message: e.to_string() })?;
        self.tell(dir.ino, &merged);
        Ok(true)
    }

    /// Asks for a name by listing its directory, where one request is enough for that: whoever opens one file there is
    /// likely to open the next. Returns whether the catalog knows all names of the directory now.
    async fn list_if_small(&self, dir: &Entry, path: &str) -> Result<bool, StoreError> {
        if self.by_lookup.lock().get(&dir.ino) == Some(&None) {
            return Ok(false);
        }
        let turn = Arc::clone(self.listings.lock().entry(dir.ino).or_default());
        // A listing that is under way may be a long one: it is not waited for.
        let Ok(_turn) = turn.try_lock() else { return Ok(false) };
        let listed = self.list_from_store(dir, path, 1).await?;
        let at = self.catalog.entry(dir.ino).ok().flatten().and_then(|d| d.listed_at).filter(|_| listed);
        let mut by_lookup = self.by_lookup.lock();
        if by_lookup.len() >= MAX_MISSES {
            by_lookup.clear();
        }
        by_lookup.insert(dir.ino, at);
        Ok(listed)
    }

    /// Notes that the directory `path` was removed here.
    pub(super) fn remember_removed(&self, path: String) {
        let now = Clock.now();
        let mut removed = self.removed_dirs.lock();
        removed.retain(|_, at| now.since(*at) < LEFT_OVER);
        removed.insert(path, now);
    }

    /// Returns whether a directory that the store lists is only what it keeps of one that was removed here: some stores
    /// have directories of their own, and clear the empty ones away later.
    async fn is_left_over(&self, path: &str) -> Result<bool, StoreError> {
        let removed = self.removed_dirs.lock().get(path).is_some_and(|at| Clock.now().since(*at) < LEFT_OVER);
        if !removed {
            return Ok(false);
        }
        let below = format!("{path}/");
        let page =
            retry::retry(self.options.deadline, || self.store.list(&below, false, None, Some(1))).await?;
        Ok(page.objects.is_empty())
    }

    /// Returns whether a key that a listing of `prefix` gave can be a file there.
    fn shows(&self, prefix: &str, key: &ObjectKey) -> bool {
        key.as_str().strip_prefix(prefix).is_some_and(|name| FileName::new(name).is_ok())
    }

    /// Tells the kernel what a merge changed.
    pub(super) fn tell(&self, parent: Ino, merged: &Merged) {
        for name in &merged.changed {
            self.misses.lock().remove(&(parent, name.clone()));
            self.notices.entry_changed(parent, name);
        }
        // The kernel remembers of no name that it is not there; and it may be looking one of these up just now, which a notice
        // would make it forget: with the name go the pages of who has it open, at his close.
        if !merged.appeared.is_empty() {
            let mut misses = self.misses.lock();
            for name in &merged.appeared {
                misses.remove(&(parent, name.clone()));
            }
            drop(misses);
            self.notices.listing_changed(parent);
        }
        self.look_for_overwritten(parent, merged.changed.iter().chain(&merged.appeared).map(String::as_str));
    }

    /// Asks the store for a name that the catalog does not have. Returns the entry if there is one now.
    ///
    /// # Errors
    /// [`FsError::NotAllowed`] where the store refuses to say. Unreachable means "not there", so that files can still
    /// be made.
    pub(super) async fn find_in_store(
        &self,
        dir: &Entry,
        path: &str,
        name: &FileName,
    ) -> FsResult<Option<Entry>> {
        if !self.is_listed_dir(path) || self.known_missing(dir, name.as_str()) {
            return Ok(None);
        }
        let full = join(path, name.as_str());
        // No key is so long: a scratch file may still be made there (1.6).
        let Ok(key) = ObjectKey::new(full.clone()) else { return Ok(None) };
        // Whoever looks for one name is likely to look for the next; names that are missing then are asked for one by one.
        // Where nothing counts as fresh, a listing answers for one name only, and the object itself tells more of it.
        if !self.options.list_ttl.is_zero() && !self.listing_is_fresh(dir) {
            match self.within(self.options.deadline / 3, self.list_if_small(dir, path)).await {
                Ok(true) => {
                    let found = self.catalog.child(dir.ino, name.as_str())?;
                    if found.is_none() {
                        self.remember_miss(dir.ino, name.as_str(), Clock.now());
                    }
                    return Ok(found);
                }
                Ok(false) => {}
                Err(e) if e.is_transient() => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        let below = format!("{full}/");
        let asked_at = Clock.now();
        let patience = self.options.deadline / 2;
        let (object, children) = tokio::join!(
            self.within(patience, retry::retry(patience, || self.store.head(&key))),
            self.within(patience, retry::retry(patience, || self.store.list(&below, true, None, Some(1)))),
        );
        match children {
            Ok(page) if !page.objects.is_empty() || !page.prefixes.is_empty() => {
                return Ok(Some(self.catalog.ensure_dir(dir.ino, name.as_str(), &full, Clock.now())?));
            }
            Ok(_) => {}
            Err(e) if e.is_transient() => {}
            Err(e) => return Err(e.into()),
        }
        match object {
            Ok(info) => {
                let merged = self.catalog.merge_object(
                    dir.ino,
                    name.as_str(),
                    Some(facts(&self.layout, &info, None)),
                    asked_at,
                )?;
                self.tell(dir.ino, &merged);
                Ok(self.catalog.child(dir.ino, name.as_str())?)
            }
            Err(StoreError::NotFound(_)) => {
                self.remember_miss(dir.ino, name.as_str(), asked_at);
                Ok(None)
            }
            Err(e) if e.is_transient() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Looks at what holds the path `wanted`, which the store has called taken: it is shown at once beside the file that
    /// got another name for it (8.1). What cannot be learned now shows at the next listing.
    pub(super) async fn learn_holder(&self, made: &Entry, wanted: &str) {
        let name = wanted.rsplit('/').next().unwrap_or(wanted);
        let (Ok(None), Ok(key)) = (self.catalog.child(made.parent, name), ObjectKey::new(wanted)) else {
            return;
        };
        let (asked_at, patience) = (Clock.now(), self.options.deadline / 2);
        let found = self.within(patience, retry::retry(patience, || self.store.head(&key))).await;
        let Ok(info) = found else { return };
        match self.catalog.merge_object(made.parent, name, Some(facts(&self.layout, &info, None)), asked_at) {
            Ok(merged) => self.tell(made.parent, &merged),
            Err(e) => tracing::warn!("{wanted}: what holds the name cannot be noted: {e}"),
        }
    }

    /// Waits for the store for at most `patience`: one that has said nothing by then does not answer.
    async fn within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
            let silent = format!("no answer within {patience:?}");
            self.store.gave_up(began, &silent);
            Err(StoreError::Unavailable(silent))
        })
    }

    fn known_missing(&self, dir: &Entry, name: &str) -> bool {
        let now = Clock.now();
        let fresh = |at: Timestamp| now.since(at) < self.options.miss_ttl && at >= self.started_at;
        // A program that looks for one name has not looked at the directory: it may know of others from elsewhere.
        let by_lookup = self.by_lookup.lock().get(&dir.ino).copied().flatten();
        dir.listed_at.is_some_and(|at| fresh(at) && by_lookup != Some(at))
            || self.misses.lock().get(&(dir.ino, name.to_owned())).copied().is_some_and(fresh)
    }

    pub(super) fn remember_miss(&self, parent: Ino, name: &str, at: Timestamp) {
        let mut misses = self.misses.lock();
        if misses.len() >= MAX_MISSES {
            misses.retain(|_, seen| at.since(*seen) < self.options.miss_ttl);
        }
        misses.insert((parent, name.to_owned()), at);
    }

    /// Makes sure at an open that the object in the directory `dir`, at `path`, is still the version that the catalog has,
    /// if that is older than `list_ttl`.
    ///
    /// # Errors
    /// [`FsError::Stale`] where it is not: the path is walked again and finds what is there now.
    pub(super) async fn confirm_version(&self, entry: &Entry, dir: &Entry, path: &str) -> FsResult<()> {
        let confirmed_at = self.walks.lock().confirmed_at(entry.parent, entry.row);
        let newest = entry.seen_at.max(dir.listed_at).max(confirmed_at);
        if newest.is_some_and(|at| Clock.now().since(at) < self.options.list_ttl) {
            return Ok(());
        }
        self.ask_for_object(entry, dir, path).await
    }

    /// Asks the store for the object itself, which tells more than a listing does.
    ///
    /// # Errors
    /// [`FsError::Stale`] where it is another version now.
    pub(super) async fn ask_for_object(&self, entry: &Entry, dir: &Entry, path: &str) -> FsResult<()> {
        let now = Clock.now();
        let key = ObjectKey::new(join(path, &entry.name)).map_err(|_| FsError::NameTooLong)?;
        let patience = self.options.deadline / 2;
        let answer = self.within(patience, retry::retry(patience, || self.store.head(&key))).await;
        let found: Option<ObjectInfo> = match answer {
            Ok(info) => Some(info),
            Err(StoreError::NotFound(_)) => None,
            Err(e) if e.is_transient() => return Ok(()), // what is known goes on being served
            Err(e) => return Err(e.into()),
        };
        let same = found.as_ref().is_some_and(|info| Some(&info.etag) == entry.etag.as_ref());
        let known = found.map(|info| facts(&self.layout, &info, None));
        let merged = self.catalog.merge_object(dir.ino, &entry.name, known, now)?;
        self.tell(dir.ino, &merged);
        if same { Ok(()) } else { Err(FsError::Stale) }
    }

    /// Asks what the store has under the name of `ino`, where a read has found that it is another version, and waits until
    /// the kernel knows: who opens the name once that read has failed must not meet the old version again.
    pub(super) async fn look_again(&self, ino: Ino) {
        let Ok(Some(entry)) = self.catalog.entry(ino) else { return };
        if entry.shown == Shown::Listed && entry.kind == Kind::Object {
            let Ok((dir, path)) = self.dir(entry.parent) else { return };
            // The next listing tells what cannot be learned now.
            let _ = self.ask_for_object(&entry, &dir, &path).await;
        }
        self.notices.entry_changed_told(entry.parent, &entry.name).await;
    }
}
