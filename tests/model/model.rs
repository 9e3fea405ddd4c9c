//! The model: what `docs/semantics.md` says is there, in memory. It knows nothing of how cairnfs does it.
//!
//! A [`State`] is one world that the law allows. Where the law leaves something open, an operation leads to several of
//! them ([`crate::rules`]), and what is seen afterwards decides which of them was meant ([`crate::compare`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lag::Lags;
use crate::op::{CHILD, Slot, Who};
use crate::settings::Settings;

/// What is to be seen: names and bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A domain's policy for deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    Refuse,
    Trash,
    Allow,
}

/// The rules of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// Its prefix in the bucket.
    pub prefix: &'static str,
    /// Whether it takes only `pdf` and `docx`.
    pub has_list: bool,
    pub delete: Delete,
    /// Whether directories may be made in it.
    pub has_dirs: bool,
}

/// What a name may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Document,
    Scratch,
    Refused,
}

/// An object in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub content: Vec<u8>,
    /// Unlike that of every other version.
    pub version: u32,
    /// Who published it, and when: for 60 s he may rename it under any policy (5.4).
    pub publisher: Option<(Who, Duration)>,
}

/// The bytes of what a mount has published, which it keeps against clients that overwrite (4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    pub mount: usize,
    pub key: String,
    /// The name that was asked for: suffixes are drawn from it (4.1).
    pub wanted: String,
    pub version: u32,
    pub content: Vec<u8>,
}

/// A draft or scratch file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub mount: usize,
    pub name: String,
    /// The name that was asked for: suffixes are drawn from it (4.1).
    pub wanted: String,
    pub content: Vec<u8>,
    /// `None` where its process has ended.
    pub maker: Option<Who>,
    pub scratch: bool,
    /// A draft beside an object is listed from its first change on (3.3).
    pub listed: bool,
    /// The name that it is written beside.
    pub beside: Option<String>,
    /// The version whose bytes it begins with, while they have not been copied.
    pub origin: Option<(String, u32)>,
    pub changed: bool,
    /// Bytes were written, not only a size set.
    pub wrote: bool,
    /// The last who was done with it of those that made or changed it was killed (3.9).
    pub killed: bool,
    /// Who made or changed it and has it open for writing.
    pub hands: BTreeSet<Who>,
    /// Changed since the last close that saved it.
    pub unsaved: bool,
    /// A close that wrote to it has returned 0 (3.4).
    pub saved: bool,
    /// It is closed and left to its maker, until this time at least (3.6).
    pub waits: Option<Duration>,
    /// A size that was set before the data, byte by byte whether it has been filled (3.9).
    pub presized: Option<Vec<bool>>,
    /// It has lost its name for good, or has become an object, or is kept out of the directory.
    pub gone: bool,
    /// The key and version that it became.
    pub published: Option<(String, u32)>,
    /// Its delete is pending: the name is gone, the content not yet (3.4, 5.2).
    pub deleted: bool,
}

/// An open file description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub who: Who,
    pub file: File,
    pub read: bool,
    pub write: bool,
    /// It was opened for writing or with O_TRUNC.
    pub changes: bool,
    pub append: bool,
    pub at: usize,
    /// Its descriptors, in the order in which they were made.
    pub fds: Vec<Slot>,
    /// Its writable shared maps and their lengths.
    pub maps: Vec<(Slot, usize)>,
}

/// What is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// The number of a draft.
    Draft(u32),
    Object {
        key: String,
        version: u32,
        content: Vec<u8>,
    },
    Directory,
}

/// A deferred delete (5.2), or a name that is hidden for a while (5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub mount: usize,
    pub key: String,
    pub what: What,
    /// Who asked for it; `None` for the tail of a rename, which is nobody's to put back.
    pub by: Option<Who>,
    /// From when on it may be carried out.
    pub due: Duration,
}

/// What a deferred delete deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// That version of an object, with a copy in the trash or without.
    Version { version: u32, trash: bool },
    /// Nothing: that version is only hidden.
    Hidden { version: u32 },
    /// A draft that was saved and is not published.
    Draft(u32),
}

