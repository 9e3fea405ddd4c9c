//! Closing, and what it publishes (3.5 to 3.9, 4.1, 4.7).

use std::time::Duration;

use super::Answer::Done;
use super::{Errno, Outcomes, TIMES};
use crate::model::{Draft, File, Object, State};
use crate::op::{Slot, Who};
use crate::settings::Settings;
use crate::support::mount::is_alternative;

impl State {
    pub(super) fn close(self, who: Who, slot: Slot, now: Duration) -> Outcomes {
        self.close_by(who, slot, false, now)
    }

    /// A descriptor or map is closed, by the death of the process where it is `killed`.
    pub(super) fn close_by(mut self, who: Who, slot: Slot, killed: bool, now: Duration) -> Outcomes {
        let Some(id) = self.opened(who, slot) else { return Vec::new() };
        let Some(open) = self.open.get_mut(&id) else { return Vec::new() };
        let is_fd = open.fds.contains(&slot);
        open.fds.retain(|fd| *fd != slot);
        open.maps.retain(|map| map.0 != slot);
        let is_last = open.fds.is_empty() && open.maps.is_empty();
        let (file, changes, opener) = (open.file.clone(), open.changes, open.who);
        let File::Draft(draft) = file else {
            if is_last {
                self.open.remove(&id);
            }
            return vec![(Done, self)];
        };
        if is_fd && !killed {
            self.drafts.entry(draft).and_modify(|d| d.killed &= !d.hands.contains(&opener));
        }
        // a map ends without a FLUSH: only RELEASE tells
        let flushed = match (is_fd && changes, opener == who) {
            (true, true) => self.flush(draft, now),
            (true, false) => self.flush_of_another(draft),
            (false, _) => vec![(Done, self)],
        };
        if !is_last {
            return flushed;
        }
        let released = flushed.into_iter().flat_map(|(answer, mut s)| {
            s.open.remove(&id);
            s.let_go(draft, opener);
            s.release(draft, changes, now).into_iter().map(move |s| (answer.clone(), s))
        });
        released.collect()
    }

    /// A descriptor of a draft is closed (3.5).
    pub(super) fn flush(mut self, id: u32, now: Duration) -> Outcomes {
        let held = self.opens_of(id).any(|o| o.write && !(o.fds.is_empty() && o.maps.is_empty()));
        let Some(draft) = self.drafts.get_mut(&id) else { return vec![(Done, self)] };
        if draft.gone || draft.deleted || !(draft.changed || draft.killed) {
            return vec![(Done, self)];
        }
        if held || draft.scratch {
            draft.save();
            return vec![(Done, self)];
        }
        self.finish(id, now)
    }

    /// The close of another process than the opener's publishes nothing (3.5).
    pub(super) fn flush_of_another(mut self, id: u32) -> Outcomes {
        if let Some(draft) = self.drafts.get_mut(&id).filter(|d| d.changed && !d.gone && !d.deleted) {
            draft.save();
        }
        vec![(Done, self)]
    }

    /// An open file of a draft is gone, and with it perhaps the last writer, or everybody. The end of a reader decides nothing.
    pub(super) fn release(mut self, id: u32, changes: bool, now: Duration) -> Vec<Self> {
        let is_last = self.opens_of(id).next().is_none();
        let is_last_writer = changes && self.writers(id).is_empty();
        let Some(draft) = self.drafts.get_mut(&id) else { return vec![self] };
        if draft.deleted {
            return vec![self];
        }
        let is_nothing = draft.is_nothing();
        if is_last && draft.published.is_some() {
            self.guard(id);
            self.drafts.remove(&id);
            return vec![self];
        }
        if is_last && (draft.gone || is_nothing) {
            self.settling = is_nothing; // RELEASE comes behind the close
            self.drafts.remove(&id);
            return vec![self];
        }
        if draft.gone || is_nothing || !(draft.changed || draft.killed) || !is_last_writer {
            return vec![self];
        }
        if draft.scratch {
            draft.save();
            return vec![self];
        }
        self.settling = true;
        let worlds = self.finish(id, now).into_iter().map(|(_, mut s)| {
            if is_last && s.drafts.get(&id).is_some_and(|d| d.gone) {
                s.drafts.remove(&id);
            }
            s
        });
        worlds.collect()
    }

    /// Whoever has it open for writing no more has no hand in it.
    pub(super) fn let_go(&mut self, id: u32, who: Who) {
        if !self.writers(id).contains(&who) {
            self.drafts.entry(id).and_modify(|d| {
                d.hands.remove(&who);
            });
        }
    }

