//! Saving, publishing and setting aside drafts: what the ends of writing lead to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::locals::NewLocal;
use super::{Filesystem, FsError, FsResult, join};
use crate::cache::Version;
use crate::catalog::{DraftState, Entry, Kind};
use crate::drafts::draft::Draft;
use crate::drafts::known::Origin;
use crate::drafts::seal::{SealError, Sealed};
use crate::store::StoreError;
use crate::types::{Clock, DraftId, Ino, ObjectKey};

/// What an attempt to publish came to.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is an object, now or before.
    Done,
    /// The store cannot be reached.
    Unreachable(StoreError),
}

impl Filesystem {
    /// Ends writing: publishes, waiting up to `patience`, or where the settings say so leaves the draft to its maker for
    /// a while and publishes then (semantics 3.6).
    ///
    /// # Errors
    /// As [`Filesystem::publish_and_wait`].
    pub(super) async fn finish(self: &Arc<Self>, draft: &Arc<Draft>, patience: Duration) -> FsResult<()> {
        if self.options.publish_after.is_zero() {
            return self.publish_and_wait(draft, patience).await;
        }
        self.publish_after_a_while(draft).await
    }

    /// Acknowledges a draft and queues it for when its maker is done with it (semantics 3.6).
    pub(super) async fn publish_after_a_while(&self, draft: &Arc<Draft>) -> FsResult<()> {
        self.list_changed(draft)?; // a name that was linked has changed by that (3.3)
        self.save(draft).await?;
        self.enqueue(draft, Clock.now().plus(self.options.publish_after));
        Ok(())
    }

    /// Makes content and name durable on this host; after it a close may return 0.
    pub(super) async fn save(&self, draft: &Arc<Draft>) -> FsResult<()> {
        if !draft.state.lock().unsaved {
            return Ok(());
        }
        self.copy_origin(draft).await?;
        self.sync_content(draft).await?;
        let (id, size, mtime) = {
            let k = draft.state.lock();
            (k.id.clone(), k.size, k.mtime)
        };
        let now = Clock.now();
        self.catalog.save_draft(&id, size, mtime, now)?;
        let mut known = draft.state.lock();
        known.closed_at = now;
        known.unsaved = false;
        known.saved = true;
        drop(known);
        draft.rest(); // one that was made without an open
        Ok(())
    }

    /// Waits until the bytes of the staging file, and its name, are on the disk.
    pub(super) async fn sync_content(&self, draft: &Arc<Draft>) -> FsResult<()> {
        let (content, staging) = (draft.file()?, Arc::clone(&self.staging));
        let sync = move || content.sync_data().and_then(|()| staging.sync_dir());
        let synced = tokio::task::spawn_blocking(sync).await;
        match synced {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => {
                draft.state.lock().write_error = true;
                Err(e.into())
            }
            Err(e) => Err(FsError::Io(e.to_string())),
        }
    }