/// One world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub domain: Domain,
    pub bucket: BTreeMap<String, Object>,
    /// Keys and bytes of copies in the trash.
    pub trash: Vec<(String, Vec<u8>)>,
    pub drafts: BTreeMap<u32, Draft>,
    pub open: BTreeMap<u32, Open>,
    pub pending: Vec<Pending>,
    /// Something of the last operation goes on by itself: what is seen may take a moment.
    pub settling: bool,
    /// The alternative names that have been seen, in their order.
    pub alternatives: Vec<String>,
    /// A draft that the operation has put back.
    pub put_back: Option<u32>,
    /// Whether `D` has a child.
    pub forked: bool,
    /// The directories that users made, or emptied, on each mount.
    pub made: [BTreeSet<String>; 2],
    /// How the mounts are set up.
    pub settings: Settings,
    /// What each mount may still believe of names that others have changed.
    pub lags: [Lags; 2],
    pub guarded: Vec<Guarded>,
    numbers: u32,
}

impl State {
    /// Returns an empty directory of `domain`.
    pub fn new(domain: Domain, settings: Settings) -> Self {
        Self {
            domain,
            bucket: BTreeMap::new(),
            trash: Vec::new(),
            drafts: BTreeMap::new(),
            open: BTreeMap::new(),
            pending: Vec::new(),
            settling: false,
            alternatives: Vec::new(),
            put_back: None,
            forked: false,
            made: Default::default(),
            settings,
            lags: Default::default(),
            guarded: Vec::new(),
            numbers: 0,
        }
    }

    /// Returns a number that nothing else has.
    pub fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Returns a name that stands for an alternative of `wanted` until one has been seen.
    pub fn fresh(&mut self, wanted: &str) -> String {
        format!("?{}:{wanted}", self.number())
    }

    /// Returns the name that the unseen alternative `name` was drawn from.
    pub fn drawn_from(name: &str) -> Option<&str> {
        Some(name.strip_prefix('?')?.split_once(':')?.1)
    }

    /// Gives an alternative name that has been seen to what it stands for.
    pub fn bind(&mut self, unseen: &str, seen: &str) {
        let put = |name: &mut String| {
            if name == unseen {
                seen.clone_into(name);
            }
        };
        if let Some(object) = self.bucket.remove(unseen) {
            self.bucket.insert(seen.to_owned(), object);
        }
        for draft in self.drafts.values_mut() {
            put(&mut draft.name);
            if let Some((key, _)) = &mut draft.published {
                put(key);
            }
        }
        for pending in &mut self.pending {
            put(&mut pending.key);
        }
        for guarded in &mut self.guarded {
            put(&mut guarded.key);
        }
        for lags in &mut self.lags {
            lags.bind(unseen, seen);
        }
        self.alternatives.push(seen.to_owned());
    }

    /// Returns what may be done with `name`.
    pub fn class(&self, name: &str) -> Class {
        // 6.1; the last one is a name that only some kinds of domain refuse
        if name.ends_with(".part") || name.ends_with('#') || name.ends_with('~') || name.ends_with(".tmp") {
            return Class::Scratch;
        }
        let listed = name.ends_with(".pdf") || name.ends_with(".docx");
        if listed || !self.domain.has_list { Class::Document } else { Class::Refused }
    }

    /// Returns what the directory shows on a mount: names and bytes; the names of directories end with a slash.
    pub fn visible(&self, mount: usize) -> Files {
        let mut files = self.files(mount);
        files.extend(self.dirs(mount).into_iter().map(|dir| (format!("{dir}/"), Vec::new())));
        files
    }

    /// 1.2: directories are shown where objects have them or a user made them. What is deleted here and not yet in the store
    /// counts, too.
    fn dirs(&self, mount: usize) -> BTreeSet<String> {
        let kept = self.drafts.values().filter(|d| d.mount == mount && !d.gone && !d.deleted);
        let believed = self.believed(mount);
        let names = believed.keys().copied().chain(kept.map(|d| &d.name));
        let of = |name: &String| {
            State::drawn_from(name).unwrap_or(name).split_once('/').map(|(d, _)| d.to_owned())
        };
        names.filter_map(of).chain(self.made[mount].iter().cloned()).collect()
    }

    pub fn is_dir(&self, mount: usize, name: &str) -> bool {
        name.is_empty() || self.dirs(mount).contains(name)
    }

