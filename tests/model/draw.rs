//! How the operations of a sequence are drawn from its seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::op::{DIRS, Data, LAST, Move, Op, Pick, Slot, Who};
use crate::settings::Settings;

/// The names of documents.
pub const DOCUMENTS: [&str; 3] = ["a.pdf", "b.tar.pdf", "c.docx"];
/// A document in one of them.
const DEEP: &str = "sub/a.pdf";
/// Scratch names, whatever the domain's extensions are.
pub const SCRATCH: [&str; 5] = ["a.pdf.part", "sub/a.pdf.part", ".~lock.a.pdf#", "b.tar.pdf~", "x.tmp"];
/// Refused by domains with a list of extensions.
pub const REFUSED: &str = "bad.exe";

/// Draws the operations of a sequence.
pub struct Draw {
    random: StdRng,
    two_mounts: bool,
    /// Whether a process takes part that may be killed.
    mortal: bool,
    ops: Vec<Op>,
    made: u64,
}

impl Draw {
    /// Returns the operations that `seed` stands for. With `two_mounts` some of them are on the second mount.
    pub fn sequence(seed: u64, settings: Settings, two_mounts: bool) -> Vec<Op> {
        let mut draw = Self {
            random: StdRng::seed_from_u64(seed),
            two_mounts,
            mortal: seed % 16 == 1,
            ops: Vec::new(),
            made: seed << 16,
        };
        let length = draw.below(22) + 6;
        if draw.chance(60) {
            draw.put();
        }
        while draw.ops.len() < length {
            match draw.below(100) {
                0..20 => draw.save(),
                20..30 => draw.atomic_save(),
                30..34 => draw.save_the_same(),
                34..42 if draw.mortal => draw.killed_save(),
                42..50 if draw.mortal => draw.forked_save(),
                34..54 if settings == Settings::Believing => draw.others(),
                _ => draw.single(),
            }
        }
        draw.ops
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn who(&mut self) -> Who {
        if self.mortal && self.chance(40) {
            return Who::D;
        }
        match self.below(if self.two_mounts { 5 } else { 3 }) {
            0 | 1 => Who::A,
            2 => Who::B,
            _ => Who::C,
        }
    }

    fn document(&mut self) -> Pick {
        if self.chance(12) {
            return Pick::Alternative(self.draw());
        }
        // few names, so that operations meet
        if self.chance(15) {
            return Pick::Named(DEEP.to_owned());
        }
        let at = [0, 0, 0, 1, 1, 2][self.below(6)];
        Pick::Named(DOCUMENTS[at].to_owned())
    }

    fn scratch(&mut self) -> Pick {
        let at = self.below(SCRATCH.len());
        Pick::Named(SCRATCH[at].to_owned())
    }

    fn any_name(&mut self) -> Pick {
        match self.below(100) {
            0..70 => self.document(),
            70..94 => self.scratch(),
            94..96 => Pick::Named(REFUSED.to_owned()),
            96..99 => self.dir(),
            _ => Pick::Named(String::new()), // the directory
        }
    }

    fn dir(&mut self) -> Pick {
        let at = [0, 0, 0, 1][self.below(4)];
        Pick::Named(DIRS[at].to_owned())
    }

    fn draw(&mut self) -> u8 {
        self.random.random()
    }

    fn slot(&mut self) -> Slot {
        self.random.random_range(0..1 << 20)
    }

    fn size(&mut self) -> usize {
        match self.below(10) {
            0 => 0,
            1..7 => self.below(100) + 1,
            7 | 8 => 4090 + self.below(12),
            _ => self.below(20_000) + 1,
        }
    }

    fn data(&mut self) -> Data {
        self.made += 1;
        let size = self.size();
        Data::Fresh(self.made, size)
    }

    fn flags(&mut self) -> i32 {
        let access = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_RDWR][self.below(4)];
        let mut flags = access;
        for (flag, percent) in
            [(libc::O_CREAT, 60), (libc::O_EXCL, 15), (libc::O_TRUNC, 40), (libc::O_APPEND, 20)]
        {
            if self.chance(percent) {
                flags |= flag;
            }
        }
        // without O_CREAT the effect of O_EXCL is undefined (open(2))
        if flags & libc::O_CREAT == 0 { flags & !libc::O_EXCL } else { flags }
    }

    /// Another client puts an object, or several.
    fn put(&mut self) {
        for _ in 0..=self.below(3) {
            let name = if self.chance(5) { Pick::Named(REFUSED.to_owned()) } else { self.document() };
            let data = self.data();
            self.ops.push(Op::Put { name, data });
        }
    }

    /// What most programs do: open, write, close.
    fn save(&mut self) {
        let (who, name) = (self.who(), self.document());
        let mut flags = self.flags();
        if flags & libc::O_ACCMODE == libc::O_RDONLY {
            flags |= libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
        }
        self.fill(who, name, flags);
    }

    fn fill(&mut self, who: Who, name: Pick, flags: i32) {
        self.ops.push(Op::Open { who, name, flags, slot: 0 });
        for _ in 0..=self.below(2) {
            let data = self.data();
            self.ops.push(Op::Write { who, slot: LAST, data });
        }
        self.ops.push(Op::Close { who, slot: LAST });
    }

