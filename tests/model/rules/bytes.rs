//! Reading, writing, sizes.

use super::Answer::{Bytes, Done, Number};
use super::{Errno, Outcomes};
use crate::model::{File, Open, State};
use crate::op::{Slot, Who};
use crate::support::mount::sha;

impl State {
    pub(super) fn content_of(&self, open: u32) -> Vec<u8> {
        match self.open.get(&open).map(|o| &o.file) {
            Some(File::Draft(id)) => self.drafts.get(id).map(|d| d.content.clone()).unwrap_or_default(),
            Some(File::Object { content, .. }) => content.clone(),
            Some(File::Directory) | None => Vec::new(),
        }
    }

    /// Adds the outcome that a draft cannot begin with the bytes of a version that is gone (7.1).
    pub(super) fn or_stale(&self, draft: u32, outcomes: &mut Outcomes) {
        let origin = self.drafts.get(&draft).and_then(|d| d.origin.as_ref());
        if origin.is_some_and(|(key, version)| self.is_lost(key, *version)) {
            outcomes.push((Errno("ESTALE"), self.clone()));
        }
    }

    pub(super) fn write(mut self, who: Who, slot: Slot, at: Option<usize>, data: &[u8]) -> Outcomes {
        let Some(id) = self.opened(who, slot) else { return Vec::new() };
        let size = self.content_of(id).len();
        let before = self.clone();
        let Some(open) = self.open.get_mut(&id) else { return Vec::new() };
        let File::Draft(draft) = open.file.clone() else { return vec![(Errno("EBADF"), before)] };
        if !open.write {
            return vec![(Errno("EBADF"), before)];
        }
        if data.is_empty() {
            return vec![(Number(0), before)];
        }
        let start = if open.append { size } else { at.unwrap_or(open.at) };
        if at.is_none() {
            open.at = start + data.len();
        }
        let opener = open.who;
        self.drafts.entry(draft).and_modify(|d| {
            d.write(start, data, start..start + data.len());
            d.hands.insert(opener);
        });
        let mut outcomes = vec![(Number(data.len()), self)];
        before.or_stale(draft, &mut outcomes);
        outcomes
    }

    pub(super) fn write_map(mut self, who: Who, map: Slot, at: usize, data: &[u8]) -> Outcomes {
        let Some(open) = self.opened(who, map).and_then(|id| self.open.get_mut(&id)) else {
            return Vec::new();
        };
        let File::Draft(draft) = open.file else { return Vec::new() };
        let opener = open.who;
        const PAGE: usize = 4096;
        let pages = at / PAGE * PAGE..(at + data.len()).next_multiple_of(PAGE);
        self.drafts.entry(draft).and_modify(|d| {
            d.write(at, data, pages);
            d.hands.insert(opener);
        });
        vec![(Done, self)]
    }

    pub(super) fn ftruncate(mut self, who: Who, slot: Slot, size: usize) -> Outcomes {
        let open = self.opened(who, slot).and_then(|id| self.open.get(&id)).cloned();
        match open {
            Some(Open { who: opener, file: File::Draft(id), write: true, .. }) => {
                let before = self.clone();
                self.drafts.entry(id).and_modify(|d| {
                    if d.truncate(size) {
                        d.hands.insert(opener);
                    }
                });
                let mut outcomes = vec![(Done, self)];
                if size > 0 {
                    before.or_stale(id, &mut outcomes);
                }
                outcomes
            }
            _ => vec![(Errno("EINVAL"), self)],
        }
    }

    pub(super) fn truncate(mut self, who: Who, name: &str, size: usize) -> Outcomes {
        let mount = who.mount();
        if self.is_dir(mount, name) {
            return vec![(Errno("EISDIR"), self)];
        }
        if !self.exists(mount, name) {
            return vec![(Errno("ENOENT"), self)];
        }
        let Some(id) = self.draft_at(mount, name) else { return vec![(Errno("EPERM"), self)] }; // 4.5
        if self.is_anothers_content(id, who) {
            return vec![(Errno("EPERM"), self)]; // 3.4: it counts as an object in 4.5
        }
        self.drafts.entry(id).and_modify(|d| {
            d.truncate(size);
        });
        vec![(Done, self)]
    }

    pub(super) fn read(self, who: Who, slot: Slot, at: usize, len: usize) -> Outcomes {
        let Some(id) = self.opened(who, slot) else { return Vec::new() };
        let Some(open) = self.open.get(&id) else { return Vec::new() };
        if !open.read {
            return vec![(Errno("EBADF"), self)];
        }
        if open.file == File::Directory {
            return vec![(Errno("EISDIR"), self)];
        }
        let content = self.content_of(id);
        let bytes = content.get(at.min(content.len())..(at + len).min(content.len())).unwrap_or_default();
        let mut outcomes = vec![(Bytes(format!("{} {}", bytes.len(), sha(bytes))), self.clone())];
        match &open.file {
            // 7.1: one version, or ESTALE
            File::Object { key, version, .. } if self.is_lost(key, *version) => {
                outcomes.push((Errno("ESTALE"), self.clone()));
            }
            File::Draft(draft) => self.or_stale(*draft, &mut outcomes),
            _ => {}
        }
        outcomes
    }

    pub(super) fn fstat(self, who: Who, slot: Slot) -> Outcomes {
        let Some(id) = self.opened(who, slot) else { return Vec::new() };
        let size = match self.open.get(&id).map(|o| &o.file) {
            Some(File::Directory) => 0,
            _ => self.content_of(id).len(),
        };
        vec![(Number(size), self)]
    }
}
