//! Deletes and what is deferred (5.2, 5.3), and the stop that carries it out (10.3).

use std::time::Duration;

use super::Answer::Done;
use super::{Errno, Outcomes, TIMES};
use crate::model::{Class, Delete, Draft, Pending, State, What};
use crate::op::Who;

impl State {
    /// Carries out the deletes that are `meant` and that nobody's handle holds up.
    pub fn carry_out(&mut self, meant: impl Fn(&Pending) -> bool) {
        for pending in self.pending.clone() {
            let free = match pending.what {
                What::Version { version, .. } | What::Hidden { version } => {
                    !self.is_open(pending.mount, version)
                }
                What::Draft(id) => self.opens_of(id).next().is_none(),
            };
            if free && meant(&pending) {
                self.pending.retain(|p| *p != pending);
                self.delete(&pending);
            }
        }
    }

    pub(super) fn delete(&mut self, pending: &Pending) {
        match pending.what {
            What::Hidden { .. } => {}
            What::Draft(id) => {
                self.drafts.remove(&id); // under `trash` it is kept for `cairnfs drafts`
            }
            What::Version { version, trash } => {
                // 5.3: one version; another one has its name back
                if let Some(object) = self.bucket.get(&pending.key).filter(|o| o.version == version) {
                    if trash {
                        self.trash.push((pending.key.clone(), object.content.clone()));
                        self.trash.sort();
                    }
                    self.change(Some(pending.mount), &pending.key, None);
                } else if !self.bucket.contains_key(&pending.key) {
                    self.lags[pending.mount].learn(&pending.key);
                }
            }
        }
    }

    /// Returns whether something may be carried out at any moment.
    pub fn is_due(&self, now: Duration) -> bool {
        self.pending.iter().any(|p| p.due <= now)
            || self.drafts.values().any(|d| d.waits.is_some_and(|due| due <= now))
    }

    /// Returns the worlds in which some of what may be due by now has been carried out.
    pub fn with_due(self, now: Duration) -> Vec<Self> {
        let mut worlds = vec![self];
        let due: Vec<Pending> = worlds[0].pending.iter().filter(|p| p.due <= now).cloned().collect();
        for pending in due {
            for mut world in worlds.clone() {
                world.carry_out(|p| *p == pending);
                if !worlds.contains(&world) {
                    worlds.push(world);
                }
            }
        }
        Self::with_published(worlds, now, now)
    }

    /// Adds the worlds in which some of what waits until `due` has been published, in whatever order: two mounts know nothing
    /// of each other.
    pub(super) fn with_published(mut worlds: Vec<Self>, due: Duration, now: Duration) -> Vec<Self> {
        let mut at = 0;
        while let Some(world) = worlds.get(at).cloned() {
            for id in world.waiting(|_, time| time <= due) {
                for next in world.clone().publish_waiting(id, now) {
                    if !worlds.contains(&next) {
                        worlds.push(next);
                    }
                }
            }
            at += 1;
        }
        worlds
    }

    /// Returns the drafts that are left to their makers, in the order of their closes.
    pub(super) fn waiting(&self, which: impl Fn(&Draft, Duration) -> bool) -> Vec<u32> {
        let waiting =
            self.drafts.iter().filter_map(|(id, d)| Some((d.waits.filter(|due| which(d, *due))?, *id)));
        let mut waiting: Vec<(Duration, u32)> = waiting.collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// 3.6: its maker has had his time.
    pub(super) fn publish_waiting(self, id: u32, now: Duration) -> Vec<Self> {
        if self.drafts.get(&id).is_none_or(|d| d.waits.is_none()) {
            return vec![self];
        }
        let worlds = self.publish(id, now).into_iter().map(|mut s| {
            if s.opens_of(id).next().is_none() {
                s.drafts.remove(&id);
            }
            s
        });
        worlds.collect()
    }

    /// A mount stops: what waits is published, pending deletes are carried out (10.3).
    pub fn drained(mut self, mount: usize, now: Duration) -> Vec<Self> {
        let empty: Vec<u32> = self
            .drafts
            .iter()
            .filter(|(_, d)| d.mount == mount && d.is_shown() && !d.scratch && d.beside.is_none())
            .filter(|(_, d)| d.content.is_empty())
            .map(|(id, _)| *id)
            .collect();
        self.settling = false;
        let mut worlds = vec![self];
        for id in worlds[0].waiting(|d, _| d.mount == mount) {
            worlds = worlds.into_iter().flat_map(|w| w.publish_waiting(id, now)).collect();
        }
        for id in empty {
            worlds = worlds.into_iter().flat_map(|w| w.publish(id, now)).collect();
        }
        for world in &mut worlds {
            world.drafts.retain(|_, d| d.mount != mount);
            world.carry_out(|p| p.mount == mount);
        }
        worlds
    }

    pub(super) fn defer(&mut self, mount: usize, key: &str, what: What, by: Option<Who>, due: Duration) {
        self.pending.push(Pending { mount, key: key.to_owned(), what, by, due });
    }

    pub(super) fn unlink(mut self, who: Who, name: &str, now: Duration) -> Outcomes {
        let mount = who.mount();
        if self.is_dir(mount, name) {
            return vec![(Errno("EISDIR"), self)];
        }
        let due = now + TIMES.soonest;
        if let Some(id) = self.draft_at(mount, name) {
            if !self.is_anothers_content(id, who) {
                self.drop_name(id); // 5.1
            } else if self.domain.delete == Delete::Refuse {
                return vec![(Errno("EACCES"), self)];
            } else {
                self.drafts.entry(id).and_modify(|d| d.deleted = true); // 3.4: as an object
                self.defer(mount, name, What::Draft(id), Some(who), due);
            }
            return vec![(Done, self)];
        }
        let Some(object) = self.object_at(mount, name) else { return vec![(Errno("ENOENT"), self)] };
        let version = object.version;
        if self.domain.delete == Delete::Refuse || self.class(name) == Class::Refused {
            return vec![(Errno("EACCES"), self)]; // 1.4, 5.2
        }
        let what = What::Version { version, trash: self.domain.delete == Delete::Trash };
        self.guarded.retain(|g| g.mount != mount || g.key != name); // it is meant to go
        self.defer(mount, name, what, Some(who), due);
        self.keep_dir_of(mount, name);
        vec![(Done, self)]
    }

    /// The directory stays although its last object goes: whoever emptied it may go on using it.
    pub(super) fn keep_dir_of(&mut self, mount: usize, name: &str) {
        if let Some((dir, _)) = name.split_once('/') {
            self.made[mount].insert(dir.to_owned());
        }
    }
}