    /// Returns why a path leads nowhere: its directory is not there, or is a file.
    pub fn dead_end(&self, mount: usize, name: &str) -> Option<&'static str> {
        let (dir, _) = name.split_once('/')?;
        let file = self.exists(mount, dir);
        (!self.is_dir(mount, dir)).then_some(if file { "ENOTDIR" } else { "ENOENT" })
    }

    /// Returns the names below a directory: what is shown, and what is kept for drafts that have not changed yet.
    pub fn below(&self, mount: usize, dir: &str) -> Vec<String> {
        let kept = self.drafts.values().filter(|d| d.mount == mount && !d.gone && !d.deleted);
        let kept = kept.map(|d| State::drawn_from(&d.name).unwrap_or(&d.name).to_owned());
        let below = format!("{dir}/");
        self.files(mount).into_keys().chain(kept).filter(|name| name.starts_with(&below)).collect()
    }

    fn files(&self, mount: usize) -> Files {
        let objects = self.believed(mount);
        let shown = objects.iter().filter(|(key, object)| !self.hides(mount, key, object.version));
        let mut files: Files = shown.map(|(key, object)| ((*key).clone(), object.content.clone())).collect();
        for draft in self.drafts.values().filter(|d| d.mount == mount && d.is_shown()) {
            files.insert(draft.name.clone(), draft.content.clone());
        }
        files
    }

    pub fn hides(&self, mount: usize, key: &str, version: u32) -> bool {
        self.pending.iter().any(|p| {
            let which = match p.what {
                What::Version { version, .. } | What::Hidden { version } => Some(version),
                What::Draft(_) => None,
            };
            p.mount == mount && p.key == key && which == Some(version)
        })
    }

    /// Returns what the bucket holds.
    pub fn objects(&self) -> Files {
        self.bucket.iter().map(|(key, object)| (key.clone(), object.content.clone())).collect()
    }

    /// Returns the draft or scratch file that a name stands for on a mount.
    pub fn draft_at(&self, mount: usize, name: &str) -> Option<u32> {
        let found = self.drafts.iter().find(|(_, d)| d.mount == mount && d.name == name && d.is_shown());
        found.map(|(id, _)| *id)
    }

    /// Returns the object that a name stands for on a mount.
    pub fn object_at(&self, mount: usize, name: &str) -> Option<&Object> {
        if self.draft_at(mount, name).is_some() {
            return None;
        }
        self.believed_at(mount, name).filter(|o| !self.hides(mount, name, o.version))
    }

    pub fn exists(&self, mount: usize, name: &str) -> bool {
        self.is_dir(mount, name)
            || self.draft_at(mount, name).is_some()
            || self.object_at(mount, name).is_some()
    }

    /// Returns the open files of a draft.
    pub fn opens_of(&self, draft: u32) -> impl Iterator<Item = &Open> {
        self.open.values().filter(move |o| o.file == File::Draft(draft))
    }

    /// Returns who has a draft open for writing.
    pub fn writers(&self, draft: u32) -> Vec<Who> {
        self.opens_of(draft).filter(|o| o.changes).map(|o| o.who).collect()
    }

    /// 3.6: whether a draft is left to its maker for a while, which is the user: all processes are.
    pub fn is_anybodys(&self, id: u32) -> bool {
        self.settings == Settings::Patient
            && self.writers(id).is_empty()
            && self.drafts.get(&id).is_some_and(|d| d.saved)
    }

    /// Returns whether that version of an object is open on a mount: a delete waits for that (5.2).
    pub fn is_open(&self, mount: usize, wanted: u32) -> bool {
        self.open.values().any(|o| {
            o.who.mount() == mount && matches!(o.file, File::Object { version, .. } if version == wanted)
        })
    }

    /// Returns whether the bytes of a version can no longer be had from the store.
    pub fn is_lost(&self, key: &str, version: u32) -> bool {
        self.bucket.get(key).is_none_or(|o| o.version != version)
    }

    /// Returns the open file that a descriptor or map belongs to.
    pub fn opened(&self, who: Who, slot: Slot) -> Option<u32> {
        let held = |o: &Open| o.fds.contains(&slot) || o.maps.iter().any(|m| m.0 == slot);
        let shared = slot & CHILD != 0 && who == Who::E;
        self.open.iter().find(|(_, o)| (o.who == who || shared) && held(o)).map(|(id, _)| *id)
    }
}
