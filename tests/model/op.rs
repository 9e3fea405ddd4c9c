//! What a sequence is made of: the operations, and what they mean in a state.

use crate::model::State;

/// A process. `A` and `B` work on the first mount, `C` on the second mount of the same bucket. `D` is on the first mount, too,
/// and belongs to its sequence alone: it can be killed, and whoever is `D` after that is another process. `E` is a child that it
/// forks, which uses the descriptors that it has then and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    A,
    B,
    C,
    D,
    E,
}

impl Who {
    /// The mount that it works on.
    pub const fn mount(self) -> usize {
        match self {
            Self::A | Self::B | Self::D | Self::E => 0,
            Self::C => 1,
        }
    }
}

/// A name, as a seed can say it before anything has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    Named(String),
    /// One of the alternative names that came about.
    Alternative(u8),
}

/// One of the descriptors or maps of a process: before it is resolved a draw, after it a slot.
pub type Slot = u32;

/// A slot of the child is that of its parent and this.
pub const CHILD: Slot = 1 << 30;

/// The descriptor that was opened last.
pub const LAST: Slot = u32::MAX;

/// Names of directories, where the domain has them.
pub const DIRS: [&str; 2] = ["sub", "other"];

/// How a name is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Plain,
    NoReplace,
    Exchange,
}

/// Bytes that are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Bytes that no other seed has.
    Fresh(u64, usize),
    /// What the file of that name holds at the moment.
    Of(String),
    Bytes(Vec<u8>),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Open {
        who: Who,
        name: Pick,
        flags: i32,
        slot: Slot,
    },
    Write {
        who: Who,
        slot: Slot,
        data: Data,
    },
    Pwrite {
        who: Who,
        slot: Slot,
        at: usize,
        data: Data,
    },
    Ftruncate {
        who: Who,
        slot: Slot,
        size: usize,
    },
    Read {
        who: Who,
        slot: Slot,
        at: usize,
        len: usize,
    },
    Fsync {
        who: Who,
        slot: Slot,
    },
    Fstat {
        who: Who,
        slot: Slot,
    },
    Dup {
        who: Who,
        slot: Slot,
        new: Slot,
    },
    Close {
        who: Who,
        slot: Slot,
    },
    Mmap {
        who: Who,
        slot: Slot,
        new: Slot,
    },
    MapWrite {
        who: Who,
        map: Slot,
        at: usize,
        data: Data,
    },
    Munmap {
        who: Who,
        map: Slot,
    },
    Truncate {
        who: Who,
        name: Pick,
        size: usize,
    },
    Rename {
        who: Who,
        from: Pick,
        to: Pick,
        how: Move,
    },
    Link {
        who: Who,
        from: Pick,
        to: Pick,
    },
    Unlink {
        who: Who,
        name: Pick,
    },
    Mkdir {
        who: Who,
        name: Pick,
    },
    Rmdir {
        who: Who,
        name: Pick,
    },
    /// SIGKILL.
    Kill {
        who: Who,
    },
    /// `D` makes its child.
    Fork,
    /// The child ends, by itself or by a signal.
    EndChild {
        killed: bool,
    },
    /// Another client of the store writes an object, whatever stands there.
    Put {
        name: Pick,
        data: Data,
    },
    /// Another client of the store deletes an object.
    Remove {
        name: Pick,
    },
    /// Time passes until everything that is due has been done.
    Pass,
    /// Time passes until no listing from before is believed any more.
    Age,
}

impl Op {
    /// Returns who walks which paths before anything else happens, in their order.
    pub fn walks(&self) -> Option<(Who, Vec<&str>)> {
        match self {
            Self::Open { who, name, .. }
            | Self::Truncate { who, name, .. }
            | Self::Unlink { who, name }
            | Self::Mkdir { who, name }
            | Self::Rmdir { who, name } => Some((*who, vec![name.get()])),
            Self::Rename { who, from, to, .. } => Some((*who, vec![from.get(), to.get()])),
            Self::Link { who, from, .. } => Some((*who, vec![from.get()])),
            _ => None,
        }
    }

    /// Returns who does it and the names that it is about.
    pub fn names(&self) -> Option<(Who, Vec<&str>)> {
        match self {
            Self::Link { who, from, to } => Some((*who, vec![from.get(), to.get()])),
            _ => self.walks(),
        }
    }

    /// Whether it is nothing but time.
    pub const fn is_pause(&self) -> bool {
        matches!(self, Self::Pass | Self::Age)
    }

