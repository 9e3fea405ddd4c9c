//! Sentences 1.2, 1.6 and 2.1: names of every kind that programs want to make.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::CONFIG;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

#[test]
fn names_on_a_directory_store_are_kept_byte_for_byte_or_refused_at_once() {
    names(Kind::Dir);
}

#[test]
fn names_on_s3_are_kept_byte_for_byte_or_refused_at_once() {
    names(Kind::S3);
}

/// Names that `any/` takes.
const TAKEN: [&str; 40] = [
    "plain",
    "...",
    ". .",
    " ",
    "  leading and trailing  ",
    "trailing dots..",
    "trailing space.pdf ",
    ".dotfile",
    "-rf",
    "--help",
    "%2F",
    "%2e%2e%2f",
    "%00",
    "%",
    "a+b",
    "a?b#c&d=e;f",
    "back\\slash",
    "colon:asterisk*question?",
    "<angle>|pipe\"quote'",
    "$(reboot)`reboot`${HOME}",
    "line\nbreak\r\n",
    "tab\tbell\u{7}escape\u{1b}[31mred",
    "\u{1}\u{1f}\u{7f}",
    "C1\u{80}\u{9f}",
    "line\u{2028}paragraph\u{2029}",
    "\u{e9}t\u{e9}.pdf",
    "e\u{301}te\u{301}.pdf",
    "\u{202e}fdp.exe",
    "\u{200f}\u{200e}\u{2066}marks\u{2069}",
    "zero\u{200b}width\u{2060}",
    "\u{feff}mark of order",
    "\u{fffd}replacement",
    "\u{fffe}\u{ffff}\u{10ffff}",
    "\u{1f469}\u{200d}\u{1f4bb}.pdf",
    "\u{5d0}\u{5d1}\u{5d2}.pdf",
    "CON",
    "NUL.txt",
    "COM1",
    "a.b.c.d.e.f.g",
    "user.cairn.key",
];

fn names(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let longest = ["n".repeat(255), "\u{65e5}".repeat(85)];
    let all: Vec<&str> = TAKEN.iter().copied().chain(longest.iter().map(String::as_str)).collect();
    for (seed, name) in (1..).zip(&all) {
        let path = mount.path(&format!("any/{name}"));
        fs::write(&path, content(seed, 100)).unwrap_or_else(|e| panic!("{name:?}: {e}"));
        // a busy host may publish after the close (3.5)
        let stored = |objects: std::collections::BTreeMap<_, _>| {
            objects.get(&format!("any/{name}")) == Some(&content(seed, 100))
        };
        eventually(name, || stored(mount.objects()));
        assert_eq!(fs::read(&path).unwrap(), content(seed, 100), "{name:?}");
        let path = format!("any/{name}");
        let out = mount.cli(&["cat", "--store", &mount.url(), "--config", &config(&mount), "--", &path]);
        assert!(out.status.success() && out.stdout == content(seed, 100), "{name:?}: {out:?}");
    }
    let mut wanted: Vec<String> = all.iter().map(|n| (*n).to_owned()).collect();
    wanted.sort();
    assert_eq!(mount.names("any"), wanted);

    refused(&mount);
    let before = mount.keys().len();
    keys_as_long_as_they_can_be(&mount);
    assert_eq!(mount.keys().len(), before + 1);
    assert_one_line_each(&mount);
    mount.stop();
}

