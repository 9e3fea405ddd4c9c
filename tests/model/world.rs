//! The real thing: mounts of one bucket, and processes that do system calls on them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::model::{Delete, Domain};
use crate::op::{Move, Op, Pick, Slot, Who};
use crate::rules::Answer;
use crate::settings::Settings;
use crate::support::actor::{Actor, py};
use crate::support::mount::{Kind, Setup, TestMount};

/// The domains that sequences run in: every policy, with a list of extensions and without.
pub const DOMAINS: [Domain; 5] = [
    Domain { prefix: "trash", has_list: true, delete: Delete::Trash, has_dirs: false },
    Domain { prefix: "allow", has_list: true, delete: Delete::Allow, has_dirs: false },
    Domain { prefix: "refuse", has_list: true, delete: Delete::Refuse, has_dirs: false },
    Domain { prefix: "tree", has_list: true, delete: Delete::Trash, has_dirs: true },
    Domain { prefix: "free", has_list: false, delete: Delete::Allow, has_dirs: false },
];

/// What every process knows.
const DEFINITIONS: &str = "
import stat
fds, maps = {}, {}
PROT_RW, MS_SYNC, PAGE = 3, 4, 4096
libc.mmap.restype = ctypes.c_void_p
def check(result):
    if result in (-1, ctypes.c_void_p(-1).value):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
def do_open(slot, path, flags):
    fds[slot] = os.open(path, flags, 0o644)
def do_write(slot, data):
    return os.write(fds[slot], bytes.fromhex(data))
def do_pwrite(slot, at, data):
    return os.pwrite(fds[slot], bytes.fromhex(data), at)
def do_read(slot, at, length):
    data = os.pread(fds[slot], length, at)
    return [len(data), sha(data)]
def size_of(slot):
    status = os.fstat(fds[slot])
    return 0 if stat.S_ISDIR(status.st_mode) else status.st_size
def do_dup(slot, new):
    fds[new] = os.dup(fds[slot])
def do_mmap(slot, new):
    # not Python's own, which keeps a descriptor
    size = os.fstat(fds[slot]).st_size
    at = check(libc.mmap(None, ctypes.c_size_t(size), PROT_RW, mmap.MAP_SHARED, fds[slot], ctypes.c_long(0)))
    maps[new] = (at, size)
def do_map_write(slot, at, data):
    start, data = maps[slot][0], bytes.fromhex(data)
    ctypes.memmove(start + at, data, len(data))
    first = at // PAGE * PAGE
    check(libc.msync(ctypes.c_void_p(start + first), ctypes.c_size_t(at + len(data) - first), MS_SYNC))
def do_munmap(slot):
    at, size = maps.pop(slot)
    check(libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size)))
def do_fork():
    global child
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        words = theirs.makefile('rw')
        for slot in list(fds):
            fds[slot | 1 << 30] = fds.pop(slot)
        for line in words:
            print(json.dumps(obey(json.loads(line))), file=words, flush=True)
        os._exit(0)
    theirs.close()
    child = pid, ours, ours.makefile('rw')
def do_in_child(code):
    print(json.dumps(code), file=child[2], flush=True)
    answer = json.loads(child[2].readline())
    if 'errno' in answer:
        raise OSError(getattr(errno, answer['errno']), answer['errno'])
    assert 'ok' in answer, answer
    return answer['ok']
def do_end_child(killed):
    if killed:
        os.kill(child[0], signal.SIGKILL)
    child[2].close()
    child[1].close()
    os.waitpid(child[0], 0)
def do_end():
    for fd in fds.values():
        os.close(fd)
";

/// Two mounts of one bucket, and the processes on them.
pub struct World {
    pub mounts: Vec<TestMount>,
    actors: Vec<Actor>,
    /// Those of [`Who::D`], by the directory of their sequence.
    own: HashMap<String, Actor>,
    began: Instant,
    slots: Slot,
    /// What was in the trash when the mounts last stopped.
    trash: Vec<(String, Vec<u8>)>,
}

impl World {
    /// Mounts a bucket of its own.
    pub fn start(kind: Kind, settings: Settings) -> Self {
        let config = settings.config();
        let first = Setup::new(kind).config(&config).start();
        let second = Setup::new(kind).config(&config).bucket_of(&first).start();
        let mut world = Self {
            mounts: vec![first, second],
            actors: Vec::new(),
            own: HashMap::new(),
            began: Instant::now(),
            slots: 0,
            trash: Vec::new(),
        };
        world.start_actors();
        world
    }

    fn start_actors(&mut self) {
        self.actors = [Who::A, Who::B, Who::C].map(|who| start_actor(&self.mounts[who.mount()])).into();
    }

    /// The time since it began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until it is later than `time`.
    pub fn wait_until(&self, time: Duration) {
        std::thread::sleep(time.saturating_sub(self.now()) + Duration::from_millis(1));
    }

    /// Returns a slot that no process has used.
    pub fn new_slot(&mut self) -> Slot {
        self.slots += 1;
        self.slots
    }

    /// Makes the directory of a sequence, on both mounts: it stays there whatever becomes of its objects.
    pub fn make(&mut self, dir: &str) {
        for who in [Who::A, Who::C] {
            self.actor(who, dir).run(&format!("os.mkdir(p({}))", py(dir)));
        }
    }