    /// Whether it would make a directory where the names of the sequence are those of files: `a` beside `a/…` is another test.
    fn makes_confusing_dir(&self, state: &State) -> bool {
        let may_be_dir = |name: &str| name.is_empty() || DIRS.contains(&name);
        match self {
            Self::Mkdir { who, name } => {
                state.domain.has_dirs && !may_be_dir(name.get()) && !state.exists(who.mount(), name.get())
            }
            Self::Rename { who, from, to, .. } => {
                let (from, to) = (from.get(), to.get());
                from.is_empty() || to.is_empty() || state.is_dir(who.mount(), from) && !may_be_dir(to)
            }
            Self::Rmdir { name, .. } => name.get().is_empty(), // the sequence goes on in it
            Self::Put { name, .. } => !state.domain.has_dirs && name.get().contains('/'),
            _ => false,
        }
    }

    /// Returns what the operation means in this state; `None` where it means nothing (there is no such descriptor, …).
    /// `free` is a slot that nobody has used.
    pub fn resolved(mut self, state: &State, free: Slot) -> Option<Self> {
        use Op::{
            Age, Close, Dup, EndChild, Fork, Fstat, Fsync, Ftruncate, Kill, Link, MapWrite, Mkdir, Mmap,
            Munmap, Open, Pass, Put, Pwrite, Read, Remove, Rename, Rmdir, Truncate, Unlink, Write,
        };
        match &mut self {
            Open { name, slot, .. } => {
                *name = state.named(name)?;
                *slot = free;
            }
            Write { who, slot, data } | Pwrite { who, slot, data, .. } => {
                *slot = state.fd(*who, *slot)?;
                *data = data.bytes(state, who.mount())?;
            }
            Ftruncate { who, slot, .. }
            | Read { who, slot, .. }
            | Fsync { who, slot }
            | Fstat { who, slot }
            | Close { who, slot } => *slot = state.fd(*who, *slot)?,
            Dup { who, slot, new } => {
                *slot = state.fd(*who, *slot)?;
                *new = free;
            }
            Mmap { who, slot, new } => {
                *slot = state.fd(*who, *slot).filter(|slot| state.can_be_mapped(*who, *slot))?;
                *new = free;
            }
            MapWrite { who, map, at, data } => {
                *map = state.map(*who, *map)?;
                *data = data.bytes(state, who.mount())?;
                let Data::Bytes(bytes) = data else { return None };
                *at = state.room_in_map(*who, *map, *at, bytes)?;
            }
            Munmap { who, map } => *map = state.map(*who, *map)?,
            Truncate { name, .. } | Unlink { name, .. } | Mkdir { name, .. } | Rmdir { name, .. } => {
                *name = state.named(name)?;
            }
            Rename { from, to, .. } | Link { from, to, .. } => {
                *from = state.named(from)?;
                *to = state.named(to)?;
            }
            Put { name, data } => {
                *name = state.named(name)?;
                *data = data.bytes(state, 0)?;
            }
            Remove { name } => {
                *name = state.named(name)?;
                let Pick::Named(name) = name else { return None };
                state.bucket.get(name)?;
            }
            // one that holds nothing ends unseen
            Kill { .. } if state.forked => return None,
            Fork => {
                let holds_map = |o: &crate::model::Open| o.who == Who::D && !o.maps.is_empty();
                if state.forked || state.fd(Who::D, LAST).is_none() || state.open.values().any(holds_map) {
                    return None;
                }
            }
            EndChild { .. } => {
                if !state.forked {
                    return None;
                }
            }
            Kill { who } => {
                state.open.values().find(|o| o.who == *who)?;
            }
            Pass | Age => {}
        }
        (!self.makes_confusing_dir(state)).then_some(self)
    }
}

impl Data {
    fn bytes(&self, state: &State, mount: usize) -> Option<Self> {
        Some(Self::Bytes(match self {
            Self::Fresh(seed, len) => crate::support::mount::content(*seed, *len),
            Self::Of(name) => state.visible(mount).remove(name)?,
            Self::Bytes(bytes) => bytes.clone(),
        }))
    }

    /// The bytes, of data that has been resolved.
    pub fn get(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Fresh(..) | Self::Of(_) => &[],
        }
    }
}

impl Pick {
    /// The name, of one that has been resolved.
    pub fn get(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Alternative(_) => "",
        }
    }
}
