//! What another client overwrote without asking, a moment after we published it, is published again beside (semantics 4.6).

use super::locals::NewLocal;
use super::{Caller, Filesystem, FsResult};
use crate::catalog::{Guarded, Kind};
use crate::drafts::draft::Origin;
use crate::types::{Clock, ETag, Ino, ObjectKey};

impl Filesystem {
    /// Looks whether names that changed in the store are objects that we published a moment ago.
    pub(super) fn look_for_overwritten(&self, parent: Ino, names: &[String]) {
        for name in names {
            let Ok(key) = ObjectKey::new(self.path_of(parent, name)) else { continue };
            let Ok(Some(entry)) = self.catalog.child(parent, name) else { continue };
            let Some(found) = entry.etag.filter(|_| entry.kind == Kind::Object) else { continue };
            let Some(guarded) = self.guard.overwritten(&key, &found) else { continue };
            let Some(fs) = self.me.upgrade() else { return };
            self.tasks.spawn(async move {
                if let Err(e) = fs.publish_again(parent, &guarded, found).await {
                    tracing::error!(
                        "{key}: was overwritten, and its bytes could not be published again: {e}"
                    );
                }
            });
        }
    }

    async fn publish_again(&self, parent: Ino, guarded: &Guarded, found: ETag) -> FsResult<()> {
        let (_, dir) = self.dir(parent)?;
        let bytes = std::fs::File::open(self.guard.path(&guarded.id))?;
        let nobody = Caller { tid: 0, uid: self.options.ownership.uid, gid: self.options.ownership.gid };
        let asked = self.saved_as.asked(&guarded.key);
        let wanted = asked.as_ref().map_or_else(|| guarded.key.to_string(), |(_, path)| path.clone());
        let (entry, draft) = {
            let _names = self.namespace.lock();
            if self.guard.overwritten(&guarded.key, &found).is_none() {
                return Ok(()); // another look has seen it, too
            }
            let made = self.make_beside(NewLocal {
                caller: nobody,
                parent,
                dir: &dir,
                name: String::new(),
                wanted,
                scratch: false,
                beside: Some((guarded.key.clone(), found)),
                origin: Origin::Own,
            })?;
            if let Some((uid, _)) = asked {
                made.1.state.lock().asked_by = uid;
            }
            self.guard.forget(&guarded.key);
            made
        };
        self.fill(&draft, bytes).await?;
        self.list_changed(&draft)?;
        self.save(&draft).await?;
        let now_at = self.path_of(entry.parent, &entry.name);
        let told =
            format!("another client replaced what was published here: it is published again as {now_at}");
        self.catalog.event(Clock.now(), "overwritten", guarded.key.as_str(), &told);
        tracing::warn!("{}: {told}", guarded.key);
        self.publish_later(&draft);
        Ok(())
    }
}
