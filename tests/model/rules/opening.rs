//! Opening and making files (3.3, 3.4, 5.2).

use std::collections::BTreeSet;

use super::Answer::Done;
use super::{Errno, Outcomes};
use crate::model::{Class, Draft, File, Object, Open, State, What};
use crate::op::{Slot, Who};
use crate::settings::Settings;

impl State {
    pub(super) fn open(mut self, who: Who, name: &str, flags: i32, slot: Slot) -> Outcomes {
        let mount = who.mount();
        let has = |flag: i32| flags & flag != 0;
        let write = flags & libc::O_ACCMODE != libc::O_RDONLY;
        let (make, truncate) = (has(libc::O_CREAT), has(libc::O_TRUNC));
        let exists = self.exists(mount, name);
        if exists && make && has(libc::O_EXCL) {
            return vec![(Errno("EEXIST"), self)];
        }
        let is_dir = self.is_dir(mount, name);
        if is_dir && (make || write || truncate) {
            return vec![(Errno("EISDIR"), self)];
        }
        if !exists && !make {
            return vec![(Errno("ENOENT"), self)];
        }
        let mut made = false;
        let file = if is_dir {
            File::Directory
        } else if let Some(id) = self.draft_at(mount, name) {
            if truncate && self.belongs_to_another(id, who) {
                // 3.4: a draft of its own under a suffix
                File::Draft(self.make_beside(who, name, Vec::new(), None))
            } else {
                File::Draft(id)
            }
        } else if let Some(object) = self.object_at(mount, name).cloned() {
            if !(write || truncate) {
                File::Object { key: name.to_owned(), version: object.version, content: object.content }
            } else if self.class(name) != Class::Document {
                return vec![(Errno("EACCES"), self)]; // 1.4, 6.4
            } else {
                let beside = self.drafts_beside(who, name, truncate, &object);
                let opened =
                    beside.into_iter().map(|(s, id)| s.opened_as(who, flags, slot, File::Draft(id), false));
                return opened.map(|s| (Done, s)).collect();
            }
        } else {
            match self.class(name) {
                Class::Refused => return vec![(Errno("EACCES"), self)], // 2.2
                Class::Document if self.put_back(who, name) => {
                    // 5.2: the new file gets the suffix
                    File::Draft(self.make_beside(who, name, Vec::new(), None))
                }
                class => {
                    made = true;
                    File::Draft(self.make(who, name, name, class == Class::Scratch))
                }
            }
        };
        vec![(Done, self.opened_as(who, flags, slot, file, made))]
    }

    /// `file` is open; `made` says whether that made it.
    fn opened_as(mut self, who: Who, flags: i32, slot: Slot, file: File, made: bool) -> Self {
        let has = |flag: i32| flags & flag != 0;
        let (read, write) =
            (flags & libc::O_ACCMODE != libc::O_WRONLY, flags & libc::O_ACCMODE != libc::O_RDONLY);
        let truncate = has(libc::O_TRUNC);
        // who makes a file anew does not truncate it
        let changes = write || (truncate && !(has(libc::O_CREAT) && has(libc::O_EXCL)));
        if let File::Draft(id) = file
            && let Some(draft) = self.drafts.get_mut(&id)
        {
            let changed = truncate && draft.truncate(0);
            if changes {
                draft.waits = None;
            }
            if changes && (made || changed) {
                draft.hands.insert(who);
            }
        }
        let id = self.number();
        let append = has(libc::O_APPEND);
        let open = Open { who, file, read, write, changes, append, at: 0, fds: vec![slot], maps: Vec::new() };
        self.open.insert(id, open);
        self
    }

    /// 3.4: whether O_TRUNC would cost another process its content.
    pub(super) fn belongs_to_another(&self, id: u32, who: Who) -> bool {
        let scratch = self.drafts.get(&id).is_none_or(|d| d.scratch);
        !scratch
            && !self.is_anybodys(id)
            && (self.is_anothers_content(id, who) || self.writers(id).iter().any(|w| *w != who))
    }

    /// 3.4: whether a draft is content that another process has saved.
    pub(super) fn is_anothers_content(&self, id: u32, who: Who) -> bool {
        let draft = self.drafts.get(&id).filter(|_| !self.is_anybodys(id));
        draft.is_some_and(|d| d.saved && !d.content.is_empty() && !d.scratch && d.maker != Some(who))
    }

    /// 3.3: the drafts that an open of an object for writing may reach.
    fn drafts_beside(self, who: Who, name: &str, truncate: bool, object: &Object) -> Vec<(Self, u32)> {
        let own = self.own_beside(who, name);
        let free = |id: &u32| !truncate || !self.belongs_to_another(*id, who);
        let mut all: Vec<(Self, u32)> =
            own.iter().filter(|id| free(id)).map(|id| (self.clone(), *id)).collect();
        if all.len() == own.len() && !all.is_empty() {
            return all;
        }
        let mut new = self;
        let id = new.new_beside(who, name, truncate, object);
        all.push((new, id));
        all
    }

    fn new_beside(&mut self, who: Who, name: &str, truncate: bool, object: &Object) -> u32 {
        let (content, origin) = if truncate {
            (Vec::new(), None)
        } else {
            let origin = (!object.content.is_empty()).then(|| (name.to_owned(), object.version));
            (object.content.clone(), origin)
        };
        self.make_beside(who, name, content, origin)
    }

    fn own_beside(&self, who: Who, name: &str) -> Vec<u32> {
        let patient = self.settings == Settings::Patient; // 3.6: the same user's
        let own = self.drafts.iter().filter(|(_, d)| {
            let is_his = d.maker == Some(who) || (patient && d.mount == who.mount());
            is_his && !d.gone && d.beside.as_deref() == Some(name)
        });
        own.map(|(id, _)| *id).collect()
    }

    pub(super) fn make(&mut self, who: Who, name: &str, wanted: &str, scratch: bool) -> u32 {
        let draft = Draft {
            mount: who.mount(),
            name: name.to_owned(),
            wanted: wanted.to_owned(),
            content: Vec::new(),
            maker: Some(who),
            scratch,
            listed: true,
            beside: None,
            origin: None,
            changed: false,
            wrote: false,
            killed: false,
            hands: BTreeSet::new(),
            unsaved: false,
            saved: false,
            waits: None,
            presized: None,
            gone: false,
            published: None,
            deleted: false,
        };
        let id = self.number();
        self.drafts.insert(id, draft);
        id
    }

    pub(super) fn make_beside(
        &mut self,
        who: Who,
        of: &str,
        content: Vec<u8>,
        origin: Option<(String, u32)>,
    ) -> u32 {
        let name = self.fresh(of);
        let id = self.make(who, &name, of, false);
        self.drafts.entry(id).and_modify(|d| {
            d.listed = false;
            d.beside = Some(of.to_owned());
            d.content = content;
            d.origin = origin;
        });
        id
    }

    /// 5.2: calls off the delete that this process asked for. Returns whether there was one.
    pub(super) fn put_back(&mut self, who: Who, name: &str) -> bool {
        let mount = who.mount();
        let found = self.pending.iter().position(|p| p.mount == mount && p.key == name && p.by == Some(who));
        let Some(at) = found else { return false };
        if let What::Draft(id) = self.pending.remove(at).what {
            self.drafts.entry(id).and_modify(|d| d.deleted = false);
            self.put_back = Some(id);
        }
        true
    }
}
