//! What another client overwrote without asking, a moment after we published it, is published again beside (semantics 4.6).

use std::fs::File;
use std::sync::Arc;

use super::locals::NewLocal;
use super::{Caller, Filesystem, FsError, FsResult, join};
use crate::catalog::Kind;
use crate::drafts::draft::{Draft, digest_of};
use crate::drafts::guard::Overwritten;
use crate::drafts::known::Origin;
use crate::types::{Clock, DraftId, Ino, ObjectKey};

impl Filesystem {
    /// Looks whether names that changed in the store are objects that we published a moment ago.
    pub(super) fn look_for_overwritten<'a>(&self, parent: Ino, names: impl Iterator<Item = &'a str>) {
        if self.read_only().is_some() {
            return; // what is kept waits for a mount that may write
        }
        let Ok((_, dir)) = self.dir(parent) else { return };
        for name in names {
            let Ok(key) = ObjectKey::new(join(&dir, name)) else { continue };
            if !self.guard.keeps(&key) {
                continue;
            }
            if !matches!(self.catalog.delete_of(&key), Ok(None)) {
                continue; // it was to go
            }
            let Ok(Some(entry)) = self.catalog.child(parent, name) else { continue };
            let Some(found) = entry.etag.filter(|_| entry.kind == Kind::Object) else { continue };
            if let Some(lost) = self.guard.take_overwritten(&key, &found) {
                self.spawn_publish_again(lost);
            }
        }
    }

    /// Looks whether something that an earlier run published has been replaced: it may have ended in between.
    pub(super) fn look_for_all_overwritten(&self) -> FsResult<()> {
        for key in self.guard.keys() {
            let (dir, name) = key.as_str().rsplit_once('/').unwrap_or(("", key.as_str()));
            if let Some(dir) = self.catalog.dir_by_path(dir)? {
                self.look_for_overwritten(dir.ino, std::iter::once(name));
            }
        }
        Ok(())
    }

    /// Publishes `lost` again in the background. What fails is tried again by and by: until it is published it is kept.
    pub(super) fn spawn_publish_again(&self, lost: Overwritten) {
        let Some(fs) = self.me.upgrade() else { return };
        self.tasks.spawn(async move {
            let Err(e) = fs.publish_again(&lost).await else { return fs.guard.drop_kept(&lost.guarded) };
            if lost.failures == 0 {
                let key = &lost.guarded.key;
                tracing::warn!("{key}: was overwritten, and its bytes cannot be published again yet: {e}");
            }
            fs.guard.owe(lost);
        });
    }

    async fn publish_again(&self, lost: &Overwritten) -> FsResult<()> {
        let guarded = &lost.guarded;
        // Whoever still has it open may write: what is read here must be nobody else's.
        let Some(bytes) = self.kept_bytes(lost).await? else { return Ok(()) };
        let (dir, _) = guarded.key.as_str().rsplit_once('/').unwrap_or_default();
        let (parent, dir) = self.made_dir(dir)?;
        let nobody = Caller { tid: 0, uid: self.options.ownership.uid, gid: self.options.ownership.gid };
        let asked = self.saved_as.asked(&guarded.key);
        let wanted = asked.as_ref().map_or_else(|| guarded.key.to_string(), |(_, path)| path.clone());
        let (entry, draft) = {
            let _names = self.namespace.lock();
            self.make_beside(NewLocal {
                caller: nobody,
                parent,
                dir: &dir,
                name: String::new(),
                wanted,
                scratch: false,
                beside: Some((guarded.key.clone(), lost.found.clone())),
                origin: Origin::Own,
            })?
        };
        if let Some((uid, _)) = asked {
            draft.state.lock().asked_by = uid;
        }
        if let Err(e) = self.fill_and_save(&draft, bytes).await {
            let _names = self.namespace.lock();
            self.unlink_local(&draft)?;
            return Err(e);
        }
        let now_at = self.path_of(entry.parent, &entry.name);
        let told =
            format!("another client replaced what was published here: it is published again as {now_at}");
        self.catalog.event(Clock.now(), "overwritten", guarded.key.as_str(), &told);
        tracing::warn!("{}: {told}", guarded.key);
        self.publish_later(&draft);
        Ok(())
    }

    async fn fill_and_save(&self, draft: &Arc<Draft>, bytes: File) -> FsResult<()> {
        self.fill(draft, bytes).await?;
        self.list_changed(draft)?;
        self.save(draft).await
    }

    /// Opens what is kept; `None` where it is not what was published any more, as after a power cut.
    async fn kept_bytes(&self, lost: &Overwritten) -> FsResult<Option<File>> {
        let (guard, id) = (Arc::clone(&self.guard), lost.guarded.id.clone());
        let (own, sha256) = (self.staging.path(&id), lost.guarded.sha256);
        let look = move || -> std::io::Result<Option<File>> {
            guard.part(&id, &own)?;
            let bytes = match File::open(guard.path(&id)) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let whole = match sha256 {
                Some(sha256) => digest_of(&bytes)? == sha256,
                None => true,
            };
            Ok(whole.then_some(bytes))
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let bytes = looked.map_err(|e| FsError::Io(e.to_string()))??;
        if bytes.is_none() {
            let told = "another client replaced what was published here, and what was kept of it is damaged";
            self.catalog.event(Clock.now(), "damaged", lost.guarded.key.as_str(), told);
            tracing::error!("{}: {told}", lost.guarded.key);
        }
        Ok(bytes)
    }

    /// Makes what is kept of the published draft `id` independent of the draft, which is about to be written to. Where
    /// there is no room for both, what is kept gives way, unless it is owed to the bucket.
    pub(super) async fn part_kept(&self, id: &DraftId) -> FsResult<()> {
        let own = self.staging.path(id);
        let Some(size) = self.guard.shared(id, &own) else { return Ok(()) };
        let parted = match self.staging.reserve(size, size) {
            Ok(()) => {
                let (guard, id) = (Arc::clone(&self.guard), id.clone());
                let parted = tokio::task::spawn_blocking(move || guard.part(&id, &own)).await;
                parted.map_err(|e| FsError::Io(e.to_string()))?
            }
            Err(e) => Err(e),
        };
        match parted {
            Err(_) if self.guard.give_up(id) || !self.guard.path(id).exists() => Ok(()),
            other => Ok(other?),
        }
    }
}