    /// What editors do: a scratch file, and then a rename or a link.
    fn atomic_save(&mut self) {
        let (who, from, to) = (self.who(), self.scratch(), self.document());
        self.fill(who, from.clone(), libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC);
        match self.below(5) {
            0 => {
                self.ops.push(Op::Rename { who, from: to.clone(), to: saved_away(), how: Move::Plain });
            }
            1 => self.ops.push(Op::Unlink { who, name: to.clone() }),
            _ => {}
        }
        if self.chance(25) {
            self.ops.push(Op::Link { who, from: from.clone(), to });
            self.ops.push(Op::Unlink { who, name: from });
        } else {
            self.ops.push(Op::Rename { who, from, to, how: Move::Plain });
        }
    }

    /// What a nightly copy does: the same bytes once more.
    fn save_the_same(&mut self) {
        let (who, at) = (self.who(), self.below(DOCUMENTS.len()));
        let name = DOCUMENTS[at].to_owned();
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
        self.ops.push(Op::Open { who, name: Pick::Named(name.clone()), flags, slot: 0 });
        self.ops.push(Op::Write { who, slot: LAST, data: Data::Of(name) });
        self.ops.push(Op::Close { who, slot: LAST });
    }

    /// A process is killed with what it does: writing, about to, or only looking.
    fn killed_save(&mut self) {
        let (who, name, flags) = (Who::D, self.any_name(), self.flags());
        self.ops.push(Op::Open { who, name, flags, slot: 0 });
        for _ in 0..self.below(3) {
            self.single();
        }
        self.ops.push(Op::Kill { who });
    }

    /// A process and its child write by the same descriptors, and close them in any order.
    fn forked_save(&mut self) {
        let (who, name, mut flags) = (Who::D, self.document(), self.flags());
        if flags & libc::O_ACCMODE == libc::O_RDONLY {
            flags |= libc::O_WRONLY | libc::O_CREAT;
        }
        self.ops.push(Op::Open { who, name, flags, slot: 0 });
        self.ops.push(Op::Fork);
        for _ in 0..self.below(6) {
            let who = [Who::D, Who::E][self.below(2)];
            let op = match self.below(8) {
                0..3 => Op::Write { who, slot: LAST, data: self.data() },
                3..6 => Op::Close { who, slot: LAST },
                6 => Op::Ftruncate { who, slot: LAST, size: self.size() },
                _ => Op::Read { who, slot: LAST, at: 0, len: self.size() },
            };
            self.ops.push(op);
            if self.chance(20) {
                self.single();
            }
        }
        let killed = self.chance(50);
        self.ops.push(Op::EndChild { killed });
    }

    /// Another client changes what is there, and time may pass until it must show.
    fn others(&mut self) {
        let name = self.document();
        let op = if self.chance(40) { Op::Remove { name } } else { Op::Put { name, data: self.data() } };
        self.ops.push(op);
        if self.chance(40) {
            self.ops.push(Op::Age);
        }
    }

    fn single(&mut self) {
        let (who, slot) = (self.who(), self.slot());
        let op = match self.below(100) {
            0..18 => Op::Open { who, name: self.any_name(), flags: self.flags(), slot: 0 },
            18..26 => Op::Write { who, slot, data: self.data() },
            26..34 => Op::Pwrite { who, slot, at: self.size(), data: self.data() },
            34..38 => Op::Ftruncate { who, slot, size: self.size() },
            38..42 => Op::Read { who, slot, at: self.size(), len: self.size() },
            42..43 => Op::Fsync { who, slot },
            43..45 => Op::Fstat { who, slot },
            45..48 => Op::Dup { who, slot, new: 0 },
            48..60 => Op::Close { who, slot },
            60..63 => Op::Mmap { who, slot, new: 0 },
            63..66 => Op::MapWrite { who, map: slot, at: self.size(), data: self.data() },
            66..68 => Op::Munmap { who, map: slot },
            68..71 => Op::Truncate { who, name: self.any_name(), size: self.size() },
            71..80 => {
                let how = match self.below(10) {
                    0 => Move::Exchange,
                    1 | 2 => Move::NoReplace,
                    _ => Move::Plain,
                };
                Op::Rename { who, from: self.any_name(), to: self.any_name(), how }
            }
            80..82 => Op::Link { who, from: self.any_name(), to: self.any_name() },
            82..88 => Op::Unlink { who, name: self.any_name() },
            88 => Op::Mkdir { who, name: self.any_name() },
            89 => Op::Rmdir { who, name: self.any_name() },
            90 => Op::Mkdir { who, name: self.dir() },
            91 if self.chance(50) => Op::Rmdir { who, name: self.dir() },
            91 => Op::Rename { who, from: self.dir(), to: self.dir(), how: Move::Plain },
            92..95 => Op::Put { name: self.document(), data: self.data() },
            95..98 => Op::Remove { name: self.document() },
            _ => Op::Pass,
        };
        self.ops.push(op);
    }
}

fn saved_away() -> Pick {
    Pick::Named("b.tar.pdf~".to_owned())
}
