//! Other clients of the bucket, who ask nobody (4.6).

use std::time::Duration;

use crate::model::{Guarded, Object, State};
use crate::op::Who;
use crate::settings::Settings;

impl State {
    /// Another client writes an object without asking.
    pub(super) fn put(&mut self, name: &str, data: &[u8]) {
        let version = self.number();
        let object = Object { content: data.to_vec(), version, publisher: None };
        self.change(None, name, Some(object));
    }

    /// A draft that was published has no writer any more: its bytes are kept for a while (4.6).
    pub(super) fn guard(&mut self, id: u32) {
        let Some(draft) = self.drafts.get(&id).filter(|_| self.settings == Settings::Guarding) else {
            return;
        };
        let Some((key, version)) = draft.published.clone() else { return };
        if !self.is_lost(&key, version) {
            let (mount, wanted, content) = (draft.mount, draft.wanted.clone(), draft.content.clone());
            self.guarded.push(Guarded { mount, key, wanted, version, content });
        }
    }

    /// 4.6: what was overwritten is published again under a suffix.
    pub(super) fn publish_overwritten(mut self, now: Duration) -> Vec<Self> {
        let lost =
            self.guarded.iter().position(|g| self.bucket.get(&g.key).is_some_and(|o| o.version != g.version));
        let Some(at) = lost else { return vec![self] };
        let Guarded { mount, key, wanted, content, .. } = self.guarded.remove(at);
        let id = self.make_beside(if mount == 0 { Who::A } else { Who::C }, &wanted, content, None);
        self.drafts.entry(id).and_modify(|d| {
            d.beside = Some(key);
            d.changed = true;
        });
        let worlds = self.publish(id, now).into_iter().flat_map(|mut s| {
            if let Some(object) = s.drafts.remove(&id).and_then(|d| s.bucket.get_mut(&d.published?.0)) {
                object.publisher = None;
            }
            s.settling = true;
            s.publish_overwritten(now)
        });
        worlds.collect()
    }
}
