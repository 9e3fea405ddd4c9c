//! What each operation does to a world, sentence by sentence. Several answers are several worlds that the law allows.

mod bytes;
mod closing;
mod deletes;
mod dirs;
mod forked;
mod killed;
mod names;
mod opening;
mod others;

use std::fmt;
use std::time::Duration;

use crate::model::State;
use crate::op::Op;

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Number(usize),
    /// Their number and their SHA-256.
    Bytes(String),
    Errno(String),
}

use Answer::Done;

#[expect(non_snake_case, reason = "it reads like the variant that it makes")]
fn Errno(name: &str) -> Answer {
    Answer::Errno(name.to_owned())
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Bytes(bytes) => write!(f, "[{}]", bytes.get(..bytes.len() - 58).unwrap_or(bytes)),
            Self::Errno(name) => f.write_str(name),
        }
    }
}

/// The worlds that an operation leads to, each with what the call answers there.
pub type Outcomes = Vec<(Answer, State)>;

/// When things are due. `delete_after` of the mounts is the greater of the two: what is younger than `soonest` is not
/// carried out, and who unlinks and makes again within it is put back for sure.
pub struct Times {
    pub soonest: Duration,
    pub publisher: Duration,
}

/// See [`Times`].
pub const TIMES: Times = Times { soonest: Duration::from_millis(1900), publisher: Duration::from_secs(60) };

impl State {
    /// Carries out an operation that has been resolved.
    pub fn apply(&self, op: &Op, now: Duration) -> Outcomes {
        let mut s = self.clone();
        s.settling = false;
        if let Some((who, paths)) = op.walks()
            && let Some(errno) = paths.into_iter().find_map(|path| self.dead_end(who.mount(), path))
        {
            return vec![(Errno(errno), s)];
        }
        let mut outcomes = Vec::new();
        for (answer, world) in s.carried_out(op, now) {
            for world in world.publish_put_back(now) {
                outcomes.extend(world.publish_overwritten(now).into_iter().map(|w| (answer.clone(), w)));
            }
        }
        outcomes
    }

    fn carried_out(self, op: &Op, now: Duration) -> Outcomes {
        let mut s = self;
        match op {
            Op::Open { who, name, flags, slot } => s.open(*who, name.get(), *flags, *slot),
            Op::Write { who, slot, data } => s.write(*who, *slot, None, data.get()),
            Op::Pwrite { who, slot, at, data } => s.write(*who, *slot, Some(*at), data.get()),
            Op::Ftruncate { who, slot, size } => s.ftruncate(*who, *slot, *size),
            Op::Read { who, slot, at, len } => s.read(*who, *slot, *at, *len),
            Op::Fsync { .. } => vec![(Done, s)],
            Op::Fstat { who, slot } => s.fstat(*who, *slot),
            Op::Dup { who, slot, new } => {
                if let Some(open) = s.opened(*who, *slot).and_then(|id| s.open.get_mut(&id)) {
                    open.fds.push(*new);
                }
                vec![(Done, s)]
            }
            Op::Close { who, slot } | Op::Munmap { who, map: slot } => s.close(*who, *slot, now),
            Op::Mmap { who, slot, new } => {
                if let Some(id) = s.opened(*who, *slot) {
                    let length = s.content_of(id).len();
                    s.open.entry(id).and_modify(|o| o.maps.push((*new, length)));
                }
                vec![(Done, s)]
            }
            Op::MapWrite { who, map, at, data } => s.write_map(*who, *map, *at, data.get()),
            Op::Truncate { who, name, size } => s.truncate(*who, name.get(), *size),
            Op::Rename { who, from, to, how } => s.rename(*who, from.get(), to.get(), *how, now),
            Op::Link { who, from, to } => s.link(*who, from.get(), to.get(), now),
            Op::Unlink { who, name } => s.unlink(*who, name.get(), now),
            Op::Mkdir { who, name } => s.mkdir(*who, name.get()),
            Op::Rmdir { who, name } => s.rmdir(*who, name.get()),
            Op::Fork => s.fork(),
            Op::EndChild { killed } => s.end_child(*killed, now),
            Op::Kill { who } => s.kill(*who, now).into_iter().map(|s| (Done, s)).collect(),
            Op::Put { name, data } => {
                s.put(name.get(), data.get());
                vec![(Done, s)]
            }
            Op::Remove { name } => {
                s.change(None, name.get(), None);
                vec![(Done, s)]
            }
            Op::Age => vec![(Done, s)],
            Op::Pass => {
                s.carry_out(|_| true);
                s.settling = true;
                let worlds = Self::with_published(vec![s], Duration::MAX, now);
                let done = worlds.into_iter().filter(|w| w.waiting(|_, _| true).is_empty());
                done.map(|w| (Done, w)).collect()
            }
        }
    }
}
