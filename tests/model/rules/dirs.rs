//! Directories (1.2, 1.3, 5.6).

use super::Answer::Done;
use super::{Errno, Outcomes};
use crate::model::{Class, Pending, State};
use crate::op::Who;

impl State {
    /// 1.3
    pub(super) fn mkdir(mut self, who: Who, name: &str) -> Outcomes {
        let mount = who.mount();
        if self.exists(mount, name) {
            return vec![(Errno("EEXIST"), self)];
        }
        if !self.domain.has_dirs {
            return vec![(Errno("EACCES"), self)];
        }
        self.made[mount].insert(name.to_owned());
        vec![(Done, self)]
    }

    pub(super) fn rmdir(mut self, who: Who, name: &str) -> Outcomes {
        let mount = who.mount();
        if !self.is_dir(mount, name) {
            let exists = self.exists(mount, name);
            return vec![(Errno(if exists { "ENOTDIR" } else { "ENOENT" }), self)];
        }
        if !self.below(mount, name).is_empty() || !self.empty(mount, name) {
            return vec![(Errno("ENOTEMPTY"), self)];
        }
        self.made[mount].remove(name);
        vec![(Done, self)]
    }

    /// Carries out the deletes below a directory that goes. Returns whether none is held up by somebody who has it open.
    pub(super) fn empty(&mut self, mount: usize, dir: &str) -> bool {
        let below = format!("{dir}/");
        let is_meant = |p: &Pending| p.mount == mount && p.key.starts_with(&below);
        self.carry_out(is_meant);
        !self.pending.iter().any(is_meant)
    }

    /// 5.6
    pub(super) fn rename_dir(mut self, who: Who, from: &str, to: &str) -> Outcomes {
        let mount = who.mount();
        if self.exists(mount, to) && !self.is_dir(mount, to) {
            return vec![(Errno("ENOTDIR"), self)];
        }
        // what was deleted in them goes first, unless somebody has it open
        let emptied = self.empty(mount, from) && self.empty(mount, to);
        if !emptied || self.below(mount, from).iter().any(|name| self.class(name) != Class::Scratch) {
            return vec![(Errno("EXDEV"), self)];
        }
        if !self.below(mount, to).is_empty() {
            return vec![(Errno("ENOTEMPTY"), self)];
        }
        let inner = format!("{from}/");
        for draft in self.drafts.values_mut().filter(|d| d.mount == mount && !d.gone) {
            if let Some(name) = draft.name.strip_prefix(&inner) {
                draft.name = format!("{to}/{name}");
                draft.wanted.clone_from(&draft.name);
            }
        }
        self.made[mount].remove(from);
        self.made[mount].insert(to.to_owned());
        vec![(Done, self)]
    }

    /// A draft or scratch file loses its name for good.
    pub(super) fn drop_name(&mut self, id: u32) {
        self.drafts.entry(id).and_modify(|d| d.gone = true);
        if self.opens_of(id).next().is_none() {
            self.drafts.remove(&id);
        }
    }
}