    /// Publishes and waits up to `patience`. What takes longer is made durable here and goes on by itself.
    ///
    /// # Errors
    /// Why it was not published, where that is known in time. The draft is kept as failed, out of the directory.
    pub(super) async fn publish_and_wait(
        self: &Arc<Self>,
        draft: &Arc<Draft>,
        patience: Duration,
    ) -> FsResult<()> {
        let mut task = {
            let (fs, draft) = (Arc::clone(self), Arc::clone(draft));
            self.tasks.spawn(async move { fs.publish(&draft).await })
        };
        match tokio::time::timeout(patience, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(e)) => Err(FsError::Io(e.to_string())),
            // Still on its way: acknowledged from here on, so a later failure keeps it visible.
            Err(_) => self.save(draft).await,
        }
    }

    /// Publishes in the background; a failure shows in state, events and status.
    pub(super) fn publish_later(&self, draft: &Arc<Draft>) {
        let Some(fs) = self.me.upgrade() else { return };
        let draft = Arc::clone(draft);
        self.tasks.spawn(async move {
            // A close that nobody waited for has been acknowledged.
            if let Err(e) = fs.save(&draft).await {
                tracing::error!("a draft could not be made durable: {e}");
            }
            // The failure is recorded where it happens.
            let _ = fs.publish(&draft).await;
        });
    }

    /// Publishes a draft now. Where the store cannot be reached it is queued instead, if it was acknowledged before or the
    /// settings say so.
    ///
    /// # Errors
    /// Why it was not published. It is kept as failed, out of the directory unless it was acknowledged before.
    pub(super) async fn publish(&self, draft: &Arc<Draft>) -> FsResult<()> {
        match self.attempt(draft).await? {
            Attempt::Done => Ok(()),
            Attempt::Unreachable(e) if self.options.queue_unreachable || draft.state.lock().saved => {
                self.queue_unreachable(draft, &e).await
            }
            Attempt::Unreachable(e) => {
                self.set_aside(draft, DraftState::Failed, &e.to_string())?;
                Err(e.into())
            }
        }
    }

    /// Tries to publish a draft.
    ///
    /// # Errors
    /// A failure that asking again would not mend; the draft is set aside.
    pub(super) async fn attempt(&self, draft: &Arc<Draft>) -> FsResult<Attempt> {
        match self.copy_origin(draft).await {
            Ok(()) => {}
            Err(e) => {
                self.set_aside(draft, DraftState::Failed, &e.to_string())?;
                return Err(e);
            }
        }
        self.list_changed(draft)?;
        match self.sealer.publish(draft).await {
            Ok(sealed) => {
                if let Some(sealed) = sealed {
                    self.published(draft, &sealed).await;
                    if sealed.key.as_str() != sealed.wanted {
                        self.learn_holder(&sealed.entry, &sealed.wanted).await;
                    }
                }
                Ok(Attempt::Done)
            }
            Err(SealError::Store(e)) if e.is_transient() => Ok(Attempt::Unreachable(e)),
            Err(e) => {
                self.set_aside(draft, DraftState::Failed, &e.to_string())?;
                Err(e.into())
            }
        }
    }

    async fn published(&self, draft: &Arc<Draft>, sealed: &Sealed) {
        let (maker, asked_by, idle) = {
            let mut k = draft.state.lock();
            k.asked = Some(sealed.wanted.clone());
            k.queued = false;
            (k.maker, k.asked_by, k.handles == 0)
        };
        self.saved_as.note(asked_by, &sealed.wanted, &sealed.key);
        tracing::debug!("published {}", sealed.key);
        // A draft that was dropped for an object of the same bytes has no name.
        if sealed.entry.kind == Kind::Object && sealed.key.as_str() != sealed.wanted {
            self.announce(sealed.key.as_str());
        }
        self.remember_publisher(sealed.entry.row, maker);
        if idle {
            self.put_away_published(draft).await;
        }
    }

    /// Lets those who watch a directory know of a file whose name nobody has used (semantics 9.2). Not while the mount is
    /// about to end: an unmount must not find it busy.
    pub(super) fn announce(&self, path: &str) {
        if !self.draining.load(Ordering::Acquire) {
            self.notices.appeared(path);
        }
    }

    /// Nothing local is left to do for a draft that is an object and that nobody has open: its bytes go to the cache.
    pub(super) async fn put_away_published(&self, draft: &Arc<Draft>) {
        self.locals.lock().remove(&draft.ino);
        let id = draft.state.lock().id.clone();
        let version = self.version_of(draft.ino).ok().flatten();
        // an unmount waits for it
        self.tasks.track_future(self.sealer.put_away(&id, version)).await;
        if let Err(e) = self.catalog.forget_dropped(draft.ino) {
            tracing::warn!("a draft that was not stored again could not be forgotten: {e}");
        }
    }

    /// Returns the version that a draft became: by its inode, which follows the object when that is renamed.
    fn version_of(&self, ino: Ino) -> FsResult<Option<(Version, Option<crate::types::Sha256Hex>)>> {
        let Some(entry) = self.catalog.entry(ino)?.filter(|entry| entry.etag.is_some()) else {
            return Ok(None);
        };
        let (_, dir) = self.dir(entry.parent)?;
        let sha256 = self.catalog.object_detail(entry.row)?.and_then(|d| d.sha256);
        Ok(Some((Self::version_in(&dir, &entry)?, sha256)))
    }

    /// Returns the key of the object `entry`.
    pub(super) fn key_of(&self, entry: &Entry) -> FsResult<ObjectKey> {
        let (_, dir) = self.dir(entry.parent)?;
        ObjectKey::new(join(&dir, &entry.name)).map_err(|_| FsError::NameTooLong)
    }

    /// Keeps an interrupted draft out of the directory.
    pub(super) async fn interrupt(&self, draft: &Arc<Draft>, reason: &str) -> FsResult<()> {
        if draft.state.lock().size == 0 {
            return self.unlink_local(draft); // there is nothing to keep
        }
        // What is kept is kept for good: its bytes must be on the disk. A disk that fails here has failed before.
        if let Err(e) = self.sync_content(draft).await {
            tracing::warn!("an interrupted draft could not be synced: {e}");
        }
        self.set_aside(draft, DraftState::Interrupted, reason)
    }

    /// Keeps a draft that was not published: out of the directory, unless it was acknowledged before.
    pub(super) fn set_aside(&self, draft: &Draft, state: DraftState, reason: &str) -> FsResult<()> {
        let (id, row, hide) = {
            let mut known = draft.state.lock();
            known.set_aside = true;
            known.publishing = false;
            let hide = !(state == DraftState::Failed && known.saved);
            if hide {
                known.listed = false;
            }
            (known.id.clone(), known.row, hide)
        };
        let entry = self.catalog.entry_by_row(row)?;
        self.catalog.set_draft_state(&id, state, Some(reason), hide, Clock.now())?;
        let path = match &entry {
            Some(entry) => self.key_of(entry)?.to_string(),
            None => id.to_string(),
        };
        self.catalog.event(Clock.now(), state.as_str(), &path, &format!("{reason}; kept as draft {id}"));
        tracing::warn!("{path}: {}: {reason}; kept as draft {id}", state.as_str());
        if let Some(entry) = entry {
            self.notices.entry_changed(entry.parent, &entry.name);
        }
        Ok(())
    }

    /// A handle writes to a draft that is an object already: its whole content begins a new draft under a suffix, and
    /// the object moves to an inode of its own, so that its readers never see the new bytes. `published` is the draft that
    /// was published; it may be another one by now.
    pub(super) fn begin_again(&self, draft: &Arc<Draft>, published: &DraftId) -> FsResult<()> {
        let _names = self.namespace.lock();
        let (old_id, maker, asked, beside) = {
            let k = draft.state.lock();
            if !k.published || k.id != *published {
                return Ok(());
            }
            (k.id.clone(), k.maker, k.asked.clone(), k.beside.clone())
        };
        // By the inode, which follows the object when that is renamed.
        let object = self.catalog.entry(draft.ino)?.ok_or(FsError::Stale)?;
        let key = self.key_of(&object)?;
        let (_, dir) = self.dir(object.parent)?;
        // Every try is drawn from the name that was asked for (semantics 4.1), unless it has moved elsewhere since.
        let in_dir = |path: &String| path.rsplit_once('/').is_some_and(|(d, _)| d == dir);
        let wanted = asked.filter(in_dir).unwrap_or_else(|| key.to_string());
        let caller = super::Caller {
            tid: maker.tgid,
            uid: object.uid.unwrap_or(self.options.ownership.uid),
            gid: object.gid.unwrap_or(self.options.ownership.gid),
        };
        let (entry, fresh) = self.make_beside(NewLocal {
            caller,
            parent: object.parent,
            dir: &dir,
            name: String::new(),
            wanted,
            scratch: false,
            beside: object.etag.clone().map(|etag| (key, etag)).or(beside),
            origin: Origin::Own,
        })?;
        let new_id: DraftId = fresh.state.lock().id.clone();
        self.staging.rename(&old_id, &new_id)?;
        self.catalog.swap_inos(object.row, entry.row)?;
        {
            let mut known = draft.state.lock();
            known.id = new_id;
            known.row = entry.row;
            known.published = false;
            known.listed = false;
            known.saved = false;
            known.beside.clone_from(&fresh.state.lock().beside);
        }
        let mut locals = self.locals.lock();
        locals.remove(&entry.ino); // the new row's first inode number belongs to the object now
        locals.insert(draft.ino, Arc::clone(draft));
        drop(locals);
        self.notices.entry_changed(object.parent, &object.name);
        Ok(())
    }
}
