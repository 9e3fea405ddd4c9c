//! The cases: what is opened with which flags, how it is done by real processes, and what is then to be seen.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::support::actor::{Actor, py};
use crate::support::mount::is_alternative;

/// What is under the name before it is opened.
pub const OLD: &[u8] = b"what was there before";
/// What is written after it was opened.
pub const NEW: &[u8] = b"NEW";

/// What stands under the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Missing,
    /// An object of the bucket.
    Object,
    /// A file that the same process is writing.
    OwnDraft,
    /// A file that another process is writing.
    OthersDraft,
    /// A file that is empty so far, made and closed by the same process.
    Placeholder,
    /// A scratch file of another process, closed.
    Scratch,
    /// A directory.
    Directory,
}

impl Target {
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Object,
        Self::OwnDraft,
        Self::OthersDraft,
        Self::Placeholder,
        Self::Scratch,
        Self::Directory,
    ];
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    number: usize,
    pub target: Target,
    pub flags: i32,
    /// Whether something is written after the open.
    pub writes: bool,
}

impl Case {
    /// Returns all of them.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for target in Target::ALL {
            for access in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR] {
                for bits in 0..16 {
                    let with = |bit: i32, flag| if bits & bit != 0 { flag } else { 0 };
                    let flags = access
                        | with(1, libc::O_CREAT)
                        | with(2, libc::O_EXCL)
                        | with(4, libc::O_TRUNC)
                        | with(8, libc::O_APPEND);
                    for writes in [false, true] {
                        all.push(Self { number: all.len(), target, flags, writes });
                    }
                }
            }
        }
        all
    }

    pub fn has(&self, flag: i32) -> bool {
        self.flags & flag != 0
    }

    /// Whether the handle may write.
    pub fn is_writable(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY
    }

    /// Whether the open is refused because the name exists.
    pub fn is_exclusive(&self) -> bool {
        self.has(libc::O_CREAT) && self.has(libc::O_EXCL)
    }

    /// Whether bytes really arrive in the file.
    pub fn fills(&self) -> bool {
        self.writes && self.is_writable()
    }

    /// The directory of this case alone.
    pub fn dir(&self) -> String {
        format!("rfp_exports/{}", self.number)
    }

    pub fn name(&self) -> &'static str {
        match self.target {
            Target::Scratch => "report.pdf.part",
            _ => "report.pdf",
        }
    }

    pub fn key(&self) -> String {
        format!("{}/{}", self.dir(), self.name())
    }

    fn path(&self) -> String {
        match self.target {
            Target::Directory => self.dir(),
            _ => self.key(),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.flags & libc::O_ACCMODE {
            libc::O_RDONLY => "O_RDONLY",
            libc::O_WRONLY => "O_WRONLY",
            _ => "O_RDWR",
        };
        write!(f, "{:?} {access}", self.target)?;
        for (flag, name) in [
            (libc::O_CREAT, "O_CREAT"),
            (libc::O_EXCL, "O_EXCL"),
            (libc::O_TRUNC, "O_TRUNC"),
            (libc::O_APPEND, "O_APPEND"),
        ] {
            if self.has(flag) {
                write!(f, "|{name}")?;
            }
        }
        f.write_str(if self.writes { ", written" } else { "" })
    }
}

/// Names and bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is to be seen of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The answers to open, fstat, write, fstat, close.
    pub answer: Value,
    /// The directory, when everything is closed.
    pub files: Files,
    /// What is kept in the end: the objects below the directory, without it.
    pub bucket: Files,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |files: &Files| {
            let list: Vec<_> =
                files.iter().map(|(n, d)| format!("{n}={}", String::from_utf8_lossy(d))).collect();
            list.join(", ")
        };
        write!(f, "{} files [{}] bucket [{}]", self.answer, show(&self.files), show(&self.bucket))
    }
}

/// What every actor knows.
const DEFINITIONS: &str = "
def attempt(path, flags, data):
    out = {}
    try:
        fd = os.open(path, flags, 0o644)
    except OSError as e:
        return {'open': errno.errorcode[e.errno]}
    out['open'] = 'fd'
    regular = os.path.isfile(path)
    out['size'] = os.fstat(fd).st_size if regular else None
    if data is not None:
        try:
            out['write'] = os.write(fd, data)
        except OSError as e:
            out['write'] = errno.errorcode[e.errno]
        out['after'] = os.fstat(fd).st_size if regular else None
    try:
        os.close(fd)
        out['close'] = 0
    except OSError as e:
        out['close'] = errno.errorcode[e.errno]
    return out
held = []
def hold(path, data):
    fd = os.open(path, WRITE_NEW, 0o644)
    write_all(fd, data)
    held.append(fd)
";

/// Does every case below `root`, which is `p` for the mount and `h` for the plain directory, and returns the answers.
/// The processes have ended then.
pub fn perform(cases: &[Case], actor: impl Fn() -> Actor, root: &str) -> Vec<Value> {
    let (mut opener, mut other) = (actor(), actor());
    for actor in [&mut opener, &mut other] {
        actor.run(DEFINITIONS);
    }
    let old = py(std::str::from_utf8(OLD).unwrap());
    let new = py(std::str::from_utf8(NEW).unwrap());
    if root == "h" {
        other.run("os.mkdir(h('rfp_exports'))");
    }
    for case in cases {
        // the objects, and with them their directories, are in the bucket from the beginning
        if root == "h" || case.target != Target::Object {
            other.run(&format!("os.mkdir({root}({}))", py(case.dir())));
        }
        let path = format!("{root}({})", py(case.path()));
        match case.target {
            Target::Object if root == "h" => other.run(&format!("write({path}, {old}.encode())")),
            Target::Missing | Target::Object | Target::Directory => Value::Null,
            Target::OwnDraft => opener.run(&format!("hold({path}, {old}.encode())")),
            Target::OthersDraft => other.run(&format!("hold({path}, {old}.encode())")),
            Target::Placeholder => opener.run(&format!("write({path}, b'')")),
            Target::Scratch => other.run(&format!("write({path}, {old}.encode())")),
        };
    }
    let answers = cases
        .iter()
        .map(|case| {
            let data = if case.writes { format!("{new}.encode()") } else { "None".to_owned() };
            opener.run(&format!("attempt({root}({}), {}, {data})", py(case.path()), case.flags))
        })
        .collect();
    for mut actor in [opener, other] {
        actor.run("for fd in held: os.close(fd)");
        assert!(actor.leave().success());
    }
    answers
}

/// Returns the files in a directory with their bytes, alternative names as `report_*.pdf`.
pub fn files_in(dir: &Path) -> Files {
    let list = std::fs::read_dir(dir).into_iter().flatten();
    let files = list.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named(files.collect())
}

/// Returns the objects directly below `dir`, named as by [`files_in`].
pub fn bucket_of(objects: &BTreeMap<String, Vec<u8>>, dir: &str) -> Files {
    let below = format!("{dir}/");
    named(objects.iter().filter_map(|(k, d)| Some((k.strip_prefix(&below)?.to_owned(), d.clone()))).collect())
}

fn named(files: Vec<(String, Vec<u8>)>) -> Files {
    let mut all = Files::new();
    for (name, data) in files {
        let name = if is_alternative(&name, "report.pdf") { ALTERNATIVE.to_owned() } else { name };
        assert!(all.insert(name, data).is_none(), "two alternatives of one open");
    }
    all
}

/// Stands for any alternative name of the name.
pub const ALTERNATIVE: &str = "report_*.pdf";
