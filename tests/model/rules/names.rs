//! Moving names: rename and link (3.10, 5.1, 5.4, 5.5).

use std::time::Duration;

use super::Answer::Done;
use super::{Errno, Outcomes, TIMES};
use crate::model::{Class, Delete, Object, State, What};
use crate::op::{Move, Who};

impl State {
    pub(super) fn rename(mut self, who: Who, from: &str, to: &str, how: Move, now: Duration) -> Outcomes {
        let mount = who.mount();
        let target = self.exists(mount, to);
        let errno = match how {
            _ if !self.exists(mount, from) => Some("ENOENT"),
            Move::NoReplace if target => Some("EEXIST"),
            Move::Exchange if !target => Some("ENOENT"),
            _ if from == to => return vec![(Done, self)],
            Move::Exchange => Some("EINVAL"), // 5.1
            _ if self.is_dir(mount, from) => return self.rename_dir(who, from, to),
            _ if self.is_dir(mount, to) => Some("EISDIR"),
            _ if self.class(to) == Class::Refused => Some("EACCES"),
            _ => None,
        };
        if let Some(errno) = errno {
            return vec![(Errno(errno), self)];
        }
        let Some(id) = self.draft_at(mount, from) else { return self.rename_object(who, from, to, now) };
        let scratch = self.class(to) == Class::Scratch;
        let beside = if let Some(held) = self.draft_at(mount, to) {
            // 3.4, 5.1
            let d = &self.drafts[&held];
            let counts = !d.scratch
                && !self.is_anybodys(held)
                && (d.saved || (!d.content.is_empty() && d.maker != Some(who)));
            if !counts {
                self.drop_name(held);
            }
            counts
        } else {
            self.object_at(mount, to).is_some() || (!scratch && self.put_back(who, to))
        };
        let name = if beside { self.fresh(to) } else { to.to_owned() };
        self.drafts.entry(id).and_modify(|d| {
            let full = !d.content.is_empty();
            d.name = name;
            to.clone_into(&mut d.wanted);
            d.scratch = scratch;
            d.waits = None;
            d.beside = beside.then(|| to.to_owned());
            d.changed |= full;
            d.unsaved |= full;
            d.wrote |= full;
        });
        self.enter(id, now)
    }

    /// 3.10, 6.2: a file that got a final name enters the bucket, if nobody is writing it.
    pub(super) fn enter(mut self, id: u32, now: Duration) -> Outcomes {
        let Some(draft) = self.drafts.get(&id) else { return vec![(Done, self)] };
        if draft.scratch || !self.writers(id).is_empty() {
            return vec![(Done, self)];
        }
        if draft.content.is_empty() {
            if draft.beside.is_some() {
                self.drop_name(id); // 3.8
            }
            return vec![(Done, self)];
        }
        let worlds = self.publish_in_time(id, now).into_iter().map(|mut s| {
            if s.opens_of(id).next().is_none() && s.drafts[&id].waits.is_none() {
                s.drafts.remove(&id);
            }
            (Done, s)
        });
        worlds.collect()
    }

    pub(super) fn rename_object(mut self, who: Who, from: &str, to: &str, now: Duration) -> Outcomes {
        let mount = who.mount();
        let Some(object) = self.object_at(mount, from).cloned() else { return Vec::new() };
        if self.class(from) == Class::Refused {
            return vec![(Errno("EACCES"), self)]; // 1.4
        }
        // 7.1, 8.2: a version that the listing still has and the store no more
        let mut lost: Outcomes = Vec::new();
        if self.is_lost(from, object.version) {
            lost.extend(["ENOENT", "ESTALE"].map(|errno| (Errno(errno), self.clone())));
        }
        if self.class(to) == Class::Scratch {
            lost.extend(self.move_away(who, from, to, &object, now));
            return lost;
        }
        let allowed = self.domain.delete != Delete::Refuse;
        let own = object.publisher.filter(|(by, _)| *by == who).map(|(_, at)| now.saturating_sub(at));
        let mut outcomes = Vec::new();
        if !allowed && own.is_none_or(|age| age > TIMES.publisher * 9 / 10) {
            outcomes.push((Errno("EACCES"), self.clone()));
        }
        if !allowed && own.is_none_or(|age| age > TIMES.publisher) {
            return outcomes;
        }
        if !lost.is_empty() {
            return [outcomes, lost].concat();
        }
        let name = if let Some(held) = self.draft_at(mount, to) {
            let placeholder = self.drafts[&held].content.is_empty() && !self.drafts[&held].saved;
            if placeholder {
                self.drop_name(held);
            }
            !placeholder
        } else {
            self.object_at(mount, to).is_some() || self.put_back(who, to)
        };
        let mut name = if name { self.fresh(to) } else { to.to_owned() };
        self.settle(mount, &name);
        if self.bucket.contains_key(&name) {
            name = self.fresh(to);
        }
        let version = self.number();
        let copy = Object { version, publisher: Some((who, now)), ..object.clone() };
        self.change(Some(mount), &name, Some(copy));
        // 5.4: no copy in the trash, and at once
        let what = What::Version { version: object.version, trash: false };
        self.guarded.retain(|g| g.mount != mount || g.key != from);
        self.defer(mount, from, what, None, now);
        self.keep_dir_of(mount, from);
        outcomes.push((Done, self));
        outcomes
    }

    /// 5.5: the scratch name is a local copy, the object's name is hidden for a while.
    pub(super) fn move_away(
        mut self,
        who: Who,
        from: &str,
        to: &str,
        object: &Object,
        now: Duration,
    ) -> Outcomes {
        let mount = who.mount();
        if let Some(held) = self.draft_at(mount, to) {
            self.drop_name(held);
        } else if self.object_at(mount, to).is_some() {
            return vec![(Errno("EACCES"), self)];
        }
        let id = self.make(who, to, to, true);
        self.drafts.entry(id).and_modify(|d| {
            d.content.clone_from(&object.content);
            d.changed = true;
            d.wrote = !object.content.is_empty();
            d.saved = true;
        });
        let what = What::Hidden { version: object.version };
        self.defer(mount, from, what, Some(who), now + TIMES.soonest);
        vec![(Done, self)]
    }

    pub(super) fn link(mut self, who: Who, from: &str, to: &str, now: Duration) -> Outcomes {
        let mount = who.mount();
        let errno = if !self.exists(mount, from) {
            Some("ENOENT")
        } else if let Some(errno) = self.dead_end(mount, to) {
            Some(errno)
        } else if self.exists(mount, to) {
            Some("EEXIST")
        } else {
            let scratch = self.draft_at(mount, from).is_some_and(|id| self.drafts[&id].scratch);
            (!scratch || self.class(to) != Class::Document).then_some("EPERM") // 9.4
        };
        if let Some(errno) = errno {
            return vec![(Errno(errno), self)];
        }
        let content =
            self.draft_at(mount, from).map(|id| self.drafts[&id].content.clone()).unwrap_or_default();
        let id = if self.put_back(who, to) {
            self.make_beside(who, to, Vec::new(), None)
        } else {
            self.make(who, to, to, false)
        };
        self.drafts.entry(id).and_modify(|d| {
            d.listed = true;
            d.changed = true;
            d.wrote = !content.is_empty();
            d.unsaved = d.wrote;
            d.content = content;
        });
        self.enter(id, now)
    }
}
