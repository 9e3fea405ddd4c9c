//! stress-ng: many processes that do what file systems find hard, at once, for a while.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::mount::{Kind, PATIENCE, Setup, TestMount};
use crate::{CONFIG, excluded, program, short_or_full};

on_both_stores! {
    stressors_end_without_a_failure_a_leak_or_an_error_in_the_log,
}

/// Stressors of the class "filesystem" that apply: they work on files below the directory that they are given. Not
/// among them, since they work elsewhere: bind-mount, binderfs, eventfd, ioprio, procfs.
const STRESSORS: [&str; 37] = [
    "chattr",
    "chdir",
    "chmod",
    "chown",
    "copy-file",
    "dentry",
    "dir",
    "dirdeep",
    "dirmany",
    "dnotify",
    "dup",
    "fallocate",
    "fanotify",
    "fcntl",
    "file-ioctl",
    "filename",
    "flock",
    "fpunch",
    "fsize",
    "fstat",
    "getdent",
    "handle",
    "hdd",
    "inode-flags",
    "inotify",
    "io",
    "iomix",
    "lease",
    "locka",
    "lockf",
    "lockofd",
    "mknod",
    "open",
    "rename",
    "sync-file",
    "touch",
    "utime",
];

fn stressors_end_without_a_failure_a_leak_or_an_error_in_the_log(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    fs::create_dir(mount.path("suite/stress")).unwrap();
    // once, so that what is opened for good is open
    stress(&mount, &["open", "hdd"], 1);
    let before = open_files(&mount);

    let seconds = short_or_full(15, 300);
    let said = stress(&mount, &STRESSORS, seconds);
    for complaint in complaints().iter().filter(|complaint| complaint.always) {
        let made = said.lines().any(|line| complaint.is(line));
        assert!(made, "'{}' is left out, and nobody says so:\n{said}", complaint.says);
    }
    let left: Vec<_> = mount.names("suite/stress");
    println!("{} stressors, {seconds} s each; left over: {left:?}", STRESSORS.len());

    let until = Instant::now() + PATIENCE;
    loop {
        let more: BTreeMap<_, _> =
            open_files(&mount).into_iter().filter(|(dir, n)| before.get(dir).unwrap_or(&0) < n).collect();
        if more.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "the daemon holds on to {more:?}; before: {before:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(mount.status()["drafts"]["failed"], 0, "{said}");
    mount.stop();
}

/// What is left out must be left out.
#[test]
fn stressors_that_are_left_out_cannot_run() {
    let mut mount = Setup::new(Kind::Dir).config(CONFIG).start();
    for (name, reason) in excluded::read(include_str!("stress-ng.exclude")) {
        let mut command = stress_ng(&mount.path("suite"), &[name], 1);
        let ran = program::run(&mut command, Duration::from_secs(60));
        let refused = !ran.status.success() || ran.said.contains("not supported");
        assert!(refused, "{name} runs, and yet is left out ({reason}):\n{}", ran.said);
    }
    mount.stop();
}

/// Runs the stressors all at once; returns what they said.
#[track_caller]
fn stress(mount: &TestMount, names: &[&str], seconds: u32) -> String {
    let mut command = stress_ng(&mount.path("suite/stress"), names, seconds);
    let said = program::succeed(&mut command, Duration::from_secs(u64::from(seconds) + 120));
    let explained = complaints();
    let is_failure = |line: &&str| line.contains(" fail: ") && !explained.iter().any(|e| e.is(line));
    let failures: Vec<&str> = said.lines().filter(is_failure).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    said
}

/// What the stressors say that the law is the reason for.
fn complaints() -> Vec<excluded::Complaint<'static>> {
    excluded::read_complaints(include_str!("stress-ng.complaints"))
}

fn stress_ng(dir: &Path, names: &[&str], seconds: u32) -> Command {
    let mut command = Command::new("stress-ng");
    command.arg("--temp-path").arg(dir).args(["--timeout", &seconds.to_string()]);
    for name in names {
        command.args([&format!("--{name}"), "1"]);
    }
    command
}

/// Returns how many files the daemon has open, by directory: staging, cache, store. Not the catalog's, of which each
/// connection opens another when it first needs it.
fn open_files(mount: &TestMount) -> BTreeMap<String, usize> {
    let mut open = BTreeMap::new();
    for fd in fs::read_dir(format!("/proc/{}/fd", mount.pid().as_raw_nonzero())).unwrap().flatten() {
        // a descriptor may be closed by now
        let Ok(target) = fs::read_link(fd.path()) else { continue };
        let dir = target.parent().unwrap_or(&target);
        if target.is_absolute() && !target.starts_with("/dev") && dir != mount.state() {
            *open.entry(dir.display().to_string()).or_default() += 1;
        }
    }
    open
}