/// Names that nobody takes, by every call that makes one.
fn refused(mount: &TestMount) {
    let not_utf8: [&[u8]; 5] =
        [b"\xff\xfe.pdf", b"\xc0\xaf", b"\xed\xa0\x80.pdf", b"caf\xe9.pdf", b"\xf4\x90\x80\x80"];
    for name in not_utf8 {
        makes_nothing(mount, "any", name, Errno::ILSEQ);
        assert_eq!(
            fs::metadata(at(mount, "any", name)).unwrap_err().raw_os_error(),
            Some(Errno::ILSEQ.raw_os_error())
        );
    }
    for length in [256, 1000, 1023, 1025, 4000] {
        makes_nothing(mount, "any", &vec![b'n'; length], Errno::NAMETOOLONG);
    }
    makes_nothing(mount, "any", "\u{65e5}".repeat(86).as_bytes(), Errno::NAMETOOLONG);
    // the extension is what follows the last dot, as Django reads it
    for name in [
        "a.exe",
        "noextension",
        "a.pdf.",
        "a.pdf ",
        ".pdf",
        "a.pdf\n",
        "a.p\u{501}f",
        "a.pdf%00",
        "..pdf.",
        "\u{202e}fdp.exe",
    ] {
        makes_nothing(mount, "documents", name.as_bytes(), Errno::ACCESS);
    }
    // a key of more than 500 characters is none that Django's model takes
    let dir = format!("scraped/7/{}", "d".repeat(250));
    fs::create_dir_all(mount.path(&dir)).unwrap();
    makes_nothing(mount, &dir, format!("{}.md", "n".repeat(240)).as_bytes(), Errno::NAMETOOLONG);
    // no domain's
    for name in ["a", "documents2", "%2e", " "] {
        makes_nothing(mount, "", name.as_bytes(), Errno::ACCESS);
    }
}

/// Checks that no call makes `name` in `dir`, and that each says why with the same errno.
#[track_caller]
fn makes_nothing(mount: &TestMount, dir: &str, name: &[u8], errno: Errno) {
    let path = at(mount, dir, name);
    let source = mount.path("any/plain");
    let scratch = mount.path("any/source.part");
    if !scratch.exists() {
        fs::write(&scratch, "scratch").unwrap();
    }
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let is = |what: &str, result: std::io::Result<()>| {
        let found = result.err().and_then(|e| e.raw_os_error());
        assert_eq!(found, Some(errno.raw_os_error()), "{what} {}", path.display());
    };
    is("create", fs::write(&path, "x"));
    is("rename", fs::rename(&scratch, &path));
    is("link", fs::hard_link(&scratch, &path));
    if errno != Errno::ACCESS {
        is("mkdir", fs::create_dir(&path));
        is("rename of an object", fs::rename(&source, &path));
        // SAFETY: a path that is NUL-terminated; mknod keeps nothing of it.
        let made = unsafe { libc::mknod(c_path.as_ptr(), libc::S_IFREG | 0o644, 0) };
        is("mknod", if made == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) });
    }
}

/// 1.6: keys of 1024 bytes are made, of 1025 not.
fn keys_as_long_as_they_can_be(mount: &TestMount) {
    let dir = format!("any/{0}/{0}/{0}/{0}", "d".repeat(200));
    fs::create_dir_all(mount.path(&dir)).unwrap();
    let longest = format!("{dir}/{}", "f".repeat(1023 - dir.len()));
    fs::write(mount.path(&longest), "longest").unwrap();
    eventually("the longest key", || mount.keys().contains(&longest));
    let error = fs::write(mount.path(&format!("{longest}f")), "longer").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NAMETOOLONG.raw_os_error()));
}

/// What a name holds does not break the lines of log and events, nor steers a terminal.
fn assert_one_line_each(mount: &TestMount) {
    let is_bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}');
    let log = mount.log();
    let is_rest = |line: &str| line.starts_with("break"); // of the name with a line break
    let bad: Vec<_> = log.lines().filter(|l| l.contains(is_bad) || is_rest(l)).collect();
    assert!(bad.is_empty(), "control characters in the log: {bad:?}");
    let status = mount.cli(&["status", mount.path("").to_str().unwrap()]);
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(!text.contains(is_bad), "control characters in the status: {text:?}");
}

fn at(mount: &TestMount, dir: &str, name: &[u8]) -> PathBuf {
    mount.path(dir).join(OsStr::from_bytes(name))
}

fn config(mount: &TestMount) -> String {
    mount.host("../config.toml").display().to_string()
}