    /// Writing has ended: the draft becomes an object, or stays a placeholder, or is kept out of the directory.
    pub(super) fn finish(mut self, id: u32, now: Duration) -> Outcomes {
        let Some(draft) = self.drafts.get_mut(&id) else { return vec![(Done, self)] };
        if draft.killed {
            draft.gone = true; // 3.9
            return vec![(Done, self)];
        }
        if draft.content.is_empty() || draft.is_nothing() {
            return vec![(Done, self)]; // 3.3, 3.8
        }
        if draft.is_unfilled() {
            draft.gone = true; // 3.9
            return vec![(Errno("EIO"), self)];
        }
        self.publish_in_time(id, now).into_iter().map(|s| (Done, s)).collect()
    }

    /// The draft becomes an object, or is left to its maker for a while (3.6).
    pub(super) fn publish_in_time(mut self, id: u32, now: Duration) -> Vec<Self> {
        if self.settings != Settings::Patient {
            return self.publish(id, now);
        }
        self.drafts.entry(id).and_modify(|d| {
            d.save();
            d.waits = Some(now + TIMES.soonest);
        });
        vec![self]
    }

    /// The draft becomes an object under its name, or under a suffix where that is taken (4.1, 4.2, 4.7).
    pub fn publish(mut self, id: u32, now: Duration) -> Vec<Self> {
        let Some(draft) = self.drafts.get(&id).cloned() else { return vec![self] };
        let mut worlds = Vec::new();
        let mut twin = draft.beside.as_deref().map_or(Twin::None, |of| self.twin(of, &draft));
        let mut name = draft.name.clone();
        if twin != Twin::Certain {
            self.settle(draft.mount, &name);
            if self.bucket.contains_key(&name) {
                if name == draft.wanted && twin == Twin::None {
                    twin = self.twin(&name, &draft);
                }
                name = self.fresh(&draft.wanted);
            }
        }
        self.drafts.entry(id).and_modify(|d| {
            d.gone = true;
            d.changed = false;
            d.waits = None;
        });
        if twin != Twin::None {
            worlds.push(self.clone());
        }
        if twin != Twin::Certain {
            let version = self.number();
            let content = draft.content;
            let publisher = draft.maker.map(|maker| (maker, now));
            self.guarded.retain(|g| g.mount != draft.mount || g.key != name);
            self.drafts.entry(id).and_modify(|d| d.published = Some((name.clone(), version)));
            self.change(Some(draft.mount), &name, Some(Object { content, version, publisher }));
            if self.writers(id).is_empty() {
                self.guard(id);
            }
            worlds.push(self);
        }
        worlds
    }

    /// What was put back, and nobody writes any more, is published by itself.
    pub(super) fn publish_put_back(mut self, now: Duration) -> Vec<Self> {
        let Some(id) = self.put_back.take().filter(|id| self.writers(*id).is_empty()) else {
            return vec![self];
        };
        let worlds = self.publish(id, now).into_iter().map(|mut s| {
            if s.opens_of(id).next().is_none() {
                s.drafts.remove(&id);
            }
            s.settling = true;
            s
        });
        worlds.collect()
    }

    /// 4.7: looks for the draft's bytes in the object of that name and in its newest suffixed version. Which of several is
    /// the newest, the store may not tell; and a listing may be an old one.
    pub(super) fn twin(&self, of: &str, draft: &Draft) -> Twin {
        if self.bucket.get(of).is_some_and(|o| o.content == draft.content) {
            return Twin::Certain;
        }
        let is_version = |key: &str| State::drawn_from(key) == Some(of) || is_alternative(key, of);
        let versions: Vec<&Object> =
            self.bucket.iter().filter(|(key, _)| is_version(key)).map(|(_, o)| o).collect();
        // what bears the draft's own name its mount does not see
        let knows_all = self.lags[draft.mount].is_empty() && !self.bucket.contains_key(&draft.name);
        let same = versions.iter().filter(|o| o.content == draft.content).count();
        match (same, versions.len()) {
            (0, _) => Twin::None,
            (1, 1) if knows_all => Twin::Certain,
            _ => Twin::Possible,
        }
    }

    /// A new file waits for the delete of its name (5.2).
    pub(super) fn settle(&mut self, mount: usize, name: &str) {
        let name = name.to_owned();
        self.carry_out(|p| p.mount == mount && p.key == name);
    }
}

/// Whether the bytes of a draft are in the bucket already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    None,
    Possible,
    Certain,
}

impl Draft {
    /// 3.3, 3.8: a draft beside an object that is empty, unchanged, or only has another size is never published.
    pub(super) fn is_nothing(&self) -> bool {
        self.beside.is_some() && (!self.changed || !self.wrote || self.content.is_empty())
    }

    /// A close that wrote to it returns 0.
    pub(super) fn save(&mut self) {
        self.saved |= self.unsaved;
        self.unsaved = false;
    }
}