    fn actor(&mut self, who: Who, dir: &str) -> &mut Actor {
        match who {
            Who::D | Who::E => {
                self.own.entry(dir.to_owned()).or_insert_with(|| start_actor(&self.mounts[who.mount()]))
            }
            shared => &mut self.actors[shared as usize],
        }
    }

    /// Ends the process that a sequence has for itself.
    pub fn end_own(&mut self, dir: &str) {
        self.own.remove(dir);
    }

    /// Ends the processes and both mounts, which drain (10.3), and mounts again.
    pub fn rest(&mut self) {
        for actor in self.actors.drain(..).chain(self.own.drain().map(|own| own.1)) {
            assert!(actor.leave().success());
        }
        for mount in &mut self.mounts {
            mount.stop();
        }
        self.trash = self.mounts[0].trash();
    }

    /// What was in the trash when the mounts stopped: keys and bytes.
    pub fn trash(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.trash.iter()
    }

    /// Mounts again after [`World::rest`].
    pub fn wake(&mut self) {
        for mount in &mut self.mounts {
            mount.start();
        }
        self.start_actors();
    }

    /// Carries out an operation in the directory `dir`, and returns what the call answered.
    pub fn perform(&mut self, dir: &str, op: &Op) -> Answer {
        let path = |name: &Pick| {
            let name = name.get();
            format!("p({})", py(if name.is_empty() { dir.to_owned() } else { format!("{dir}/{name}") }))
        };
        let (who, code) = match op {
            Op::Open { who, name, flags, slot } => (who, format!("do_open({slot}, {}, {flags})", path(name))),
            Op::Write { who, slot, data } => {
                (who, format!("do_write({slot}, '{}')", hex::encode(data.get())))
            }
            Op::Pwrite { who, slot, at, data } => {
                (who, format!("do_pwrite({slot}, {at}, '{}')", hex::encode(data.get())))
            }
            Op::Ftruncate { who, slot, size } => (who, format!("os.ftruncate(fds[{slot}], {size})")),
            Op::Read { who, slot, at, len } => (who, format!("do_read({slot}, {at}, {len})")),
            Op::Fsync { who, slot } => (who, format!("os.fsync(fds[{slot}])")),
            Op::Fstat { who, slot } => (who, format!("size_of({slot})")),
            Op::Dup { who, slot, new } => (who, format!("do_dup({slot}, {new})")),
            Op::Close { who, slot } => (who, format!("os.close(fds.pop({slot}))")),
            Op::Mmap { who, slot, new } => (who, format!("do_mmap({slot}, {new})")),
            Op::MapWrite { who, map, at, data } => {
                (who, format!("do_map_write({map}, {at}, '{}')", hex::encode(data.get())))
            }
            Op::Munmap { who, map } => (who, format!("do_munmap({map})")),
            Op::Truncate { who, name, size } => (who, format!("os.truncate({}, {size})", path(name))),
            Op::Rename { who, from, to, how } => {
                let flag = match how {
                    Move::Plain => "0",
                    Move::NoReplace => "RENAME_NOREPLACE",
                    Move::Exchange => "RENAME_EXCHANGE",
                };
                (who, format!("rename({}, {}, {flag})", path(from), path(to)))
            }
            Op::Link { who, from, to } => (who, format!("os.link({}, {})", path(from), path(to))),
            Op::Unlink { who, name } => (who, format!("os.unlink({})", path(name))),
            Op::Mkdir { who, name } => (who, format!("os.mkdir({})", path(name))),
            Op::Rmdir { who, name } => (who, format!("os.rmdir({})", path(name))),
            Op::Put { name, data } => {
                self.mounts[0].put_object(&format!("{dir}/{}", name.get()), data.get());
                return Answer::Done;
            }
            Op::Remove { name } => {
                self.mounts[0].remove_object(&format!("{dir}/{}", name.get()));
                return Answer::Done;
            }
            Op::Fork => (&Who::D, "do_fork()".to_owned()),
            Op::EndChild { killed } => (&Who::D, format!("do_end_child({})", u8::from(*killed))),
            Op::Kill { .. } => {
                if let Some(actor) = self.own.remove(dir) {
                    actor.die_of(Signal::KILL);
                }
                return Answer::Done;
            }
            Op::Pass | Op::Age => return Answer::Done,
        };
        let code = if *who == Who::E { format!("do_in_child({})", py(code)) } else { code };
        let actor = self.actor(*who, dir);
        actor.begin(&code);
        answered(op, actor.end())
    }
}

fn start_actor(mount: &TestMount) -> Actor {
    let mut actor = mount.actor();
    actor.run(DEFINITIONS);
    actor
}

/// Reads the answer of a process.
fn answered(op: &Op, result: Result<Value, String>) -> Answer {
    match result {
        Err(errno) => Answer::Errno(errno),
        Ok(Value::Null) => Answer::Done,
        // the size of a directory is nobody's business
        Ok(Value::Number(n)) => Answer::Number(n.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)),
        Ok(Value::Array(read)) => match read.as_slice() {
            [Value::Number(len), Value::String(sha)] => Answer::Bytes(format!("{len} {sha}")),
            _ => unreachable!("{op}: {}", json!(read)),
        },
        Ok(other) => unreachable!("{op}: {other}"),
    }
}
